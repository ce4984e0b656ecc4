"""Convolutional decoders, the mirrors of `semjax.encoders.conv`.

    latents ─ tconv5 32 ─ tconv5 32 ─ tconv5 32 ─ tconv5 s2 16 ─ tconv5 s2 3 ─ sigmoid ─► image [b, h, w, 3]
              (a PReLU after each but the last)

    latents ─ Dense ─► [blocks] ─ Dense, unfold 2x2 ─► [blocks] ─ ... ─ conv3 to 12, unfold 2x2 ─► image

Source: E. Bourtsoulatze, D. Burth Kurka, D. Gündüz, arXiv 1809.01733, Fig. 2.
"""

import math
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from semjax.nn.conv import ConvTranspose, Initializer, PReLU, ResidualBlock, depth_to_space
from semjax.nn.modulate import Unmodulated
from semjax.types import Public


class ConvDecoder(nn.Module):
    """DeepJSCC's decoder. Parameters `tconv_i` (kernel [k, k, cout, cin], bias), i = 0..4, and `prelu_i`, i = 0..3.

    Attributes:
      widths: channels of the layers before the last.
      strides: strides of all layers; the product is the decoder's `stride`.
      kernel_size: side of every kernel, odd.
      modulation: `Unmodulated` or `SNRFiLM`, applied after each layer but the last.
      final: function of the last layer's output: sigmoid as published, or `lambda x: x`.
      last_init: initializer of the last kernel; None is variance preserving, zeros make a zero start.
      dtype: computing type; parameters and image are float32.
    """

    widths: tuple[int, ...] = (32, 32, 32, 16)
    strides: tuple[int, ...] = (1, 1, 1, 2, 2)
    kernel_size: int = 5
    modulation: Callable[..., nn.Module] = Unmodulated
    final: Callable[[Array], Array] = nn.sigmoid
    last_init: Initializer | None = None
    dtype: Any = jnp.float32

    @property
    def stride(self) -> int:
        """Pixels per latent position, along each axis."""
        return math.prod(self.strides)

    def _tconv(self, index: int, width: int, init: Initializer | None) -> ConvTranspose:
        return ConvTranspose(
            width,
            self.kernel_size,
            self.strides[index],
            kernel_init=init,
            dtype=self.dtype,
            name=f"tconv_{index}",
        )

    @nn.compact
    def __call__(self, latents: Float[Array, "b hl wl c"], public: Public) -> Float[Array, "b h w 3"]:
        """Decodes `latents[b, h/stride, w/stride, c]` into an image `[b, h, w, 3]`; nothing is clipped."""
        if len(self.strides) != len(self.widths) + 1:
            raise ValueError(f"{len(self.widths)} widths need one stride more, got {self.strides}.")
        x = latents.astype(self.dtype)
        for i, width in enumerate(self.widths):
            x = PReLU(name=f"prelu_{i}")(self._tconv(i, width, None)(x))
            x = self.modulation(width=width, dtype=self.dtype, name=f"modulate_{i}")(x, public)
        return self.final(self._tconv(len(self.widths), 3, self.last_init)(x).astype(jnp.float32))


class ResidualConvDecoder(nn.Module):
    """Mirror of `ResidualConvEncoder`; 1.1 M parameters at the default widths; no final activation.

    Attributes:
      widths: channels of the stages, coarse to fine; each doubles the side.
      blocks: residual blocks of the stages.
      modulation: `Unmodulated` or `SNRFiLM`, applied after each stage.
      last_init: initializer of the last kernel (zeros make a zero start: the image is the last bias).
      dtype: computing type; parameters and image are float32.
    """

    widths: tuple[int, ...] = (128, 96, 64, 32)
    blocks: tuple[int, ...] = (2, 2, 1, 0)
    modulation: Callable[..., nn.Module] = Unmodulated
    last_init: Initializer = nn.initializers.lecun_normal()
    dtype: Any = jnp.float32

    @property
    def stride(self) -> int:
        """Pixels per latent position, along each axis."""
        return 2 ** len(self.widths)

    @nn.compact
    def __call__(self, latents: Float[Array, "b hl wl c"], public: Public) -> Float[Array, "b h w 3"]:
        """Decodes `latents[b, h/stride, w/stride, c]` into an image `[b, h, w, 3]`; nothing is clipped."""
        x = latents.astype(self.dtype)
        for i, (width, count) in enumerate(zip(self.widths, self.blocks, strict=True)):
            if i == 0:
                x = nn.Dense(width, dtype=self.dtype, name="up_0")(x)
            else:
                x = depth_to_space(nn.Dense(4 * width, dtype=self.dtype, name=f"up_{i}")(nn.gelu(x)), 2)
            for j in range(count):
                x = ResidualBlock(width, dtype=self.dtype, name=f"block_{i}_{j}")(x)
            x = self.modulation(width=width, dtype=self.dtype, name=f"modulate_{i}")(x, public)
        last = nn.Conv(12, (3, 3), kernel_init=self.last_init, dtype=self.dtype, name="last")
        return depth_to_space(last(nn.gelu(x)), 2).astype(jnp.float32)
