"""What a run says: `metrics.jsonl`, `run.json`, TensorBoard where wanted, and one line of progress.

`metrics.jsonl` has one JSON object per logged step: step, wall_s (since this process began the run), images_per_s
(since the line before; the first step, which compiles, is left out) and the metrics; what is not finite, or no number
at all, is null.

Nothing that goes wrong here reaches the run. Lines that cannot be written wait and are tried again with the next one; a
sink that fails three times in a row is left alone; each trouble is told once.
"""

import contextlib
import datetime
import importlib.metadata
import json
import math
import os
import pathlib
import platform
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import jax

from semjax.training.progress import Progress

PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "grain", "numpy")
KEPT_LINES = 10_000
"""CHOICE: lines that wait in memory while the disk takes none."""

SINK_ATTEMPTS = 3
"""CHOICE: failures in a row after which a sink is left alone."""


class Sink(Protocol):
    """Somewhere scalars go."""

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Takes the scalars of one step."""
        ...

    def close(self) -> None:
        """Ends the writing."""
        ...


class TensorBoard:
    """Scalars for TensorBoard, in the folder `tensorboard` of the work directory."""

    def __init__(self, workdir: pathlib.Path):
        try:
            from tensorboardX import SummaryWriter  # only where it is asked for
        except ImportError as error:
            raise ValueError("train.tensorboard needs tensorboardX: pip install 'semjax[log]'") from error
        self._writer = SummaryWriter(str(workdir / "tensorboard"))

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Takes the scalars of one step."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        """Ends the writing."""
        self._writer.close()


class Silent:
    """A log that says nothing: for processes other than the first."""

    def progress(self, step: int) -> None:
        """Nothing."""

    def write(self, step: int, metrics: Mapping[str, float]) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


class RunLog(Silent):
    """The log of one run, continued where an earlier process stopped. Close it.

    Args:
      workdir: where the files are.
      first_step: steps already done; logged lines beyond it belong to work that was lost, and are dropped.
      total_steps: steps of the whole run.
      batch_size: pictures per step.
      sinks: further places for scalars.
    """

    def __init__(
        self, workdir: pathlib.Path, *, first_step: int, total_steps: int, batch_size: int, sinks: Sequence[Sink] = ()
    ):
        self._lines = _Lines(workdir / "metrics.jsonl", first_step=first_step)
        self._sinks = dict.fromkeys(sinks, 0)
        self._start = time.monotonic()
        self._batch_size = batch_size
        self._since: tuple[int, float] | None = None
        self._line = Progress(first_step, total_steps)

    def progress(self, step: int) -> None:
        """Moves the progress line."""
        self._since = self._since or (step, time.monotonic())
        with contextlib.suppress(OSError, ValueError):  # nobody reads stderr any more
            self._line.update(step)

    def write(self, step: int, metrics: Mapping[str, Any]) -> None:
        """Logs one step.

        Args:
          step: steps done.
          metrics: scalars by name.
        """
        now = time.monotonic()
        since, start = self._since or (step, now)
        speed = {"images_per_s": (step - since) * self._batch_size / (now - start)} if step > since else {}
        self._since = (step, now)
        values = {**speed, **{str(name): _number(str(name), value) for name, value in metrics.items()}}
        self._lines.write(step, {"step": step, "wall_s": round(now - self._start, 3), **values})
        for sink, failures in self._sinks.items():
            if failures < SINK_ATTEMPTS:
                self._sinks[sink] = 0 if _attempt(sink, "scalars", step, values) else failures + 1
        with contextlib.suppress(OSError, ValueError):
            self._line.say(values)

    def close(self) -> None:
        """Closes files and the progress line."""
        with contextlib.suppress(OSError, ValueError):
            self._line.close()
        self._lines.write()
        for sink in self._sinks:
            _attempt(sink, "close")


class _Lines:
    """The file of lines; those it does not take wait for the next attempt."""

    def __init__(self, path: pathlib.Path, *, first_step: int):
        self._path = path
        self._waiting: list[str] = []
        try:
            _drop_beyond(path, first_step)
        except OSError as error:
            warn(f"{path}: lines of lost work stay in it ({error})")

    def write(self, step: int | None = None, values: Mapping[str, Any] | None = None) -> None:
        """Writes what waits, and one line more if one is given."""
        if values is not None:
            plain = {k: v if isinstance(v, int) or math.isfinite(v) else None for k, v in values.items()}
            self._waiting = [*self._waiting[1 - KEPT_LINES :], json.dumps(plain) + "\n"]
        size = None
        try:
            with self._path.open("ab", buffering=0) as file:
                size = file.tell()
                data = "".join(self._waiting).encode()
                while data:
                    data = data[file.write(data) :]
            self._waiting = []
        except OSError as error:
            warn(f"{self._path} cannot be written to ({error}); training goes on, the lines wait in memory")
            with contextlib.suppress(OSError):
                if size is not None:
                    os.truncate(self._path, size)


def _attempt(sink: Sink, method: str, *arguments: Any) -> bool:
    try:
        getattr(sink, method)(*arguments)
    except Exception as error:  # whatever a writer of someone else's does
        warn(f"{type(sink).__name__} failed ({type(error).__name__}: {error}); training goes on without it")
        return False
    return True


def _number(name: str, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        warn(f"the log was given {name} = {value!r:.80}, which is no number; it says null")
        return math.nan


_told: set[str] = set()


def warn(text: str) -> None:
    """Says something on stderr, once per process."""
    if text in _told:
        return
    _told.add(text)
    with contextlib.suppress(OSError, ValueError):
        print(f"warning: {text}", file=sys.stderr, flush=True)


def _drop_beyond(path: pathlib.Path, step: int) -> None:
    if not path.exists():
        return
    kept = [line for line in _text(path).splitlines() if _step_of(line) <= step]
    replace(path, "".join(line + "\n" for line in kept))


def _step_of(line: str) -> float:
    """Step of a logged line; a line cut off by a crash counts as beyond any step."""
    try:
        return json.loads(line)["step"]
    except (ValueError, KeyError, TypeError):
        return math.inf


def replace(path: pathlib.Path, text: str) -> None:
    """Writes a file in one go: a reader sees the old text or the new one."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)


