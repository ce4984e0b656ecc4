"""The part `others` of the SA-OOSC benchmark: systems that know no importance, on the same scenes at the same cbr.

| system       | what sends                                                                                           |
|--------------|------------------------------------------------------------------------------------------------------|
| `deepjscc`   | the checkpoint deepjscc_scenes_0: 1,024 analog symbols a picture                                     |
| `swinjscc`   | the checkpoint swinjscc_scenes_0, at the rate token that meets the target                            |
| `separation` | over both links, the codec that val chooses (`variant`): coded, or at capacity (`side_link` `ideal`) |

Scenes, scenarios, questions and channel draws are those of SA-OOSC's pieces. Beside their symbols the two learned
systems send 8 bits, the picture's power, over the side link; these are charged. DeepJSCC cannot make up for them: where
they take more than 1 % of the target, as over the coded link, its rows stand at what it spent, and no gain over them is
told. SwinJSCC has steps of 64 uses; where none is within 1 %, pictures take the steps below and above the target in
turn, by their place in the split, so that the mean is met, and `rate` is the mean token.

METRIC_gain_over_SYSTEM is what SA-OOSC's `student` or `uniform` (of the first seed) has more, on the same pictures.

CHOICE: separation is measured on the first 256 pictures: its codecs take longer than all else here.
"""

import dataclasses
import json
import math
from collections.abc import Iterator, Sequence

import numpy as np
from sa_oosc_models import SEED, SIZE, Condition, Model
from sa_oosc_others_codecs import NAME, Separated, best, coders
from sa_oosc_parts import CENTRE, FEW, MAIN, File, Models, by_variant, first_seeds
from sa_oosc_rows import GAINS, Point, gains, levels, row
from sa_oosc_tokens import TARGET, charged
from sa_oosc_work import Bench, Task, Wanted

from semjax.app import build
from semjax.bottlenecks.analog import SCALE_BITS
from semjax.bottlenecks.linear import PATCH
from semjax.codecs import codec
from semjax.evaluators.paired import EQUAL_RATES, GAIN_OVER
from semjax.evaluators.results import Row

