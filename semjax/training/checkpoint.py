"""Checkpoints of a run: state, position in the data and a few facts, written in the background, the latest few kept.

A step directory holds three items: `state` (one array per leaf, named by its path), `data` (the loader's state, JSON)
and `meta` (step, configuration hash, seed, and shape and dtype of every leaf, JSON), and a manifest, written last, with
the checksum of every file. Restoring walks from the newest step to the oldest and takes the first whose files are what
its manifest says; a bad one is renamed to corrupt-STEP. It is strict: names, shapes and dtypes must be those asked for.
"""

import pathlib
from collections.abc import Callable, Mapping
from typing import Any

from semjax.training.leaves import abstract, flat
from semjax.training.manifest import CheckpointError
from semjax.training.reading import Reader, Restored, quarantine, say
from semjax.training.writing import Writer
from semjax.types import Tree

__all__ = ["CheckpointError", "Checkpoints", "Reader", "Restored", "abstract", "flat"]


class Checkpoints:
    """The checkpoints in one directory, for the one run that owns it; `Reader` is for everyone else.

    Close it, or use it in a `with` block: that waits for what is being written. In a run of several processes all of
    them call every method; the first one alone verifies, renames and removes.

    Args:
      directory: made by the first save.
      keep: how many of the newest stay; an older one goes only when a newer one is durable.
      on_note: takes one line for each bad step that is set aside.

    Raises:
      CheckpointError: the directory is of a newer format; nothing was changed.
    """

    def __init__(self, directory: pathlib.Path, *, keep: int = 3, on_note: Callable[[str], None] = say):
        if keep < 1:
            raise CheckpointError(f"at least one checkpoint must be kept, not {keep}")
        self.directory = directory
        self._keep = keep
        self._reader = Reader(directory, dismiss=quarantine, on_note=on_note)
        self._shelf = self._reader.shelf
        self._writer = Writer(self._shelf, on_note=on_note)
        self._at: int | None = None

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        try:
            self.close()
        except CheckpointError as failed:
            if kind is None:
                raise
            self._reader.on_note(str(failed))  # what ended the block is told; this came on top

    def close(self) -> None:
        """Waits for what is being written.

        Raises:
          CheckpointError: as `wait`.
        """
        self._writer.close()

    def wait(self) -> None:
        """Waits until what is being written is durable, its manifest included.

        Raises:
          CheckpointError: it could not be written; the message names the cause. Told once.
        """
        self._writer.wait()

    def latest(self) -> int | None:
        """Step of the newest finished checkpoint, None if there is none; a cheap look that verifies nothing.

        Raises:
          CheckpointError: there are step directories, but none is finished.
        """
        return self._reader.latest()

    def save(self, state: Tree, *, step: int, data_state: Mapping[str, Any], meta: Mapping[str, Any]) -> None:
        """Starts writing a checkpoint; the state may be donated as soon as this returns.

        Args:
          state: any pytree of arrays.
          step: number of steps done. Saving the step again that this object saved or restored last does nothing.
          data_state: the training loader's state, plain JSON values.
          meta: facts, plain JSON values.

        Raises:
          CheckpointError: the write before this one failed, this one cannot begin, or there is another checkpoint of
            this step, which this run did not come from.
        """
        self._writer.wait()
        if self._shelf.path(step).exists():
            if step == self._at:
                return
            raise CheckpointError(
                f"{self._shelf.path(step)} exists, and this run did not come from it; move it away to go on"
            )
        self._at = step
        self._reader.look_again()
        self._writer.start(flat(state), step=step, data_state=data_state, meta=meta, retire=self._surplus)

    def meta(self) -> dict[str, Any]:
        """Facts of the newest checkpoint that can be believed.

        Raises:
          CheckpointError: there is none.
        """
        self._writer.wait()
        return self._reader.meta()

    def restore_latest(self, abstract_state: Tree, *, on_note: Callable[[str], None] | None = None) -> Restored:
        """Reads the newest good checkpoint into the shapes, dtypes and shardings of `abstract_state`.

        Newer steps that fail verification are renamed to corrupt-STEP, never removed. A step that an earlier version
        wrote without a manifest is used with a remark.

        Args:
          abstract_state: `jax.ShapeDtypeStruct`s (with shardings, or for one device) in the state's structure.
          on_note: takes one line for each step set aside, instead of the one given at the start.

        Returns:
          The state in that structure, the loader's state and the facts.

        Raises:
          CheckpointError: there is no checkpoint; none can be believed (each is named with its reason, and nothing is
            renamed); or a leaf is missing, left over or differs (it is named, and nothing is renamed).
        """
        self._writer.wait()
        self._reader.look_again()
        self._reader.on_note = on_note or self._reader.on_note
        found = self._reader.restore(abstract_state)
        self._at = self._reader.choose()
        return found

    def restore_part(self, abstract: Tree) -> Tree:
        """Reads only the leaves of `abstract`, a tree whose paths are among the saved ones.

        Raises:
          CheckpointError: as `restore_latest`, but leaves that are not asked for are left alone.
        """
        self._writer.wait()
        self._reader.look_again()
        return self._reader.restore_part(abstract)

    def _surplus(self) -> list[int]:
        return self._shelf.finished()[: -self._keep]
