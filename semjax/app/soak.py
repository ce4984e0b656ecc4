"""Soak: the same training twice, once undisturbed and once in a storm, and a comparison bit by bit.

    python -m semjax.app.soak --minutes 10 --workdir runs/soak

`DIR/calm` is let go from start to end. `DIR/storm` runs the same steps with the same configuration, and is killed,
terminated and damaged again and again (`semjax.app.storm`), started by the same command each time, until it too has
finished. In the end parameters, moving averages, optimiser, collections and step of both must be bitwise equal; the
exit code is 0 exactly then, and if no process ended otherwise than it should have. `DIR/soak.json` has the account.
"""

import argparse
import collections
import dataclasses
import json
import pathlib
import random
import shutil
import sys
import time
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from semjax.app import config
from semjax.app.build import CHECKPOINT_DIR
from semjax.app.errors import UserError, guard
from semjax.app.storm import KINDS, Life, Storm
from semjax.training import log
from semjax.training.reading import Reader

DEFAULT = "configs/deepjscc.py:quick"
SMALL = (
    *("--config.data.train.size=32", "--config.data.train.crop=32", "--config.data.train.count=256"),
    *("--config.val.size=32", "--config.val.count=16", "--config.data.batch_size=8"),
    *("--config.encoder.widths=(4,8,8,8)", "--config.decoder.widths=(8,8,8,4)"),
)
"""Sizes of the default configuration: many steps and many restarts in little time."""

LOOKS, KEPT = 5, 4
"""CHOICE: looks at `val` per run; checkpoints kept, so that damage never meets the last one."""

SHARE = 0.2
"""CHOICE: share of the time for the calm run's steps; the storm makes the same steps, some of them more than once."""

PROBE_STEPS = 60
CLOCKS = ("wall_s", "images_per_s")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """What both runs do.

    Attributes:
      steps: of each run.
      every: steps between checkpoints.
    """

    steps: int
    every: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Speed:
    """Of a run: seconds per step, and from the start of its process to its first step."""

    step_s: float
    start_s: float


