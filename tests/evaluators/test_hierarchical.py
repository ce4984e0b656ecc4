"""Seeds and pictures resampled together: against one seed alone, against known variances, and what it refuses."""

import numpy as np
import pytest

from semjax.evaluators.bootstrap import Pictures, mean_interval
from semjax.evaluators.hierarchical import pooled, pooled_gain, pooled_mean, pooled_share
from semjax.evaluators.resampled import interval, ratio_interval
from semjax.metrics.ranking import auc

IDS = np.arange(80)


def measured(rng: np.random.Generator, *, of_seed: float, of_picture: float, noise: float) -> list[Pictures]:
    """Three seeds of mean 0: what each seed, each picture and each pair of them adds."""
    seeds, pictures = rng.normal(0, of_seed, 3), rng.normal(0, of_picture, IDS.size)
    return [Pictures(ids=IDS, values=seed + pictures + rng.normal(0, noise, IDS.size)) for seed in seeds]


def covered(**spread: float) -> float:
    rng = np.random.default_rng(0)
    found = [pooled_mean(measured(rng, **spread)).interval for _ in range(150)]
    return float(np.mean([one.low <= 0 <= one.high for one in found]))


def test_one_seed_is_the_plain_bootstrap() -> None:
    rng = np.random.default_rng(1)
    values = Pictures(ids=IDS, values=rng.exponential(2.0, IDS.size))
    found = pooled_mean([values]).interval
    assert found == interval(lambda weight: weight @ values.values / IDS.size, pictures=IDS.size)
    plain = mean_interval(values.values)
    width = plain.high - plain.low
    assert found.mean == pytest.approx(plain.mean)
    assert (found.low, found.high) == pytest.approx((plain.low, plain.high), abs=0.1 * width)


def test_one_seed_of_a_share_is_the_plain_bootstrap() -> None:
    rng = np.random.default_rng(2)
    top, bottom = rng.integers(0, 3, IDS.size).astype(float), np.full(IDS.size, 3.0)
    found = pooled_share([Pictures(ids=IDS, values=top)], [Pictures(ids=IDS, values=bottom)]).interval
    assert found == ratio_interval(top, bottom, picture=IDS)


def test_pictures_that_all_seeds_share_are_not_counted_thrice() -> None:
    """Seeds that agree give the interval of one of them."""
    one = measured(np.random.default_rng(3), of_seed=0, of_picture=1, noise=0)[0]
    thrice, once = pooled_mean([one, one, one]), pooled_mean([one])
    assert np.allclose(thrice.resamples, once.resamples)
    assert thrice.interval.high - thrice.interval.low > 0.3


def test_intervals_cover_the_truth_where_pictures_differ_more_than_seeds() -> None:
    assert 0.9 <= covered(of_seed=0.02, of_picture=1.0, noise=0.3) <= 0.99


def test_intervals_are_known_to_be_narrow_where_three_seeds_differ_more_than_pictures() -> None:
    assert 0.6 <= covered(of_seed=1.0, of_picture=0.1, noise=0.1) <= 0.9


def test_the_spread_of_seeds_widens_the_interval() -> None:
    rng = np.random.default_rng(4)
    seeds = measured(rng, of_seed=0, of_picture=0.5, noise=0.1)
    alike = pooled_mean(seeds).interval
    moved = [Pictures(ids=IDS, values=one.values + by) for one, by in zip(seeds, (-1, 0, 1), strict=True)]
    apart = pooled_mean(moved).interval
    assert apart.high - apart.low > 3 * (alike.high - alike.low)


def test_a_gain_is_paired_by_seed_and_picture() -> None:
    rng = np.random.default_rng(5)
    base = measured(rng, of_seed=3.0, of_picture=5.0, noise=0)
    better = [
        Pictures(ids=one.ids[::-1], values=(one.values + 0.3 + rng.normal(0, 0.1, IDS.size))[::-1]) for one in base
    ]
    found = pooled_gain(better, base).interval
    assert 0.2 < found.low < found.mean < found.high < 0.4


def test_a_share_of_a_gain_kept_on_other_pictures() -> None:
    rng = np.random.default_rng(6)
    seen = pooled_mean([Pictures(ids=IDS, values=rng.normal(2.0, 0.5, IDS.size)) for _ in range(3)])
    ids = np.arange(200)
    unseen = pooled_mean([Pictures(ids=ids, values=rng.normal(1.0, 0.5, ids.size)) for _ in range(3)], turn=1)
    found = unseen.over(seen)
    assert found.mean == pytest.approx(unseen.mean / seen.mean)
    assert 0.4 < found.low < found.mean < found.high < 0.6
    assert np.isnan(unseen.over(pooled_mean([Pictures(ids=IDS, values=np.zeros(IDS.size))])).mean)


def test_sets_of_as_many_pictures_are_resampled_independently_when_turned() -> None:
    values = Pictures(ids=IDS, values=np.random.default_rng(7).normal(0, 1, IDS.size))
    here, same, other = (pooled_mean([values], turn=turn).resamples for turn in (0, 0, 1))
    assert np.array_equal(here, same)
    assert abs(np.corrcoef(here, other)[0, 1]) < 0.1


def test_any_statistic_is_pooled() -> None:
    rng = np.random.default_rng(8)
    important = rng.random(IDS.size) < 0.4
    scores = [important + rng.normal(0, 0.8, IDS.size) for _ in range(3)]
    found = pooled(
        [lambda weight, score=score: auc(score, important, weight=weight) for score in scores], pictures=IDS.size
    ).interval
    assert found.mean == pytest.approx(np.mean([auc(score, important) for score in scores]))
    assert 0.5 < found.low < found.mean < found.high < 1


def test_what_cannot_be_pooled_is_refused() -> None:
    a, b = Pictures(ids=IDS, values=np.zeros(80)), Pictures(ids=IDS + 1, values=np.zeros(80))
    with pytest.raises(ValueError, match=r"begin with \[0, 80\]"):
        pooled_mean([a, b])
    with pytest.raises(ValueError, match="got 2 and 1"):
        pooled_gain([a, a], [a])
    with pytest.raises(ValueError, match="at least one seed"):
        pooled_mean([])
    with pytest.raises(ValueError, match="at least one picture"):
        pooled_mean([Pictures(ids=IDS[:0], values=np.zeros(0))])
    assert np.isnan([pooled_share([a], [a]).interval.mean, pooled_share([a], [a]).interval.low]).all()
