"""What a run would be, without running it: configuration, parameters, FLOPs per picture, memory of a step.

FLOPs are those XLA counts in the compiled transmitter and receiver, for one picture of the stated size; a loop's body
is counted once, so a model that scans over layers or steps costs more than is said here.
"""

import math
import re
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp

from semjax.app import build, config
from semjax.app.config import Config
from semjax.app.errors import explained
from semjax.app.optimizer import make_optimizer
from semjax.contracts import Trainable
from semjax.data.files import Source
from semjax.systems.base import ANALOG_SLOT, frozen_of, picture_keys, send, slot_keys
from semjax.training.checkpoint import flat
from semjax.training.optim import Rules
from semjax.training.state import State, init_state
from semjax.training.step import make_step
from semjax.types import Batch, Public, Received, Signal, Tree


def dry_run(cfg: Config, registry: build.Registry) -> str:
    """A text that describes the run of a resolved configuration.

    Raises:
      ConfigError: something to put right; see the message.
    """
    trainable = build.build(cfg, registry)
    optimizer = make_optimizer(cfg)
    batch = build.example_batch(cfg, cfg.data.batch_size)
    with explained("optim.rules"):
        state = jax.eval_shape(lambda key: init_state(trainable, optimizer, key, batch), jax.random.key(0))
    lines = [
        f"configuration {config.config_hash(cfg)}",
        config.to_json(cfg),
        *_parameters(state.params, cfg.optim.rules),
        "",
        *(_flops(cfg, registry, trainable, state) if "transmit" in trainable.predict_fns() else ()),
        "",
        *_memory(cfg, trainable, state, build.example_batch(cfg, cfg.data.batch_size, like=labelled(cfg, registry))),
    ]
    return "\n".join(lines)


def labelled(cfg: Config, registry: build.Registry) -> Source | None:
    """The source of training, if its configuration asks it for labels; otherwise no picture need be there."""
    section = cfg.data.train
    wanted = any(
        part.get("truth") or part.get("teachers", {}).get("stores") for part in (section, *section.get("parts", ()))
    )
    return build.source(section, registry, path="data.train") if wanted else None


def _parameters(params: dict[str, Tree], rules: Rules) -> Iterator[str]:
    rows = [("parameter", "shape", "count", "learning rate")]
    leaves = flat(params)
    for path, leaf in leaves.items():
        rule, factor = next((p, f) for p, f in rules if re.search(p, path))
        speed = f"frozen by {rule!r}" if factor is None else f"x {factor:g} by {rule!r}"
        rows.append((path, "x".join(map(str, leaf.shape)) or "scalar", f"{math.prod(leaf.shape):,}", speed))
    total = sum(math.prod(leaf.shape) for leaf in leaves.values())
    rows.append(("total", "", f"{total:,}", ""))
    width = [max(len(row[i]) for row in rows) for i in range(3)]
    yield from (f"{p:<{width[0]}}  {s:<{width[1]}}  {c:>{width[2]}}  {r}".rstrip() for p, s, c, r in rows)


def _flops(cfg: Config, registry: build.Registry, trainable: Trainable, state: State) -> Iterator[str]:
    batch = jax.tree.map(jnp.asarray, build.example_batch(cfg))
    variables = {"params": state.ema["codec"], **state.collections}
    fns, frozen = trainable.predict_fns(), frozen_of(trainable)
    public, given = _told(trainable, batch)
    channel = build.ConfiguredParts(registry=registry).channel(cfg.channel)
    signal = jax.eval_shape(lambda v: fns["transmit"](v, frozen, batch.image, public, given), variables)

    def sent(signal: Signal) -> Received:
        keys = slot_keys(picture_keys(jax.random.key(0), 0, batch.id), ANALOG_SLOT)
        return send(channel, keys, signal, public.snr_db)

    received = jax.eval_shape(sent, signal)
    transmit = _count(lambda v, f, x: fns["transmit"](v, f, x, public, given), variables, frozen, batch.image)
    receive = _count(lambda v, f, r: fns["receive"](v, f, r, public), variables, frozen, received)
    side = batch.image.shape[1]
    uses = signal.symbols.shape[1]
    yield f"one picture of {side}x{side}: {uses} analog channel uses (cbr {uses / (side * side * 3):.4g})"
    yield "FLOPs as counted by XLA in the compiled forward pass; a loop's body counts once"
    yield f"  transmit  {transmit:,.0f}"
    yield f"  receive   {receive:,.0f}"


def _told(trainable: Trainable, batch: Batch) -> tuple[Public, dict[str, Any]]:
    """What is public of a batch, with what the system wants to know of scenarios, and the truth it is told, if any."""
    example_of = getattr(trainable, "example_of", None)
    return (batch.public, {}) if example_of is None else example_of(batch)


def _count(function: Any, *arguments: Any) -> float:
    costs = jax.jit(function).lower(*arguments).compile().cost_analysis()
    return float((costs or {}).get("flops", 0.0))


def _memory(cfg: Config, trainable: Trainable, state: State, batch: Batch) -> Iterator[str]:
    if not trainable.PHASES:
        yield "nothing to train"
        return
    optimizer = make_optimizer(cfg)
    with explained("phases"):
        step = make_step(trainable, trainable.PHASES[0], optimizer=optimizer, accumulate=cfg.optim.accumulate)
        lowered = jax.jit(step).lower(state, frozen_of(trainable), batch, jax.random.key(0))
    used = lowered.compile().memory_analysis()
    yield f"memory in MiB, without sharding, batch of {cfg.data.batch_size}"
    yield f"  parameters          {_mib(_bytes(state.params)):10.2f}"
    yield f"  moving averages     {_mib(_bytes(state.ema)):10.2f}"
    yield f"  optimiser           {_mib(_bytes(state.opt)):10.2f}"
    if used is not None:
        yield f"  step, intermediate  {_mib(used.temp_size_in_bytes):10.2f}  (XLA, {jax.default_backend()})"


def _bytes(tree: Tree) -> int:
    return sum(math.prod(leaf.shape) * jnp.dtype(leaf.dtype).itemsize for leaf in jax.tree.leaves(tree))


def _mib(count: float) -> float:
    return count / 2**20
