"""Trains and ships SA-OOSC's checkpoints: `python benchmarks/sa_oosc_runs.py --work runs --out checkpoints [NAME ...]`.

    transform ─┬─► student_SEED ──► sa_oosc_student_SEED
               └──────────────────► sa_oosc_VARIANT_SEED           of every variant and seed the same steps and data

Each is a run of configs/sa_oosc.py, trained by `train.py` in a process of its own; a run that was cut off goes on, one
that is shipped already is left alone. NAME picks some, such as student_0; none given means the main ones, seed by seed.
"""

import argparse
import dataclasses
import pathlib
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from semjax.app import config

SEEDS = (0, 1, 2)
MAIN = ("student", "uniform_weighted", "static", "oracle", "uniform")
SINGLE = ("static_scenario", "roi", "student_text")
"""Variants of seed 0 only."""
STUDENTS = ("student", "student_text")
TRANSFORM = "sa_oosc_transform"
SCENES = "configs/sa_oosc.py:scenes"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Run:
    """One run: its name, its configuration's variant, what is changed there, and the run that it begins with."""

    name: str
    config: str
    changes: tuple[str, ...] = ()
    after: str = ""
    shipped: bool = True


def student(variant: str, seed: int) -> Run:
    """Phase B."""
    return Run(
        name=f"sa_oosc_b_{variant}_{seed}",
        config="student",
        changes=(f"system.variant={variant}", f"seed={seed}"),
        after=TRANSFORM,
        shipped=False,
    )


def scenes(variant: str, seed: int, *changes: str, name: str = "") -> Run:
    """Phases C and D."""
    return Run(
        name=f"sa_oosc_{name or variant}_{seed}",
        config="scenes",
        changes=(f"system.variant={variant}", f"seed={seed}", *changes),
        after=student(variant, seed).name if variant in STUDENTS else TRANSFORM,
    )


def _without(term: str) -> str:
    """The phases of :scenes without one term of the loss, as an override."""
    phases = [{**phase, "weights": {k: v for k, v in phase["weights"].items() if k != term}} for phase in _phases()]
    return f"phases={tuple(phases)!r}"


def _phases() -> list[dict[str, Any]]:
    cfg: Any = config.load(SCENES)
    return [{k: dict(v) if k == "weights" else v for k, v in dict(p).items()} for p in cfg.phases]


def ablations() -> list[Run]:
    """The student's system of seed 0 without one of its means each; it begins where the whole does, if that is left."""
    cold = dataclasses.replace(student("student", 0), name="sa_oosc_b_no_warm_start_0", after="")
    return [
        dataclasses.replace(scenes("student", 0, _without("kd"), name="no_distillation"), after=TRANSFORM),
        scenes("student", 0, _without("rank"), name="no_rank"),
        scenes("student", 0, "system.free_rate=True", name="no_stop_gradient"),
        scenes("student", 0, "system.rate_tokens=False", name="no_rate_tokens"),
        cold,
        dataclasses.replace(scenes("student", 0, name="no_warm_start"), after=cold.name),
    ]


def noisy() -> list[Run]:
    """The student's system of seed 0 on spoilt labels: a fifth is wrong; of some the teacher said nothing."""
    made = []
    for name, failed, as_zero in (
        *(("noisy", 0.05, False), ("noisy_zero", 0.05, True)),
        *(("failed_30", 0.3, False), ("failed_30_zero", 0.3, True)),
    ):
        labels = {"wrong": 0.2, "failed": failed, "failed_as_zero": as_zero}
        changes = tuple(f"data.train.{key}={value}" for key, value in labels.items())
        first = student("student", 0)
        first = dataclasses.replace(first, name=f"sa_oosc_b_{name}_0", changes=(*first.changes, *changes))
        made += [first, dataclasses.replace(scenes("student", 0, *changes, name=name), after=first.name)]
    return made


def every() -> dict[str, Run]:
    """All runs by name, those that others begin with first."""
    made = [Run(name=TRANSFORM, config="transform")]
    made += [student(variant, seed) for seed in SEEDS for variant in STUDENTS if variant in MAIN or seed == 0]
    made += [scenes(variant, seed) for seed in SEEDS for variant in MAIN]
    made += [*(scenes(variant, 0) for variant in SINGLE), *ablations(), *noisy()]
    return {run.name: run for run in made}


def asked(names: Sequence[str], runs: dict[str, Run], *, out: pathlib.Path) -> list[Run]:
    """The runs of these names (the main ones if there is none) that `out` lacks, each after what it begins with."""
    names = [f"sa_oosc_{name.removeprefix('sa_oosc_')}" for name in names]
    unknown = sorted(set(names) - set(runs))
    if unknown:
        raise SystemExit(f"error: there is no run {unknown[0]}; there are: {', '.join(runs)}")
    found: dict[str, Run] = {}
    for name in names or [f"sa_oosc_{variant}_{seed}" for seed in SEEDS for variant in MAIN]:
        chain: list[Run] = []
        while name and not (out / name).is_dir():
            chain.insert(0, runs[name])
            name = runs[name].after
        found |= {run.name: run for run in chain}
    return list(found.values())


def train(run: Run, *, work: pathlib.Path, out: pathlib.Path, more: Sequence[str]) -> None:
    """Trains a run to its end, or goes on with it, and ships it; where that fails, ends with its exit code."""
    begin = f"--config.train.start_from={_place(run.after, work, out) if run.after else ''}"
    command = [
        *(sys.executable, "train.py"),
        *("--config", f"configs/sa_oosc.py:{run.config}"),
        *("--workdir", str(work / run.name)),
        *(f"--config.{change}" for change in run.changes),
        begin,
        *more,
    ]
    print(f"{run.name}: {' '.join(command[1:])}", flush=True)
    _do(command)
    if run.shipped:
        _do([sys.executable, "-m", "semjax.app.export", str(work / run.name), str(out / run.name)])


def _do(command: Sequence[str]) -> None:
    code = subprocess.run(command, check=False).returncode
    if code:
        sys.exit(code)


def _place(name: str, work: pathlib.Path, out: pathlib.Path) -> pathlib.Path:
    """Where a run's parameters are: the shipped ones, if they are, so that whoever has only those gets the same."""
    return out / name if (out / name).is_dir() else work / name


def main() -> int:
    """The command line; what it does not know is handed to every training."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--work", type=pathlib.Path, default=pathlib.Path("runs"), help="work directories")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("checkpoints"), help="shipped checkpoints")
    flags, more = parser.parse_known_args()
    for run in asked(flags.names, every(), out=flags.out):
        train(run, work=flags.work, out=flags.out, more=more)
    return 0


if __name__ == "__main__":
    sys.exit(main())
