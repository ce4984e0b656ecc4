"""How much a teacher may fail before a run ends.

A picture with an error counts 1, another one the share of its asked labels that are FAILED; the run ends when the mean
is more than `most`, over the pictures of shards that were there already and those of this run so far. It is judged from
`judged_from` pictures on.
"""

import dataclasses
from collections.abc import Iterable

import numpy as np

from semjax.store.layout import Manifest
from semjax.store.record import Record, Status
from semjax.store.shards import failed_share

MOST = 0.05
JUDGED_FROM = 100
SHOWN = 5
ROUNDED = 1e-6
"""Manifests hold sums rounded to this."""


class FailureError(ValueError):
    """Too many failures; the message names the first."""


@dataclasses.dataclass(kw_only=True)
class FailureLimit:
    """Counts failures, and ends a run that has too many.

    Attributes:
      most: the share that is allowed, 0 to 1.
      judged_from: pictures that must have been asked about first; a run of fewer is judged at its end.
      pictures, errors: of this run so far, and those of them with an error.
      statuses: number of labels of each status of this run so far.
    """

    most: float = MOST
    judged_from: int = JUDGED_FROM
    pictures: int = 0
    errors: int = 0
    statuses: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros(len(Status), int))
    _there: int = 0
    _sum: float = 0.0
    _first: list[str] = dataclasses.field(default_factory=list)

    def __post_init__(self) -> None:
        if not 0 <= self.most <= 1:
            raise FailureError(f"max_failed={self.most} must be a share between 0 and 1")

    def start(self, kept: Iterable[Manifest], pictures: int) -> None:
        """Takes in the shards that are there, and how many pictures are to come.

        Raises:
          FailureError: too many have failed in those shards alone.
        """
        for manifest in kept:
            self._there += manifest.count
            self._sum += manifest.failed
        self.judged_from = min(self.judged_from, self._there + pictures)
        self.judge()

    def add(self, record: Record) -> None:
        """Counts a picture.

        Raises:
          FailureError: too many have failed.
        """
        self.pictures += 1
        self.errors += bool(record.err)
        if record.scenarios is not None:
            self.statuses += np.bincount(record.scenarios.status.ravel(), minlength=len(Status))
        share = failed_share(record)
        self._sum += share
        if share and len(self._first) < SHOWN:
            why = record.err or f"{share:.0%} of its labels failed"
            self._first.append(f"picture {record.index} (id {record.id}): {why}")
        self.judge()

    def judge(self) -> None:
        """Ends the run if too much has failed so far.

        Raises:
          FailureError: with the first failures.
        """
        seen = self._there + self.pictures
        if seen < self.judged_from or self._sum <= self.most * seen + ROUNDED * self._there:
            return
        first = "; the first:" + "".join(f"\n  {line}" for line in self._first) if self._first else ""
        there = f" ({self._there} of them in shards that were there already)" if self._there else ""
        raise FailureError(
            f"the teacher failed on {self._sum / seen:.1%} of {seen} pictures{there}, more than "
            f"max_failed={self.most:g} allows{first}\nshards that were finished stay; put the teacher right and run "
            "the command again (with --anew if finished shards hold failures, too), or allow more with "
            "--max_failed=SHARE"
        )
