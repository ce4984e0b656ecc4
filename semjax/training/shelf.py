"""The step directories of one checkpoint directory: which there are, which can be believed, how they come and go.

    format.json     version of the layout; the steps that are older than manifests
    120/            a finished step: it got this name after its manifest was written
    .partial-130/   being written, or left by a process that was killed; removed before the next write
    .old-110/       being removed
    corrupt-125/    set aside because it was damaged; never removed

A directory without format.json and without any manifest was written by a version that had neither: its steps are used
with the remark that they were not verified.
"""

import contextlib
import dataclasses
import itertools
import json
import pathlib
import re
import shutil
from typing import Any

from semjax.training import manifest
from semjax.training.manifest import CheckpointError

FORMAT_FILE = "format.json"
ITEMS = ("state", "data", "meta")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Shelf:
    """The steps in `directory`, which need not exist yet.

    Raises:
      CheckpointError: by any method, for a directory of a newer format.
    """

    directory: pathlib.Path

    def path(self, step: int) -> pathlib.Path:
        """The directory of a finished step."""
        return self.directory / str(step)

    def partial(self, step: int) -> pathlib.Path:
        """The directory in which a step is made."""
        return self.directory / f".partial-{step}"

    def all(self) -> list[int]:
        """Steps that have a directory, good or bad, ascending."""
        entries = self.directory.iterdir() if self.directory.is_dir() else ()
        return sorted(int(e.name) for e in entries if re.fullmatch("0|[1-9][0-9]*", e.name) and e.is_dir())

    def finished(self) -> list[int]:
        """Steps that have a manifest, or are older than manifests; a cheap look, nothing is verified."""
        steps, old = self.all(), self._older_than_manifests()
        return [step for step in steps if step in old or (self.path(step) / manifest.MANIFEST_FILE).is_file()]

    def verifiable(self, step: int) -> bool:
        """Whether a step is to have a manifest."""
        return step not in self._older_than_manifests()

    def fault(self, step: int) -> str | None:
        """Why a step cannot be believed, None if it can."""
        if self.verifiable(step):
            return manifest.fault(self.path(step), step=step)
        try:
            missing = [item for item in ITEMS if not any((self.path(step) / item).iterdir())]
            facts(self.path(step))
        except (OSError, ValueError) as error:
            return f"it is not complete ({error})"
        return f"{', '.join(missing)} is empty" if missing else None

    def check_format(self) -> None:
        """Raises CheckpointError for a directory of a newer format; nothing else of the directory is looked at."""
        self._marker()

    def prepare(self) -> None:
        """Makes the directory, marks its format, and removes what a killed process left half done."""
        old = sorted(self._older_than_manifests())
        self.directory.mkdir(parents=True, exist_ok=True)
        if not self._marker():
            text = manifest.seal({"format": manifest.FORMAT, "older_than_manifests": old})
            manifest.write_durably(self.directory / FORMAT_FILE, text)
        for entry in self.directory.glob(".old-*"):
            step = int(entry.name.removeprefix(".old-"))
            if self.partial(step).exists():
                self._put_back(step)
        for pattern in (".partial-*", ".old-*", "*.orbax-checkpoint-tmp*"):
            for entry in self.directory.glob(pattern):
                shutil.rmtree(entry)

    def admit(self, step: int) -> None:
        """Gives a step, whose partial directory is complete, its name; a directory of that name is replaced."""
        if self.path(step).exists():
            self.path(step).rename(self._old(step))
        self.partial(step).rename(self.path(step))
        manifest.sync(self.directory)
        shutil.rmtree(self._old(step), ignore_errors=True)

    def discard(self, step: int) -> None:
        """Removes what there is of a step that could not be written; never raises."""
        self._put_back(step)
        for entry in self.directory.glob(f"{self.partial(step).name}*"):
            shutil.rmtree(entry, ignore_errors=True)

    def retire(self, step: int) -> None:
        """Removes a step: to readers it is gone at once, not file by file."""
        self.path(step).rename(self._old(step))
        shutil.rmtree(self._old(step))

    def quarantine(self, step: int) -> pathlib.Path:
        """Renames a bad step to corrupt-STEP, or corrupt-STEP-2, ... if that name is taken; returns the new place.

        Raises:
          CheckpointError: it cannot be renamed.
        """
        names = itertools.chain([f"corrupt-{step}"], (f"corrupt-{step}-{n}" for n in itertools.count(2)))
        place = next(path for name in names if not (path := self.directory / name).exists())
        try:
            self.path(step).rename(place)
        except OSError as error:
            raise CheckpointError(
                f"the bad checkpoint {self.path(step)} cannot be renamed to {place.name} ({error.strerror}); do that "
                "by hand, or make the directory writable"
            ) from error
        return place

    def _old(self, step: int) -> pathlib.Path:
        return self.directory / f".old-{step}"

    def _put_back(self, step: int) -> None:
        """Gives a step its name again if it was to be replaced and the replacement never came."""
        if not self.path(step).exists():
            with contextlib.suppress(OSError):
                self._old(step).rename(self.path(step))

    def _older_than_manifests(self) -> set[int]:
        marker, steps = self._marker(), self.all()
        if marker is not None:
            return {s for s in marker.get("older_than_manifests", ()) if s in steps and not self._has_manifest(s)}
        return set() if any(map(self._has_manifest, steps)) else set(steps)

    def _has_manifest(self, step: int) -> bool:
        return (self.path(step) / manifest.MANIFEST_FILE).exists()

    def _marker(self) -> dict[str, Any] | None:
        """What format.json says; None if there is none. A damaged one says nothing: every step needs its manifest."""
        path = self.directory / FORMAT_FILE
        try:
            found = manifest.unseal(path.read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError):
            return {}
        manifest.check_format(found, self.directory)
        return found


def facts(folder: pathlib.Path) -> dict[str, Any]:
    """The facts in a step directory (item `meta`)."""
    return _item(folder, "meta")


def data_state(folder: pathlib.Path) -> dict[str, Any]:
    """The loader's state in a step directory (item `data`)."""
    return _item(folder, "data")


def _item(folder: pathlib.Path, name: str) -> dict[str, Any]:
    return json.loads((folder / name / "metadata").read_text(encoding="utf-8"))
