"""The step's contract, shown on a toy system with two players, a frozen network, a collection and moving averages."""

import dataclasses
import functools
from typing import Any

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from semjax.channels.awgn import AWGN
from semjax.contracts import Phase
from semjax.parallel.mesh import make_mesh, shard_batch
from semjax.systems.base import SystemTrainable, picture_keys
from semjax.training.optim import adamw, multipliers
from semjax.training.phases import at, schedule
from semjax.training.state import State, init_state
from semjax.training.step import make_step
from semjax.types import Batch, Outputs, Public, Received, Signal

SIDE, USES, CODES = 4, 6, 8


class ToyVQ(nn.Module):
    """Frozen tower, straight-through codebook with usage statistics, analog symbols beside it."""

    def setup(self) -> None:
        self.tower = nn.Dense(12)
        self.encoder = nn.Dense(2 * USES)
        self.pre = nn.Dense(3)
        self.codebook = self.param("codebook", nn.initializers.normal(1.0), (CODES, 3))
        self.usage = self.variable("stats", "usage", jnp.zeros, (CODES,))
        self.decoder = nn.Dense(SIDE * SIDE * 3)

    def transmit(self, image: Any, public: Public, given: Any) -> Signal:
        features = self.tower(image.reshape(len(image), -1))
        pairs = self.encoder(features).reshape(len(image), USES, 2)
        carrier = self.pre(features)
        indices = jnp.argmin(jnp.sum((carrier[:, None] - self.codebook) ** 2, -1), -1)
        if self.is_mutable_collection("stats") and not self.is_initializing():
            self.usage.value = 0.9 * self.usage.value + 0.1 * jax.nn.one_hot(indices, CODES).mean(0)
        used = jnp.ones((len(image), USES), jnp.float32)
        symbols = jax.lax.complex(pairs[..., 0], pairs[..., 1])
        symbols = symbols / jnp.sqrt(jnp.mean(jnp.abs(symbols) ** 2, -1, keepdims=True) + 1e-9)
        commit = jnp.mean((carrier - jax.lax.stop_gradient(self.codebook[indices])) ** 2, -1)
        ints, relaxed = {"indices": indices}, {"indices": carrier}
        return Signal(symbols=symbols, used=used, ints=ints, relaxed=relaxed, aux={"commit": commit})

    def receive(self, received: Received, public: Public) -> Any:
        code = self.codebook[received.ints["indices"]]
        if "indices" in received.relaxed:
            carrier = received.relaxed["indices"]
            code = carrier + jax.lax.stop_gradient(code - carrier)
        features = jnp.concatenate([received.symbols.real, received.symbols.imag, code], -1)
        return self.decoder(features).reshape(-1, public.height, public.width, 3)


critic = nn.Dense(1)


def score(params: Any, image: Any) -> Any:
    return critic.apply({"params": params}, image.reshape(len(image), -1))[:, 0]  # type: ignore[index]


@dataclasses.dataclass(frozen=True, kw_only=True)
class TwoPlayers(SystemTrainable):
    """Adds a critic, its terms, a commitment term and a relevance term through a frozen matrix."""

    def init(self, key: Any, batch: Batch) -> Any:
        params, collections = super().init(key, batch)
        own = critic.init(key, batch.image.reshape(len(batch.image), -1))["params"]
        codec = {name: tree for name, tree in params["codec"].items() if name != "tower"}
        return {"codec": codec, "critic": own}, collections

    def terms(self, outputs: Outputs, batch: Batch, frozen: Any) -> Any:
        terms = {**super().terms(outputs, batch, frozen), "commit": outputs.aux["commit"]}
        gap = (outputs.image - batch.image).reshape(len(batch.image), -1)
        terms["relevance"] = jnp.mean((gap @ frozen["relevance"]) ** 2, -1)
        if "critic" in frozen:
            terms["adversarial"] = -score(frozen["critic"], outputs.image)
        return terms

    def critic_terms(self, params: Any, outputs: Outputs, batch: Batch, frozen: Any, keys: Any) -> Any:
        mix = jax.vmap(jax.random.uniform)(keys)[:, None, None, None]
        between = mix * batch.image + (1 - mix) * outputs.image
        slope = jax.vmap(jax.grad(lambda x: score(params, x[None])[0]))(between)
        norm = jnp.sqrt(jnp.sum(slope**2, (1, 2, 3)) + 1e-12)
        return {"wasserstein": score(params, outputs.image) - score(params, batch.image), "penalty": (norm - 1) ** 2}


ONE = Phase(
    name="one",
    fraction=0.5,
    weights={"mse": 1.0, "commit": 0.2, "relevance": 0.1},
    snr_db=(0.0, 20.0),
    trainable="^codec",
)
TWO = Phase(
    name="two",
    fraction=0.5,
    weights={"mse": 1.0, "adversarial": 0.01, "wasserstein": 1.0, "penalty": 10.0},
    players=("codec", "critic"),
    trainable="decoder|^critic",
)


