"""Where the parts of a teacher store lie, and how to tell whether a shard is there.

    {root}/{dataset}/{split}/{teacher}-{fp12}/teacher.json                                   what the store is
                                              part-00012-of-00256.arrayrecord                records of one stretch
                                              part-00012-of-00256.manifest.json              written last

Shard s of S holds pictures floor(s n / S) to floor((s + 1) n / S) - 1 of n. Everything is written under a name of its
own (host, process) and renamed into place; a shard counts from the moment its manifest is there. Neither file holds
times, hosts or paths, so the same content gives the same bytes.
"""

import contextlib
import dataclasses
import hashlib
import json
import os
import pathlib
import re
import socket
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from semjax.store import fingerprint

SHARD_SUFFIX, MANIFEST_SUFFIX, PARTIAL_SUFFIX = ".arrayrecord", ".manifest.json", ".partial"
ABOUT = "teacher.json"
LAYOUT = 1
SMALLEST = 1 << 16
"""Bytes; the format's own minimum, below which its reader takes a file for an empty one."""

RERUN = (
    "run the command that made the store again (python -m semjax.teachers run ...): it computes only what is not there"
)
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class StoreError(ValueError):
    """A store that is missing, damaged or of something else; the message says what to run."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class About:
    """What a store is: the content of its `teacher.json`.

    Attributes:
      fingerprint: all that its records depend on; see `fingerprint.py`.
      scenarios: their names.
      count: pictures.
      shards: how many files they lie in.
    """

    fingerprint: Mapping[str, Any]
    scenarios: tuple[str, ...]
    count: int
    shards: int

    @property
    def digest(self) -> str:
        """SHA-256 of the fingerprint, in hex."""
        return fingerprint.digest(self.fingerprint)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Manifest:
    """What a shard holds.

    Attributes:
      fingerprint: digest of the store's.
      first, count: of its pictures.
      ids: SHA-256 of the pictures' ids as little-endian int64.
      regions: most regions of one picture.
      errors: pictures with an error.
      failed: sum over the pictures of the share of labels that failed (1 for an error).
      statuses: number of labels of each `Status`, in order.
      bytes, sha256: of the shard.
    """

    fingerprint: str
    first: int
    count: int
    ids: str
    regions: int
    errors: int
    failed: float
    statuses: tuple[int, ...]
    bytes: int
    sha256: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fault:
    """Why a shard does not count; `damaged` False where it was simply not computed yet."""

    shard: int
    text: str
    damaged: bool = True


def store_folder(root: str | os.PathLike[str], *, dataset: str, split: str, teacher: str, fp: str) -> pathlib.Path:
    """The folder of a store.

    Raises:
      StoreError: a name that cannot be the name of a folder.
    """
    for what, name in (("dataset", dataset), ("split", split), ("teacher", teacher)):
        if not NAME.fullmatch(name):
            raise StoreError(f"the name of a {what} is letters, digits, '.', '_' and '-', not {name!r}")
    return pathlib.Path(root) / dataset / split / f"{teacher}-{fp[:12]}"


def shard_path(folder: pathlib.Path, shard: int, shards: int) -> pathlib.Path:
    """The file of a shard."""
    return folder / f"part-{shard:05d}-of-{shards:05d}{SHARD_SUFFIX}"


def manifest_path(folder: pathlib.Path, shard: int, shards: int) -> pathlib.Path:
    """The file of a shard's manifest."""
    return shard_path(folder, shard, shards).with_suffix(MANIFEST_SUFFIX)


