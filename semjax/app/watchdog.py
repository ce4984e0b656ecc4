"""The watchdog: says when no step has been finished for long, and where every thread stands.

It is a thread of its own that looks at the time of the last step. When the period has passed it writes the Python
stacks of all threads to `stacks-TIME.txt` in the work directory and says so once; with `abort`, it ends the process
after a second period, since nothing else can be done for a step that never returns (the newest checkpoint remains).
"""

import contextlib
import datetime
import faulthandler
import os
import pathlib
import sys
import threading
import time

from semjax.app.errors import EXIT_FAILED

PATIENCE = 4.0
"""CHOICE: periods allowed for a step that is compiled first."""

LOOKS = 8
"""Looks at the clock per period."""


class Watchdog:
    """Watches from the start of its `with` block to the end.

    Args:
      folder: where the stacks are written.
      period_s: seconds without a step that count as a hang; 0 or less = no watching.
      abort: whether a hang of two periods ends the process with exit code 3.
    """

    def __init__(self, folder: pathlib.Path, *, period_s: float, abort: bool = False):
        self._folder, self._period, self._abort = folder, period_s, abort
        self._last, self._step, self._allowed = time.monotonic(), 0, PATIENCE * period_s
        self._told: pathlib.Path | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def __enter__(self) -> "Watchdog":
        if self._period > 0:
            self.compiling()
            self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()

    def beat(self, step: int) -> None:
        """A step was finished."""
        self._last, self._step, self._allowed, self._told = time.monotonic(), step, self._period, None

    def compiling(self) -> None:
        """The next step takes longer: it is compiled first."""
        self._last, self._allowed = time.monotonic(), PATIENCE * self._period

    def _watch(self) -> None:
        while not self._over.wait(self._period / LOOKS):
            idle = time.monotonic() - self._last
            if idle > self._allowed and self._told is None:
                self._told = self._tell(idle)
            if idle > self._allowed + self._period and self._abort:
                print(f"error: hung for {idle:.0f} s after step {self._step}: given up", file=sys.stderr, flush=True)
                os._exit(EXIT_FAILED)

    def _tell(self, idle: float) -> pathlib.Path:
        now = datetime.datetime.now(datetime.UTC)
        path = self._folder / f"stacks-{now:%Y%m%dT%H%M%S.%f}.txt"
        with contextlib.suppress(OSError), path.open("w", encoding="utf-8") as file:
            file.write(f"no step for {idle:.1f} s; the last one finished is {self._step}\n\n")
            file.flush()
            faulthandler.dump_traceback(file, all_threads=True)
        with contextlib.suppress(OSError):
            print(
                f"warning: no step for {idle:.0f} s since step {self._step}; stacks: {path}",
                file=sys.stderr,
                flush=True,
            )
        return path
