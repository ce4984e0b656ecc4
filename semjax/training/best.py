"""The best states of a run by a figure of merit, kept apart from the checkpoints that it continues from.

Same layout, same manifests; the figure is in the facts of each step as "value". What is not finite never wins.
"""

import math
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

from semjax.training import shelf as stored
from semjax.training.leaves import flat
from semjax.training.manifest import CheckpointError
from semjax.training.reading import Reader, from_first, quarantine, say
from semjax.training.shelf import Shelf
from semjax.training.writing import Writer
from semjax.types import Tree

VALUE = "value"


def highest_first(shelf: Shelf) -> list[int]:
    """Steps from the highest value to the lowest, the older first among equals; the order of a `Reader` of the best."""
    return _ranked({step: _value(shelf, step) for step in shelf.all()})


class Best:
    """The `keep` best states offered so far, in one directory; for the one run that owns it. Close it.

    Bad entries found at the first offer are set aside with a line: the run goes on without them. In a run of several
    processes all of them call every method, `offer` with the same value.

    Args:
      directory: made by the first offer that is kept.
      keep: how many are kept.
      on_note: takes one line for each entry set aside.

    Raises:
      CheckpointError: the directory is of a newer format; nothing was changed.
    """

    def __init__(self, directory: pathlib.Path, *, keep: int = 1, on_note: Callable[[str], None] = say):
        if keep < 1:
            raise CheckpointError(f"at least one best state must be kept, not {keep}")
        self._keep, self._on_note = keep, on_note
        self._shelf = Shelf(directory=directory.absolute())
        self._reader = Reader(directory, order=highest_first, dismiss=quarantine, on_note=on_note)
        self._writer = Writer(self._shelf, on_note=on_note)
        self._values: dict[int, float] | None = None
        self._coming: dict[int, float] | None = None

    def __enter__(self) -> "Best":
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        try:
            self.close()
        except CheckpointError as failed:
            if kind is None:
                raise
            self._on_note(str(failed))

    def close(self) -> None:
        """Waits for what is being written; raises CheckpointError as `wait`."""
        self._writer.close()

    def wait(self) -> None:
        """Waits until what is being written is durable.

        Raises:
          CheckpointError: it could not be written; what was best before still is. Told once.
        """
        coming, self._coming = self._coming, None
        self._writer.wait()
        self._values = self._values if coming is None else coming

    def offer(self, state: Tree, *, step: int, value: float, meta: Mapping[str, Any]) -> bool:
        """Keeps a state if it is among the best; writes in the background.

        Among equals the older stays. A step that is kept already is replaced only by a higher value; offering the same
        value again changes nothing.

        Args:
          state: what is kept, any pytree of arrays; may be donated as soon as this returns.
          step: its step.
          value: its figure of merit, higher is better.
          meta: facts, plain JSON values.

        Returns:
          Whether the state is now kept. False for a value that is not finite.

        Raises:
          CheckpointError: an earlier write failed, or this one cannot begin.
        """
        value = float(value)
        if not _counts(value):
            return False
        self.wait()
        values = self._known()
        if step in values and value <= values[step]:
            return value == values[step]
        rivals = {**{s: v for s, v in values.items() if s != step}, step: value}  # the newcomer last: it loses ties
        kept = {s: rivals[s] for s in _ranked(rivals)[: self._keep]}
        if step not in kept:
            return False
        self._coming = kept
        facts = {**meta, VALUE: value}
        self._reader.look_again()
        self._writer.start(
            flat(state), step=step, data_state={}, meta=facts, retire=lambda: sorted({*values} - {*kept})
        )
        return True

    def best(self) -> tuple[int, float] | None:
        """Step and value of the best state, counting one that is being written; None if there is none."""
        values = self._coming or self._known()
        return next(((step, values[step]) for step in _ranked(values)), None)

    def meta(self) -> dict[str, Any]:
        """Facts of the best state that can be believed; raises CheckpointError if there is none."""
        self.wait()
        return self._reader.meta()

    def restore_part(self, abstract: Tree) -> Tree:
        """Reads leaves of the best state that can be believed; see `Checkpoints.restore_part`."""
        self.wait()
        return self._reader.restore_part(abstract)

    def _known(self) -> dict[int, float]:
        """Values of the entries, read and verified once."""
        if self._values is None:
            if self._shelf.directory.exists():
                self._writer.prepare()
            self._values = {int(step): value for step, value in from_first(self._verified).items()}
        return self._values

    def _verified(self) -> dict[str, float]:
        found: dict[str, float] = {}
        for step in self._shelf.all():
            reason = self._shelf.fault(step)
            value = _value(self._shelf, step) if reason is None else math.nan
            if _counts(value):
                found[str(step)] = value
            else:
                where, why = self._shelf.path(step), reason or "it has no value"
                self._on_note(f"best state {where} is bad: {why}; {quarantine(self._shelf, step)}")
        return found


def _counts(value: float) -> bool:
    return math.isfinite(value)


def _ranked(values: Mapping[int, float]) -> list[int]:
    return sorted(values, key=lambda step: -values[step])  # stable: the order of `values` decides among equals


def _value(shelf: Shelf, step: int) -> float:
    try:
        value = float(stored.facts(shelf.path(step))[VALUE])
    except (OSError, KeyError, TypeError, ValueError):
        return -math.inf
    return value if _counts(value) else -math.inf
