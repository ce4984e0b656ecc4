"""What a sweep sends, what is heard of it, and the values of each point, collected picture by picture."""

import collections
import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from semjax.evaluators.bootstrap import Pictures
from semjax.link.rate import Rates
from semjax.types import Image

KINDS = ("analog", "digital", "side", "total")
_CBR = "cbr "


@dataclasses.dataclass(frozen=True, kw_only=True)
class Agreed:
    """One transmission: the rate token and SNR that both ends go by, and the SNRs that the channel then has, in dB."""

    rate: float
    told_snr_db: float
    snr_db: tuple[float, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Heard:
    """One batch as it was received once.

    Attributes:
      channel: its name in the sweep.
      snr_db: what the channel had, in dB.
      told_snr_db: what both ends took it to have, in dB.
      rate: the rate token.
      draw: number of the channel draw.
      batch: "image", "id" and "_mask" as the loader gave them.
      image: the received pictures, not clipped.
      scores: metrics per picture, `[b]`.
      spent: channel uses per picture value, `[b]`.
    """

    channel: str
    snr_db: float
    told_snr_db: float
    rate: float
    draw: int
    batch: Mapping[str, Any]
    image: Image
    scores: Mapping[str, np.ndarray]
    spent: Rates


@dataclasses.dataclass(frozen=True, kw_only=True)
class Point:
    """What was measured at one SNR and rate over one channel.

    Attributes:
      channel: its name in the sweep.
      snr_db: average Es/N0 in dB.
      told_snr_db: what both ends took it to be, in dB.
      rate: the rate token.
      values: per picture and metric, averaged over draws.
      cbr: the mean over pictures and draws of "analog", "digital", "side" and "total".
    """

    channel: str
    snr_db: float
    told_snr_db: float
    rate: float
    values: dict[str, Pictures]
    cbr: dict[str, float]


class Tally:
    """Sums over channel draws, per picture; pictures that only fill a batch are left out.

    Args:
      draws: how often each picture is to be sent.
    """

    def __init__(self, *, draws: int) -> None:
        self.draws = draws
        self._sums: dict[str, dict[int, float]] = collections.defaultdict(dict)
        self._draws: dict[str, collections.Counter[int]] = collections.defaultdict(collections.Counter)

    def add(self, heard: Heard) -> None:
        """Adds one channel draw of a batch."""
        batch, spent = heard.batch, heard.spent
        rows = np.flatnonzero(np.asarray(batch["_mask"]))
        for name, values in (
            *heard.scores.items(),
            *((f"{_CBR}{kind}", getattr(spent, f"cbr_{kind}")) for kind in KINDS),
        ):
            sums, draws = self._sums[name], self._draws[name]
            for i in rows:
                picture = int(batch["id"][i])
                sums[picture] = sums.get(picture, 0.0) + float(values[i])
                draws[picture] += 1

    def point(self, *, channel: str, snr_db: float, told_snr_db: float, rate: float) -> Point:
        """What was collected.

        Raises:
          ValueError: nothing was, or two pictures have the same id.
        """
        if not self._sums:
            raise ValueError("there are no pictures to evaluate: the source is empty, or its limit is 0")
        twice = sorted(i for i, n in self._draws[f"{_CBR}total"].items() if n != self.draws)
        if twice:
            raise ValueError(f"several pictures share an id, among them {twice[:5]}; every picture needs its own")
        means = {name: self._mean(name) for name in self._sums}
        values = {name: pictures for name, pictures in means.items() if not name.startswith(_CBR)}
        cbr = {kind: float(means[f"{_CBR}{kind}"].values.mean()) for kind in KINDS}
        return Point(channel=channel, snr_db=snr_db, told_snr_db=told_snr_db, rate=rate, values=values, cbr=cbr)

    def _mean(self, name: str) -> Pictures:
        sums, draws = self._sums[name], self._draws[name]
        return Pictures(ids=np.array([*sums]), values=np.array([total / draws[i] for i, total in sums.items()]))
