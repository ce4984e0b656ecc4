"""What is watched while a run trains: mean PSNR of the averaged parameters on the pictures of `val`.

The training channel, one draw per picture, the same at every look; the digital streams arrive free of errors. Result
rows come from evaluation, never from here.
"""

from collections.abc import Callable

import jax
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array

from semjax.app import build
from semjax.app.config import Config
from semjax.contracts import Phase, Trainable
from semjax.data.loader import eval_batches
from semjax.metrics import psnr
from semjax.parallel.mesh import replicated
from semjax.systems.base import picture_keys
from semjax.training.state import State
from semjax.types import Batch, PerImage

Watch = Callable[[State, Array], float]


def make_watch(cfg: Config, registry: build.Registry, *, trainable: Trainable, mesh: Mesh) -> Watch:
    """A function (state, key) → mean PSNR in dB on `val`.

    Raises:
      DataError: the pictures of `val` are not there.
    """
    source = build.source(cfg.val, registry, path="val")
    phase = Phase(name="val")

    @jax.jit
    def measure(state: State, batch: Batch, key: Array) -> PerImage:
        keys = picture_keys(key, 0, batch.id)
        outputs, _ = trainable.forward(state.ema["codec"], state.collections, {}, batch, keys, phase)
        return psnr(outputs.image, batch.image)

    def watch(state: State, key: Array) -> float:
        values = []
        for record in eval_batches(source, batch_size=cfg.val.batch_size, crop=cfg.val.crop, limit=cfg.val.limit):
            batch = jax.device_put(build.to_batch(record, snr_db=cfg.val.snr_db), replicated(mesh))
            values.append(jax.device_get(measure(state, batch, key))[record["_mask"]])
        return float(np.mean(np.concatenate(values)))

    return watch
