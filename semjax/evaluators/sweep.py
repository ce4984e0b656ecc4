"""A trained system measured over channels, SNRs and rates, one row per metric and point.

    value of a picture  = mean over the channel draws of metric(receive(channel(transmit(x))), x)
    mean                = mean over pictures of that value, its interval by resampling pictures
    psnr_of_mean_mse    = 10 log10(1 / mean over pictures of the MSE), which is never more than the mean PSNR

Metrics are of clipped pictures rounded to 8 bits. Rows of a batch whose `_mask` is False only fill it up and are
dropped.
"""

import dataclasses
import functools
import itertools
import logging
import pathlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from semjax.contracts import Channel, Trainable
from semjax.evaluators import results
from semjax.evaluators.base import Chain, Sent, chain, public_of
from semjax.evaluators.bootstrap import Interval, mean_interval
from semjax.evaluators.results import Row
from semjax.evaluators.tally import KINDS, Point, Tally
from semjax.link import rate, transport
from semjax.metrics import METRICS, MS_SSIM_MIN_SIDE, mse_to_psnr
from semjax.types import Image, PerImage, Received, Tree

LOG = logging.getLogger(__name__)
OF_MEAN_MSE = "psnr_of_mean_mse"
MIN_SIDE = {"ms_ssim": MS_SSIM_MIN_SIDE}
DEFAULT_METRICS = ("psnr", "ssim", OF_MEAN_MSE)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Origin:
    """Where a row comes from: its fields that no measurement fills."""

    system: str
    variant: str = "default"
    checkpoint: str = ""
    commit: str = ""
    config_hash: str = ""
    dataset: str = ""
    split: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Done:
    """A batch was measured: how many pictures, at what SNR and rate."""

    pictures: int
    snr_db: float
    rate: float


