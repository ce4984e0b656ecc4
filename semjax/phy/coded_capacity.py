"""What codes can reach on the AWGN channel with given symbols and given length, on the host.

With i(x; y) = log2 p(y | x) / p(y) the information density of equally likely points,

    coded modulation   C = E i(x; y)                      bits and points decoded jointly
    BICM               C = sum over bits j of I(b_j; y)   every bit decoded by itself, with its exact llr
    dispersion         V = Var i(x; y)

For Gaussian symbols C = log2(1 + snr) and V = snr (snr + 2) / (snr + 1)^2 (log2 e)^2 per complex use. The normal
approximation of the best rate of n complex uses at block error rate e is

    R = C - sqrt(V / n) Q^-1(e) + log2(d n) / (2 n)

with d real dimensions per use (2, but 1 for BPSK): equation (296) of Polyanskiy, Poor and Verdu counts real uses.
It is an approximation, good to about a tenth of a dB for n from 100 and not for rates close to bits per symbol.
The expectations are Gauss-Hermite sums per real dimension, which the maps of TS 38.211 allow.

References: Caire, Taricco and Biglieri, "Bit-interleaved coded modulation", IEEE Transactions on Information Theory
44(3), 1998; Polyanskiy, Poor and Verdu, "Channel coding rate in the finite blocklength regime", ibid. 56(5), 2010.
"""

import dataclasses
from collections.abc import Callable
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float
from scipy import special

from semjax.phy import qam
from semjax.phy.capacity import Decibels, PerUse, shannon

NODES, WEIGHTS = special.roots_hermite(200)
WEIGHTS = WEIGHTS / np.sqrt(np.pi)
NODES, WEIGHTS = NODES[WEIGHTS > 1e-30], WEIGHTS[WEIGHTS > 1e-30]
"""Gauss-Hermite: E f(n) = sum w f(sqrt(2) sigma t), without the points whose weight no double would notice."""

SNRS_DB = np.arange(-40.0, 81.0)
"""Where `minimum_snr_db` looks for a bracket."""


