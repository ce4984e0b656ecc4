"""A step that is not finite changes nothing but the counter; rows that do not count change nothing; one compile."""

import dataclasses
import functools
import logging
from typing import Any

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from semjax.channels.awgn import AWGN
from semjax.contracts import Phase
from semjax.parallel.mesh import make_mesh, replicated, shard_batch
from semjax.systems.base import SystemTrainable
from semjax.training import skip
from semjax.training.optim import adamw
from semjax.training.skip import LAG, Skips
from semjax.training.state import State, init_state
from semjax.training.step import Step, make_step
from semjax.types import Batch, Public, Signal

SIDE, USES, ROWS = 4, 4, 8
critic = nn.Dense(1)


class Plain(nn.Module):
    """A dense layer at each end, and a collection that follows the pictures."""

    def setup(self) -> None:
        self.encoder, self.decoder = nn.Dense(2 * USES), nn.Dense(SIDE * SIDE * 3)
        self.mean = self.variable("stats", "mean", jnp.zeros, ())

    def transmit(self, image: Any, public: Public, given: Any) -> Signal:
        if self.is_mutable_collection("stats") and not self.is_initializing():
            self.mean.value = 0.9 * self.mean.value + 0.1 * jnp.mean(image)
        pairs = self.encoder(image.reshape(len(image), -1)).reshape(len(image), USES, 2)
        symbols = jax.lax.complex(pairs[..., 0], pairs[..., 1])
        return Signal(symbols=symbols, used=jnp.ones(symbols.shape, jnp.float32))

    def receive(self, received: Any, public: Public) -> Any:
        values = jnp.concatenate([received.symbols.real, received.symbols.imag], -1)
        return self.decoder(values).reshape(-1, public.height, public.width, 3)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Duel(SystemTrainable):
    """With a critic whose term is multiplied by a label of the batch, so that a batch can spoil the critic alone."""

    def init(self, key: Any, batch: Batch) -> Any:
        params, collections = super().init(key, batch)
        own = critic.init(key, jnp.zeros((1, SIDE * SIDE * 3)))["params"]
        return {**params, "critic": own}, collections

    def critic_terms(self, params: Any, outputs: Any, batch: Batch, frozen: Any, keys: Any) -> Any:
        score = lambda image: critic.apply({"params": params}, image.reshape(len(image), -1))[:, 0]  # type: ignore[index]  # noqa: E731
        return {"gap": (score(outputs.image) - score(batch.image)) * batch.labels["poison"]}


ALONE = Phase(name="alone", snr_db=(0.0, 20.0), rate=(0.25, 1.0))
BOTH = dataclasses.replace(ALONE, weights={"mse": 1.0, "gap": 1.0}, players=("codec", "critic"))
OPTIMIZER = adamw(schedule=lambda _: jnp.asarray(3e-3), clip=1.0, ema_decay=0.9)


def make_batch(seed: int = 0, *, bad: tuple[int, ...] = (), masked: tuple[int, ...] = (), poison: float = 1.0) -> Batch:
    image = np.random.default_rng(seed).random((ROWS, SIDE, SIDE, 3), np.float32)
    image[list(bad), 1, 2, 0] = np.nan
    public = Public(snr_db=np.full(ROWS, 10.0, np.float32), rate=np.ones(ROWS, np.float32), height=SIDE, width=SIDE)
    mask = ~np.isin(np.arange(ROWS), masked)
    labels: Any = {"poison": np.full(ROWS, poison, np.float32)}
    return Batch(image=image, public=public, labels=labels, id=np.arange(ROWS, dtype=np.int32), mask=mask)


DUEL = Duel(name="duel", module=Plain(), channel=AWGN(), PHASES=(ALONE,))


@functools.cache
def _start() -> State:
    made = jax.jit(lambda key: init_state(DUEL, OPTIMIZER, key, make_batch()))(jax.random.key(0))
    return jax.tree.map(np.array, made)


def fresh() -> State:
    return jax.tree.map(jnp.array, _start())


@functools.cache
def both() -> Step:
    return make_step(DUEL, BOTH, optimizer=OPTIMIZER)


def bits(tree: Any) -> list[bytes]:
    return [np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(tree)]


def body(state: State) -> list[bytes]:
    return bits((state.params, state.opt, state.ema, state.collections))


@pytest.mark.parametrize("sizes", [None, {"data": 2, "fsdp": 4}])
def test_a_nan_in_one_picture_leaves_everything_bitwise_but_the_step(sizes: dict[str, int] | None) -> None:
    mesh = None if sizes is None else make_mesh(sizes)
    feed = (lambda batch: batch) if mesh is None else (lambda batch: shard_batch(mesh, batch))
    step = both() if mesh is None else make_step(DUEL, ALONE, optimizer=OPTIMIZER, mesh=mesh)
    state, metrics = step(fresh(), {}, feed(make_batch()), jax.random.key(1))
    assert int(metrics["skipped"]) == 0
    before = body(state)
    state, metrics = step(state, {}, feed(make_batch(1, bad=(3,))), jax.random.key(1))
    assert (int(metrics["skipped"]), int(state.step)) == (1, 2)
    assert body(state) == before
    state, metrics = step(state, {}, feed(make_batch(2)), jax.random.key(1))
    assert (int(metrics["skipped"]), int(state.step)) == (0, 3)
    assert sum(a != b for a, b in zip(body(state), before, strict=True)) > 10
    chex.assert_tree_all_finite(state.params)


