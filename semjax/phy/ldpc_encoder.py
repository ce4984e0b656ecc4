"""Systematic encoding with a lifted base graph.

The first four checks hold a core of four parity columns: the first, q_0, three times and each other twice, on a
staircase of unshifted identities. Added up, everything but one shifted q_0 cancels; the others follow row by row, and
each further check gives one more column:

    roll(q_0, s) = sum_{r < 4} lambda_r,   q_{r+1} = lambda_r + roll(q_0, s_r) + q_r,   lambda_r = sum_c roll(u_c, s_rc)

Source: 3GPP TS 38.212, clause 5.3.2 (H w = 0); Richardson and Kudekar, "Design of low-density parity check codes for 5G
new radio", IEEE Communications Magazine 56(3), 2018 (the structure).
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int, UInt8

from semjax.phy.base_graph import CORE_ROWS, BaseGraph, Edge, Rows


@functools.partial(jax.jit, static_argnames=("graph", "lifting", "rows"))
def encode(information: UInt8[Array, "b k"], graph: BaseGraph, lifting: int, *, rows: int) -> UInt8[Array, "b m"]:
    """Appends the parity bits of the first `rows` checks.

    Args:
      information: bits of all information columns, filler bits (0) included: k = columns · Z.
      graph: the base graph.
      lifting: the lifting size Z.
      rows: checks, which is also the number of parity columns.

    Returns:
      The code word, from its first (punctured) bit on.

    Raises:
      ValueError: if k is not the number of information bits of the graph at that size.
    """
    expected = graph.information_columns * lifting
    if information.shape[1] != expected:
        raise ValueError(
            f"base graph {graph.number} at lifting size {lifting} encodes {expected} bits with the filler bits, got "
            f"an array of shape {information.shape}"
        )
    edges = graph.lifted(lifting, rows=rows)
    # Words last: then what is gathered are rows of memory.
    known = information.astype(bool).T
    core = _core_parity(known, edges[:CORE_ROWS], graph.information_columns, lifting)
    known = jnp.concatenate([known, core])
    if rows > CORE_ROWS:
        known = jnp.concatenate([known, _sums(known, edges[CORE_ROWS:], lifting)])
    return known.T.astype(jnp.uint8)


def holds(words: UInt8[Array, "b m"], graph: BaseGraph, lifting: int, *, rows: int) -> Bool[Array, "b"]:
    """Whether words satisfy the first `rows` checks.

    Args:
      words: code words from their first (punctured) bit on.
      graph: the base graph.
      lifting: the lifting size Z.
      rows: checks.

    Raises:
      ValueError: if words are too short for these checks.
    """
    expected = (graph.information_columns + rows) * lifting
    if words.shape[1] < expected:
        raise ValueError(f"{words.shape[1]} bits are too few for {rows} checks, which hold {expected}")
    return ~jnp.any(_sums(words.astype(bool).T, graph.lifted(lifting, rows=rows), lifting), axis=0)


def _core_parity(known: Bool[Array, "k b"], core: Rows, columns: int, lifting: int) -> Bool[Array, "p b"]:
    sums = _sums(known, core, lifting).reshape(CORE_ROWS, lifting, -1)
    shifts = [next((edge.shift for edge in row if edge.column == columns), None) for row in core]
    told = [shift for shift in shifts if shift is not None]
    # Of the three shifts two are equal and cancel.
    remaining = next(shift for shift in told if told.count(shift) != 2)
    first = jnp.roll(functools.reduce(jnp.logical_xor, sums), remaining, axis=0)
    parity = [first]
    for row, shift in enumerate(shifts[: CORE_ROWS - 1]):
        following = sums[row] if row == 0 else sums[row] ^ parity[row]
        parity.append(following if shift is None else following ^ jnp.roll(first, -shift, axis=0))
    return jnp.concatenate(parity)


def _sums(known: Bool[Array, "k b"], rows: Rows, lifting: int) -> Bool[Array, "p b"]:
    """For each lifted check the sum over its bits among the first k."""
    places = _places(rows, lifting, known.shape[0])
    padded = jnp.concatenate([known, jnp.zeros((1, known.shape[1]), bool)])
    return jax.lax.reduce(padded[places], False, jax.lax.bitwise_xor, (1,))


@functools.lru_cache(maxsize=64)
def _places(rows: Rows, lifting: int, size: int) -> Int[np.ndarray, "p d"]:
    """Bits of each lifted check, filled up with `size`; bits from `size` on are left out."""
    check = np.arange(lifting)
    places = np.full((len(rows) * lifting, max(len(row) for row in rows)), size)
    for r, row in enumerate(rows):
        for i, edge in enumerate(row):
            places[r * lifting : (r + 1) * lifting, i] = _bits_of(edge, check, lifting)
    return np.where(places < size, places, size).astype(np.int32)


def _bits_of(edge: Edge, check: Int[np.ndarray, "z"], lifting: int) -> Int[np.ndarray, "z"]:
    return edge.column * lifting + (check + edge.shift) % lifting
