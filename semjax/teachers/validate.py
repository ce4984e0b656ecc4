"""Checks a finished store, and writes its card.

shards       all there, with the SHA-256 of their manifests
records      readable; ids those of the manifests, each once; names, texts and shapes alike throughout
values       importance and std in [0, 1], boxes in [0, 1], embeddings neither zero nor infinite
failures     FAILED and FALLBACK labels, pictures with an error: each at most 5 %
histogram    no scenario has 95 % of its labels (of at least 100) in one tenth of [0, 1]
leakage      no picture (by SHA-256) is in a store of another split of the data set
fingerprint, recomputed    where album and teacher are given: the fingerprint is theirs, and 0.1 % of the records,
             computed again, have the same bytes
"""

import dataclasses
import os
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from semjax.store import fingerprint, layout
from semjax.store.layout import StoreError
from semjax.store.packing import pack
from semjax.store.record import Record
from semjax.store.shards import Store
from semjax.teachers.base import Album, Teacher
from semjax.teachers.census import Census
from semjax.teachers.precompute import fields_of, records_of

MOST_FAILED = 0.05
COLLAPSED, FEWEST = 0.95, 100
RECOMPUTED = 0.001
SHOWN = 5


@dataclasses.dataclass(frozen=True, kw_only=True)
class Check:
    """One check: what was wrong, or nothing."""

    name: str
    wrong: tuple[str, ...] = ()

    def __str__(self) -> str:
        if not self.wrong:
            return f"{self.name}: as it should be"
        more = f"\n  and {len(self.wrong) - SHOWN} more" if len(self.wrong) > SHOWN else ""
        return f"{self.name}: {len(self.wrong)} wrong" + "".join(f"\n  {line}" for line in self.wrong[:SHOWN]) + more


@dataclasses.dataclass(frozen=True, kw_only=True)
class Validation:
    """What a store was found to be: its checks, and what was counted in it."""

    store: Store
    checks: tuple[Check, ...]
    census: Census

    @property
    def ok(self) -> bool:
        """Whether nothing was wrong."""
        return not any(check.wrong for check in self.checks)


def validate(
    folder: str | os.PathLike[str], *, album: Album | None = None, teacher: Teacher | None = None
) -> Validation:
    """Checks a store.

    Args:
      folder: of the store.
      album, teacher: that it should be of; without both, nothing is recomputed.

    Raises:
      StoreError: there is no store to check.
    """
    store, census = Store(folder), Census()
    checks = [Check(name="shards", wrong=_shards(store))]
    records, values = _read(store, census)
    checks += [Check(name="records", wrong=records), Check(name="values", wrong=values)]
    checks += [Check(name="failures", wrong=_failures(census)), Check(name="histogram", wrong=_histogram(census))]
    checks.append(Check(name="leakage", wrong=_leakage(store, census)))
    if album is not None and teacher is not None:
        lines = fingerprint.difference(store.fingerprint, fields_of(album, teacher))
        checks.append(Check(name="fingerprint", wrong=tuple(lines)))
        checks.append(Check(name="recomputed", wrong=() if lines else _recomputed(store, album, teacher)))
    return Validation(store=store, checks=tuple(checks), census=census)


def _shards(store: Store) -> tuple[str, ...]:
    found = (layout.changed(store.folder, store.about, shard) for shard in range(store.about.shards))
    return tuple(fault.text for fault in found if fault)


