"""Parts of the SA-OOSC benchmark about what is spent where: side information, importance, rate at equal quality."""

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np
from sa_oosc_ends import MAP
from sa_oosc_models import SYSTEM, Condition
from sa_oosc_parts import (
    CENTRE,
    CHANNELS,
    FEW,
    LINKS,
    RATED,
    SNRS_DB,
    TOKENS,
    WIDE_SNRS_DB,
    File,
    Models,
    by_variant,
    first_seeds,
    wide,
)
from sa_oosc_rows import Point, Points, alone_and_pooled, row
from sa_oosc_tokens import spent
from sa_oosc_work import Bench, Task, Wanted

from semjax.evaluators.bootstrap import Interval, Pictures, mean_interval
from semjax.evaluators.hierarchical import Pooled, pooled, pooled_mean
from semjax.evaluators.paired import GAIN_OVER
from semjax.evaluators.regions import HIGH
from semjax.evaluators.resampled import Statistic, multiplicities, ratio_interval
from semjax.evaluators.results import Row
from semjax.metrics.bd import bd_rate
from semjax.metrics.ranking import auc, f1, spearman

SIDED = ("student", "uniform")
"""Variants whose side information is counted; of one seed."""
CONSTANT = frozenset({"scale"})
"""Streams whose length the receiver knows."""
MAP_FIELDS = (
    *("system", "variant", "checkpoint", "commit", "config_hash", "dataset", "split", "rate", "metric"),
    *("mean", "ci_low", "ci_high", "n_images", "seed"),
)
BD_RESAMPLES = 500
"""Of 2,000: each takes two splines."""
BD = f"bd_cbr_at_psnr_high{GAIN_OVER}{SYSTEM}_{RATED[1]}"


def side_tasks(models: Models, bench: Bench) -> Iterator[Wanted]:
    """The maps of lengths at every rate token."""
    for model in first_seeds(models, SIDED):
        yield from ((model, _coded(bench, token)) for token in TOKENS)


def _coded(bench: Bench, token: float) -> Task:
    return Task(what="coded", split="test", count=min(FEW, bench.pictures), condition=CENTRE, token=token)


def side_files(models: Models, bench: Bench) -> Iterator[File]:
    """sa_oosc_side.json: shares of the uses; sa_oosc_maps.json: bits of the map beside its entropy."""
    shares: list[Row] = []
    bits: list[Row] = []
    for token in TOKENS:
        for points in by_variant(first_seeds(models, SIDED), _coded(bench, token), bench).values():
            (point,) = points
            bits += _bits_rows(point)
            shares += (_side_row(point, c) for c in _conditions())
    yield File(name="side", rows=shares)
    yield File(name="maps", rows=bits, fields=MAP_FIELDS)


def _conditions() -> Iterator[Condition]:
    for channel in CHANNELS:
        for snr_db in SNRS_DB:
            yield from (Condition(channel=channel, link=link, snr_db=snr_db) for link in LINKS)


def _side_row(point: Point, condition: Condition) -> Row:
    """The share of all uses that side information takes."""
    bits = {name.removeprefix("bits/"): n for name, n in point.arrays.items() if name.startswith("bits/")}
    found = spent(point.arrays["uses"], bits, condition, constant=CONSTANT)
    cbr = {field.name: getattr(found, field.name) for field in dataclasses.fields(found)}
    here = dataclasses.replace(point, condition=condition, arrays={"id": point.arrays["id"], **cbr})
    share = ratio_interval(found.cbr_side, found.cbr_total, picture=point.arrays["id"])
    return row([here], "side_share", share, n_images=len(point.arrays["id"]))


def _bits_rows(point: Point) -> Iterator[Row]:
    """Bits of a picture's map: really sent, as its prior would code, and at the entropy of all maps together."""
    index = point.arrays["index"].reshape(len(point.arrays["id"]), -1)
    values = {
        "map_bits_sent": point.arrays[f"bits/{MAP}"],
        "map_bits_of_the_prior": point.arrays[f"ideal/{MAP}"],
        "map_bits_at_entropy": zeroth_order(index),
    }
    for metric, numbers in values.items():
        about = row([point], metric, mean_interval(numbers), n_images=len(numbers))
        yield {name: about[name] for name in MAP_FIELDS}


def zeroth_order(index: np.ndarray) -> np.ndarray:
    """Bits of each row of integers, each at -log2 of how often it occurs in all rows: the code of one fixed table.

    >>> zeroth_order(np.array([[0, 0], [0, 1]])).round(3)
    array([0.83 , 2.415])
    """
    share = np.bincount(index.ravel()) / index.size
    return -np.log2(share[index]).sum(axis=1)


def importance_tasks(models: Models, bench: Bench) -> Iterator[Wanted]:
    """What each transmitter takes for important, on val, where the threshold is chosen, and on test."""
    for model in models:
        yield from ((model, _scored(split, count)) for split, count in (("val", bench.val), ("test", bench.pictures)))


def _scored(split: str, count: int) -> Task:
    return Task(what="scored", split=split, count=count, condition=CENTRE)


