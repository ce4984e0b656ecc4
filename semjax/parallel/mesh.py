"""One named mesh over all devices, and how a batch and a state lie on it.

Axes: `data` splits the batch; `fsdp` splits the batch and the parameters; `model` splits parameters only. One
`jax.jit` over global arrays does the rest: gradients of replicated parameters are summed by the compiler.
"""

import math
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

AXES = ("data", "fsdp", "model")
BATCH_AXES = ("data", "fsdp")


def make_mesh(sizes: Mapping[str, int] | None = None, devices: list[jax.Device] | None = None) -> Mesh:
    """A mesh with axes `data`, `fsdp`, `model` over all devices.

    Args:
      sizes: size per axis; missing ones are 1, and one of them may be -1 for "what remains" (default: data = -1).
      devices: the devices to use, all of them by default.

    Raises:
      ValueError: if the sizes do not multiply to the number of devices.
    """
    chosen = jax.devices() if devices is None else devices
    shape = {**{"data": -1, "fsdp": 1, "model": 1}, **dict(sizes or {})}
    unknown = sorted(set(shape) - set(AXES))
    if unknown:
        raise ValueError(f"unknown mesh axes {unknown}; the axes are {', '.join(AXES)}")
    known = math.prod(size for size in shape.values() if size != -1)
    free = [axis for axis in AXES if shape[axis] == -1]
    if len(free) > 1 or known < 1 or len(chosen) % known or (not free and known != len(chosen)):
        asked = " x ".join(f"{axis}={shape[axis]}" for axis in AXES)
        raise ValueError(f"mesh {asked} does not fit {len(chosen)} devices; set one axis to -1 to take what remains")
    for axis in free:
        shape[axis] = len(chosen) // known
    grid = np.array(chosen).reshape([shape[axis] for axis in AXES])
    return Mesh(grid, AXES, axis_types=(AxisType.Auto,) * len(AXES))


def batch_shards(mesh: Mesh) -> int:
    """Number of pieces a batch is cut into."""
    return math.prod(mesh.shape[axis] for axis in BATCH_AXES)


def batch_sharding(mesh: Mesh) -> NamedSharding:
    """The leading axis over `data` and `fsdp`."""
    return NamedSharding(mesh, P(BATCH_AXES))


def replicated(mesh: Mesh) -> NamedSharding:
    """The whole array on every device."""
    return NamedSharding(mesh, P())


def check_batch(mesh: Mesh, batch_size: int, accumulate: int = 1) -> None:
    """Refuses a global batch that does not divide over the devices and the accumulation steps.

    Raises:
      ValueError: with the nearest sizes that would.
    """
    pieces = batch_shards(mesh) * accumulate
    if batch_size < 1 or batch_size % pieces:
        below, above = batch_size // pieces * pieces, -(-batch_size // pieces) * pieces
        near = " or ".join(str(size) for size in (below, above) if size > 0)
        raise ValueError(
            f"batch size {batch_size} does not divide over {batch_shards(mesh)} devices x {accumulate} accumulation "
            f"steps; take {near}"
        )


def shard_batch(mesh: Mesh, local: Any) -> Any:
    """A global batch from each process's rows (a pytree of numpy arrays), split over `data` and `fsdp`.

    Raises:
      ValueError: if the global batch does not divide over the devices.
    """
    leaves = jax.tree.leaves(local)
    check_batch(mesh, leaves[0].shape[0] * jax.process_count())
    sharding = batch_sharding(mesh)
    return jax.tree.map(lambda x: jax.make_array_from_process_local_data(sharding, np.asarray(x)), local)


def state_sharding(mesh: Mesh, tree: Any) -> Any:
    """Sharding of a state: over `fsdp`, the largest axis of each leaf that divides; the rest replicated."""
    pieces = mesh.shape["fsdp"]

    def place(leaf: Any) -> NamedSharding:
        shape = getattr(leaf, "shape", ())
        dividing = [axis for axis, size in enumerate(shape) if size % pieces == 0 and size >= pieces]
        if pieces == 1 or not dividing or math.prod(shape) < 2**10:
            return replicated(mesh)
        split = max(dividing, key=lambda axis: shape[axis])
        return NamedSharding(mesh, P(*("fsdp" if axis == split else None for axis in range(len(shape)))))

    return jax.tree.map(place, tree)
