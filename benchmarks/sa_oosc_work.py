"""The work of the SA-OOSC benchmark in pieces, each kept in a file, so that a run that was cut off goes on.

A piece is what one checkpoint gave on the pictures of one split at one condition and token. It is made anew if the
checkpoint, the token or the number of pictures is another than when it was made.
"""

import dataclasses
import functools
import json
import pathlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from sa_oosc_ends import Arrays, Ends, coded, scored, transmitted
from sa_oosc_models import Condition, Model, shown
from sa_oosc_others_codecs import Coder
from sa_oosc_pieces import FACTS, arrays_of, each, keep, kept, replace
from sa_oosc_tokens import TARGET, Calibration

from semjax.app.compile_cache import compile_cache

MORE = 8
"""So many times more pictures of val than tokens are tried on are counted once."""
VERSION = 1
"""Goes up when the same piece would hold other values."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Task:
    """One piece of one checkpoint.

    Attributes:
      what: a name in `MAKERS`.
      split, count: the pictures, the first `count` scenes of a split.
      condition: over what they are sent, or only calibrated for.
      token: the rate token; None = the condition's on val.
    """

    what: str
    split: str
    count: int
    condition: Condition
    token: float | None = None

    def __str__(self) -> str:
        token = "" if self.token is None else f"_token{self.token:g}"
        return f"{self.what}_{self.split}_{self.condition}{token}"


def _sent(ends: Ends, task: Task, token: float, *, asks: bool) -> Arrays:
    pictures = shown(task.split, task.count)
    return transmitted(ends, pictures, condition=task.condition, token=token, asks=asks)


def _unsent(ends: Ends, task: Task, token: float) -> Arrays:
    pictures = shown(task.split, task.count)
    ids = np.concatenate([batch["id"][batch["_mask"]] for batch in pictures.batches])
    told = pictures.exam.baselines(ids)
    return {"id": ids, **{f"{who}/{name}": n for who, counts in told.items() for name, n in counts.items()}}


MAKERS: dict[str, Callable[[Any, Task, float], Arrays]] = {
    "asked": functools.partial(_sent, asks=True),
    "sent": functools.partial(_sent, asks=False),
    "coded": lambda ends, task, token: coded(ends, shown(task.split, task.count), token=token),
    "scored": lambda ends, task, token: scored(ends, shown(task.split, task.count), token=token),
    "unsent": _unsent,
    "fitted": lambda coder, task, token: coder.fitted(shown(task.split, task.count)),
    "separated": lambda coder, task, token: coder.sent(shown(task.split, task.count)),
}
"""Pictures over the real chain, with and without a reader; maps of lengths; importance; answers without a picture; what
a picture codec makes of pictures, and these sent."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Bench:
    """Where pieces are kept, and how many pictures there are.

    Attributes:
      work: folder of the pieces.
      pictures: of each split that is measured.
      val: pictures that tokens are calibrated on.
    """

    work: pathlib.Path
    pictures: int
    val: int

    def calibrated(self, model: Model, condition: Condition) -> dict[str, Any] | None:
        """What is known of a condition's token; None before it was calibrated. Where none will do, it says "why"."""
        path = self._tokens(model)
        told = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        return told.get("tokens", {}).get(str(condition)) if told.get(FACTS) == self._of_tokens(model) else None

    def calibrate(self, model: Model, conditions: Iterable[Condition], ends: Callable[[], Ends]) -> None:
        """Calibrates what is not known yet."""
        new = [condition for condition in dict.fromkeys(conditions) if self.calibrated(model, condition) is None]
        if not new:
            return
        calibration = Calibration(ends=ends(), pictures=shown("val", self.val), more=shown("val", MORE * self.val))
        path = self._tokens(model)
        told = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        tokens = told.get("tokens", {}) if told.get(FACTS) == self._of_tokens(model) else {}
        for condition in new:
            try:
                tokens[str(condition)] = calibration.token(condition)
            except ValueError as error:
                tokens[str(condition)] = {"token": None, "why": str(error)}
            text = json.dumps({FACTS: self._of_tokens(model), "tokens": tokens}, indent=1)
            replace(path, text.encode())

    def has(self, model: Model, task: Task) -> bool:
        """Whether a piece was made, of this checkpoint and token."""
        return kept(self._path(model, task), self._facts(model, task))

    def piece(self, model: Model, task: Task) -> Arrays:
        """The arrays of a piece.

        Raises:
          ValueError: it was not made yet, or of another checkpoint or token.
        """
        if not self.has(model, task):
            raise ValueError(f"{model.name} has no piece {task} in {self.work}: run the part that makes it")
        return arrays_of(self._path(model, task))

    def make(self, model: Model, task: Task, ends: Ends | Coder) -> None:
        """Makes a piece, and keeps it."""
        facts = self._facts(model, task)
        assert facts is not None, f"{model.name} was not calibrated for {task}"
        arrays = MAKERS[task.what](ends, task, facts["token"])
        keep(self._path(model, task), arrays, facts)

    def why_not(self, model: Model, task: Task) -> str:
        """Why a piece cannot be made: no token meets the target; "" if it can."""
        return "" if task.token is not None else (self.calibrated(model, task.condition) or {}).get("why", "")

    def _facts(self, model: Model, task: Task) -> dict[str, Any] | None:
        told = self.calibrated(model, task.condition) if task.token is None else {"token": task.token}
        about = {"checkpoint": model.digest, "count": task.count, "version": VERSION}
        return {**about, "token": told["token"]} if told and told["token"] is not None else None

    def _of_tokens(self, model: Model) -> dict[str, Any]:
        return {"checkpoint": model.digest, "count": self.val, "target": TARGET, "version": VERSION}

    def _tokens(self, model: Model) -> pathlib.Path:
        return self.work / model.name / "tokens.json"

    def _path(self, model: Model, task: Task) -> pathlib.Path:
        return self.work / model.name / f"{task}.npz"


