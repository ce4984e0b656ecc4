"""Ranking measures against brute force, scipy, and lists in which objects really stand several times."""

import doctest
import itertools
from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import spearmanr

from semjax.metrics import ranking

RNG = np.random.default_rng(7)
SCORE = RNG.integers(0, 6, 40).astype(float)  # with many ties
TRUTH = SCORE + RNG.integers(0, 6, 40)
TIMES = RNG.integers(0, 4, (2, 3, 40)).astype(float)


def brute_auc(score: np.ndarray, important: np.ndarray) -> float:
    pairs = itertools.product(score[important], score[~important])
    return float(np.mean([(a > b) + 0.5 * (a == b) for a, b in pairs]))


def brute_f1(chosen: np.ndarray, important: np.ndarray) -> float:
    precision, recall = important[chosen].mean(), chosen[important].mean()
    return 2 * precision * recall / (precision + recall)


def brute_r2(said: np.ndarray, true: np.ndarray) -> float:
    return 1 - np.mean((said - true) ** 2) / np.var(true)


TWINS = {
    "auc": (ranking.auc, brute_auc, SCORE, TRUTH > 5),
    "f1": (ranking.f1, brute_f1, SCORE > 2, TRUTH > 5),
    "spearman": (ranking.spearman, lambda a, b: spearmanr(a, b)[0], SCORE, TRUTH),
    "r_squared": (ranking.r_squared, brute_r2, SCORE, TRUTH),
    "mean_error": (ranking.mean_error, lambda a, b: np.abs(a - b).mean(), SCORE, TRUTH),
}


@pytest.mark.parametrize("name", TWINS)
def test_against_an_independent_twin(name: str) -> None:
    metric, twin, a, b = TWINS[name]
    np.testing.assert_allclose(metric(a, b), twin(a, b), rtol=1e-12)


@pytest.mark.parametrize("name", TWINS)
def test_a_weight_is_a_number_of_copies(name: str) -> None:
    metric, twin, a, b = TWINS[name]
    found = metric(a, b, weight=TIMES)
    assert found.shape == (2, 3)
    for place in np.ndindex(2, 3):
        copies = np.repeat(np.arange(40), TIMES[place].astype(int))
        np.testing.assert_allclose(found[place], twin(a[copies], b[copies]), rtol=1e-12)


def test_order_measures_ignore_the_scale() -> None:
    for name in ("auc", "spearman"):
        metric, _, a, b = TWINS[name]
        np.testing.assert_allclose(metric(np.exp(3 * a) - 7, b), metric(a, b), rtol=1e-12)
        np.testing.assert_allclose(metric(-a, b), {"auc": 1, "spearman": 0}[name] - metric(a, b), rtol=1e-12)


def test_perfect_and_constant_predictions() -> None:
    high = TRUTH > 5
    assert float(ranking.auc(TRUTH, high)) == 1.0
    assert float(ranking.f1(high, high)) == 1.0
    assert float(ranking.spearman(TRUTH, TRUTH)) == pytest.approx(1.0, abs=1e-12)
    assert float(ranking.auc(np.zeros(40), high)) == 0.5
    assert float(ranking.r_squared(np.full(40, TRUTH.mean()), TRUTH)) == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize(
    ("metric", "a", "b"),
    [
        (ranking.auc, SCORE, np.zeros(40, bool)),
        (ranking.auc, SCORE, np.ones(40, bool)),
        (ranking.f1, np.zeros(40, bool), np.zeros(40, bool)),
        (ranking.spearman, np.full(40, 0.1), TRUTH),
        (ranking.r_squared, SCORE, np.full(40, 0.1)),
        (ranking.auc, np.zeros(0), np.zeros(0, bool)),
        (ranking.spearman, np.zeros(0), np.zeros(0)),
        (ranking.mean_error, np.zeros(0), np.zeros(0)),
    ],
)
def test_what_is_not_defined_is_nan(metric: Callable[..., np.ndarray], a: np.ndarray, b: np.ndarray) -> None:
    assert np.isnan(metric(a, b))
    assert np.isnan(metric(a, b, weight=np.zeros((2, a.size)))).all()


def test_values_that_are_not_finite_are_refused() -> None:
    with pytest.raises(ValueError, match="1 of 2 values are not finite"):
        ranking.spearman(np.array([0.0, np.nan]), np.zeros(2))


def test_by_group() -> None:
    group = np.repeat([3, 1], 20)
    found = ranking.by_group(ranking.spearman, SCORE, TRUTH, group=group)
    assert list(found) == [1, 3]
    np.testing.assert_allclose(found[3], spearmanr(SCORE[:20], TRUTH[:20])[0], rtol=1e-12)


def test_examples() -> None:
    assert not doctest.testmod(ranking).failed
