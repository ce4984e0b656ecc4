"""Paired gains as result rows: the same pictures, the same keys, one system minus another.

    gain = mean over pictures of (value of the system − value of the baseline), its interval by resampling pictures

A gain whose interval leaves out 0 is a difference on these pictures; pairing removes what the pictures have in common.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

from semjax.evaluators.bootstrap import Pictures, paired_difference
from semjax.evaluators.results import Row, picture_name

GAIN_OVER = "_gain_over_"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Measured:
    """One system's rows at full rate, and its values per picture by `picture_name`."""

    rows: Sequence[Row]
    pictures: Mapping[str, Pictures]


def gains(system: Measured, baseline: Measured) -> Iterator[Row]:
    """Yields a row "METRIC_gain_over_BASELINE" for every point that both have values per picture of.

    Raises:
      ValueError: the two were not measured on the same pictures.
    """
    for row in system.rows:
        name = picture_name(channel=row["channel"], snr_db=row["snr_db"], rate=1.0, metric=row["metric"])
        if name in system.pictures and name in baseline.pictures:
            difference = paired_difference(system.pictures[name], baseline.pictures[name])
            yield {
                **row,
                "metric": f"{row['metric']}{GAIN_OVER}{baseline.rows[0]['system']}",
                "mean": difference.mean,
                "ci_low": difference.low,
                "ci_high": difference.high,
            }
