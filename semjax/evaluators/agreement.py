"""Is a gain above 0 in every seed, and in all of them together? Place by place.

A place is one variant on one set of pictures over one channel and link at one SNR. The gain holds there if the mean of
each seed is above 0, and with its whole interval the row of all seeds together (`hierarchical.POOLED`), or that of the
only seed there is.
"""

import dataclasses
from collections.abc import Iterator, Sequence

from semjax.evaluators.hierarchical import POOLED
from semjax.evaluators.results import Row, distinct

_PLACE = ("system", "variant", "dataset", "split", "channel", "side_link", "snr_db", "metric")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Place:
    """The rows of one place: of each seed, and of all together."""

    seeds: Sequence[Row]
    together: Row

    @property
    def holds(self) -> bool:
        """Whether the gain is above 0, as the module says; NaN is not."""
        return all(row["mean"] > 0 for row in self.seeds) and self.together["ci_low"] > 0

    def words(self, digits: int = 2) -> str:
        """Where it is, and the numbers."""
        row = self.together
        where = [str(row[name]) for name in ("variant", "split", "channel", "side_link") if row.get(name)]
        each = ", ".join(f"{one['mean']:.{digits}f}" for one in self.seeds)
        interval = ", ".join(f"{row[end]:.{digits}f}" for end in ("ci_low", "ci_high"))
        return f"{', '.join(where)}, {row['snr_db']:g} dB: {each}; all {row['mean']:.{digits}f} [{interval}]"


def places(rows: Sequence[Row]) -> Iterator[Place]:
    """The places of rows of one gain.

    Raises:
      ValueError: several rows of one seed at a place, or of several seeds none of all together.
    """
    fields = [name for name in _PLACE if all(name in row for row in rows)]
    for values in distinct(rows, *fields):
        here = [row for row in rows if tuple(row[name] for name in fields) == values]
        seeds = [row for row in here if row["seed"] != POOLED]
        together = [row for row in here if row["seed"] == POOLED] or (seeds if len(seeds) == 1 else [])
        where = dict(zip(fields, values, strict=True))
        if len({row["seed"] for row in seeds}) != len(seeds):
            raise ValueError(f"{len(seeds)} rows, several of one seed, at {where}: select more")
        if len(together) != 1:
            raise ValueError(f"{len(together)} rows of all seeds together at {where}: there must be one")
        yield Place(seeds=seeds, together=together[0])


def sentence(found: Sequence[Place]) -> str:
    """At how many places the gain holds."""
    counts = sorted({len(place.seeds) for place in found})
    seeds = f"{counts[0]} seeds" if counts[0] == counts[-1] else f"{counts[0]} to {counts[-1]} seeds"
    seeds = "the one seed" if counts == [1] else f"each of {seeds} and, with its whole 95 % interval, in all together"
    held = sum(place.holds for place in found)
    if held == len(found):
        return f"At all {held} places the gain is above 0 in {seeds}."
    return f"At {len(found) - held} of {len(found)} places the gain is not above 0 in {seeds}:"
