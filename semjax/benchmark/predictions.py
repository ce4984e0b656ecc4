"""A file of predictions: one line of JSON per picture, read with all its faults listed at once.

    {"part": "coco", "split": "test", "scale": 9}
    {"image": "000000000133.jpg", "objects": [{"object_index": 0, "importance": {"driving": 0.5, "sports": 8, ...}}]}

The first line may be left out. `scale` says which number means indispensable: 9 or 1; null says that only the order of
the numbers means anything. `image` is the picture's name, or its place in the split. Every labelled object of the split
needs a finite number under every scenario; an object that has no label may be there and is not scored.
"""

import json
import math
import pathlib
from typing import Any

import numpy as np
from jaxtyping import Float

from semjax.benchmark.labels import LEVELS, Labels
from semjax.benchmark.objects import BenchmarkError

SHOWN = 12
"""Faults that an error lists."""
SCALES: dict[str, float | None] = {"9": 9.0, "1": 1.0, "none": None}


class _Reading:
    """The predictions gathered so far, and what was wrong."""

    def __init__(self, labels: Labels):
        self.labels, self.faults = labels, []
        self.values = np.full(labels.importance.shape, np.nan)
        self.place = {name: i for i, name in enumerate(labels.names)}
        objects = zip(labels.picture.tolist(), labels.object_index.tolist(), strict=True)
        self.rows = {key: row for row, key in enumerate(objects)}
        self.seen: dict[Any, int] = {}
        self.header: dict[str, Any] = {}

    def line(self, number: int, text: str) -> None:
        """Takes one line."""
        try:
            said = json.loads(text)
        except ValueError as error:
            return self.fault(number, f"not JSON ({error})")
        if not isinstance(said, dict):
            return self.fault(number, "not a JSON object")
        if number == 1 and "image" not in said:
            self.header = said
            return None
        picture = self.picture(number, said.get("image"))
        if picture is None or not self.once(number, picture, f"picture {said['image']!r}"):
            return None
        objects = said.get("objects")
        if not isinstance(objects, list):
            return self.fault(number, "`objects` is not a list")
        for each in objects:
            self.thing(number, picture, each)

    def picture(self, number: int, name: Any) -> int | None:
        """Which picture a line is of."""
        if isinstance(name, int) and not isinstance(name, bool) and 0 <= name < len(self.place):
            return name
        if isinstance(name, str) and name in self.place:
            return self.place[name]
        return self.fault(number, f"no picture {name!r} in split {self.labels.split} of part {self.labels.part}")

    def thing(self, number: int, picture: int, said: Any) -> None:
        """Takes one object."""
        index = said.get("object_index") if isinstance(said, dict) else None
        if not isinstance(index, int) or isinstance(index, bool):
            return self.fault(number, "an object without a whole number as `object_index`")
        if not self.once(number, (picture, index), f"object {index}"):
            return None
        row = self.rows.get((picture, index))
        if row is None:  # not labelled: not scored
            return None
        given = said.get("importance")
        if not isinstance(given, dict):
            return self.fault(number, f"object {index}: `importance` is not an object of scenarios and numbers")
        for column, scenario in enumerate(self.labels.scenarios):
            value = given.get(scenario)
            if isinstance(value, int | float) and not isinstance(value, bool) and _finite(value):
                self.values[row, column] = value
            elif scenario in given:
                self.fault(number, f"object {index}, {scenario}: {value!r} is not a finite number")
            else:
                self.fault(number, f"object {index}: nothing said under {scenario}")

    def once(self, number: int, key: Any, name: str) -> bool:
        """Whether a picture or object comes for the first time."""
        if key in self.seen:
            self.fault(number, f"{name} was already on line {self.seen[key]}")
            return False
        self.seen[key] = number
        return True

    def fault(self, number: int, what: str) -> None:
        """Notes what is wrong with a line."""
        self.faults.append(f"line {number}: {what}")

    def finish(self) -> None:
        """Notes which objects nothing was said of, and a header of other labels."""
        for key, mine in (("part", self.labels.part), ("split", self.labels.split)):
            if self.header.get(key, mine) != mine:
                self.faults.insert(0, f"line 1: {key} {self.header[key]!r}, but {mine!r} is scored; give --{key}")
        for (picture, index), _ in self.rows.items():
            name = self.labels.names[picture]
            if picture not in self.seen:
                if f"no line for picture {name}" not in self.faults[-1:]:
                    self.faults.append(f"no line for picture {name}")
            elif (picture, index) not in self.seen:
                self.faults.append(f"line {self.seen[picture]}: {name} lacks object {index}")


def read(
    path: pathlib.Path, labels: Labels, *, scale: str | None = None
) -> tuple[Float[np.ndarray, "n s"], float | None]:
    """Reads predictions for the objects of some labels.

    Args:
      path: the file.
      labels: of the split that is predicted.
      scale: "9", "1" or "none"; None takes that of the first line, and 9 where that says nothing.

    Returns:
      The predicted importance, divided by the scale; and the scale, None where only the order counts.

    Raises:
      BenchmarkError: the file cannot be read, or lacks or has something that it should not; all faults are counted,
        the first are listed with their lines.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BenchmarkError(f"{path} cannot be read as UTF-8 text ({error})") from error
    reading = _Reading(labels)
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            reading.line(number, line)
    reading.finish()
    top = SCALES[scale] if scale else _scale(reading)
    if reading.faults:
        shown = "\n".join(f"  {fault}" for fault in reading.faults[:SHOWN])
        more = len(reading.faults) - SHOWN
        raise BenchmarkError(
            f"{path}: {len(reading.faults)} faults, nothing is scored:\n{shown}" + f"\n  and {more} more" * (more > 0)
        )
    return reading.values / (top or LEVELS), top


def write(prediction: Float[np.ndarray, "n s"], labels: Labels, path: pathlib.Path) -> None:
    """Writes importance in [0, 1] as a file of predictions on the scale of 9.

    Raises:
      BenchmarkError: the file cannot be written.
    """
    lines = [{"part": labels.part, "split": labels.split, "scale": LEVELS}]
    for i, name in enumerate(labels.names):
        objects = [
            {
                "object_index": int(labels.object_index[row]),
                "importance": dict(zip(labels.scenarios, np.round(LEVELS * prediction[row], 6).tolist(), strict=True)),
            }
            for row in np.flatnonzero(labels.picture == i)
        ]
        lines.append({"image": name, "objects": objects})
    try:
        path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    except OSError as error:
        raise BenchmarkError(f"{path} cannot be written ({error.strerror})") from error


def _scale(reading: _Reading) -> float | None:
    said = reading.header.get("scale", LEVELS)
    if said is None or (said in (LEVELS, 1) and not isinstance(said, bool)):
        return said
    reading.faults.insert(0, f"line 1: scale {said!r} is none of 9, 1 and null")
    return LEVELS


def _finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number beyond all floats
        return False
