"""Asks a teacher about every picture of an album once, and keeps what it said in shards.

    album ─► views ─► teacher ─► records ─► shard ─► its manifest, renamed into place last

A shard's bytes depend on the store's fingerprint and on which shard it is, and on nothing else (as long as a teacher's
answer on a picture does not depend on which others it is shown with): not on batch size, on who computed it or on what
was interrupted. So a rerun computes what is not there, and any number of processes, on one machine or several that
share a folder, need no locks: process p of P takes shards p, p + P, p + 2 P, ...
"""

import contextlib
import dataclasses
import os
import pathlib
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from tqdm import tqdm

from semjax.data.files import DataError
from semjax.data.images import ImageError
from semjax.store import fingerprint, layout
from semjax.store.layout import About, Manifest
from semjax.store.packing import SCHEMA
from semjax.store.record import Record, Status
from semjax.store.shards import write_shard
from semjax.teachers.base import Album, Scenario, Teacher, View
from semjax.teachers.failures import FailureLimit
from semjax.teachers.recording import Recorder, unreadable

QUIET_S, EVERY_S = 60.0, 60.0
"""Where there is no terminal, progress is told of only what takes longer than this, and only so often."""


class PrecomputeError(ValueError):
    """A run that cannot begin; the message says why and what to change."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Report:
    """What a run did.

    Attributes:
      folder: of the store.
      computed, kept: shards that were made, and that were there already.
      pictures: that the teacher was asked about.
      errors: pictures among them with an error.
      statuses: number of their labels of each status.
      seconds: that it took.
    """

    folder: pathlib.Path
    computed: tuple[int, ...]
    kept: tuple[int, ...]
    pictures: int
    errors: int
    statuses: dict[Status, int]
    seconds: float

    @property
    def images_per_second(self) -> float:
        """Throughput; 0 where nothing was computed."""
        return self.pictures / self.seconds if self.pictures else 0.0

    def __str__(self) -> str:
        labels = ", ".join(f"{count} {status.name.lower()}" for status, count in self.statuses.items() if count)
        return (
            f"{self.folder}: {len(self.computed)} shards computed, {len(self.kept)} were there; {self.pictures} "
            f"pictures in {self.seconds:.1f} s ({self.images_per_second:.1f} images/s), {self.errors} of them with an "
            f"error; labels: {labels or 'none'}"
        )


def fields_of(album: Album, teacher: Teacher) -> dict[str, Any]:
    """The fingerprint of the store of a teacher on an album."""
    return {
        "schema": SCHEMA,
        "album": {"dataset": album.dataset, "split": album.split, "digest": album.digest, "count": len(album)},
        "scenarios": [dataclasses.asdict(scenario) for scenario in _asked(album, teacher)],
        "teacher": dict(teacher.fingerprint),
    }


def folder_of(album: Album, teacher: Teacher, out: str | os.PathLike[str]) -> pathlib.Path:
    """Where that store lies under `out`."""
    kind = str(teacher.fingerprint.get("kind", "teacher"))
    fp = fingerprint.fp12(fields_of(album, teacher))
    return layout.store_folder(out, dataset=album.dataset, split=album.split, teacher=kind, fp=fp)


def records_of(album: Album, teacher: Teacher, indices: Sequence[int]) -> list[Record]:
    """The records of some pictures, as they would be stored."""
    recorder = Recorder(teacher=teacher, scenarios=_asked(album, teacher))
    return _answered(recorder, [_view(album, index) for index in indices])


def _asked(album: Album, teacher: Teacher) -> tuple[Scenario, ...]:
    return album.scenarios if "importance" in teacher.can else ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Job:
    """What is to be computed, and where."""

    album: Album
    recorder: Recorder
    about: About
    folder: pathlib.Path
    batch: int


def precompute(
    album: Album,
    teacher: Teacher,
    out: str | os.PathLike[str],
    *,
    shards: int,
    process_index: int = 0,
    process_count: int = 1,
    batch: int = 32,
    resume: bool = True,
    limit: FailureLimit | None = None,
    progress: Callable[[int], object] | None = None,
) -> Report:
    """Computes this process's shards of the store of a teacher on an album.

    Args:
      album, teacher: who is asked about what.
      out: root of all stores.
      shards: in how many files the records lie.
      process_index, process_count: which shards are this process's.
      batch: views shown at a time.
      resume: keep shards that are there; False computes all of this process's anew.
      limit: of failures (None: the usual one).
      progress: is told how many more pictures are done (None: a line on the terminal).

    Raises:
      PrecomputeError, StoreError: settings that cannot be; the folder holds another store.
      FailureError: too many failures; shards that were finished stay.
    """
    limit, job = limit or FailureLimit(), _job(album, teacher, out, shards=shards, batch=batch)
    own = _own(shards, process_index, process_count)
    kept = [shard for shard in own if resume and layout.fault(job.folder, job.about, shard) is None]
    todo = [shard for shard in own if shard not in kept]
    started = time.perf_counter()
    limit.start(_manifests(job, kept), _pictures(job, todo))
    with _bar(job, todo, progress) as told:
        for shard in todo:
            layout.sweep(job.folder, shard, shards)
            write_shard(job.folder, job.about, shard, _records(job, shard, limit=limit, told=told))
    return _report(job, limit, computed=todo, kept=kept, seconds=time.perf_counter() - started)


def _own(shards: int, process_index: int, process_count: int) -> range:
    """The shards of a process."""
    if not 0 <= process_index < process_count:
        raise PrecomputeError(f"process_index={process_index} must be between 0 and process_count={process_count} - 1")
    return range(process_index, shards, process_count)


def _job(album: Album, teacher: Teacher, out: str | os.PathLike[str], *, shards: int, batch: int) -> _Job:
    """Checks the settings, and says in the store's folder what it is."""
    if not len(album):
        raise PrecomputeError(f"album {album.dataset}/{album.split} holds no picture")
    if not 1 <= shards <= len(album):
        raise PrecomputeError(f"shards={shards} must be between 1 and the number of pictures, {len(album)}")
    if batch < 1:
        raise PrecomputeError(f"batch={batch} must be at least 1")
    scenarios = _asked(album, teacher)
    names = tuple(scenario.name for scenario in scenarios)
    about = About(fingerprint=fields_of(album, teacher), scenarios=names, count=len(album), shards=shards)
    folder = folder_of(album, teacher, out)
    layout.write_about(folder, about)
    recorder = Recorder(teacher=teacher, scenarios=scenarios)
    return _Job(album=album, recorder=recorder, about=about, folder=folder, batch=batch)


