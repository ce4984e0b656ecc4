"""Leaves of a saved tree: named by path, read back strictly.

Names, shapes and dtypes must be those asked for, since the storage layer itself would cast a dtype without a word.
"""

import pathlib
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp

from semjax.training.manifest import CheckpointError
from semjax.types import Tree

Leaves = dict[str, Any]
SHOWN = 5


def flat(tree: Tree) -> Leaves:
    """Leaves by path, "params/codec/encoder/conv_0/kernel"."""
    pairs = jax.tree_util.tree_flatten_with_path(tree)[0]
    return {jax.tree_util.keystr(path, simple=True, separator="/"): leaf for path, leaf in pairs}


def signature(leaf: Any) -> list[Any]:
    """Shape and dtype, as the facts of a checkpoint keep them."""
    return [list(leaf.shape), str(jnp.dtype(leaf.dtype))]


def abstract(tree: Tree, sharding: Tree | None = None) -> Tree:
    """Shapes and dtypes of a tree, with the shardings of a tree of the same structure if one is given."""
    if sharding is None:
        return jax.tree.map(lambda x: jax.ShapeDtypeStruct(np.shape(x), x.dtype), tree)
    return jax.tree.map(lambda x, s: jax.ShapeDtypeStruct(np.shape(x), x.dtype, sharding=s), tree, sharding)


def check(folder: pathlib.Path, *, saved: Mapping[str, list[Any]], wanted: Leaves, strangers: list[str]) -> None:
    """Raises CheckpointError, naming the leaf, unless the leaves wanted are among those saved.

    Args:
      folder: the step directory, for the message.
      saved: signatures of what it holds.
      wanted: leaves with shape and dtype.
      strangers: paths that it holds and should not.
    """
    missing = sorted(set(wanted) - set(saved))
    if missing or strangers:
        raise CheckpointError(
            f"checkpoint {folder} holds another tree: missing {missing[:SHOWN] or 'nothing'}, not expected "
            f"{strangers[:SHOWN] or 'nothing'}; restore it with the configuration it was saved with"
        )
    for path, leaf in wanted.items():
        if signature(leaf) != saved[path]:
            (had, had_dtype), (has, has_dtype) = saved[path], signature(leaf)
            raise CheckpointError(
                f"checkpoint {folder}: {path} was saved as {had_dtype}{had} and is now {has_dtype}{has}; restore it "
                "with the configuration it was saved with"
            )


def read(folder: pathlib.Path, wanted: Leaves) -> Leaves:
    """Reads leaves of a step directory.

    Args:
      folder: the step directory, checked already.
      wanted: `jax.ShapeDtypeStruct`s by path, with shardings or for one device.

    Raises:
      CheckpointError: the storage layer cannot.
    """
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
    try:
        with ocp.Checkpointer(ocp.PyTreeCheckpointHandler()) as reader:
            found = reader.restore(folder / "state", args=item)
    except (OSError, ValueError) as error:
        reason = str(error).split("\n")[0][:300]
        raise CheckpointError(f"checkpoint {folder} cannot be read: {reason}") from error
    return {path: found[path] for path in wanted}
