"""Training: `python train.py --config configs/deepjscc.py:quick --workdir runs/quick [--config.KEY=VALUE ...]`.

The same command continues where a run stopped, exactly: parameters, optimiser, data order and noise are those of a run
that was never interrupted. Ctrl-C saves a checkpoint and stops.
"""

import argparse
import contextlib
import dataclasses
import json
import os
import pathlib
import signal
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from ml_collections import ConfigDict

from semjax.app import build, config
from semjax.app.build import CHECKPOINT_DIR, CONFIG_FILE, Registry, default_registry, to_batch
from semjax.app.config import Config
from semjax.app.defaults import DEFAULTS
from semjax.app.dry_run import dry_run
from semjax.app.errors import UserError, explained, guard
from semjax.app.optimizer import make_optimizer
from semjax.app.watch import make_watch
from semjax.app.workdir import claim
from semjax.contracts import Phase, Trainable
from semjax.data.files import Source
from semjax.data.loader import TrainLoader, train_loader
from semjax.parallel.cpu_flags import fast_cpu_flags, keep_freed_memory
from semjax.parallel.mesh import check_batch, make_mesh, replicated, shard_batch, state_sharding
from semjax.training import log as logs
from semjax.training import optim, phases
from semjax.training.checkpoint import Checkpoints, abstract
from semjax.training.state import State, init_state
from semjax.training.step import Step, make_step

EXIT_INTERRUPTED = 130


@dataclasses.dataclass(frozen=True, kw_only=True)
class Result:
    """What a call of `train` did.

    Attributes:
      workdir: where everything is.
      state: the state after the last step.
      step: steps done, counted from the run's start.
      finished: whether these are all the run has.
    """

    workdir: pathlib.Path
    state: State
    step: int
    finished: bool


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
    # ------------------------------------------------------------------------------------- where, on what, from what
    folder = claim(workdir, cfg)
    mesh = _mesh(cfg)
    source = build.source(cfg.data.train, registry, path="data.train")
    trainable = build.build(cfg, registry)
    watch = make_watch(cfg, registry, trainable=trainable, mesh=mesh) if cfg.train.eval_every else None
    with explained("phases"):
        stretches = phases.schedule(trainable.PHASES, cfg.train.steps) if cfg.train.steps else []
    optimizer = make_optimizer(cfg)
    total = cfg.train.steps
    last = total if stop_after is None else min(stop_after, total)
    frozen: dict[str, Any] = {}

    with contextlib.ExitStack() as stack:
        loader = stack.enter_context(_loader(cfg, source))
        store = stack.enter_context(Checkpoints(folder / CHECKPOINT_DIR, keep=cfg.train.keep))
        # --------------------------------------------------------------------------------- start, or go on exactly
        key = jax.device_put(jax.random.key(cfg.seed), replicated(mesh))
        state = start(cfg, trainable, optimizer, mesh, store=store, loader=loader)
        check_phases(cfg, trainable, optimizer, state=state, stretches=stretches, frozen=frozen)
        first = int(state.step)
        log = _open_log(cfg, folder, first, source)
        stack.callback(log.close)
        interrupted = stack.enter_context(_interruptible())
        facts = {"config_hash": config.config_hash(config.training_part(cfg)), "seed": cfg.seed}
        current, step_fn = None, None

        # -------------------------------------------------------------------------------------------------- the loop
        stack.enter_context(jax.transfer_guard("disallow"))
        for done in range(first + 1, last + 1):
            stretch = phases.at(stretches, done - 1)
            if stretch is not current or step_fn is None:
                current, step_fn = stretch, _step(cfg, trainable, stretch.phase, optimizer, mesh)
            batch = shard_batch(mesh, to_batch(next(loader)))
            state, metrics = step_fn(state, frozen, batch, key)
            log.progress(done)
            stopping = done == last or interrupted.is_set()
            if done % cfg.train.log_every == 0 or stopping:
                log.write(done, jax.device_get(metrics))
            if watch and (done % cfg.train.eval_every == 0 or done == total):
                log.write(done, {"val_psnr": watch(state, key)})
            if done % cfg.train.checkpoint_every == 0 or stopping:
                store.save(state, step=done, data_state=loader.get_state(), meta=facts)
            if stopping:
                break
        if not total:
            store.save(state, step=0, data_state=loader.get_state(), meta=facts)
        step = int(jax.device_get(state.step))
    return Result(workdir=folder, state=state, step=step, finished=step == total)


