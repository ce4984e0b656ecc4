"""Rate matching against a literal reading of TS 38.212, clauses 5.4.2.1 and 5.4.2.2."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from semjax.phy.base_graph import GRAPH_1, GRAPH_2
from semjax.phy.rate_matching import RateMatcher

RNG = np.random.default_rng(0)
HURRIED = {"xla_backend_optimization_level": 0}  # compilation is all the work here
# Graph, Z, bits per symbol, redundancy version.
CASES = [(GRAPH_1, 3, 6, 0), (GRAPH_1, 3, 2, 1), (GRAPH_1, 2, 1, 2), (GRAPH_1, 3, 4, 3)]
CASES += [(GRAPH_2, 4, 1, 0), (GRAPH_2, 2, 10, 1), (GRAPH_2, 4, 8, 2), (GRAPH_2, 4, 2, 3)]
EVERY = pytest.mark.parametrize(("graph", "lifting", "q", "rv"), CASES)


def standard(graph, lifting: int, block_bits: int, coded_bits: int, rv: int, q: int) -> list[int]:
    """For each sent bit the number of the code word's bit, punctured ones counted."""
    columns, information = (66, 22) if graph.number == 1 else (50, 10)
    word = [n if not block_bits <= n < information * lifting else None for n in range((columns + 2) * lifting)]
    d = word[2 * lifting :]
    n_cb = len(d)
    start = {1: (0, 17, 33, 56), 2: (0, 13, 25, 43)}[graph.number][rv] * n_cb // (columns * lifting) * lifting
    e, j = [], 0
    while len(e) < coded_bits:
        if d[(start + j) % n_cb] is not None:
            e.append(d[(start + j) % n_cb])
        j += 1
    f = [0] * coded_bits
    for j in range(coded_bits // q):
        for i in range(q):
            f[i + j * q] = e[i * (coded_bits // q) + j]
    return f


def rows_of(graph, lifting: int, q: int) -> tuple[list[int], list[int]]:
    """K' and E of some blocks: hardly any or many filler bits; a few bits up to more than twice around."""
    most = graph.information_columns * lifting
    block_bits = [most, most - 1, 6 * lifting + 1, most - lifting, 1, 2 * lifting, most - 5, 17 * lifting, most // 2]
    around = (graph.columns - 2) * lifting
    coded_bits = [around, around + 7, 40, 2 * around + 9, 30, around // 2, around - 1, 3 * around // 2, q]
    return [min(k, most) for k in block_bits], [-(-e // q) * q for e in coded_bits]


@EVERY
def test_sent_bits_are_those_of_the_standard(graph, lifting, q, rv):
    matcher = RateMatcher(graph=graph, lifting=lifting, bits_per_symbol=q, rv=rv)
    block_bits, coded_bits = rows_of(graph, lifting, q)
    words = RNG.integers(0, 2, (len(block_bits), graph.columns * lifting))
    room = max(coded_bits) + 5
    match = jax.jit(matcher.match, static_argnames="room", compiler_options=HURRIED)
    sent = match(jnp.asarray(words, jnp.uint8), jnp.asarray(block_bits), jnp.asarray(coded_bits), room=room)
    for row, word, k, e in zip(np.asarray(sent), words, block_bits, coded_bits, strict=True):
        np.testing.assert_array_equal(row[:e], word[standard(graph, lifting, k, e, rv, q)])
        assert not row[e:].any()


@EVERY
def test_received_values_go_back_and_repeated_ones_add_up(graph, lifting, q, rv):
    matcher = RateMatcher(graph=graph, lifting=lifting, bits_per_symbol=q, rv=rv)
    block_bits, coded_bits = rows_of(graph, lifting, q)
    llr = RNG.integers(-8, 9, (len(block_bits), max(coded_bits))).astype(np.float32)  # sums are exact
    expected = np.zeros((len(block_bits), graph.columns * lifting))
    for row, values, k, e in zip(expected, llr, block_bits, coded_bits, strict=True):
        np.add.at(row, standard(graph, lifting, k, e, rv, q), values[:e])
        row[k : graph.information_columns * lifting] = 77
    dematch = jax.jit(matcher.dematch, static_argnames=("rows", "filler_llr"), compiler_options=HURRIED)
    lengths = jnp.asarray(block_bits), jnp.asarray(coded_bits)
    found = dematch(jnp.asarray(llr), *lengths, rows=graph.rows, filler_llr=77.0)
    np.testing.assert_array_equal(found, expected)


@EVERY
def test_rows_are_just_as_many_as_the_sent_bits_touch(graph, lifting, q, rv):
    matcher = RateMatcher(graph=graph, lifting=lifting, bits_per_symbol=q, rv=rv)
    for k, e in zip(*rows_of(graph, lifting, q), strict=True):
        last_column = max(standard(graph, lifting, k, e, rv, q)) // lifting
        assert matcher.rows(block_bits=k, coded_bits=e) == max(4, last_column + 1 - graph.information_columns)


def test_some_starts_lie_among_filler_bits():
    # Base graph 1, Z = 3, K' = 45: filler bits are 43 to 63 of the buffer, and rv 1 starts at 51.
    first = standard(GRAPH_1, 3, 45, 1, 1, 1)[0]
    assert first == 66
    matcher = RateMatcher(graph=GRAPH_1, lifting=3, rv=1)
    word = np.arange(68 * 3) == first
    sent = matcher.match(jnp.asarray(word[None], jnp.uint8), jnp.array([45]), jnp.array([4]), room=4)
    np.testing.assert_array_equal(sent, [[1, 0, 0, 0]])


def test_short_words_give_the_same_bits():
    matcher = RateMatcher(graph=GRAPH_2, lifting=4, bits_per_symbol=2)
    word = jnp.asarray(RNG.integers(0, 2, (2, 208)), jnp.uint8)
    lengths = jnp.array([40, 31]), jnp.array([60, 58])
    columns = 10 + max(matcher.rows(block_bits=int(k), coded_bits=int(e)) for k, e in zip(*lengths, strict=True))
    assert columns * 4 < 100
    whole = matcher.match(word, *lengths, room=60)
    np.testing.assert_array_equal(matcher.match(word[:, : columns * 4], *lengths, room=60), whole)


def test_errors_say_what_is_allowed():
    for rv in (-1, 4):
        with pytest.raises(ValueError, match=f"redundancy version {rv} is not one of 0, 1, 2, 3"):
            RateMatcher(graph=GRAPH_1, lifting=2, rv=rv)
    with pytest.raises(ValueError, match="at least 1 bit per symbol, got 0"):
        RateMatcher(graph=GRAPH_1, lifting=2, bits_per_symbol=0)
