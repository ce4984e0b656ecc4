"""Code block segmentation: a transport block too long for one LDPC code word travels as several.

    B bits (transport block and its CRC)  ->  C = 1                     if B <= K_cb
                                              C = ceil(B / (K_cb - 24))  otherwise, each block with a CRC24B of its own
    K' = (B + 24 C) / C bits per block (B / C if C = 1)

All blocks are of one length. The standard's transport block sizes divide by C; others are filled up with at most C - 1
zeros behind the CRC, which travel and are charged.

Source: 3GPP TS 38.212, clause 5.2.2.
"""

import dataclasses
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Int, UInt8

from semjax.phy.base_graph import BaseGraph
from semjax.phy.crc import CRC24B


@dataclasses.dataclass(frozen=True, kw_only=True)
class Segmentation:
    """The code blocks of a transport block.

    Attributes:
      graph: the base graph.
      bits: B, bits of the transport block with its CRC.

    Raises:
      ValueError: if there are no bits.
    """

    graph: BaseGraph
    bits: int

    def __post_init__(self) -> None:
        """Refuses to segment nothing."""
        if self.bits < 1:
            raise ValueError(f"Segmentation: bits={self.bits}; a transport block has at least 1 bit")

    @property
    def blocks(self) -> int:
        """C, the number of code blocks."""
        most = self.graph.most_bits
        return 1 if self.bits <= most else -(-self.bits // (most - CRC24B.length))

    @property
    def padding(self) -> int:
        """Zeros behind the transport block, so that all code blocks have one length."""
        return -self.bits % self.blocks

    @property
    def block_bits(self) -> int:
        """K', information bits of each code block with its CRC, without filler bits."""
        return int(block_bits(self.bits, self.blocks))

    @property
    def lifting(self) -> int:
        """The lifting size Z_c."""
        return self.graph.lifting(self.bits, block_bits=self.block_bits)


def block_bits(bits: Any, blocks: int) -> Any:
    """K' of transport blocks of B = `bits` bits, numbers or arrays, in `blocks` code blocks each."""
    return -(-bits // blocks) + (CRC24B.length if blocks > 1 else 0)


def segment(bits: UInt8[Array, "b m"], length: Int[Array, "b"], *, blocks: int, room: int) -> UInt8[Array, "b c r"]:
    """Cuts transport blocks into code blocks.

    Args:
      bits: transport blocks with their CRCs.
      length: B of each.
      blocks: C, the same for all.
      room: static length of a code block in the result, at least K'.

    Returns:
      The code blocks with their CRCs, zeros behind.
    """
    b, m = bits.shape
    size = block_bits(length, blocks)
    payload = size - (CRC24B.length if blocks > 1 else 0)
    inside = jnp.arange(room) < payload[:, None]
    place = jnp.arange(blocks)[:, None] * payload[:, None, None] + jnp.arange(room)
    known = inside[:, None] & (place < length[:, None, None])
    cut = jnp.take_along_axis(bits[:, None], jnp.clip(place, 0, m - 1), axis=2)
    cut = jnp.where(known, cut, 0).astype(jnp.uint8)
    if blocks == 1:
        return cut
    lengths = jnp.repeat(payload, blocks)
    checked = CRC24B.append(cut.reshape(b * blocks, room), lengths)
    return checked[:, :room].reshape(b, blocks, room)


def join(code_blocks: UInt8[Array, "b c r"], length: Int[Array, "b"], *, room: int) -> UInt8[Array, "b m"]:
    """Puts transport blocks together again; inverse of `segment`.

    Args:
      code_blocks: information bits of the code blocks.
      length: B of each transport block.
      room: static length m of a row of the result.

    Returns:
      The first B bits of each transport block, zeros behind.
    """
    b, blocks, size = code_blocks.shape
    payload = block_bits(length, blocks) - (CRC24B.length if blocks > 1 else 0)
    position = jnp.arange(room)
    block = jnp.clip(position // payload[:, None], 0, blocks - 1)
    index = jnp.clip(block * size + position % payload[:, None], 0, blocks * size - 1)
    bits = jnp.take_along_axis(code_blocks.reshape(b, -1), index, axis=1)
    return jnp.where(position < length[:, None], bits, 0).astype(jnp.uint8)
