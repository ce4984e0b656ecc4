"""What the shipped readers read, and how it falls with noise and compression.

    python benchmarks/reader.py            # -> docs/results/reader.json, docs/figures/reader_{noise,jpeg}.svg
    python benchmarks/reader.py --draw     # the figures alone, from the results

Scenes of seed 0 (the readers were trained on those of seed 1000), shown with the boxes of their objects and as many
decoys, and asked `every_question`. Every row is a share of boxes or of questions; intervals resample pictures.

| metric       | share of                                                                                      |
|--------------|-----------------------------------------------------------------------------------------------|
| `attributes` | boxes of objects whose shape, colour and texture are all read right                           |
| `something`  | boxes of objects that are said to hold something                                              |
| `nothing`    | decoys that are said to hold nothing                                                          |
| `background` | pictures whose background is read right                                                       |
| `answer`     | questions answered right, of all kinds or of one                                              |

Conditions: `clean`; `noise`, normal, of standard deviation `level`, clipped and rounded to 8 bits; `jpeg` at quality
`level`; `grey`, 128 everywhere; `blind`, the most frequent answer per kind in 2,000 scenes of `train`, which looks at
nothing; `grey - blind`, the difference on the same questions.
"""

import argparse
import dataclasses
import datetime
import functools
import io
import json
import math
import pathlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from PIL import Image
from tqdm import tqdm

from semjax.data import images
from semjax.data.sources import ScenesSource
from semjax.evaluators.canvas import Line, Panel, draw
from semjax.evaluators.resampled import ratio_interval
from semjax.metrics.answers import BlindGuess, matches
from semjax.scenes.decoys import decoys
from semjax.scenes.graph import graph_of
from semjax.scenes.questions import KINDS, AskedQuestion, every_question
from semjax.scenes.world import Scene
from semjax.teachers.reader import ATTRIBUTES, answers_of, read_views
from semjax.teachers.reader_boxes import box_of
from semjax.teachers.reader_weights import SHIPPED, Weights, shipped
from semjax.training.log import git_state

SEED = 0
SPLITS = ("test", "unseen_class", "unseen_combo", "unseen_background")
SIZES = {64: 1000, 128: 1000, 256: 1000}
NOISE = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.4, 2.0, 3.0)
QUALITY = (95, 75, 50, 30, 20, 10, 5, 3, 1)
Row = dict[str, Any]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Asked:
    """One scene: its picture, its truth, where to look (objects first, then decoys), and what is asked."""

    image: np.ndarray
    scene: Scene
    boxes: np.ndarray
    questions: tuple[AskedQuestion, ...]

    @property
    def objects(self) -> int:
        """How many of the boxes are of objects."""
        return int(self.scene.present.sum())


@functools.cache
def scenes(split: str, size: int, count: int) -> list[Asked]:
    """The first scenes of a split."""
    source = ScenesSource(size=size, split=split, count=count, seed=SEED, truth=True)
    made = []
    for index in range(count):
        record = source[index]
        scene, ids = source.scene(index), record["maps"]["ids"]  # pyright: ignore[reportTypedDictNotRequiredAccess]
        true = np.asarray(box_of(scene.centre, scene.radius))[scene.present]  # pyright: ignore[reportArgumentType]
        boxes = np.concatenate([true, decoys(scene, ids, index)]).astype(np.float32)
        asked = every_question(graph_of(scene), index)
        made.append(Asked(image=images.to_uint8(record["image"]), scene=scene, boxes=boxes, questions=asked))
    return made


def noisy(image: np.ndarray, rng: np.random.Generator, level: float) -> np.ndarray:
    """With normal noise, clipped and rounded."""
    return images.to_uint8(np.clip(image / 255 + level * rng.standard_normal(image.shape), 0, 1).astype(np.float32))


