"""The evaluation chain: what really crosses the air between two pictures.

    image -> transmit -> symbols -> channel(keys, snr_db) ----------+-> receive -> image^
                    \\-> ints -> pack -> link.send -> unpack --------/

transmit, channel and receive are compiled; packing is real entropy coding on the host. Of the `Signal` only the symbols
and the coded integers go on: `used`, `relaxed`, `est_bits` and `aux` stay at the transmitter.

Every picture has its own key, `fold_in(fold_in(base, draw), id)`, and every part of it that is sent its own slot,
`fold_in(picture_key, slot)`: 0 for the analog part, i + 1 for the i-th digital stream by name. So neither the batch nor
the padding a picture travels with can change what it meets.
"""

import dataclasses
import functools
import types
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, Key

from semjax.contracts import Channel, SideCodec, Trainable
from semjax.link.transport import Transport
from semjax.systems.base import ANALOG_SLOT, picture_keys, slot_keys
from semjax.types import Bits, ChannelOut, Image, Keys, PerImage, Public, Received, Signal, Symbols, Tree, Used

NOTHING: Mapping[str, Any] = types.MappingProxyType({})


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sent:
    """What left the transmitter for one batch: the analog part, and each integer stream packed into bits."""

    symbols: Symbols
    used: Used
    bits: dict[str, Bits]
    like: dict[str, np.ndarray]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Chain:
    """The compiled chain of one trainable; made by `chain`."""

    transmit: Callable[..., Signal]
    receive: Callable[..., Image]
    codecs: Mapping[str, SideCodec]
    links: Callable[[Channel], Transport]
    payload: frozenset[str]

    def side_link(self, channel: Channel) -> tuple[str, str]:
        """How digital streams travel over a channel, as result rows name it, and on which terms."""
        if not self.codecs:
            return "none", ""
        link = self.links(channel)
        return link.kind, link.terms

    def encode(
        self, variables: Tree, frozen: Tree, *, image: Image, public: Public, given: Mapping[str, Array] = NOTHING
    ) -> Sent:
        """Runs the transmitter and packs its integer streams.

        Args:
          variables: what the predict functions apply, parameters and collections.
          frozen: frozen parameters, as the predict functions take them.
          image: pictures in [0, 1], `[b, h, w, 3]`.
          public: what both ends know.
          given: truth that only named variants may read.

        Raises:
          ValueError: an integer stream has no side codec, so it could not be charged.
        """
        signal = self.transmit(variables, frozen, image, public, dict(given))
        uncoded = sorted(set(signal.ints) - set(self.codecs))
        if uncoded:
            raise ValueError(
                f"the system sends integer streams {uncoded} without a side codec (it has {sorted(self.codecs)}): "
                "add them to its side_codecs, so that their bits are coded and charged"
            )
        ints = {name: np.asarray(signal.ints[name]) for name in sorted(signal.ints)}
        bits = {name: self.codecs[name].pack(array) for name, array in ints.items()}
        # Zeros, so that nothing but the bits can carry a value across.
        like = {name: np.zeros_like(array) for name, array in ints.items()}
        return Sent(symbols=signal.symbols, used=signal.used, bits=bits, like=like)

    def deliver(
        self,
        sent: Sent,
        *,
        channel: Channel,
        key: Key[Array, ""],
        draw: int,
        ids: Int[np.ndarray, "b"],
        snr_db: PerImage,
        told_snr_db: PerImage | None = None,
    ) -> Received:
        """Sends what `encode` made over `channel`, once.

        Args:
          sent: what left the transmitter.
          channel: the analog channel; the digital link runs over the same one.
          key: the evaluation's base key.
          draw: number of the channel draw.
          ids: the pictures' ids, `[b]`.
          snr_db: average Es/N0 per complex use, dB, `[b]`.
          told_snr_db: what both ends take it to be, if it is another.

        Returns:
          All that the receiver has, with `uses` for the accountant.
        """
        where = (np.uint32(draw), _uint32(ids))
        out = _analog(channel, key, *where, sent.symbols, sent.used, snr_db)
        ints, ok, uses = {}, {}, dict(out.uses)
        for i, (name, bits) in enumerate(sent.bits.items()):
            keys = _slot(key, *where, i + 1)
            announce = not getattr(self.codecs[name], "constant_length", False)
            arrived = self.links(channel).send(
                bits, snr_db=snr_db, keys=keys, told_snr_db=told_snr_db, announce=announce
            )
            read = self.codecs[name].unpack(arrived.bits, sent.like[name])
            known = np.reshape(arrived.ok, (-1, *[1] * (read.ndim - 1)))
            ints[name] = jnp.asarray(np.where(known, read, np.zeros_like(read)))
            ok[name] = jnp.asarray(arrived.ok)
            uses[f"{'digital' if name in self.payload else 'side'}/{name}"] = arrived.uses
        return Received(symbols=out.symbols, noise_var=out.noise_var, csi=out.csi, ints=ints, ok=ok, uses=uses)

    def decode(self, variables: Tree, frozen: Tree, *, received: Received, public: Public) -> Image:
        """Runs the receiver; what was spent is the accountant's business and is not shown to it."""
        return self.receive(variables, frozen, dataclasses.replace(received, uses={}), public)


