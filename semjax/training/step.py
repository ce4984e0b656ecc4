"""The step: one jitted, donated, mesh-sharded function per phase, the same for everything that is trained.

    loss = Σ_terms weight(term) · Σ_b term[b] mask[b] / Σ_b mask[b]

A term's weight comes from the phase, here and only here. With two players the codec is updated on the critic as it was
before the step, then the critic on the outputs of that same pass. Gradient accumulation splits the batch inside the
step; since every picture has its own key and every term is a sum over pictures, the result is that of the whole batch.

A step whose loss or gradients are not all finite changes nothing but the step counter (see `skip`).
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from jaxtyping import Array

from semjax.contracts import Phase, Trainable
from semjax.parallel.mesh import batch_sharding, replicated, state_sharding
from semjax.systems.base import draw_public, picture_keys
from semjax.training import skip
from semjax.training.optim import Optimizer, multipliers, trainable_mask
from semjax.training.state import State
from semjax.types import Batch, PerImage, Tree

Metrics = dict[str, Array]
Step = Callable[[State, Tree, Batch, Array], tuple[State, Metrics]]


def weighted(terms: dict[str, PerImage], phase: Phase, batch: Batch) -> tuple[Array, Metrics]:
    """Sum over the batch's real pictures of the weighted terms, and each term's own sum."""
    sums = {name: jnp.sum(jnp.where(batch.mask, value, 0.0)) for name, value in terms.items()}
    total = sum((phase.weights[name] * value for name, value in sums.items() if name in phase.weights), jnp.zeros(()))
    return jnp.asarray(total), sums


def player_pass(trainable: Trainable, phase: Phase) -> Callable[..., Any]:
    """One micro-batch: (params, collections, frozen, batch, keys) → gradients, summed terms, collections, stats."""

    def run(params: dict[str, Tree], collections: Tree, frozen: Tree, batch: Batch, keys: Array) -> Any:
        others = {name: jax.lax.stop_gradient(tree) for name, tree in params.items() if name != "codec"}
        seen = {**frozen, **{name: tree for name, tree in others.items() if name in phase.players}}

        def codec_loss(codec: Tree) -> tuple[Array, Any]:
            outputs, changed = trainable.forward(codec, collections, seen, batch, keys, phase)
            loss, sums = weighted(trainable.terms(outputs, batch, seen), phase, batch)
            return loss, (outputs, changed, {**sums, "loss": loss})

        grads, (outputs, changed, sums) = jax.grad(codec_loss, has_aux=True)(params["codec"])
        all_grads = {"codec": grads}
        if "critic" in phase.players:

            def critic_loss(critic: Tree) -> tuple[Array, Metrics]:
                own = trainable.critic_terms(critic, jax.lax.stop_gradient(outputs), batch, seen, keys)
                return weighted(own, phase, batch)

            all_grads["critic"], own_sums = jax.grad(critic_loss, has_aux=True)(params["critic"])
            sums = {**sums, **own_sums}
        return {p: g for p, g in all_grads.items() if p in phase.players}, sums, changed, trainable.stats(outputs)

    return run


def _accumulated(run: Callable[..., Any], pieces: int) -> Callable[..., Any]:
    """`run` over `pieces` micro-batches in order, gradients and sums added, collections threaded through."""
    if pieces == 1:
        return run

    def scanned(params: dict[str, Tree], collections: Tree, frozen: Tree, batch: Batch, keys: Array) -> Any:
        # Row i goes to piece i mod `pieces`, so that every device keeps its rows and none moves.
        cut = lambda x: jnp.swapaxes(x.reshape(-1, pieces, *x.shape[1:]), 0, 1)  # noqa: E731
        parts = jax.tree.map(cut, (batch, keys))

        def body(carry: Any, part: Any) -> tuple[Any, Any]:
            grads, sums, changed, stats = run(params, carry, frozen, *part)
            return changed, (grads, sums, stats)

        changed, (grads, sums, stats) = jax.lax.scan(body, collections, parts)
        total = lambda tree: jax.tree.map(lambda x: jnp.sum(x, axis=0), tree)  # noqa: E731
        return total(grads), total(sums), changed, jax.tree.map(lambda x: jnp.mean(x, axis=0), stats)

    return scanned


def _check_weights(trainable: Trainable, phase: Phase, shapes: Any) -> None:
    missing = sorted(set(phase.weights) - set(shapes))
    if missing:
        raise ValueError(f"phase {phase.name!r} weighs terms {missing} that do not exist; there are {sorted(shapes)}")


def make_step(
    trainable: Trainable, phase: Phase, *, optimizer: Optimizer, mesh: Mesh | None = None, accumulate: int = 1
) -> Step:
    """The step of one phase.

    Args:
      trainable: what is trained.
      phase: weights, players, trainable parameters, SNR and rate ranges.
      optimizer: rules, schedule and moving average.
      mesh: where it runs; None leaves placement to the arguments.
      accumulate: micro-batches per step; the batch must divide by it.

    Returns:
      step(state, frozen, batch, key) → (state, metrics): jitted, the state donated. `batch.public`'s SNR and rate are
      drawn anew per picture from the phase's ranges. `metrics` are scalars: mean loss terms, gradient norms, stats, and
      "skipped", 1 if something was not finite and the state but for its step is the old one.
    """
    run = _accumulated(player_pass(trainable, phase), accumulate)

    def step(state: State, frozen: Tree, batch: Batch, key: Array) -> tuple[State, Metrics]:
        keys = picture_keys(key, state.step, batch.id)
        batch = dataclasses.replace(skip.real_rows(batch), public=draw_public(batch.public, keys, phase))
        grads, sums, collections, stats = run(state.params, state.collections, frozen, batch, keys)
        _check_weights(trainable, phase, sums)
        count = jnp.maximum(jnp.sum(batch.mask), 1)
        means = {name: value / count for name, value in sums.items()}
        params, opt, ema = dict(state.params), dict(state.opt), dict(state.ema)
        for player in phase.players:
            mean_grads = jax.tree.map(lambda g: g / count, grads[player])
            factor = multipliers(params[player], player, optimizer.rules)
            mask = trainable_mask(params[player], player, phase.trainable)
            scale = jax.tree.map(lambda f, m: f * m * phase.lr_scale, factor, mask)
            params[player], opt[player] = optimizer.update(mean_grads, opt[player], params[player], scale=scale)
            ema[player] = jax.tree.map(
                lambda a, p: a + (p - a) * (1.0 - optimizer.ema_decay), ema[player], params[player]
            )
            means[f"grad_norm/{player}"] = jnp.sqrt(
                sum((jnp.sum(g**2) for g in jax.tree.leaves(mean_grads)), jnp.zeros(()))
            )
        good = skip.all_finite((grads, [sums[name] for name in ("loss", *phase.weights)]))
        old = (state.params, state.opt, state.ema, state.collections)
        params, opt, ema, collections = skip.choose(good, (params, opt, ema, collections), old)
        new = State(params=params, opt=opt, ema=ema, collections=collections, step=state.step + 1)
        lr = jnp.asarray(optimizer.schedule(state.step)) * phase.lr_scale
        return new, {**means, **stats, "lr": lr, "skipped": jnp.where(good, 0, 1)}

    if mesh is None:
        return jax.jit(step, donate_argnums=0)
    return _placed(step, mesh)


def _placed(step: Step, mesh: Mesh) -> Step:
    """Jits with explicit shardings on first use, when the state's shapes are known."""
    compiled: list[Step] = []

    def placed(state: State, frozen: Tree, batch: Batch, key: Array) -> tuple[State, Metrics]:
        if not compiled:
            where = state_sharding(mesh, state)
            rows = jax.tree.map(lambda _: batch_sharding(mesh), batch)
            inputs = (where, state_sharding(mesh, frozen), rows, replicated(mesh))
            jitted = jax.jit(step, donate_argnums=0, in_shardings=inputs, out_shardings=(where, replicated(mesh)))
            compiled.append(jitted)
        return compiled[0](state, frozen, batch, key)

    return placed