def csi_name(channel: Channel) -> str:
    """What the receiver knows of the channel's gain, as rows name it: none (there is no gain), perfect, or N pilots."""
    csi = getattr(channel, "csi", None)
    return "none" if csi is None else f"{csi.uses} pilots" if csi.uses else "perfect"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sweep:
    """Measures one trainable on one set of pictures.

    Attributes:
      trainable: what is measured.
      channels: the channels, by the names that rows give them.
      snr_db: average Es/N0, in dB.
      batches: gives a new iterator over the pictures each time it is called: dicts of "image", "id", "_mask".
      origin: the fields of a row that say where it comes from.
      rates: rate tokens (1 = full rate).
      draws: channel draws per picture.
      metrics: names in `METRICS`, or "psnr_of_mean_mse".
      seed: of the channel draws.
      links: the digital link over a channel.
      progress: called after each batch.
      per_picture: npz file for the values per picture, written when a run ends.
    """

    trainable: Trainable
    channels: Mapping[str, Channel]
    snr_db: tuple[float, ...]
    batches: Callable[[], Iterator[Mapping[str, np.ndarray]]]
    origin: Origin
    rates: tuple[float, ...] = (1.0,)
    draws: int = 1
    metrics: tuple[str, ...] = DEFAULT_METRICS
    seed: int = 0
    links: Callable[[Channel], transport.Transport] = transport.ideal_link
    progress: Callable[[Done], None] = lambda done: None
    per_picture: pathlib.Path | None = None

    def __post_init__(self) -> None:
        """Refuses unknown metrics and empty sweeps."""
        unknown = sorted(set(self.metrics) - set(METRICS) - {OF_MEAN_MSE})
        if unknown:
            raise ValueError(f"unknown metrics {unknown}; there are {sorted({*METRICS, OF_MEAN_MSE})}")
        if not (self.channels and self.snr_db and self.rates and self.metrics and self.draws > 0):
            raise ValueError(
                "a sweep needs at least one channel, SNR, rate, metric and draw, got "
                f"{list(self.channels)}, {self.snr_db}, {self.rates}, {self.metrics}, draws={self.draws}"
            )

    def run(self, variables: Tree, frozen: Tree) -> Iterator[Row]:
        """Yields the rows, point by point.

        Args:
          variables: what the predict functions apply: {"params": ..., **collections}.
          frozen: frozen parameters, {} if there are none.

        Raises:
          ValueError: there are no pictures.
        """
        pictures = {}
        for point in self.points(variables, frozen):
            for metric, values in point.values.items():
                where = {"channel": point.channel, "snr_db": point.snr_db, "rate": point.rate}
                pictures[results.picture_name(**where, metric=metric)] = values
            yield from self._rows(point)
        if self.per_picture is not None:
            results.write_pictures(pictures, self.per_picture)

    def points(self, variables: Tree, frozen: Tree) -> Iterator[Point]:
        """Yields what was measured, one point per rate, SNR and channel; see `run`."""
        compiled = chain(self.trainable, links=self.links)
        names = functools.cache(self._names)
        for token, snr_db in itertools.product(self.rates, self.snr_db):
            found = {name: Tally(draws=self.draws) for name in self.channels}
            for batch in self.batches():
                image, public = jnp.asarray(batch["image"]), public_of(batch, snr_db=snr_db, rate=token)
                sent = compiled.encode(variables, frozen, image=image, public=public)
                decode = functools.partial(compiled.decode, variables, frozen, public=public)
                for name, received in self._deliveries(compiled, sent, batch=batch, snr_db=public.snr_db):
                    spent = rate.rates(received.uses, height=public.height, width=public.width)
                    scores = _score(decode(received=received), image, names(image.shape[1:3]))
                    found[name].add(batch, scores=jax.device_get(scores), spent=spent)
                self.progress(Done(pictures=int(np.sum(batch["_mask"])), snr_db=snr_db, rate=token))
            for name, tally in found.items():
                yield tally.point(channel=name, snr_db=snr_db, rate=token)

    def _deliveries(
        self, compiled: Chain, sent: Sent, *, batch: Mapping[str, Any], snr_db: PerImage
    ) -> Iterator[tuple[str, Received]]:
        """What arrives over every channel, as often as there are draws."""
        key = jax.random.key(self.seed)
        for (name, channel), draw in itertools.product(self.channels.items(), range(self.draws)):
            yield name, compiled.deliver(sent, channel=channel, key=key, draw=draw, ids=batch["id"], snr_db=snr_db)

    def _names(self, shape: tuple[int, int]) -> tuple[str, ...]:
        """The metrics computed for pictures of a shape; says which are left out, and why."""
        asked = {("mse" if name == OF_MEAN_MSE else name) for name in self.metrics}
        small = {name for name in asked if min(shape) < MIN_SIDE.get(name, 0)}
        for name in sorted(small):
            LOG.warning(
                "%s is left out for pictures of %dx%d: it needs at least %d pixels a side", name, *shape, MIN_SIDE[name]
            )
        return tuple(sorted(asked - small))

    def _rows(self, point: Point) -> Iterator[Row]:
        for metric in self.metrics:
            pictures = point.values.get("mse" if metric == OF_MEAN_MSE else metric)
            if pictures is None:
                continue
            interval = mean_interval(pictures.values)
            if metric == OF_MEAN_MSE:
                interval = _in_db(interval)
            yield {
                **dataclasses.asdict(self.origin),
                "channel": point.channel,
                "csi": csi_name(self.channels[point.channel]),
                "side_link": "ideal" if self.trainable.side_codecs else "none",
                "snr_db": point.snr_db,
                **{f"cbr_{kind}": point.cbr[kind] for kind in KINDS},
                "metric": metric,
                "mean": interval.mean,
                "ci_low": interval.low,
                "ci_high": interval.high,
                "n_images": len(pictures.ids),
                "n_draws": self.draws,
                "seed": self.seed,
            }


@functools.partial(jax.jit, static_argnums=2)
def _score(image: Image, target: Image, names: tuple[str, ...]) -> dict[str, PerImage]:
    return {name: METRICS[name](image, target) for name in names}


def _in_db(mse: Interval) -> Interval:
    """The interval of a mean MSE as PSNR: less error is more dB, so the ends change places."""
    ends = [float(mse_to_psnr(jnp.float32(v))) for v in (mse.mean, mse.high, mse.low)]
    return Interval(mean=ends[0], low=ends[1], high=ends[2])
