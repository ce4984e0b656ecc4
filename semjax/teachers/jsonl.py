"""What an outside model said of pictures, as JSON lines, and everything that can be wrong with such a file.

One line per picture:

    {"image": "000000000025.jpg", "split": "train", "annotator": "A", "conf": 8,
     "objects": [{"object_index": 1, "mask_value": 2, "category": "giraffe",
                  "importance": {"driving": 2, ...}, "importance_second": {...} (optional)}, ...],
     "caption": "...", "background": {"scene": "...", "background": "...", "style": "..."},
     "qa": [{"question": "...", "answer": "...", "object_index": 1 or null}, ...]}

`importance` goes from 0 to 9 and has a value for every scenario. `split`, `annotator`, `conf`, `caption`, `background`
and `qa` may be left out. `mask_value` is the object's value in the picture's id map, `object_index` how questions call
it. Beside it lies `scenarios.json`, {name: the text that the model was given}.
"""

import dataclasses
import json
import os
import pathlib
from collections.abc import Mapping, Sequence

from semjax.teachers.base import Scenario
from semjax.teachers.jsonl_line import Annotation, LineFault, nearest, parse

SHOWN = 20


class JsonlError(ValueError):
    """A file of annotations that cannot be used; the message names the lines."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class BadLine:
    """A line that cannot be used, and why."""

    line: int
    reason: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.reason}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Checked:
    """The good lines by image name, in the order of the file, and the bad ones."""

    good: Mapping[str, Annotation]
    bad: tuple[BadLine, ...]


def read_scenarios(path: str | os.PathLike[str]) -> tuple[Scenario, ...]:
    """The scenarios of a `scenarios.json`, in its order.

    Raises:
      JsonlError: no such file, or not {name: text}.
    """
    try:
        told = json.loads(_read(path, "name the scenarios with --scenarios FILE"))
    except ValueError as error:
        if isinstance(error, JsonlError):
            raise
        raise JsonlError(f"{path} is not JSON ({error})") from error
    if not isinstance(told, dict) or not told or not all(isinstance(text, str) and text for text in told.values()):
        raise JsonlError(f"{path} is not an object of scenarios, {{name: text}}")
    return tuple(Scenario(name=name, text=text) for name, text in told.items())


def read_annotations(
    path: str | os.PathLike[str],
    scenarios: Sequence[Scenario],
    *,
    max_bad: float = 0.0,
) -> dict[str, Annotation]:
    """The annotations of a file by image name.

    Args:
      path: the JSONL file.
      scenarios: all that a line may speak of, and must.
      max_bad: share of lines that may be bad; those are left out.

    Raises:
      JsonlError: no such file, no line in it, or more bad lines; the message has the number and fault of each.
    """
    found = check_annotations(read_lines(path), scenarios)
    judge(found, name=str(path), max_bad=max_bad)
    return dict(found.good)


def judge(found: Checked, *, name: str, max_bad: float = 0.0) -> None:
    """Refuses a file with too many bad lines, or none at all.

    Raises:
      JsonlError: with the first `SHOWN` of the bad lines, and how many more there are.
    """
    if not 0 <= max_bad <= 1:
        raise JsonlError(f"max_bad={max_bad} must be a share between 0 and 1")
    total = len(found.good) + len(found.bad)
    if not total:
        raise JsonlError(f"{name} holds no line")
    if len(found.bad) > max_bad * total or not found.good:
        raise JsonlError(
            f"{name}: {len(found.bad)} of {total} lines cannot be used, more than max_bad={max_bad:g} allows:"
            f"{listed(found.bad)}\ncorrect them, or leave them out with --max_bad=SHARE"
        )


def listed(bad: Sequence[BadLine]) -> str:
    """The first `SHOWN` bad lines, each on a line of its own."""
    more = f"\n  and {len(bad) - SHOWN} more" if len(bad) > SHOWN else ""
    return "".join(f"\n  {line}" for line in bad[:SHOWN]) + more


def read_lines(path: str | os.PathLike[str]) -> list[str]:
    """The lines of a file.

    Raises:
      JsonlError: it cannot be read.
    """
    return _read(path, "name the file of annotations").split("\n")


def check_annotations(lines: Sequence[str], scenarios: Sequence[Scenario]) -> Checked:
    """Reads every line; a bad one does not end it.

    Args:
      lines: without their ends; empty ones are passed over.
      scenarios: all that a line may speak of, and must.
    """
    names = tuple(scenario.name for scenario in scenarios)
    good: dict[str, Annotation] = {}
    bad = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            annotation = parse(line, number, names)
            if annotation.image in good:
                raise LineFault(f"{annotation.image!r} was annotated on line {good[annotation.image].line} already")
            good[annotation.image] = annotation
        except LineFault as fault:
            bad.append(BadLine(line=number, reason=str(fault)))
    return Checked(good=good, bad=tuple(bad))


def of_split(found: Checked, split: str, images: Sequence[str]) -> Checked:
    """What is said of the pictures of one split; a line that names a picture that is not there becomes a bad one.

    Args:
      found: all lines; those that name another split are left out.
      split: which.
      images: the names of its pictures.
    """
    known, good, bad = frozenset(images), {}, list(found.bad)
    for name, annotation in found.good.items():
        if annotation.split not in ("", split):
            continue
        if name in known:
            good[name] = annotation
        else:
            bad.append(BadLine(line=annotation.line, reason=f"there is no picture {name!r}{nearest(name, known)}"))
    return Checked(good=good, bad=tuple(sorted(bad, key=lambda line: line.line)))


def _read(path: str | os.PathLike[str], advice: str) -> str:
    try:
        # Bytes that are no UTF-8 become lone surrogates, so that the line they are in is reported, not the file.
        return pathlib.Path(path).read_text(encoding="utf-8-sig", errors="surrogateescape")
    except OSError as error:
        raise JsonlError(f"{path} cannot be read ({error.strerror}); {advice}") from error
