"""The tables of TS 38.212 clause 5.3.2: sizes, structure and the rules that choose from them."""

import importlib.resources
import json

import numpy as np
import pytest

from semjax.phy.base_graph import GRAPH_1, GRAPH_2, GRAPHS, LIFTING_SETS, LIFTING_SIZES, select

TABLES = json.loads((importlib.resources.files("semjax.phy") / "ldpc_base_graphs.json").read_text(encoding="utf-8"))
EVERY = pytest.mark.parametrize("graph", [GRAPH_1, GRAPH_2], ids=["1", "2"])

# Table 5.3.2-1, as printed.
PRINTED = """2 4 8 16 32 64 128 256|3 6 12 24 48 96 192 384|5 10 20 40 80 160 320|7 14 28 56 112 224|9 18 36 72 144 288
    |11 22 44 88 176 352|13 26 52 104 208|15 30 60 120 240"""


def table(graph) -> np.ndarray:
    return np.array(TABLES[f"base_graph_{graph.number}"])


def test_lifting_sizes_are_those_printed():
    assert tuple(tuple(map(int, line.split())) for line in PRINTED.split("|")) == LIFTING_SETS
    assert len(LIFTING_SIZES) == 51
    assert list(LIFTING_SIZES) == sorted(set(LIFTING_SIZES))


@pytest.mark.parametrize(("graph", "entries", "rows", "columns"), [(GRAPH_1, 316, 46, 68), (GRAPH_2, 197, 42, 52)])
def test_sizes(graph, entries, rows, columns):
    places = table(graph)[:, :2]
    assert table(graph).shape == (entries, 2 + len(LIFTING_SETS))
    assert len(np.unique(places, axis=0)) == entries
    assert (graph.rows, graph.columns) == (rows, columns)
    assert (places.max(axis=0) + 1).tolist() == [rows, columns]
    assert GRAPHS[graph.number] is graph


def test_weights_of_rows_and_columns():
    def degrees(graph, axis):
        return np.bincount(table(graph)[:, axis]).tolist()

    assert degrees(GRAPH_1, 0)[:6] == [19, 19, 19, 19, 3, 8]
    assert degrees(GRAPH_2, 0)[:6] == [8, 10, 8, 10, 4, 6]
    assert degrees(GRAPH_1, 1)[:3] == [30, 28, 7]  # the punctured columns are the heaviest
    assert degrees(GRAPH_2, 1)[:3] == [22, 23, 10]
    # Each check from the fifth on has a column of its own.
    assert degrees(GRAPH_1, 1)[26:] == [1] * 42
    assert degrees(GRAPH_2, 1)[14:] == [1] * 38


@EVERY
def test_shifts_are_below_the_largest_size_of_their_set(graph):
    shifts = table(graph)[:, 2:]
    assert shifts.min() == 0
    assert np.all(shifts < [sizes[-1] for sizes in LIFTING_SETS])


@EVERY
@pytest.mark.parametrize("chosen", range(8))
def test_parity_core_is_a_staircase_beside_one_heavy_column(graph, chosen):
    core = -np.ones((4, 4), int)
    for row, column, *shifts in table(graph):
        if row < 4 and 0 <= column - graph.information_columns < 4:
            core[row, column - graph.information_columns] = shifts[chosen]
    # The other columns: unshifted identities on two neighbouring rows.
    stairs = -np.ones((4, 3), int)
    stairs[[0, 1, 2], [0, 1, 2]] = stairs[[1, 2, 3], [0, 1, 2]] = 0
    np.testing.assert_array_equal(core[:, 1:], stairs)
    heavy = core[core[:, 0] >= 0, 0].tolist()
    # Two of its three shifts are equal, so that the four rows add up to one shifted identity.
    assert len(heavy) == 3
    assert len(set(heavy)) == 2
    extension = [(r, c, *shifts) for r, c, *shifts in table(graph) if c >= graph.information_columns + 4]
    assert all(c == graph.information_columns + r and not any(shifts) for r, c, *shifts in extension)
    assert len(extension) == graph.rows - 4


