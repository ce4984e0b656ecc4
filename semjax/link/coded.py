"""The coded link: bits as 5G NR code blocks over the very channel that the symbols take.

    [length] bits ─► CRC ─► code blocks ─► LDPC ─► rate matching ─► scrambling ─► QAM ─► channel(keys, snr_db)
                                                                                            │
    bits, ok ◄─ CRC ◄─ decoder ◄────────── dematching ◄── descrambling ◄── llr ◄────────────┘

One message per picture, over one realisation of the channel. Everything that is sent is charged: CRCs, filled-up code
blocks, pilots, and, where the receiver could not know a message's length otherwise, a block of its own that tells it
(20 bits, coded more robustly). Of a message whose CRCs fail nothing is known: its bits are zeros, its `ok` is False,
and it stays in every mean.

Schemes are chosen from the average SNR that both ends were told (`semjax.link.policy`). Messages of one frame are sent
together, a fixed number at a time so that few programs are compiled; as each has its own key, what happens to one
depends on no other.
"""

import dataclasses
from collections.abc import Iterator, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Shaped, UInt8

from semjax.contracts import Channel
from semjax.link.burst import Message, carry
from semjax.link.frames import Frame, Plan, plan
from semjax.link.policy import DEFAULT, Fixed, Policy
from semjax.link.schemes import Scheme
from semjax.link.transport import LENGTH_BITS, Delivery
from semjax.phy.belief import FAST, Decoder
from semjax.phy.mcs import MCS
from semjax.types import Bits, Keys

