"""Public figures to stand beside ours: named, with their source, and only where they are of the same thing.

A figure is shown beside rows of its set of pictures (all of them, whole), its channel and its metric; at a point,
beside a row of the same SNR whose cbr agrees within 1 %. SNR is the true complex Es/N0 throughout; public code that
labels it otherwise was converted. The figures are facts reported by others, kept in references.json with their sources;
a sweep of this package produced none of them.
"""

import dataclasses
import fnmatch
import fractions
import functools
import importlib.resources
import json
import math
from collections.abc import Iterable

from semjax.evaluators.paired import EQUAL_RATES
from semjax.evaluators.results import Row, distinct, matched

CROPPED = "crop"
"""A word of `split` in rows of pictures that were cropped: then they are not the reference's pictures."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Figure:
    """One public number: what was received at `snr_db` with `cbr` channel uses per picture value."""

    snr_db: float
    cbr: float
    value: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Reference:
    """What one publication or public checkpoint reaches.

    Attributes:
      name: of the system.
      source: where the figures come from.
      note: what must be kept in mind beside them; "" if nothing.
      datasets: names of the set of pictures, as patterns.
      n_images: pictures in the set; None if any number may stand beside it.
      channel: name of the channel.
      metric: what the figures are.
      points: the figures.
    """

    name: str
    source: str
    note: str
    datasets: tuple[str, ...]
    n_images: int | None
    channel: str
    metric: str
    points: tuple[Figure, ...]

    def is_of(self, row: Row) -> bool:
        """Whether a row is of the same pictures, channel and metric."""
        return (
            any(fnmatch.fnmatch(str(row["dataset"]).lower(), pattern) for pattern in self.datasets)
            and self.n_images in (None, row["n_images"])
            and CROPPED not in str(row["split"]).split()
            and (row["channel"], row["metric"]) == (self.channel, self.metric)
            and matched(row)
        )


@functools.cache
def load() -> tuple[Reference, ...]:
    """The packaged references."""
    text = (importlib.resources.files("semjax.evaluators") / "references.json").read_text(encoding="utf-8")
    return tuple(_reference(entry) for entry in json.loads(text))


def beside(rows: Iterable[Row]) -> list[Row]:
    """The figures that may stand beside `rows`, as rows themselves.

    Args:
      rows: result rows.

    Returns:
      Rows with the fields system, source, note, dataset, channel, metric, snr_db, cbr_total and mean.
    """
    kinds: tuple[str, ...] = ("dataset", "split", "channel", "metric", "n_images", "snr_db", "told_snr_db")
    places: list[Row] = [dict(zip(kinds, values, strict=True)) for values in distinct(rows, *kinds)]
    found = []
    for reference in load():
        dataset = next((place["dataset"] for place in places if reference.is_of(place)), None)
        words = {"system": reference.name, "source": reference.source, "note": reference.note, "dataset": dataset}
        kind = {"channel": reference.channel, "metric": reference.metric}
        for point in reference.points if dataset is not None else ():
            found.append({**words, **kind, "snr_db": point.snr_db, "cbr_total": point.cbr, "mean": point.value})
    return found


def same_rate(a: float, b: float) -> bool:
    """Whether two cbr count as equal."""
    return math.isclose(a, b, rel_tol=EQUAL_RATES)


def _reference(entry: dict[str, object]) -> Reference:
    points = [
        Figure(snr_db=p["snr_db"], cbr=float(fractions.Fraction(p["cbr"])), value=p["value"])
        for p in entry["points"]  # type: ignore[attr-defined]
    ]
    words = {key: value for key, value in entry.items() if key not in ("points", "datasets")}
    return Reference(**words, datasets=tuple(entry["datasets"]), points=tuple(points))  # type: ignore[arg-type]
