"""Scores of predicted importance, as result rows.

    auc          P(an important object scores above an unimportant one), ties half; important: level >= 5 of 9
    f1           of the objects predicted at level >= 5 against those labelled so
    spearman     rank correlation of prediction and label
    r2           1 - sum (label - prediction)² / sum (label - mean label)², the mean being that of the scored labels
    level_error  mean absolute difference, in levels

One label is one object under one scenario: "all" scenarios pools them. Intervals (95 %) resample pictures.
"""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float

from semjax.benchmark.labels import IMPORTANT_LEVEL, LEVELS, NAME, Labels
from semjax.evaluators.bootstrap import SEED, Interval
from semjax.evaluators.resampled import interval
from semjax.evaluators.results import Row
from semjax.metrics import ranking

FIELDS = (
    *("system", "variant", "commit", "dataset", "part", "split", "labels", "scenario"),
    *("metric", "mean", "ci_low", "ci_high", "n_images", "n_objects", "seed", "fingerprint"),
)
METRICS = ("auc", "f1", "level_error", "r2", "spearman")
ORDER_METRICS = ("auc", "spearman")
"""Those that ask only for an order; the others need predictions on the scale of the labels."""
ALL = "all"
_ROUNDING = 1e-6

Score = Callable[[Float[np.ndarray, "m"], Float[np.ndarray, "m"], Float[np.ndarray, "*r m"]], Float[np.ndarray, "*r"]]


def important(levels: np.ndarray) -> np.ndarray:
    """Whether levels count as important."""
    return levels >= IMPORTANT_LEVEL - _ROUNDING


SCORES: dict[str, Score] = {
    "auc": lambda said, true, weight: ranking.auc(said, important(true), weight=weight),
    "f1": lambda said, true, weight: ranking.f1(important(said), important(true), weight=weight),
    "level_error": lambda said, true, weight: ranking.mean_error(said, true, weight=weight),
    "r2": lambda said, true, weight: ranking.r_squared(said, true, weight=weight),
    "spearman": lambda said, true, weight: ranking.spearman(said, true, weight=weight),
}


def scored(
    prediction: Float[np.ndarray, "n s"],
    labels: Labels,
    *,
    about: Row,
    metrics: Sequence[str] = METRICS,
    than: Float[np.ndarray, "n s"] | None = None,
) -> list[Row]:
    """Rows of one predictor: each metric for all scenarios together and for each alone.

    Args:
      prediction: importance of every object under every scenario, in [0, 1] where more than the order counts.
      labels: what is right.
      about: `system`, `variant`, `commit`, `labels` (which of the labels these are) and `fingerprint`.
      metrics: what to compute; the other metrics get rows without a value.
      than: another prediction: rows are then of the differences to its scores, on the same pictures and resamples.

    Raises:
      ValueError: a prediction of another shape.
    """
    if prediction.shape != labels.importance.shape:
        raise ValueError(f"predictions of shape {prediction.shape} for labels of shape {labels.importance.shape}")
    said, true = LEVELS * prediction, LEVELS * labels.importance
    others = [] if than is None else [LEVELS * than]
    names, place = np.unique(labels.picture, return_inverse=True)
    shared = {
        **about,
        **{"dataset": NAME, "part": labels.part, "split": labels.split, "seed": SEED},
        **{"n_images": len(names), "n_objects": len(labels)},
    }
    columns = {ALL: slice(None)} | {name: slice(i, i + 1) for i, name in enumerate(labels.scenarios)}
    rows = []
    for scenario, chosen in columns.items():
        compared = [each[:, chosen] for each in (said, *others)]
        for metric in METRICS:
            score, known = SCORES[metric], metric in metrics
            found = _interval(score, *compared, true=true[:, chosen], place=place) if known else _UNKNOWN
            ends = {"mean": round(found.mean, 6), "ci_low": round(found.low, 6), "ci_high": round(found.high, 6)}
            rows.append({**shared, "scenario": scenario, "metric": metric, **ends})
    return rows


_UNKNOWN = Interval(mean=float("nan"), low=float("nan"), high=float("nan"))


def _interval(score: Score, *said: np.ndarray, true: np.ndarray, place: np.ndarray) -> Interval:
    """A score over objects, less that of a second prediction, if any; resampled by the pictures `place` they are in."""
    owner = np.repeat(place, true.shape[1])

    def statistic(weight: np.ndarray) -> np.ndarray:
        first, *rest = (score(each.ravel(), true.ravel(), weight[..., owner]) for each in said)
        return first - rest[0] if rest else first

    return interval(statistic, pictures=int(place.max()) + 1, width=owner.size)
