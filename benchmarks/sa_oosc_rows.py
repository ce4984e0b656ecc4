"""Result rows of the SA-OOSC benchmark: of one seed, pooled over seeds, and gains of one variant over another.

A pooled row has `seed` -1, no checkpoint, and the means over seeds of `rate` and of all cbr; its interval resamples
seeds and pictures (`semjax.evaluators.hierarchical`). Of a variant with one seed there is none.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from sa_oosc_ends import Arrays
from sa_oosc_models import DATASET, SYSTEM, Condition, Model

from semjax.evaluators.bootstrap import Interval, Pictures
from semjax.evaluators.hierarchical import POOLED, Pooled, pooled_gain, pooled_mean, pooled_share
from semjax.evaluators.paired import GAIN_OVER
from semjax.evaluators.results import Row
from semjax.evaluators.shares import RATIOS
from semjax.evaluators.sweep import csi_name
from semjax.training.log import git_state

QUALITY = ("psnr_high", "psnr_low", "psnr", "iw_psnr", "ssim_high")
ANSWERS = ("answer", "answer_intent", "answer_control")
METRICS = (*QUALITY, *ANSWERS, "outage")
GAINS = ("psnr_high", "psnr_low", "psnr", "answer_intent", "answer_control")
KINDS = ("analog", "digital", "side", "total")


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Point:
    """What one checkpoint gave at one condition and token.

    Attributes:
      model, split, condition, token: of it.
      arrays: of its piece.
    """

    model: Model
    split: str
    condition: Condition
    token: float
    arrays: Arrays

    def pictures(self, metric: str) -> Pictures:
        """The values of the pictures that have one."""
        values = self.arrays[metric]
        here = ~np.isnan(values)
        return Pictures(ids=self.arrays["id"][here], values=values[here])

    def has(self, metric: str) -> bool:
        """Whether there is anything to average; a map cannot be lost on the ideal link."""
        asked = metric in self.arrays and (metric != "outage" or self.condition.link == "coded")
        return asked and bool((~np.isnan(self.arrays[metric])).any())


Points = Sequence[Point]
"""The seeds of one variant at one condition."""


def means(points: Points, metric: str) -> Pooled:
    """The mean over seeds and pictures of a metric; a share of questions is one of all of them."""
    values = [point.pictures(metric) for point in points]
    if metric in RATIOS:
        return pooled_share(values, [point.pictures(RATIOS[metric]) for point in points])
    return pooled_mean(values)


def gains(a: Points, b: Points, metric: str, *, turn: int = 0) -> Pooled:
    """The mean over seeds and pictures of what a has more than b, seed by seed; `turn` as of `hierarchical.pooled`."""
    tops, others = ([point.pictures(metric) for point in points] for points in (a, b))
    if metric in RATIOS:
        differ = [
            Pictures(ids=top.ids, values=top.values - other.values) for top, other in zip(tops, others, strict=True)
        ]
        return pooled_share(differ, [point.pictures(RATIOS[metric]) for point in a])
    return pooled_gain(tops, others, turn=turn)


def row(points: Points, metric: str, found: Interval, *, n_images: int | None = None) -> Row:
    """One row of one seed, or of several pooled."""
    first, one = points[0], len(points) == 1
    condition = first.condition
    cbr = {f"cbr_{kind}": _mean(points, lambda p, kind=kind: _cbr(p, kind)) for kind in KINDS}
    return {
        "system": SYSTEM,
        "variant": first.model.variant,
        "checkpoint": first.model.name if one else "",
        "commit": commit(),
        "config_hash": first.model.config_hash if one else "",
        "dataset": DATASET,
        "split": first.split,
        "channel": condition.channel,
        "csi": csi_name(condition.analog),
        "side_link": condition.link,
        "link_terms": condition.side.terms,
        "snr_db": condition.snr_db,
        "told_snr_db": condition.snr_db,
        "rate": _mean(points, lambda p: p.token),
        **cbr,
        "metric": metric,
        "mean": found.mean,
        "ci_low": found.low,
        "ci_high": found.high,
        "n_images": len(first.pictures(metric.partition(GAIN_OVER)[0]).ids) if n_images is None else n_images,
        "n_draws": 1,
        "seed": first.model.seed if one else POOLED,
    }


def levels(points: Points, metrics: Sequence[str] = METRICS) -> Iterator[Row]:
    """Rows of each seed and pooled."""
    for chosen in alone_and_pooled(points):
        for metric in metrics:
            if all(point.has(metric) for point in chosen):
                yield row(chosen, metric, means(chosen, metric).interval)


def over(a: Points, b: Points, metrics: Sequence[str] = GAINS) -> Iterator[Row]:
    """Rows "METRIC_gain_over_BASELINE" of the seeds that both variants have."""
    a, b = common(a, b)
    name = f"{GAIN_OVER}{SYSTEM}_{b[0].model.variant}" if b else ""
    for own, base in zip(alone_and_pooled(a), alone_and_pooled(b), strict=True):
        for metric in metrics:
            if all(point.has(metric) for point in (*own, *base)):
                found = gains(own, base, metric).interval
                yield row(own, f"{metric}{name}", found, n_images=len(own[0].pictures(metric).ids))


def pairs(variants: Sequence[str]) -> list[tuple[str, str]]:
    """Which variant is compared with which: the student with all, and the ladder below it."""
    chosen = [("student", other) for other in variants if other != "student"]
    chosen += [("student_text", "uniform_weighted"), ("static", "uniform_weighted"), ("uniform_weighted", "uniform")]
    chosen += [("noisy", "noisy_zero"), ("failed_30", "failed_30_zero")]
    return [(a, b) for a, b in chosen if a in variants and b in variants]


def common(a: Points, b: Points) -> tuple[list[Point], list[Point]]:
    """The points of the seeds that both have, in the same order."""
    seeds = sorted({point.model.seed for point in a} & {point.model.seed for point in b})
    both = ({point.model.seed: point for point in points} for points in (a, b))
    first, second = ([found[seed] for seed in seeds] for found in both)
    return first, second


def alone_and_pooled(points: Points) -> Iterator[list[Point]]:
    """Each seed by itself, then all, if there are several."""
    yield from ([point] for point in points)
    if len(points) > 1:
        yield list(points)


@functools.cache
def commit() -> str:
    """Of this checkout, "+" if it was changed."""
    git = git_state()
    return (git["commit"] or "")[:12] + ("+" if git["dirty"] else "")


def _mean(points: Points, number: Callable[[Point], float]) -> float:
    return float(np.mean([number(point) for point in points]))


def _cbr(point: Point, kind: str) -> float:
    values = point.arrays.get(f"cbr_{kind}")
    return float("nan") if values is None else float(values.mean())
