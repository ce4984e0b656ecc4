"""From views to records: asks a teacher all that it can, and makes of its failures what they are.

A call that raises is repeated picture by picture, so that one picture costs no other its labels. What a teacher raised
stands in the record's `err`; its importance is then FAILED, never 0, and its other answers are left out. A score that
is no number or outside [0, 1] is FAILED too. Labels of empty slots are MISSING.
"""

import dataclasses
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from semjax.data.entries import UNREADABLE
from semjax.store.packing import RecordError, pack
from semjax.store.record import QA, Features, Record, ScenarioLabels, Status
from semjax.teachers.base import Answers, Embedding, Importance, Scenario, Teacher, View

LONGEST_REASON = 400
ASKED = ("importance", "answer", "embed_image", "caption")
"""What a record can hold, of `base.ABILITIES`."""
T = TypeVar("T")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Failure:
    """A call that raised, or an answer that makes no sense."""

    reason: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recorder:
    """Asks a teacher about views; `scenarios` are those that importance is asked under."""

    teacher: Teacher
    scenarios: tuple[Scenario, ...]

    def records(self, views: Sequence[View]) -> list[Record]:
        """The record of each view."""
        said = {name: self._said(name, views) for name in ASKED if name in self.teacher.can}
        return [self._record(view, {name: each[i] for name, each in said.items()}) for i, view in enumerate(views)]

    def _said(self, name: str, views: Sequence[View]) -> list[Any]:
        """What the teacher says of each view: an answer, a `Failure`, or None where it was not asked."""
        ask, applies = self._question(name)
        places = [i for i, view in enumerate(views) if applies(view)]
        answers = _each(ask, [views[i] for i in places])
        found: list[Any] = [None] * len(views)
        for i, answer in zip(places, answers, strict=True):
            found[i] = answer
        return found

    def _question(self, name: str) -> tuple[Callable[[Sequence[View]], Sequence[Any]], Callable[[View], bool]]:
        """How to ask, and which views."""
        teacher = self.teacher
        return {
            "importance": (
                lambda views: teacher.importance(views, self.scenarios),
                lambda view: bool(self.scenarios) and view.regions is not None,
            ),
            "answer": (
                lambda views: teacher.answer(views, [view.questions for view in views]),
                lambda view: bool(view.questions),
            ),
            "embed_image": (teacher.embed_image, lambda view: True),
            "caption": (teacher.caption, lambda view: True),
        }[name]

    def _record(self, view: View, said: Mapping[str, Any]) -> Record:
        readers: dict[str, Callable[[View, Any], Any]] = {
            "importance": self._labels,
            "answer": _qa,
            "embed_image": _features,
            "caption": lambda _, text: (text,) if text else (),
        }
        read = {name: _read(readers[name], view, each) for name, each in said.items()}
        failures = [f"{name}: {each.reason}" for name, each in read.items() if isinstance(each, Failure)]
        kept = {name: None if isinstance(each, Failure) else each for name, each in read.items()}
        if isinstance(read.get("importance"), Failure):
            kept["importance"] = self._failed(view)
        raw = said.get("importance")
        record = Record(
            id=view.id,
            index=view.index,
            image_sha=view.sha,
            regions=view.regions,
            scenarios=kept.get("importance"),
            features=kept.get("embed_image"),
            qa=kept.get("answer"),
            captions=kept.get("caption") or (),
            raw=raw.raw if isinstance(raw, Importance) else "",
            err="; ".join(failures)[:LONGEST_REASON],
        )
        return self._packable(record, view)

    def _packable(self, record: Record, view: View) -> Record:
        """The record, or, where it cannot be stored, one of a teacher that failed."""
        try:
            pack(record)
        except RecordError as error:
            labels = None if record.scenarios is None else self._failed(view)
            failed = Record(id=view.id, index=view.index, image_sha=view.sha, regions=view.regions, scenarios=labels)
            return dataclasses.replace(failed, err=_reason(error))
        return record

    def _failed(self, view: View) -> ScenarioLabels:
        shape = self._shape(view)
        zeros = np.zeros(shape, np.float32)
        failed = Importance(score=zeros, std=zeros, status=np.full(shape, Status.FAILED, np.uint8))
        return self._labels(view, failed)

    def _shape(self, view: View) -> tuple[int, int]:
        assert view.regions is not None
        return len(self.scenarios), len(view.regions.valid)

    def _labels(self, view: View, said: Importance) -> ScenarioLabels:
        assert view.regions is not None
        for name in ("score", "std", "status"):
            shape = np.shape(getattr(said, name))
            if shape != self._shape(view):
                raise ValueError(f"{name} has shape {shape}, expected {self._shape(view)}")
        status = np.asarray(said.status, np.uint8).copy()
        if (status > max(Status)).any():
            raise ValueError(f"status {status.max()} is none of 0 to {max(Status)}")
        status[:, ~view.regions.valid] = Status.MISSING
        with np.errstate(invalid="ignore"):
            sense = (said.score >= 0) & (said.score <= 1) & (said.std >= 0) & (said.std <= 1)
        status[(status < Status.FAILED) & ~sense] = Status.FAILED
        told = status < Status.FAILED
        return ScenarioLabels(
            names=tuple(scenario.name for scenario in self.scenarios),
            texts=tuple(scenario.text for scenario in self.scenarios),
            importance=np.where(told, said.score, 0).astype(np.float16),
            std=np.where(told, said.std, 0).astype(np.float16),
            status=status,
        )


