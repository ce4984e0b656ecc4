"""How well scores rank objects by importance: AUC, F1, Spearman's correlation; numpy, with whole-number weights.

    AUC       = P(score of an important object > that of an unimportant one) + half of P(equal)
    F1        = 2 TP / (2 TP + FP + FN)
    Spearman  = Pearson correlation of the mid-ranks (equal values share the mean of their ranks)

A weight w_i counts object i as if it stood w_i times in the list. That is what resampling pictures needs: the
functions take any leading axes of weights, so all resamples cost one sort. What is not defined (no important object,
all values equal) is NaN.

Reference: Hanley and McNeil, Radiology 143 (1982), for the AUC as a probability; Spearman (1904) for ranks.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float, Integer, Shaped

Weights = Float[np.ndarray, "*r n"]


def auc(
    score: Float[np.ndarray, "n"], important: Bool[np.ndarray, "n"], *, weight: Weights | None = None
) -> Float[np.ndarray, "*r"]:
    """Area under the receiver operating curve, ties counted half.

    Args:
      score: higher = more important; finite.
      important: the truth.
      weight: how often each object counts; None = once.

    Returns:
      In [0, 1]; NaN where only one of the two classes is there.

    >>> float(auc(np.array([0.1, 0.9, 0.9]), np.array([False, True, False])))
    0.75
    """
    weight = _weights(weight, score, important)
    group, order = _groups(score)
    positive = _sums(weight * important, order, group)
    negative = _sums(weight * ~important, order, group)
    below = np.cumsum(negative, axis=-1) - 0.5 * negative
    return _share(np.sum(positive * below, axis=-1), positive.sum(axis=-1) * negative.sum(axis=-1))


def f1(
    chosen: Bool[np.ndarray, "n"], important: Bool[np.ndarray, "n"], *, weight: Weights | None = None
) -> Float[np.ndarray, "*r"]:
    """F1 of a set of objects taken for important.

    Returns:
      In [0, 1]; NaN where nothing is important and nothing was chosen.
    """
    weight = _weights(weight, chosen, important)
    hits = np.sum(weight * (chosen & important), axis=-1)
    return _share(2 * hits, np.sum(weight * chosen, axis=-1) + np.sum(weight * important, axis=-1))


def spearman(
    a: Float[np.ndarray, "n"], b: Float[np.ndarray, "n"], *, weight: Weights | None = None
) -> Float[np.ndarray, "*r"]:
    """Spearman's rank correlation with mid-ranks.

    Returns:
      In [-1, 1]; NaN where one of the two is the same everywhere.
    """
    weight = _weights(weight, a, b)
    rank_a, rank_b = _midranks(a, weight), _midranks(b, weight)
    total = weight.sum(axis=-1, keepdims=True)
    middle = 0.5 * total
    rank_a, rank_b = rank_a - middle, rank_b - middle
    both, first, second = (np.sum(weight * x * y, axis=-1) for x, y in _pairs(rank_a, rank_b))
    # Equal values leave rounding errors of the size of one rank's square, never a variance.
    spread = np.where((first > 1e-9 * total[..., 0]) & (second > 1e-9 * total[..., 0]), first * second, 0.0)
    return _share(both, np.sqrt(spread))


def r_squared(
    prediction: Float[np.ndarray, "n"], truth: Float[np.ndarray, "n"], *, weight: Weights | None = None
) -> Float[np.ndarray, "*r"]:
    """Explained variance 1 - sum (y - p)² / sum (y - mean y)², the mean being that of the scored objects.

    Returns:
      At most 1, below 0 for what is worse than that mean; NaN where the truth does not vary.
    """
    weight = _weights(weight, prediction, truth)
    mean = _share(np.sum(weight * truth, axis=-1), weight.sum(axis=-1))
    variance = np.sum(weight * (truth - mean[..., None]) ** 2, axis=-1)
    unexplained = _share(np.sum(weight * (truth - prediction) ** 2, axis=-1), np.where(variance > 1e-12, variance, 0))
    return np.asarray(1 - unexplained)


def mean_error(
    prediction: Float[np.ndarray, "n"], truth: Float[np.ndarray, "n"], *, weight: Weights | None = None
) -> Float[np.ndarray, "*r"]:
    """Mean absolute difference, in the unit of the two; NaN where there is nothing."""
    weight = _weights(weight, prediction, truth)
    return _share(np.sum(weight * np.abs(prediction - truth), axis=-1), weight.sum(axis=-1))


def by_group(
    metric: Callable[[Shaped[np.ndarray, "m"], Shaped[np.ndarray, "m"]], np.ndarray],
    a: Shaped[np.ndarray, "n"],
    b: Shaped[np.ndarray, "n"],
    *,
    group: Integer[np.ndarray, "n"],
) -> dict[int, float]:
    """A metric of each group of objects, such as those of one scenario or of one picture.

    >>> by_group(mean_error, np.array([1.0, 2.0]), np.array([1.0, 5.0]), group=np.array([0, 7]))
    {0: 0.0, 7: 3.0}
    """
    return {int(g): float(metric(a[group == g], b[group == g])) for g in np.unique(group)}


def _weights(weight: np.ndarray | None, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    if a.shape != b.shape or a.ndim != 1 or (weight is not None and weight.shape[-1:] != a.shape):
        raise ValueError(f"shapes differ: {a.shape}, {b.shape}, weights {None if weight is None else weight.shape}")
    for values in (a, b):
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise ValueError(f"{int((~np.isfinite(values)).sum())} of {values.size} values are not finite")
    return np.ones(a.shape) if weight is None else weight


def _groups(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where runs of equal values begin in the sorted list, and the order that sorts."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    return np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]][: values.size]), order


def _sums(weight: np.ndarray, order: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Weight of each run of equal values."""
    if not starts.size:
        return np.zeros((*weight.shape[:-1], 0))
    return np.add.reduceat(weight[..., order], starts, axis=-1)


def _midranks(values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Mid-ranks less one half, of the list in which each value stands `weight` times."""
    starts, order = _groups(values)
    sums = _sums(weight, order, starts)
    lengths = np.diff(np.r_[starts, values.size])
    ranks = np.empty(weight.shape)
    ranks[..., order] = np.repeat(np.cumsum(sums, axis=-1) - 0.5 * sums, lengths, axis=-1)
    return ranks


def _pairs(a: np.ndarray, b: np.ndarray) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
    return (a, b), (a, a), (b, b)


def _share(top: np.ndarray | np.floating, bottom: np.ndarray | np.floating) -> np.ndarray:
    """top / bottom; NaN where there is nothing to divide by."""
    bottom = np.asarray(bottom)
    return np.divide(top, bottom, out=np.full(bottom.shape, np.nan), where=bottom > 0)
