"""Peaks of a transmitted signal: what a power amplifier must bear above the mean.

    PAPR = max_k |s_k|^2 / mean_k |s_k|^2,    p = 99.9 % quantile of |s_k|^2 / mean_k |s_k|^2,    over the used symbols

Both are of the symbols themselves, before any pulse shaping, per picture and in dB. The peak grows with the number of
symbols that are looked at; the quantile, the level that one symbol in a thousand exceeds, does not, so it is the one to
compare between pictures of different size and between rates.

Source: Goldsmith, Wireless Communications (2005), section 12.5.1 (the ratio and its distribution).
"""

import jax.numpy as jnp

from semjax.types import PerImage, Symbols, Used

QUANTILE = 0.999


def papr_db(symbols: Symbols, used: Used) -> PerImage:
    """Peak over mean power of each picture's used symbols.

    Args:
      symbols: what is sent, `[b, k]`.
      used: 1 where a symbol is used, `[b, k]`.

    Returns:
      The ratio in dB, `[b]`; NaN for a picture that sends no power.
    """
    return _decibels(jnp.nanmax(_relative_power(symbols, used), axis=-1))


def power_p999_db(symbols: Symbols, used: Used) -> PerImage:
    """The power, over the mean, that one in a thousand of each picture's used symbols exceeds.

    Args:
      symbols: what is sent, `[b, k]`.
      used: 1 where a symbol is used, `[b, k]`.

    Returns:
      The quantile in dB, `[b]`; NaN for a picture that sends no power.
    """
    return _decibels(jnp.nanquantile(_relative_power(symbols, used), QUANTILE, axis=-1))


def _relative_power(symbols: Symbols, used: Used) -> Used:
    """Power over its mean; NaN where a symbol is not used."""
    power = jnp.square(symbols.real) + jnp.square(symbols.imag)
    mean = jnp.mean(power, axis=-1, where=used > 0, keepdims=True)
    return jnp.where(used > 0, power / jnp.where(mean > 0, mean, jnp.nan), jnp.nan)


def _decibels(ratio: PerImage) -> PerImage:
    return 10.0 * jnp.log10(ratio)