def command(flags: argparse.Namespace, rest: Sequence[str], workdir: pathlib.Path, plan: Plan) -> list[str]:
    """The command line of a run in `workdir`."""
    settings = {
        "train.steps": plan.steps,
        "train.checkpoint_every": plan.every,
        "train.log_every": plan.every,
        "train.eval_every": max(plan.steps // LOOKS, 1),
        "train.keep": KEPT,
        "compile_cache": flags.workdir / "xla",
        "seed": flags.seed,
    }
    own = [f"--config.{key}={value}" for key, value in settings.items()]
    small = SMALL if flags.config == DEFAULT else ()
    program = [sys.executable, "-m", "semjax.app.train"]
    return [*program, f"--config={flags.config}", f"--workdir={workdir}", *small, *rest, *own]


def let_go(flags: argparse.Namespace, rest: Sequence[str], workdir: pathlib.Path, plan: Plan) -> Speed:
    """An undisturbed run, and how fast it was.

    Raises:
      UserError: the command itself fails.
    """
    life = _storm(flags, command(flags, rest, workdir, plan), workdir, rest_s=0.0).let_go(number=0)
    if not life.expected:
        raise UserError(f"the undisturbed run failed with exit code {life.exit_code}; see {flags.workdir / 'says'}")
    lines = [line for line in log.read(workdir) if "loss" in line]
    first, last = lines[0], lines[-1]
    step_s = (last["wall_s"] - first["wall_s"]) / max(last["step"] - first["step"], 1)
    return Speed(step_s=step_s, start_s=max(life.seconds - plan.steps * step_s, 1.0))


def make_plan(flags: argparse.Namespace, rest: Sequence[str]) -> Plan:
    """The steps asked for, or as many as a probe says will fit the time."""
    steps = flags.steps
    if not steps:
        probe = Plan(steps=PROBE_STEPS, every=PROBE_STEPS // LOOKS)
        speed = let_go(flags, rest, flags.workdir / "probe", probe)
        shutil.rmtree(flags.workdir / "probe")
        steps = max(round(SHARE * flags.minutes * 60 / speed.step_s), 2 * flags.checkpoints)
    return Plan(steps=steps, every=max(steps // flags.checkpoints, 1))


def _storm(flags: argparse.Namespace, words: Sequence[str], folder: pathlib.Path, *, rest_s: float) -> Storm:
    rng = random.Random(flags.seed)
    return Storm(command=words, workdir=folder, says=flags.workdir / "says", rng=rng, rest_s=rest_s)


@dataclasses.dataclass
class Account:
    """What happened to the disturbed run."""

    lives: list[Life] = dataclasses.field(default_factory=list)

    def table(self) -> list[str]:
        """Lines: kinds with counts and exit codes."""
        rows = collections.Counter((life.kind or "undisturbed", life.exit_code) for life in self.lives)
        return [f"{kind:<42} exit {code:>4}  {count:>4}" for (kind, code), count in sorted(rows.items())]


def weather(storm: Storm, plan: Plan, speed: Speed, *, least: int, end: float) -> Account:
    """Disturbs the run, at least `least` times, until the time left is just enough to finish it; then lets it go."""
    account, kinds, number = Account(), [], 0
    while True:
        done = max(storm.checkpoints.finished(), default=0)
        needed = 1.5 * (plan.steps - done) * speed.step_s + 2.0 * speed.start_s
        if not kinds:
            kinds = storm.rng.sample(KINDS, len(KINDS))
        if done >= plan.steps or (number >= least and time.monotonic() + needed > end):
            account.lives.append(storm.let_go(number=number))
            return account
        account.lives.append(storm.disturb(kinds.pop(), number=number, patience_s=10 * speed.start_s))
        number += 1
        if not account.lives[-1].expected:
            return account


def final_state(workdir: pathlib.Path) -> dict[str, np.ndarray]:
    """All leaves of the newest good checkpoint, by path."""
    reader = Reader(workdir / CHECKPOINT_DIR)
    facts = reader.meta()["leaves"]
    wanted = {path: jax.ShapeDtypeStruct(tuple(shape), jnp.dtype(dtype)) for path, (shape, dtype) in facts.items()}
    return {path: np.asarray(leaf) for path, leaf in reader.restore_part(wanted).items()}


def differing(calm: dict[str, np.ndarray], storm: dict[str, np.ndarray]) -> list[str]:
    """Paths of leaves that are not bitwise equal, or that one of them lacks."""
    bits = [
        {path: (str(leaf.dtype), leaf.shape, leaf.tobytes()) for path, leaf in state.items()} for state in (calm, storm)
    ]
    return sorted(path for path in {**calm, **storm} if bits[0].get(path) != bits[1].get(path))


def _figures(workdir: pathlib.Path, every: int) -> list[dict[str, Any]]:
    lines = [line for line in log.read(workdir) if line["step"] % every == 0 or "val_psnr" in line]
    return [{key: value for key, value in line.items() if key not in CLOCKS} for line in lines]


def soak(flags: argparse.Namespace, rest: Sequence[str]) -> dict[str, Any]:
    """Both runs and the comparison; returns the account as plain values."""
    end = time.monotonic() + 60 * flags.minutes
    calm, wild = flags.workdir / "calm", flags.workdir / "storm"
    plan = make_plan(flags, rest)
    speed = let_go(flags, rest, calm, plan)
    print(f"{plan.steps} steps of {1e3 * speed.step_s:.1f} ms, a start takes {speed.start_s:.1f} s", flush=True)
    words = command(flags, rest, wild, plan)
    storm = _storm(flags, words, wild, rest_s=2.0 * plan.every * speed.step_s)
    account = weather(storm, plan, speed, least=flags.disturbances, end=end)
    finished = account.lives[-1].expected and not account.lives[-1].kind
    states = [final_state(calm), final_state(wild)] if finished else [{}, {}]
    wrong = differing(*states) if finished else ["the disturbed run did not finish"]
    return {
        "steps": plan.steps,
        "command": words,
        "disturbances": collections.Counter(life.kind for life in account.lives if life.kind),
        "exit_codes": collections.Counter(str(life.exit_code) for life in account.lives),
        "table": account.table(),
        "restarts": len(account.lives) - 1,
        "quarantined": len(list((wild / CHECKPOINT_DIR).glob("corrupt-*"))),
        "lost_steps": sum(life.lost_steps for life in account.lives),
        "unexpected": [dataclasses.asdict(life) for life in account.lives if not life.expected],
        "leaves": len(states[0]),
        "bytes": sum(leaf.nbytes for leaf in states[0].values()),
        "differing": wrong,
        "log_equal": _figures(calm, plan.every) == _figures(wild, plan.every),
        "equal": not wrong,
    }


@guard
def main(argv: Sequence[str] | None = None) -> int:
    """The command line; 0 if both runs end bitwise equal and every process ended as it should."""
    parser = argparse.ArgumentParser(prog="python -m semjax.app.soak", description="A run against a storm.")
    parser.add_argument("--minutes", type=float, default=10.0, help="of everything together, about")
    parser.add_argument("--workdir", type=pathlib.Path, required=True, metavar="DIR", help="absent or empty")
    parser.add_argument("--config", default=DEFAULT, metavar="FILE[:VARIANT]")
    parser.add_argument("--steps", type=int, default=0, help="of each run; 0 = as many as fit the time")
    parser.add_argument("--checkpoints", type=int, default=50, help="of each run")
    parser.add_argument("--disturbances", type=int, default=1, help="at least so many, whatever the time")
    parser.add_argument("--seed", type=int, default=0, help="of the training and of the storm")
    flags, rest = parser.parse_known_args(argv)
    config.split_flags(rest, [f"--{name}" for name in vars(flags)])
    flags.workdir = flags.workdir.absolute()
    if flags.workdir.exists() and any(flags.workdir.iterdir()):
        raise UserError(f"--workdir={flags.workdir} is not empty; name another directory")
    flags.workdir.mkdir(parents=True, exist_ok=True)
    result = soak(flags, rest)
    (flags.workdir / "soak.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print("\n".join(result["table"]))
    print(f"restarts {result['restarts']}, quarantined {result['quarantined']}, lost steps {result['lost_steps']}")
    if result["differing"]:
        print(f"NOT EQUAL: {', '.join(result['differing'][:5])}")
        return 1
    print(f"{result['leaves']} leaves, {result['bytes']:,} bytes: bitwise equal; log equal: {result['log_equal']}")
    return 1 if result["unexpected"] else 0


if __name__ == "__main__":
    sys.exit(main())
