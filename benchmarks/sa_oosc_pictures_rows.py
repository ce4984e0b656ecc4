"""Result rows of the pictures benchmark: means over pairs, gains on the same pairs, distances from the budget.

    mean = sum over pictures of (sum over the picture's pairs) / number of pairs

Its interval resamples pictures, each with all of its pairs (and seeds, where rows pool several). So neither a picture
with many scenarios nor what its scenarios have in common makes an interval narrower.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from sa_oosc_models import SYSTEM
from sa_oosc_pictures_ends import FULL, OTHER
from sa_oosc_pictures_work import CENTRE, SCENES, TARGETS, Bench, Job, Task, on_scenes, tasks
from sa_oosc_rows import QUALITY, Point, Points, alone_and_pooled, commit, common, row

from semjax.evaluators.bootstrap import Pictures
from semjax.evaluators.hierarchical import Pooled, pooled_share
from semjax.evaluators.paired import EQUAL_RATES, GAIN_OVER
from semjax.evaluators.results import FIELDS, Row

PICTURE_FIELDS = (*FIELDS, "cbr_target", "scenario", "n_pairs")
BUDGET_FIELDS = (
    *("system", "variant", "checkpoint", "commit", "config_hash", "dataset", "split", "seed", "rate", "cbr_target"),
    *("cbr_budget", "step_uses", "max_steps_off", "mean_steps_off", "max_steps_above", "n_images", "n_pairs"),
)
METRICS = (*QUALITY, OTHER, "outage")
GAINS = ("psnr_high", "psnr_low", "psnr", "iw_psnr")
ALL = "all"
LADDER = ("uniform", "uniform_weighted", "static", "student")
"""Each is compared with those before it; other variants with all of these."""


def per_picture(ids: np.ndarray, values: Float[np.ndarray, "p"]) -> tuple[Pictures, Pictures]:
    """Sums over the pairs of each picture, and how many pairs have a value; pictures without one are left out."""
    here = ~np.isnan(values)
    names, place = np.unique(ids[here], return_inverse=True)
    sums = (np.bincount(place, weights=weights, minlength=len(names)) for weights in (values[here], here[here] * 1.0))
    top, bottom = (Pictures(ids=names, values=values) for values in sums)
    return top, bottom


def pooled_pairs(ids: Sequence[np.ndarray], values: Sequence[Float[np.ndarray, "p"]]) -> Pooled:
    """The mean over seeds and pairs of one value per pair, given seed by seed."""
    both = [per_picture(one, each) for one, each in zip(ids, values, strict=True)]
    return pooled_share([top for top, _ in both], [bottom for _, bottom in both])


def level_rows(points: Points, metrics: Sequence[str] = METRICS, **about: Any) -> Iterator[Row]:
    """Rows of each seed and pooled."""
    for chosen in alone_and_pooled(points):
        for metric in metrics:
            if all(point.has(metric) for point in chosen):
                values = [point.arrays[metric] for point in chosen]
                found = pooled_pairs([point.arrays["id"] for point in chosen], values)
                yield _row(chosen, metric, found, values[0], about)


def gain_rows(a: Points, b: Points, metrics: Sequence[str] = GAINS, **about: Any) -> Iterator[Row]:
    """Rows "METRIC_gain_over_BASELINE" of the seeds that both variants have.

    Raises:
      ValueError: the two were not measured on the same pairs.
    """
    a, b = common(a, b)
    for own, base in zip(alone_and_pooled(a), alone_and_pooled(b), strict=True):
        _check_same(own[0], base[0])
        for metric in metrics:
            if all(point.has(metric) for point in (*own, *base)):
                differ = [x.arrays[metric] - y.arrays[metric] for x, y in zip(own, base, strict=True)]
                found = pooled_pairs([point.arrays["id"] for point in own], differ)
                yield _row(own, f"{metric}{GAIN_OVER}{SYSTEM}_{base[0].model.variant}", found, differ[0], about)


def _check_same(a: Point, b: Point) -> None:
    for name in ("id", "scenario"):
        if not np.array_equal(a.arrays[name], b.arrays[name]):
            raise ValueError(
                f"{a.model.name} and {b.model.name} were not measured on the same pairs: their {name} differ"
            )


def _row(points: Points, metric: str, found: Pooled, values: np.ndarray, about: dict[str, Any]) -> Row:
    here = ~np.isnan(values)
    pictures = len(np.unique(points[0].arrays["id"][here]))
    made = row(points, metric, found.interval, n_images=pictures)
    return {**made, "scenario": ALL, "n_pairs": int(here.sum()), **about}


def compared(variants: Sequence[str]) -> list[tuple[str, str]]:
    """Which variant is compared with which."""
    place = {variant: i for i, variant in enumerate(LADDER)}
    return [
        (a, b) for a in variants for b in reversed(LADDER) if b in variants and place.get(a, len(LADDER)) > place[b]
    ]


def points(jobs: Sequence[Job], task: Task, bench: Bench) -> dict[str, list[Point]]:
    """The points of each variant of one album, seed by seed; without checkpoints that no token brings to the target.

    Raises:
      ValueError: a piece is missing.
    """
    found: dict[str, list[Point]] = {}
    for job in jobs:
        token = (bench.token(job, task) or {}).get("token")
        if token is not None:
            arrays = bench.piece(job, task)
            point = Point(model=job.model, split="test", condition=task.condition, token=token, arrays=arrays)
            found.setdefault(job.model.variant, []).append(point)
    return found


def picture_rows(jobs: Sequence[Job], bench: Bench) -> Iterator[Row]:
    """The rows of sa_oosc_pictures.json: all pairs, and at the centre those of each scenario, too."""
    for album in dict.fromkeys(job.album for job in jobs if job.album is not None):
        own = [job for job in jobs if job.album == album]
        for task in tasks():
            found = points(own, task, bench)
            about = {"dataset": album.dataset, "cbr_target": task.target}
            yield from _rows_of(found, about)
            if task == Task(condition=CENTRE, target=next(iter(TARGETS))):
                for i, scenario in enumerate(album.scenarios):
                    part = {variant: [_under(point, i) for point in each] for variant, each in found.items()}
                    yield from _rows_of(part, {**about, "scenario": scenario}, metrics=("psnr_high", "psnr_low", OTHER))


def _rows_of(found: dict[str, list[Point]], about: dict[str, Any], metrics: Sequence[str] = METRICS) -> Iterator[Row]:
    for each in found.values():
        yield from level_rows(each, metrics, **about)
    for a, b in compared([*found]):
        yield from gain_rows(found[a], found[b], tuple(metric for metric in GAINS if metric in metrics), **about)


def _under(point: Point, scenario: int) -> Point:
    here = point.arrays["scenario"] == scenario
    return dataclasses.replace(point, arrays={name: array[here] for name, array in point.arrays.items()})


def budget_rows(jobs: Sequence[Job], bench: Bench) -> Iterator[Row]:
    """The rows of sa_oosc_budget.json: how far single pictures are from what budget mode gives them."""
    for job in jobs:
        for target, cbr in TARGETS.items():
            if job.album is None:
                token = cbr / FULL
                yield _budget_row(job, bench.piece(job, on_scenes(token)), SCENES, token=token, target="")
                continue
            task = Task(condition=CENTRE, target=target)
            token = (bench.token(job, task) or {}).get("token")
            if token is not None:
                yield _budget_row(job, bench.piece(job, task), job.album.dataset, token=token, target=target)


def _budget_row(job: Job, arrays: dict[str, np.ndarray], dataset: str, *, token: float, target: str) -> Row:
    off = arrays["steps_off"]
    return {
        "system": SYSTEM,
        "variant": job.model.variant,
        "checkpoint": job.model.name,
        "commit": commit(),
        "config_hash": job.model.config_hash,
        "dataset": dataset,
        "split": "test",
        "seed": job.model.seed,
        "rate": token,
        "cbr_target": target,
        "cbr_budget": FULL * token,
        "step_uses": float(arrays["step_uses"][0]),
        "max_steps_off": float(np.abs(off).max()),
        "mean_steps_off": float(np.abs(off).mean()),
        "max_steps_above": float(np.maximum(-off, 0).max()),
        "n_images": len(np.unique(arrays["id"])),
        "n_pairs": len(off),
    }


def notes(rows: Sequence[Row], jobs: Sequence[Job], bench: Bench) -> Iterator[str]:
    """Conditions without a token, and rows whose cbr misses the target by more than 1 %."""
    for job in jobs:
        if job.album is not None:
            yield from filter(None, ((bench.token(job, task) or {}).get("why") for task in tasks()))
    for found in rows:
        off = found["cbr_total"] / TARGETS[found["cbr_target"]] - 1
        if found["metric"] == "psnr" and found["scenario"] == ALL and abs(off) > EQUAL_RATES:
            where = f"{found['checkpoint']} over {found['channel']} ({found['side_link']}) at {found['snr_db']:g} dB"
            yield f"{where}: cbr {found['cbr_total']:.5f} is {100 * off:+.1f} % off {found['cbr_target']}"