def chain(trainable: Trainable, *, links: Callable[[Channel], Transport]) -> Chain:
    """Compiles the chain of `trainable`.

    Args:
      trainable: anything with predict functions and side codecs. Its integer streams are side information, unless it
        names them in an attribute `payload_streams`. One with a true attribute `on_host` works in callbacks and is
        not compiled: called back from a compiled program, it would wait for its arguments on the thread that, where
        there is only one core, has to bring them.
      links: gives the digital link that runs over a channel, such as `transport.ideal_link`.

    Returns:
      A chain whose transmitter and receiver are compiled once per picture shape, whatever the SNR.
    """
    fns = trainable.predict_fns()

    def transmit(variables: Tree, frozen: Tree, image: Image, public: Public, given: dict[str, Any]) -> Signal:
        signal = fns["transmit"](variables, frozen, image, public, given)
        return dataclasses.replace(signal, relaxed={}, est_bits={}, aux={})

    compiled: Callable[[Callable[..., Any]], Any] = (lambda f: f) if getattr(trainable, "on_host", False) else jax.jit
    return Chain(
        transmit=compiled(transmit),
        receive=compiled(fns["receive"]),
        codecs=dict(trainable.side_codecs),
        links=links,
        payload=frozenset(trainable.payload_streams),
    )


def public_of(batch: Mapping[str, Any], *, snr_db: float, rate: float) -> Public:
    """What both ends know about a loader's batch at one SNR and rate."""
    b, h, w, _ = batch["image"].shape
    return Public(
        snr_db=jnp.asarray(np.full(b, snr_db, np.float32)),
        rate=jnp.asarray(np.full(b, rate, np.float32)),
        text=batch.get("text"),
        scenario=batch.get("scenario"),
        height=h,
        width=w,
    )


@functools.partial(jax.jit, static_argnums=0)
def _analog(
    channel: Channel, base: Array, draw: Array, ids: Array, symbols: Symbols, used: Used, snr_db: PerImage
) -> ChannelOut:
    return channel(slot_keys(picture_keys(base, draw, ids), ANALOG_SLOT), symbols, used, snr_db)


@functools.partial(jax.jit, static_argnums=3)
def _slot(base: Array, draw: Array, ids: Array, slot: int) -> Keys:
    return slot_keys(picture_keys(base, draw, ids), slot)


def _uint32(ids: np.ndarray) -> np.ndarray:
    return (np.asarray(ids).astype(np.int64) & 0xFFFFFFFF).astype(np.uint32)