def compressed(image: np.ndarray, rng: np.random.Generator, level: float) -> np.ndarray:
    """Through JPEG."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=int(level))
    return np.asarray(Image.open(file))


def grey(image: np.ndarray, rng: np.random.Generator, level: float) -> np.ndarray:
    """128 everywhere."""
    return np.full_like(image, 128)


def clean(image: np.ndarray, rng: np.random.Generator, level: float) -> np.ndarray:
    """As it is."""
    return image


DAMAGE: dict[str, Callable[[np.ndarray, np.random.Generator, float], np.ndarray]] = {
    "clean": clean,
    "noise": noisy,
    "jpeg": compressed,
    "grey": grey,
}


def measure(weights: Weights, asked: Sequence[Asked], *, condition: str, level: float, per_kind: bool) -> list[Row]:
    """Rows of one reader on damaged pictures."""
    rng = np.random.default_rng(SEED)
    seen = [DAMAGE[condition](one.image, rng, level) for one in asked]
    found = read_views(weights, seen, [one.boxes for one in asked])
    parts: dict[str, list[np.ndarray]] = {"attributes": [], "something": [], "nothing": [], "background": []}
    for one, readings in zip(asked, found, strict=True):
        n, says = one.objects, np.argmax(readings.something, -1) == 1
        true = [getattr(one.scene, name)[one.scene.present] for name in ATTRIBUTES.values()]
        said = [np.argmax(getattr(readings, name), -1)[:n] for name in ATTRIBUTES.values()]
        parts["attributes"].append(np.all(np.equal(true, said), axis=0))
        parts["something"].append(says[:n])
        parts["nothing"].append(~says[n:])
        parts["background"].append(np.array([np.argmax(readings.background) == one.scene.background]))
    rows = [_row(metric, values, kind="all") for metric, values in parts.items()]
    answers = [
        answers_of(readings, one.boxes, [q.text for q in one.questions]).texts
        for one, readings in zip(asked, found, strict=True)
    ]
    rows += answer_rows(asked, judged(asked, answers), kinds=("all", *KINDS) if per_kind else ("all",))
    return [{**row, "condition": condition, "level": level} for row in rows]


def judged(asked: Sequence[Asked], answers: Sequence[Sequence[str]]) -> list[np.ndarray]:
    """Which answers are right, per picture."""
    return [
        matches([q.text for q in one.questions], said, [q.answer for q in one.questions], kinds=_kinds(one))
        for one, said in zip(asked, answers, strict=True)
    ]


def answer_rows(asked: Sequence[Asked], right: Sequence[np.ndarray], kinds: Sequence[str]) -> list[Row]:
    """One row per kind of question."""
    rows = []
    for kind in kinds:
        chosen = [np.array([kind in ("all", k) for k in _kinds(one)], bool) for one in asked]
        rows.append(_row("answer", [r[c] for r, c in zip(right, chosen, strict=True)], kind=kind))
    return rows


def blind(asked: Sequence[Asked], guess: BlindGuess) -> list[np.ndarray]:
    """Which blind guesses are right, per picture."""
    return judged(asked, [[guess(kind) for kind in _kinds(one)] for one in asked])


def fitted() -> BlindGuess:
    """The most frequent answers in training scenes."""
    source = ScenesSource(split="train", count=2000, seed=SEED)
    asked = [q for index in range(len(source)) for q in every_question(graph_of(source.scene(index)), index)]
    return BlindGuess.fit([q.kind for q in asked], [q.answer for q in asked])


def _kinds(one: Asked) -> list[str]:
    return [question.kind for question in one.questions]


def _row(metric: str, values: Sequence[np.ndarray], *, kind: str) -> Row:
    flat = np.concatenate(values).astype(float)
    picture = np.repeat(np.arange(len(values)), [len(v) for v in values])
    found = ratio_interval(flat, np.ones(len(flat)), picture=picture)
    sizes = {"n_images": len(np.unique(picture)), "n": len(flat)}
    shares = {"mean": found.mean, "ci_low": found.low, "ci_high": found.high}
    return {"metric": metric, "kind": kind, **sizes, **{name: round(value, 5) for name, value in shares.items()}}


def reader_rows(name: str) -> Iterator[Row]:
    """All rows of one reader."""
    weights = shipped(name)
    for size, count in SIZES.items():
        for split in SPLITS:
            asked = scenes(split, size, count)
            for row in measure(weights, asked, condition="clean", level=0, per_kind=size == 64):
                yield {"reader": name, "size": size, "split": split, **row}
    asked = scenes("test", 64, SIZES[64])
    for condition, levels in (("noise", NOISE), ("jpeg", QUALITY), ("grey", (0,))):
        for level in tqdm(levels, desc=f"{name}, {condition}"):
            for row in measure(weights, asked, condition=condition, level=level, per_kind=True):
                yield {"reader": name, "size": 64, "split": "test", **row}


def blind_rows() -> Iterator[Row]:
    """The blind guess, and each reader before grey pictures less the blind guess, on every split."""
    guess = fitted()
    for split in SPLITS:
        asked = scenes(split, 64, SIZES[64])
        guessed = blind(asked, guess)
        about: Row = {"size": 64, "split": split, "level": 0}
        for row in answer_rows(asked, guessed, ("all", *KINDS)):
            yield {"reader": "", **about, **row, "condition": "blind"}
        for name in SHIPPED:
            found = read_views(shipped(name), [grey(one.image, None, 0) for one in asked], [o.boxes for o in asked])  # type: ignore[arg-type]
            answers = [
                answers_of(readings, one.boxes, [q.text for q in one.questions]).texts
                for one, readings in zip(asked, found, strict=True)
            ]
            gap = [a.astype(float) - b for a, b in zip(judged(asked, answers), guessed, strict=True)]
            yield {"reader": name, **about, **_row("answer", gap, kind="all"), "condition": "grey - blind"}


def figures(rows: Sequence[Row], folder: pathlib.Path) -> None:
    """Accuracy against noise and against JPEG quality, all questions and per kind."""
    for condition, x, title in (
        ("noise", "noise, 20 log10(1/σ) (dB)", "Answers under noise"),
        ("jpeg", "JPEG quality", "Answers under JPEG"),
    ):
        own = [r for r in rows if r["condition"] == condition]
        ends = [place(condition, min(r["level"] for r in own)), place(condition, max(r["level"] for r in own))]
        flat = [("grey picture", "grey"), ("blind guess", "blind")]
        questions = [curve(own, reader=name, metric="answer", label=f"{name}, all questions") for name in SHIPPED]
        boxes = [
            curve(own, reader=SHIPPED[0], metric=metric, label=label)
            for metric, label in (("attributes", "boxes: all attributes"), ("nothing", "decoys: nothing"))
        ]
        level = [
            Line(
                label=label,
                points=[(end, find(rows, c), find(rows, c), find(rows, c)) for end in sorted(ends)],
                reference=i,
            )
            for i, (label, c) in enumerate(flat)
        ]
        kinds = [curve(own, reader=SHIPPED[0], metric="answer", kind=kind, label=kind) for kind in KINDS]
        panels = [Panel(title="all questions", lines=[*questions, *boxes, *level]), Panel(title="by kind", lines=kinds)]
        draw(panels, title=title, x=x, y="share right", path=folder / f"reader_{condition}")


def curve(rows: Sequence[Row], *, reader: str, metric: str, label: str, kind: str = "all") -> Line:
    """Points of one reader, one metric, one kind."""
    own = [r for r in rows if (r["reader"], r["metric"], r["kind"]) == (reader, metric, kind)]
    points = sorted((place(r["condition"], r["level"]), r["mean"], r["ci_low"], r["ci_high"]) for r in own)
    return Line(label=label, points=points)


def place(condition: str, level: float) -> float:
    """Where a level stands on the x axis."""
    return -20 * math.log10(level) if condition == "noise" else level


def find(rows: Sequence[Row], condition: str) -> float:
    """The accuracy on all test questions under a condition without levels."""
    readers = (SHIPPED[0], "")
    place = ("answer", "all", "test", condition)
    return next(
        r["mean"]
        for r in rows
        if (r["metric"], r["kind"], r["split"], r["condition"]) == place and r["reader"] in readers
    )


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=pathlib.Path, default=pathlib.Path("docs/results"))
    parser.add_argument("--figures", type=pathlib.Path, default=pathlib.Path("docs/figures"))
    parser.add_argument("--draw", action="store_true", help="only draw, from the results")
    flags = parser.parse_args()
    path = flags.results / "reader.json"
    if not flags.draw:
        git = git_state()
        origin = {"seed": SEED, "commit": (git["commit"] or "")[:12] + ("+" if git["dirty"] else "")}
        origin["date"] = datetime.date.today().isoformat()
        rows = [row for name in SHIPPED for row in reader_rows(name)] + list(blind_rows())
        config = {name: str(shipped(name).facts.get("config_hash", "")) for name in SHIPPED}
        lines = [json.dumps({**row, "config": config.get(row["reader"], ""), **origin}) for row in rows]
        path.write_text("[\n  " + ",\n  ".join(lines) + "\n]\n", encoding="utf-8")
    figures(json.loads(path.read_text(encoding="utf-8")), flags.figures)


if __name__ == "__main__":
    main()
