"""The lock of a work directory: one run at a time, and a run that died does not keep the next one out.

`run.lock` names the owner; a thread of the owner touches it every few seconds. A second run on the owner's machine
looks whether the process lives; on another machine it goes by the age of the last touch, measured with the file
system's own clock. A stale lock is taken over in three steps, each atomic: a successor file named after the stale
lock's token is made, which only one run can do; the lock is read again, which shows whether an earlier successor has
taken it over meanwhile; the successor file is renamed over the lock. A successor that dies half way is itself a stale
lock at the end of a chain, and is succeeded in the same manner.
"""

import contextlib
import os
import pathlib
import threading
from collections.abc import Callable

from semjax.app import owner
from semjax.app.errors import UserError
from semjax.app.owner import Owner
from semjax.training.reading import say

LOCK_FILE = "run.lock"
BEAT_S, STALE_S = 10.0, 120.0
"""Seconds between touches; age of the last one from which an owner elsewhere counts as dead."""
ATTEMPTS = 20


class WorkdirLock:
    """Holds the lock of `folder` while its `with` block runs.

    Args:
      folder: an existing directory.
      take: whether to take it at all: only the first process of a run does.
      beat_s: seconds between touches.
      stale_s: seconds without a touch after which an owner on another machine counts as dead.
      on_note: takes one line when a stale lock is taken over.

    Raises:
      UserError: on entering: another run has it, or the directory cannot be written to.
    """

    def __init__(
        self,
        folder: pathlib.Path,
        *,
        take: bool = True,
        beat_s: float = BEAT_S,
        stale_s: float = STALE_S,
        on_note: Callable[[str], None] = say,
    ):
        self._folder, self._take, self._on_note = folder, take, on_note
        self._beat_s, self._stale_s = beat_s, stale_s
        self._me = owner.this_process()
        self._lost, self._done = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def path(self) -> pathlib.Path:
        """The lock file."""
        return self._folder / LOCK_FILE

    @property
    def lost(self) -> bool:
        """Whether the lock was removed or taken by another run: from then on nothing may be written here."""
        return self._lost.is_set()

    def __enter__(self) -> "WorkdirLock":
        if self._take:
            draft = self._folder / f".{LOCK_FILE}.{self._me.token}"
            try:
                draft.write_text(self._me.to_json(), encoding="utf-8")
                self._acquire(draft)
            except OSError as error:
                raise UserError(f"{self.path} cannot be written ({error.strerror}); name another directory") from error
            finally:
                with contextlib.suppress(OSError):
                    draft.unlink()
            self._thread = threading.Thread(target=self._beat, name="workdir-lock", daemon=True)
            self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._thread is None:
            return
        self._done.set()
        self._thread.join()
        with contextlib.suppress(OSError):
            if not self.lost and self._is_mine():
                self.path.unlink()

    def _acquire(self, draft: pathlib.Path) -> None:
        for _ in range(ATTEMPTS):
            owners, paths = self._chain()
            if owners:
                self._refuse_if_alive(owners[-1], paths[-2], draft)
            if not _create(paths[-1], draft):
                continue  # another run was faster: look again who that is
            if not owners:
                return
            if not self._succeeds(owners):
                paths[-1].unlink()
                continue
            paths[-1].replace(self.path)
            for stale in paths[1:-1]:
                stale.unlink(missing_ok=True)
            self._on_note(f"{self.path}: took over from a run that is gone ({_named(owners[-1])})")
            return
        raise UserError(f"{self.path} is being taken by other runs; try again")

    def _chain(self) -> tuple[list[Owner], list[pathlib.Path]]:
        """The lock's owner, its successor, the successor's successor, ... and their files; last, the next one's."""
        owners, paths = [], [self.path]
        while (found := owner.read(paths[-1])) is not None:
            owners.append(found)
            paths.append(self._folder / f".{LOCK_FILE}.after-{found.token}")
        return owners, paths

    def _succeeds(self, owners: list[Owner]) -> bool:
        """Whether this run follows `owners`. Not so if one of them was succeeded already and that file is gone again:
        it became the lock, and what this run made hangs in the air."""
        return self._chain()[0] == [*owners, self._me]

    def _refuse_if_alive(self, last: Owner, path: pathlib.Path, draft: pathlib.Path) -> None:
        if last.here():
            if last.lives():
                raise UserError(
                    f"{self._folder} is in use by another run ({_named(last)}); wait for it or stop it, or name "
                    "another --workdir"
                )
            return
        os.utime(draft)  # dates both files by the file system's clock: that of the other machine may differ from here
        try:
            age = draft.stat().st_mtime - path.stat().st_mtime
        except FileNotFoundError:
            return  # given back this very moment
        if age <= self._stale_s:
            raise UserError(
                f"{self._folder} is in use by another run ({_named(last)}), last heard of {max(age, 0):.0f} s ago; it "
                f"counts as gone after {self._stale_s:.0f} s. Wait, or name another --workdir"
            )

    def _beat(self) -> None:
        while not self._done.wait(self._beat_s):
            try:
                if not self._is_mine():
                    self._lost.set()
                    return
                os.utime(self.path)
            except OSError:
                continue  # a file system that is away for a while; the next touch may succeed

    def _is_mine(self) -> bool:
        found = owner.read(self.path)
        return found is not None and found.token == self._me.token


def _create(path: pathlib.Path, draft: pathlib.Path) -> bool:
    """Gives a finished file a second name, or writes it where there are no links; False if that name is taken."""
    try:
        os.link(draft, path)
    except FileExistsError:
        return False
    except OSError:  # no hard links on this file system
        try:
            with path.open("x", encoding="utf-8") as file:
                file.write(draft.read_text(encoding="utf-8"))
        except FileExistsError:
            return False
    return True


def _named(who: Owner) -> str:
    return f"process {who.pid} on {who.host}, since {who.since}"