def read(workdir: pathlib.Path) -> list[dict[str, Any]]:
    """The logged lines of a run; what a crash has cut off is left out."""
    path = workdir / "metrics.jsonl"
    lines = _text(path).splitlines() if path.exists() else []
    return [json.loads(line) for line in lines if _step_of(line) < math.inf]


def _text(path: pathlib.Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")


def run_facts(*, config: Mapping[str, Any], config_hash: str, seed: int, sources: Mapping[str, Any]) -> dict[str, Any]:
    """What `run.json` says of a run: code, command, versions, devices, configuration, data.

    Args:
      config: resolved configuration, plain values.
      config_hash: its hash.
      seed: the run's seed.
      sources: facts of each data source, plain values.
    """
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "git": git_state(),
        "argv": sys.argv,
        "versions": {"python": platform.python_version(), **{p: importlib.metadata.version(p) for p in PACKAGES}},
        "devices": [f"{device.platform}:{device.id} {device.device_kind}" for device in jax.devices()],
        "processes": jax.process_count(),
        "seed": seed,
        "config_hash": config_hash,
        "sources": dict(sources),
        "config": dict(config),
    }


def git_state() -> dict[str, Any]:
    """Commit of the checkout this package lies in and whether it was changed; null for an installed package."""
    folder = pathlib.Path(__file__).parent

    def git(*words: str) -> str:
        command = ["git", "-C", str(folder), *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout.strip()

    try:
        if not git("ls-files", "--error-unmatch", __file__):
            return {"commit": None, "dirty": None}
        return {"commit": git("rev-parse", "HEAD"), "dirty": bool(git("status", "--porcelain", "--untracked-files=no"))}
    except (OSError, subprocess.SubprocessError):
        return {"commit": None, "dirty": None}
