"""Keeps what a run has done: reads its data, saves it now and then, at the end, and before an error ends it."""

from collections.abc import Mapping
from typing import Any

import jax

from semjax.data.loader import Arrays, TrainLoader
from semjax.training.checkpoint import CheckpointError, Checkpoints
from semjax.training.log import warn
from semjax.training.skip import Skips
from semjax.training.state import State


class Keeper:
    """The store of a run, and the loader whose place is saved with the state.

    A checkpoint that cannot be written (a full disk) is told, and tried again when the next one is due; only the last
    one of a run must succeed. None is written while steps are being skipped: the newest one is then always worth going
    back to.

    Args:
      store: the checkpoints.
      loader: the training data.
      skips: the count of skipped steps.
      facts: of the run, for every checkpoint.
      every: steps between checkpoints.
    """

    def __init__(self, *, store: Checkpoints, loader: TrainLoader, skips: Skips, facts: Mapping[str, Any], every: int):
        self.store, self.skips = store, skips
        self._loader, self._facts, self._every = loader, dict(facts), every
        self._due = False

    def read(self, state: State, *, done: int) -> Arrays:
        """The next batch; if the data fail, `state`, after `done` steps, is saved before the error goes on.

        Of several processes the others know nothing of it, and a save needs them all: there nothing is saved.
        """
        place = self._loader.get_state()
        try:
            return next(self._loader)
        except Exception:
            if jax.process_count() > 1:
                raise
            try:
                self._save(state, done, place)
                self.store.wait()
            except CheckpointError as failed:
                warn(str(failed))
            raise

    def after(self, state: State, *, done: int) -> None:
        """Saves if a checkpoint is due after `done` steps."""
        self._due = self._due or done % self._every == 0
        if not self._due or self.skips.in_a_row:
            return
        self._due = False
        try:
            self.store.wait()
        except CheckpointError as failed:
            warn(f"{failed}\ntraining goes on; the next attempt is now")
        try:
            self._save(state, done, self._loader.get_state())
        except CheckpointError as failed:
            warn(f"{failed}\ntraining goes on; the next attempt is in {self._every} steps")

    def last(self, state: State, *, done: int) -> None:
        """Saves, and waits until that is durable.

        Raises:
          CheckpointError: it could not be written.
        """
        try:
            self.store.wait()
        except CheckpointError as failed:
            warn(str(failed))
        self._save(state, done, self._loader.get_state())
        self.store.wait()

    def _save(self, state: State, done: int, place: Mapping[str, Any]) -> None:
        meta = {**self._facts, "skips": self.skips.facts()}
        self.store.save(state, step=done, data_state=place, meta=meta)
