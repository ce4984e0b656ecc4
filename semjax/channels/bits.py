"""Channels for bits that flip them, and `BIT_CHANNELS`: every channel for bits by name.

    BSC             a bit is flipped with probability p
    uncoded BSC     p is the bit error rate of Gray-coded BPSK or QPSK over AWGN with hard decisions,

                    p = Q(sqrt(2 Es / (N0 q))),   q = 1 (BPSK) or 2 (QPSK) bits per complex use,

                    with Es/N0 the average per complex use, as everywhere (BPSK and QPSK of 3GPP TS 38.211, 5.1)

Each picture's flips depend on its key alone, and that of bit i not on how many follow; bits beyond `length` stay 0.
"""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp

from semjax.channels.base import noise_variance
from semjax.channels.erasure import BitErasure, BurstLoss, PacketLoss, check_probability, happens, used_bits
from semjax.contracts import BitChannel
from semjax.types import Bits, Keys, PerImage


def _flipped(keys: Keys, bits: Bits, probability: PerImage) -> Bits:
    flips = happens(keys, probability, bits.bits.shape[1])
    # Written this way, whatever is not 0 counts as 1 and what lies beyond the used bits comes out as 0.
    received = ((bits.bits != 0) ^ flips) & used_bits(bits)
    return dataclasses.replace(bits, bits=received.astype(bits.bits.dtype))


@dataclasses.dataclass(frozen=True, kw_only=True)
class BSC:
    """Flips each used bit with one probability, whatever the SNR.

    Attributes:
      flip: the probability, 0 to 1.

    Raises:
      ValueError: for another probability.
    """

    flip: float | int

    def __post_init__(self) -> None:
        """Refuses what is no probability."""
        check_probability(self.flip, name="flip", owner="BSC")

    def __call__(self, keys: Keys, bits: Bits, snr_db: PerImage) -> Bits:
        """Sends bits.

        Args:
          keys: one key per picture.
          bits: what is sent.
          snr_db: not looked at.

        Returns:
          The same strings with some bits flipped.
        """
        return _flipped(keys, bits, jnp.full(snr_db.shape, self.flip, jnp.float32))


@dataclasses.dataclass(frozen=True, kw_only=True)
class UncodedBSC:
    """Flips each used bit as often as uncoded BPSK or QPSK does at the picture's SNR.

    Attributes:
      bits_per_use: 1 for BPSK, 2 for QPSK.

    Raises:
      ValueError: for another number.
    """

    bits_per_use: int = 1

    def __post_init__(self) -> None:
        """Refuses modulations for which the formula does not hold."""
        if self.bits_per_use not in (1, 2):
            raise ValueError(f"UncodedBSC: bits_per_use={self.bits_per_use}, allowed are 1 (BPSK) and 2 (QPSK)")

    def flip(self, snr_db: PerImage) -> PerImage:
        """Returns the bit error rate.

        Args:
          snr_db: average Es/N0 per complex use in dB.

        Returns:
          `Q(sqrt(2 Es / (N0 bits_per_use)))` per picture.
        """
        return 0.5 * jax.scipy.special.erfc(jnp.sqrt(1.0 / (noise_variance(snr_db) * self.bits_per_use)))

    def __call__(self, keys: Keys, bits: Bits, snr_db: PerImage) -> Bits:
        """Sends bits.

        Args:
          keys: one key per picture.
          bits: what is sent.
          snr_db: average Es/N0 per complex use in dB.

        Returns:
          The same strings with some bits flipped.
        """
        return _flipped(keys, bits, self.flip(snr_db))


BIT_CHANNELS: dict[str, Callable[..., BitChannel]] = {
    "bsc": BSC,
    "uncoded_bsc": UncodedBSC,
    "bit_erasure": BitErasure,
    "packet_loss": PacketLoss,
    "burst_loss": BurstLoss,
}
