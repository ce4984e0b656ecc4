"""Corrections of stored labels by people, as JSON lines, and how they come over a record.

    {"id": 17, "image_sha": "9f...", "scenario": "driving", "region": 2, "importance": 0.8, "verified_by": "NAME"}

A line states the importance of one region of one picture under one scenario; where several lines state the same one,
the last holds. A corrected label has status OK and std 0.
"""

import dataclasses
import hashlib
import json
import math
import os
import pathlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np

from semjax.store.record import Record, Status

SHOWN = 20
LONGEST_NAME = 100


class OverridesError(ValueError):
    """A file of corrections that cannot be used; the message names the lines or the picture."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Override:
    """One corrected label; fields as in the file."""

    id: int
    image_sha: str
    scenario: str
    region: int
    importance: float
    verified_by: str

    @property
    def place(self) -> tuple[int, str, int]:
        """Which label it is."""
        return self.id, self.scenario, self.region


@runtime_checkable
class Corrects(Protocol):
    """Something that changes records as they are read."""

    @property
    def digest(self) -> str:
        """A SHA-256, in hex, that changes with what it changes."""
        ...

    def apply(self, record: Record) -> Record:
        """The record with its corrections."""
        ...


class Overrides:
    """The corrections of a file; `apply(record)` lays them over a record.

    Args:
      lines: in order; of several that state the same label the last holds.
    """

    def __init__(self, lines: Iterable[Override]):
        self.lines = {line.place: line for line in lines}
        self._by_id: dict[int, list[Override]] = {}
        for line in self.lines.values():
            self._by_id.setdefault(line.id, []).append(line)

    def __len__(self) -> int:
        return len(self.lines)

    @property
    def digest(self) -> str:
        """SHA-256 of the corrections, in hex."""
        ordered = [dataclasses.asdict(self.lines[place]) for place in sorted(self.lines)]
        return hashlib.sha256(json.dumps(ordered, sort_keys=True).encode()).hexdigest()

    @property
    def ids(self) -> tuple[int, ...]:
        """The pictures that have a correction."""
        return tuple(self._by_id)

    def of(self, picture: int) -> Sequence[Override]:
        """The corrections of one picture."""
        return self._by_id.get(picture, ())

    def apply(self, record: Record) -> Record:
        """The record with its corrections; the same object where it has none.

        Raises:
          OverridesError: a correction of another picture, an unknown scenario or a region that is not there.
        """
        lines, labels = self._by_id.get(record.id), record.scenarios
        if not lines or labels is None:
            return record
        importance, std, status = labels.importance.copy(), labels.std.copy(), labels.status.copy()
        for line in lines:
            place = _place(line, record)
            importance[place], std[place], status[place] = line.importance, 0, Status.OK
        names = sorted({*filter(None, [labels.verified_by]), *(line.verified_by for line in lines)})
        corrected = {"importance": importance, "std": std, "status": status, "verified_by": ", ".join(names)}
        return dataclasses.replace(record, scenarios=dataclasses.replace(labels, **corrected))


def _place(line: Override, record: Record) -> tuple[int, int]:
    """Row and column of a label in a record."""
    where = f"the correction of picture {line.id}, scenario {line.scenario!r}, region {line.region}"
    labels = record.scenarios
    assert labels is not None
    if line.image_sha != record.image_sha:
        raise OverridesError(
            f"{where} is of another picture: its SHA-256 is {line.image_sha[:12]}..., the store's "
            f"{record.image_sha[:12]}...; use the overrides of this store"
        )
    if line.scenario not in labels.names:
        raise OverridesError(f"{where}: the store has no such scenario; its scenarios are: {', '.join(labels.names)}")
    if not 0 <= line.region < labels.importance.shape[1]:
        raise OverridesError(f"{where}: the picture has regions 0 to {labels.importance.shape[1] - 1}")
    return labels.names.index(line.scenario), line.region


def read_overrides(path: str | os.PathLike[str], *, reviewer: str = "") -> list[Override]:
    """The lines of a file of corrections.

    Args:
      path: the file.
      reviewer: who made it, for lines that do not say `verified_by`.

    Raises:
      OverridesError: no such file, no line in it, or lines that cannot be used, with their numbers.
    """
    try:
        text = pathlib.Path(path).read_text(encoding="utf-8-sig", errors="surrogateescape")
    except OSError as error:
        raise OverridesError(f"{path} cannot be read ({error.strerror})") from error
    found, bad = [], []
    for number, line in enumerate(text.split("\n"), start=1):
        try:
            found += [_parsed(line, reviewer)] if line.strip() else []
        except (ValueError, TypeError) as error:
            bad.append(f"\n  line {number}: {error}")
    if bad:
        more = f"\n  and {len(bad) - SHOWN} more" if len(bad) > SHOWN else ""
        raise OverridesError(f"{path}: {len(bad)} lines cannot be used:{''.join(bad[:SHOWN])}{more}")
    if not found:
        raise OverridesError(f"{path} holds no correction")
    return found


def write_overrides(path: str | os.PathLike[str], lines: Iterable[Override]) -> None:
    """Writes corrections, ordered by picture, scenario and region."""
    ordered = sorted(lines, key=lambda line: line.place)
    text = "".join(json.dumps(dataclasses.asdict(line), ensure_ascii=False, sort_keys=True) + "\n" for line in ordered)
    target = pathlib.Path(path)
    partial = target.with_name(f"{target.name}.{os.getpid()}.partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(target)


def _parsed(line: str, reviewer: str) -> Override:
    told = json.loads(line)
    if not isinstance(told, dict):
        raise ValueError("not an object")
    importance = told.get("importance")
    if isinstance(importance, bool) or not isinstance(importance, int | float) or not math.isfinite(importance):
        raise ValueError(f"importance is {importance!r}, not a number")
    if not 0 <= importance <= 1:
        raise ValueError(f"importance is {importance}, outside 0 to 1")
    return Override(
        id=_whole(told, "id"),
        image_sha=_text(told, "image_sha"),
        scenario=_text(told, "scenario"),
        region=_whole(told, "region"),
        importance=float(np.float16(importance)),
        verified_by=_text({"verified_by": reviewer, **told} if reviewer else told, "verified_by"),
    )


def _whole(told: Mapping[str, Any], name: str) -> int:
    value = told.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"{name} is {value!r}, not a whole number from 0")
    return value


def _text(told: Mapping[str, Any], name: str) -> str:
    value = told.get(name)
    if not isinstance(value, str) or not value.strip() or len(value) > LONGEST_NAME or not value.isprintable():
        raise ValueError(f"{name} is {value!r}, not a text of 1 to {LONGEST_NAME} printable characters")
    return value
