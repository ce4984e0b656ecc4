"""The quasi-cyclic graphs of the 5G NR LDPC codes.

A base graph has rows (checks) and columns (bits); every entry (row, column, V) stands for a Z x Z identity matrix whose
rows are shifted by V mod Z: check i of that row holds bit (i + V) mod Z of that column. Z is the lifting size, of the
form a 2^j with a in {2, 3, 5, 7, 9, 11, 13, 15}, and a selects the set of shifts.

    base graph   rows x columns   information columns   information bits of one code block, at most
    1            46 x 68          22                    8448
    2            42 x 52          10                    3840

Source: 3GPP TS 38.212, clauses 5.2.2 (K_b, Z_c), 5.3.2 (Tables 5.3.2-1 to 5.3.2-3), 6.2.2 and 7.2.2 (which graph).
"""

import dataclasses
import functools
import importlib.resources
import json
from typing import Any

LIFTING_SETS: tuple[tuple[int, ...], ...] = tuple(
    tuple(a << j for j in range(8) if a << j <= 384) for a in (2, 3, 5, 7, 9, 11, 13, 15)
)
"""Lifting sizes by set index i_LS (Table 5.3.2-1)."""
LIFTING_SIZES: tuple[int, ...] = tuple(sorted(size for sizes in LIFTING_SETS for size in sizes))
CORE_ROWS = 4
"""The first rows, whose parity bits are not of degree one."""
PUNCTURED_COLUMNS = 2
"""The first information columns are never transmitted."""


@dataclasses.dataclass(frozen=True)
class Edge:
    """A nonzero entry of a base graph, lifted: its column, and its shift, 0 to Z - 1."""

    column: int
    shift: int


Rows = tuple[tuple[Edge, ...], ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class BaseGraph:
    """One of the two base graphs.

    Attributes:
      number: 1 or 2.
      rows: its checks; each adds one column of parity bits.
      information_columns: its first columns, which hold the information bits.
      most_bits: K_cb, the most information bits that one code block carries.
    """

    number: int
    rows: int
    information_columns: int
    most_bits: int

    @property
    def columns(self) -> int:
        """Columns of information and parity."""
        return self.information_columns + self.rows

    def filled_columns(self, bits: int) -> int:
        """K_b of clause 5.2.2: how many information columns `bits` information bits are spread over."""
        if self.number == 1:
            return 22
        return 10 if bits > 640 else 9 if bits > 560 else 8 if bits > 192 else 6

    def lifting(self, bits: int, *, block_bits: int | None = None) -> int:
        """The least lifting size Z_c with K_b Z_c >= K'.

        Args:
          bits: B, the information bits of all code blocks together, which decide K_b.
          block_bits: K', those of one code block; None if there is one block.

        Raises:
          ValueError: if one code block cannot hold them.
        """
        block_bits = bits if block_bits is None else block_bits
        fitting = [size for size in LIFTING_SIZES if self.filled_columns(bits) * size >= block_bits]
        if not fitting or not 1 <= block_bits <= self.most_bits:
            raise ValueError(
                f"a code block of base graph {self.number} carries 1 to {self.most_bits} information bits, not "
                f"{block_bits}"
            )
        return fitting[0]

    def lifted(self, lifting: int, *, rows: int | None = None) -> Rows:
        """The edges of each check, for one lifting size.

        Args:
          lifting: Z, one of `LIFTING_SIZES`.
          rows: how many checks, from the first; None = all.

        Raises:
          ValueError: a lifting size or number of rows that there is not.
        """
        if lifting not in LIFTING_SIZES:
            raise ValueError(f"lifting size {lifting} is not one of TS 38.212 Table 5.3.2-1: {LIFTING_SIZES}")
        rows = self.rows if rows is None else rows
        if not CORE_ROWS <= rows <= self.rows:
            raise ValueError(f"base graph {self.number} has {CORE_ROWS} to {self.rows} rows, not {rows}")
        return _lifted(self.number, lifting)[:rows]


GRAPH_1 = BaseGraph(number=1, rows=46, information_columns=22, most_bits=8448)
GRAPH_2 = BaseGraph(number=2, rows=42, information_columns=10, most_bits=3840)
GRAPHS = {1: GRAPH_1, 2: GRAPH_2}


def select(bits: int, code_rate: float) -> BaseGraph:
    """The base graph that the standard prescribes (clauses 6.2.2 and 7.2.2).

    Args:
      bits: A, the information bits (of a transport block, without its CRC).
      code_rate: target code rate.

    Returns:
      Base graph 2 for at most 292 bits, for at most 3824 at rates up to 0.67, and for rates up to 1/4; else 1.
    """
    small = bits <= 292 or (bits <= 3824 and code_rate <= 0.67) or code_rate <= 0.25
    return GRAPH_2 if small else GRAPH_1


@functools.cache
def _tables() -> dict[str, Any]:
    path = importlib.resources.files("semjax.phy") / "ldpc_base_graphs.json"
    return json.loads(path.read_text(encoding="utf-8"))


@functools.cache
def _lifted(number: int, lifting: int) -> Rows:
    chosen = next(i for i, sizes in enumerate(LIFTING_SETS) if lifting in sizes)
    checks: list[list[Edge]] = [[] for _ in range(GRAPHS[number].rows)]
    for row, column, *shifts in _tables()[f"base_graph_{number}"]:
        checks[row].append(Edge(column, shifts[chosen] % lifting))
    return tuple(tuple(check) for check in checks)
