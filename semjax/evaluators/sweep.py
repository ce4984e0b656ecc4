"""A trained system measured over channels, SNRs and rates, one row per metric and point.

    value of a picture  = mean over the channel draws of metric(receive(channel(transmit(x))), x)
    mean                = mean over pictures of that value, its interval by resampling pictures
    psnr_of_mean_mse    = 10 log10(1 / mean over pictures of the MSE), which is never more than the mean PSNR

Metrics are of clipped pictures rounded to 8 bits. Rows of a batch whose `_mask` is False only fill it up and are
dropped. A picture is read once and transmitted once per rate and told SNR, whatever the number of channels and draws.

SNR mismatch: both ends are told one average SNR (`Public.snr_db`), the channel has another. The receiver still knows
the noise variance and its gain (`Received.noise_var`, `csi`), for it can measure both; the transmitter acts on what it
was told, and so does a coded link. CHOICE: on the ideal link digital streams are charged at the capacity of the SNR
that the channel has: it is error free by definition, as a code without a fixed rate is that goes on until the receiver
has it all.
"""

import dataclasses
import functools
import itertools
import logging
from collections.abc import Callable, Iterator, Mapping

import jax
import jax.numpy as jnp
import numpy as np

from semjax.contracts import Channel, Trainable
from semjax.evaluators import results
from semjax.evaluators.base import Chain, chain, public_of
from semjax.evaluators.bootstrap import Interval, Pictures, mean_interval
from semjax.evaluators.paired import Measured
from semjax.evaluators.regions import REGION_METRICS, Mattering, mattering, present, region_scores
from semjax.evaluators.results import Row
from semjax.evaluators.shares import RATIOS, Exam, share
from semjax.evaluators.tally import KINDS, Agreed, Heard, Point, Tally
from semjax.link import transport
from semjax.link.rate import rates
from semjax.metrics import METRICS, MS_SSIM_MIN_SIDE, SIGNAL_METRICS, mse_to_psnr
from semjax.types import Image, PerImage, Public, Received, Symbols, Tree, Used