def make_batch(rows: int = 8, seed: int = 0) -> Batch:
    image = np.random.default_rng(seed).random((rows, SIDE, SIDE, 3), np.float32)
    public = Public(snr_db=np.full(rows, 10.0, np.float32), rate=np.ones(rows, np.float32), height=SIDE, width=SIDE)
    return Batch(image=image, public=public, id=np.arange(rows, dtype=np.int32), mask=np.ones(rows, bool))


@functools.cache
def toy() -> tuple[TwoPlayers, dict[str, Any]]:
    trainable = TwoPlayers(name="toy", module=ToyVQ(), channel=AWGN(), PHASES=(ONE, TWO))
    tower = nn.Dense(12).init(jax.random.key(9), jnp.zeros((1, SIDE * SIDE * 3)))["params"]
    return trainable, {
        "tower": {"tower": tower},
        "relevance": jax.random.normal(jax.random.key(8), (SIDE * SIDE * 3, 4)),
    }


OPTIMIZER = adamw(schedule=lambda _: jnp.asarray(3e-3), ema_decay=0.9)


@functools.cache
def first_state() -> State:
    return init_state(toy()[0], OPTIMIZER, jax.random.key(0), make_batch())


def start() -> State:
    """A fresh state that may be donated."""
    return jax.tree.map(jnp.copy, first_state())


@functools.cache
def one() -> Any:
    """The step of phase one, compiled once for all tests."""
    return make_step(toy()[0], ONE, optimizer=OPTIMIZER)


def run(steps: int, *, phase: Phase = ONE, mesh: Any = None, accumulate: int = 1, rows: int = 8) -> tuple[State, list]:
    trainable, frozen = toy()
    batch, state = make_batch(rows), start()
    shared = phase is ONE and mesh is None and accumulate == 1
    step = one() if shared else make_step(trainable, phase, optimizer=OPTIMIZER, mesh=mesh, accumulate=accumulate)
    history = []
    for _ in range(steps):
        fed = shard_batch(mesh, batch) if mesh is not None else batch
        state, metrics = step(state, frozen, fed, jax.random.key(1))
        history.append({k: float(v) for k, v in metrics.items()})
    return state, history


def leaves(tree: Any) -> list[np.ndarray]:
    return [np.asarray(x) for x in jax.tree.leaves(tree)]


def test_learns_and_moves_statistics() -> None:
    state, history = run(60)
    assert history[-1]["loss"] < 0.5 * history[0]["loss"]
    assert int(state.step) == 60
    assert float(jnp.sum(state.collections["stats"]["usage"])) == pytest.approx(1 - 0.9**60, abs=1e-4)


def test_moving_average_lags_behind() -> None:
    state, _ = run(1)
    for first, now, mean in zip(
        *map(leaves, (first_state().params["codec"], state.params["codec"], state.ema["codec"])), strict=True
    ):
        np.testing.assert_allclose(mean, 0.9 * first + 0.1 * now, atol=1e-6)


def test_two_players_and_trainable_regex() -> None:
    """In phase two only the decoder and the critic move; everything else is bitwise what it was."""
    trainable, frozen = toy()
    optimizer = adamw(schedule=lambda _: jnp.asarray(3e-3), weight_decay=0.1)
    batch = make_batch()
    before = init_state(trainable, optimizer, jax.random.key(0), batch)
    kept = jax.tree.map(np.array, before.params)
    frozen_before = leaves(frozen)
    state, metrics = make_step(trainable, TWO, optimizer=optimizer)(before, frozen, batch, jax.random.key(1))
    moved = {
        k: any(map(lambda a, b: not np.array_equal(a, b), leaves(v), leaves(kept["codec"][k])))
        for k, v in state.params["codec"].items()
    }
    assert moved == {"codebook": False, "decoder": True, "encoder": False, "pre": False}
    assert not np.array_equal(leaves(state.params["critic"])[1], leaves(kept["critic"])[1])
    assert {"adversarial", "wasserstein", "penalty", "grad_norm/critic"} <= set(metrics)
    assert all(np.array_equal(a, b) for a, b in zip(frozen_before, leaves(frozen), strict=True))


def test_critic_gets_no_gradient_from_the_codec_loss() -> None:
    """With every critic weight at zero the critic keeps its parameters although the adversarial term uses them."""
    phase = dataclasses.replace(TWO, weights={"mse": 1.0, "adversarial": 1.0})
    _, history = run(1, phase=phase)
    assert history[0]["grad_norm/critic"] == 0.0
    assert history[0]["grad_norm/codec"] > 0.0


