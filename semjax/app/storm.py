"""Disturbances of a run: signals at any moment, and damage to the files of its newest checkpoint and its log.

Each life of the disturbed run is one process of the same command. Most are let go until they have made steps; then a
signal ends them at a random moment, perhaps while a checkpoint is being written, and after its death a file may be
damaged. Damage is done to the newest checkpoint alone and only where an older one is left, since a run without any good
checkpoint has to refuse.
"""

import dataclasses
import json
import os
import pathlib
import random
import signal
import subprocess
import time
from collections.abc import Callable, Sequence

from semjax.training import log
from semjax.training.shelf import Shelf

POLL_S = 0.01
FINISHED, KILLED, TERMINATED, PREEMPTED = 0, -signal.SIGKILL, -signal.SIGTERM, 42
EXPECTED = {
    signal.SIGKILL: (KILLED, FINISHED),
    signal.SIGTERM: (PREEMPTED, FINISHED, TERMINATED),  # the last: before the program has taken over the signal
}


def flip_a_bit(path: pathlib.Path, rng: random.Random) -> None:
    """One bit of one byte."""
    data = bytearray(path.read_bytes())
    if data:
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    path.write_bytes(data)


def truncate(path: pathlib.Path, rng: random.Random) -> None:
    """Cuts the file anywhere, perhaps to nothing."""
    os.truncate(path, rng.randrange(max(path.stat().st_size, 1)))


def delete(path: pathlib.Path, rng: random.Random) -> None:
    """Removes the file."""
    path.unlink()


def add_garbage(path: pathlib.Path, rng: random.Random) -> None:
    """Bytes that are no text, without an end of line."""
    with path.open("ab") as file:
        file.write(rng.randbytes(200))


Damage = Callable[[pathlib.Path, random.Random], None]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of disturbance.

    Attributes:
      name: in the report.
      signal: what ends the life.
      saving: whether to wait for a checkpoint that is being written.
      checkpoint: damage to one file of the newest checkpoint.
      log: damage to the log.
    """

    name: str
    signal: signal.Signals
    saving: bool = False
    checkpoint: Damage | None = None
    log: Damage | None = None


KINDS = (
    Kind(name="SIGTERM", signal=signal.SIGTERM),
    Kind(name="SIGTERM while saving", signal=signal.SIGTERM, saving=True),
    Kind(name="SIGKILL", signal=signal.SIGKILL),
    Kind(name="SIGKILL while saving", signal=signal.SIGKILL, saving=True),
    Kind(name="bit flip in the newest checkpoint", signal=signal.SIGKILL, checkpoint=flip_a_bit),
    Kind(name="truncated file in the newest checkpoint", signal=signal.SIGTERM, checkpoint=truncate),
    Kind(name="deleted file in the newest checkpoint", signal=signal.SIGKILL, checkpoint=delete),
    Kind(name="garbage in metrics.jsonl", signal=signal.SIGKILL, log=add_garbage),
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Life:
    """One life of the disturbed run.

    Attributes:
      kind: what was done to it; "" if it was let go to its end.
      exit_code: its own.
      expected: whether that is an exit code that the kind may lead to.
      seconds: how long it lived.
      lost_steps: how many logged steps of earlier lives it had to make again.
    """

    kind: str
    exit_code: int
    expected: bool
    seconds: float
    lost_steps: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Storm:
    """Lives of one command in one work directory.

    Attributes:
      command: starts or continues the run.
      workdir: of the run.
      says: folder for what each life says.
      rng: of moments, files and bits.
      rest_s: a life that has begun to make steps is let go for up to so long.
    """

    command: Sequence[str]
    workdir: pathlib.Path
    says: pathlib.Path
    rng: random.Random
    rest_s: float

    @property
    def checkpoints(self) -> Shelf:
        """The run's."""
        return Shelf(directory=self.workdir / "ckpt")

    def disturb(self, kind: Kind, *, number: int, patience_s: float) -> Life:
        """One life, disturbed; at the latest `patience_s` seconds after its start, even without a step."""
        reached, begun, process = self._reached(), time.monotonic(), self._start(number)
        since = time.time()
        if self.rng.random() < 0.8:  # the others die while they start
            self._wait(process, lambda: 0 <= self._first(since) < self._reached(), patience_s)
            self._rest(process, self.rng.uniform(0.0, self.rest_s))
        else:
            self._rest(process, self.rng.uniform(0.0, patience_s / 10))
        if kind.saving:
            self._wait(process, self._is_saving, self.rest_s)
        process.send_signal(kind.signal)
        code = process.wait()
        lost = self._lost(reached, since)
        self._damage(kind)
        return Life(
            kind=kind.name,
            exit_code=code,
            expected=code in EXPECTED[kind.signal],
            seconds=time.monotonic() - begun,
            lost_steps=lost,
        )

    def let_go(self, *, number: int) -> Life:
        """One life to its end."""
        reached, begun, since = self._reached(), time.monotonic(), time.time()
        code = self._start(number).wait()
        seconds, lost = time.monotonic() - begun, self._lost(reached, since)
        return Life(kind="", exit_code=code, expected=code == FINISHED, seconds=seconds, lost_steps=lost)

    def _start(self, number: int) -> subprocess.Popen[bytes]:
        self.says.mkdir(parents=True, exist_ok=True)
        with (self.says / f"{self.workdir.name}-{number:03d}.txt").open("wb") as file:
            return subprocess.Popen(self.command, stdout=file, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)

    def _rest(self, process: subprocess.Popen[bytes], seconds: float) -> None:
        self._wait(process, lambda: False, seconds)

    def _wait(self, process: subprocess.Popen[bytes], happened: Callable[[], bool], seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end and process.poll() is None and not happened():
            time.sleep(POLL_S)

    def _reached(self) -> int:
        return max((int(line["step"]) for line in log.read(self.workdir)), default=0)

    def _first(self, since: float) -> int:
        """Where the life begun at `since` went on from; -1 if it has not said so (yet)."""
        path = self.workdir / "run.json"
        try:
            return json.loads(path.read_bytes())["first_step"] if path.stat().st_mtime >= since else -1
        except (OSError, ValueError):
            return -1

    def _lost(self, reached: int, since: float) -> int:
        first = self._first(since)
        return max(reached - first, 0) if first >= 0 else 0

    def _is_saving(self) -> bool:
        folder = self.checkpoints.directory
        return folder.is_dir() and any(entry.name.startswith(".partial-") for entry in folder.iterdir())

    def _damage(self, kind: Kind) -> None:
        steps = self.checkpoints.finished()
        if kind.checkpoint and len(steps) > 1:
            files = sorted(path for path in self.checkpoints.path(steps[-1]).rglob("*") if path.is_file())
            kind.checkpoint(self.rng.choice(files), self.rng)
        lines = self.workdir / "metrics.jsonl"
        if kind.log and lines.exists():
            kind.log(lines, self.rng)
