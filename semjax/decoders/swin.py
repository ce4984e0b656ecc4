"""Swin decoder, the mirror of `semjax.encoders.swin`.

    latents ─ Dense ─ gate ─► [blocks] ─ modulate ─ split 2x2 ─► [blocks] ─ modulate ─ ... ─ last, unfold 2x2 ─► image
                              stage 0                          stage 1

A split is a layer norm, a Dense without bias and an unfold to 2x2 tokens; the last one gives pixels.

Source: K. Yang et al., arXiv 2308.09361, section III.
"""

import functools
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from semjax.nn.conv import depth_to_space
from semjax.nn.modulate import Unmodulated
from semjax.nn.swin import Initializer, SwinStage
from semjax.types import Public


class SwinDecoder(nn.Module):
    """Stages of Swin blocks, coarse to fine. `coarse` then `fine` is what a call does; a system may work in between.

    Attributes:
      widths: of the stages, coarse to fine; each doubles the side.
      depths: blocks of the stages, even numbers; 0 is allowed.
      heads: attention heads of the stages.
      window: side of the attention windows, in tokens.
      mlp_ratio: width of a block's hidden layer over its width.
      scan: see `SwinStage`.
      remat: see `SwinStage`.
      last_kernel: side of the last layer's kernel: 1 as published, 3 lets neighbours speak before pixels are made.
      modulation: `Unmodulated` or `SNRFiLM`, applied after each stage.
      gate: applied to the first features, such as `ModNets`.
      last_init: initializer of the last kernel (zeros make a zero start: the image is the last bias).
      dtype: computing type; parameters and image are float32.
    """

    widths: tuple[int, ...] = (192, 128, 64, 32)
    depths: tuple[int, ...] = (2, 2, 2, 0)
    heads: tuple[int, ...] = (6, 4, 2, 1)
    window: int = 8
    mlp_ratio: float = 4.0
    scan: bool = False
    remat: bool = False
    last_kernel: int = 3
    modulation: Callable[..., nn.Module] = Unmodulated
    gate: Callable[..., nn.Module] = Unmodulated
    last_init: Initializer = nn.initializers.lecun_normal()
    dtype: Any = jnp.float32

    @property
    def stride(self) -> int:
        """Pixels per latent position, along each axis."""
        return 2 ** len(self.widths)

    def setup(self) -> None:
        settings: dict[str, Any] = {"mlp_ratio": self.mlp_ratio, "scan": self.scan, "remat": self.remat}
        stages = zip(self.depths, self.heads, strict=True)
        self.first = nn.Dense(self.widths[0], dtype=self.dtype)
        self.gated = self.gate(width=self.widths[0], dtype=self.dtype)
        self.stages = [SwinStage(depth, h, self.window, **settings, dtype=self.dtype) for depth, h in stages]
        self.modulated = [self.modulation(width=width, dtype=self.dtype) for width in self.widths]
        self.norms = [nn.LayerNorm(dtype=self.dtype) for _ in self.widths]
        self.splits = [nn.Dense(4 * width, use_bias=False, dtype=self.dtype) for width in self.widths[1:]]
        conv = functools.partial(nn.Conv, kernel_size=(self.last_kernel, self.last_kernel))
        last: Any = nn.Dense if self.last_kernel == 1 else conv  # the same function, faster
        self.last = last(12, kernel_init=self.last_init, dtype=self.dtype)

    def __call__(self, latents: Float[Array, "b hl wl c"], public: Public) -> Float[Array, "b h w 3"]:
        """Decodes `latents[b, h/stride, w/stride, c]` into an image `[b, h, w, 3]`; nothing is clipped."""
        return self.fine(self.coarse(latents, public), public)

    def coarse(self, latents: Float[Array, "b hl wl c"], public: Public) -> Float[Array, "b hl wl d"]:
        """The features of the first stage."""
        x = self.gated(self.first(latents.astype(self.dtype)), public)
        return self.modulated[0](self.stages[0](x), public)

    def fine(self, features: Float[Array, "b hl wl d"], public: Public) -> Float[Array, "b h w 3"]:
        """The picture, from the features of the first stage."""
        x = features
        for i, split in enumerate(self.splits):
            x = depth_to_space(split(self.norms[i](x)), 2)
            x = self.modulated[i + 1](self.stages[i + 1](x), public)
        return depth_to_space(self.last(self.norms[-1](x)), 2).astype(jnp.float32)