def test_one_against_eight_devices() -> None:
    alone, first = run(5, mesh=make_mesh({}, jax.devices()[:1]))
    eight, second = run(5, mesh=make_mesh())
    split, third = run(5, mesh=make_mesh({"data": 2, "fsdp": 4}))
    for other in (eight, split):
        chex.assert_trees_all_close(jax.device_get(alone.params), jax.device_get(other.params), rtol=0, atol=1e-5)
    assert [h["loss"] for h in first] == pytest.approx([h["loss"] for h in second], abs=1e-5)
    assert [h["loss"] for h in first] == pytest.approx([h["loss"] for h in third], abs=1e-5)


def test_accumulation_equals_the_whole_batch() -> None:
    """For systems whose collections do not feed back within a step."""
    whole, _ = run(3, phase=ONE, rows=16)
    parts, _ = run(3, phase=ONE, rows=16, accumulate=4)
    chex.assert_trees_all_close(whole.params, parts.params, rtol=0, atol=2e-5)


def test_padding_rows_change_nothing() -> None:
    _, frozen = toy()
    short, padded = make_batch(4), make_batch(8)
    mask = np.arange(8) < 4
    same = dataclasses.replace(padded, image=np.where(mask[:, None, None, None], padded.image, 1e3), mask=mask)
    same = dataclasses.replace(same, image=np.concatenate([short.image, same.image[4:]]))
    results = []
    for batch in (short, same):
        state, metrics = one()(start(), frozen, batch, jax.random.key(1))
        results.append((leaves(state.params), float(metrics["mse"])))
    assert results[0][1] == pytest.approx(results[1][1], rel=1e-5)
    for a, b in zip(*[r[0] for r in results], strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_compiles_once_and_draws_snr_per_picture() -> None:
    trainable, frozen = toy()
    state, step = start(), make_step(trainable, ONE, optimizer=OPTIMIZER)
    for seed in range(4):
        state, _ = step(state, frozen, make_batch(seed=seed), jax.random.key(1))
    assert step._cache_size() == 1  # type: ignore[attr-defined]


def test_picture_keys_do_not_depend_on_the_place_in_the_batch() -> None:
    data = lambda ids: jax.random.key_data(picture_keys(jax.random.key(3), 7, jnp.asarray(ids)))  # noqa: E731
    np.testing.assert_array_equal(data([5, 2, 9])[1], data([2])[0])
    assert not np.array_equal(data([5])[0], data([2])[0])


def test_rules_must_match_every_parameter() -> None:
    tree = {"encoder": {"kernel": jnp.ones(2)}, "decoder": {"kernel": jnp.ones(2)}}
    assert multipliers(tree, "codec", (("encoder", None), (".*", 0.5))) == {
        "encoder": {"kernel": 0.0},
        "decoder": {"kernel": 0.5},
    }
    with pytest.raises(ValueError, match="codec/decoder/kernel"):
        multipliers(tree, "codec", (("encoder", 1.0),))


def test_phase_weights_must_exist() -> None:
    with pytest.raises(ValueError, match="lpips"):
        run(1, phase=dataclasses.replace(ONE, weights={"lpips": 1.0}))


def test_phases_cut_the_run_without_losing_a_step() -> None:
    thirds = [Phase(name=str(i), fraction=1 / 3) for i in range(3)]
    stretches = schedule(thirds, 100)
    assert [(s.first, s.last) for s in stretches] == [(0, 33), (33, 67), (67, 100)]
    assert at(stretches, 66).phase.name == "1"
    with pytest.raises(ValueError, match="outside"):
        at(stretches, 100)
    with pytest.raises(ValueError, match="sum to 1"):
        schedule(thirds[:2], 100)


def test_relaxed_is_only_a_carrier() -> None:
    """With `relaxed` dropped the picture is unchanged, and the receiver works without tower and encoder."""
    trainable, frozen = toy()
    batch = jax.tree.map(jnp.asarray, make_batch())
    params, collections = trainable.init(jax.random.key(0), batch)
    keys = picture_keys(jax.random.key(1), 0, jnp.asarray(batch.id))
    out, _ = trainable.forward(params["codec"], collections, frozen, batch, keys, ONE)
    bare = dataclasses.replace(out.received, relaxed={})
    ends = {k: v for k, v in params["codec"].items() if k in ("decoder", "codebook")}
    alone = trainable.module.apply({"params": ends, **collections}, bare, batch.public, method="receive")
    np.testing.assert_allclose(alone, out.image, atol=1e-5)
    other = dataclasses.replace(bare, ints={"indices": (bare.ints["indices"] + 1) % CODES})
    changed = trainable.module.apply({"params": ends, **collections}, other, batch.public, method="receive")
    assert float(jnp.abs(jnp.asarray(changed) - jnp.asarray(alone)).max()) > 1e-2