@EVERY
@pytest.mark.parametrize("lifting", [2, 3, 36, 104, 384])
def test_lifted_edges_are_the_table_modulo_the_size(graph, lifting):
    chosen = next(i for i, a in enumerate((2, 3, 5, 7, 9, 11, 13, 15)) if lifting in [a << j for j in range(9)])
    lifted = [(row, e.column, e.shift) for row, edges in enumerate(graph.lifted(lifting)) for e in edges]
    expected = table(graph)[:, [0, 1, 2 + chosen]] % [1000, 1000, lifting]
    assert sorted(lifted) == sorted(map(tuple, expected.tolist()))
    assert graph.lifted(lifting, rows=7) == graph.lifted(lifting)[:7]


def test_entries_by_hand():
    # Table 5.3.2-2, first row, i_LS = 0 and 1; Table 5.3.2-3, first row, i_LS = 0.
    first = {edge.column: edge.shift for edge in GRAPH_1.lifted(256)[0]}
    assert [first[c] for c in (0, 1, 2, 3, 5)] == [250, 69, 226, 159, 100]
    assert {edge.column: edge.shift for edge in GRAPH_1.lifted(384)[0]}[0] == 307
    first = {edge.column: edge.shift for edge in GRAPH_2.lifted(256)[0]}
    assert [first[c] for c in (0, 1, 2, 3)] == [9, 117, 204, 26]


@pytest.mark.parametrize(
    ("bits", "code_rate", "number"),
    [
        (292, 0.95, 2),
        (293, 0.95, 1),
        (293, 0.67, 2),
        (293, 0.6701, 1),
        (3824, 0.67, 2),
        (3825, 0.67, 1),
        (3825, 0.25, 2),
        (100_000, 0.25, 2),
        (100_000, 0.2501, 1),
    ],
)
def test_choice_of_the_graph(bits, code_rate, number):
    assert select(bits, code_rate) is GRAPHS[number]


@pytest.mark.parametrize(
    ("graph", "bits", "filled", "lifting"),
    [
        (GRAPH_1, 1, 22, 2),
        (GRAPH_1, 44, 22, 2),
        (GRAPH_1, 45, 22, 3),
        (GRAPH_1, 8448, 22, 384),
        (GRAPH_2, 192, 6, 32),
        (GRAPH_2, 193, 8, 26),
        (GRAPH_2, 560, 8, 72),
        (GRAPH_2, 561, 9, 64),
        (GRAPH_2, 640, 9, 72),
        (GRAPH_2, 641, 10, 72),
        (GRAPH_2, 721, 10, 80),
        (GRAPH_2, 3840, 10, 384),
    ],
)
def test_choice_of_the_lifting_size(graph, bits, filled, lifting):
    assert graph.filled_columns(bits) == filled
    assert graph.lifting(bits) == lifting


@EVERY
def test_the_lifting_size_is_the_least_that_holds_the_block(graph):
    for bits in range(1, graph.most_bits + 1, 37):
        size = graph.lifting(bits)
        below = [s for s in LIFTING_SIZES if s < size]
        assert graph.filled_columns(bits) * size >= bits
        assert not below or graph.filled_columns(bits) * below[-1] < bits


def test_all_blocks_together_decide_how_many_columns_are_filled():
    assert GRAPH_2.lifting(7000, block_bits=600) == 60  # K_b = 10
    assert GRAPH_2.lifting(600) == 72  # K_b = 9


def test_errors_say_what_is_allowed():
    for graph, bits in ((GRAPH_1, 8449), (GRAPH_2, 3841), (GRAPH_2, 0)):
        with pytest.raises(ValueError, match=f"{graph.number} carries 1 to {graph.most_bits} .*not {bits}"):
            graph.lifting(bits)
    with pytest.raises(ValueError, match=r"lifting size 17 is not one of .*\(2, 3, 4, 5"):
        GRAPH_1.lifted(17)
    for rows in (3, 43):
        with pytest.raises(ValueError, match=f"base graph 2 has 4 to 42 rows, not {rows}"):
            GRAPH_2.lifted(4, rows=rows)
