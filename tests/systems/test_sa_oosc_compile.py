"""SA-OOSC's step is traced and compiled once per phase, whatever SNR, rate and scenario each picture draws."""

import dataclasses
import functools
import logging
import pathlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from semjax.app import build, config
from semjax.parallel.mesh import make_mesh, replicated, shard_batch
from semjax.systems.sa_oosc import build_sa_oosc
from semjax.systems.scenario_trained import ScenarioTrained
from semjax.training.optim import adamw
from semjax.training.state import State, init_state
from semjax.training.step import make_step
from semjax.types import Batch, Public

ROWS, SIDE, STEPS = 8, 32, 6
SNR_DB, RATE = (0.0, 14.0), (0.25, 1.0)
OPTIMIZER = adamw(schedule=lambda _: jnp.asarray(1e-4))
CONFIG = pathlib.Path(__file__).parents[2] / "configs" / "sa_oosc.py"
PHASES = {phase["name"]: phase for phase in config.load(f"{CONFIG}:quick").phases}
TRACED: list[str] = []


class Counting(ScenarioTrained):
    """Notes the phase whenever it is traced, and tells what each picture drew."""

    def forward(self, params, collections, frozen, batch, keys, phase):
        TRACED.append(phase.name)
        outputs, collections = super().forward(params, collections, frozen, batch, keys, phase)
        drawn = {"drawn_snr_db": batch.public.snr_db, "drawn_rate": batch.public.rate}
        return dataclasses.replace(outputs, aux={**outputs.aux, **drawn}), collections

    def stats(self, outputs):
        drawn = {name: outputs.aux[name] for name in ("drawn_snr_db", "drawn_rate", "scenario")}
        return {**super().stats(outputs), **drawn}


def counting(cfg, parts, *, variant: str = "student") -> Counting:
    small = {"features": 24, "levels": (0, 4, 8, 16), "width": 8, "depth": 0}
    made = build_sa_oosc(cfg, parts, variant=variant, **small)
    return Counting(**{field.name: getattr(made, field.name) for field in dataclasses.fields(made)})


@functools.cache
def system() -> Counting:
    registry = build.default_registry().with_(systems={"counting": counting})
    net = {"name": "residual_conv", "modulation": "none", "widths": (4, 4, 4, 4), "blocks": (0, 0, 0, 0)}
    cfg = {"system": {"name": "counting"}, "encoder": net, "decoder": net, "phases": tuple(PHASES.values())}
    made = build.build(config.resolve(cfg, registry), registry)
    assert isinstance(made, Counting)
    return made


def phase_of(name: str):
    """The configuration's phase, drawing SNR and rate in those, too, that send nothing."""
    (found,) = (phase for phase in system().PHASES if phase.name == name)
    return dataclasses.replace(found, snr_db=SNR_DB, rate=RATE)


@functools.cache
def batches() -> tuple[Batch, ...]:
    """Random pictures with labels of the shapes of scenes."""
    rng, ids = np.random.default_rng(1), np.arange(2 * ROWS).reshape(2, ROWS)
    numbers: Any = np.ones(ROWS, np.float32)
    public = Public(snr_db=numbers, rate=numbers, height=SIDE, width=SIDE)
    labels = {"weight": np.ones((ROWS, 8, 6), np.float32)}

    def made(rows):
        image = rng.random((ROWS, SIDE, SIDE, 3)).astype(np.float32)
        importance = rng.random((ROWS, 8, 6)).astype(np.float32)
        regions = rng.integers(0, 6, (ROWS, SIDE, SIDE)).astype(np.uint8)
        told = {**labels, "importance": importance, "ids": regions}
        return Batch(image=image, public=public, labels=told, id=rows, mask=np.ones(ROWS, bool))

    return tuple(made(rows) for rows in ids)


def fresh() -> State:
    """A state of small numbers: only its shapes are asked of the system, which costs no compilation."""
    shapes = jax.eval_shape(functools.partial(init_state, system(), OPTIMIZER), jax.random.key(0), batches()[0])
    rng = np.random.default_rng(0)
    params = jax.tree.map(lambda leaf: (0.02 * rng.normal(size=leaf.shape)).astype(leaf.dtype), shapes.params)
    zeros = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), shapes)
    return jax.tree.map(jnp.array, dataclasses.replace(zeros, params=params, ema=params))


def run(step, state: State, data, key):
    """The state after `STEPS` steps, and what was drawn: [steps, pictures] each."""
    seen = []
    for i in range(STEPS):
        state, metrics = step(state, {}, data[i % len(data)], key)
        assert int(metrics["skipped"]) == 0
        seen.append([np.asarray(metrics[name]) for name in ("drawn_snr_db", "drawn_rate", "scenario")])
    return state, np.moveaxis(np.asarray(seen), 1, 0)


def check_drawn(snr_db, rate, scenario) -> None:
    """Every picture of every step had an SNR and a rate of its own, over the whole range, and scenarios changed."""
    for values, (low, high) in ((snr_db, SNR_DB), (rate, RATE)):
        assert len(np.unique(values)) == STEPS * ROWS
        assert low <= values.min() < low + 0.2 * (high - low)
        assert high - 0.2 * (high - low) < values.max() <= high
    assert len(np.unique(scenario)) >= 6
    assert len(np.unique(scenario, axis=0)) == STEPS


def test_the_students_phase_is_traced_once():
    """What a step returns is to the next, in shapes and types, what it was given: nothing is compiled here."""
    TRACED.clear()
    step, key = make_step(system(), phase_of("student"), optimizer=OPTIMIZER), jax.random.key(1)
    state = fresh()
    for i in range(3):
        state, metrics = jax.eval_shape(step, state, {}, batches()[i % 2], key)
    assert TRACED == ["student"]
    assert metrics["drawn_snr_db"].shape == metrics["scenario"].shape == (ROWS,)


@pytest.mark.nightly
def test_every_phase_is_compiled_once_as_the_loop_runs_it(caplog, monkeypatch):
    """Over a mesh, the state going from phase to phase and, from the last, back to the first."""
    mesh = make_mesh(devices=jax.devices()[:2])
    state, key = jax.device_put((fresh(), jax.random.key(1)), replicated(mesh))
    data = [shard_batch(mesh, batch) for batch in batches()]
    steps = {name: make_step(system(), phase_of(name), optimizer=OPTIMIZER, mesh=mesh) for name in PHASES}
    assert list(steps) == ["transform", "student", "code", "joint"]
    monkeypatch.setattr(logging.getLogger("jax._src.interpreters.pxla"), "disabled", True)  # it lists all arguments
    TRACED.clear()
    with jax.log_compiles(), caplog.at_level(logging.WARNING):
        for step in (*steps.values(), *steps.values()):
            state, drawn = run(step, state, data, key)
            check_drawn(*drawn)
    compiled = [line for line in caplog.messages if "Finished XLA compilation of jit(step)" in line]
    assert list(steps) == TRACED
    assert len(compiled) == len(steps)
