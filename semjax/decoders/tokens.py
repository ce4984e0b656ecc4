"""The receiver's networks of a variable-length code that starts at the linear one: mirrors of `encoders.tokens`.

    received tokens ─► linear least squares + √v · Swin blocks with SNR FiLM ─► ŷ     [b, h/16, w/16, C]
    ŷ ─► inverse block transform + net ─► image

The SNR that the blocks are told is the one after fading, which the receiver knows. Where nothing was received (the map
of rates was lost) ŷ is 0, the mean.
"""

import dataclasses
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from semjax.bottlenecks.analog import AnalogLatents
from semjax.bottlenecks.linear import LinearCode
from semjax.encoders.tokens import STEP, deviation
from semjax.nn.modulate import SNRFiLM
from semjax.nn.swin import SwinStage
from semjax.types import Image, Public


class TokenDecoder(nn.Module):
    """f_d: latents from received tokens; attributes as of `TokenEncoder`."""

    code: LinearCode
    full: LinearCode
    width: int = 96
    depth: int = 4
    heads: int = 4
    window: int = 8
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, latents: AnalogLatents, public: Public) -> Float[Array, "b i j d"]:
        """Latents, in steps of Δ."""
        some = jnp.any(latents.sent > 0, axis=(1, 2, 3))
        known = dataclasses.replace(public, snr_db=latents.effective_snr_db())
        seen = jnp.concatenate([latents.normalised() * 2.0**0.5, latents.sent], axis=-1).astype(self.dtype)
        x = nn.Dense(self.width, dtype=self.dtype, name="in")(seen)
        x = SNRFiLM(width=self.width, dtype=self.dtype, name="film")(x, known)
        x = SwinStage(self.depth, self.heads, self.window, dtype=self.dtype, name="blocks")(x)
        last = nn.Dense(self.full.features, kernel_init=nn.initializers.zeros, dtype=self.dtype, name="last")
        change = last(nn.LayerNorm(dtype=self.dtype, name="norm")(x)).astype(jnp.float32)
        linear = self.code.estimate(latents)
        whole = jnp.pad(linear, ((0, 0), (0, 0), (0, 0), (0, self.full.features - self.code.features)))
        return jnp.where(some[:, None, None, None], (whole + deviation(self.full) * change) / STEP, 0.0)


class SynthesisTransform(nn.Module):
    """g_s: the picture of latents, and what a network changes in it.

    Attributes:
      code: whose coefficients the latents hold.
      net: (latents of variance about 1, public) → [b, h, w, 3].
    """

    code: LinearCode
    net: nn.Module

    def __call__(self, y: Float[Array, "b i j d"], public: Public) -> Image:
        """Pictures, not clipped."""
        return self.code.picture(y * STEP) + self.net(y * (STEP / deviation(self.code)), public)
