"""Capacities in bits per complex channel use, on the host.

    AWGN               C = log2(1 + snr)
    ergodic Rayleigh   C = e^x E1(x) / ln 2,  x = 1 / snr
    ergodic Rician     C = E log2(1 + snr |h|^2), by the quantiles of |h|^2
    outage, Rayleigh   P(log2(1 + snr |h|^2) < R) = 1 - exp(-(2^R - 1) / snr)

snr = 10^(snr_db / 10) is the average Es/N0. An ergodic capacity belongs to codewords that see many gains, with h
known to the receiver alone; over one block of one gain there is outage instead. References: Alouini and Goldsmith,
"Capacity of Rayleigh fading channels under different adaptive transmission and diversity-combining techniques", IEEE
Transactions on Vehicular Technology 48(4), 1999 (rate adaptation at constant power); Tse and Viswanath, Fundamentals of
Wireless Communication (2005), section 5.4.1 (outage). What modulations and short codes can reach is in
`semjax.phy.coded_capacity`.
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


def outage_rayleigh(snr_db: Decibels, rate: Shaped[ArrayLike, "..."]) -> PerUse:
    """Returns the probability that one Rayleigh gain per block cannot carry `rate`.

    Args:
      snr_db: average Es/N0 per complex use in dB; a number or an array.
      rate: bits per complex use, not negative; broadcasts against `snr_db`.

    Returns:
      Probabilities, of the common shape: the block error rate of ideal codes of great length.

    Raises:
      ValueError: a negative rate.
    """
    needed = np.asarray(np.expm1(np.asarray(rate, dtype=np.float64) * np.log(2)))
    if np.any(needed < 0):
        raise ValueError(f"rate is in bits per complex use and not negative, but its least value is {np.min(rate)}")
    # At no SNR a rate of zero is still carried: 0 / 0 is 0.
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(needed > 0, needed / _ratio(snr_db), 0.0)
    return np.asarray(-np.expm1(-ratio))


def outage_rate_rayleigh(snr_db: Decibels, outage: Shaped[ArrayLike, "..."]) -> PerUse:
    """Returns the rate that one Rayleigh gain per block carries but with probability `outage`.

    Args:
      snr_db: average Es/N0 per complex use in dB; a number or an array.
      outage: probability, from 0 to below 1; broadcasts against `snr_db`.

    Returns:
      Bits per complex use, of the common shape. What arrives on average is `(1 - outage)` times that.

    Raises:
      ValueError: a probability out of range.
    """
    share = np.asarray(outage, dtype=np.float64)
    if np.any((share < 0) | (share >= 1)):
        raise ValueError(
            f"outage is a probability from 0 to below 1, but it ranges from {share.min()} to {share.max()}"
        )
    return np.asarray(np.log1p(_ratio(snr_db) * -np.log1p(-share)) / np.log(2))
