"""How a run begins: its parts made from the configuration, and the state to begin with, fresh or of a checkpoint."""

import contextlib
import dataclasses
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from jaxtyping import Array

from semjax.app import build, config, journal
from semjax.app.build import BEST_DIR, CHECKPOINT_DIR, Registry
from semjax.app.config import Config
from semjax.app.errors import ConfigError, explained
from semjax.app.keeper import Keeper
from semjax.app.links import check_sends
from semjax.app.named import NamedSource
from semjax.app.optimizer import make_optimizer
from semjax.app.warm import warmed
from semjax.app.watch import Watch, make_measure
from semjax.contracts import Phase, Trainable
from semjax.data.bad_records import GuardedSource
from semjax.data.facts import source_facts
from semjax.data.files import Source
from semjax.data.loader import TrainLoader, train_loader
from semjax.parallel.mesh import check_batch, make_mesh, replicated, state_sharding
from semjax.systems.base import frozen_of
from semjax.training import log as logs
from semjax.training import optim, phases
from semjax.training.best import Best
from semjax.training.checkpoint import Checkpoints, Restored, abstract
from semjax.training.skip import Skips
from semjax.training.state import State, init_state
from semjax.training.step import Step, make_step
from semjax.types import Tree

BAD_RECORDS = "bad_records.jsonl"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ready:
    """A run at its starting point; the state goes beside it, since every step gives up the one before.

    Attributes:
      cfg: the resolved configuration.
      folder: the work directory.
      mesh: where it runs.
      trainable: what is trained.
      optimizer: how.
      stretches: which steps belong to which phase.
      key: of the run's noise.
      source: the training pictures, counted as they are read.
      keeper: reads and saves.
      log: says what happens.
      first: steps done already.
      frozen: networks that are used and not trained.
      watch: looks at `val`; None if that is not wanted.
    """

    cfg: Config
    folder: pathlib.Path
    mesh: Mesh
    trainable: Trainable
    optimizer: optim.Optimizer
    stretches: Sequence[phases.Stretch]
    key: Array
    source: GuardedSource
    keeper: Keeper
    log: logs.Silent
    first: int
    frozen: dict[str, Any] = dataclasses.field(default_factory=dict)
    watch: Watch | None = None

    def step_of(self, phase: Phase) -> Step:
        """The step function of a phase."""
        accumulate = self.cfg.optim.accumulate
        return make_step(self.trainable, phase, optimizer=self.optimizer, mesh=self.mesh, accumulate=accumulate)

    def figures(self, metrics: Mapping[str, Array]) -> dict[str, Any]:
        """A step's metrics on the host, and the running counts."""
        counts = {"skipped_total": self.keeper.skips.total, "bad_records": self.source.bad}
        return {**jax.device_get(dict(metrics)), **counts}


def _stretches(cfg: Config, trainable: Trainable) -> list[phases.Stretch]:
    """The phases of the run, none for a run of no steps.

    Raises:
      ConfigError: phases that do not make up a run, or a system that has nothing to train; UserError: it is to be
        watched on what it does not do.
    """
    if cfg.train.eval_every:
        check_sends(trainable, cfg.system.name, instead="set train.eval_every to 0")
    if cfg.train.steps and not trainable.PHASES:
        raise ConfigError(
            f"system.name: {cfg.system.name} has nothing to train; set train.steps to 0, or measure it beside another "
            "system (eval.baselines)"
        )
    with explained("phases"):
        return phases.schedule(trainable.PHASES, cfg.train.steps) if cfg.train.steps else []


def prepare(
    cfg: Config, folder: pathlib.Path, *, registry: Registry, stack: contextlib.ExitStack
) -> tuple[Ready, State]:
    """Makes everything a run needs.

    Args:
      cfg: the resolved configuration.
      folder: the work directory, claimed.
      registry: the parts.
      stack: closes what has to be closed.

    Raises:
      UserError, DataError, CheckpointError: something to put right; see the message.
    """
    mesh, trainable, optimizer = _mesh(cfg), build.build(cfg, registry), make_optimizer(cfg)
    stretches = _stretches(cfg, trainable)
    store = stack.enter_context(Checkpoints(folder / CHECKPOINT_DIR, keep=cfg.train.keep))
    data = _data(cfg, folder, registry, resumed=store.latest() is not None)
    loader = stack.enter_context(_loader(cfg, data.train))
    state, found = begin(cfg, trainable, optimizer, mesh=mesh, store=store, loader=loader, registry=registry)
    frozen = _placed(frozen_of(trainable), mesh)
    check_phases(cfg, trainable, optimizer, state=state, stretches=stretches, source=data.train, frozen=frozen)
    facts, first = {"config_hash": config.config_hash(config.training_part(cfg)), "seed": cfg.seed}, int(state.step)
    skips = Skips(most=cfg.train.max_skipped, saved=found.meta.get("skips") if found else None)
    ready = Ready(
        cfg=cfg,
        folder=folder,
        mesh=mesh,
        trainable=trainable,
        optimizer=optimizer,
        stretches=stretches,
        key=jax.device_put(jax.random.key(cfg.seed), replicated(mesh)),
        source=data.train,
        keeper=Keeper(store=store, loader=loader, skips=skips, facts=facts, every=cfg.train.checkpoint_every),
        log=journal.open_log(cfg, folder, first=first, sources=data.facts),
        first=first,
        frozen=frozen,
    )
    stack.callback(ready.log.close)
    return _watched(ready, data.val, facts, stack) if data.val is not None else ready, state


