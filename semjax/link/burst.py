"""Messages of a picture on the air: one after the other, over one realisation of the channel.

Both ends are compiled frame by frame, so that a frame that occurs beside several others is compiled once. Decoding,
which takes longest to compile, is compiled by code alone and for a few numbers of code words: messages of one code and
many lengths share a program.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Complex, Float, Int, Shaped, UInt8

from semjax.contracts import Channel
from semjax.link import blocks
from semjax.link.frames import Frame
from semjax.phy.base_graph import GRAPHS
from semjax.phy.belief import Decoder
from semjax.types import ChannelOut, Keys, PerImage, struct

MOST_PROGRAMS = 48
"""Programs kept at a time: on a CPU each takes some 600 memory mappings, of which Linux allows a process 65530."""


@struct
class Message:
    """What is sent as one transport block: bits, their number, and the uses that it takes, per picture."""

    bits: UInt8[Array, "b m"]
    length: Int[Array, "b"]
    uses: Int[Array, "b"]


CHUNKS = (16, 64)
"""Code words decoded at a time on a CPU, whose cache holds no more anyway."""
ACCELERATOR_CHUNKS = (16, 128, 1024)
"""The same where thousands are decoded side by side."""


def _settle(
    words: Float[Array, "n c z"], graph: int, lifting: int, rows: int, decoder: Decoder, iterations: int
) -> Bool[Array, "n c z"]:
    return decoder(words, GRAPHS[graph].lifted(lifting, rows=rows), iterations).bits


_encode: Any = jax.jit(blocks.encode, static_argnames="frame")
_words: Any = jax.jit(blocks.words, static_argnames=("frame", "filler_llr"))
_settled: Any = jax.jit(_settle, static_argnames=("graph", "lifting", "rows", "decoder", "iterations"))
_checked: Any = jax.jit(blocks.checked, static_argnames=("frame", "room"))


def _drop_programs(more: int) -> None:
    """Makes room for `more` programs."""
    if _settled._cache_size() + more > MOST_PROGRAMS:
        for program in (_encode, _words, _settled, _checked):
            program.clear_cache()


def _decode(
    frame: Frame, out: ChannelOut, message: Message, *, decoder: Decoder, iterations: int
) -> tuple[UInt8[Array, "b m"], Bool[Array, "b"]]:
    """See `blocks.decode`; code words go through the decoder in chunks of a few sizes, the last one filled up."""
    words = _words(frame, out, message.length, message.uses, filler_llr=float(decoder.clip))
    code = {"graph": frame.graph_number, "lifting": frame.lifting, "rows": frame.rows}
    sizes = CHUNKS if jax.default_backend() == "cpu" else ACCELERATOR_CHUNKS
    chunk = next((size for size in sizes if size >= words.shape[0]), sizes[-1])
    filled = jnp.pad(words, ((0, -words.shape[0] % chunk), (0, 0), (0, 0)))
    parts = [
        _settled(filled[start : start + chunk], decoder=decoder, iterations=iterations, **code)
        for start in range(0, filled.shape[0], chunk)
    ]
    bits = jnp.concatenate(parts)[: words.shape[0]]
    return _checked(frame, bits, message.length, room=message.bits.shape[1])


@functools.partial(jax.jit, static_argnames="channel")
def _cross(
    channel: Channel,
    keys: Keys,
    parts: tuple[Complex[Array, "b _"], ...],
    uses: tuple[Int[Array, "b"], ...],
    snr_db: PerImage,
) -> tuple[tuple[ChannelOut, ...], PerImage]:
    """Sends the symbols of each picture's messages one after the other, over one realisation of the channel."""
    starts, rooms = [jnp.zeros_like(uses[0])], [part.shape[1] for part in parts]
    for count in uses:
        starts.append(starts[-1] + count)
    symbols = jnp.zeros((snr_db.shape[0], sum(rooms)), jnp.complex64)
    for part, start in zip(parts, starts[:-1], strict=True):
        symbols += _window(part, -start, sum(rooms))
    used = (jnp.arange(sum(rooms)) < starts[-1][:, None]).astype(jnp.float32)
    out = channel(keys, symbols, used, snr_db)
    heard = tuple(_part(out, start, room) for start, room in zip(starts[:-1], rooms, strict=True))
    return heard, sum(out.uses.values(), start=jnp.zeros_like(snr_db))


def carry(
    frames: tuple[Frame, ...],
    channel: Channel,
    keys: Keys,
    messages: tuple[Message, ...],
    snr_db: PerImage,
    *,
    decoder: Decoder,
    iterations: int,
) -> tuple[list[tuple[UInt8[Array, "b ..."], Bool[Array, "b"]]], PerImage]:
    """Sends the messages of each picture one after the other, over one realisation of the channel.

    Args:
      frames: programs of the messages.
      channel: the channel.
      keys: one per picture.
      messages: per frame, one message for each picture.
      snr_db: average Es/N0 per complex use in dB.
      decoder: check rule, schedule and bound.
      iterations: sweeps, at most.

    Returns:
      Per frame the bits that arrived and whether they are right; and all uses spent, pilots included.
    """
    _drop_programs(len(frames))
    pairs = list(zip(frames, messages, strict=True))
    sent = tuple(_encode(frame, message.bits, message.length, message.uses) for frame, message in pairs)
    heard, uses = _cross(channel, keys, sent, tuple(message.uses for message in messages), snr_db)
    found = [
        _decode(frame, out, message, decoder=decoder, iterations=iterations)
        for (frame, message), out in zip(pairs, heard, strict=True)
    ]
    return found, uses


def _window(values: Shaped[Array, "b k"], start: Int[Array, "b"], room: int) -> Shaped[Array, "b r"]:
    """`room` values of each row from `start` on; zeros beyond its ends."""
    place = jnp.arange(room) + start[:, None]
    inside = (place >= 0) & (place < values.shape[1])
    return jnp.where(inside, jnp.take_along_axis(values, jnp.clip(place, 0, values.shape[1] - 1), axis=1), 0)


def _part(out: ChannelOut, start: Int[Array, "b"], room: int) -> ChannelOut:
    noise_var = jnp.broadcast_to(out.noise_var, out.symbols.shape)
    return ChannelOut(
        symbols=_window(out.symbols, start, room),
        noise_var=jnp.maximum(_window(noise_var, start, room), jnp.finfo(jnp.float32).tiny),
        csi=None if out.csi is None else _window(jnp.broadcast_to(out.csi, out.symbols.shape), start, room),
    )
