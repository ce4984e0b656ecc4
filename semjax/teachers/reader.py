"""`Reader`: answers questions on scenes from what it reads in given boxes of a picture, and from nothing else.

    picture, boxes ─► CropReader ─► things and background, as a graph ─► the question's program ─► answer

The boxes say where something may be: those of the objects and as many decoys. Whether something is there, and what, is
read from the picture, so what a link destroys cannot be answered: on a grey picture there is nothing anywhere. Where
things are comes from the boxes. Nearness cannot be read; things are in the order of their boxes.

A question outside the closed language of `semjax.scenes.questions` is answered "" with logarithm 0 (= not known).

    logp = Σ log p(reading), over the readings that the answer rests on

that is, for the background, that reading alone; else whether each box holds something, and, of those that are said to,
each attribute that the program names. It is rounded to float16.
"""

import dataclasses
import functools
from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Float32, UInt8

from semjax.encoders.crop_reader import MARGIN, SIDE, CropReader, Readings, read
from semjax.scenes.graph import Graph, Thing
from semjax.scenes.programs import Program, answer
from semjax.scenes.questions import QuestionError, parse
from semjax.scenes.shapes import CLASS_NAMES
from semjax.scenes.world import BACKGROUNDS, COLOURS, TEXTURES
from semjax.teachers import reader_weights
from semjax.teachers.base import Answers, Embedding, Json, Question, Silent, View
from semjax.teachers.reader_weights import Weights