AT_ONCE = 16
"""Messages that one call of a program sends."""
USES_AT_ONCE = 1 << 20
"""Where these would be more uses than this, a call sends fewer messages."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class CodedLink:
    """Transport over a channel by 5G NR codes; see the module.

    Attributes:
      channel: the channel.
      policy: chooses modulation and code rate.
      decoder: check rule, schedule and bound of the decoder.
      iterations: its sweeps, at most.
    """

    channel: Channel
    policy: Policy = DEFAULT
    decoder: Decoder = FAST
    iterations: int = 20

    @property
    def kind(self) -> str:
        """As result rows name it."""
        return "coded"

    @property
    def terms(self) -> str:
        """What result rows say of its policy."""
        return self.policy.name(self.channel)

    def send(
        self,
        bits: Bits,
        *,
        snr_db: Shaped[Array, "b"] | Shaped[np.ndarray, "b"],
        keys: Keys | None = None,
        told_snr_db: Shaped[Array, "b"] | Shaped[np.ndarray, "b"] | None = None,
        announce: bool = False,
    ) -> Delivery:
        """Sends one message per picture.

        Args:
          bits: the messages, each of at most 2^20 - 1 bits; one without bits is not sent.
          snr_db: average Es/N0 per complex use of the channel in dB.
          keys: one per picture, for the channel.
          told_snr_db: the average that both ends were told, if it is another one.
          announce: whether the receiver must be told the lengths.

        Returns:
          What arrived, which of it is right, and the uses spent.

        Raises:
          ValueError: no keys, not one SNR per message, a message too long, a channel that no policy knows.
        """
        data, length, snr = (np.asarray(array) for array in jax.device_get((bits.bits, bits.length, snr_db)))
        told = snr if told_snr_db is None else np.asarray(jax.device_get(told_snr_db))
        if keys is None:
            raise ValueError("CodedLink.send: keys are needed, one per picture; this link meets noise")
        if not snr.shape == told.shape == keys.shape == length.shape:
            raise ValueError(
                f"CodedLink.send: {length.shape[0]} messages, but snr_db of shape {snr.shape}, told_snr_db of shape "
                f"{told.shape} and keys of shape {keys.shape}"
            )
        found, ok = np.zeros_like(data), np.ones(length.shape, bool)
        uses = np.zeros(length.shape)
        plans = [self._plans(int(a), float(s), announce=announce) for a, s in zip(length, told, strict=True)]
        for rows in _groups(plans):
            batch = _Batch(plans=[plans[row] for row in rows], data=data[rows], length=length[rows], announce=announce)
            arrived = batch.send(self, keys[np.asarray(rows)], snr[rows].astype(np.float32))
            found[rows], ok[rows], uses[rows] = arrived
        return Delivery(bits=Bits(bits=jnp.asarray(found), length=bits.length), ok=ok, uses=uses)

    def _plans(self, length: int, snr_db: float, *, announce: bool) -> tuple[Plan, ...]:
        cautious = self.policy.cautious()
        header = (plan(LENGTH_BITS, cautious.choose(self.channel, LENGTH_BITS, snr_db)),) if announce else ()
        return header + ((plan(length, self.policy.choose(self.channel, length, snr_db)),) if length else ())


def _groups(plans: Sequence[tuple[Plan, ...]]) -> Iterator[list[int]]:
    """Pictures that share all frames, and whose uses together are not too many for one call."""
    alike: dict[tuple[Frame, ...], list[int]] = {}
    for row, parts in enumerate(plans):
        if parts:
            alike.setdefault(tuple(part.frame for part in parts), []).append(row)
    for frames, rows in alike.items():
        most = _at_once(frames)
        yield from (rows[i : i + most] for i in range(0, len(rows), most))


def _at_once(frames: tuple[Frame, ...]) -> int:
    """Messages that one call sends."""
    return max(1, min(AT_ONCE, USES_AT_ONCE // sum(frame.room for frame in frames)))


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Batch:
    """Messages of the same frames."""

    plans: list[tuple[Plan, ...]]
    data: UInt8[np.ndarray, "b m"]
    length: Int[np.ndarray, "b"]
    announce: bool

    def send(
        self, link: CodedLink, keys: Keys, snr_db: Float[np.ndarray, "b"]
    ) -> tuple[UInt8[np.ndarray, "b m"], Bool[np.ndarray, "b"], Float[np.ndarray, "b"]]:
        count = len(self.plans)
        frames = tuple(part.frame for part in self.plans[0])
        # Filled up with copies of the first, so that one size is compiled.
        rows = np.concatenate([np.arange(count), np.zeros(_at_once(frames) - count, np.int64)])
        contents = [*([_digits(self.length)] if self.announce else []), self.data][: len(frames)]
        messages = tuple(self._message(i, content, rows) for i, content in enumerate(contents))
        heard, uses = carry(
            frames,
            link.channel,
            keys[rows],
            messages,
            jnp.asarray(snr_db[rows]),
            decoder=link.decoder,
            iterations=link.iterations,
        )
        heard, uses = jax.device_get((heard, uses))
        ok = np.logical_and.reduce([right for _, right in heard])[:count]
        if self.announce:
            ok &= np.all(heard[0][0][:count, :LENGTH_BITS] == contents[0], axis=1)
        found = np.zeros_like(self.data)
        if len(frames) > int(self.announce):
            arrived = heard[-1][0][:count, : self.data.shape[1]]
            found[:, : arrived.shape[1]] = arrived * ok[:, None]
        return found, ok, uses[:count].astype(np.float64)

    def _message(self, index: int, content: UInt8[np.ndarray, "b m"], rows: Int[np.ndarray, "r"]) -> Message:
        frame = self.plans[0][index].frame
        room = frame.blocks * frame.information
        bits = np.zeros((len(self.plans), room), np.uint8)
        kept = min(room, content.shape[1])
        bits[:, :kept] = content[:, :kept]
        told = self.announce and index == 0
        length = np.full(len(self.plans), LENGTH_BITS) if told else self.length
        uses = np.asarray([parts[index].uses for parts in self.plans])
        return Message(
            bits=jnp.asarray(bits[rows]),
            length=jnp.asarray(length[rows], jnp.int32),
            uses=jnp.asarray(uses[rows], jnp.int32),
        )


def _digits(length: Int[np.ndarray, "b"]) -> UInt8[np.ndarray, "b n"]:
    return (length[:, None] >> np.arange(LENGTH_BITS)[::-1] & 1).astype(np.uint8)


def send(
    keys: Keys,
    bits: Bits,
    scheme: Scheme | MCS,
    channel: Channel,
    snr_db: Shaped[Array, "b"] | Shaped[np.ndarray, "b"],
) -> Delivery:
    """Sends one message per picture with a given modulation and code rate.

    Args:
      keys: one per picture.
      bits: the messages; both ends know their lengths.
      scheme: how they are sent.
      channel: over what.
      snr_db: average Es/N0 per complex use in dB.

    Returns:
      What arrived, which of it is right, and the uses spent.

    Raises:
      ValueError: as `CodedLink.send`.
    """
    chosen = Scheme(mcs=scheme) if isinstance(scheme, MCS) else scheme
    return CodedLink(channel=channel, policy=Fixed(scheme=chosen)).send(bits, snr_db=snr_db, keys=keys)
