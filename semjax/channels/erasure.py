"""Channels that lose bits, one by one or in packets, and say which.

    bit erasure    every bit is lost with probability p, by itself
    packet loss    bits (i - 1) l + 1 to i l of a string travel as packet i and share its fate
    burst loss     packets are lost in the bad state of a two-state Markov chain (Gilbert 1960) in steady state

                   P(good -> bad) = loss / (burst (1 - loss)),   P(bad -> good) = 1 / burst,

                   so that a share `loss` of all packets is lost, in bursts of `burst` packets on average

`Bits` holds only 0 and 1. A lost bit therefore reads as 0, and `erasures` tells, for the same keys, which bits were
lost: a real receiver knows it from the numbering of packets. What decodes the string makes from it the `ok` of a
picture (`~erasures.any(-1)`) or of a token (the same over its bits).

What happens to bit i of a picture depends on its key and on i alone (under jax_threefry_partitionable, the default of
JAX), so neither the batch nor the room behind a string changes it.
"""

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool

from semjax.channels.base import slot
from semjax.types import Bits, Keys, PerImage

Lost = Bool[Array, "b m"]

BEGIN, ENTER, LEAVE = 0, 1, 2
"""Key slots inside a bursty channel."""


def check_probability(value: float, *, name: str, owner: str) -> None:
    """Raises ValueError if `value` is not from 0 to 1."""
    if not 0 <= value <= 1:
        raise ValueError(f"{owner}: {name}={value}, allowed are 0 to 1")


def happens(keys: Keys, probability: PerImage, count: int) -> Bool[Array, "b {count}"]:
    """Draws events that are independent of each other, also rare ones.

    Args:
      keys: one key per picture.
      probability: of an event, per picture.
      count: number of events per picture; the first ones do not depend on it.

    Returns:
      Whether each event happens. A uniform float32 is a multiple of 2^-23; a second one fills in the digits below, or
      probabilities under 1e-7 would all count as 1e-7.
    """
    coarse, fine = (jax.vmap(lambda key: jax.random.uniform(key, (count,)))(slot(keys, digits)) for digits in (0, 1))
    return fine * 2.0**-23 < probability[:, None] - coarse


def _check_packets(bits: int, owner: str) -> None:
    if bits < 1:
        raise ValueError(f"{owner}: packet_bits={bits}, allowed are 1 and more")


def used_bits(bits: Bits) -> Bool[Array, "b m"]:
    """Returns where the used bits of each string are, the first `length` of its row."""
    return jnp.arange(bits.bits.shape[1]) < bits.length[:, None]


def _without(bits: Bits, lost: Lost) -> Bits:
    kept = used_bits(bits) & ~lost
    return dataclasses.replace(bits, bits=jnp.where(kept, bits.bits, jnp.zeros_like(bits.bits)))


def _spread(lost: Bool[Array, "b packets"], *, packet_bits: int, room: int) -> Lost:
    return jnp.repeat(lost, packet_bits, axis=1)[:, :room]


@dataclasses.dataclass(frozen=True, kw_only=True)
class BitErasure:
    """Loses each used bit with the same probability.

    Attributes:
      probability: of a loss, 0 to 1.

    Raises:
      ValueError: for another probability.
    """

    probability: float | int

    def __post_init__(self) -> None:
        """Refuses what is no probability."""
        check_probability(self.probability, name="probability", owner="BitErasure")

    def erasures(self, keys: Keys, bits: Bits) -> Lost:
        """Returns which used bits are lost under these keys, `[b, m]`."""
        probability = jnp.full(keys.shape, self.probability, jnp.float32)
        return happens(keys, probability, bits.bits.shape[1]) & used_bits(bits)

    def __call__(self, keys: Keys, bits: Bits, snr_db: PerImage) -> Bits:
        """Sends bits.

        Args:
          keys: one key per picture.
          bits: what is sent.
          snr_db: not looked at.

        Returns:
          The same strings with 0 for every lost bit.
        """
        return _without(bits, self.erasures(keys, bits))


@dataclasses.dataclass(frozen=True, kw_only=True)
class PacketLoss:
    """Loses whole packets, each with the same probability; the last packet of a string may be shorter.

    Attributes:
      packet_bits: bits in a packet.
      loss: probability that a packet is lost, 0 to 1.

    Raises:
      ValueError: for another probability, or packets without bits.
    """

    packet_bits: int
    loss: float | int

    def __post_init__(self) -> None:
        """Refuses what is no probability or no packet."""
        _check_packets(self.packet_bits, "PacketLoss")
        check_probability(self.loss, name="loss", owner="PacketLoss")

    def erasures(self, keys: Keys, bits: Bits) -> Lost:
        """Returns which used bits are lost under these keys, `[b, m]`."""
        room = bits.bits.shape[1]
        packets = -(-room // self.packet_bits)
        lost = happens(keys, jnp.full(keys.shape, self.loss, jnp.float32), packets)
        return _spread(lost, packet_bits=self.packet_bits, room=room) & used_bits(bits)

    def __call__(self, keys: Keys, bits: Bits, snr_db: PerImage) -> Bits:
        """Sends bits in packets; see `BitErasure`."""
        return _without(bits, self.erasures(keys, bits))


@dataclasses.dataclass(frozen=True, kw_only=True)
class BurstLoss:
    """Loses packets in bursts.

    Attributes:
      packet_bits: bits in a packet.
      loss: share of packets lost, 0 to below 1.
      burst: mean number of packets lost in a row; 1 / (1 - loss) would be losses independent of each other.

    Raises:
      ValueError: for packets without bits, or a loss and a burst that no such chain has.
    """

    packet_bits: int
    loss: float | int
    burst: float | int

    def __post_init__(self) -> None:
        """Refuses what no chain of two states does."""
        _check_packets(self.packet_bits, "BurstLoss")
        if not 0 <= self.loss < 1:
            raise ValueError(f"BurstLoss: loss={self.loss}, allowed are 0 to below 1")
        shortest = max(1.0, self.loss / (1 - self.loss))
        if not shortest <= self.burst < float("inf"):
            raise ValueError(f"BurstLoss: burst={self.burst}, allowed are {shortest} and more at loss={self.loss}")

    @property
    def _transitions(self) -> tuple[float, float, float]:
        return self.loss / (self.burst * (1 - self.loss)), 1 / self.burst, float(self.loss)

    def erasures(self, keys: Keys, bits: Bits) -> Lost:
        """Returns which used bits are lost under these keys, `[b, m]`."""
        room = bits.bits.shape[1]
        packets = -(-room // self.packet_bits)
        enters, leaves, begins = (jnp.full(keys.shape, p, jnp.float32) for p in self._transitions)
        enter, leave = happens(slot(keys, ENTER), enters, packets), happens(slot(keys, LEAVE), leaves, packets)

        def step(bad: Bool[Array, "b"], turns: tuple[Bool[Array, "b"], Bool[Array, "b"]]) -> tuple[Array, Array]:
            # `bad` is the state of this packet; its turns decide that of the next.
            return jnp.where(bad, ~turns[1], turns[0]), bad

        first = happens(slot(keys, BEGIN), begins, 1)[:, 0]
        _, lost = jax.lax.scan(step, first, (enter.T, leave.T))
        return _spread(lost.T, packet_bits=self.packet_bits, room=room) & used_bits(bits)

    def __call__(self, keys: Keys, bits: Bits, snr_db: PerImage) -> Bits:
        """Sends bits in packets; see `BitErasure`."""
        return _without(bits, self.erasures(keys, bits))
