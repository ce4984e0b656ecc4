"""Parts of the SA-OOSC benchmark that send pictures: equal cbr, held-out splits, one model at many SNRs and rates."""

import dataclasses
from collections.abc import Iterator, Sequence

from sa_oosc_models import FIRST, ORDER, SEED, SYSTEM, Condition, Model
from sa_oosc_rows import (
    ANSWERS,
    GAINS,
    QUALITY,
    Point,
    Points,
    alone_and_pooled,
    common,
    gains,
    levels,
    means,
    over,
    pairs,
    row,
)
from sa_oosc_tokens import TARGET
from sa_oosc_work import Bench, Task, Wanted

from semjax.evaluators.answers import BLIND, GREY
from semjax.evaluators.bootstrap import Pictures
from semjax.evaluators.paired import EQUAL_RATES, GAIN_OVER
from semjax.evaluators.results import FIELDS, Row
from semjax.evaluators.shares import share

SNRS_DB = (1.0, 7.0, 13.0)
CHANNELS, LINKS = ("awgn", "rayleigh"), ("ideal", "coded")
MAIN = tuple(Condition(channel=c, link=link, snr_db=snr) for c in CHANNELS for snr in SNRS_DB for link in LINKS)
"""Links of one channel and SNR follow each other: the coded one has programs of its own for each."""
CLEAN = tuple(condition for condition in MAIN if condition.channel == "awgn" and condition.link == "ideal")
"""Where ablations are looked at."""
CENTRE = Condition(channel="awgn", link="ideal", snr_db=7.0)
"""Where held-out splits and importance are looked at."""
UNSEEN = ("unseen_scenario", "unseen_class", "unseen_combo", "unseen_background")
READING = ("student", "student_text", "static", "uniform_weighted")
"""Variants that are measured on held-out splits."""
KEPT_OVER = "uniform_weighted"
SEEN = tuple(metric for metric in GAINS if metric not in ANSWERS)
"""Gains that ask no reader."""
WIDE_SNRS_DB = tuple(float(snr) for snr in range(0, 15, 2))
TOKENS = (0.25, 0.5, 0.75, 1.0)
FEW = 256
"""Pictures where many points are measured."""
RATED = ("student", "uniform_weighted")
TOKEN_FIELDS = (
    *("system", "variant", "checkpoint", "commit", "config_hash", "dataset", "split", "channel", "side_link", "snr_db"),
    *("rate", "trained_from", "trained_to", "outside", "cbr_target", "cbr_total", "off", "n_images", "seed"),
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class File:
    """A file of rows."""

    name: str
    rows: Sequence[Row]
    fields: Sequence[str] = FIELDS


Models = Sequence[Model]


def main_tasks(models: Models, bench: Bench) -> Iterator[Wanted]:
    """Every condition at equal cbr, variants of one seed on the ideal link; once, the answers without a picture."""
    for model in _named(models):
        yield from ((model, _asked(bench, condition)) for condition in MAIN if _measured(model, condition))
    yield models[0], _unsent(bench)


def _named(models: Models) -> list[Model]:
    return [model for model in models if model.variant in ORDER]


def _measured(model: Model, condition: Condition) -> bool:
    return model.variant in FIRST or condition.link == "ideal"


def _asked(bench: Bench, condition: Condition) -> Task:
    return Task(what="asked", split="test", count=bench.pictures, condition=condition)


def _unsent(bench: Bench) -> Task:
    return Task(what="unsent", split="test", count=bench.pictures, condition=CENTRE, token=1.0)


def main_files(models: Models, bench: Bench) -> Iterator[File]:
    """sa_oosc_scenes.json and sa_oosc_tokens.json."""
    rows: list[Row] = []
    tokens: list[Row] = []
    for condition in MAIN:
        found = asked_points(models, condition, bench)
        for points in found.values():
            rows += levels(points)
            tokens += (_token_row(point, bench) for point in points)
        for a, b in pairs([*found]):
            rows += over(found[a], found[b])
        if condition.link == LINKS[0] and found:
            rows += _without_pictures(models[0], next(iter(found.values()))[0], bench)
    yield File(name="scenes", rows=rows)
    yield File(name="tokens", rows=tokens, fields=TOKEN_FIELDS)


def asked_points(models: Models, condition: Condition, bench: Bench) -> dict[str, list[Point]]:
    """The points of the part `main` at a condition."""
    chosen = [model for model in _named(models) if _measured(model, condition)]
    return by_variant(chosen, _asked(bench, condition), bench)


def ablations_tasks(models: Models, bench: Bench) -> Iterator[Wanted]:
    """What is no variant of its own, and the student, at equal cbr over the ideal link and AWGN."""
    for model in _ablated(models):
        yield from ((model, _lean(model, condition, bench)) for condition in CLEAN)


def _ablated(models: Models) -> list[Model]:
    return [model for model in models if model.variant == "student" or model.variant not in ORDER]


def _lean(model: Model, condition: Condition, bench: Bench) -> Task:
    """Of the student it is a piece of the main part."""
    what = "asked" if model.variant in ORDER else "sent"
    return dataclasses.replace(_asked(bench, condition), what=what)


def ablations_files(models: Models, bench: Bench) -> Iterator[File]:
    """sa_oosc_ablations.json."""
    rows: list[Row] = []
    for condition in CLEAN:
        found: dict[str, list[Point]] = {}
        for model in _ablated(models):
            for variant, points in by_variant([model], _lean(model, condition, bench), bench).items():
                found.setdefault(variant, []).extend(points)
        for variant, points in found.items():
            rows += levels(points, QUALITY) if variant != "student" else ()
        for a, b in pairs([*found]):
            rows += over(found[a], found[b], SEEN)
    yield File(name="ablations", rows=rows)


def held_out_tasks(models: Models, bench: Bench) -> Iterator[Wanted]:
    """The centre condition on every split, at the tokens of val."""
    for model in models:
        if model.variant in READING:
            yield from ((model, _on(split, bench)) for split in ("test", *UNSEEN))


def _on(split: str, bench: Bench) -> Task:
    """On the usual test pictures it is a piece of the main part."""
    if split == "test":
        return _asked(bench, CENTRE)
    return Task(what="sent", split=split, count=bench.pictures, condition=CENTRE)


def held_out_files(models: Models, bench: Bench) -> Iterator[File]:
    """sa_oosc_held_out.json."""
    chosen = [model for model in models if model.variant in READING]
    seen = by_variant(chosen, _on("test", bench), bench)
    rows: list[Row] = []
    for split in ("test", *UNSEEN):
        found = by_variant(chosen, _on(split, bench), bench)
        for points in found.values():
            rows += levels(points, SEEN)
        for a, b in pairs([*found]):
            rows += over(found[a], found[b], SEEN)
            if split != "test" and b == KEPT_OVER:
                rows += kept((found[a], found[b]), (seen[a], seen[b]))
    yield File(name="held_out", rows=rows)


def kept(unseen: tuple[Points, Points], seen: tuple[Points, Points], metric: str = "psnr_high") -> Iterator[Row]:
    """The share of a gain on seen pictures that is kept on unseen ones: rows "kept_METRIC_gain_over_BASELINE"."""
    sides = [*common(*unseen), *common(*seen)]
    for own, base, own_seen, base_seen in zip(*map(alone_and_pooled, sides), strict=True):
        if all(point.has(metric) for point in (*own, *base, *own_seen, *base_seen)):
            # Two sets of pictures that have nothing to do with each other.
            share = gains(own, base, metric, turn=1).over(gains(own_seen, base_seen, metric))
            name = f"kept_{metric}{GAIN_OVER}{SYSTEM}_{base[0].model.variant}"
            yield row(own, name, share, n_images=len(own[0].pictures(metric).ids))


def rates_tasks(models: Models, bench: Bench) -> Iterator[Wanted]:
    """Every SNR and rate token; of one seed."""
    for model in first_seeds(models, RATED):
        yield from ((model, task) for task in wide(bench))


def rates_files(models: Models, bench: Bench) -> Iterator[File]:
    """sa_oosc_rates.json."""
    rows: list[Row] = []
    for task in wide(bench):
        for points in by_variant(first_seeds(models, RATED), task, bench).values():
            rows += levels(points, ("psnr_high", "psnr_low", "psnr"))
    yield File(name="rates", rows=rows)


def wide(bench: Bench) -> Iterator[Task]:
    """The pieces of the part `rates`."""
    for token in TOKENS:
        for snr_db in WIDE_SNRS_DB:
            condition = dataclasses.replace(CENTRE, snr_db=snr_db)
            count = min(FEW, bench.pictures)
            yield Task(what="sent", split="test", count=count, condition=condition, token=token)


def first_seeds(models: Models, variants: Sequence[str]) -> list[Model]:
    """The first seed of each variant."""
    first: dict[str, Model] = {}
    for model in models:
        if model.variant in variants:
            first.setdefault(model.variant, model)
    return [*first.values()]


def by_variant(models: Models, task: Task, bench: Bench) -> dict[str, list[Point]]:
    """The points of each variant, seed by seed; without checkpoints that no token brings to the cbr asked for.

    Raises:
      ValueError: a piece is missing.
    """
    found: dict[str, list[Point]] = {}
    for model in models:
        if bench.why_not(model, task):
            continue
        arrays = bench.piece(model, task)
        token = task.token if task.token is not None else (bench.calibrated(model, task.condition) or {})["token"]
        point = Point(model=model, split=task.split, condition=task.condition, token=token, arrays=arrays)
        found.setdefault(model.variant, []).append(point)
    return found


def _without_pictures(model: Model, point: Point, bench: Bench) -> Iterator[Row]:
    """Answers of the blind guess and on grey pictures, at the place of a point; they cost nothing."""
    told = bench.piece(model, _unsent(bench))
    free = {"cbr_analog": 0.0, "cbr_digital": 0.0, "cbr_side": 0.0, "cbr_total": 0.0, "rate": 1.0}
    free |= {"variant": "default", "checkpoint": "", "config_hash": "", "side_link": "none", "link_terms": ""}
    for who in (BLIND, GREY):
        counts = {
            name.removeprefix(f"{who}/"): Pictures(ids=told["id"], values=values)
            for name, values in told.items()
            if name.startswith(f"{who}/")
        }
        for metric in ANSWERS:
            about = row([point], metric, share(counts, metric))
            yield {**about, **free, "system": who, "seed": SEED}


def _token_row(point: Point, bench: Bench) -> Row:
    told = bench.calibrated(point.model, point.condition) or {}
    low, high = told["trained"]
    about = row([point], "psnr", means([point], "psnr").interval)
    return {
        **{name: about[name] for name in TOKEN_FIELDS if name in about},
        **{"trained_from": low, "trained_to": high, "outside": bool(not low <= point.token <= high)},
        **{"cbr_target": TARGET, "off": about["cbr_total"] / TARGET - 1},
    }


def out_of_reach(models: Models, bench: Bench) -> Iterator[str]:
    """The conditions at which a checkpoint has no row, since no token meets the target."""
    for model, task in main_tasks(models, bench):
        yield from filter(None, [bench.why_not(model, task)])


def notes(rows: Sequence[Row]) -> Iterator[str]:
    """Rows of tokens that miss the target by more than 1 %, or whose token lies outside of what was trained."""
    for found in rows:
        where = f"{found['checkpoint']} over {found['channel']} ({found['side_link']}) at {found['snr_db']:g} dB"
        if abs(found["off"]) > EQUAL_RATES:
            yield f"{where}: cbr {found['cbr_total']:.5f} is {100 * found['off']:+.1f} % off {found['cbr_target']:.5f}"
        if found["outside"]:
            yield f"{where}: rate token {found['rate']:.3f} is outside {found['trained_from']} to {found['trained_to']}"
