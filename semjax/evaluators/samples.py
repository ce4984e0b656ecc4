"""A few received pictures for the eye, next to the sweep's numbers."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from semjax.contracts import Channel, Trainable
from semjax.evaluators.base import chain, public_of
from semjax.evaluators.report import Sample, Shown
from semjax.link import transport
from semjax.metrics import METRICS
from semjax.types import Tree


def samples(
    trainable: Trainable,
    variables: Tree,
    frozen: Tree,
    *,
    batch: Mapping[str, Any],
    channel: Channel,
    snr_db: Sequence[float],
    name: str,
    seed: int = 0,
    links: Callable[[Channel], transport.Transport] = transport.ideal_link,
) -> list[Sample]:
    """Sends a batch once at each SNR, with the keys of a sweep's first draw.

    Args:
      trainable: the system.
      variables: what the predict functions apply.
      frozen: frozen parameters.
      batch: "image", "id" and "_mask" as a loader gives them.
      channel: the channel.
      snr_db: average Es/N0, in dB, one column each.
      name: of system and channel in the grid.
      seed: of the draw.
      links: the digital link of a channel.

    Returns: one sample per real picture of the batch.
    """
    compiled, key, image = chain(trainable, links=links), jax.random.key(seed), jnp.asarray(batch["image"])
    shown: list[list[Shown]] = [[] for _ in image]
    for snr in snr_db:
        public = public_of(batch, snr_db=snr, rate=1.0)
        sent = compiled.encode(variables, frozen, image=image, public=public)
        received = compiled.deliver(sent, channel=channel, key=key, draw=0, ids=batch["id"], snr_db=public.snr_db)
        restored = compiled.decode(variables, frozen, received=received, public=public)
        for column, picture, psnr in zip(shown, np.asarray(restored), METRICS["psnr"](restored, image), strict=True):
            column.append(Shown(label=f"{snr:g} dB", psnr=float(psnr), image=picture))
    return [
        Sample(name=f"Picture {int(batch['id'][i])}: {name}", original=np.asarray(image[i]), received=tuple(shown[i]))
        for i in np.flatnonzero(np.asarray(batch["_mask"]))
    ]
