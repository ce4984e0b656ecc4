"""Convolutional blocks: strided and transposed convolution with fast gradients, sub-pixel shuffles, residual block.

Let `S` be the strided correlation with zero padding p = (k - 1) / 2 on every side (k odd),

    (S u)[y, x, i] = Σ_{a, c, o} kernel[a, c, o, i] · u[s·y + a − p, s·x + c − p, o]

which takes `u[b, s·h, s·w, cout]` to `[b, h, w, cin]`. Its transpose in u, `Sᵀ`, takes `x[b, h, w, cin]` to
`[b, s·h, s·w, cout]`: the transposed convolution. Output pixels of one phase r = position mod s meet only the taps
a = r + p − s·t, so `Sᵀ` is one dense convolution of x with s² output phases, followed by an unfolding:

    (Sᵀ x)[s·y + r] = Σ_t kernel[r + p − s·t]ᵀ x[y + t],     t = −⌊p/s⌋ .. ⌊(s − 1 + p)/s⌋     (and so along x)

Both maps are bilinear, so their gradients are each other, and the weight gradient of `S` serves both:

    d/du (S u) = Sᵀ,     d/dx (Sᵀ x) = S,     d/dkernel ⟨x, S u⟩ = the transpose of kernel ↦ S u, applied to x

XLA's CPU backend leaves its fast paths where convolutions are dilated, as in the rules it would derive itself.

Source: V. Dumoulin, F. Visin, "A guide to convolution arithmetic for deep learning", arXiv 1603.07285, section 4;
sub-pixel shuffle: W. Shi et al., arXiv 1609.05158, section 2.2.
"""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

Initializer = Callable[..., Array]
Dtype = Any

NHWC = ("NHWC", "HWIO", "NHWC")
he_normal = nn.initializers.he_normal()


def transposed_conv(
    x: Float[Array, "b h w cin"], kernel: Float[Array, "k k cout cin"], stride: int
) -> Float[Array, "b hs ws cout"]:
    """Transposed convolution: exactly `stride` times larger pictures.

    Equals torch's ConvTranspose2d(kernel_size=k, stride=s, padding=(k - 1) / 2, output_padding=s - 1) with
    `kernel = weight.transpose(2, 3, 1, 0)`, without a flip.

    Args:
      x: [b, h, w, cin].
      kernel: [k, k, cout, cin] of the same dtype, k odd.
      stride: upsampling factor s.

    Returns:
      [b, s·h, s·w, cout].

    Raises:
      ValueError: if k is even or the kernel's last axis is not x's.
    """
    if kernel.shape[0] % 2 == 0 or kernel.shape[0] != kernel.shape[1] or kernel.shape[3] != x.shape[3]:
        raise ValueError(f"transposed_conv needs kernel[k, k, cout, {x.shape[3]}] with k odd, got {kernel.shape}.")
    return _transposed(x, kernel, stride)


def strided_conv(
    u: Float[Array, "b hs ws cin"], kernel: Float[Array, "k k cin cout"], stride: int
) -> Float[Array, "b h w cout"]:
    """Convolution with zero padding (k - 1) / 2 on every side: exactly `stride` times smaller pictures.

    Args:
      u: [b, s·h, s·w, cin].
      kernel: [k, k, cin, cout] of the same dtype, k odd.
      stride: downsampling factor s.

    Returns:
      [b, h, w, cout].

    Raises:
      ValueError: if k is even, the sides are not multiples of the stride, or the channels differ.
    """
    if kernel.shape[0] % 2 == 0 or kernel.shape[0] != kernel.shape[1] or kernel.shape[2] != u.shape[3]:
        raise ValueError(f"strided_conv needs kernel[k, k, {u.shape[3]}, cout] with k odd, got {kernel.shape}.")
    if u.shape[1] % stride or u.shape[2] % stride:
        raise ValueError(f"strided_conv needs sides that are multiples of {stride}, got {u.shape[1:3]}.")
    return _down(u, kernel, stride)


def _strided(u: Array, kernel: Array, stride: int) -> Array:
    pad = (kernel.shape[0] - 1) // 2
    return jax.lax.conv_general_dilated(u, kernel, (stride, stride), [(pad, pad), (pad, pad)], dimension_numbers=NHWC)


