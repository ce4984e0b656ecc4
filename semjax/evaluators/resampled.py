"""Intervals of anything that is counted over pictures, by resampling the pictures.

    multiplicities k ~ Multinomial(n; 1/n, ..., 1/n)      picture i stands k_i times in a resample
    interval = 2.5 % and 97.5 % quantiles of statistic(k) over the resamples

What belongs to a picture (its questions, its objects) stays together, so neither many objects in one picture nor many
questions on it make an interval narrower. The resamples are those of a fixed seed, the same for every statistic over
the same number of pictures: two systems on the same pictures are compared on the same resamples.

Reference: Efron and Tibshirani, An Introduction to the Bootstrap (1993), sections 8.3 and 13.3.
"""

import functools
import warnings
from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Int, UInt16

from semjax.evaluators.bootstrap import RESAMPLES, SEED, Interval

_BLOCK = 1 << 21  # weights at once; bounds the memory

Statistic = Callable[[Float[np.ndarray, "*r p"]], Float[np.ndarray, "*r"]]
"""From how often each picture counts to a number; NaN where it is not defined."""


@functools.lru_cache(maxsize=2)
def multiplicities(pictures: int) -> UInt16[np.ndarray, "r p"]:
    """How often each picture stands in each resample.

    Raises:
      ValueError: there is no picture.
    """
    if pictures < 1:
        raise ValueError("an interval needs at least one picture")
    rng = np.random.default_rng(SEED)
    made = np.empty((RESAMPLES, pictures), np.uint16)
    for row in made:
        row[:] = rng.multinomial(pictures, np.full(pictures, 1 / pictures))
    made.flags.writeable = False
    return made


def interval(statistic: Statistic, *, pictures: int, width: int = 1) -> Interval:
    """A statistic of all pictures and its 95 % percentile interval.

    Args:
      statistic: takes weights of pictures with any leading axes.
      pictures: how many there are.
      width: numbers that the statistic keeps per resample (its objects, say); bounds the memory.

    Returns:
      The statistic and its interval. Resamples in which it is not defined are left out; NaN where it is not defined
      on the pictures themselves.
    """
    mean = float(statistic(np.ones((1, pictures)))[0])
    if not np.isfinite(mean):
        return Interval(mean=mean, low=mean, high=mean)
    weights = multiplicities(pictures)
    rows = max(1, _BLOCK // max(width, pictures))
    found = np.concatenate([statistic(weights[i : i + rows].astype(np.float64)) for i in range(0, len(weights), rows)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # all resamples undefined: the answer is NaN
        low, high = np.nanpercentile(found, [2.5, 97.5])
    return Interval(mean=mean, low=float(low), high=float(high))


def ratio_interval(
    top: Float[np.ndarray, "q"], bottom: Float[np.ndarray, "q"], *, picture: Int[np.ndarray, "q"]
) -> Interval:
    """Ratio of two sums over things that belong to pictures, and its interval.

    Args:
      top, bottom: of each thing; a share of right answers has 1 or 0 over 1.
      picture: which picture each belongs to; any whole numbers.

    Returns:
      sum(top) / sum(bottom); NaN where there is nothing.
    """
    names, place = np.unique(picture, return_inverse=True)
    if not names.size:
        return Interval(mean=float("nan"), low=float("nan"), high=float("nan"))
    sums = [np.bincount(place, weights=values, minlength=names.size) for values in (top, bottom)]
    return interval(lambda weight: _ratio(weight @ sums[0], weight @ sums[1]), pictures=names.size)


def _ratio(top: np.ndarray, bottom: np.ndarray) -> np.ndarray:
    return np.divide(top, bottom, out=np.full(np.shape(bottom), np.nan), where=bottom > 0)
