"""Several processes of `python -m semjax.teachers run` on one machine.

Process k of K on host h of H is process h K + k of H K. They share nothing but the folder.
"""

import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence

POLL_S = 0.2
OWN_FLAGS = ("--processes", "--process_index", "--process_count")


class WorkerError(Exception):
    """A process ended with an error, which it has told."""

    def __init__(self, code: int):
        super().__init__(f"a process ended with exit code {code}")
        self.code = code


def spawn(count: int, argv: Sequence[str], *, first: int, hosts: int) -> str:
    """Runs the command in several processes, and waits for them; where one fails, the others are ended.

    Args:
      count: processes on this machine.
      argv: the command's arguments.
      first: which host this is.
      hosts: how many there are.

    Returns:
      What to tell when all are done; each has told what it did.

    Raises:
      WorkerError: one failed.
    """
    told = _without(argv, OWN_FLAGS)
    places = [("--process_index", str(first * count + k), "--process_count", str(hosts * count)) for k in range(count)]
    commands = [[sys.executable, "-m", "semjax.teachers", *told, *place] for place in places]
    with _ended_with_us(), contextlib.ExitStack() as stack:
        running = [subprocess.Popen(command) for command in commands]
        stack.callback(_end, running)
        while None in [process.poll() for process in running]:
            _check(running)
            time.sleep(POLL_S)
        _check(running)
    return f"{count} processes done"


def _without(argv: Sequence[str], flags: Sequence[str]) -> list[str]:
    """The arguments without some flags, in the forms `--flag VALUE` and `--flag=VALUE`."""
    kept: list[str] = []
    skip = False
    for argument in argv:
        if not skip and argument not in flags and not argument.startswith(tuple(f"{flag}=" for flag in flags)):
            kept.append(argument)
        skip = argument in flags and not skip
    return kept


def _check(running: Sequence[subprocess.Popen]) -> None:
    failed = [process.returncode for process in running if process.returncode]
    if failed:
        # A process that a signal ended has a negative code; a shell would call it 128 + signal.
        raise WorkerError(failed[0] if failed[0] > 0 else 128 - failed[0])


def _end(running: Sequence[subprocess.Popen]) -> None:
    for process in running:
        if process.poll() is None:
            process.terminate()
    for process in running:
        process.wait()


@contextlib.contextmanager
def _ended_with_us() -> Iterator[None]:
    """SIGTERM to this process ends the others, too."""
    before = signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
