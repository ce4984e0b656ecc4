"""Intervals and paired comparisons by resampling pictures.

    m* = (x[i_1] + ... + x[i_n]) / n,   i_j uniform over the n pictures;   interval = 2.5 % and 97.5 % quantiles of m*

The unit that is resampled is the picture (channel draws are averaged within a picture first), the interval is the
percentile one, and the seed is fixed, so the same values always give the same interval.

Reference: Efron and Tibshirani, An Introduction to the Bootstrap (1993), section 13.3.
"""

import dataclasses

import numpy as np
from jaxtyping import Float, Int

RESAMPLES = 2000
SEED = 20090101
_BLOCK = 1 << 22  # indices drawn at once; bounds the memory for large sets of pictures


@dataclasses.dataclass(frozen=True, kw_only=True)
class Interval:
    """An estimate and its 95 % interval."""

    mean: float
    low: float
    high: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pictures:
    """One value per picture: `values[i]` belongs to the picture named `ids[i]`."""

    ids: Int[np.ndarray, "n"]
    values: Float[np.ndarray, "n"]


def mean_interval(values: Float[np.ndarray, "n"]) -> Interval:
    """The mean over pictures and its 95 % percentile interval.

    Args:
      values: one value per picture, averaged over channel draws.

    Returns:
      The mean and the interval; all three are infinite or NaN where the values are.

    Raises:
      ValueError: there is no picture.
    """
    values = np.asarray(values, np.float64)
    if values.ndim != 1 or values.size == 0:
        raise ValueError(f"an interval needs at least one value per picture, got an array of shape {values.shape}")
    mean = float(values.mean())
    if not np.isfinite(mean):
        return Interval(mean=mean, low=mean, high=mean)
    low, high = np.percentile(_resampled_means(values), [2.5, 97.5])
    return Interval(mean=mean, low=float(low), high=float(high))


def paired_difference(a: Pictures, b: Pictures) -> Interval:
    """The mean of a - b over the pictures that both have measured, and its 95 % interval.

    Args:
      a: one value per picture of the first system.
      b: the same pictures, in any order, of the second.

    Returns:
      The mean difference and its interval; an interval that leaves out 0 is a difference.

    Raises:
      ValueError: the two were not measured on the same pictures.
    """
    order_a, order_b = np.argsort(a.ids, kind="stable"), np.argsort(b.ids, kind="stable")
    ids_a, ids_b = np.asarray(a.ids)[order_a], np.asarray(b.ids)[order_b]
    if not np.array_equal(ids_a, ids_b):
        missing = sorted(set(ids_a.tolist()) ^ set(ids_b.tolist()))[:5]
        raise ValueError(
            f"a paired difference needs the same pictures on both sides, got {len(ids_a)} and {len(ids_b)}; "
            f"ids on one side only, or counted twice, begin with {missing}"
        )
    return mean_interval(np.asarray(a.values, np.float64)[order_a] - np.asarray(b.values, np.float64)[order_b])


def _resampled_means(values: np.ndarray) -> np.ndarray:
    rng = np.random.default_rng(SEED)
    rows = max(1, min(RESAMPLES, _BLOCK // values.size))
    means = []
    for start in range(0, RESAMPLES, rows):
        picks = rng.integers(0, values.size, (min(rows, RESAMPLES - start), values.size))
        means.append(values[picks].mean(axis=1))
    return np.concatenate(means)
