"""Convolutional encoders.

`ConvEncoder` is the five-layer form of DeepJSCC that public code trains (156 k parameters with its mirror at 16
features):

    image ─ conv5 s2 16 ─ conv5 s2 32 ─ conv5 32 ─ conv5 32 ─ conv5 features ─► latents [b, h/4, w/4, features]
            (a PReLU after each)

`ResidualConvEncoder` is wider and reaches 1/16 of the side; most of its multiplications are 3x3 convolutions at low
resolution, where compilers for CPUs and TPUs alike are efficient:

    image ─ conv5 s2 ─► [blocks] ─ fold 2x2, Dense ─► [blocks] ─ ... ─ Dense ─► latents [b, h/16, w/16, features]

Source: E. Bourtsoulatze, D. Burth Kurka, D. Gündüz, arXiv 1809.01733, Fig. 2 (PReLU after every layer; there the power
normalisation follows, here it belongs to the bottleneck).
"""

import math
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from semjax.nn.conv import Conv, Initializer, PReLU, ResidualBlock, he_normal, space_to_depth
from semjax.nn.modulate import Unmodulated
from semjax.types import Public


def _check_sides(image: Array, stride: int) -> None:
    if image.shape[1] % stride or image.shape[2] % stride:
        raise ValueError(f"this encoder needs sides that are multiples of {stride}, got {image.shape[1:3]}: pad first.")


class ConvEncoder(nn.Module):
    """DeepJSCC's encoder. Parameters `conv_i` (kernel, bias) and `prelu_i` (negative_slope), i = 0..4.

    Attributes:
      features: real dimensions per latent position (2c where the literature counts c complex).
      widths: channels of the layers before the last.
      strides: their strides; the product is the encoder's `stride`.
      kernel_size: side of every kernel, odd.
      modulation: `Unmodulated` or `SNRFiLM`, applied after each layer but the last.
      final: makes the activation after the last layer; `PReLU` as published, `Identity` for none.
      last_init: initializer of the last kernel (zeros make a zero start).
      dtype: computing type; parameters and latents are float32.
    """

    features: int
    widths: tuple[int, ...] = (16, 32, 32, 32)
    strides: tuple[int, ...] = (2, 2, 1, 1)
    kernel_size: int = 5
    modulation: Callable[..., nn.Module] = Unmodulated
    final: Callable[..., nn.Module] = PReLU
    last_init: Initializer = nn.initializers.lecun_normal()
    dtype: Any = jnp.float32

    @property
    def stride(self) -> int:
        """Pixels per latent position, along each axis."""
        return math.prod(self.strides)

    def _conv(self, index: int, width: int, *, stride: int, init: Initializer) -> Conv:
        return Conv(width, self.kernel_size, stride, kernel_init=init, dtype=self.dtype, name=f"conv_{index}")

    @nn.compact
    def __call__(self, image: Float[Array, "b h w 3"], public: Public) -> Float[Array, "b hl wl features"]:
        """Encodes `image[b, h, w, 3]` into latents `[b, h/stride, w/stride, features]`."""
        _check_sides(image, self.stride)
        x = image.astype(self.dtype)
        for i, (width, s) in enumerate(zip(self.widths, self.strides, strict=True)):
            x = PReLU(name=f"prelu_{i}")(self._conv(i, width, stride=s, init=he_normal)(x))
            x = self.modulation(width=width, dtype=self.dtype, name=f"modulate_{i}")(x, public)
        last = len(self.widths)
        x = self._conv(last, self.features, stride=1, init=self.last_init)(x)
        return self.final(name=f"prelu_{last}")(x).astype(jnp.float32)


class ResidualConvEncoder(nn.Module):
    """Stages of residual blocks, four at the default widths with 1.1 M parameters.

    Attributes:
      features: real dimensions per latent position.
      widths: channels of the stages; each halves the side.
      blocks: residual blocks of the stages.
      modulation: `Unmodulated` or `SNRFiLM`, applied after each stage.
      last_init: initializer of the last kernel (zeros make a zero start).
      dtype: computing type; parameters and latents are float32.
    """

    features: int
    widths: tuple[int, ...] = (32, 64, 96, 128)
    blocks: tuple[int, ...] = (0, 1, 2, 2)
    modulation: Callable[..., nn.Module] = Unmodulated
    last_init: Initializer = nn.initializers.lecun_normal()
    dtype: Any = jnp.float32

    @property
    def stride(self) -> int:
        """Pixels per latent position, along each axis."""
        return 2 ** len(self.widths)

    @nn.compact
    def __call__(self, image: Float[Array, "b h w 3"], public: Public) -> Float[Array, "b hl wl features"]:
        """Encodes `image[b, h, w, 3]` into latents `[b, h/stride, w/stride, features]`."""
        _check_sides(image, self.stride)
        x = image.astype(self.dtype)
        for i, (width, count) in enumerate(zip(self.widths, self.blocks, strict=True)):
            if i == 0:
                # The picture needs no gradient, so the strided convolution costs only its forward and weight passes.
                x = Conv(width, stride=2, dtype=self.dtype, name="down_0")(x)
            else:
                x = nn.Dense(width, dtype=self.dtype, name=f"down_{i}")(space_to_depth(nn.gelu(x), 2))
            for j in range(count):
                x = ResidualBlock(width, dtype=self.dtype, name=f"block_{i}_{j}")(x)
            x = self.modulation(width=width, dtype=self.dtype, name=f"modulate_{i}")(x, public)
        last = nn.Dense(self.features, kernel_init=self.last_init, dtype=self.dtype, name="last")
        return last(nn.gelu(x)).astype(jnp.float32)
