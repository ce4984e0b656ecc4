"""Paired gains as result rows: the same pictures, the same keys, one system minus another.

    gain = mean over pictures of (value of the system − value of the baseline), its interval by resampling pictures

A gain whose interval leaves out 0 is a difference on these pictures; pairing removes what the pictures have in common.
"""

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence

from semjax.evaluators.bootstrap import Interval, Pictures, paired_difference
from semjax.evaluators.results import Row, picture_name
from semjax.evaluators.shares import RATIOS, share_gain
from semjax.metrics import SIGNAL_METRICS

GAIN_OVER = "_gain_over_"
EQUAL_RATES = 0.01
"""Two systems compare at equal rate when their `cbr_total` agree to this fraction."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Measured:
    """One system's rows, and its values per picture by `picture_name`."""

    rows: Sequence[Row]
    pictures: Mapping[str, Pictures]

    def joined(self, other: "Measured") -> "Measured":
        """Both together: the same system at other points."""
        return Measured(rows=[*self.rows, *other.rows], pictures={**self.pictures, **other.pictures})


def gains(system: Measured, baseline: Measured) -> Iterator[Row]:
    """Yields a row "METRIC_gain_over_BASELINE" for every point that both have values of received pictures for.

    BASELINE is its system, or SYSTEM_VARIANT where it is a variant. Points are joined by channel, SNR, told SNR and
    rate token.

    Raises:
      ValueError: the two were not measured on the same pictures.
    """
    for row in system.rows:
        name = _point(row)
        if row["metric"] in SIGNAL_METRICS or not (name in system.pictures and name in baseline.pictures):
            continue
        difference = _difference(system, baseline, row)
        yield {
            **row,
            "metric": f"{row['metric']}{GAIN_OVER}{_named(baseline.rows[0])}",
            "mean": difference.mean,
            "ci_low": difference.low,
            "ci_high": difference.high,
        }


def _difference(system: Measured, baseline: Measured, row: Row) -> Interval:
    """The gain at a point; a metric that is a share of questions is compared over the questions."""
    a, b = system.pictures[_point(row)], baseline.pictures[_point(row)]
    if row["metric"] not in RATIOS:
        return paired_difference(a, b)
    return share_gain(a, b, system.pictures[_point({**row, "metric": RATIOS[row["metric"]]})])


def unequal_rates(system: Measured, baseline: Measured) -> list[str]:
    """The points at which the two did not spend the same, one line each: a gain there is not one at equal rate."""
    spent = {_point(row): row["cbr_total"] for row in baseline.rows}
    lines: dict[str, None] = {}
    for row in system.rows:
        other = spent.get(_point(row))
        if other is not None and not math.isclose(row["cbr_total"], other, rel_tol=EQUAL_RATES):
            where = f"{row['channel']}, {row['snr_db']:g} dB, rate {row['rate']:.4g}"
            lines[f"{where}: cbr {row['cbr_total']:.5f} beside {other:.5f} of {_named(baseline.rows[0])}"] = None
    return [*lines]


def _named(row: Row) -> str:
    words = [row["system"]] if row["variant"] in ("", "default") else [row["system"], row["variant"]]
    return "_".join(words).replace(" ", "_")


def _point(row: Row) -> str:
    return picture_name(**{name: row[name] for name in ("channel", "snr_db", "told_snr_db", "rate", "metric")})
