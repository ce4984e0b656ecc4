"""Swin encoder: stages of shifted-window attention at 1/2, 1/4, ... of the side.

    image ─ cut 2x2, Dense ─► [blocks] ─ modulate ─ merge 2x2 ─► [blocks] ─ ... ─ norm ─ gate ─ Dense ─► latents
                              stage 0                            stage 1

A merge is a fold of 2x2 tokens, a layer norm and a Dense without bias.

Source: K. Yang et al., "SwinJSCC: Taming Swin Transformer for deep joint source-channel coding", IEEE TCCN 2024,
arXiv 2308.09361, section III (structure), Fig. 4 (the gates "Channel ModNet" and "Rate ModNet").
"""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from semjax.nn.conv import space_to_depth
from semjax.nn.modulate import Unmodulated
from semjax.nn.swin import Initializer, SwinStage
from semjax.types import Public


class SwinEncoder(nn.Module):
    """Stages of Swin blocks; the default is a small one for CPUs, the published one has widths (128, 192, 256, 320),
    depths (2, 2, 6, 2), heads (4, 6, 8, 10).

    Attributes:
      features: real dimensions per latent position.
      widths: of the stages; each halves the side.
      depths: blocks of the stages, even numbers; 0 is allowed.
      heads: attention heads of the stages.
      window: side of the attention windows, in tokens.
      mlp_ratio: width of a block's hidden layer over its width.
      scan: see `SwinStage`.
      remat: see `SwinStage`.
      modulation: `Unmodulated` or `SNRFiLM`, applied after each stage.
      gate: applied to the last stage's normalised features, such as `ModNets`.
      last_init: initializer of the last kernel (zeros make a zero start).
      dtype: computing type; parameters and latents are float32.
    """

    features: int
    widths: tuple[int, ...] = (32, 64, 128, 192)
    depths: tuple[int, ...] = (0, 2, 2, 2)
    heads: tuple[int, ...] = (1, 2, 4, 6)
    window: int = 8
    mlp_ratio: float = 4.0
    scan: bool = False
    remat: bool = False
    modulation: Callable[..., nn.Module] = Unmodulated
    gate: Callable[..., nn.Module] = Unmodulated
    last_init: Initializer = nn.initializers.lecun_normal()
    dtype: Any = jnp.float32

    @property
    def stride(self) -> int:
        """Pixels per latent position, along each axis."""
        return 2 ** len(self.widths)

    @nn.compact
    def __call__(self, image: Float[Array, "b h w 3"], public: Public) -> Float[Array, "b hl wl features"]:
        """Encodes `image[b, h, w, 3]` into `[b, h/stride, w/stride, features]`; the sides divide by `stride`."""
        x = image.astype(self.dtype)
        for i, (width, depth, heads) in enumerate(zip(self.widths, self.depths, self.heads, strict=True)):
            x = space_to_depth(x, 2)
            if i:
                x = nn.LayerNorm(dtype=self.dtype, name=f"merge_norm_{i}")(x)
            x = nn.Dense(width, use_bias=i == 0, dtype=self.dtype, name=f"merge_{i}")(x)
            if i == 0:
                x = nn.LayerNorm(dtype=self.dtype, name="merge_norm_0")(x)
            x = SwinStage(
                depth,
                heads,
                self.window,
                mlp_ratio=self.mlp_ratio,
                scan=self.scan,
                remat=self.remat,
                dtype=self.dtype,
                name=f"stage_{i}",
            )(x)
            x = self.modulation(width=width, dtype=self.dtype, name=f"modulate_{i}")(x, public)
        x = nn.LayerNorm(dtype=self.dtype, name="norm")(x)
        x = self.gate(width=self.widths[-1], dtype=self.dtype, name="gate")(x, public)
        last = nn.Dense(self.features, kernel_init=self.last_init, dtype=self.dtype, name="last")
        return last(x).astype(jnp.float32)