@pytest.mark.parametrize("poison", [np.nan, np.inf, 3e38])
def test_one_player_that_is_not_finite_skips_both(poison: float) -> None:
    state = fresh()
    before = body(state)
    state, metrics = both()(state, {}, make_batch(poison=poison), jax.random.key(1))
    assert np.isfinite(float(metrics["grad_norm/codec"]))
    assert int(metrics["skipped"]) == 1
    assert body(state) == before


def test_accumulated_pieces_are_judged_together() -> None:
    state = fresh()
    before = body(state)
    step = make_step(DUEL, ALONE, optimizer=OPTIMIZER, accumulate=4)
    state, metrics = step(state, {}, make_batch(bad=(7,)), jax.random.key(1))
    assert int(metrics["skipped"]) == 1
    assert body(state) == before


def test_without_the_guard_the_parameters_are_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the guard is for: the same batch with the guard taken out."""
    monkeypatch.setattr(skip, "choose", lambda good, new, old: new)
    unguarded = make_step(DUEL, ALONE, optimizer=OPTIMIZER)
    state, metrics = unguarded(fresh(), {}, make_batch(bad=(3,)), jax.random.key(1))
    assert int(metrics["skipped"]) == 1
    assert np.isnan(np.asarray(state.params["codec"]["encoder"]["kernel"])).all()


@pytest.mark.parametrize("junk", [np.nan, np.inf, 1e30])
def test_whatever_lies_in_rows_that_do_not_count_changes_nothing(junk: float) -> None:
    clean = make_batch(masked=(2, 6))
    dirty = dataclasses.replace(clean, image=np.where(clean.mask[:, None, None, None], clean.image, np.float32(junk)))
    results = [both()(fresh(), {}, batch, jax.random.key(1)) for batch in (clean, dirty)]
    assert bits(results[0]) == bits(results[1])
    assert int(results[1][1]["skipped"]) == 0
    whole, _ = both()(fresh(), {}, make_batch(), jax.random.key(1))
    assert bits(whole.params) != bits(results[0][0].params)


def test_a_batch_without_one_real_picture_is_borne() -> None:
    state, metrics = both()(fresh(), {}, make_batch(masked=tuple(range(ROWS))), jax.random.key(1))
    assert float(metrics["loss"]) == 0.0
    chex.assert_tree_all_finite((state.params, state.opt))


def test_one_compilation_over_a_hundred_steps_of_changing_snr_and_rate(caplog: pytest.LogCaptureFixture) -> None:
    mesh, traced, seen = make_mesh(), [], set()

    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Counting(Duel):
        def forward(self, *arguments: Any) -> Any:
            traced.append(1)
            return super().forward(*arguments)

        def stats(self, outputs: Any) -> Any:
            return {"noise": jnp.mean(outputs.received.noise_var), "papr": jnp.max(jnp.abs(outputs.signal.symbols))}

    trainable = Counting(name="counting", module=Plain(), channel=AWGN(), PHASES=(ALONE,))
    step, state = make_step(trainable, ALONE, optimizer=OPTIMIZER, mesh=mesh), fresh()
    state, key = jax.device_put((state, jax.random.key(1)), replicated(mesh))  # as the loop has them
    batches = [shard_batch(mesh, make_batch(seed, bad=(1,) * (seed == 3), masked=(seed,))) for seed in range(5)]
    with jax.log_compiles(), caplog.at_level(logging.WARNING):
        for i in range(100):
            state, metrics = step(state, {}, batches[i % 5], key)
            seen.add(float(metrics["noise"]))
    assert len(seen) == 100
    compiled = [line for line in caplog.messages if "Finished XLA compilation of jit(step)" in line]
    assert (len(traced), len(compiled)) == (1, 1)


def told(skips: Skips, flags: str, first: int = 1) -> list[int]:
    """The steps, counted from `first`, at which it was too much; each time the run goes back."""
    steps = []
    for step, flag in enumerate(flags, first):
        if skips.add(jnp.asarray(int(flag))):
            steps.append(step)
            skips.rolled_back()
    return steps


@pytest.mark.parametrize(
    ("flags", "steps"),
    [
        ("011011101110000000", []),  # never more than three in a row
        ("0" + "1" * (3 + LAG) + "0000", [1 + 3 + LAG]),
        ("0" + "1" * (2 + LAG) + "0" + "1" * 3, []),  # over by itself before that could be known
        ("1" * 2 * (3 + LAG), [3 + LAG, 2 * (3 + LAG)]),
    ],
)
def test_too_many_in_a_row_are_told_a_fixed_number_of_steps_later(flags: str, steps: list[int]) -> None:
    skips = Skips(most=3)
    assert told(skips, flags) == steps
    assert (skips.total, skips.rollbacks) == (flags.count("1"), len(steps))


def test_the_count_goes_on_from_a_checkpoint_as_if_nothing_had_been() -> None:
    flags = "0110" + "1" * (4 + LAG) + "0100"
    whole = Skips(most=3)
    steps = told(whole, flags)
    for cut in range(1, len(flags)):
        half = Skips(most=3)
        before = told(half, flags[:cut])
        rest = Skips(most=3, saved=half.facts())
        assert before + told(rest, flags[cut:], first=cut + 1) == steps, cut
        assert rest.facts() == whole.facts()


@pytest.mark.parametrize(("flags", "row"), [("1", 1), ("10", 0), ("01" * 9, 1), ("0" + "1" * 9, 9), ("1" * 9 + "0", 0)])
def test_zero_bears_any_number_in_a_row(flags: str, row: int) -> None:
    skips = Skips(most=0)
    assert not told(skips, flags)
    assert (skips.in_a_row, skips.total) == (row, flags.count("1"))