LEARNED = ("deepjscc", "swinjscc")
OWN = ("student", "uniform")
"""Variants of SA-OOSC that are compared with the others."""
CHOSEN_ON = 32
"""Scenes of val that codecs and schemes are chosen on."""
STEP = (SIZE // PATCH) ** 2
"""Uses between two rate tokens of SwinJSCC: a complex symbol per position."""
USES = 3 * SIZE**2
"""Uses per unit of cbr."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Turn:
    """A rate token, and the share of pictures that take it."""

    token: float
    share: float


def others_first(models: Models, bench: Bench) -> Iterator[Wanted]:
    """What each codec makes of val scenes; codecs are chosen by it."""
    yield from ((one, _fitted(bench)) for one in coders(bench.work))


def others_tasks(models: Models, bench: Bench) -> Iterator[Wanted]:
    """Every condition, of the other systems and of what they are compared with."""
    for model in first_seeds(models, OWN):
        yield from ((model, _asked(bench, condition)) for condition in MAIN)
    for model in learned(models):
        for condition in MAIN:
            yield from ((model, _asked(bench, condition, turn.token)) for turn in turns(model, condition))
    yield from ((one, _separated(one, bench)) for one in separated(bench))


def others_files(models: Models, bench: Bench) -> Iterator[File]:
    """sa_oosc_others.json."""
    rows: list[Row] = []
    classical = {one.condition: one for one in separated(bench)}
    for condition in MAIN:
        own = by_variant(first_seeds(models, OWN), _asked(bench, condition), bench)
        points = [_learned(model, condition, bench) for model in learned(models)]
        if condition in classical:
            points.append(_classical(classical[condition], bench))
        for point in points:
            rows += ({**found, **_named(point)} for found in levels([point]))
        for variant in own:
            for point in points:
                rows += over(own[variant][0], point)
    yield File(name="others", rows=rows)


def learned(models: Models) -> list[Model]:
    """The checkpoints of other systems that lie beside those of SA-OOSC."""
    folder = models[0].folder.parent
    found = [Model(folder=folder / f"{name}_scenes_{SEED}", variant=name, seed=SEED) for name in LEARNED]
    return [model for model in found if (model.folder / build.CONFIG_FILE).is_file()]


def separated(bench: Bench) -> list[Separated]:
    """The codec of each condition."""
    tried = {one: bench.piece(one, _fitted(bench)) for one in coders(bench.work)}
    return [best(tried, condition) for condition in MAIN] if tried else []


def turns(model: Model, condition: Condition) -> list[Turn]:
    """The rate token at which a checkpoint spends the target, or the two that do so in turn."""
    system = json.loads((model.folder / build.CONFIG_FILE).read_text(encoding="utf-8"))["system"]
    most = round(system["cbr"] * USES)
    least = max(STEP, round(system.get("min_cbr", system["cbr"]) * USES))
    target = TARGET * USES
    free = target - charged(condition, SCALE_BITS, announce=False)
    steps = range(least, most + 1, STEP)
    near = min(steps, key=lambda uses: abs(uses - free))
    if abs(near - free) <= EQUAL_RATES * target or not steps[0] < free < steps[-1]:
        return [Turn(token=near / most, share=1.0)]
    below = max(uses for uses in steps if uses <= free)
    part = (free - below) / STEP
    return [Turn(token=below / most, share=1 - part), Turn(token=(below + STEP) / most, share=part)]


def in_turn(pieces: Sequence[dict[str, np.ndarray]], share: float) -> dict[str, np.ndarray]:
    """Pictures of two pieces, `share` of them of the second, evenly over the split."""
    first, second = pieces
    places = np.arange(len(first["id"]) + 1)
    taken = np.diff(np.floor(share * places + 1e-9)) > 0
    return {name: np.where(taken, second[name], first[name]) for name in first}


def over(own: Point, other: Point) -> Iterator[Row]:
    """Rows of what SA-OOSC has more than another system at equal cbr, on the pictures that both sent."""
    spent = float(other.arrays["cbr_total"].mean())
    if not math.isclose(spent, TARGET, rel_tol=EQUAL_RATES):
        return
    here = np.isin(own.arrays["id"], other.arrays["id"])
    own = dataclasses.replace(own, arrays={name: values[here] for name, values in own.arrays.items()})
    for metric in GAINS:
        if own.has(metric) and other.has(metric):
            name = f"{metric}{GAIN_OVER}{_named(other)['system']}"
            yield row([own], name, gains([own], [other], metric).interval)


def _learned(model: Model, condition: Condition, bench: Bench) -> Point:
    taken = turns(model, condition)
    pieces = [bench.piece(model, _asked(bench, condition, turn.token)) for turn in taken]
    arrays = pieces[0] if len(pieces) == 1 else in_turn(pieces, taken[1].share)
    token = sum(turn.token * turn.share for turn in taken)
    return Point(model=model, split="test", condition=condition, token=token, arrays=arrays)


def _classical(one: Separated, bench: Bench) -> Point:
    arrays = bench.piece(one, _separated(one, bench))
    return Point(model=one, split="test", condition=one.condition, token=1.0, arrays=arrays)


def _named(point: Point) -> Row:
    """What tells a row of another system from one of SA-OOSC."""
    if not isinstance(point.model, Separated):
        return {"system": point.model.variant, "variant": "default"}
    made = codec(point.model.variant)
    return {"system": NAME, "variant": made.name, "checkpoint": made.terms, "link_terms": point.model.terms}


def _asked(bench: Bench, condition: Condition, token: float | None = None) -> Task:
    """Without a token it is a piece of the main part."""
    return Task(what="asked", split="test", count=bench.pictures, condition=condition, token=token)


def _fitted(bench: Bench) -> Task:
    return Task(what="fitted", split="val", count=min(CHOSEN_ON, bench.val), condition=CENTRE, token=1.0)


def _separated(one: Separated, bench: Bench) -> Task:
    count = min(FEW, bench.pictures)
    return Task(what="separated", split="test", count=count, condition=one.condition, token=1.0)
