"""The scenarios that a system learned, and whether it can be told those that are asked for.

A system that decides by a scenario what matters knows those that it was trained with, by number. Others, and none, are
refused here, on the host: inside `jit` a number that there is not gives NaN, and the number of another scenario a
picture that is sent under that one.
"""

import dataclasses
from typing import Any

import numpy as np
from jaxtyping import Int32

from semjax.app.errors import ConfigError, explained
from semjax.data.entries import blank_of
from semjax.data.files import Source
from semjax.evaluators.scenario_draw import DRAWN, ScenarioDraw, SceneScenarios, StoredScenarios
from semjax.importance.base import ImportanceError
from semjax.importance.embedding import ScenarioTable, check_scenarios
from semjax.importance.objects import ImportanceStudent
from semjax.importance.picture_student import PictureStudent
from semjax.scenes.scenarios import scenario_names

Ids = Int32[np.ndarray, "b"]
STUDENTS = (ImportanceStudent, PictureStudent)
"""Sources of importance that learned their scenarios by number or word."""


def learned_scenarios(cfg: Any, trainable: Any) -> SceneScenarios | StoredScenarios | None:
    """The scenarios that a system was trained with; None where it has none or its configuration does not name them."""
    if getattr(trainable, "worded", False):
        return SceneScenarios(split="test", name=DRAWN, seed=cfg.eval.seed)
    names = tuple(cfg.data.train.get("teachers", {}).get("scenarios", ()))
    return StoredScenarios(names=names, name=DRAWN, seed=cfg.eval.seed) if names else None


def rows_of(trainable: Any) -> int | None:
    """How many scenarios a system knows by number; None if it knows none in that way."""
    student = _importance(trainable)
    table = student if isinstance(student, PictureStudent) else getattr(student, "scenario", None)
    return table.scenarios if isinstance(table, ScenarioTable | PictureStudent) else None


def checked(ids: Ids, rows: int | None, *, where: str) -> Ids:
    """The ids, if a system that knows `rows` scenarios knows these; None takes all.

    Raises:
      ConfigError: it does not.
    """
    try:
        if rows is not None:
            check_scenarios(ids, rows)
    except ImportanceError as error:
        raise ConfigError(f"{where}: {error}, as the system was trained") from error
    return ids


def public_scenario(cfg: Any, trainable: Any, name: str, *, where: str) -> dict[str, Int32[np.ndarray, "1 ..."]]:
    """What is public of the scenario of one picture that no data source knows.

    Args:
      cfg: of the run.
      trainable: its system.
      name: of one of the scenarios that it was trained with; its number, where the run does not name them; "" if the
        picture has none.
      where: flag that the name comes from.

    Returns:
      "scenario" [1] and, where it has words, "text" [1, l]; {} without a name.

    Raises:
      ConfigError: no such scenario, none for a system that needs one, or a system that is told the truth.
    """
    if hasattr(trainable, "given_of"):
        raise ConfigError(
            "the checkpoint's variant is told what matters in a picture, and of a picture from a file nobody knows it: "
            "take a checkpoint of another variant"
        )
    learned = learned_scenarios(cfg, trainable)
    if not name:
        _check_named(trainable, where=where, known="" if learned is None else f"; there are: {_listed(learned)}")
        return {}
    if learned is None:
        return {"scenario": _numbered(name, rows_of(trainable), where=where)}
    with explained(where):
        return dataclasses.replace(learned, name=name).columns([0])


def names_of(scenarios: ScenarioDraw) -> tuple[str, ...]:
    """The names of all scenarios that pictures may have, in the order of their numbers."""
    return scenarios.names if isinstance(scenarios, StoredScenarios) else tuple(scenario_names())


def check_same(cfg: Any, trainable: Any, scenarios: ScenarioDraw, *, where: str, instead: str = "") -> None:
    """Makes sure that a student learned the scenarios that pictures have, and by the same numbers.

    Args:
      cfg: of the run.
      trainable: its system.
      scenarios: of the pictures.
      where: what the scenarios come from.
      instead: what else there is to do about it.

    Raises:
      ConfigError: others than those that it was trained with.
    """
    learned = learned_scenarios(cfg, trainable)
    if learned is None or not isinstance(_importance(trainable), STUDENTS):
        return
    if names_of(scenarios) != names_of(learned):
        raise ConfigError(
            f"{where}: the pictures have labels of the scenarios {_listed(scenarios)}, but the system was trained with "
            f"{_listed(learned)}, and would take one for another: take pictures with labels of those, in that order "
            f"(eval.data.teachers.scenarios){instead}"
        )


def check_evaluation(cfg: Any, source: Source, trainable: Any, scenarios: ScenarioDraw | None) -> None:
    """Makes sure that a system can be told what it needs of the pictures of an evaluation.

    Args:
      cfg: of the run, with the evaluation's changes.
      source: the pictures of `eval.data`.
      trainable: the run's system.
      scenarios: of the pictures.

    Raises:
      ConfigError: no scenario for a system that needs one, others than those that it was trained with, or no labels
        for a variant that is told them.
    """
    if scenarios is None:
        _check_named(trainable, where="eval.scenario", known=", or drawn for each picture")
        return
    if hasattr(trainable, "given_of") and "ids" not in blank_of(source).get("maps", {}):
        raise ConfigError(
            "eval.data has no labels, and this variant is told them: set eval.data.truth of scenes, or "
            "eval.data.teachers.stores"
        )
    check_same(cfg, trainable, scenarios, where="eval.scenario")


def _numbered(text: str, rows: int | None, *, where: str) -> Ids:
    if rows is None:
        raise ConfigError(f"{where}={text}: the checkpoint's system knows no scenario; leave the flag away")
    if not text.isdecimal():
        raise ConfigError(
            f"{where}={text}: the checkpoint's configuration names no scenarios (data.train.teachers.scenarios); give "
            f"the number of one, 0 to {rows - 1}"
        )
    return checked(np.array([int(text)], np.int32), rows, where=where)


def _check_named(trainable: Any, *, where: str, known: str) -> None:
    """Refuses a system that decides by a scenario, where none is named."""
    if isinstance(_importance(trainable), STUDENTS) or hasattr(trainable, "given_of"):
        raise ConfigError(f"{where}: what this system sends depends on the scenario, so one must be named{known}")


def _importance(trainable: Any) -> Any:
    return getattr(getattr(trainable, "module", None), "importance", None)


def _listed(scenarios: ScenarioDraw) -> str:
    return ", ".join(names_of(scenarios))
