"""What happens when too many steps in a row were skipped: back to the newest checkpoint once, then the end.

Going back takes parameters, optimiser, moving averages and collections of the checkpoint; the step counter, the data
and the noise go on, past the batches that did the harm. If it happens a second time the run ends with exit code 3 and a
bundle from which the bad step can be replayed.
"""

import dataclasses
from collections.abc import Mapping

import jax
from jaxtyping import Array

from semjax.app import bundle
from semjax.app.errors import RunError
from semjax.app.start import Ready
from semjax.data.loader import Arrays
from semjax.training import phases
from semjax.training.checkpoint import abstract
from semjax.training.log import warn
from semjax.training.state import State


def after_too_many(run: Ready, state: State, *, done: int, record: Arrays, metrics: Mapping[str, Array]) -> State:
    """The state to go on with.

    Args:
      run: the run.
      state: after `done` steps.
      done: number of the last step, which was one too many.
      record: the batch it was given.
      metrics: its metrics.

    Raises:
      RunError: there is nothing to go back to, or it was done already; a bundle was written.
      CheckpointError: no checkpoint can be believed.
    """
    store, skips = run.keeper.store, run.keeper.skips
    store.wait()
    trouble, newest = f"{skips.in_a_row} steps in a row, up to step {done}, were not finite", store.latest()
    if skips.rollbacks or newest is None:
        with jax.transfer_guard("allow"):
            where = bundle.write(
                run.folder,
                cfg=run.cfg,
                step=done,
                phase=phases.at(run.stretches, done - 1).phase.name,
                record=record,
                state=state,
                metrics=run.figures(metrics),
                checkpoint=None if newest is None else store.directory / str(newest),
            )
        why = "after going back to a checkpoint once" if skips.rollbacks else "and there is no checkpoint to go back to"
        raise RunError(f"{trouble}, {why}; to see what it was: python -m semjax.app.bundle {where}")
    with jax.transfer_guard("allow"):
        found = store.restore_latest(abstract(state, jax.tree.map(lambda leaf: leaf.sharding, state)))
    warn(
        f"{trouble}: parameters and optimiser are again those of step {found.meta['step']}, steps and data go on; if "
        "it happens again, the run ends"
    )
    skips.rolled_back()
    return dataclasses.replace(found.state, step=state.step)
