"""Class tables against loops over labels, what no label tells of, and a round trip through a map."""

import doctest

import jax
import numpy as np
import pytest

from semjax.importance import tables
from semjax.importance.base import ImportanceError
from semjax.importance.tables import fit_scenario_table, fit_table, table_map

RNG = np.random.default_rng(1)
IMPORTANCE = RNG.random((6, 2, 4)).astype(np.float32)
CLASSES = RNG.integers(0, 3, (6, 4))
WEIGHT = (RNG.random((6, 2, 4)) < 0.7).astype(np.float32)


def labels_of(scenario: int | None, kind: int | None) -> list[float]:
    """All labels with weight of a scenario and a class; None = any."""
    return [
        float(IMPORTANCE[n, s, m])
        for n, s, m in np.ndindex(6, 2, 4)
        if WEIGHT[n, s, m] and scenario in (None, s) and kind in (None, CLASSES[n, m])
    ]


def test_tables_against_loops_and_unseen_classes_take_the_mean() -> None:
    table = fit_table(IMPORTANCE, CLASSES, WEIGHT, count=4)
    pairs = fit_scenario_table(IMPORTANCE, CLASSES, WEIGHT, count=4)
    assert table.dtype == pairs.dtype == np.float32
    for kind in range(3):
        assert table[kind] == pytest.approx(np.mean(labels_of(None, kind)), rel=1e-5)
        for s in range(2):
            assert pairs[s, kind] == pytest.approx(np.mean(labels_of(s, kind)), rel=1e-5)
    assert table[3] == pytest.approx(np.mean(labels_of(None, None)), rel=1e-5)
    assert [pairs[s, 3] for s in range(2)] == pytest.approx([np.mean(labels_of(s, None)) for s in range(2)], rel=1e-5)


def test_a_scenario_without_labels_takes_the_mean_of_all() -> None:
    silent = WEIGHT.copy()
    silent[:, 1] = 0
    pairs = fit_scenario_table(IMPORTANCE, CLASSES, silent, count=3)
    np.testing.assert_allclose(pairs[1], np.mean(labels_of(0, None)), rtol=1e-5)


def test_failed_labels_do_not_count_whatever_stands_there() -> None:
    spoilt = np.where(WEIGHT > 0, IMPORTANCE, np.nan).astype(np.float32)
    empty = CLASSES.copy()
    empty[WEIGHT.max(axis=1) == 0] = -1
    assert (empty == -1).any()
    np.testing.assert_array_equal(
        fit_table(spoilt, empty, WEIGHT, count=3), fit_table(IMPORTANCE, CLASSES, WEIGHT, count=3)
    )


def test_table_map_looks_up_each_pixels_class() -> None:
    table, pairs = np.arange(3, dtype=np.float32) / 4, np.arange(6, dtype=np.float32).reshape(2, 3) / 8
    ids = RNG.integers(0, 4, (2, 3, 5)).astype(np.uint8)
    classes, scenario = CLASSES[:2], np.array([1, 0])
    of_class = np.asarray(jax.jit(table_map)(table, classes, ids, scenario))
    of_pair = np.asarray(jax.jit(table_map)(pairs, classes, ids, scenario))
    for n, y, x in np.ndindex(2, 3, 5):
        kind = classes[n, ids[n, y, x]]
        assert of_class[n, y, x] == table[kind]
        assert of_pair[n, y, x] == pairs[scenario[n], kind]


def test_table_map_shows_what_there_is_not() -> None:
    ids, classes = np.array([[[0, 1]]], np.uint8), np.array([[0, -1]])
    told = np.asarray(table_map(np.ones(3, np.float32), classes, ids, np.array([0])))
    np.testing.assert_array_equal(np.isnan(told), [[[False, True]]])
    pairs = np.ones((2, 3), np.float32)
    assert np.isnan(np.asarray(table_map(pairs, classes, ids, np.array([2])))).all()


def test_refusals() -> None:
    with pytest.raises(ImportanceError, match=r"\(6, 2, 4\).*\(6, 3\)"):
        fit_table(IMPORTANCE, CLASSES[:, :3], WEIGHT, count=3)
    with pytest.raises(ImportanceError, match="class 2 is none of 0 to 1"):
        fit_scenario_table(IMPORTANCE, CLASSES, WEIGHT, count=2)
    with pytest.raises(ImportanceError, match="no label"):
        fit_table(IMPORTANCE, CLASSES, 0 * WEIGHT, count=3)
    with pytest.raises(ImportanceError, match=r"\(1, 1, 3\)"):
        table_map(np.ones((1, 1, 3), np.float32), CLASSES, np.zeros((6, 1, 1), int), np.zeros(6, int))


def test_examples() -> None:
    result = doctest.testmod(tables)
    assert result.attempted >= 1
    assert result.failed == 0
