"""Merges reviewers' files of corrections, and says how far they agree with what is stored.

Files are taken in order, after what was merged before; of several lines on one label the last holds. The figure
compares the labels that the files give with the stored ones, corrected or not:

    equal        share within 0.005 of each other
    one level    share at most 1/9 apart
    same side    share on the same side of 0.5
    spearman     rank correlation; none where one side has a single value
"""

import dataclasses
import os
import pathlib
from collections.abc import Iterable, Sequence

import numpy as np
from scipy import stats

from semjax.store.overrides import Overrides, OverridesError, read_overrides, write_overrides
from semjax.store.record import Status
from semjax.store.shards import Store
from semjax.teachers.card import OVERRIDES

EQUAL, LEVEL, HALF = 0.005, 1 / 9 + 0.005, 0.5


@dataclasses.dataclass(frozen=True, kw_only=True)
class Agreement:
    """How far reviewed labels agree with stored ones; `labels` were compared, `unsaid` had no stored value."""

    labels: int
    unsaid: int
    equal: float
    one_level: float
    same_side: float
    spearman: float | None

    def __str__(self) -> str:
        if not self.labels:
            return f"no reviewed label has a stored value ({self.unsaid} have none)"
        rank = "none (one side has a single value)" if self.spearman is None else f"{self.spearman:.3f}"
        return (
            f"{self.labels} reviewed labels against the stored ones: equal {self.equal:.1%}, within one level "
            f"{self.one_level:.1%}, same side of 0.5 {self.same_side:.1%}, Spearman {rank}; {self.unsaid} had none"
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Merged:
    """What a merge gave: the file, how many labels it states now, and the agreement of the new files."""

    path: pathlib.Path
    labels: int
    agreement: Agreement


def merge(
    files: Sequence[str | os.PathLike[str]],
    store: Store,
    *,
    reviewer: str,
    out: str | os.PathLike[str] | None = None,
) -> Merged:
    """Adds files of corrections to those of a store.

    Args:
      files: in order; later ones win.
      store: that they correct; every line is compared with it.
      reviewer: who made the lines that do not name anyone.
      out: the merged file; `overrides.jsonl` of the store if None. What it holds already comes first.

    Raises:
      OverridesError: no file or name, or a line that cannot be used or is of another store.
    """
    if not files:
        raise OverridesError("no file of corrections is named")
    if not reviewer.strip():
        raise OverridesError("--reviewer is empty; name who looked at the labels: it will stand in the store's card")
    path = store.folder / OVERRIDES if out is None else pathlib.Path(out)
    new = [line for file in files for line in read_overrides(file, reviewer=reviewer)]
    old = read_overrides(path) if path.is_file() else []
    merged, fresh = Overrides([*old, *new]), Overrides(new)
    agreement = agreement_of(store, fresh)
    write_overrides(path, merged.lines.values())
    return Merged(path=path, labels=len(merged), agreement=agreement)


def agreement_of(store: Store, overrides: Overrides) -> Agreement:
    """Compares corrections with what is stored.

    Raises:
      OverridesError: a line of a picture, scenario or region that the store does not have.
    """
    places = _places(store, overrides.ids)
    pairs, unsaid = [], 0
    for picture in overrides.ids:
        record = store[places[picture]]
        if record.scenarios is None:
            raise OverridesError(f"picture {picture} has no importance labels in {store.folder}; nothing to correct")
        overrides.apply(record)  # says what does not fit
        for line in overrides.of(picture):
            place = record.scenarios.names.index(line.scenario), line.region
            if record.scenarios.status[place] < Status.FAILED:
                pairs.append((line.importance, float(record.scenarios.importance[place])))
            else:
                unsaid += 1
    return _agreement(np.array(pairs).reshape(-1, 2), unsaid)


def _places(store: Store, ids: Iterable[int]) -> dict[int, int]:
    """Index of each picture; most stores have id == index, the others are searched."""
    wanted, found = set(ids), {}
    likely = (i for i in wanted if i < len(store))
    for index in [*likely, *range(len(store))]:
        if len(found) == len(wanted):
            break
        picture = store[index].id
        if picture in wanted:
            found.setdefault(picture, index)
    lost = sorted(wanted - set(found))
    if lost:
        raise OverridesError(f"{store.folder} has no picture with id {lost[0]} ({len(lost)} such ids)")
    return found


def _agreement(pairs: np.ndarray, unsaid: int) -> Agreement:
    if not len(pairs):
        return Agreement(labels=0, unsaid=unsaid, equal=0.0, one_level=0.0, same_side=0.0, spearman=None)
    reviewed, stored = pairs.T
    apart = np.abs(reviewed - stored)
    varied = all(np.ptp(side) > 0 for side in (reviewed, stored))
    return Agreement(
        labels=len(pairs),
        unsaid=unsaid,
        equal=float(np.mean(apart <= EQUAL)),
        one_level=float(np.mean(apart <= LEVEL)),
        same_side=float(np.mean((reviewed >= HALF) == (stored >= HALF))),
        spearman=float(np.asarray(stats.spearmanr(reviewed, stored))[0]) if varied else None,
    )