Wanted = tuple[Model, Task]


@functools.lru_cache(maxsize=64)
def _ends(model: Model) -> Any:
    return model if isinstance(model, Coder) else Ends(model)


def calibrated(model: Model, tasks: Sequence[Task], bench: Bench) -> str:
    """Calibrates what the tasks of one checkpoint need; says what was done."""
    conditions = [task.condition for task in tasks if task.token is None]
    with compile_cache(str(bench.work / "programs")):
        bench.calibrate(model, conditions, lambda: _ends(model))
    return f"{model.name}: rate tokens of {len(set(conditions))} conditions"


def made(wanted: Sequence[Wanted], bench: Bench) -> str:
    """Makes what is missing; says what was done."""
    with compile_cache(str(bench.work / "programs")):
        for model, task in wanted:
            if not (bench.has(model, task) or bench.why_not(model, task)):
                bench.make(model, task, _ends(model))
    return ", ".join(dict.fromkeys(str(task) for _, task in wanted))


def work(wanted: Sequence[Wanted], *, bench: Bench, jobs: int) -> None:
    """Makes all that is missing.

    Rate tokens come first, checkpoint by checkpoint; then pieces, condition by condition: those of one condition share
    the programs of the coded link, of which a process can keep only so many.

    Args:
      wanted: checkpoints and tasks.
      bench: where pieces are kept.
      jobs: processes; 1 = this one.
    """
    by_model: dict[Model, list[Task]] = {}
    for model, task in dict.fromkeys(wanted):
        by_model.setdefault(model, []).append(task)
    each(calibrated, [(model, tasks, bench) for model, tasks in by_model.items()], jobs=jobs, unit="checkpoint")
    by_task: dict[Task, list[Wanted]] = {}
    for model, task in dict.fromkeys(wanted):
        if not (bench.has(model, task) or bench.why_not(model, task)):
            by_task.setdefault(task, []).append((model, task))
    # The coded link takes longest: what begins with it ends together.
    groups = sorted(by_task.values(), key=lambda group: group[0][1].condition.link != "coded")
    each(made, [(group, bench) for group in groups], jobs=jobs, unit="task")