LOG = logging.getLogger(__name__)
OF_MEAN_MSE = "psnr_of_mean_mse"
OUTAGE = "outage"
"""Share of pictures of which content or side information was lost; of systems that send some of it digitally."""
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
      mismatch: SNRs that both ends are told while the channel has each of `snr_db` in turn.
      mismatch_rate: the rate token at which that is done.
      draws: channel draws per picture.
      metrics: names in `METRICS`, `SIGNAL_METRICS` or `REGION_METRICS`, or "psnr_of_mean_mse", or "outage".
      seed: of the channel draws.
      links: the digital link over a channel.
      progress: called with the number of pictures whenever a batch has met one point on every channel.
      watch: called with everything that is received.
      exam: asks about what is received; its metrics come after the others.
    """

    trainable: Trainable
    channels: Mapping[str, Channel]
    snr_db: tuple[float, ...]
    batches: Callable[[], Iterator[Mapping[str, np.ndarray]]]
    origin: Origin
    rates: tuple[float, ...] = (1.0,)
    mismatch: tuple[float, ...] = ()
    mismatch_rate: float = 1.0
    draws: int = 1
    metrics: tuple[str, ...] = DEFAULT_METRICS
    seed: int = 0
    links: Callable[[Channel], transport.Transport] = transport.ideal_link
    progress: Callable[[int], None] = lambda pictures: None
    watch: Callable[[Heard], None] = lambda heard: None
    exam: Exam | None = None

    def __post_init__(self) -> None:
        """Refuses unknown metrics and empty sweeps."""
        known = {*METRICS, *SIGNAL_METRICS, *REGION_METRICS, OF_MEAN_MSE, OUTAGE}
        unknown = sorted(set(self.metrics) - known)
        if unknown:
            raise ValueError(f"unknown metrics {unknown}; there are {sorted(known)}")
        if not (self.channels and self.snr_db and self.rates and self.metrics and self.draws > 0):
            raise ValueError(
                "a sweep needs at least one channel, SNR, rate, metric and draw, got "
                f"{list(self.channels)}, {self.snr_db}, {self.rates}, {self.metrics}, draws={self.draws}"
            )

    @functools.cached_property
    def chain(self) -> Chain:
        """The compiled chain; kept, so that whoever measures more of the system compiles nothing anew."""
        return chain(self.trainable, links=self.links)

    @functools.cached_property
    def plan(self) -> tuple[Agreed, ...]:
        """The transmissions: matched ones by rate and SNR, then those under mismatch; no point is met twice."""
        met: dict[tuple[float, float], dict[float, None]] = {}
        for token, snr_db in itertools.product(self.rates, self.snr_db):
            met.setdefault((token, snr_db), {})[snr_db] = None
        for told in self.mismatch:
            met.setdefault((self.mismatch_rate, told), {}).update(dict.fromkeys(self.snr_db))
        return tuple(Agreed(rate=token, told_snr_db=told, snr_db=(*true,)) for (token, told), true in met.items())

    @property
    def points_per_picture(self) -> int:
        """How often `progress` is told of each picture."""
        return sum(len(agreed.snr_db) for agreed in self.plan)

    def run(self, variables: Tree, frozen: Tree) -> Iterator[Row]:
        """Yields the rows, point by point.

        Args:
          variables: what the predict functions apply: {"params": ..., **collections}.
          frozen: frozen parameters, {} if there are none.

        Raises:
          ValueError: there are no pictures.
        """
        for point in self.points(variables, frozen):
            yield from self._rows(point)

    def measure(self, variables: Tree, frozen: Tree) -> Measured:
        """The rows, and the values per picture that they are means of; see `run`."""
        rows: list[Row] = []
        pictures: dict[str, Pictures] = {}
        for point in self.points(variables, frozen):
            where = {name: getattr(point, name) for name in ("channel", "snr_db", "told_snr_db", "rate")}
            pictures |= {results.picture_name(**where, metric=m): values for m, values in point.values.items()}
            rows += self._rows(point)
        return Measured(rows=rows, pictures=pictures)

    def points(self, variables: Tree, frozen: Tree) -> Iterator[Point]:
        """Yields what was measured, first every matched point, when all pictures have been through; see `run`."""
        names = functools.cache(self._names)
        found: dict[tuple[float, float, float, str], Tally] = {}
        for agreed, lane in itertools.product(self.plan, self.channels):
            for snr_db in agreed.snr_db:
                found[agreed.rate, agreed.told_snr_db, snr_db, lane] = Tally(draws=self.draws)
        for batch in self.batches():
            scored = names(batch["image"].shape[1:3])
            for heard in self._transmissions(batch, variables=variables, frozen=frozen, names=scored):
                found[heard.rate, heard.told_snr_db, heard.snr_db, heard.channel].add(heard)
                self.watch(heard)
        for (token, told, snr_db, lane), tally in sorted(found.items(), key=lambda item: item[0][1] != item[0][2]):
            point = tally.point(channel=lane, snr_db=snr_db, told_snr_db=told, rate=token)
            yield dataclasses.replace(point, values=present(point.values))

    def _transmissions(
        self, batch: Mapping[str, np.ndarray], *, variables: Tree, frozen: Tree, names: tuple[str, ...]
    ) -> Iterator[Heard]:
        """All that is received of a batch."""
        image, key, ids = jnp.asarray(batch["image"]), jax.random.key(self.seed), batch["id"]
        matters, regional = self._mattering(batch)
        for agreed in self.plan:
            public = public_of(batch, snr_db=agreed.told_snr_db, rate=agreed.rate)
            given = self._given(batch, public)
            sent = self.chain.encode(variables, frozen, image=image, public=public, given=given)
            peaks = _score_signal(sent.symbols, sent.used, tuple(sorted(set(self.metrics) & set(SIGNAL_METRICS))))
            for snr_db in agreed.snr_db:
                true = public_of(batch, snr_db=snr_db, rate=agreed.rate).snr_db
                for (lane, channel), draw in itertools.product(self.channels.items(), range(self.draws)):
                    received = self.chain.deliver(
                        sent, channel=channel, key=key, draw=draw, ids=ids, snr_db=true, told_snr_db=public.snr_db
                    )
                    restored = self.chain.decode(variables, frozen, received=received, public=public)
                    counted = {} if self.exam is None else self.exam.counts(jax.device_get(restored), batch)
                    if matters is not None:
                        counted |= region_scores(restored, image, matters, regional)
                    scores = {**_score(restored, image, names), **peaks, **self._outage(received)}
                    yield Heard(
                        channel=lane,
                        snr_db=snr_db,
                        told_snr_db=agreed.told_snr_db,
                        rate=agreed.rate,
                        draw=draw,
                        batch=batch,
                        image=restored,
                        scores={**jax.device_get(scores), **counted},
                        spent=rates(received.uses, height=public.height, width=public.width),
                    )
                self.progress(int(np.sum(batch["_mask"])))

    def _mattering(self, batch: Mapping[str, np.ndarray]) -> tuple[Mattering | None, tuple[str, ...]]:
        """What matters in a batch, if a metric asks for it, and those metrics."""
        regional = tuple(name for name in REGION_METRICS if name in self.metrics)
        return (mattering(batch) if regional else None), regional

    def _given(self, batch: Mapping[str, np.ndarray], public: Public) -> dict[str, jax.Array]:
        """The truth that a variant reads, made of the batch's labels; {} for every system that reads none."""
        given_of = getattr(self.trainable, "given_of", None)
        if given_of is None:
            return {}
        labels = {
            name.removeprefix("labels/"): jnp.asarray(a) for name, a in batch.items() if name.startswith("labels/")
        }
        return given_of(labels, public)

    def _outage(self, received: Received) -> dict[str, np.ndarray]:
        """Which pictures lost something, if that is asked for and there is something digital to lose."""
        whole = [np.asarray(ok) for ok in received.ok.values()] if OUTAGE in self.metrics else []
        lost = [1.0 - ok.reshape(ok.shape[0], -1).all(axis=1) for ok in whole]
        return {OUTAGE: np.max(lost, axis=0)} if lost else {}

    def _names(self, shape: tuple[int, int]) -> tuple[str, ...]:
        """The metrics computed for pictures of a shape; says which are left out, and why."""
        asked = {("mse" if name == OF_MEAN_MSE else name) for name in self.metrics}
        asked -= {*SIGNAL_METRICS, *REGION_METRICS, OUTAGE}
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
            yield self._row(point, metric, _in_db(interval) if metric == OF_MEAN_MSE else interval, pictures)
        for metric in RATIOS if self.exam else ():
            yield self._row(point, metric, share(point.values, metric), point.values[metric])

    def _row(self, point: Point, metric: str, found: Interval, pictures: Pictures) -> Row:
        side_link, terms = self.chain.side_link(self.channels[point.channel])
        return {
            **dataclasses.asdict(self.origin),
            "channel": point.channel,
            "csi": csi_name(self.channels[point.channel]),
            "side_link": side_link,
            "link_terms": terms,
            "snr_db": point.snr_db,
            "told_snr_db": point.told_snr_db,
            "rate": point.rate,
            **{f"cbr_{kind}": point.cbr[kind] for kind in KINDS},
            "metric": metric,
            "mean": found.mean,
            "ci_low": found.low,
            "ci_high": found.high,
            "n_images": len(pictures.ids),
            "n_draws": self.draws,
            "seed": self.seed,
        }


@functools.partial(jax.jit, static_argnums=2)
def _score(image: Image, target: Image, names: tuple[str, ...]) -> dict[str, PerImage]:
    return {name: METRICS[name](image, target) for name in names}


@functools.partial(jax.jit, static_argnums=2)
def _score_signal(symbols: Symbols, used: Used, names: tuple[str, ...]) -> dict[str, PerImage]:
    return {name: SIGNAL_METRICS[name](symbols, used) for name in names}


def _in_db(mse: Interval) -> Interval:
    """The interval of a mean MSE as PSNR: less error is more dB, so the ends change places."""
    ends = [float(mse_to_psnr(jnp.float32(v))) for v in (mse.mean, mse.high, mse.low)]
    return Interval(mean=ends[0], low=ends[1], high=ends[2])