def _manifests(job: _Job, shards: Sequence[int]) -> list[Manifest]:
    paths = (layout.manifest_path(job.folder, shard, job.about.shards) for shard in shards)
    return [layout.read_manifest(path) for path in paths]


def _pictures(job: _Job, shards: Sequence[int]) -> int:
    """How many pictures some shards hold."""
    return sum(len(layout.stretch(shard, count=job.about.count, shards=job.about.shards)) for shard in shards)


def _records(job: _Job, shard: int, *, limit: FailureLimit, told: Callable[[int], object]) -> Iterator[Record]:
    """The records of a shard, in order."""
    pictures = layout.stretch(shard, count=job.about.count, shards=job.about.shards)
    for first in range(pictures.start, pictures.stop, job.batch):
        shown = pictures[first - pictures.start :][: job.batch]
        for record in _answered(job.recorder, [_view(job.album, i) for i in shown]):
            limit.add(record)
            yield record
        told(len(shown))


def _answered(recorder: Recorder, shown: Sequence[View | Record]) -> list[Record]:
    """The records of views; what is a record already stays in its place."""
    answered = iter(recorder.records([view for view in shown if isinstance(view, View)]))
    return [next(answered) if isinstance(each, View) else each for each in shown]


def _view(album: Album, index: int) -> View | Record:
    """A picture, or the record of one that cannot be read."""
    try:
        return album.view(index)
    except (DataError, ImageError, OSError) as error:
        place = getattr(album, "place", lambda i: i)
        return unreadable(index, picture=place(index), error=error)


def _report(job: _Job, limit: FailureLimit, *, computed: list[int], kept: list[int], seconds: float) -> Report:
    return Report(
        folder=job.folder,
        computed=tuple(computed),
        kept=tuple(kept),
        pictures=limit.pictures,
        errors=limit.errors,
        statuses={status: int(count) for status, count in zip(Status, limit.statuses, strict=True)},
        seconds=seconds,
    )


@contextlib.contextmanager
def _bar(job: _Job, todo: list[int], progress: Callable[[int], object] | None) -> Iterator[Callable[[int], object]]:
    """What is told of progress: `progress`, or a line with images per second and the time left."""
    if progress is not None:
        yield progress
        return
    delay, every = (0.0, 0.1) if sys.stderr.isatty() else (QUIET_S, EVERY_S)
    with tqdm(total=_pictures(job, todo), unit="image", delay=delay, mininterval=every, desc=job.folder.name) as bar:
        yield bar.update