def start(
    cfg: Config,
    trainable: Trainable,
    optimizer: optim.Optimizer,
    mesh: Mesh,
    *,
    store: Checkpoints,
    loader: TrainLoader,
) -> State:
    """The state to begin with, on the mesh: fresh, or the newest checkpoint, with `loader` moved to its place."""

    def fresh() -> State:
        batch = jax.tree.map(jnp.asarray, build.example_batch(cfg))
        return init_state(trainable, optimizer, jax.random.key(cfg.seed), batch)

    with explained("optim.rules"):
        shapes = jax.eval_shape(fresh)
    where = state_sharding(mesh, shapes)
    if store.latest() is None:
        return jax.jit(fresh, out_shardings=where)()
    found = store.restore_latest(abstract(shapes, where))
    with explained("data.train"):
        loader.set_state(found.data_state)
    return found.state


def check_phases(
    cfg: Config,
    trainable: Trainable,
    optimizer: optim.Optimizer,
    *,
    state: State,
    stretches: Sequence[phases.Stretch],
    frozen: Any,
) -> None:
    """Traces the step of every phase, so that a mistake in the last one is found before the first one runs.

    Raises:
      ConfigError: a phase that cannot be; it is named.
    """
    batch, key = build.example_batch(cfg, cfg.data.batch_size), jax.random.key(0)
    for stretch in stretches:
        step = make_step(trainable, stretch.phase, optimizer=optimizer, accumulate=cfg.optim.accumulate)
        with explained("phases"):
            jax.eval_shape(step, abstract(state), frozen, batch, key)


def _mesh(cfg: Config) -> Mesh:
    """The run's mesh; refuses one that does not fit the devices, or that the batch does not divide over."""
    with explained("mesh"):
        mesh = make_mesh(cfg.mesh.to_dict())
    with explained("data.batch_size"):
        check_batch(mesh, cfg.data.batch_size, cfg.optim.accumulate)
    return mesh


def _step(cfg: Config, trainable: Trainable, phase: Phase, optimizer: optim.Optimizer, mesh: Mesh) -> Step:
    return make_step(trainable, phase, optimizer=optimizer, mesh=mesh, accumulate=cfg.optim.accumulate)


def _loader(cfg: Config, source: Source) -> TrainLoader:
    with explained("data"):
        return train_loader(
            source,
            batch_size=cfg.data.batch_size,
            crop=cfg.data.train.crop,
            seed=cfg.seed,
            process_index=jax.process_index(),
            process_count=jax.process_count(),
        )


def _open_log(cfg: Config, folder: pathlib.Path, first: int, source: Source) -> logs.Silent:
    """Writes config.json and run.json and opens the log; in all processes but the first, nothing."""
    if jax.process_index():
        return logs.Silent()
    logs.replace(folder / CONFIG_FILE, config.to_json(cfg))
    facts = logs.run_facts(
        config=cfg.to_dict(),
        config_hash=config.config_hash(cfg),
        seed=cfg.seed,
        sources={"data.train": {**cfg.data.train.to_dict(), "count": len(source)}},
    )
    logs.replace(folder / "run.json", json.dumps({"first_step": first, **facts}, indent=2) + "\n")
    with explained("train.tensorboard"):
        sinks = [logs.TensorBoard(folder)] if cfg.train.tensorboard else []
    return logs.RunLog(
        folder, first_step=first, total_steps=cfg.train.steps, batch_size=cfg.data.batch_size, sinks=sinks
    )


@contextlib.contextmanager
def _interruptible() -> Iterator[threading.Event]:
    """An event that the first Ctrl-C sets; the second interrupts at once."""
    event = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield event
        return
    before = signal.getsignal(signal.SIGINT)

    def handle(*_: Any) -> None:
        event.set()
        signal.signal(signal.SIGINT, before)
        print("stopping after this step; again to stop at once", file=sys.stderr)

    signal.signal(signal.SIGINT, handle)
    try:
        yield event
    finally:
        signal.signal(signal.SIGINT, before)


def prepare_cpu(cfg: Config) -> None:
    """One virtual device per core and no returning of memory; takes effect before the first computation only.

    The devices divide each micro-batch; a mesh that says how many devices it wants is left to find them itself.
    """
    if cfg.mesh.to_dict() == DEFAULTS["mesh"]:
        flags = fast_cpu_flags(cfg.data.batch_size // cfg.optim.accumulate)
        os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {flags}".strip()
    keep_freed_memory()


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
    print(f"{result.step}/{cfg.train.steps} steps done; evaluate with: python eval.py --checkpoint {flags.workdir}")
    return 0 if result.finished else EXIT_INTERRUPTED
