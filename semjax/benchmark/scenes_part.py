"""The scenes of sa-importance v1: a recipe, from which anybody draws the same pictures and the same exact labels.

    picture i of a split = scene i of ScenesSource(size=64, split=split, count=COUNTS[split], seed=2024)

Its objects are the regions of the id map: 0 is the background (its class is sky, grass, road or brick), r >= 1 the
thing in slot r - 1.
Importance is that of `semjax.scenes.scenarios`, times 9; nothing was judged by anybody, and no second pass is needed.
The test splits are `test` and those that hold out a class, a combination of class and colour, or a background.
"""

import functools
import hashlib
import json
from collections.abc import Callable, Sequence

import jax
import numpy as np

from semjax.benchmark.objects import BenchmarkError, LabelledObject, Picture
from semjax.data.sources import ScenesSource
from semjax.scenes.graph import graph_of
from semjax.scenes.scenarios import SCENARIOS, all_importance
from semjax.scenes.world import Scene

SEED = 2024
SIZE = 64
COUNTS = {
    **{"train": 1000, "val": 300, "test": 500},
    **{"unseen_class": 300, "unseen_combo": 300, "unseen_background": 300},
}
SPLITS = tuple(COUNTS)
FIRST = 16
FINGERPRINTS = {
    "train": "4de89a4f7546",
    "val": "37d8ba9befaf",
    "test": "5e2a258a675f",
    "unseen_class": "99ffc380f3b2",
    "unseen_combo": "d87e3dd75561",
    "unseen_background": "f61e18728e14",
}
"""Of the labels of the first `FIRST` scenes of each split, see `fingerprint`."""


def scenarios() -> dict[str, str]:
    """Name of each scenario, and the first of its wordings."""
    return {scenario.name: scenario.wordings[0] for scenario in SCENARIOS}


def source(split: str) -> ScenesSource:
    """The pictures of a split, for whoever predicts from pictures."""
    return ScenesSource(size=SIZE, split=split, count=COUNTS[split], seed=SEED)


def pictures(split: str) -> tuple[Picture, ...]:
    """The labelled scenes of a split; drawing them takes some seconds.

    Raises:
      BenchmarkError: what is drawn here is not what the benchmark is made of.
    """
    drawn = tuple(first(split, COUNTS[split]))
    if fingerprint(drawn) != FINGERPRINTS[split]:
        raise BenchmarkError(
            f"the scenes of split {split} drawn here (jax {jax.__version__}) are not those of the benchmark: scores on "
            "them could not be compared with anybody's"
        )
    return drawn


def first(split: str, count: int) -> list[Picture]:
    """The first labelled scenes of a split."""
    scenes = source(split)
    return [_picture(scenes, index) for index in range(count)]


def fingerprint(drawn: Sequence[Picture]) -> str:
    """12 hex digits of the SHA-256 of classes and importance in the first `FIRST` scenes.

    Areas are left out: on another processor a pixel may fall on the other side of an outline.
    """
    told = hashlib.sha256(json.dumps(scenarios()).encode())
    for each in (each for picture in drawn[:FIRST] for each in picture.objects):
        seen = [each.object_index, each.category, *(round(level, 2) for level in each.levels)]
        told.update(json.dumps(seen).encode())
    return told.hexdigest()[:12]


def _picture(scenes: ScenesSource, index: int) -> Picture:
    scene, ids = scenes.scene(index), scenes.rendered(index).ids
    graph, levels = graph_of(scene), 9 * np.asarray(_judge()(scene), np.float64)
    share = np.bincount(np.asarray(ids).ravel(), minlength=levels.shape[1]) / ids.size
    things = [(0, graph.background, (0.0, 0.0, 1.0, 1.0))]
    things += [(t.region, t.name, _box(t.x, t.y, t.radius)) for t in graph.things]
    return Picture(
        image=f"{scenes.split}-{index:05d}",
        objects=tuple(
            LabelledObject(
                object_index=region,
                mask_value=region,
                category=name,
                box=box,
                area=float(share[region]),
                levels=tuple(np.round(levels[:, region], 4).tolist()),
            )
            for region, name, box in things
        ),
    )


def _box(x: float, y: float, radius: float) -> tuple[float, float, float, float]:
    """Top, left, bottom and right of a bounding circle, clipped to the picture, as shares of it."""
    ends = np.clip((np.array([y - radius, x - radius, y + radius, x + radius]) + 1) / 2, 0, 1)
    top, left, bottom, right = ends.tolist()
    return top, left, bottom, right


@functools.cache
def _judge() -> Callable[[Scene], jax.Array]:
    return jax.jit(all_importance)
