"""Intervals of several trainings of a system: seeds are resampled, and the pictures, which all seeds share.

    s_1 ... s_S uniform over the S seeds,     k ~ Multinomial(n; 1/n, ..., 1/n)
    m* = (statistic of seed s_1 under k + ... + statistic of seed s_S under k) / S
    interval = 2.5 % and 97.5 % quantiles of m*

Under k, picture i counts k_i times. A difference of two systems is that of one seed on one picture. With a single seed
the interval is that of `resampled.interval`, to the last bit.

CHOICE: within a resample all seeds see the same pictures, as they did when they were measured. Drawn anew for each
seed, what is peculiar to a picture would average out over the seeds, and an interval would be up to sqrt(S) too narrow.
CHOICE: S seeds drawn from S have (S - 1) / S of the variance that seeds have; this is left as it is. Where three seeds
differ much more than pictures do, the interval goes from the least of them to the largest, and covers 3 times in 4:
look at the sign in each seed, too.

Reference: A. Owen, The pigeonhole bootstrap, Annals of Applied Statistics 1 (2007), of two crossed factors.
"""

import dataclasses
import functools
import warnings
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from semjax.evaluators.bootstrap import RESAMPLES, SEED, Interval, Pictures
from semjax.evaluators.resampled import Statistic, multiplicities

POOLED = -1
"""In the field `seed` of a result row: the mean over all seeds, its interval by resampling seeds and pictures."""
_BLOCK = 1 << 21  # weights at once; bounds the memory


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pooled:
    """A mean over seeds, and the same of each resample."""

    mean: float
    resamples: Float[np.ndarray, "r"]

    @property
    def interval(self) -> Interval:
        """The mean and its 95 % percentile interval; resamples in which it is not defined are left out."""
        if not np.isfinite(self.mean):
            return Interval(mean=self.mean, low=self.mean, high=self.mean)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # all resamples undefined: the answer is NaN
            low, high = np.nanpercentile(self.resamples, [2.5, 97.5])
        return Interval(mean=self.mean, low=float(low), high=float(high))

    def over(self, other: "Pooled") -> Interval:
        """This mean as a share of another one of the same seeds, with its interval.

        Two sets of pictures are resampled independently if they were pooled with different `turn`.
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            share = self.resamples / other.resamples
        mean = self.mean / other.mean if other.mean else float("nan")
        return Pooled(mean=mean, resamples=np.where(np.isfinite(share), share, np.nan)).interval


def pooled(statistics: Sequence[Statistic], *, pictures: int, width: int = 1, turn: int = 0) -> Pooled:
    """The mean over seeds of a statistic of pictures.

    Args:
      statistics: one per seed; each takes weights of the pictures with any leading axes.
      pictures: how many there are, the same ones for all seeds.
      width: numbers that a statistic keeps per resample (its objects, say); bounds the memory.
      turn: two sets of pictures with different numbers here are resampled independently of each other.

    Raises:
      ValueError: no seed, or no picture.
    """
    if not statistics:
        raise ValueError("a mean over seeds needs at least one seed")
    weights = np.roll(multiplicities(pictures), turn, axis=0) if turn else multiplicities(pictures)
    rows = max(1, _BLOCK // max(width, pictures))
    blocks = [weights[i : i + rows].astype(np.float64) for i in range(0, len(weights), rows)]
    found = np.stack([np.concatenate([statistic(block) for block in blocks]) for statistic in statistics], axis=1)
    whole = np.ones((1, pictures))
    mean = float(np.mean([statistic(whole)[0] for statistic in statistics]))
    return Pooled(mean=mean, resamples=np.take_along_axis(found, _drawn(len(statistics)), axis=1).mean(axis=1))


def pooled_mean(values: Sequence[Pictures], *, turn: int = 0) -> Pooled:
    """The mean over seeds and pictures of one value per picture.

    Args:
      values: of each seed, of the same pictures in any order.
      turn: see `pooled`.

    Raises:
      ValueError: no seed or no picture, or the seeds were not measured on the same pictures.
    """
    told = _aligned(values)
    return pooled([_mean_of(each.values) for each in told], pictures=len(told[0].ids), turn=turn)


def pooled_gain(a: Sequence[Pictures], b: Sequence[Pictures], *, turn: int = 0) -> Pooled:
    """The mean over seeds and pictures of a - b; arguments as of `pooled_mean`, seed by seed.

    Raises:
      ValueError: as `pooled_mean`, or not the same number of seeds on both sides.
    """
    if len(a) != len(b):
        raise ValueError(f"a gain is of one seed against the same seed of another system, got {len(a)} and {len(b)}")
    both = _aligned([*a, *b])
    ids = both[0].ids
    pairs = zip(both[: len(a)], both[len(a) :], strict=True)
    return pooled_mean([Pictures(ids=ids, values=one.values - other.values) for one, other in pairs], turn=turn)


def pooled_share(tops: Sequence[Pictures], bottoms: Sequence[Pictures]) -> Pooled:
    """The mean over seeds of sum(top) / sum(bottom), both counted per picture.

    Args:
      tops: numerators of each seed; of a gain of shares, differences of numerators.
      bottoms: denominators of each seed.

    Raises:
      ValueError: as `pooled_mean`, or not the same number of seeds on both sides.
    """
    if len(tops) != len(bottoms):
        raise ValueError(f"as many numerators as denominators are needed, got {len(tops)} and {len(bottoms)}")
    both = _aligned([*tops, *bottoms])
    pairs = zip(both[: len(tops)], both[len(tops) :], strict=True)
    return pooled([_ratio_of(top.values, low.values) for top, low in pairs], pictures=len(both[0].ids))


@functools.cache
def _drawn(seeds: int) -> Int[np.ndarray, "r s"]:
    """Which seeds stand in each resample."""
    return np.random.default_rng([SEED, seeds]).integers(0, seeds, (RESAMPLES, seeds))


def _aligned(values: Sequence[Pictures]) -> list[Pictures]:
    """All in the order of their ids, as float64; at least one."""
    if not values:
        raise ValueError("a mean over seeds needs at least one seed")
    found = []
    for one in values:
        order = np.argsort(one.ids, kind="stable")
        found.append(Pictures(ids=np.asarray(one.ids)[order], values=np.asarray(one.values, np.float64)[order]))
    for one in found[1:]:
        if not np.array_equal(one.ids, found[0].ids):
            missing = sorted(set(one.ids.tolist()) ^ set(found[0].ids.tolist()))[:5]
            raise ValueError(
                f"seeds are pooled over the same pictures, got {len(found[0].ids)} and {len(one.ids)}; ids in one of "
                f"the two only, or counted twice, begin with {missing}"
            )
    return found


def _mean_of(values: Float[np.ndarray, "p"]) -> Statistic:
    return lambda weight: weight @ values / values.size


def _ratio_of(top: Float[np.ndarray, "p"], bottom: Float[np.ndarray, "p"]) -> Statistic:
    def ratio(weight: Float[np.ndarray, "*r p"]) -> Float[np.ndarray, "*r"]:
        below = weight @ bottom
        return np.divide(weight @ top, below, out=np.full(np.shape(below), np.nan), where=below > 0)

    return ratio
