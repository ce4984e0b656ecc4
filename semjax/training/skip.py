"""Steps that go wrong are skipped: the choice inside the step, and the count of them outside.

A step whose loss or gradients are not all finite leaves parameters, optimiser, moving averages and collections bitwise
as they were; only the step counter, hence the data and the noise, moves on. With two players one bad gradient skips
both. The step says so in its metric "skipped" (0 or 1).

The count lives on the host, so that the state has no leaf for it. Reading a metric of the step just launched would
make the host wait for the device; it is read `LAG` steps later instead, whatever the timing, so that what follows from
it happens at the same step in every run.
"""

import collections
import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool

from semjax.types import Batch, Tree

LAG = 4
"""CHOICE: steps between a step and the reading of its metric."""


def all_finite(tree: Tree) -> Bool[Array, ""]:
    """Whether every number of a tree is finite."""
    flags = [jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(tree)]
    if not flags:
        return jnp.array(True)
    stacked = jnp.stack(flags)
    # A loop, because XLA copies a plain conjunction of n flags into each of the n selections that depend on it.
    return jax.lax.fori_loop(0, len(flags), lambda i, good: good & stacked[i], jnp.array(True))


def choose(good: Bool[Array, ""], new: Tree, old: Tree) -> Tree:
    """`new` where the step was good, else `old`, bitwise."""
    return jax.tree.map(lambda a, b: jnp.where(good, a, b), new, old)


def real_rows(batch: Batch) -> Batch:
    """The batch with black pictures in the rows that do not count: whatever lay there cannot reach a gradient."""
    image = jnp.where(batch.mask[:, None, None, None], batch.image, 0.0)
    return dataclasses.replace(batch, image=image)


class Skips:
    """How many steps were skipped, and how many of them in a row.

    Args:
      most: so many in a row are too many; 0 = any number is borne.
      saved: what `facts` returned, to go on from there.
    """

    def __init__(self, *, most: int, saved: Mapping[str, Any] | None = None):
        facts = saved or {}
        self.most = most
        self.rollbacks: int = facts.get("rollbacks", 0)
        self._total: int = facts.get("total", 0)
        self._row: int = facts.get("row", 0)
        self._recent: collections.deque[Any] = collections.deque(facts.get("recent", ()))

    def add(self, skipped: Array) -> bool:
        """Takes the metric "skipped" of a step just launched.

        Returns:
          Whether this is too much: `most` steps in a row up to `LAG` steps ago, and all since. The state is then still
          what it was before the first of them, and this step is a bad one.
        """
        self._recent.append(skipped)
        if len(self._recent) <= LAG:
            return False
        if not int(jax.device_get(self._recent.popleft())):
            self._row = 0
            return False
        self._total, self._row = self._total + 1, self._row + 1
        return 0 < self.most <= self._row and all(self._flags())

    def _flags(self) -> list[int]:
        """Whether each of the last steps was skipped; waits for them, concludes nothing from them."""
        flags = [int(flag) for flag in jax.device_get(list(self._recent))]
        self._recent = collections.deque(flags)
        return flags

    @property
    def in_a_row(self) -> int:
        """Steps skipped up to now without one that was not."""
        flags = self._flags()
        good = next((i for i, flag in enumerate(reversed(flags)) if not flag), None)
        return self._row + len(flags) if good is None else good

    @property
    def total(self) -> int:
        """Steps skipped since the run began, those just launched included."""
        return self._total + sum(self._flags())

    def rolled_back(self) -> None:
        """Begins to count anew."""
        self._total, self._row = self.total, 0
        self._recent.clear()
        self.rollbacks += 1

    def facts(self) -> dict[str, Any]:
        """What a checkpoint keeps: plain numbers."""
        return {"total": self._total, "row": self._row, "rollbacks": self.rollbacks, "recent": self._flags()}