def stretch(shard: int, *, count: int, shards: int) -> range:
    """The pictures of a shard.

    >>> [list(stretch(s, count=5, shards=2)) for s in range(2)]
    [[0, 1], [2, 3, 4]]
    """
    return range(shard * count // shards, (shard + 1) * count // shards)


def ids_digest(ids: Sequence[int]) -> str:
    """SHA-256 of ids as little-endian int64, in hex."""
    return hashlib.sha256(np.asarray(ids, "<i8").tobytes()).hexdigest()


@contextlib.contextmanager
def placed(path: pathlib.Path) -> Iterator[pathlib.Path]:
    """A file to write instead of `path`, renamed to it (and safe on the disk) when the block ends without an error."""
    partial = path.with_name(f"{path.name}.{socket.gethostname()}-{os.getpid()}{PARTIAL_SUFFIX}")
    try:
        yield partial
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def sweep(folder: pathlib.Path, shard: int, shards: int) -> None:
    """Removes what processes of this host that are no more left of a shard."""
    host = re.escape(socket.gethostname())
    for path in folder.glob(f"part-{shard:05d}-of-{shards:05d}*{PARTIAL_SUFFIX}"):
        found = re.search(rf"\.{host}-(\d+){re.escape(PARTIAL_SUFFIX)}$", path.name)
        if found and not _runs(int(found[1])):
            path.unlink(missing_ok=True)


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it is another user's
        return True
    return True


def write_json(path: pathlib.Path, told: Mapping[str, Any]) -> None:
    """Writes an object, whole or not at all."""
    with placed(path) as partial:
        partial.write_text(json.dumps(told, indent=1, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")


def write_about(folder: pathlib.Path, about: About) -> None:
    """Writes `teacher.json`, or compares with the one that is there.

    Raises:
      StoreError: the store there is another one.
    """
    path = folder / ABOUT
    if path.exists():
        there = read_about(folder)
        if (there.count, there.shards) != (about.count, about.shards):
            raise StoreError(
                f"{folder} holds {there.count} pictures in {there.shards} shards, not {about.count} in {about.shards}; "
                f"use --shards {there.shards}, or remove the folder to compute it anew"
            )
        return check_expected(there, about.fingerprint, folder)
    folder.mkdir(parents=True, exist_ok=True)
    write_json(path, {"layout": LAYOUT, "digest": about.digest, **dataclasses.asdict(about)})


def read_about(folder: pathlib.Path) -> About:
    """What the store in a folder is.

    Raises:
      StoreError: there is none, or its `teacher.json` was changed or cut off.
    """
    path = folder / ABOUT
    if not path.is_file():
        near = sorted(p.parent.name for p in folder.parent.glob(f"*/{ABOUT}")) if folder.parent.is_dir() else []
        hint = f"; beside it are: {', '.join(near)}" if near else ""
        raise StoreError(
            f"no teacher store in {folder} (no {ABOUT}){hint}; make one: python -m semjax.teachers run ..."
        )
    try:
        told = json.loads(path.read_bytes())
        digest, layout = told.pop("digest"), told.pop("layout")
        if layout != LAYOUT:
            raise StoreError(f"{path} is of layout {layout}; this version reads {LAYOUT}")
        about = About(**{**told, "scenarios": tuple(told["scenarios"])})
        if about.digest != digest:
            raise StoreError(f"{path}: its fingerprint does not have its digest, so it was edited; {RERUN}")
        return about
    except StoreError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StoreError(f"{path} is damaged ({error}); remove it, and {RERUN}") from error


def check_expected(about: About, expected: Mapping[str, Any], folder: pathlib.Path) -> None:
    """Compares a store's fingerprint with the one that is expected.

    Raises:
      StoreError: they differ; the message says where, field by field.
    """
    lines = fingerprint.difference(about.fingerprint, expected)
    if lines:
        told = "".join(f"\n  {line}" for line in lines)
        raise StoreError(
            f"the store in {folder} is not the one that is asked for; what differs:{told}\n"
            "make one with these settings (python -m semjax.teachers run ...), or name the one that has them"
        )


def read_manifest(path: pathlib.Path) -> Manifest:
    """A shard's manifest.

    Raises:
      StoreError: it is damaged.
    """
    try:
        told = json.loads(path.read_bytes())
        return Manifest(**{**told, "statuses": tuple(told["statuses"])})
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(f"{path.name} is damaged ({error})") from error


def fault(folder: pathlib.Path, about: About, shard: int) -> Fault | None:
    """Why a shard does not count; None = it does. Looks at names, sizes and the manifest; does not read the shard."""
    path, manifest = shard_path(folder, shard, about.shards), manifest_path(folder, shard, about.shards)
    if not manifest.exists():
        what = f"{path.name} has no manifest: it was not finished" if path.exists() else f"{path.name} is not there"
        return Fault(shard=shard, text=what, damaged=False)
    try:
        told = read_manifest(manifest)
    except StoreError as error:
        return Fault(shard=shard, text=str(error))
    own = stretch(shard, count=about.count, shards=about.shards)
    if told.fingerprint != about.digest:
        return Fault(shard=shard, text=f"{manifest.name} is of another store: fingerprint {told.fingerprint[:12]}")
    if (told.first, told.count) != (own.start, len(own)):
        return Fault(shard=shard, text=f"{manifest.name} is of pictures {told.first} + {told.count}, not {own}")
    if not path.exists():
        return Fault(shard=shard, text=f"{path.name} is gone though its manifest is there")
    size = path.stat().st_size
    if size != told.bytes or size < SMALLEST:
        return Fault(shard=shard, text=f"{path.name} is torn: {size} bytes of {told.bytes}")
    return None


def changed(folder: pathlib.Path, about: About, shard: int) -> Fault | None:
    """As `fault`, and reads the shard and compares its SHA-256."""
    found = fault(folder, about, shard)
    if found:
        return found
    path = shard_path(folder, shard, about.shards)
    if sha256(path) != read_manifest(manifest_path(folder, shard, about.shards)).sha256:
        return Fault(shard=shard, text=f"{path.name} does not have the SHA-256 of its manifest: its bytes were changed")
    return None


def sha256(path: pathlib.Path) -> str:
    """Of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