def _dimension(bits_per_symbol: int) -> tuple[int, Float[np.ndarray, "v"]]:
    """Returns the number of real dimensions with bits of their own, and the amplitudes of one of them by index."""
    qam.check_modulation(bits_per_symbol)
    if bits_per_symbol == 1:  # both parts carry the same bit: one dimension at full power
        return 1, np.array([1.0, -1.0])
    return 2, qam.amplitudes(bits_per_symbol // 2)


def _log_likelihoods(snr_db: float, level: Float[np.ndarray, "v"]) -> Float[np.ndarray, "v t w"]:
    """Returns `ln p(y | level w)`, but for a constant, at the y of every sent level v and noise point t."""
    amplitude = 10 ** (min(snr_db, 160.0) / 20)
    distance = (level[:, None, None] - level) * amplitude + NODES[:, None]
    return -(distance**2)


def _density(snr_db: float, level: Float[np.ndarray, "v"]) -> Float[np.ndarray, "v t"]:
    likelihood = _log_likelihoods(snr_db, level)
    own = -(NODES**2)
    return (own - special.logsumexp(likelihood, axis=-1) + np.log(level.size)) / np.log(2)


def _over_snrs(snr_db: Decibels, value: Callable[[float], float]) -> PerUse:
    grid = np.asarray(snr_db, dtype=np.float64)
    return np.asarray([value(float(snr)) for snr in grid.ravel()], dtype=np.float64).reshape(grid.shape)


@runtime_checkable
class Inputs(Protocol):
    """What is sent, as the normal approximation sees it."""

    @property
    def limit(self) -> float:
        """Most bits per complex use."""
        ...

    @property
    def dimensions(self) -> int:
        """Real dimensions per complex use."""
        ...

    def capacity(self, snr_db: Decibels) -> PerUse:
        """Bits per complex use."""
        ...

    def dispersion(self, snr_db: Decibels) -> PerUse:
        """Squared bits per complex use."""
        ...


@dataclasses.dataclass(frozen=True, kw_only=True)
class Gaussian:
    """Symbols `CN(0, 1)`, or rather codewords on their sphere: what no modulation surpasses."""

    limit: float = np.inf
    dimensions: int = 2

    def capacity(self, snr_db: Decibels) -> PerUse:
        """Returns `log2(1 + snr)` at average Es/N0 `snr_db` in dB, in bits per complex use."""
        return shannon(snr_db)

    def dispersion(self, snr_db: Decibels) -> PerUse:
        """Returns the dispersion at average Es/N0 `snr_db` in dB, in squared bits per complex use."""
        with np.errstate(over="ignore"):
            return np.asarray((1 - 1 / (1 + 10 ** (np.asarray(snr_db, np.float64) / 10)) ** 2) / np.log(2) ** 2)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Uniform:
    """The points of a modulation of TS 38.211, equally likely.

    Attributes:
      bits_per_symbol: 1, 2, 4, 6, 8 or 10.

    Raises:
      ValueError: unknown `bits_per_symbol`.
    """

    bits_per_symbol: int

    def __post_init__(self) -> None:
        """Refuses unknown modulations."""
        qam.check_modulation(self.bits_per_symbol)

    @property
    def limit(self) -> float:
        """Bits per symbol: no rate is higher."""
        return float(self.bits_per_symbol)

    @property
    def dimensions(self) -> int:
        """Real dimensions per complex use: 1 for BPSK, else 2."""
        return _dimension(self.bits_per_symbol)[0]

    def _moment(self, snr_db: float, order: int) -> float:
        return float(np.mean(_density(snr_db, _dimension(self.bits_per_symbol)[1]) ** order @ WEIGHTS))

    def capacity(self, snr_db: Decibels) -> PerUse:
        """Returns the coded-modulation capacity at average Es/N0 `snr_db` in dB, in bits per complex use."""
        return np.asarray(self.dimensions * _over_snrs(snr_db, lambda snr: self._moment(snr, 1)))

    def dispersion(self, snr_db: Decibels) -> PerUse:
        """Returns the dispersion at average Es/N0 `snr_db` in dB, in squared bits per complex use."""

        def variance(snr: float) -> float:
            # Rounding alone can take it below zero where every point is certain.
            return max(self._moment(snr, 2) - self._moment(snr, 1) ** 2, 0.0)

        return np.asarray(self.dimensions * _over_snrs(snr_db, variance))

    def bicm(self, snr_db: Decibels) -> PerUse:
        """Returns the BICM capacity with the Gray maps.

        Args:
          snr_db: average Es/N0 per complex use in dB; a number or an array.

        Returns:
          Bits per complex use, of the same shape: below `capacity`, and equal to it for BPSK and QPSK.
        """
        dimensions, level = _dimension(self.bits_per_symbol)
        return np.asarray(dimensions * _over_snrs(snr_db, lambda snr: _bicm(snr, level)))


def _bicm(snr_db: float, level: Float[np.ndarray, "v"]) -> float:
    likelihood, index = _log_likelihoods(snr_db, level), np.arange(level.size)
    whole = np.asarray(special.logsumexp(likelihood, axis=-1))
    information = 0.0
    for bit in range(level.size.bit_length() - 1):
        same = (index[:, None] ^ index) >> bit & 1 == 0
        own = np.asarray(special.logsumexp(likelihood, axis=-1, b=same[:, None, :].astype(float)))
        information += 1 + float(np.mean((own - whole) @ WEIGHTS)) / np.log(2)
    return information


GAUSSIAN = Gaussian()


def normal_approximation(snr_db: Decibels, *, uses: int, block_error: float, inputs: Inputs = GAUSSIAN) -> PerUse:
    """Returns about the best rate of a block code of `uses` complex uses at one block error rate.

    Args:
      snr_db: average Es/N0 per complex use in dB; a number or an array.
      uses: complex uses n of a block.
      block_error: block error rate, between 0 and 1.
      inputs: `GAUSSIAN`, or `Uniform(bits_per_symbol=...)`.

    Returns:
      Bits per complex use, of the same shape, kept between 0 and `inputs.limit`.

    Raises:
      ValueError: `uses` below 1, or `block_error` out of range.

    Reference:
      Polyanskiy, Poor and Verdu 2010, equation (296).
    """
    if uses < 1 or not 0 < block_error < 1:
        raise ValueError(f"uses is at least 1 and 0 < block_error < 1, but uses={uses} and block_error={block_error}")
    spread = np.sqrt(inputs.dispersion(snr_db) / uses)
    rate = inputs.capacity(snr_db) + spread * special.ndtri(block_error)
    return np.asarray(np.clip(rate + np.log2(inputs.dimensions * uses) / (2 * uses), 0.0, inputs.limit))


def minimum_snr_db(rate: float, *, uses: int, block_error: float, inputs: Inputs = GAUSSIAN) -> float:
    """Returns the SNR from which on the normal approximation grants `rate`.

    Args:
      rate: information bits per complex use; of a (k, n) code on QPSK, `2 k / n` with `uses = n / 2`.
      uses: complex uses of a block.
      block_error: block error rate, between 0 and 1.
      inputs: `GAUSSIAN`, or `Uniform(bits_per_symbol=...)`.

    Returns:
      Average Es/N0 per complex use in dB, to 1e-6 dB. Eb/N0 is `10 log10(rate)` dB less.

    Raises:
      ValueError: as `normal_approximation`; a rate that is not below `inputs.limit`, or so small or large that it is
        not crossed between -40 and 80 dB.
    """

    def granted(snr_db: Decibels) -> PerUse:
        return normal_approximation(snr_db, uses=uses, block_error=block_error, inputs=inputs)

    if not 0 < rate < inputs.limit:
        raise ValueError(f"rate is above 0 and below {inputs.limit} bits per complex use for {inputs}, but is {rate}")
    # Towards low SNR the third term alone is left and the curve turns up again, so the search comes from above.
    short = np.flatnonzero(granted(SNRS_DB) < rate)
    if not short.size or short[-1] == SNRS_DB.size - 1:
        raise ValueError(
            f"rate {rate} over {uses} uses is not crossed between {SNRS_DB[0]:.0f} and {SNRS_DB[-1]:.0f} dB: "
            "the normal approximation says nothing about it; take a rate well above log2(uses) / uses"
        )
    low, high = SNRS_DB[short[-1]], SNRS_DB[short[-1] + 1]
    while high - low > 1e-6:
        middle = (low + high) / 2
        low, high = (middle, high) if granted(middle) < rate else (low, middle)
    return float(high)
