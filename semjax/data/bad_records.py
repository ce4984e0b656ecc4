"""A guard around a source: a picture that cannot be read is logged and masked, until there are too many.

A bad picture stays where it is in every batch, as zeros with `_mask` False, so that positions, shapes, the order of the
others and an exact resumption do not depend on it. Each one is written down once per file of the log, a line of JSON:
{"id", "name", "reason", "time"}. The run ends when more than `max_rate` of the distinct pictures read so far are bad.
"""

import datetime
import json
import logging
import os
import pathlib
import threading
from typing import Any

import numpy as np

from semjax.data.entries import blank_of, id_of, name_of
from semjax.data.files import DataError, Record, Source
from semjax.data.images import ImageError

log = logging.getLogger(__name__)
SHOWN = 5


class GuardedSource:
    """A source whose unreadable pictures do not stop the reader: `GuardedSource(source, log_path=..., max_rate=...)`.

    Put it outermost, around the cache. Of training only: an evaluation stops at a bad picture, because its figures
    would be of another set.

    Args:
      source: what to read from.
      log_path: the `bad_records.jsonl` of the run, one per process; made at the first bad picture, continued if there.
      max_rate: share of the distinct pictures read that may be bad; 0 allows none, 1 any number.
      min_seen: distinct pictures (all, if the source has fewer) to be read before the rate is judged.

    Attributes:
      bad: how many distinct pictures could not be read so far.
      seen: how many distinct pictures were asked for so far.

    Raises:
      ValueError: a rate outside 0 to 1.
    """

    same_order = True

    def __init__(
        self, source: Source, *, log_path: str | os.PathLike[str], max_rate: float = 0.01, min_seen: int = 100
    ):
        if not 0 <= max_rate <= 1:
            raise ValueError(f"max_rate={max_rate} must be between 0 and 1")
        self.source, self.log_path, self.max_rate, self.min_seen = source, pathlib.Path(log_path), max_rate, min_seen
        self._lock = threading.Lock()
        self._seen = np.zeros(len(source), bool)
        self._reasons: dict[int, str] = {}
        self._logged = _ids(self.log_path)

    def __len__(self) -> int:
        return len(self.source)

    @property
    def seen(self) -> int:
        """Distinct pictures asked for so far."""
        return int(np.count_nonzero(self._seen))

    @property
    def bad(self) -> int:
        """Distinct pictures that could not be read so far."""
        return len(self._reasons)

    def inside(self, index: int) -> tuple[Source, int]:
        """Where picture `index` is from."""
        return self.source, index

    def __getitem__(self, index: int) -> Record:
        index = range(len(self))[index]
        try:
            record = self.source[index]
        except (ImageError, DataError, OSError) as error:
            self._note(index, error)
            nothing = np.zeros((1, 1, 3), np.float32)
            bad: Any = {"image": nothing, "id": id_of(self.source, index), "_mask": False, **blank_of(self.source)}
            return bad
        self._seen[index] = True
        return record

    def _note(self, index: int, error: Exception) -> None:
        with self._lock:
            self._seen[index] = True
            if index not in self._reasons:
                self._reasons[index] = str(error)
                self._write(index, str(error))
            self._judge()

    def _write(self, index: int, reason: str) -> None:
        if self.bad <= SHOWN:
            log.warning("left out of training: %s", reason)
        if self.bad == SHOWN:
            log.warning("further pictures that cannot be read are only listed in %s", self.log_path)
        place = id_of(self.source, index)
        if place in self._logged:
            return
        self._logged.add(place)
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        line = {"id": place, "name": name_of(self.source, index), "reason": reason, "time": now}
        try:
            with self.log_path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line, ensure_ascii=False) + "\n")
        except OSError as failure:  # a full disk must not end a run that can go on without this line
            log.warning("%s cannot be written to (%s)", self.log_path, failure.strerror)

    def _judge(self) -> None:
        seen = self.seen
        if self.bad > self.max_rate * seen and seen >= min(self.min_seen, len(self)):
            first = "".join(f"\n  {reason}" for reason in list(self._reasons.values())[:SHOWN])
            raise DataError(
                f"{self.bad} of the {seen} pictures read so far cannot be read, more than data.max_bad_rate="
                f"{self.max_rate:g} allows; the first of them:{first}\nall are listed in {self.log_path}; repair or "
                "remove them, or allow more with --config.data.max_bad_rate=RATE"
            )

    def __getstate__(self) -> dict[str, object]:
        # A lock does not pickle; what was counted belongs to the process that counted it.
        keys = ("source", "log_path", "max_rate", "min_seen")
        return {key: getattr(self, key) for key in keys}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__init__(**state)  # type: ignore[arg-type]


def _ids(path: pathlib.Path) -> set[int]:
    """The ids an earlier process has written down; a line that a crash cut off is passed over."""
    found = set()
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else ():
        try:
            found.add(int(json.loads(line)["id"]))
        except (ValueError, KeyError, TypeError):
            continue
    return found
