"""Training: `python train.py --config configs/deepjscc.py:quick --workdir runs/quick [--config.KEY=VALUE ...]`.

The same command continues where a run stopped, exactly: parameters, optimiser, data order and noise are those of a run
that was never interrupted. SIGTERM and Ctrl-C save a checkpoint and stop; docs/reliability.md tells of other faults.
"""

import argparse
import contextlib
import dataclasses
import os
import pathlib
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import jax
from ml_collections import ConfigDict

from semjax.app import config, setback, start
from semjax.app.build import TOWERS, Registry, default_registry, to_batch
from semjax.app.compile_cache import compile_cache
from semjax.app.config import Config
from semjax.app.defaults import DEFAULTS
from semjax.app.dry_run import dry_run
from semjax.app.errors import RunError, UserError, guard
from semjax.app.lock import WorkdirLock
from semjax.app.signals import stoppable
from semjax.app.watchdog import Watchdog
from semjax.app.workdir import claim
from semjax.parallel.cpu_flags import fast_cpu_flags, keep_freed_memory
from semjax.parallel.mesh import shard_batch
from semjax.training import phases
from semjax.training.state import State


@dataclasses.dataclass(frozen=True, kw_only=True)
class Result:
    """What a call of `train` did.

    Attributes:
      workdir: where everything is.
      state: the state after the last step.
      step: steps done, counted from the run's start.
      finished: whether these are all the run has.
      exit_code: of the program: 0, or that of the signal that stopped it (`semjax.app.signals`).
    """

    workdir: pathlib.Path
    state: State
    step: int
    finished: bool
    exit_code: int = 0


def run(
    cfg: ConfigDict | Mapping[str, Any], *, workdir: str | pathlib.Path, registry: Registry | None = None
) -> Result:
    """Trains what a configuration describes: the entry for programs with parts of their own.

    Args:
      cfg: any subset of the keys; what is missing is filled in.
      workdir: of the run; continued if it holds one.
      registry: the parts, `default_registry().with_(systems={"mine": build})`; the package's own by default.

    Raises:
      UserError: something to put right; see the message.
    """
    parts = registry or default_registry()
    return train(config.resolve(cfg, parts), workdir=workdir, registry=parts)


def train(cfg: Config, *, workdir: str | pathlib.Path, registry: Registry, stop_after: int | None = None) -> Result:
    """Trains, from the start or from the newest checkpoint in `workdir`.

    Args:
      cfg: a resolved configuration; workdir and registry as for `run`.
      stop_after: save and stop once this many steps of the run are done; None goes on to the end.

    Raises:
      UserError: something to put right; see the message.
    """
    folder = claim(workdir, cfg, registry)
    with contextlib.ExitStack() as stack:
        # --------------------------------------------------------------------------------- start, or go on exactly
        stop = stack.enter_context(stoppable())
        lock = stack.enter_context(WorkdirLock(folder, take=jax.process_index() == 0))
        stack.enter_context(compile_cache(cfg.compile_cache))
        run, state = start.prepare(cfg, folder, registry=registry, stack=stack)
        limits = {"period_s": cfg.train.watchdog_s, "abort": cfg.train.watchdog_abort}
        dog = stack.enter_context(Watchdog(folder, **limits))
        keeper, log, total = run.keeper, run.log, cfg.train.steps
        last = total if stop_after is None else min(stop_after, total)
        done, metrics, current, step_fn = run.first, None, None, None

        # -------------------------------------------------------------------------------------------------- the loop
        stack.enter_context(jax.transfer_guard("disallow"))
        while done < last and not stop.asked():
            stretch = phases.at(run.stretches, done)
            if stretch is not current or step_fn is None:
                current, step_fn = stretch, run.step_of(stretch.phase)
                dog.compiling()
            record = keeper.read(state, done=done)
            state, metrics = step_fn(state, run.frozen, shard_batch(run.mesh, to_batch(record)), run.key)
            done += 1
            _check(lock, done)
            if keeper.skips.add(metrics["skipped"]):
                state = setback.after_too_many(run, state, done=done, record=record, metrics=metrics)
            log.progress(done)
            if done % cfg.train.log_every == 0:
                log.write(done, run.figures(metrics))
            if run.watch and (done % cfg.train.eval_every == 0 or done == total):
                log.write(done, run.watch(state, run.key, done=done))
            keeper.after(state, done=done)
            dog.beat(done)

        # --------------------------------------------------------------------------------------------------- the end
        if metrics is not None and done % cfg.train.log_every:
            log.write(done, run.figures(metrics))
        _check(lock, done)
        keeper.last(state, done=done)
    finished = done == total
    return Result(
        workdir=folder, state=state, step=done, finished=finished, exit_code=0 if finished else stop.exit_code
    )


def _check(lock: WorkdirLock, done: int) -> None:
    if lock.lost:
        raise RunError(
            f"{lock.path} was removed or taken by another run: this one ends after step {done} and writes nothing more"
        )


def prepare_cpu(cfg: Config) -> None:
    """One virtual device per core and no returning of memory; takes effect before the first computation only.

    The devices divide each micro-batch; a mesh that says how many devices it wants is left to find them itself.
    """
    if cfg.mesh.to_dict() == DEFAULTS["mesh"]:
        flags = fast_cpu_flags(cfg.data.batch_size // cfg.optim.accumulate)
        os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {flags}".strip()
    keep_freed_memory()


def _next(cfg: Config, workdir: str) -> str:
    """What to do with what was trained."""
    if cfg.system.name in TOWERS:
        return f"ship it with: python -m semjax.app.export {workdir} OUT"
    return f"evaluate with: python eval.py --checkpoint {workdir}"


@guard
def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="train.py", description="Trains a system.", allow_abbrev=False)
    parser.add_argument("--config", required=True, metavar="FILE[:VARIANT]")
    parser.add_argument("--workdir", metavar="DIR", help="of the run; the same command continues it")
    parser.add_argument("--dry_run", action="store_true", help="print configuration, parameters, FLOPs and memory")
    flags, rest = parser.parse_known_args(argv)
    overrides = config.split_flags(rest, ["--config", "--workdir", "--dry_run"])
    registry = default_registry()
    cfg = config.resolve(config.load(flags.config), registry, overrides)
    prepare_cpu(cfg)
    if flags.dry_run:
        print(dry_run(cfg, registry))
        return 0
    if not flags.workdir:
        raise UserError("--workdir=DIR is needed: where the run keeps its checkpoints and its log")
    result = train(cfg, workdir=flags.workdir, registry=registry)
    print(f"{result.step}/{cfg.train.steps} steps done; {_next(cfg, flags.workdir)}")
    return result.exit_code


if __name__ == "__main__":
    sys.exit(main())
