"""Albums of scenes, with all that is known of them, and of any other pictures, with nothing but the pictures."""

import dataclasses
import functools
import hashlib
import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float32

from semjax.data import images
from semjax.data.entries import digest_of, id_of, name_of
from semjax.data.files import Source
from semjax.data.sources import ScenesSource
from semjax.scenes.decoys import decoys
from semjax.scenes.graph import Graph, graph_of
from semjax.scenes.questions import AskedQuestion, every_question
from semjax.scenes.scenarios import SCENARIOS, text_of
from semjax.scenes.wordings import TRAINING_WORDINGS
from semjax.scenes.world import SLOTS, Scene
from semjax.store.record import Regions
from semjax.teachers.base import Question, Scenario, View
from semjax.teachers.oracle import exact_importance

PROBED, JUDGED = 3, 32
"""Scenes whose looks and questions, and whose importance, a digest takes in."""


class ScenesAlbum:
    """Scenes of one split with their regions, questions, boxes and truth.

    Region 0 is the background, region r the object in slot r - 1. The questions of scene i, its decoys and the order of
    its proposals depend on (seed, split, i) alone. Scenarios come in their first wording, in split `unseen_scenario` in
    their first held-out one.

    Args:
      size: pixels of each side.
      split: one of `semjax.scenes.world.SPLITS`.
      count: how many scenes.
      seed: of all of them.
      questions: `f(graph, seed)`, what is asked about a scene.
      world: settings of `SceneConfig`.

    Raises:
      DataError: a split, count or size that cannot be.
    """

    dataset = "scenes"

    def __init__(
        self,
        *,
        size: int = 64,
        split: str = "train",
        count: int = 10_000,
        seed: int = 0,
        questions: Callable[[Graph, int], Sequence[AskedQuestion]] = every_question,
        **world: Any,
    ):
        self._show(ScenesSource(size=size, split=split, count=count, seed=seed, **world), questions)

    @classmethod
    def of(cls, source: ScenesSource) -> "ScenesAlbum":
        """The album of a source's scenes."""
        made = cls.__new__(cls)
        made._show(source, every_question)
        return made

    def _show(self, source: ScenesSource, questions: Callable[[Graph, int], Sequence[AskedQuestion]]) -> None:
        self.source, self.split, self._ask = source, source.split, questions
        wording = TRAINING_WORDINGS if self.split == "unseen_scenario" else 0
        self.scenarios = tuple(Scenario(name=each.name, text=text_of(i, wording)) for i, each in enumerate(SCENARIOS))

    def __len__(self) -> int:
        return len(self.source)

    @property
    def digest(self) -> str:
        """Changes with the settings, or with the looks, the questions or the truth of the first scenes."""
        return self._digest

    @functools.cached_property
    def _digest(self) -> str:
        told = hashlib.sha256(self.source.fingerprint().encode())
        for index in range(min(PROBED, len(self))):
            view = self.view(index)
            assert view.proposals is not None
            asked = [dataclasses.asdict(question) for question in view.questions]
            told.update(json.dumps(asked, sort_keys=True).encode())
            told.update(view.proposals.round(4).tobytes())
        judged = exact_importance([self.source.scene(index) for index in range(min(JUDGED, len(self)))])
        told.update(np.stack(judged).round(4).tobytes())
        return told.hexdigest()

    @property
    def names(self) -> list[str]:
        """What each scene is called."""
        return [name_of(self.source, index) for index in range(len(self))]

    def asked(self, index: int) -> tuple[AskedQuestion, ...]:
        """The questions on scene `index`, with their programs and relevant regions."""
        index = range(len(self))[index]
        return tuple(self._ask(graph_of(self.source.scene(index)), self._seed(index)))

    def _seed(self, index: int) -> int:
        """A 32-bit number made of the source's seed, the split and the scene's place."""
        told = (self.source.seed, self.split, index)
        return int.from_bytes(hashlib.sha256(repr(told).encode()).digest()[:4], "little")

    def view(self, index: int) -> View:
        """Scene `index`; `given` has its `scene`, its `graph` and its `name`."""
        index = range(len(self))[index]
        scene, rendered = self.source.drawn(index)
        pixels, ids = images.to_uint8(np.asarray(rendered.image)), np.asarray(rendered.ids)
        graph, seed = graph_of(scene), self._seed(index)
        regions = _regions(scene, graph, ids)
        return View(
            id=index,
            index=index,
            sha=hashlib.sha256(images.from_uint8(pixels).tobytes()).hexdigest(),
            image=pixels,
            regions=regions,
            questions=tuple(map(_question, self._ask(graph, seed))),
            proposals=_proposals(regions, decoys(scene, ids, seed), seed),
            given={"scene": scene, "graph": graph, "name": name_of(self.source, index)},
        )


def _regions(scene: Scene, graph: Graph, ids: np.ndarray) -> Regions:
    names, valid = [graph.background, *[""] * SLOTS], np.zeros(SLOTS + 1, bool)
    valid[0] = True
    boxes = np.zeros((SLOTS + 1, 4), np.float32)
    boxes[0] = (0, 0, 1, 1)
    for thing in graph.things:
        names[thing.region], valid[thing.region] = thing.name, True
        y, x, r = thing.y, thing.x, thing.radius
        boxes[thing.region] = np.clip((np.array([y - r, x - r, y + r, x + r]) + 1) / 2, 0, 1)
    return Regions(ids_map=ids, boxes=boxes, names=tuple(names), valid=valid)


def _proposals(regions: Regions, empty: Float32[np.ndarray, "d 4"], seed: int) -> Float32[np.ndarray, "q 4"]:
    """The boxes of objects and of none, in an order that does not tell which is which."""
    boxes = np.concatenate([regions.boxes[1:][regions.valid[1:]], empty]).astype(np.float32)
    return boxes[np.argsort(np.random.Philox(seed).random_raw(len(boxes)), kind="stable")]


def _question(asked: AskedQuestion) -> Question:
    about = asked.relevant[0] if len(asked.relevant) == 1 else -1
    return Question(text=asked.text, kind=asked.kind, source_object=about, truth=asked.answer)


class PicturesAlbum:
    """The pictures of any source, without regions or questions.

    Args:
      source: of `semjax.data`.
      dataset, split: what they are called in a store.
    """

    scenarios: tuple[Scenario, ...] = ()

    def __init__(self, source: Source, dataset: str, split: str):
        self.source, self.dataset, self.split = source, dataset, split

    def __len__(self) -> int:
        return len(self.source)

    @property
    def digest(self) -> str:
        """Changes with any picture, its id, or their order."""
        return self._digest

    @functools.cached_property
    def _digest(self) -> str:
        told = hashlib.sha256()
        for index in range(len(self)):
            told.update(f"{id_of(self.source, index)} {digest_of(self.source, index)}\n".encode())
        return told.hexdigest()

    @property
    def names(self) -> list[str]:
        """The file name of each picture."""
        return [_file(name_of(self.source, index)) for index in range(len(self))]

    def place(self, index: int) -> int:
        """The id of picture `index`."""
        return id_of(self.source, index)

    def view(self, index: int) -> View:
        """Picture `index`; `given` has its `name`.

        Raises:
          DataError, ImageError: it cannot be read.
        """
        record = self.source[index]
        return View(
            id=record["id"],
            index=range(len(self))[index],
            sha=digest_of(self.source, index),
            image=images.to_uint8(record["image"]),
            given={"name": _file(name_of(self.source, index))},
        )


def _file(name: str) -> str:
    """The last part of a path, or of ARCHIVE:PATH."""
    return name.rpartition("/")[2].rpartition(":")[2]
