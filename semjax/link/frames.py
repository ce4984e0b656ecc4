"""A transport block on the air: the lengths of its parts, and what of them a compiled program must know.

    A bits ─► CRC (16 bits up to A = 3824, else 24) ─► C code blocks of K' bits ─► LDPC, lifting size Z
      ─► E bits per block: all of them together fill `uses` symbols of Q bits

    uses = ceil(C K' / (Q R)): the target code rate R counts CRCs and padding as information, for they are sent, too.

A program is compiled for a `Frame`; K', E and A vary within it. Frames are few: for one scheme, one for each of the
standard's lifting sizes, of which there are eight to the octave.

Source: 3GPP TS 38.212, clauses 7.2.1 (CRC), 7.2.2 (base graph), 5.2.2 (code blocks), 5.4.2.1 (E).
"""

import dataclasses
import functools
import math

from semjax.link.schemes import Scheme
from semjax.phy.base_graph import GRAPHS, BaseGraph, select
from semjax.phy.crc import CRC, CRC16, CRC24A
from semjax.phy.rate_matching import RateMatcher
from semjax.phy.segmentation import Segmentation

SHORT = 3824
"""Transport blocks up to this length carry 16 check bits, longer ones 24."""

MOST_BITS = (1 << 20) - 1
"""Bits of one message: what a length field of 20 bits can tell; about the largest transport block of 5G NR."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Frame:
    """What transport blocks have in common that share a program.

    Attributes:
      graph_number: of the base graph.
      lifting: Z.
      blocks: C.
      bits_per_symbol: Q.
      rows: checks of the base graph that are encoded and decoded.
      room: uses that there is room for.
      long: whether the transport block has the longer CRC.
    """

    graph_number: int
    lifting: int
    blocks: int
    bits_per_symbol: int
    rows: int
    room: int
    long: bool

    @property
    def graph(self) -> BaseGraph:
        """The base graph."""
        return GRAPHS[self.graph_number]

    @property
    def crc(self) -> CRC:
        """The transport block's CRC."""
        return CRC24A if self.long else CRC16

    @property
    def information(self) -> int:
        """Information bits of a code block with its filler bits."""
        return self.graph.information_columns * self.lifting

    @property
    def matcher(self) -> RateMatcher:
        """Rate matching of its code blocks."""
        return RateMatcher(graph=self.graph, lifting=self.lifting, bits_per_symbol=self.bits_per_symbol)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """One transport block.

    Attributes:
      frame: its program.
      uses: complex channel uses.
      block_bits: K'.
      padding: zeros sent to fill up the code blocks.
    """

    frame: Frame
    uses: int
    block_bits: int
    padding: int


@functools.lru_cache(maxsize=1 << 14)
def plan(length: int, scheme: Scheme) -> Plan:
    """Plans the transport of a message.

    Args:
      length: A, bits of the message.
      scheme: modulation and code rate.

    Returns:
      Its plan.

    Raises:
      ValueError: for messages without bits, or longer than `MOST_BITS`.
    """
    if not 1 <= length <= MOST_BITS:
        raise ValueError(f"a message of {length} bits cannot be sent; allowed are 1 to {MOST_BITS}: send it in parts")
    crc = CRC16 if length <= SHORT else CRC24A
    graph = select(length, scheme.code_rate)
    cut = Segmentation(graph=graph, bits=length + crc.length)
    uses = _uses(cut.blocks, cut.block_bits, scheme)
    # The longest blocks that share the lifting size decide what there is room for.
    longest = min(graph.filled_columns(cut.bits) * cut.lifting, graph.most_bits)
    room, bits_per_symbol = _uses(cut.blocks, longest, scheme), scheme.mcs.bits_per_symbol
    matcher = RateMatcher(graph=graph, lifting=cut.lifting, bits_per_symbol=bits_per_symbol)
    frame = Frame(
        graph_number=graph.number,
        lifting=cut.lifting,
        blocks=cut.blocks,
        bits_per_symbol=bits_per_symbol,
        rows=matcher.rows(block_bits=longest, coded_bits=bits_per_symbol * -(-room // cut.blocks)),
        room=room,
        long=crc is CRC24A,
    )
    return Plan(frame=frame, uses=uses, block_bits=cut.block_bits, padding=cut.padding)


def _uses(blocks: int, block_bits: int, scheme: Scheme) -> int:
    """Uses of so many code blocks; one for each at least."""
    return max(math.ceil(blocks * block_bits / scheme.efficiency - 1e-9), blocks)