def _unfolded(x: Array, kernel: Array, stride: int) -> Array:
    k, _, cout, cin = kernel.shape
    pad = (k - 1) // 2
    first, last = -(pad // stride), (stride - 1 + pad) // stride
    tap = np.arange(stride) + pad - stride * np.arange(first, last + 1)[:, None]  # [t, r]
    tap = np.where((tap < 0) | (tap >= k), k, tap)  # a tap outside the kernel is the zero row appended to it
    padded = jnp.pad(kernel, ((0, 1), (0, 1), (0, 0), (0, 0)))
    phases = padded[tap[:, :, None, None], tap[None, None, :, :]]  # [t, r, t, r, cout, cin]
    size = last + 1 - first
    dense = phases.transpose(0, 2, 5, 1, 3, 4).reshape(size, size, cin, stride * stride * cout)
    margin = (-first, last)
    y = jax.lax.conv_general_dilated(x, dense, (1, 1), [margin, margin], dimension_numbers=NHWC)
    return depth_to_space(y, stride)


def _in_kernel(u: Array, kernel: Array, stride: int, x: Array) -> Array:
    return jax.linear_transpose(lambda k: _strided(u, k, stride), kernel)(x)[0]


def _up_backward(stride: int, saved: tuple[Array, Array], cotangent: Array) -> tuple[Array, Array]:
    x, kernel = saved
    return _strided(cotangent, kernel, stride), _in_kernel(cotangent, kernel, stride, x)


def _down_backward(stride: int, saved: tuple[Array, Array], cotangent: Array) -> tuple[Array, Array]:
    u, kernel = saved
    return _unfolded(cotangent, kernel, stride), _in_kernel(u, kernel, stride, cotangent)


_transposed: Callable[[Array, Array, int], Array] = jax.custom_vjp(_unfolded, nondiff_argnums=(2,))
_transposed.defvjp(lambda x, kernel, stride: (_unfolded(x, kernel, stride), (x, kernel)), _up_backward)
_down: Callable[[Array, Array, int], Array] = jax.custom_vjp(_strided, nondiff_argnums=(2,))
_down.defvjp(lambda u, kernel, stride: (_strided(u, kernel, stride), (u, kernel)), _down_backward)


def space_to_depth(x: Float[Array, "b h w c"], r: int) -> Float[Array, "b hr wr crr"]:
    """Folds r x r squares into channels: out[b, y, x, (dy·r + dx)·c + i] = in[b, y·r + dy, x·r + dx, i].

    Args:
      x: [b, h, w, c] with h and w multiples of r.
      r: side of the square.

    Returns:
      [b, h/r, w/r, r²·c].

    Raises:
      ValueError: if h or w is not a multiple of r.
    """
    b, h, w, c = x.shape
    if h % r or w % r:
        raise ValueError(f"height and width must be multiples of {r}, got {h} x {w}: pad the picture first.")
    squares = x.reshape(b, h // r, r, w // r, r, c).transpose(0, 1, 3, 2, 4, 5)
    return squares.reshape(b, h // r, w // r, r * r * c)


def depth_to_space(x: Float[Array, "b h w crr"], r: int) -> Float[Array, "b hr wr c"]:
    """The exact inverse of `space_to_depth`.

    Args:
      x: [b, h, w, r²·c].
      r: side of the square.

    Returns:
      [b, r·h, r·w, c].

    Raises:
      ValueError: if the channels are not a multiple of r².
    """
    b, h, w, d = x.shape
    if d % (r * r):
        raise ValueError(f"channels must be a multiple of {r * r}, got {d}.")
    squares = x.reshape(b, h, w, r, r, d // (r * r)).transpose(0, 1, 3, 2, 4, 5)
    return squares.reshape(b, r * h, r * w, d // (r * r))


class Conv(nn.Module):
    """Convolution layer on `strided_conv`; parameters kernel [k, k, cin, cout] and bias [cout]."""

    features: int
    kernel_size: int = 5
    stride: int = 1
    kernel_init: Initializer = nn.initializers.lecun_normal()
    dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b hs ws cin"]) -> Float[Array, "b h w cout"]:
        shape = (self.kernel_size, self.kernel_size, x.shape[-1], self.features)
        kernel = self.param("kernel", self.kernel_init, shape, jnp.float32)
        bias = self.param("bias", nn.initializers.zeros, (self.features,), jnp.float32)
        return strided_conv(x.astype(self.dtype), kernel.astype(self.dtype), self.stride) + bias.astype(self.dtype)


class ConvTranspose(nn.Module):
    """Transposed convolution layer on `transposed_conv`; parameters kernel [k, k, cout, cin] and bias [cout]."""

    features: int
    kernel_size: int = 5
    stride: int = 1
    kernel_init: Initializer | None = None
    dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b h w cin"]) -> Float[Array, "b hs ws cout"]:
        # CHOICE: an output pixel meets k²/s² taps of the kernel, so fan-in scaling takes a factor s² (He: times 2).
        default = nn.initializers.variance_scaling(2.0 * self.stride**2, "fan_in", "normal", in_axis=-1, out_axis=-2)
        shape = (self.kernel_size, self.kernel_size, self.features, x.shape[-1])
        kernel = self.param("kernel", self.kernel_init or default, shape, jnp.float32)
        bias = self.param("bias", nn.initializers.zeros, (self.features,), jnp.float32)
        return transposed_conv(x.astype(self.dtype), kernel.astype(self.dtype), self.stride) + bias.astype(self.dtype)


class Identity(nn.Module):
    """Returns what it is given: stands where an activation could."""

    def __call__(self, x: Array) -> Array:
        return x


class PReLU(nn.PReLU):
    """x for x ≥ 0, slope · x below, one learned slope per layer (parameter `negative_slope`) that starts at 0.25."""

    negative_slope_init: float = 0.25


class ResidualBlock(nn.Module):
    """x + conv3(gelu(conv3(gelu(x)))); with `last_init` zeros (the default) it starts as the identity."""

    width: int
    last_init: Initializer = nn.initializers.zeros
    dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b h w d"]) -> Float[Array, "b h w d"]:
        y = nn.Conv(self.width, (3, 3), kernel_init=he_normal, dtype=self.dtype, name="conv_0")(nn.gelu(x))
        y = nn.Conv(self.width, (3, 3), kernel_init=self.last_init, dtype=self.dtype, name="conv_1")(nn.gelu(y))
        return x + y
