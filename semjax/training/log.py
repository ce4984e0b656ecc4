"""What a run says: `metrics.jsonl`, `run.json`, TensorBoard where wanted, and one line of progress.

`metrics.jsonl` has one JSON object per logged step: step, wall_s (since this process began the run), images_per_s
(since the line before; the first step, which compiles, is left out) and the metrics; what is not finite is null.
"""

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
from tqdm import tqdm

QUIET_EVERY_S = 30.0
PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "grain", "numpy")
SHOWN = 4


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
        path = workdir / "metrics.jsonl"
        _drop_beyond(path, first_step)
        self._file = path.open("a", encoding="utf-8")
        self._sinks = list(sinks)
        self._start = time.monotonic()
        self._batch_size = batch_size
        self._since: tuple[int, float] | None = None
        self._line = Progress(first_step, total_steps)

    def progress(self, step: int) -> None:
        """Moves the progress line."""
        self._since = self._since or (step, time.monotonic())
        self._line.update(step)

    def write(self, step: int, metrics: Mapping[str, float]) -> None:
        """Logs one step.

        Args:
          step: steps done.
          metrics: scalars by name.
        """
        now = time.monotonic()
        since, start = self._since or (step, now)
        speed = {"images_per_s": (step - since) * self._batch_size / (now - start)} if step > since else {}
        self._since = (step, now)
        values = {**speed, **{name: float(value) for name, value in metrics.items()}}
        line = {"step": step, "wall_s": round(now - self._start, 3)}
        self._file.write(json.dumps({**line, **{k: v if math.isfinite(v) else None for k, v in values.items()}}) + "\n")
        self._file.flush()
        for sink in self._sinks:
            sink.scalars(step, values)
        self._line.say(values)

    def close(self) -> None:
        """Closes files and the progress line."""
        self._line.close()
        self._file.close()
        for sink in self._sinks:
            sink.close()


class Progress:
    """One line of progress with speed and time left: a bar on a terminal, elsewhere a line now and then."""

    def __init__(self, first_step: int, total_steps: int):
        self._bar = tqdm(total=total_steps, initial=first_step, unit="step", disable=not sys.stderr.isatty())
        self._done, self._total = first_step, total_steps
        self._text = ""
        self._start: tuple[int, float] | None = None
        self._said = time.monotonic()

    def update(self, step: int) -> None:
        """Steps done."""
        self._bar.update(step - self._done)
        self._done = step
        now = time.monotonic()
        first, start = self._start = self._start or (step, now)  # the first step compiles: it foretells nothing
        if self._bar.disable and (now - self._said > QUIET_EVERY_S or step == self._total):
            self._said = now
            seconds = (now - start) / (step - first) * (self._total - step) if step > first else math.nan
            left = f"{datetime.timedelta(seconds=round(seconds))} left" if math.isfinite(seconds) else ""
            print(f"step {step}/{self._total}  {left}  {self._text}", file=sys.stderr, flush=True)

    def say(self, values: Mapping[str, float]) -> None:
        """The figures shown beside the progress."""
        self._text = "  ".join(f"{name} {value:.4g}" for name, value in list(values.items())[:SHOWN])
        self._bar.set_postfix_str(self._text, refresh=False)

    def close(self) -> None:
        """Ends the line."""
        self._bar.close()


def _drop_beyond(path: pathlib.Path, step: int) -> None:
    if not path.exists():
        return
    kept = [line for line in path.read_text(encoding="utf-8").splitlines() if _step_of(line) <= step]
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
    """The logged lines of a run."""
    path = workdir / "metrics.jsonl"
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


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
