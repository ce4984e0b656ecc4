"""The shards of a teacher store: writing one, and reading records of a whole store at random.

A shard is an ArrayRecord file of packed records (`packing.py`), one record per block and uncompressed, so that a record
is read alone; `layout.py` says where it lies and when it counts.
"""

import dataclasses
import os
import pathlib
import threading
from collections.abc import Iterable
from typing import Any

import numpy as np

from semjax.store import layout
from semjax.store.layout import RERUN, About, Fault, Manifest, StoreError
from semjax.store.packing import RecordError, pack, unpack
from semjax.store.record import Record, Status

WRITER_OPTIONS = "group_size:1,uncompressed"
READER_OPTIONS = "index_storage_option:in_memory,readahead_buffer_size:0"
SHOWN = 5


def write_shard(folder: pathlib.Path, about: About, shard: int, records: Iterable[Record]) -> Manifest:
    """Writes a shard and then its manifest; an error among the records leaves nothing.

    Args:
      folder: the store's, with its `teacher.json` written.
      about: what the store is.
      shard: which one.
      records: of exactly its stretch of pictures, in order.

    Raises:
      StoreError: records of other pictures.
    """
    # Imported here: reading and writing stores is all that needs it.
    from array_record.python import array_record_module  # type: ignore[attr-defined]

    path, tally = layout.shard_path(folder, shard, about.shards), _Tally()
    # Without its manifest a damaged shard counts no more, whatever happens while it is made again.
    layout.manifest_path(folder, shard, about.shards).unlink(missing_ok=True)
    with layout.placed(path) as partial:
        writer = array_record_module.ArrayRecordWriter(str(partial), WRITER_OPTIONS)
        try:
            for record in records:
                writer.write(pack(record))
                tally.add(record)
        finally:
            _close(writer, path)
        own = layout.stretch(shard, count=about.count, shards=about.shards)
        if tally.indices != list(own):
            raise StoreError(f"shard {shard} is of pictures {own}, not of {tally.indices[:SHOWN]}...")
        size, sha256 = partial.stat().st_size, layout.sha256(partial)
    manifest = tally.manifest(about, own, size=size, sha256=sha256)
    layout.write_json(layout.manifest_path(folder, shard, about.shards), dataclasses.asdict(manifest))
    return manifest


def _close(writer: Any, path: pathlib.Path) -> None:
    try:
        writer.close()
    except RuntimeError as error:
        raise StoreError(f"{path} cannot be written ({error}); is there room on the disk?") from error


def failed_share(record: Record) -> float:
    """1 for a picture with an error, else the share of its asked labels that are FAILED."""
    if record.err:
        return 1.0
    if record.scenarios is None:
        return 0.0
    asked = np.count_nonzero(record.scenarios.status != Status.MISSING)
    return np.count_nonzero(record.scenarios.status == Status.FAILED) / max(asked, 1)


class _Tally:
    """What a manifest counts."""

    def __init__(self) -> None:
        self.indices: list[int] = []
        self._ids: list[int] = []
        self._regions = self._errors = 0
        self._failed = 0.0
        self._statuses = np.zeros(len(Status), int)

    def add(self, record: Record) -> None:
        self.indices.append(record.index)
        self._ids.append(record.id)
        self._errors += bool(record.err)
        self._failed += failed_share(record)
        if record.regions is not None:
            self._regions = max(self._regions, len(record.regions.valid))
        if record.scenarios is not None:
            self._statuses += np.bincount(record.scenarios.status.ravel(), minlength=len(Status))

    def manifest(self, about: About, own: range, *, size: int, sha256: str) -> Manifest:
        return Manifest(
            fingerprint=about.digest,
            first=own.start,
            count=len(own),
            ids=layout.ids_digest(self._ids),
            regions=self._regions,
            errors=self._errors,
            failed=round(self._failed, 6),
            statuses=tuple(int(n) for n in self._statuses),
            bytes=size,
            sha256=sha256,
        )


