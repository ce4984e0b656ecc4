"""Rate matching: which bits of an LDPC code word are sent, in which order.

The code word without its 2 Z punctured bits and its filler bits is a circular buffer of M bits. From the start k_0 of
redundancy version rv, E bits are read, around the end if need be (which repeats bits), and interleaved: with Q bits per
symbol the matrix of Q rows and E / Q columns is written row by row and read column by column, so that the first bits
land on the best protected bits of the symbols.

    sent bit o      ->  j = (o mod Q) (E / Q) + floor(o / Q)         its place in the order of reading
    place j         ->  rank (rank(k_0) + j) mod M                   -> bit of the code word, past the filler bits

Both directions are closed forms of K' and E, so code blocks of different lengths share one program.

Source: 3GPP TS 38.212, clause 5.4.2.1 (bit selection, Table 5.4.2.1-2) and 5.4.2.2 (interleaving).
CHOICE: the buffer is the whole code word (no limited buffer rate matching, I_LBRM = 0).
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, UInt8

from semjax.phy.base_graph import CORE_ROWS, PUNCTURED_COLUMNS, BaseGraph

STARTS = {1: (0, 17, 33, 56), 2: (0, 13, 25, 43)}
"""k_0 / Z by base graph and redundancy version, for a whole buffer (Table 5.4.2.1-2)."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class RateMatcher:
    """Rate matching of code blocks that share a graph and a lifting size.

    Attributes:
      graph: the base graph.
      lifting: the lifting size Z.
      bits_per_symbol: Q, of the interleaver; 1 = not interleaved.
      rv: redundancy version, 0 to 3.

    Raises:
      ValueError: another redundancy version.
    """

    graph: BaseGraph
    lifting: int
    bits_per_symbol: int = 1
    rv: int = 0

    def __post_init__(self) -> None:
        if self.rv not in (0, 1, 2, 3):
            raise ValueError(f"redundancy version {self.rv} is not one of 0, 1, 2, 3 (TS 38.212 Table 5.4.2.1-2)")
        if self.bits_per_symbol < 1:
            raise ValueError(f"the interleaver needs at least 1 bit per symbol, got {self.bits_per_symbol}")

    @property
    def buffer(self) -> int:
        """N_cb: bits of the circular buffer, filler bits included."""
        return (self.graph.columns - PUNCTURED_COLUMNS) * self.lifting

    def rows(self, *, block_bits: int, coded_bits: int) -> int:
        """How many checks of the graph the sent bits touch; the others constrain nothing that was received."""
        distinct = np.arange(min(coded_bits, self.buffer))  # E bits in the order of reading, up to once around
        last = int(np.max(self._bit(distinct, np.asarray(block_bits)))) // self.lifting + PUNCTURED_COLUMNS
        return max(CORE_ROWS, last + 1 - self.graph.information_columns)

    def match(
        self, words: UInt8[Array, "b m"], block_bits: Int[Array, "b"], coded_bits: Int[Array, "b"], *, room: int
    ) -> UInt8[Array, "b e"]:
        """Selects and interleaves.

        Args:
          words: code words from their first (punctured) bit on; columns that nothing is read from may be missing.
          block_bits: K', information bits of each block, without filler.
          coded_bits: E, bits to send of each block, a multiple of `bits_per_symbol`.
          room: static length of a row of the result.

        Returns:
          The bits to send; beyond `coded_bits`, zeros.
        """
        places = self._place(jnp.arange(room), coded_bits[:, None])
        bits = PUNCTURED_COLUMNS * self.lifting + self._bit(places, block_bits[:, None])
        sent = jnp.take_along_axis(words, jnp.clip(bits, 0, words.shape[1] - 1), axis=1)
        return jnp.where(jnp.arange(room) < coded_bits[:, None], sent, 0).astype(jnp.uint8)

    def dematch(
        self,
        llr: Float[Array, "b e"],
        block_bits: Int[Array, "b"],
        coded_bits: Int[Array, "b"],
        *,
        rows: int,
        filler_llr: float,
    ) -> Float[Array, "b m"]:
        """Puts received values back in their places; those of a repeated bit are added up.

        Args:
          llr: log p(0) - log p(1) of the sent bits, in the order of sending.
          block_bits: K', information bits of each block.
          coded_bits: E, bits that were sent of each block.
          rows: checks that are decoded with (see `rows`), which says how long the words are.
          filler_llr: value of filler bits, which are known to be 0.

        Returns:
          Values of the code word's bits from the first on; 0 where nothing was sent.
        """
        columns = self.graph.information_columns + rows
        rank, sent, filler = self._rank(jnp.arange(columns * self.lifting), block_bits[:, None])
        usable = self._usable(block_bits[:, None])
        first = (rank - self._start_rank(block_bits[:, None])) % usable

        def add(turn: Int[Array, ""], total: Float[Array, "b m"]) -> Float[Array, "b m"]:
            place = first + turn * usable
            order = self._order(place, coded_bits[:, None])
            value = jnp.take_along_axis(llr, jnp.clip(order, 0, llr.shape[1] - 1), axis=1)
            return total + jnp.where(place < coded_bits[:, None], value, 0.0)

        turns = -(-llr.shape[1] // self._least_usable)
        total = jax.lax.fori_loop(0, turns, add, jnp.zeros(rank.shape, llr.dtype))
        return jnp.where(filler, filler_llr, jnp.where(sent, total, 0.0))

    @property
    def _information(self) -> int:
        return self.graph.information_columns * self.lifting

    @property
    def _least_usable(self) -> int:
        return self.buffer - self._information + PUNCTURED_COLUMNS * self.lifting

    def _filler_start(self, block_bits: Any) -> Any:
        """First filler bit of the buffer."""
        return (block_bits - PUNCTURED_COLUMNS * self.lifting).clip(0)

    def _fillers(self, block_bits: Any) -> Any:
        return self._information - PUNCTURED_COLUMNS * self.lifting - self._filler_start(block_bits)

    def _usable(self, block_bits: Any) -> Any:
        """M: bits of the buffer that are not filler."""
        return self.buffer - self._fillers(block_bits)

    def _start_rank(self, block_bits: Any) -> Any:
        start = STARTS[self.graph.number][self.rv] * self.lifting
        begin, count = self._filler_start(block_bits), self._fillers(block_bits)
        # A start among the filler bits is a start behind them.
        return start - (start - begin).clip(0, count)

    def _bit(self, place: Any, block_bits: Any) -> Any:
        """Index into the buffer of the bit read as number `place`."""
        rank = (self._start_rank(block_bits) + place) % self._usable(block_bits)
        return rank + self._fillers(block_bits) * (rank >= self._filler_start(block_bits))

    def _rank(self, bit: Array, block_bits: Array) -> tuple[Array, Array, Array]:
        """Rank in the buffer of each bit of the code word, whether it has one, and whether it is filler."""
        index = bit - PUNCTURED_COLUMNS * self.lifting
        begin, count = self._filler_start(block_bits), self._fillers(block_bits)
        filler = (bit >= block_bits) & (bit < self._information)
        return index - count * (index >= begin + count), (index >= 0) & ~filler, filler

    def _place(self, order: Array, coded_bits: Array) -> Array:
        return (order % self.bits_per_symbol) * (coded_bits // self.bits_per_symbol) + order // self.bits_per_symbol

    def _order(self, place: Array, coded_bits: Array) -> Array:
        columns = jnp.maximum(coded_bits // self.bits_per_symbol, 1)
        return (place % columns) * self.bits_per_symbol + place // columns
