"""What is watched while a run trains: mean PSNR of the averaged parameters on the pictures of `val`.

The training channel, one draw per picture, the same at every look; the digital streams arrive free of errors. Result
rows come from evaluation, never from here. The best state so far is kept in `best/`, apart from the checkpoints that
the run continues from; a figure that is not finite is never the best.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array

from semjax.app import build
from semjax.app.config import Config
from semjax.contracts import Phase, Trainable
from semjax.data.files import Source
from semjax.data.loader import eval_batches
from semjax.metrics import psnr
from semjax.parallel.mesh import replicated
from semjax.systems.base import picture_keys
from semjax.training.best import Best
from semjax.training.checkpoint import CheckpointError
from semjax.training.log import warn
from semjax.training.state import State
from semjax.types import Batch, PerImage, Tree

Measure = Callable[[State, Array], float]


def make_measure(cfg: Config, source: Source, *, trainable: Trainable, mesh: Mesh, frozen: Tree) -> Measure:
    """A function (state, key) → mean PSNR in dB on the pictures of `source`, as section `val` says."""
    phase = Phase(name="val")

    @jax.jit
    def measure(state: State, frozen: Tree, batch: Batch, key: Array) -> PerImage:
        keys = picture_keys(key, 0, batch.id)
        outputs, _ = trainable.forward(state.ema["codec"], state.collections, frozen, batch, keys, phase)
        return psnr(outputs.image, batch.image)

    def mean(state: State, key: Array) -> float:
        values = []
        for record in eval_batches(source, batch_size=cfg.val.batch_size, crop=cfg.val.crop, limit=cfg.val.limit):
            batch = jax.device_put(build.to_batch(record, snr_db=cfg.val.snr_db), replicated(mesh))
            values.append(jax.device_get(measure(state, frozen, batch, key))[record["_mask"]])
        return float(np.mean(np.concatenate(values)))

    return mean


@dataclasses.dataclass(frozen=True, kw_only=True)
class Watch:
    """Looks at a state, and keeps it if it is the best.

    Attributes:
      measure: the figure of a state.
      best: where the best is kept, or None.
      facts: of the run, kept with it.
    """

    measure: Measure
    best: Best | None
    facts: Mapping[str, Any]

    def __call__(self, state: State, key: Array, *, done: int) -> dict[str, float]:
        """{"val_psnr"} in dB of the state after `done` steps, and {"best_psnr"} of the best so far if that is kept."""
        figures = {"val_psnr": self.measure(state, key)}
        if self.best is None:
            return figures
        kept = {"ema": {"codec": state.ema["codec"]}, "collections": state.collections}
        try:
            self.best.offer(kept, step=done, value=figures["val_psnr"], meta=self.facts)
        except CheckpointError as failed:
            warn(f"{failed}\ntraining goes on")
        found = self.best.best()
        return {**figures, "best_psnr": found[1]} if found else figures
