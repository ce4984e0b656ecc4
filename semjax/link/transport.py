"""What carries bits from transmitter to receiver, and what that costs in channel uses.

The ideal link carries them without error at capacity: uses = bits / C(snr_db), not rounded. It bounds what any
real code can do; a result row that rests on it says `side_link = ideal`. The coded one is in `semjax.link.coded`.

Where the receiver cannot know how many bits come, because the codec's output varies in length, it must be told, and
that is charged: `LENGTH_BITS` more.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import jax
import numpy as np
from jaxtyping import Array, Bool, Float, Shaped

from semjax.channels.awgn import AWGN
from semjax.channels.fading import Fading
from semjax.channels.gains import Rayleigh, Rician
from semjax.contracts import Channel
from semjax.phy import capacity
from semjax.types import Bits, Keys

LENGTH_BITS = 20
"""Bits that tell a receiver a message's length."""

Decibels = Shaped[Array, "b"] | Shaped[np.ndarray, "b"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Delivery:
    """What arrived: the bits, whether they are known to be right, and the channel uses spent, per picture."""

    bits: Bits
    ok: Bool[np.ndarray, "b"]
    uses: Float[np.ndarray, "b"]


@runtime_checkable
class Transport(Protocol):
    """Carries bits."""

    @property
    def kind(self) -> str:
        """As result rows name it."""
        ...

    @property
    def terms(self) -> str:
        """What result rows say of how it carries them."""
        ...

    def send(
        self,
        bits: Bits,
        *,
        snr_db: Decibels,
        keys: Keys | None = None,
        told_snr_db: Decibels | None = None,
        announce: bool = False,
    ) -> Delivery:
        """Sends one bit string per picture at `snr_db[b]`; a link with errors draws them from `keys`.

        `told_snr_db` is what both ends take the SNR to be, if it is another; with `announce` the lengths are sent, too.
        """
        ...


@dataclasses.dataclass(frozen=True, kw_only=True)
class IdealLink:
    """Error-free transport at capacity.

    Attributes:
      capacity: bits per complex use at an SNR in dB, on numpy arrays, e.g. `phy.capacity.shannon`.
    """

    capacity: Callable[[np.ndarray], np.ndarray]

    @property
    def kind(self) -> str:
        """As result rows name it."""
        return "ideal"

    @property
    def terms(self) -> str:
        """What result rows say of how it carries bits."""
        return "capacity"

    def send(
        self,
        bits: Bits,
        *,
        snr_db: Decibels,
        keys: Keys | None = None,
        told_snr_db: Decibels | None = None,
        announce: bool = False,
    ) -> Delivery:
        """Hands the bits over unchanged.

        Args:
          bits: one bit string per picture.
          snr_db: average Es/N0 per complex use in dB.
          keys: not needed here.
          told_snr_db: not looked at: a code without a fixed rate goes on until the receiver has it all.
          announce: whether the lengths are charged, too.

        Returns:
          The same bits, all of them right, and `length / capacity(snr_db)` uses: none for no bits, infinitely many
          where the capacity is zero.

        Raises:
          ValueError: if there is not one SNR per bit string.
        """
        length, snr = (np.asarray(array, np.float64) for array in jax.device_get((bits.length, snr_db)))
        if snr.shape != length.shape:
            raise ValueError(f"IdealLink.send: {length.shape[0]} bit strings but snr_db of shape {snr.shape}")
        length = length + LENGTH_BITS * announce
        per_use = np.asarray(self.capacity(snr))
        uses = np.divide(length, per_use, out=np.full(length.shape, np.inf), where=per_use > 0)
        return Delivery(bits=bits, ok=np.ones(length.shape, bool), uses=np.where(length > 0, uses, 0.0))


@dataclasses.dataclass(frozen=True, kw_only=True)
class ErgodicRician:
    """The ergodic capacity at one K factor, as a hashable function of the SNR alone."""

    k_factor_db: float | int

    def __call__(self, snr_db: np.ndarray) -> np.ndarray:
        """See `phy.capacity.ergodic_rician`."""
        return capacity.ergodic_rician(snr_db, self.k_factor_db)


def ideal_link(channel: Channel) -> IdealLink:
    """Returns the ideal link of a channel: at Shannon capacity without fading, at ergodic capacity with it.

    A channel of the user's own states its capacity by a method `capacity(snr_db) -> bits per use`, on numpy arrays.
    Over block fading the ergodic capacity is kinder than any code that must live with one gain: its codewords would
    have to see many.

    Raises:
      ValueError: for a channel whose capacity is not known here.
    """
    match channel:
        case AWGN():
            return IdealLink(capacity=capacity.shannon)
        case Fading(gains=Rayleigh()):
            return IdealLink(capacity=capacity.ergodic_rayleigh)
        case Fading(gains=Rician(k_factor_db=k_factor_db)):
            return IdealLink(capacity=ErgodicRician(k_factor_db=k_factor_db))
    own: Any = getattr(channel, "capacity", None)
    if own is not None:
        return IdealLink(capacity=own)
    raise ValueError(f"the capacity of {channel} is not known; give it a method capacity(snr_db) -> bits per use")
