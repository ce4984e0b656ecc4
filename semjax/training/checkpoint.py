"""Checkpoints of a run: state, position in the data and a few facts, written in the background, the latest few kept.

A step directory holds three items: `state` (one array per leaf, named by its path), `data` (the loader's state, JSON)
and `meta` (step, configuration hash, seed, and shape and dtype of every leaf, JSON). Restoring is strict: names, shapes
and dtypes must be those asked for, since the storage layer itself would cast a dtype without a word.
"""

import dataclasses
import pathlib
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp

from semjax.types import Tree

Leaves = dict[str, Any]


class CheckpointError(ValueError):
    """A checkpoint that is not there or does not fit; nothing was changed."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Restored:
    """What a checkpoint held."""

    state: Tree
    data_state: dict[str, Any]
    meta: dict[str, Any]


def flat(tree: Tree) -> Leaves:
    """Leaves by path, "params/codec/encoder/conv_0/kernel"."""
    pairs = jax.tree_util.tree_flatten_with_path(tree)[0]
    return {jax.tree_util.keystr(path, simple=True, separator="/"): leaf for path, leaf in pairs}


def _signature(leaf: Any) -> list[Any]:
    return [list(leaf.shape), str(jnp.dtype(leaf.dtype))]


class Checkpoints:
    """The checkpoints in one directory. Close it, or use it in a `with` block: that waits for what is being written."""

    def __init__(self, directory: pathlib.Path, *, keep: int = 3):
        self.directory = directory
        self._manager = ocp.CheckpointManager(
            directory.absolute(),
            options=ocp.CheckpointManagerOptions(max_to_keep=keep, enable_async_checkpointing=True),
            item_handlers={
                "state": ocp.PyTreeCheckpointHandler(),
                "data": ocp.JsonCheckpointHandler(),
                "meta": ocp.JsonCheckpointHandler(),
            },
        )

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Waits for what is being written."""
        self._manager.wait_until_finished()
        self._manager.close()

    def latest(self) -> int | None:
        """Step of the newest checkpoint, None if there is none."""
        return self._manager.latest_step()

    def save(self, state: Tree, *, step: int, data_state: Mapping[str, Any], meta: Mapping[str, Any]) -> None:
        """Starts writing a checkpoint; the state may be donated as soon as this returns.

        Args:
          state: any pytree of arrays.
          step: number of steps done; a step is written once, a second call for it does nothing.
          data_state: the training loader's state, plain JSON values.
          meta: facts, plain JSON values.
        """
        if step in self._manager.all_steps():
            return
        leaves = flat(state)
        facts = {**meta, "step": step, "leaves": {path: _signature(leaf) for path, leaf in leaves.items()}}
        items = ocp.args.Composite(
            state=ocp.args.PyTreeSave(leaves),  # pyright: ignore[reportCallIssue]
            data=ocp.args.JsonSave(dict(data_state)),  # pyright: ignore[reportCallIssue]
            meta=ocp.args.JsonSave(facts),  # pyright: ignore[reportCallIssue]
        )
        self._manager.save(step, args=items)

    def meta(self) -> dict[str, Any]:
        """Facts of the newest checkpoint.

        Raises:
          CheckpointError: there is no checkpoint.
        """
        item = ocp.args.Composite(meta=ocp.args.JsonRestore())  # pyright: ignore[reportCallIssue]
        return self._manager.restore(self._newest(), args=item)["meta"]

    def restore_latest(self, abstract_state: Tree) -> Restored:
        """Reads the newest checkpoint into the shapes, dtypes and shardings of `abstract_state`.

        Args:
          abstract_state: `jax.ShapeDtypeStruct`s (with shardings, or for one device) in the state's structure.

        Returns:
          The state in that structure, the loader's state and the facts.

        Raises:
          CheckpointError: there is no checkpoint, or a leaf is missing, left over or differs; it is named.
        """
        meta, wanted = self.meta(), flat(abstract_state)
        self._check(meta["leaves"], wanted, strangers=sorted(set(meta["leaves"]) - set(wanted)))
        leaves = self._read(wanted)
        data = ocp.args.Composite(data=ocp.args.JsonRestore())  # pyright: ignore[reportCallIssue]
        return Restored(
            state=jax.tree.unflatten(jax.tree.structure(abstract_state), list(leaves.values())),
            data_state=self._manager.restore(self._newest(), args=data)["data"],
            meta=meta,
        )

    def restore_part(self, abstract: Tree) -> Tree:
        """Reads only the leaves of `abstract`, a tree whose paths are among the saved ones.

        Raises:
          CheckpointError: as `restore_latest`, but leaves that are not asked for are left alone.
        """
        wanted = flat(abstract)
        self._check(self.meta()["leaves"], wanted, strangers=[])
        return jax.tree.unflatten(jax.tree.structure(abstract), list(self._read(wanted).values()))

    def _newest(self) -> int:
        step = self.latest()
        if step is None:
            raise CheckpointError(f"there is no checkpoint in {self.directory}")
        return step

    def _check(self, saved: Mapping[str, list[Any]], wanted: Leaves, *, strangers: list[str]) -> None:
        where = f"checkpoint {self.directory}/{self._newest()}"
        missing = sorted(set(wanted) - set(saved))
        if missing or strangers:
            raise CheckpointError(
                f"{where} holds another tree: missing {missing[:5] or 'nothing'}, not expected "
                f"{strangers[:5] or 'nothing'}; restore it with the configuration it was saved with"
            )
        for path, leaf in wanted.items():
            if _signature(leaf) != saved[path]:
                (had, had_dtype), (has, has_dtype) = saved[path], _signature(leaf)
                raise CheckpointError(
                    f"{where}: {path} was saved as {had_dtype}{had} and is now {has_dtype}{has}; restore it with the "
                    "configuration it was saved with"
                )

    def _read(self, wanted: Leaves) -> Leaves:
        if not wanted:
            return {}
        here = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
        targets = {
            path: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=getattr(leaf, "sharding", None) or here)
            for path, leaf in wanted.items()
        }
        item = ocp.args.PyTreeRestore(  # pyright: ignore[reportCallIssue]
            targets, restore_args=ocp.checkpoint_utils.construct_restore_args(targets), partial_restore=True
        )
        read = self._manager.restore(self._newest(), args=ocp.args.Composite(state=item))["state"]
        return {path: read[path] for path in wanted}


def abstract(tree: Tree, sharding: Tree | None = None) -> Tree:
    """Shapes and dtypes of a tree, with the shardings of a tree of the same structure if one is given."""
    if sharding is None:
        return jax.tree.map(lambda x: jax.ShapeDtypeStruct(np.shape(x), x.dtype), tree)
    return jax.tree.map(lambda x, s: jax.ShapeDtypeStruct(np.shape(x), x.dtype, sharding=s), tree, sharding)
