"""Code words of every lifting size against parity checks taken straight from the tables."""

import importlib.resources
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from semjax.phy.base_graph import GRAPH_1, GRAPH_2, GRAPHS, LIFTING_SETS, LIFTING_SIZES
from semjax.phy.ldpc_encoder import encode, holds

TABLES = json.loads((importlib.resources.files("semjax.phy") / "ldpc_base_graphs.json").read_text(encoding="utf-8"))
RNG = np.random.default_rng(0)
ODD = (2, 3, 5, 7, 9, 11, 13, 15)
# Of every set the least and the largest one; the others each cost a compilation too.
QUICK = {sizes[i] for sizes in LIFTING_SETS for i in (0, -1)}

HURRIED = {"xla_backend_optimization_level": 0}  # one small program per size, not twenty, and compiled in a hurry
compiled = jax.jit(encode, static_argnames=("graph", "lifting", "rows"), compiler_options=HURRIED)


def random_words(graph, lifting: int, count: int = 3) -> jax.Array:
    return jnp.asarray(RNG.integers(0, 2, (count, graph.information_columns * lifting)), jnp.uint8)


def syndrome(words, graph, lifting: int, rows: int) -> np.ndarray:
    """H w with H from the table: check i of a row holds bit (i + V) mod Z of a column."""
    chosen = next(2 + i for i, a in enumerate(ODD) if lifting in [a << j for j in range(8)])
    columns = np.asarray(words).reshape(len(words), -1, lifting)
    total = np.zeros((len(columns), rows, lifting), np.uint8)
    for row, column, *shifts in TABLES[f"base_graph_{graph.number}"]:
        if row < rows:
            total[:, row] ^= np.roll(columns[:, column], -shifts[chosen - 2], axis=1)
    return total


@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize(
    "lifting", [pytest.param(z, marks=[pytest.mark.nightly] * (z not in QUICK)) for z in LIFTING_SIZES]
)
def test_every_lifting_size_satisfies_all_checks(number, lifting):
    graph = GRAPHS[number]
    information = random_words(graph, lifting)
    words = compiled(information, graph=graph, lifting=lifting, rows=graph.rows)
    assert words.shape == (3, graph.columns * lifting)
    assert not syndrome(words, graph, lifting, graph.rows).any()
    # Systematic; and the parity half is no constant.
    np.testing.assert_array_equal(words[:, : information.shape[1]], information)
    assert 0.2 < np.asarray(words)[:, information.shape[1] :].mean() < 0.8


@pytest.mark.parametrize("graph", [GRAPH_1, GRAPH_2], ids=["1", "2"])
@pytest.mark.parametrize("rows", [4, 5, 11])
def test_fewer_checks_give_the_first_bits_of_the_same_words(graph, rows):
    information = random_words(graph, 6)
    words = compiled(information, graph=graph, lifting=6, rows=rows)
    whole = compiled(information, graph=graph, lifting=6, rows=graph.rows)
    np.testing.assert_array_equal(words, whole[:, : words.shape[1]])
    assert words.shape[1] == (graph.information_columns + rows) * 6


def test_linear():
    left, right = random_words(GRAPH_2, 7), random_words(GRAPH_2, 7)

    def coded(bits):
        return compiled(bits, graph=GRAPH_2, lifting=7, rows=42)

    np.testing.assert_array_equal(coded(left) ^ coded(right), coded(left ^ right))
    assert not coded(left ^ left).any()


@pytest.mark.parametrize("graph", [GRAPH_1, GRAPH_2], ids=["1", "2"])
def test_holds_finds_every_single_error(graph):
    words = np.asarray(compiled(random_words(graph, 2, 1), graph=graph, lifting=2, rows=graph.rows))
    check = jax.jit(holds, static_argnames=("graph", "lifting", "rows"))
    errors = np.concatenate([np.zeros_like(words), np.eye(words.shape[1], dtype=np.uint8)])
    found = check(jnp.asarray(words ^ errors), graph=graph, lifting=2, rows=graph.rows)
    np.testing.assert_array_equal(found, ~syndrome(words ^ errors, graph, 2, graph.rows).any(axis=(1, 2)))
    assert found[0]
    assert not found[1:].any()


def test_errors_say_what_is_allowed():
    with pytest.raises(ValueError, match=r"base graph 2 at lifting size 4 encodes 40 bits .*\(3, 39\)"):
        encode(jnp.zeros((3, 39), jnp.uint8), GRAPH_2, 4, rows=42)
    with pytest.raises(ValueError, match="207 bits are too few for 42 checks, which hold 208"):
        holds(jnp.zeros((3, 207), jnp.uint8), GRAPH_2, 4, rows=42)
    with pytest.raises(ValueError, match="4 to 42 rows, not 43"):
        encode(jnp.zeros((3, 40), jnp.uint8), GRAPH_2, 4, rows=43)
