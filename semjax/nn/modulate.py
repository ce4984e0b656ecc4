"""Modulation of features by what both ends know: one model for every SNR and rate.

    y = x · (1 + γ) + β,     [γ, β] = W₂ gelu(W₁ [snr_db / 10 − 1, rate] + c₁) + c₂,     W₂ = c₂ = 0 at the start

All modules here are called alike, `module(width=..., dtype=...)(x, public)`: a part takes one of them as the field
`modulation` or `gate`. `ModNet` is the gate of SwinJSCC, seven modulated layers on one number that both ends know,

    t_0 = W_0 x,    t_{i+1} = W_{i+1} (t_i · g_i(number)),   i = 0..6,    y = x · sigmoid(t_7)

with g_i a three-layer network that ends in a sigmoid.

Source: E. Perez et al., "FiLM", arXiv 1709.07871, Eq. 1; SNR as the condition: J. Xu et al., arXiv 2012.00533 (ADJSCC);
ModNet: K. Yang et al., arXiv 2308.09361, Fig. 4.
"""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
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


def known_snr(public: Public) -> Float[Array, "b 1"]:
    """The SNR, 0 to 20 dB as -1 to 1."""
    return (jnp.clip(public.snr_db, -30.0, 60.0) / 10.0 - 1.0)[:, None]


def known_rate(public: Public) -> Float[Array, "b 1"]:
    """The rate token."""
    return public.rate[:, None]


class ModNet(nn.Module):
    """Gates each feature by a function of itself and one known number (see the module's docstring).

    Attributes:
      width: of the features.
      known: public → the number, [b, 1].
      layers: modulated layers.
      dtype: computing type.
    """

    width: int
    known: Callable[[Public], Array] = known_snr
    layers: int = 7
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b h w d"], public: Public) -> Float[Array, "b h w d"]:
        """Gates `x[b, h, w, d]` with d = `width`; the gate takes no gradient to `x`."""
        hidden, number = round(1.5 * self.width), self.known(public)
        t = nn.Dense(hidden, dtype=self.dtype, name="in")(jax.lax.stop_gradient(x))
        for i in range(self.layers):
            gate = number
            for j in range(3):
                gate = nn.Dense(hidden, dtype=jnp.float32, name=f"gate_{i}_{j}")(gate)
                gate = nn.relu(gate) if j < 2 else nn.sigmoid(gate)
            out = hidden if i < self.layers - 1 else self.width
            t = nn.Dense(out, dtype=self.dtype, name=f"layer_{i}")(t * gate.astype(self.dtype)[:, None, None, :])
        return x * nn.sigmoid(t)


class ModNets(nn.Module):
    """The SNR's `ModNet`, then the rate's: the published transmitter."""

    width: int
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b h w d"], public: Public) -> Float[Array, "b h w d"]:
        """Gates `x[b, h, w, d]` with d = `width`."""
        x = ModNet(self.width, known_snr, dtype=self.dtype, name="snr")(x, public)
        return ModNet(self.width, known_rate, dtype=self.dtype, name="rate")(x, public)