def _read(store: Store, census: Census) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Reads every record of the shards that are there; what is wrong with records, and with values."""
    records, values = [], []
    missing = store.missing()
    for shard in range(store.about.shards):
        ids = []
        own = layout.stretch(shard, count=len(store), shards=store.about.shards)
        for index in () if shard in missing else own:
            try:
                record = store[index]
            except StoreError as error:
                records.append(str(error))
                continue
            ids.append(record.id)
            records += [f"record {index}: {line}" for line in _sense(record, store, census)]
            values += [f"record {index}: {line}" for line in _values(record)]
            census.add(record)
        if shard not in missing:
            told = layout.read_manifest(layout.manifest_path(store.folder, shard, store.about.shards)).ids
            if told != layout.ids_digest(ids):
                records.append(f"shard {shard}: the ids are not those of its manifest")
    return tuple(records), tuple(values)


def _sense(record: Record, store: Store, census: Census) -> list[str]:
    wrong = []
    if record.id in census.ids:
        wrong.append(f"id {record.id} is in the store twice")
    labels, regions = record.scenarios, record.regions
    if labels is not None and labels.names != store.scenarios:
        wrong.append(f"scenarios {labels.names} are not those of the store")
    if labels is not None and regions is not None and labels.importance.shape[1] != len(regions.valid):
        wrong.append(f"{labels.importance.shape[1]} labels per scenario for {len(regions.valid)} regions")
    if regions is not None and regions.ids_map.size and regions.ids_map.max() >= len(regions.valid):
        wrong.append(f"region {regions.ids_map.max()} in the id map, of {len(regions.valid)}")
    return wrong


def _values(record: Record) -> list[str]:
    found: list[tuple[str, np.ndarray | None, Callable[[np.ndarray], bool]]] = []
    if record.scenarios is not None:
        found += [(name, getattr(record.scenarios, name), _in_unit) for name in ("importance", "std")]
    if record.regions is not None:
        found.append(("boxes", record.regions.boxes, _in_unit))
    if record.features is not None:
        found.append(("image features", record.features.image, _has_norm))
        found.append(("region features", record.features.regions, lambda values: bool(np.isfinite(values).all())))
    if record.qa is not None:
        found.append(("logp", record.qa.logp, lambda values: bool(np.all(values <= 0))))
    return [f"{name} out of range" for name, values, good in found if values is not None and not good(values)]


def _in_unit(values: np.ndarray) -> bool:
    return bool(np.all((values >= 0) & (values <= 1)))  # False for NaN


def _has_norm(values: np.ndarray) -> bool:
    norm = np.linalg.norm(values.astype(np.float32))
    return bool(np.isfinite(norm) and norm > 0)


def _failures(census: Census) -> tuple[str, ...]:
    shares = {
        "labels that were not answered as asked (failed or fallback)": census.unparsed,
        "pictures with an error": census.errors / max(census.pictures, 1),
    }
    return tuple(f"{share:.1%} of the {what}" for what, share in shares.items() if share > MOST_FAILED)


def _histogram(census: Census) -> tuple[str, ...]:
    wrong = []
    for name, counts in census.histograms.items():
        total, most = counts.sum(), counts.argmax()
        if total >= FEWEST and counts[most] > COLLAPSED * total:
            share = counts[most] / total
            wrong.append(
                f"scenario {name}: {share:.1%} of {total} labels lie in {most / 10:.1f} to {most / 10 + 0.1:.1f}"
            )
    return tuple(wrong)


def _leakage(store: Store, census: Census) -> tuple[str, ...]:
    """Pictures that a store of another split of the data set has too."""
    own, wrong = store.folder.resolve(), []
    if own.parent.parent.name != _album(store).get("dataset"):  # it lies elsewhere: there are no neighbours
        return ()
    for path in sorted(own.parent.parent.glob(f"*/*/{layout.ABOUT}")):
        split = path.parent.parent.name
        if split == own.parent.name:
            continue
        try:
            wrong += [f"{split}: {line}" for line in _shared(Store(path.parent), census)]
        except StoreError as error:
            wrong.append(f"{split} cannot be compared: {error}")
    return tuple(dict.fromkeys(wrong))


def _album(store: Store) -> Mapping[str, Any]:
    told = store.fingerprint.get("album")
    return told if isinstance(told, Mapping) else {}


def _shared(other: Store, census: Census) -> list[str]:
    found, missing = [], set(other.missing())
    for shard in range(other.about.shards):
        for index in () if shard in missing else layout.stretch(shard, count=len(other), shards=other.about.shards):
            record = other[index]
            if record.image_sha in census.shas:
                found.append(f"picture {record.index} there is picture {census.shas[record.image_sha]} here")
    return found


def _recomputed(store: Store, album: Album, teacher: Teacher) -> tuple[str, ...]:
    """Compares records, drawn by the fingerprint, with what the teacher says now."""
    count = max(1, round(RECOMPUTED * len(store)))
    bits = np.random.Philox(int(store.about.digest[:16], 16)).random_raw(len(store))
    missing = set(store.missing())
    chosen = [int(i) for i in np.argsort(bits, kind="stable")[:count] if store.shard_of(int(i)) not in missing]
    told = records_of(album, teacher, chosen)
    return tuple(
        f"record {index} has other bytes when it is computed again"
        for index, record in zip(chosen, told, strict=True)
        if pack(store[index]) != pack(record)
    )


def require(validation: Validation, folder: pathlib.Path) -> None:
    """Refuses a store in which something is wrong.

    Raises:
      StoreError: with the names of the checks.
    """
    wrong: Sequence[str] = [check.name for check in validation.checks if check.wrong]
    if wrong:
        raise StoreError(f"{folder} failed {len(wrong)} of {len(validation.checks)} checks: {', '.join(wrong)}")
