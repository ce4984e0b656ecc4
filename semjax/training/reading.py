"""Reading checkpoints: the best-placed step that can be believed, strictly into the shapes and dtypes asked for.

Steps are tried in an order (newest first, or highest value first); each is verified against its manifest, and one that
fails is dismissed with one line and the next is tried. Without a good one nothing is read and nothing is renamed.
"""

import contextlib
import dataclasses
import json
import pathlib
import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import jax
import numpy as np
from jax.experimental import multihost_utils

from semjax.training import leaves
from semjax.training import shelf as stored
from semjax.training.manifest import CheckpointError
from semjax.training.shelf import Shelf
from semjax.types import Tree

Answer = TypeVar("Answer")
LOOKS = 5
ROOM = 1 << 16
"""Bytes of an answer that the first process gives to the others."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Restored:
    """What a checkpoint held."""

    state: Tree
    data_state: dict[str, Any]
    meta: dict[str, Any]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Choice:
    """The step to read, whether it has a manifest, and the steps before it in the order that are bad, with reasons."""

    step: int
    verified: bool
    bad: Sequence[tuple[int, str]]


def say(line: str) -> None:
    """Prints a remark."""
    with contextlib.suppress(OSError, ValueError):  # nobody may be listening any more
        print(line, file=sys.stderr, flush=True)


def newest_first(shelf: Shelf) -> list[int]:
    """Steps from the newest to the oldest."""
    return shelf.all()[::-1]


def skip(shelf: Shelf, step: int) -> str:
    """Leaves a bad step where it is: for readers beside a run."""
    return "skipped"


def quarantine(shelf: Shelf, step: int) -> str:
    """Sets a bad step aside: for the one run that owns the directory."""
    return f"set aside as {shelf.quarantine(step).name}"


class Reader:
    """Reads the checkpoints of a directory; by itself it never changes anything there, so it may stand beside a run.

    The step it chose first stays its step until `look_again`.

    Args:
      directory: of the checkpoints.
      order: the steps in the order in which they are tried.
      dismiss: what is done with a bad step when a good one was found; returns what to say.
      on_note: takes one line for each step dismissed.

    Raises:
      CheckpointError: the directory is of a newer format.
    """

    def __init__(
        self,
        directory: pathlib.Path,
        *,
        order: Callable[[Shelf], list[int]] = newest_first,
        dismiss: Callable[[Shelf, int], str] = skip,
        on_note: Callable[[str], None] = say,
    ):
        self.shelf = Shelf(directory=directory.absolute())
        self._order, self._dismiss, self.on_note = order, dismiss, on_note
        self._choice: Choice | None = None
        self.shelf.check_format()

    def latest(self) -> int | None:
        """Step of the newest finished checkpoint, by a cheap look; None if there is none.

        Raises:
          CheckpointError: there are step directories, but none is finished: starting anew would lose them.
        """
        finished, there = self.shelf.finished(), self.shelf.all()
        if there and not finished:
            raise _none_good(self.shelf, [(step, self.shelf.fault(step) or "") for step in reversed(there)])
        return finished[-1] if finished else None

    def look_again(self) -> None:
        """Forgets which step was chosen."""
        self._choice = None

    def meta(self) -> dict[str, Any]:
        """Facts of the chosen checkpoint.

        Raises:
          CheckpointError: there is none that can be believed.
        """
        return self._use(lambda folder: stored.facts(folder))

    def restore(self, abstract_state: Tree) -> Restored:
        """Reads a checkpoint; see `Checkpoints.restore_latest`."""

        def read(folder: pathlib.Path) -> Restored:
            meta, wanted = stored.facts(folder), leaves.flat(abstract_state)
            strangers = sorted(set(meta["leaves"]) - set(wanted))
            leaves.check(folder, saved=meta["leaves"], wanted=wanted, strangers=strangers)
            self._settle()
            state = jax.tree.unflatten(jax.tree.structure(abstract_state), list(leaves.read(folder, wanted).values()))
            return Restored(state=state, data_state=stored.data_state(folder), meta=meta)

        return self._use(read)

    def restore_part(self, abstract: Tree) -> Tree:
        """Reads only the leaves of `abstract`, a tree whose paths are among the saved ones.

        Raises:
          CheckpointError: as `Checkpoints.restore_latest`, but leaves that are not asked for are left alone.
        """

        def read(folder: pathlib.Path) -> Tree:
            wanted = leaves.flat(abstract)
            leaves.check(folder, saved=stored.facts(folder)["leaves"], wanted=wanted, strangers=[])
            self._settle()
            return jax.tree.unflatten(jax.tree.structure(abstract), list(leaves.read(folder, wanted).values()))

        return self._use(read)

    def choose(self) -> int:
        """The step that is read.

        Raises:
          CheckpointError: there is none that can be believed; every step is named with its reason.
        """
        if self._choice is None:
            self._choice = Choice(**from_first(lambda: dataclasses.asdict(self._survey())))
        return self._choice.step

    def _survey(self) -> Choice:
        bad: list[tuple[int, str]] = []
        for _ in range(LOOKS):
            bad, retired = [], False
            for step in self._order(self.shelf):
                reason = self.shelf.fault(step)
                if reason is None:
                    return Choice(step=step, verified=self.shelf.verifiable(step), bad=bad)
                if self.shelf.path(step).exists():
                    bad.append((step, reason))
                else:
                    retired = True  # by the run beside this reader, while it was being verified: there is a newer one
            if not retired:
                break
        raise _none_good(self.shelf, bad)

    def _use(self, read: Callable[[pathlib.Path], Answer]) -> Answer:
        """What `read` makes of the chosen step's directory; anew if the run beside this one retires it meanwhile."""
        for look in range(LOOKS):
            try:
                return read(self.shelf.path(self.choose()))
            except Exception:
                choice = self._choice
                if choice is None or self.shelf.path(choice.step).exists() or look == LOOKS - 1:
                    raise
                self.look_again()
        raise AssertionError("unreachable")

    def _settle(self) -> None:
        """Dismisses, once, the bad steps that were passed over."""
        choice = self._choice
        if choice is None or jax.process_index():
            return
        for step, reason in choice.bad:
            self.on_note(f"checkpoint {self.shelf.path(step)} is bad: {reason}; {self._dismiss(self.shelf, step)}")
        if not choice.verified:
            self.on_note(f"checkpoint {self.shelf.path(choice.step)} is not verified: it is older than manifests")
        self._choice = dataclasses.replace(choice, bad=(), verified=True)  # both are told once


def from_first(compute: Callable[[], Any]) -> Any:
    """What `compute` answers in the first process (plain JSON), or its CheckpointError, in every process."""
    if jax.process_count() == 1:
        return compute()
    answer: dict[str, Any] = {}
    if jax.process_index() == 0:
        try:
            answer = {"value": compute()}
        except CheckpointError as error:
            answer = {"error": str(error)[: ROOM // 8]}
    with jax.transfer_guard("allow"):
        text = np.frombuffer(json.dumps(answer).encode().ljust(ROOM), np.uint8)
        answer = json.loads(bytes(np.asarray(multihost_utils.broadcast_one_to_all(text))))
    if "error" in answer:
        raise CheckpointError(answer["error"])
    return answer["value"]


def _none_good(shelf: Shelf, bad: Sequence[tuple[int, str]]) -> CheckpointError:
    if not bad:
        return CheckpointError(f"there is no checkpoint in {shelf.directory}")
    lines = "".join(f"\n  {step}: {reason}" for step, reason in bad)
    return CheckpointError(
        f"no checkpoint in {shelf.directory} can be believed; nothing was changed there:{lines}\n"
        "put one back from a copy, or move them away to start anew"
    )
