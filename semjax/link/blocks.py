"""Both ends of the digital link, as pure functions of a frame: bits to symbols, received symbols to bits.

    code block r of C sends E_r bits: Q floor(uses / C) for the first C - (uses mod C) blocks, Q ceil(uses / C) for the
    others; they follow each other on the air.

Source: 3GPP TS 38.212, clauses 5.4.2.1 and 5.5; TS 38.211, clause 7.3.1.1 (scrambling).
"""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, UInt8

from semjax.link.frames import Frame
from semjax.phy import ldpc_encoder, qam
from semjax.phy.belief import Decoder
from semjax.phy.crc import CRC24B
from semjax.phy.scrambling import sequence
from semjax.phy.segmentation import block_bits, join, segment
from semjax.types import ChannelOut, Symbols

C_INIT = 1 << 15
"""Seed of the scrambling; any would do."""


def encode(frame: Frame, bits: UInt8[Array, "b m"], length: Int[Array, "b"], uses: Int[Array, "b"]) -> Symbols:
    """Codes and modulates.

    Args:
      frame: what the messages have in common.
      bits: messages.
      length: A of each.
      uses: channel uses of each.

    Returns:
      `complex64[b, frame.room]` of unit mean power over the first `uses`, zero behind.
    """
    checked = frame.crc.append(bits, length)
    cut = segment(checked, length + frame.crc.length, blocks=frame.blocks, room=frame.information)
    words = ldpc_encoder.encode(cut.reshape(-1, frame.information), frame.graph, frame.lifting, rows=frame.rows)
    sizes, shares = _sizes(frame, length), _shares(frame, uses)
    sent = frame.matcher.match(words, sizes, shares.reshape(-1), room=_block_room(frame))
    position = jnp.arange(frame.room * frame.bits_per_symbol)
    starts = jnp.cumsum(shares, axis=1) - shares
    block = jnp.sum(position[None, None] >= starts[:, 1:, None], axis=1)
    index = block * _block_room(frame) + position - jnp.take_along_axis(starts, block, axis=1)
    index = jnp.clip(index, 0, frame.blocks * _block_room(frame) - 1)
    flat = jnp.take_along_axis(sent.reshape(bits.shape[0], -1), index, axis=1) ^ sequence(position.size, C_INIT)
    return jnp.where(jnp.arange(frame.room) < uses[:, None], qam.modulate(flat, frame.bits_per_symbol), 0)


def decode(
    frame: Frame,
    received: ChannelOut,
    length: Int[Array, "b"],
    uses: Int[Array, "b"],
    *,
    decoder: Decoder,
    iterations: int,
    room: int,
) -> tuple[UInt8[Array, "b m"], Bool[Array, "b"]]:
    """Demodulates and decodes.

    Args:
      frame: what the messages have in common.
      received: what the channel made of the symbols.
      length: A of each message, as the receiver knows it.
      uses: channel uses of each.
      decoder: check rule, schedule and bound.
      iterations: sweeps, at most.
      room: static length m of a message in the result.

    Returns:
      The messages, and whether all their CRCs hold. One whose CRCs do not hold is all zeros: nothing of it is known.
    """
    heard = words(frame, received, length, uses, filler_llr=float(decoder.clip))
    settled = decoder(heard, frame.graph.lifted(frame.lifting, rows=frame.rows), iterations)
    return checked(frame, settled.bits, length, room=room)


def words(
    frame: Frame, received: ChannelOut, length: Int[Array, "b"], uses: Int[Array, "b"], *, filler_llr: float
) -> Float[Array, "bc c z"]:
    """Demodulates: what is known of all bits of the code words, before decoding.

    Args:
      frame: what the messages have in common.
      received: what the channel made of the symbols.
      length: A of each message, as the receiver knows it.
      uses: channel uses of each.
      filler_llr: stands for bits that are known to be zero.

    Returns:
      LLRs of each message's code words, one after the other; c columns of the base graph.
    """
    llr = qam.demodulate(received.symbols, received.noise_var, frame.bits_per_symbol, gain=received.csi)
    llr = llr * (1 - 2.0 * sequence(llr.shape[1], C_INIT))
    shares = _shares(frame, uses)
    starts = jnp.cumsum(shares, axis=1) - shares
    index = starts[:, :, None] + jnp.arange(_block_room(frame))
    parts = jnp.take_along_axis(llr[:, None], jnp.clip(index, 0, llr.shape[1] - 1), axis=2)
    count = length.shape[0] * frame.blocks
    values = frame.matcher.dematch(
        parts.reshape(count, -1),
        _sizes(frame, length),
        shares.reshape(-1),
        rows=frame.rows,
        filler_llr=filler_llr,
    )
    return values.reshape(count, -1, frame.lifting)


def checked(
    frame: Frame, settled: Bool[Array, "bc c z"], length: Int[Array, "b"], *, room: int
) -> tuple[UInt8[Array, "b m"], Bool[Array, "b"]]:
    """Puts decoded code words together and looks at their CRCs.

    Args:
      frame: what the messages have in common.
      settled: the decoder's bits.
      length: A of each message.
      room: static length m of a message in the result.

    Returns:
      See `decode`.
    """
    found = settled.reshape(settled.shape[0], -1)[:, : frame.information].astype(jnp.uint8)
    b, whole = length.shape[0], length + frame.crc.length
    bits = join(found.reshape(b, frame.blocks, -1), whole, room=room + frame.crc.length)
    right = frame.crc.check(bits, whole)
    if frame.blocks > 1:
        right &= jnp.all(CRC24B.check(found, _sizes(frame, length)).reshape(b, -1), axis=1)
    kept = (jnp.arange(room) < length[:, None]) & right[:, None]
    return jnp.where(kept, bits[:, :room], 0).astype(jnp.uint8), right


def _sizes(frame: Frame, length: Int[Array, "b"]) -> Int[Array, "bc"]:
    return jnp.repeat(block_bits(length + frame.crc.length, frame.blocks), frame.blocks)


def _shares(frame: Frame, uses: Int[Array, "b"]) -> Int[Array, "b c"]:
    """E of each code block."""
    few, more = uses // frame.blocks, uses % frame.blocks
    return (few[:, None] + (jnp.arange(frame.blocks) >= (frame.blocks - more)[:, None])) * frame.bits_per_symbol


def _block_room(frame: Frame) -> int:
    return frame.bits_per_symbol * -(-frame.room // frame.blocks)
