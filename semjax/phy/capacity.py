"""Capacities in bits per complex channel use, on the host.

    AWGN               C = log2(1 + snr)
    ergodic Rayleigh   C = e^x E1(x) / ln 2,  x = 1 / snr
    ergodic Rician     C = E log2(1 + snr |h|^2), by the quantiles of |h|^2

snr = 10^(snr_db / 10) is the average Es/N0. An ergodic capacity belongs to codewords that see many gains, with h
known to the receiver alone; over one block of one gain there is outage instead. Reference: Alouini and Goldsmith,
"Capacity of Rayleigh fading channels under different adaptive transmission and diversity-combining techniques", IEEE
Transactions on Vehicular Technology 48(4), 1999 (rate adaptation at constant power).
"""

import functools

import numpy as np
from jaxtyping import ArrayLike, Float, Shaped
from scipy import special

LARGE = 50.0
"""From here on e^x E1(x) is summed from its asymptotic series, by then exact to 1e-10; e^x would overflow later."""

QUANTILES = 1 << 12

Decibels = Shaped[ArrayLike, "..."]
PerUse = Float[np.ndarray, "..."]


def _ratio(snr_db: Decibels) -> PerUse:
    return np.asarray(10 ** (np.asarray(snr_db, dtype=np.float64) / 10))


def shannon(snr_db: Decibels) -> PerUse:
    """Returns the capacity of the complex AWGN channel.

    Args:
      snr_db: average Es/N0 per complex use in dB; a number or an array.

    Returns:
      Bits per complex use, of the same shape.

    >>> float(shannon(0.0))
    1.0
    """
    return np.asarray(np.log1p(_ratio(snr_db)) / np.log(2))


def _scaled_exponential_integral(x: PerUse) -> PerUse:
    """Returns `e^x E1(x)` for `0 <= x <= inf`."""
    small, large = np.asarray(np.minimum(x, LARGE)), np.asarray(np.maximum(x, LARGE))
    term, total = 1 / large, np.zeros_like(large)
    for order in range(12):
        total, term = total + term, -term * (order + 1) / large
    return np.where(x < LARGE, np.exp(small) * special.exp1(small), total)


def ergodic_rayleigh(snr_db: Decibels) -> PerUse:
    """Returns the ergodic capacity of Rayleigh fading with h known to the receiver.

    Args:
      snr_db: average Es/N0 per complex use in dB; a number or an array.

    Returns:
      Bits per complex use, of the same shape.
    """
    return np.asarray(_scaled_exponential_integral(_ratio(-np.asarray(snr_db))) / np.log(2))


@functools.lru_cache(maxsize=32)
def _rician_quantiles(k_factor_db: float) -> Float[np.ndarray, "q"]:
    k_factor = 10 ** (k_factor_db / 10)
    probability = (np.arange(QUANTILES) + 0.5) / QUANTILES
    return special.chndtrix(probability, 2, 2 * k_factor) / (2 * (k_factor + 1))


def ergodic_rician(snr_db: Decibels, k_factor_db: float | int) -> PerUse:
    """Returns the ergodic capacity of Rician fading with h known to the receiver, to about 1e-4 bits.

    Args:
      snr_db: average Es/N0 per complex use in dB; a number or an array.
      k_factor_db: line of sight over scattering in dB.

    Returns:
      Bits per complex use, of the same shape.
    """
    power = _rician_quantiles(float(k_factor_db))
    return np.asarray(np.mean(np.log1p(_ratio(snr_db)[..., None] * power), axis=-1) / np.log(2))
