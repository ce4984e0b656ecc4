"""The labels of sa-importance v1: how important each object of a picture is under each scenario.

A part of the benchmark is a set of pictures with splits: `coco` (photographs, judged by a multimodal model) and
`scenes` (the procedural world, exact). Both are read into the same arrays by `load`.
"""

import dataclasses
import functools
from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float, Int

from semjax.benchmark import coco_part, scenes_part
from semjax.benchmark.objects import BenchmarkError, Picture

NAME = "sa-importance v1"
LEVELS = 9
"""Importance is judged on levels 0 (irrelevant) to 9 (indispensable); as a number in [0, 1] it is level / 9."""
IMPORTANT_LEVEL = 5
"""From this level on an object counts as important."""
PARTS = ("coco", "scenes")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Labels:
    """The n objects of one split of one part, in the order of its pictures; s scenarios.

    Attributes:
      part, split: which labels these are.
      names: of the pictures, p of them.
      scenarios: their names.
      picture: which picture each object is in.
      object_index: number of the object in its picture.
      category: class name of each object.
      importance: in [0, 1].
      second: by a second, blind pass of the same model; NaN where it did not judge the object.
      area: share of the picture that the object covers.
      centre: vertical and horizontal place of the middle of its box, as shares of the picture.
    """

    part: str
    split: str
    names: tuple[str, ...]
    scenarios: tuple[str, ...]
    picture: Int[np.ndarray, "n"]
    object_index: Int[np.ndarray, "n"]
    category: tuple[str, ...]
    importance: Float[np.ndarray, "n s"]
    second: Float[np.ndarray, "n s"]
    area: Float[np.ndarray, "n"]
    centre: Float[np.ndarray, "n 2"]

    def __len__(self) -> int:
        return len(self.picture)

    @property
    def judged_twice(self) -> Bool[np.ndarray, "n"]:
        """Which objects the second pass judged, under all scenarios."""
        return np.asarray(np.isfinite(self.second).all(axis=1))

    def where(self, chosen: Bool[np.ndarray, "n"]) -> "Labels":
        """The same pictures with some of the objects."""
        arrays = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        kept = {name: value[chosen] for name, value in arrays.items() if isinstance(value, np.ndarray)}
        category = tuple(name for name, keep in zip(self.category, chosen, strict=True) if keep)
        return dataclasses.replace(self, category=category, **kept)


_READERS: dict[str, tuple[tuple[str, ...], Callable[[str], tuple[Picture, ...]], Callable[[], dict[str, str]]]] = {
    "coco": (coco_part.SPLITS, coco_part.pictures, coco_part.scenarios),
    "scenes": (scenes_part.SPLITS, scenes_part.pictures, scenes_part.scenarios),
}


def splits(part: str) -> tuple[str, ...]:
    """The splits of a part.

    Raises:
      BenchmarkError: no such part.
    """
    if part not in _READERS:
        raise BenchmarkError(f"{NAME} has no part {part!r}; its parts are: {', '.join(PARTS)}")
    return _READERS[part][0]


def scenario_texts(part: str) -> dict[str, str]:
    """The scenarios of a part: name and text.

    Raises:
      BenchmarkError: no such part.
    """
    splits(part)
    return _READERS[part][2]()


@functools.lru_cache(maxsize=8)
def load(part: str, split: str) -> Labels:
    """The labels of one split.

    Args:
      part: one of `PARTS`.
      split: one of `splits(part)`.

    Raises:
      BenchmarkError: no such part or split.

    >>> labels = load("coco", "test")
    >>> len(labels.names), labels.scenarios[0], labels.importance.shape
    (34, 'driving', (226, 5))
    """
    if split not in splits(part):
        raise BenchmarkError(f"part {part} has no split {split!r}; its splits are: {', '.join(splits(part))}")
    return gathered(_READERS[part][1](split), part=part, split=split)


def joined(*parts: Labels) -> Labels:
    """Several splits of one part as one, called by their names joined with +.

    Raises:
      BenchmarkError: labels of different parts.
    """
    if len({labels.part for labels in parts}) != 1:
        raise BenchmarkError(f"only splits of one part can be joined, got {[labels.part for labels in parts]}")
    starts = np.cumsum([0, *(len(labels.names) for labels in parts)])
    arrays = {
        name: np.concatenate([getattr(labels, name) for labels in parts])
        for name in ("object_index", "importance", "second", "area", "centre")
    }
    return Labels(
        part=parts[0].part,
        split="+".join(labels.split for labels in parts),
        names=sum((labels.names for labels in parts), ()),
        scenarios=parts[0].scenarios,
        picture=np.concatenate([labels.picture + start for labels, start in zip(parts, starts[:-1], strict=True)]),
        category=sum((labels.category for labels in parts), ()),
        **arrays,
    )


def gathered(pictures: tuple[Picture, ...], *, part: str, split: str) -> Labels:
    """The arrays of some pictures."""
    objects = [(i, each) for i, picture in enumerate(pictures) for each in picture.objects]
    names = tuple(scenario_texts(part))
    boxes = np.array([each.box for _, each in objects], np.float64).reshape(-1, 4)
    levels = np.array([each.levels for _, each in objects], np.float64).reshape(-1, len(names))
    second = [each.second or (np.nan,) * len(names) for _, each in objects]
    return Labels(
        part=part,
        split=split,
        names=tuple(picture.image for picture in pictures),
        scenarios=names,
        picture=np.array([i for i, _ in objects], np.int64),
        object_index=np.array([each.object_index for _, each in objects], np.int64),
        category=tuple(each.category for _, each in objects),
        importance=levels / LEVELS,
        second=np.array(second, np.float64).reshape(-1, len(names)) / LEVELS,
        area=np.array([each.area for _, each in objects], np.float64),
        centre=np.stack([boxes[:, 0] + boxes[:, 2], boxes[:, 1] + boxes[:, 3]], axis=1) / 2,
    )
