"""Writing checkpoints in the background, one at a time, so that a step either is there whole or is not there.

The storage layer copies the state off the devices, then writes it to the step's partial directory while the run goes
on; a thread waits for it, adds the manifest, and only then gives the step its name and lets older ones go.
"""

import errno
import logging
import os
import re
import threading
from collections.abc import Callable, Mapping
from typing import Any

import jax
import orbax.checkpoint as ocp

from semjax.training.leaves import Leaves, signature
from semjax.training.manifest import CheckpointError, write
from semjax.training.shelf import Shelf

SHOWN = 300
FULL = {errno.ENOSPC: "the disk is full", errno.EDQUOT: "the quota is used up", errno.EFBIG: "a file got too large"}


class Writer:
    """Writes the steps of one directory; the only one to do so. Close it.

    Args:
      shelf: the step directories.
      on_note: takes a line about an old step that could not be removed.
    """

    def __init__(self, shelf: Shelf, *, on_note: Callable[[str], None]):
        self._shelf, self._on_note = shelf, on_note
        self._storage = ocp.AsyncCheckpointer(
            ocp.CompositeCheckpointHandler(
                state=ocp.PyTreeCheckpointHandler(),
                data=ocp.JsonCheckpointHandler(),
                meta=ocp.JsonCheckpointHandler(),
            )
        )
        self._hush = _Hush()
        logging.getLogger("absl").addFilter(self._hush)
        self._prepared = False
        self._thread: threading.Thread | None = None
        self._failed: tuple[int, BaseException] | None = None

    def prepare(self) -> None:
        """Makes the directory and removes what a killed process left, once.

        Raises:
          CheckpointError: it cannot be written to.
        """
        if self._prepared:
            return
        try:
            if jax.process_index() == 0:
                self._shelf.prepare()
        except OSError as error:
            raise CheckpointError(f"{self._shelf.directory} cannot be written to: {cause(error)}") from error
        self._prepared = True

    def start(
        self,
        leaves: Leaves,
        *,
        step: int,
        data_state: Mapping[str, Any],
        meta: Mapping[str, Any],
        retire: Callable[[], list[int]],
    ) -> None:
        """Starts writing a step; the leaves may be donated as soon as this returns.

        Args:
          leaves: arrays by path.
          step: their step.
          data_state: the loader's state, plain JSON values.
          meta: facts, plain JSON values; step and signatures of the leaves are added.
          retire: tells, once the step is durable, which others may be removed.

        Raises:
          CheckpointError: the write before this one failed, or this one cannot begin.
        """
        self.wait()
        self.prepare()
        facts = {**meta, "step": step, "leaves": {path: signature(leaf) for path, leaf in leaves.items()}}
        items = ocp.args.Composite(
            state=ocp.args.PyTreeSave(leaves),  # pyright: ignore[reportCallIssue]
            data=ocp.args.JsonSave(dict(data_state)),  # pyright: ignore[reportCallIssue]
            meta=ocp.args.JsonSave(facts),  # pyright: ignore[reportCallIssue]
        )
        try:
            self._storage.save(self._shelf.partial(step), args=items)
        except Exception as error:
            self._fail(step, error)
            self.wait()
        self._thread = threading.Thread(target=self._finish, args=(step, retire), name=f"checkpoint-{step}")
        self._thread.start()

    def wait(self) -> None:
        """Waits until what is being written is durable, manifest included.

        Raises:
          CheckpointError: it could not be written; told once.
        """
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        failed, self._failed = self._failed, None
        if failed is not None:
            step, error = failed
            raise CheckpointError(
                f"the checkpoint of step {step} could not be written to {self._shelf.directory}: {cause(error)}; the "
                "earlier ones there are as they were, and the same command goes on from them once that is put right"
            ) from error

    def close(self) -> None:
        """Waits, then ends the writing.

        Raises:
          CheckpointError: as `wait`.
        """
        try:
            self.wait()
        finally:
            self._storage.close()
            logging.getLogger("absl").removeFilter(self._hush)

    def _finish(self, step: int, retire: Callable[[], list[int]]) -> None:
        try:
            self._storage.wait_until_finished()
            if jax.process_index():
                return
            write(self._shelf.partial(step), step=step)
            self._shelf.admit(step)
        except BaseException as error:  # told by the next wait
            self._fail(step, error)
            return
        try:
            for old in retire():
                self._shelf.retire(old)
        except OSError as error:
            self._on_note(f"an old checkpoint in {self._shelf.directory} could not be removed: {cause(error)}")

    def _fail(self, step: int, error: BaseException) -> None:
        self._failed = (step, error)
        if jax.process_index() == 0:
            self._shelf.discard(step)


class _Hush(logging.Filter):
    """Drops the tracebacks that the storage layer logs of errors which reach the writer anyway, and are told there."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not (record.exc_info and "orbax" in record.pathname)


def cause(error: BaseException) -> str:
    """The reason of a failed write in a few words."""
    link: BaseException | None = error
    while link is not None:
        code = link.errno if isinstance(link, OSError) else None
        if found := re.search(r"os_error_code='(\d+)'", str(link)):  # how the storage layer tells it
            code = int(found[1])
        if code:
            return FULL.get(code, os.strerror(code))
        link = link.__cause__ or link.__context__
    return str(error).split("\n")[0][:SHOWN] or type(error).__name__
