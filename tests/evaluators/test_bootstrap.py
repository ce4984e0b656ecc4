"""The bootstrap against its known limits: the normal interval, pairing, and the same answer every time."""

import math

import numpy as np
import pytest

from semjax.evaluators.bootstrap import Pictures, mean_interval, paired_difference


def test_interval_of_many_pictures_is_the_normal_one() -> None:
    values = np.random.default_rng(0).normal(30.0, 2.0, 1000)
    found = mean_interval(values)
    error = 1.96 * values.std() / math.sqrt(values.size)
    assert found.mean == pytest.approx(values.mean())
    assert found.low == pytest.approx(values.mean() - error, abs=0.1 * error)
    assert found.high == pytest.approx(values.mean() + error, abs=0.1 * error)
    assert mean_interval(values) == found


def test_interval_covers_the_truth_about_95_times_in_100() -> None:
    rng = np.random.default_rng(1)
    hits = [(found := mean_interval(rng.exponential(1.0, 100))).low <= 1.0 <= found.high for _ in range(200)]
    assert 0.88 <= np.mean(hits) <= 0.99


def test_one_picture_has_an_interval_of_no_width_and_none_is_refused() -> None:
    found = mean_interval(np.array([31.5]))
    assert (found.low, found.mean, found.high) == (31.5, 31.5, 31.5)
    with pytest.raises(ValueError, match="at least one"):
        mean_interval(np.array([]))


def test_a_value_that_is_not_finite_is_not_hidden() -> None:
    assert math.isnan(mean_interval(np.array([1.0, np.nan])).mean)
    assert math.isinf(mean_interval(np.array([1.0, np.inf])).high)


def test_pairing_sees_a_difference_that_is_small_beside_the_spread_of_pictures() -> None:
    rng = np.random.default_rng(2)
    ids, base = np.arange(50), rng.normal(30.0, 5.0, 50)
    better = Pictures(ids=ids[::-1], values=(base + 0.3 + rng.normal(0.0, 0.1, 50))[::-1])
    found = paired_difference(better, Pictures(ids=ids, values=base))
    assert 0.2 < found.low < found.mean < found.high < 0.4
    assert mean_interval(base).high - mean_interval(base).low > 1.0


def test_pairing_refuses_other_pictures() -> None:
    a = Pictures(ids=np.array([1, 2, 3]), values=np.zeros(3))
    b = Pictures(ids=np.array([1, 2, 4]), values=np.zeros(3))
    with pytest.raises(ValueError, match=r"begin with \[3, 4\]"):
        paired_difference(a, b)