class Store:
    """The records of one store: `len(store)`, `store[i] -> Record`; pickles, and may be read from many threads.

    A store that is still being computed may be opened; only records of finished shards can be read.

    Args:
      folder: the one with `teacher.json`.

    Raises:
      StoreError: there is no store.
    """

    def __init__(self, folder: str | os.PathLike[str]):
        self.folder = pathlib.Path(folder)
        self.about = layout.read_about(self.folder)
        self._faults: dict[int, Fault] = {}
        self._open()
        self.refresh()

    def _open(self) -> None:
        self._readers: dict[int, Any] = {}
        self._lock = threading.Lock()

    def refresh(self) -> None:
        """Looks again which shards are there."""
        found = (layout.fault(self.folder, self.about, shard) for shard in range(self.about.shards))
        self._faults = {each.shard: each for each in found if each}

    @property
    def fingerprint(self) -> dict[str, Any]:
        """All that the records depend on."""
        return dict(self.about.fingerprint)

    @property
    def scenarios(self) -> tuple[str, ...]:
        """The names of the scenarios."""
        return self.about.scenarios

    @property
    def complete(self) -> bool:
        """Whether every shard is there."""
        return not self._faults

    def missing(self) -> tuple[int, ...]:
        """The shards that are not there, or not as they should be."""
        return tuple(sorted(self._faults))

    def faults(self) -> tuple[Fault, ...]:
        """Why those shards do not count."""
        return tuple(self._faults[shard] for shard in self.missing())

    def shard_of(self, index: int) -> int:
        """The shard that record `index` is in."""
        # The inverse of `layout.stretch`: the largest s with floor(s n / S) <= index.
        return ((index + 1) * self.about.shards - 1) // self.about.count

    def require_complete(self) -> None:
        """Refuses a store that is not whole.

        Raises:
          StoreError: the first shards that are not there, and what to run.
        """
        if not self.complete:
            told = "".join(f"\n  {fault.text}" for fault in self.faults()[:SHOWN])
            raise StoreError(
                f"{len(self._faults)} of {self.about.shards} shards of the store in {self.folder} are not there or "
                f"damaged:{told}\n{RERUN}"
            )

    def manifests(self) -> list[Manifest]:
        """The manifests of the shards that are there."""
        whole = [shard for shard in range(self.about.shards) if shard not in self._faults]
        paths = (layout.manifest_path(self.folder, shard, self.about.shards) for shard in whole)
        return [layout.read_manifest(path) for path in paths]

    @property
    def regions(self) -> int:
        """The most regions of one picture, among the shards that are there."""
        return max((manifest.regions for manifest in self.manifests()), default=0)

    def __len__(self) -> int:
        return self.about.count

    def __getitem__(self, index: int) -> Record:
        index = range(len(self))[index]
        shard = self.shard_of(index)
        place = index - layout.stretch(shard, count=self.about.count, shards=self.about.shards).start
        name = layout.shard_path(self.folder, shard, self.about.shards).name
        try:
            record = unpack(self._reader(shard).read([place])[0])
        except (RuntimeError, IndexError, OSError, RecordError) as error:
            raise StoreError(
                f"{self.folder}: record {index} in {name} cannot be read ({error}); remove that file, and {RERUN}"
            ) from error
        if record.index != index:
            raise StoreError(f"{self.folder}: record {place} of {name} is of picture {record.index}, not {index}")
        return record

    def _reader(self, shard: int) -> Any:
        with self._lock:
            if shard not in self._readers:
                if shard in self._faults:
                    raise StoreError(f"{self.folder}: {self._faults[shard].text}; {RERUN}")
                self._readers[shard] = _reader(layout.shard_path(self.folder, shard, self.about.shards))
            return self._readers[shard]

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k not in ("_readers", "_lock")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._open()


def _reader(path: pathlib.Path) -> Any:
    from array_record.python import array_record_module  # type: ignore[attr-defined]

    return array_record_module.ArrayRecordReader(str(path), READER_OPTIONS)
