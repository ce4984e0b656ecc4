"""The labels of an outside model, given as JSON lines (`jsonl.py`), as a store like any other.

An annotated object is found by its mask value, which is the region's number where the album does not say otherwise
(`given["mask_values"]`). Regions that were not annotated are MISSING. The questions are those of the lines.
"""

import dataclasses
import os
import pathlib
from collections.abc import Callable, Mapping, Sequence

from semjax.store.fingerprint import digest
from semjax.teachers.annotations import Annotations
from semjax.teachers.base import Album, Question, Scenario, View
from semjax.teachers.failures import FailureLimit
from semjax.teachers.jsonl import BadLine, check_annotations, judge, of_split, read_lines, read_scenarios
from semjax.teachers.jsonl_line import Annotation
from semjax.teachers.kinds import RULE, kind_of
from semjax.teachers.precompute import Report, precompute


class AnnotatedAlbum:
    """An album under the scenarios, and with the questions, of annotations.

    Args:
      album: the pictures; views have `given["name"]`.
      annotations: by that name.
      scenarios: that they speak of.
    """

    def __init__(self, album: Album, annotations: Mapping[str, Annotation], scenarios: Sequence[Scenario]):
        self.album, self.annotations, self.scenarios = album, annotations, tuple(scenarios)
        self.dataset, self.split = album.dataset, album.split

    @property
    def digest(self) -> str:
        """Changes with the album, and with the questions."""
        asked = {name: [q.question for q in each.questions] for name, each in self.annotations.items()}
        return digest({"album": self.album.digest, "questions": asked, "kinds": RULE})

    def __len__(self) -> int:
        return len(self.album)

    def view(self, index: int) -> View:
        """Picture `index` with the questions of its line; `given["mask_values"]` is filled in where it is missing."""
        view = self.album.view(index)
        given = dict(view.given)
        if view.regions is not None:
            given.setdefault("mask_values", tuple(range(len(view.regions.valid))))
        annotation = self.annotations.get(given["name"])
        asked = () if annotation is None else tuple(_questions(annotation, given.get("mask_values", ())))
        return dataclasses.replace(view, questions=asked, given=given)


def _questions(annotation: Annotation, values: Sequence[int]) -> list[Question]:
    value = {thing.index: thing.mask_value for thing in annotation.objects}
    region = {mask_value: place for place, mask_value in enumerate(values)}
    return [
        Question(
            text=asked.question,
            kind=kind_of(asked.question),
            source_object=-1 if asked.object_index is None else region.get(value[asked.object_index], -1),
            truth=asked.answer,
        )
        for asked in annotation.questions
    ]


def names_of(album: Album) -> list[str]:
    """The names of an album's pictures; an album that has `names` is not read for them."""
    names = getattr(album, "names", None)
    return list(names) if names is not None else [album.view(i).given["name"] for i in range(len(album))]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ingested:
    """What came of the lines: the report of the store, the bad ones, and how many pictures have none."""

    report: Report
    bad: tuple[BadLine, ...]
    without: int


def ingest(
    lines: str | os.PathLike[str],
    album: Album,
    out: str | os.PathLike[str],
    *,
    scenarios: str | os.PathLike[str] | None = None,
    shards: int = 1,
    max_bad: float = 0.0,
    limit: FailureLimit | None = None,
    progress: Callable[[int], object] | None = None,
) -> Ingested:
    """Makes the store of the annotations of an album's pictures; lines of other splits are left out.

    Args:
      lines: the JSONL file.
      album: the pictures.
      out: root of all stores.
      scenarios: {name: text} as JSON; `scenarios.json` beside the lines if None.
      shards: in how many files.
      max_bad: share of lines that may be bad; those are left out.
      limit, progress: see `precompute`.

    Raises:
      JsonlError: lines that cannot be used, with their numbers.
      PrecomputeError, StoreError, FailureError: see `precompute`.
    """
    text = read_lines(lines)
    asked = read_scenarios(scenarios if scenarios is not None else pathlib.Path(lines).with_name("scenarios.json"))
    names = names_of(album)
    found = of_split(check_annotations(text, asked), album.split, names)
    judge(found, name=str(lines), max_bad=max_bad)
    seen = AnnotatedAlbum(album, found.good, asked)
    report = precompute(seen, Annotations(found.good), out, shards=shards, limit=limit, progress=progress)
    return Ingested(report=report, bad=found.bad, without=len(set(names) - set(found.good)))
