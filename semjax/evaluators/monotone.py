"""Does quality rise with SNR, and with rate? Every step of a sweep, and those that go down.

A step is between neighbouring points of one system over one channel: from one SNR to the next at the same rate token,
or from one cbr to the next at the same SNR. Means are of the same pictures with the same channel draws, so a step down
of a few hundredths of a dB is a property of the system and not of the draw.
"""

import dataclasses
import itertools
from collections.abc import Iterator, Sequence

from semjax.evaluators.results import Row, distinct, matched

ALONG = {"snr_db": "rate", "cbr_total": "snr_db"}
"""What changes along a line, and what stays as it is."""
_LINE = ("system", "variant", "checkpoint", "dataset", "split", "channel", "csi", "metric")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Step:
    """Two neighbouring points, the second of which has the higher SNR or rate."""

    along: str
    start: Row
    end: Row

    @property
    def rise(self) -> float:
        """What it gains; negative for a step down."""
        return self.end["mean"] - self.start["mean"]


def steps(rows: Sequence[Row], *, metric: str = "psnr") -> Iterator[Step]:
    """All steps of a metric that should rise, among the rows whose ends knew the SNR.

    Args:
      rows: result rows.
      metric: where more is better.
    """
    chosen = [row for row in rows if row["metric"] == metric and matched(row)]
    for along, fixed in ALONG.items():
        fields = [f for f in (*_LINE, fixed) if all(f in row for row in chosen)]
        for values in distinct(chosen, *fields):
            line = [row for row in chosen if tuple(row[f] for f in fields) == values]
            line.sort(key=lambda row: row[along])
            for start, end in itertools.pairwise(line):
                if start[along] < end[along]:
                    yield Step(along=along, start=start, end=end)


def falls(rows: Sequence[Row], *, metric: str = "psnr") -> list[Step]:
    """The steps along which the metric does not rise or stay; one that is not finite counts among them."""
    return [step for step in steps(rows, metric=metric) if not step.rise >= 0]