def _placed(frozen: dict[str, Tree], mesh: Mesh) -> dict[str, Tree]:
    return jax.device_put(frozen, state_sharding(mesh, frozen)) if frozen else frozen


def _watched(run: Ready, val: Source, facts: Mapping[str, Any], stack: contextlib.ExitStack) -> Ready:
    """The run, with looks at the pictures of `val`."""
    parts = {"trainable": run.trainable, "mesh": run.mesh, "frozen": run.frozen}
    keep, measure = run.cfg.train.keep_best, make_measure(run.cfg, val, **parts)
    best = stack.enter_context(Best(run.folder / BEST_DIR, keep=keep)) if keep else None
    return dataclasses.replace(run, watch=Watch(measure=measure, best=best, facts=facts))


def begin(
    cfg: Config,
    trainable: Trainable,
    optimizer: optim.Optimizer,
    *,
    mesh: Mesh,
    store: Checkpoints,
    loader: TrainLoader,
    registry: Registry,
) -> tuple[State, Restored | None]:
    """The state to begin with, on the mesh: fresh, with what `train.start_from` gives, or the newest checkpoint's, with
    `loader` moved to its place."""

    def fresh() -> State:
        batch = jax.tree.map(jnp.asarray, build.example_batch(cfg))
        return init_state(trainable, optimizer, jax.random.key(cfg.seed), batch)

    with explained("optim.rules"):
        shapes = jax.eval_shape(fresh)
    where = state_sharding(mesh, shapes)
    if store.latest() is None:
        return warmed(jax.jit(fresh, out_shardings=where)(), cfg, registry), None
    found = store.restore_latest(abstract(shapes, where))
    with explained("data.train"):
        loader.set_state(found.data_state)
    return found.state, found


def check_phases(
    cfg: Config,
    trainable: Trainable,
    optimizer: optim.Optimizer,
    *,
    state: State,
    stretches: Sequence[phases.Stretch],
    source: Source,
    frozen: Any,
) -> None:
    """Traces the step of every phase, so that a mistake in the last one is found before the first one runs.

    Raises:
      ConfigError: a phase that cannot be; it is named.
    """
    batch, key = build.example_batch(cfg, cfg.data.batch_size, like=source), jax.random.key(0)
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


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Data:
    """The sources of a run; `facts` are for run.json: what each section says, and what the source holds."""

    train: GuardedSource
    val: Source | None
    facts: dict[str, dict[str, Any]]


def _data(cfg: Config, folder: pathlib.Path, registry: Registry, *, resumed: bool) -> _Data:
    """The sources; those of a run that is resumed must be what they were."""
    sections = {"data.train": cfg.data.train, **({"val": cfg.val} if cfg.train.eval_every else {})}
    made = {path: build.source(section, registry, path=path) for path, section in sections.items()}
    facts = {
        path: {**section.to_dict(), **source_facts(made[path], crop=section.crop)} for path, section in sections.items()
    }
    if resumed:
        journal.check_sources(folder, facts)
    log_path, rate = folder / BAD_RECORDS, cfg.data.max_bad_rate
    with explained("data.max_bad_rate"):
        guarded = GuardedSource(made["data.train"], log_path=log_path, max_rate=rate)
    return _Data(train=guarded, val=made.get("val"), facts=facts)


def _loader(cfg: Config, source: Source) -> TrainLoader:
    with explained("data"):
        return train_loader(
            NamedSource(source, where="data.train"),
            batch_size=cfg.data.batch_size,
            crop=cfg.data.train.crop,
            seed=cfg.seed,
            flip=cfg.data.train.flip,
            process_index=jax.process_index(),
            process_count=jax.process_count(),
        )
