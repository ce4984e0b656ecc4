"""Real pictures with teachers' labels as the pictures benchmark shows them: windows, and pairs with scenarios.

A pair is a picture and a scenario under which its labels tell both something that matters (importance >= 0.55) and
something that does not.

CHOICE: CamVid is shown whole. COCO's pictures have about as many sizes as pictures, each of which would be a program of
its own: the largest of three windows that fits is cut from the middle of each; one that fits none is left out.
"""

import dataclasses
import functools
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Int

from semjax.app import build
from semjax.data import images
from semjax.data.files import Record
from semjax.data.loader import LABELS, eval_batches
from semjax.data.transforms import windowed
from semjax.evaluators.regions import HIGH

BATCH = 4
SCENARIO = "scenario"
Size = tuple[int, int]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Album:
    """Pictures under SEMJAX_DATA, and the labels of them that are used.

    Attributes:
      name: in the names of checkpoints and stores, and of its class tables.
      dataset: as rows name it: the folder of the pictures.
      teacher: whose labels.
      scenarios: the rows of the labels.
      windows: height and width that pictures are cut to, the largest first; () leaves them whole.
    """

    name: str
    dataset: str
    teacher: str
    scenarios: tuple[str, ...]
    windows: tuple[Size, ...] = ()

    def store(self, stores: pathlib.Path, split: str) -> pathlib.Path:
        """The folder of the labels of a split.

        Raises:
          ValueError: there is none, or there are several.
        """
        found = sorted(stores.glob(f"{self.name}/{split}/{self.teacher}-*"))
        if len(found) != 1:
            what = "no store" if not found else f"{len(found)} stores"
            raise ValueError(
                f"{stores / self.name / split} holds {what} of {self.teacher}, and one is needed: make it as "
                "docs/teachers.md says, or name another folder with --stores"
            )
        return found[0]


ALBUMS = (
    Album(
        name="coco",
        dataset="coco_vl",
        teacher="annotations",
        scenarios=("driving", "home_care", "animal_watch", "security", "sports"),
        windows=((288, 384), (384, 288), (288, 288)),
    ),
    Album(
        name="camvid",
        dataset="camvid",
        teacher="camvid_rules",
        scenarios=("driving", "pedestrian_safety", "road_maintenance"),
    ),
)


def cut(record: Record, windows: Sequence[Size]) -> Record | None:
    """The middle of a picture and of its maps, of the first window that fits; None if none does."""
    if not windows:
        return record
    height, width = record["image"].shape[:2]
    for h, w in windows:
        if h <= height and w <= width:
            rows, columns = (height - h) // 2, (width - w) // 2
            place = slice(rows, rows + h), slice(columns, columns + w)
            return windowed(record, record["image"], lambda values, place=place: values[place])
    return None


def scenarios_with_both(record: Record) -> list[int]:
    """The rows of the scenarios under which a picture shows something that matters and something that does not."""
    labels, shown = record["labels"], np.unique(record["maps"]["ids"])
    known = labels["weight"][:, shown] > 0
    high = known & (labels["importance"][:, shown] >= HIGH)
    return np.flatnonzero(high.any(axis=1) & (known & ~high).any(axis=1)).tolist()


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Pairs:
    """The pairs of a split; 8 bits per value in memory.

    Attributes:
      every: batches of all pairs; "scenario" is the row of each.
      once: batches in which each picture stands once, under the first of its scenarios.
    """

    every: Sequence[Mapping[str, Any]]
    once: Sequence[Mapping[str, Any]]

    def batches(self, *, once: bool = False) -> Iterator[dict[str, Any]]:
        """Batches of one size each; rows that only fill up come last and have `_mask` False."""
        for batch in self.once if once else self.every:
            yield {**batch, "image": images.from_uint8(batch["image"])}

    def column(self, name: str, *, once: bool = False) -> Int[np.ndarray, "p"]:
        """One number of each pair, in the order of `batches`: "id" or "scenario"."""
        return np.concatenate([batch[name][batch["_mask"]] for batch in (self.once if once else self.every)])

    def sending(self, *, once: bool) -> Int[np.ndarray, "p"]:
        """Which sending belongs to each pair: its own, or the one of its picture."""
        if not once:
            return np.arange(len(self.column("id")))
        place = {picture: i for i, picture in enumerate(self.column("id", once=True).tolist())}
        return np.array([place[picture] for picture in self.column("id").tolist()], np.int64)


def pairs_of(source: Sequence[Record], album: Album) -> Pairs:
    """All pairs of pictures that are joined with their labels.

    Raises:
      ValueError: there is none.
    """
    every, once = [], []
    for i in range(len(source)):
        record = cut(source[i], album.windows)
        rows = scenarios_with_both(record) if record is not None else []
        for place, row in enumerate(rows):
            assert record is not None
            told = {**record["labels"], SCENARIO: np.int32(row)}
            one = {**record, "image": images.to_uint8(record["image"]), "labels": told}
            every.append(one)
            if place == 0:
                once.append(one)
    if not every:
        raise ValueError(f"no picture of {album.dataset} has labels of something that matters and of something else")
    return Pairs(every=_batches(every), once=_batches(once))


def _batches(records: Sequence[Record]) -> list[dict[str, Any]]:
    made: Any = [*eval_batches(records, batch_size=BATCH)]  # type: ignore[arg-type]
    for batch in made:
        batch[SCENARIO] = batch.pop(f"{LABELS}{SCENARIO}")
    return made


@functools.cache
def pairs(album: Album, split: str, stores: pathlib.Path) -> Pairs:
    """The pairs of a split, made once per process.

    Raises:
      ValueError: as `Album.store` and `pairs_of`.
      DataError, StoreError: pictures or labels that are not there or do not belong together.
    """
    teachers = {
        "stores": (str(album.store(stores, split)),),
        "scenarios": album.scenarios,
        "classes": album.name,
        "overrides": "",
        "regions": 0,
    }
    section = {"source": "archive", "root": f"$SEMJAX_DATA/{album.dataset}", "split": split, "teachers": teachers}
    source: Any = build.source(section, build.default_registry(), path=f"{album.name} {split}")
    return pairs_of(source, album)