def importance_files(models: Models, bench: Bench) -> Iterator[File]:
    """sa_oosc_importance.json."""
    val = by_variant(models, _scored("val", bench.val), bench)
    rows: list[Row] = []
    for variant, points in by_variant(models, _scored("test", bench.pictures), bench).items():
        thresholds = {p.model.seed: threshold(*_flat(p, "score", "truth")) for p in val[variant]}
        for chosen in alone_and_pooled(points):
            for metric, found in _judged(chosen, thresholds).items():
                rows.append(row(chosen, metric, found, n_images=len(chosen[0].arrays["id"])))
    yield File(name="importance", rows=rows)


def _judged(points: Points, thresholds: dict[int, float]) -> dict[str, Interval]:
    """All metrics of one seed or several."""
    there = points[0].arrays["there"]
    picture = np.nonzero(there)[0]
    truth = points[0].arrays["truth"][there]
    important = truth >= HIGH
    found: dict[str, list[Statistic]] = {"auc": [], "f1": [], "spearman": [], "spearman_truth_length": []}
    for point in points:
        score, length = (point.arrays[name][there].astype(np.float64) for name in ("score", "spent"))
        said = score >= thresholds[point.model.seed]
        found["auc"].append(lambda w, s=score: auc(s, important, weight=w[..., picture]))
        found["f1"].append(lambda w, s=said: f1(s, important, weight=w[..., picture]))
        found["spearman"].append(lambda w, s=score: spearman(s, truth, weight=w[..., picture]))
        found["spearman_truth_length"].append(lambda w, s=length: spearman(s, truth, weight=w[..., picture]))
    together = {"pictures": len(there), "width": len(picture)}
    levels = [thresholds[point.model.seed] for point in points]
    return {
        **{name: pooled(statistics, **together).interval for name, statistics in found.items()},
        "spearman_importance_length": _within(points),
        "threshold": Interval(mean=float(np.mean(levels)), low=min(levels), high=max(levels)),
    }


def _within(points: Points) -> Interval:
    """Rank correlation of importance and length over the tokens of a picture, averaged over those where both vary."""
    each = []
    for point in points:
        both = zip(point.arrays["importance"], point.arrays["length"], strict=True)
        values = np.array([float(spearman(i.ravel().astype(float), k.ravel().astype(float))) for i, k in both])
        here = ~np.isnan(values)
        each.append(Pictures(ids=point.arrays["id"][here], values=values[here]))
    shared = set.intersection(*(set(one.ids.tolist()) for one in each))
    if not shared:
        return Interval(mean=float("nan"), low=float("nan"), high=float("nan"))
    chosen = [np.isin(one.ids, list(shared)) for one in each]
    return pooled_mean(
        [Pictures(ids=one.ids[c], values=one.values[c]) for one, c in zip(each, chosen, strict=True)]
    ).interval


def _flat(point: Point, *names: str) -> tuple[np.ndarray, ...]:
    there = point.arrays["there"]
    return tuple(point.arrays[name][there].astype(np.float64) for name in names)


def threshold(score: np.ndarray, truth: np.ndarray) -> float:
    """The score from which on regions are best taken for important: of the largest F1, the lowest of them.

    >>> threshold(np.array([0.1, 0.4, 0.6, 0.9]), np.array([0.1, 0.6, 0.1, 1.0]))
    0.4
    """
    important = truth >= HIGH
    order = np.argsort(-score, kind="stable")
    hits, chosen = np.cumsum(important[order]), np.arange(1, score.size + 1)
    quality = 2 * hits / (chosen + max(int(important.sum()), 1))
    last = np.r_[score[order][1:] != score[order][:-1], True]  # equal scores are chosen together
    quality = np.where(last, quality, -1.0)
    best = np.flatnonzero(quality == quality.max())[-1]
    return float(score[order][best])


def bd_files(models: Models, bench: Bench) -> Iterator[File]:
    """sa_oosc_bd.json: from the pieces of `rates`."""
    tasks = [*wide(bench)]
    rows: list[Row] = []
    for snr_db in WIDE_SNRS_DB:
        curves: dict[str, list[Point]] = {}
        for task in tasks:
            if task.condition.snr_db == snr_db:
                for variant, points in by_variant(first_seeds(models, RATED), task, bench).items():
                    curves.setdefault(variant, []).extend(points)
        if set(RATED) <= set(curves):
            own, base = (curves[variant] for variant in RATED)
            about = row(own[:1], BD, bd_interval(base, own), n_images=len(own[0].pictures("psnr_high").ids))
            nothing = {name: float("nan") for name in about if name.startswith("cbr_") or name == "rate"}
            rows.append({**about, **nothing})
    yield File(name="bd", rows=rows)


def bd_interval(base: Sequence[Point], own: Sequence[Point], metric: str = "psnr_high") -> Interval:
    """BD-cbr of one curve against another in per cent, and its interval by resampling pictures; NaN if undefined."""
    here = ~np.isnan(base[0].arrays[metric])
    weights = np.concatenate([np.ones((1, int(here.sum()))), multiplicities(int(here.sum()))[:BD_RESAMPLES]])
    sides = []
    for curve in (base, own):
        for name in ("cbr_total", metric):
            values = np.stack([point.arrays[name][here] for point in curve], axis=1)
            sides.append(weights @ values / values.shape[0])
    found = np.array([_bd(*lines) for lines in zip(*sides, strict=True)])
    return Pooled(mean=float(found[0]), resamples=found[1:]).interval


def _bd(*curves: np.ndarray) -> float:
    try:
        return bd_rate(*curves)
    except ValueError:  # curves that do not rise, or share no quality
        return float("nan")
