"""A few received pictures for the eye, kept from the sweeps themselves: original, system, baselines side by side.

What is shown is what was measured: the first channel, its first draw, the same draw for every system. Large pictures
are shown by a square from their middle, pixel for pixel; the PSNR under a picture is that of the whole one.
"""

import dataclasses
import math
import pathlib
from collections.abc import Callable, Sequence
from html import escape

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from semjax.data import images
from semjax.evaluators import page
from semjax.evaluators.results import cbr_name
from semjax.evaluators.tally import Heard
from semjax.metrics import METRICS

SIDE = 256
"""Pictures are shown by a square of at most this many pixels a side."""
SMALL_SIDE = 160
"""Pictures below this many pixels a side are enlarged by the page, so their pixels are kept sharp."""
AT_MOST = 3
"""How many SNRs are shown at the highest rate, and how many rates at a middle SNR."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Shown:
    """A received picture in the grid."""

    psnr: float
    image: Float[np.ndarray, "h w 3"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Comparison:
    """What the systems made of a picture at one rate and SNR, by their names."""

    label: str
    received: dict[str, Shown]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sample:
    """A picture and what arrived of it, point by point."""

    name: str
    original: Float[np.ndarray, "h w 3"]
    points: tuple[Comparison, ...]


def shown_points(*, rates: Sequence[float], snr_db: Sequence[float]) -> tuple[tuple[float, float], ...]:
    """The few (rate, SNR) that a grid shows: SNRs at the highest rate, rates at a middle SNR."""
    levels, snrs = sorted(set(rates)), sorted(set(snr_db))
    shown = {(levels[-1], snr) for snr in _spread(snrs)} | {(level, snrs[len(snrs) // 2]) for level in _spread(levels)}
    return tuple(sorted(shown))


class Gallery:
    """Keeps what a grid shows while sweeps run.

    Args:
      channel: name of the channel that is shown.
      points: (rate token, SNR in dB), in the order of the grid.
      pictures: how many, the first ones heard.
    """

    def __init__(self, *, channel: str, points: Sequence[tuple[float, float]], pictures: int) -> None:
        self.channel, self.points, self.pictures = channel, tuple(points), pictures
        self._originals: dict[int, np.ndarray] = {}
        self._received: dict[tuple[int, float, float], dict[str, Shown]] = {}
        self._cbr: dict[tuple[int, float, float], float] = {}

    def watch(self, system: str) -> Callable[[Heard], None]:
        """What a sweep over `system` is to call."""

        def keep(heard: Heard) -> None:
            here = (heard.rate, heard.snr_db) in self.points and heard.snr_db == heard.told_snr_db
            if here and heard.channel == self.channel and heard.draw == 0:
                for i in np.flatnonzero(np.asarray(heard.batch["_mask"])):
                    self._keep(system, heard, int(i))

        return keep

    def _keep(self, system: str, heard: Heard, i: int) -> None:
        picture, original = int(heard.batch["id"][i]), heard.batch["image"][i]
        if picture not in self._originals:
            if len(self._originals) >= self.pictures:
                return
            self._originals[picture] = _middle(original)
        where = (picture, heard.rate, heard.snr_db)
        psnr = float(METRICS["psnr"](heard.image[i : i + 1], jnp.asarray(original)[None])[0])
        self._received.setdefault(where, {})[system] = Shown(psnr=psnr, image=_middle(np.asarray(heard.image[i])))
        self._cbr.setdefault(where, float(heard.spent.cbr_total[i]))

    def samples(self) -> list[Sample]:
        """One sample per picture, with the points at which something was received."""
        made = []
        for picture, original in self._originals.items():
            points = [
                Comparison(label=f"cbr {cbr_name(self._cbr[where])}, {snr_db:g} dB", received=self._received[where])
                for rate, snr_db in self.points
                if (where := (picture, rate, snr_db)) in self._received
            ]
            name = f"Picture {picture} over {self.channel}"
            made.append(Sample(name=name, original=original, points=tuple(points)))
        return made


def grid(sample: Sample, folder: pathlib.Path, index: int) -> str:
    """Writes a sample's pictures into `folder`/pictures and returns the HTML of its grid, the first one open."""
    (folder / "pictures").mkdir(parents=True, exist_ok=True)
    small = max(sample.original.shape[:2]) < SMALL_SIDE
    original = _saved(sample.original, folder, f"{index}_0")
    systems = list(dict.fromkeys(name for point in sample.points for name in point.received))
    cells, count = [], 0
    for point in sample.points:
        caption = f"<b>original</b> · {escape(point.label)}"
        cells.append(page.picture(path=original, name=f"{sample.name}, original", caption=caption, small=small))
        for system in systems:
            shown = point.received.get(system)
            if shown is None:
                cells.append("<span></span>")
                continue
            count += 1
            path = _saved(shown.image, folder, f"{index}_{count}")
            caption = f"<b>{escape(system)}</b> · {_db(shown.psnr)}"
            name = f"{sample.name}, {system}, {point.label}"
            cells.append(page.picture(path=path, name=name, caption=caption, small=small))
    return page.folded(sample.name, page.grid(cells, columns=1 + len(systems)), first=index == 0)


def _saved(image: Float[np.ndarray, "h w 3"], folder: pathlib.Path, name: str) -> str:
    images.save_png(folder / "pictures" / f"{name}.png", image)
    return f"pictures/{name}.png"


def _spread(values: Sequence[float]) -> list[float]:
    """At most `AT_MOST` of sorted values, from the first to the last."""
    steps = min(AT_MOST, len(values))
    return [values[round(i * (len(values) - 1) / max(steps - 1, 1))] for i in range(steps)]


def _middle(image: Float[np.ndarray, "h w 3"]) -> Float[np.ndarray, "h2 w2 3"]:
    height, width = image.shape[:2]
    top, left = max(0, (height - SIDE) // 2), max(0, (width - SIDE) // 2)
    return np.array(image[top : top + SIDE, left : left + SIDE])


def _db(psnr: float) -> str:
    return f"{psnr:.2f} dB" if math.isfinite(psnr) else "identical"