def unreadable(index: int, *, picture: int, error: Exception) -> Record:
    """The record of a picture that could not even be shown."""
    return Record(id=picture, index=index, image_sha=UNREADABLE, err=f"picture: {_reason(error)}")


def _each(ask: Callable[[Sequence[View]], Sequence[T]], views: Sequence[View]) -> "list[T | Failure]":
    """Asks about all at once; where that fails, about each alone."""
    if not views:
        return []
    try:
        answers = list(ask(views))
        if len(answers) != len(views):
            raise ValueError(f"{len(answers)} answers to {len(views)} views")
        return list(answers)
    except MemoryError:
        raise
    except Exception as error:
        if len(views) == 1:
            return [Failure(reason=_reason(error))]
    return [answer for view in views for answer in _each(ask, [view])]


def _read(reader: Callable[[View, Any], Any], view: View, said: Any) -> Any:
    if said is None or isinstance(said, Failure):
        return said
    try:
        return reader(view, said)
    except (ValueError, TypeError, AttributeError) as error:
        return Failure(reason=_reason(error))


def _reason(error: Exception) -> str:
    """An error in words, without what differs from run to run (addresses) and without line ends."""
    told = re.sub(r"\b0x[0-9a-f]+\b", "0x...", f"{type(error).__name__}: {error}")
    return " ".join(told.encode("utf-8", "replace").decode().split())[:LONGEST_REASON]


def _qa(view: View, said: Answers) -> QA:
    asked = view.questions
    if len(said.texts) != len(asked) or np.shape(said.logp) != (len(asked),):
        raise ValueError(f"{len(said.texts)} texts and logp {np.shape(said.logp)} for {len(asked)} questions")
    if not np.isfinite(said.logp).all():
        raise ValueError("logp is not finite")
    return QA(
        questions=tuple(question.text for question in asked),
        answers=tuple(said.texts),
        kinds=tuple(question.kind for question in asked),
        logp=np.asarray(said.logp, np.float32),
        source_object=np.array([question.source_object for question in asked], np.int32),
    )


def _features(view: View, said: Embedding) -> Features:
    regions = None if said.regions is None else _half(said.regions)
    if regions is not None and view.regions is not None and len(regions) != len(view.regions.valid):
        raise ValueError(f"{len(regions)} region features for {len(view.regions.valid)} regions")
    return Features(image=_half(said.pooled), regions=regions)


def _half(values: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        kept = np.asarray(values).astype(np.float16)
    if not np.isfinite(kept).all():
        raise ValueError("features are not finite as float16")
    return kept
