"""Equalisers: what the receiver does with its knowledge of h before it decodes.

With `y = h s + n` and the receiver's estimate g of h (g = h for perfect knowledge), every equaliser hands over

    symbols = csi * s + n',   n' ~ CN(0, noise_var)

    none           symbols = y                              csi = g                          noise_var = sigma^2
    zero forcing   symbols = y / g                          csi = 1                          noise_var = sigma^2 / |g|^2
    MMSE           symbols = conj(g) y / (|g|^2 + sigma^2)  csi = |g|^2 / (|g|^2 + sigma^2)  noise_var = csi (1 - csi)

With an estimated g these are the receiver's beliefs: exact up to the estimation error. Reference: Tse and Viswanath,
Fundamentals of Wireless Communication (2005), sections 3.1 and 8.3.
"""

import dataclasses
from typing import Protocol, runtime_checkable

import jax.numpy as jnp
from jaxtyping import Array, Complex, Float

from semjax.channels import base
from semjax.types import ChannelOut, Symbols

WEAKEST_POWER = 1e-12
"""Zero forcing treats |g|^2 below this as this; it keeps h = 0 finite and is met once in 10^12 Rayleigh draws."""

Gain = Complex[Array, "b k"]


@runtime_checkable
class Equaliser(Protocol):
    """Turns received symbols and an estimate of the gain into a `ChannelOut` without uses."""

    def __call__(self, symbols: Symbols, gain: Gain, noise_var: Float[Array, "b k"]) -> ChannelOut:
        """Equalises `symbols[b, k]` with `gain[b, k]` at noise variance `noise_var[b, k]` per complex use."""
        ...


@dataclasses.dataclass(frozen=True, kw_only=True)
class NoEqualiser:
    """Hands over the symbols as received, with the gain beside them."""

    def __call__(self, symbols: Symbols, gain: Gain, noise_var: Float[Array, "b k"]) -> ChannelOut:
        """See `Equaliser`."""
        return ChannelOut(symbols=symbols, noise_var=noise_var, csi=gain)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ZeroForcing:
    """Divides by the gain: no bias, and much noise where the gain is small."""

    def __call__(self, symbols: Symbols, gain: Gain, noise_var: Float[Array, "b k"]) -> ChannelOut:
        """See `Equaliser`."""
        strength = jnp.maximum(base.power(gain), WEAKEST_POWER)
        return ChannelOut(symbols=symbols * jnp.conj(gain) / strength, noise_var=noise_var / strength)


@dataclasses.dataclass(frozen=True, kw_only=True)
class MMSE:
    """Least mean squared error for unit-power symbols: shrinks where the gain is small."""

    def __call__(self, symbols: Symbols, gain: Gain, noise_var: Float[Array, "b k"]) -> ChannelOut:
        """See `Equaliser`."""
        total = base.power(gain) + noise_var
        share = base.power(gain) / total
        return ChannelOut(
            symbols=symbols * (jnp.conj(gain) / total),
            # The product of two shares, not |g|^2 sigma^2 / total^2: the square leaves float32 at 100 dB.
            noise_var=share * (noise_var / total),
            csi=share.astype(symbols.dtype),
        )
