"""Modulation of features by what both ends know: one model for every SNR and rate.

    y = x · (1 + γ) + β,     [γ, β] = W₂ gelu(W₁ [snr_db / 10 − 1, rate] + c₁) + c₂,     W₂ = c₂ = 0 at the start

`SNRFiLM` and `Unmodulated` are called alike, `module(width=..., dtype=...)(x, public)`: a part takes one of them as
the field `modulation`.

Source: E. Perez et al., "FiLM", arXiv 1709.07871, Eq. 1; SNR as the condition: J. Xu et al., arXiv 2012.00533 (ADJSCC).
"""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from semjax.types import Public


class SNRFiLM(nn.Module):
    """Scales and shifts each channel by functions of (snr_db, rate); starts as the identity."""

    width: int
    hidden: int = 32
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b h w d"], public: Public) -> Float[Array, "b h w d"]:
        """Modulates `x[b, h, w, d]` with d = `width`."""
        # CHOICE: 0 to 20 dB becomes -1 to 1; beyond -30 and 60 dB, infinite SNRs included, nothing changes any more.
        snr_db = jnp.clip(public.snr_db, -30.0, 60.0)
        known = jnp.stack([snr_db / 10.0 - 1.0, public.rate], axis=-1)
        hidden = nn.gelu(nn.Dense(self.hidden, name="in", dtype=jnp.float32)(known))
        film = nn.Dense(2 * self.width, name="out", kernel_init=nn.initializers.zeros, dtype=jnp.float32)(hidden)
        gamma, beta = jnp.split(film.astype(self.dtype)[:, None, None, :], 2, axis=-1)
        return x * (1 + gamma) + beta


class Unmodulated(nn.Module):
    """Leaves the features as they are; no parameters."""

    width: int
    dtype: Any = jnp.float32

    def __call__(self, x: Float[Array, "b h w d"], public: Public) -> Float[Array, "b h w d"]:
        """Returns `x`."""
        del public
        return x
