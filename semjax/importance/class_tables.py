"""Class tables with the names of what they are of, as files: what variants without a student may be told.

A file is JSON with the fields of `ClassTables`. `semjax.importance.fit` makes one; the packaged `scenes` is of scenes
of split train, with the classes of `semjax.scenes.classes.scene_classes`; `coco` and `camvid` are of the stores of
split train that docs/teachers.md makes of real pictures.
"""

import dataclasses
import difflib
import importlib.resources
import json
import os
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float32, Integer

from semjax.importance.base import ImportanceError
from semjax.importance.tables import Labels, fit_scenario_table, fit_table

PACKAGED = ("scenes", "coco", "camvid")
"""Names of the tables that come with the package."""

FIELDS = ("about", "names", "scenarios", "static", "by_scenario")


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class ClassTables:
    """The mean importance of each class, over all scenarios and under each.

    Attributes:
      names: of the c classes; index c stands for any other class, and for none.
      scenarios: names of the s scenarios.
      static: of each class over all labels; the last is the mean of all labels.
      by_scenario: of each class under each scenario; the last is the mean of the scenario's labels.
      about: what the labels are of, in words.

    Raises:
      ImportanceError: names twice, other shapes, or values outside 0 to 1.
    """

    names: tuple[str, ...]
    scenarios: tuple[str, ...]
    static: Float32[np.ndarray, "c+1"]
    by_scenario: Float32[np.ndarray, "s c+1"]
    about: str = ""

    def __post_init__(self) -> None:
        c, s = len(self.names), len(self.scenarios)
        if self.static.shape != (c + 1,) or self.by_scenario.shape != (s, c + 1):
            raise ImportanceError(
                f"tables of {c} classes and {s} scenarios have the shapes ({c + 1},) and ({s}, {c + 1}), not "
                f"{self.static.shape} and {self.by_scenario.shape}: the last column is that of any other class"
            )
        for kind, names in (("class", self.names), ("scenario", self.scenarios)):
            twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
            if twice:
                raise ImportanceError(f"{kind} {twice[0]!r} stands twice in the tables")
        values = np.append(self.static, self.by_scenario)
        if not ((values >= 0) & (values <= 1)).all():
            raise ImportanceError("importance in the tables must be between 0 and 1")

    def under(self, scenarios: Sequence[str]) -> Float32[np.ndarray, "r c+1"]:
        """The rows of `by_scenario` of these scenarios, in their order.

        Raises:
          ImportanceError: a scenario that the tables do not have.
        """
        for name in scenarios:
            if name not in self.scenarios:
                near = difflib.get_close_matches(name, self.scenarios, n=1)
                hint = f"; nearest is {near[0]}" if near else ""
                raise ImportanceError(
                    f"the class tables have no scenario {name!r}{hint}; they have: {', '.join(self.scenarios)}"
                )
        return self.by_scenario[[self.scenarios.index(name) for name in scenarios]]


def fit(
    importance: Labels,
    classes: Integer[np.ndarray, "n m"],
    weight: Labels,
    *,
    names: Sequence[str],
    scenarios: Sequence[str],
    about: str = "",
) -> ClassTables:
    """The tables of labels, by `tables.fit_table` and `tables.fit_scenario_table`.

    Args:
      importance: labels of the regions of n pictures under each scenario.
      classes: of the regions, indices into `names`; their number for any other class.
      weight: of the labels, 0 where they failed or are missing.
      names: of the classes.
      scenarios: names of the scenarios.
      about: what the labels are of, in words.

    Raises:
      ImportanceError: shapes that do not fit together, a class that there is not, or no label at all.
    """
    c, alike = len(names), np.zeros_like(classes)
    static = fit_table(importance, classes, weight, count=c + 1)
    static[c:] = fit_table(importance, alike, weight, count=1)
    by_scenario = fit_scenario_table(importance, classes, weight, count=c + 1)
    by_scenario[:, c:] = fit_scenario_table(importance, alike, weight, count=1)
    return ClassTables(
        names=tuple(names), scenarios=tuple(scenarios), static=static, by_scenario=by_scenario, about=about
    )


def load_tables(name_or_path: str | os.PathLike[str]) -> ClassTables:
    """Reads class tables.

    Args:
      name_or_path: one of `PACKAGED`, or a file.

    Raises:
      ImportanceError: there is no such file, or it holds no class tables.

    >>> load_tables("scenes").names[:2]
    ('sky', 'grass')
    """
    name = os.fspath(name_or_path)
    packaged = importlib.resources.files("semjax.importance") / f"tables_{name}.json" if name in PACKAGED else None
    try:
        text = (packaged or pathlib.Path(name)).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise ImportanceError(
            f"class tables {name!r} cannot be read ({reason}); name one of {', '.join(PACKAGED)}, or a file made with: "
            "python -m semjax.importance.fit --stores STORE ... FILE.json"
        ) from error
    try:
        return _read(json.loads(text))
    except ValueError as error:
        raise ImportanceError(f"{name} holds no class tables: {error}") from error


def save_tables(tables: ClassTables, path: str | os.PathLike[str]) -> None:
    """Writes class tables; `load_tables` gives back the same values.

    Raises:
      OSError: the file cannot be written.
    """
    rows = ",\n".join(f"  {json.dumps(_shortest(row))}" for row in tables.by_scenario)
    plain = {"about": tables.about, "names": tables.names, "scenarios": tables.scenarios}
    lines = [f" {json.dumps(key)}: {json.dumps(value)}," for key, value in plain.items()]
    lines += [f' "static": {json.dumps(_shortest(tables.static))},', f' "by_scenario": [\n{rows}\n ]']
    pathlib.Path(path).write_text("\n".join(["{", *lines, "}", ""]), encoding="utf-8")


def _shortest(row: Float32[np.ndarray, "c"]) -> list[float]:
    """The numbers with the fewest digits that are those of the row in float32."""
    return [float(str(value)) for value in row]


def _read(told: Any) -> ClassTables:
    if not isinstance(told, dict) or set(told) != set(FIELDS):
        raise ImportanceError(f"it must be an object with the fields {', '.join(FIELDS)}")
    for key in ("names", "scenarios"):
        if not isinstance(told[key], list) or not all(isinstance(name, str) for name in told[key]):
            raise ImportanceError(f"{key} must be a list of texts")
    try:
        static, by_scenario = (np.array(told[key], np.float32) for key in ("static", "by_scenario"))
    except (ValueError, TypeError) as error:
        raise ImportanceError("static must be a list of numbers, by_scenario a list of such lists") from error
    return ClassTables(
        names=tuple(told["names"]),
        scenarios=tuple(told["scenarios"]),
        static=static,
        by_scenario=by_scenario,
        about=str(told["about"]),
    )