TOGETHER = 8
"""Pictures in one call of the compiled program; fewer are filled up."""
BOXES = 16
"""Boxes per picture are filled up to a multiple of this."""
VERSION = 1
"""Goes up when the same readings would be answered otherwise."""
ATTRIBUTES = {"name": "shape", "colour": "colour", "texture": "texture"}
"""The reading behind each attribute of programs."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Reader(Silent):
    """A teacher that reads; answers, and embeds pictures.

    Attributes:
      weights: of the network.
    """

    weights: Weights

    @classmethod
    def default(cls) -> "Reader":
        """The shipped reader."""
        return cls(weights=reader_weights.shipped(reader_weights.SHIPPED[0]))

    @property
    def fingerprint(self) -> Mapping[str, Json]:
        """The weights, how crops are made, and how pictures and boxes are put together."""
        return {
            "kind": "reader",
            "version": VERSION,
            "weights": self.weights.digest,
            "crop": {"side": SIDE, "margin": MARGIN},
            "together": TOGETHER,
            "boxes": BOXES,
        }

    def answer(self, views: Sequence[View], questions: Sequence[Sequence[Question]]) -> list[Answers]:
        """Answers from the proposed boxes, or those of the regions where none are proposed.

        Raises:
          ValueError: a view with neither, or not one list of questions per view.
        """
        if len(views) != len(questions):
            raise ValueError(f"one list of questions per view is needed, got {len(questions)} for {len(views)} views")
        boxes = [boxes_of_view(view) for view in views]
        found = read_views(self.weights, [view.image for view in views], boxes)
        return [
            answers_of(readings, own, [question.text for question in asked])
            for readings, own, asked in zip(found, boxes, questions, strict=True)
        ]

    def embed_image(self, views: Sequence[View], *, dense: bool = False) -> list[Embedding]:
        """The last hidden layer, averaged over the boxes, and of each region's box (zeros on empty slots).

        There are no patches: `dense` is None, also where it is asked for.
        """
        boxes = [boxes_of_view(view) for view in views]
        both = [np.concatenate([own, _region_boxes(view)]) for own, view in zip(boxes, views, strict=True)]
        found = read_views(self.weights, [view.image for view in views], both)
        made = []
        for view, own, readings in zip(views, boxes, found, strict=True):
            features, count = np.asarray(readings.features), len(own)
            pooled = features[:count].mean(axis=0) if count else np.zeros(features.shape[1:], np.float32)
            regions = None if view.regions is None else features[count:] * view.regions.valid[:, None]
            made.append(Embedding(pooled=pooled, regions=regions))
        return made


def boxes_of_view(view: View) -> Float32[np.ndarray, "d 4"]:
    """The proposed boxes, or those of the objects among the regions.

    Raises:
      ValueError: there are neither proposals nor regions.
    """
    if view.proposals is not None:
        return np.asarray(view.proposals, np.float32).reshape(-1, 4)
    if view.regions is None:
        raise ValueError(f"picture {view.id} has neither proposals nor regions: a reader must be told where to look")
    return np.asarray(view.regions.boxes, np.float32)[1:][view.regions.valid[1:]]


def read_views(
    weights: Weights, images: Sequence[UInt8[np.ndarray, "h w 3"]], boxes: Sequence[Float[np.ndarray, "d 4"]]
) -> list[Readings]:
    """Reads each picture's boxes; what is read of one does not depend on those it is read with, to the last bit.

    Args:
      weights: of the network.
      images: 8-bit sRGB, of any sizes.
      boxes: (top, left, bottom, right), as shares; any number per picture.

    Returns:
      Readings without a batch axis, as numpy arrays.
    """
    found: list[Readings | None] = [None] * len(images)
    groups: dict[tuple[int, ...], list[int]] = {}
    for place, (image, own) in enumerate(zip(images, boxes, strict=True)):
        groups.setdefault((*image.shape, -(-max(len(own), 1) // BOXES) * BOXES), []).append(place)
    for (*shape, room), places in groups.items():
        for start in range(0, len(places), TOGETHER):
            chosen = places[start : start + TOGETHER]
            pixels, filled = np.zeros((TOGETHER, *shape), np.uint8), np.zeros((TOGETHER, room, 4), np.float32)
            for row, place in enumerate(chosen):
                pixels[row], filled[row, : len(boxes[place])] = images[place], boxes[place]
            together = jax.device_get(_read_each(weights.variables, pixels, filled, module=weights.module))
            for row, place in enumerate(chosen):
                found[place] = _cut(jax.tree.map(lambda leaf, row=row: leaf[row], together), len(boxes[place]))
    return [readings for readings in found if readings is not None]


@functools.partial(jax.jit, static_argnames="module")
def _read_each(variables: dict, images: jax.Array, boxes: jax.Array, *, module: CropReader) -> Readings:
    """One picture at a time, so that every picture goes through the same arithmetic wherever it lies in a batch."""

    def one(seen: tuple[jax.Array, jax.Array]) -> Readings:
        image = seen[0].astype(jnp.float32) / 255
        return jax.tree.map(lambda leaf: leaf[0], read(variables, image[None], seen[1][None], module=module))

    return jax.lax.map(one, (images, boxes))


def _cut(readings: Readings, count: int) -> Readings:
    """The readings of the first `count` boxes."""
    kept = {f.name: getattr(readings, f.name)[:count] for f in dataclasses.fields(readings) if f.name != "background"}
    return Readings(**kept, background=readings.background)


def graph_of_readings(readings: Readings, boxes: Float[np.ndarray, "d 4"]) -> Graph:
    """What is believed to be in a picture.

    Args:
      readings: of its d boxes, without a batch axis.
      boxes: (top, left, bottom, right), as shares.

    Returns:
      The things in the order of the boxes, each with the number of its box, from 1, as region; the background.
    """
    shape, colour, texture = (np.argmax(getattr(readings, name), axis=-1) for name in ATTRIBUTES.values())
    top, left, bottom, right = np.asarray(boxes, np.float64).T
    things = tuple(
        Thing(
            region=int(box) + 1,
            name=CLASS_NAMES[shape[box]],
            colour=COLOURS[colour[box]],
            texture=TEXTURES[texture[box]],
            x=float(left[box] + right[box] - 1),
            y=float(top[box] + bottom[box] - 1),
            radius=float(max(right[box] - left[box], bottom[box] - top[box])),
        )
        for box in np.flatnonzero(np.argmax(readings.something, axis=-1))
    )
    return Graph(things=things, background=BACKGROUNDS[int(np.argmax(readings.background))])


def answers_of(readings: Readings, boxes: Float[np.ndarray, "d 4"], texts: Sequence[str]) -> Answers:
    """Answers to questions from what was read of a picture; "" and 0 to what is no question of the closed language.

    Args:
      readings: of its d boxes, without a batch axis.
      boxes: (top, left, bottom, right), as shares.
      texts: the questions.
    """
    graph, sure = graph_of_readings(readings, boxes), _certainty(readings)
    answers, logp = [], []
    for text in texts:
        try:
            program = _parsed(text)
        except QuestionError:
            answers.append("")
            logp.append(0.0)
            continue
        answers.append(answer(graph, program))
        logp.append(sum(sure[reading] for reading in _rests_on(program)))
    return Answers(texts=tuple(answers), logp=np.array(logp, np.float16).astype(np.float32))


_parsed = functools.lru_cache(maxsize=4096)(parse)


def _rests_on(program: Program) -> list[str]:
    """The readings that the answer to a program rests on."""
    if program[-1] == ("query", "background"):
        return ["background"]
    named = {operation[1] for operation in program if operation[0] in ("filter", "query")}
    return ["something", *(reading for attribute, reading in ATTRIBUTES.items() if attribute in named)]


def _certainty(readings: Readings) -> dict[str, float]:
    """Per kind of reading, the sum of the log-probabilities of what was read."""
    seen = np.argmax(readings.something, axis=-1) == 1
    best = {
        name: _best_log_probability(np.asarray(getattr(readings, name), np.float64))
        for name in ("something", *ATTRIBUTES.values(), "background")
    }
    return {
        name: float(np.sum(np.asarray(value)[seen] if name in ATTRIBUTES.values() else value))
        for name, value in best.items()
    }


def _best_log_probability(logits: np.ndarray) -> np.ndarray:
    """log max softmax = -log Σ exp(logit - largest)."""
    return -np.log(np.sum(np.exp(logits - logits.max(axis=-1, keepdims=True)), axis=-1))


def _region_boxes(view: View) -> np.ndarray:
    return np.zeros((0, 4), np.float32) if view.regions is None else np.asarray(view.regions.boxes, np.float32)
