"""Allocation: against numpy twins, monotone, within budget, and refusing what cannot be."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semjax.importance import allocate
from semjax.importance.allocate import QUICK, RateSet, calibrated, check_budget, prefix_mask, reachable

RATES = RateSet()
SETS = (RATES, QUICK, RateSet(levels=(2, 6, 10)))
B, N = 6, 24
ONES = jnp.ones((B, N))
lengths = jax.jit(allocate.lengths, static_argnames="rates")
budget = jax.jit(allocate.budget, static_argnames="rates")
uses_of = jax.jit(allocate.uses_of, static_argnames="rates")
gains = jax.jit(allocate.gains, static_argnames="g")


def drawn(seed: int, spread: float = 1.0, count: int = B) -> jax.Array:
    """Bits of tokens, log-normal, all different."""
    return jnp.asarray(np.exp(np.random.default_rng(seed).normal(3.0, spread, (count, N))), jnp.float32)


def importance(seed: int) -> jax.Array:
    return jnp.asarray(np.random.default_rng(seed).random((B, N)), jnp.float32)


@pytest.mark.parametrize("level", [0.0, 1.0])
def test_importance_all_the_same_changes_nothing(level: float) -> None:
    np.testing.assert_array_equal(gains(jnp.full((2, 37), level)), 1.0)


def test_gains_against_the_formula() -> None:
    seen = np.asarray(importance(0), np.float64)
    twin = np.exp(0.7 * seen) / np.exp(0.7 * seen.mean(1, keepdims=True))
    np.testing.assert_allclose(gains(importance(0), 0.7), twin, rtol=1e-5)
    np.testing.assert_allclose(np.log(np.asarray(gains(importance(0)))).mean(1), 0.0, atol=1e-6)


@pytest.mark.parametrize("rates", SETS)
def test_lengths_against_a_loop(rates: RateSet) -> None:
    bits, a = np.asarray(drawn(1, 2.0)), np.asarray(gains(importance(1)))
    eta = np.geomspace(0.003, 20, B).astype(np.float32)
    got = lengths(bits, a, eta=eta, rates=rates)
    for row in range(B):
        for token in range(N):
            value = eta[row] * (a[row, token] * bits[row, token])
            twin = next((k for k in rates.levels if k >= value), rates.largest)
            assert rates.levels[got[row, token]] == twin
    np.testing.assert_array_equal(uses_of(got, rates), np.asarray(rates.levels)[got].sum(1) / 2)


def test_a_level_met_exactly_is_enough_and_more_clips() -> None:
    bits = jnp.asarray([[0.0, 4.0, 4.001, 128.0, 129.0, 1e9]])
    index = lengths(bits, jnp.ones_like(bits), eta=jnp.ones(1), rates=RATES)
    np.testing.assert_array_equal(RATES.dimensions(index), [[0, 4, 8, 128, 128, 128]])


def test_no_picture_is_silent() -> None:
    bits = jnp.zeros((2, 5)).at[1].set(jnp.asarray([0, 2e-38, 3e-38, 0, 3e-38]))
    index = lengths(bits, jnp.ones_like(bits), eta=jnp.asarray([1.0, 1e-8]), rates=QUICK)
    np.testing.assert_array_equal(QUICK.dimensions(index), [[8, 0, 0, 0, 0], [0, 0, 8, 0, 0]])
    floor = RateSet(levels=(2, 6))
    assert not np.any(lengths(jnp.zeros((1, 5)), jnp.ones((1, 5)), eta=jnp.ones(1), rates=floor))


@pytest.mark.parametrize("rates", SETS)
def test_mask_is_the_prefix_of_each_token(rates: RateSet) -> None:
    index = jnp.asarray(np.random.default_rng(2).integers(0, len(rates.levels), (3, 7)))
    mask = np.asarray(prefix_mask(index, rates))
    assert mask.shape == (3, 7, rates.largest)
    np.testing.assert_array_equal(mask.sum(-1), np.asarray(rates.levels)[index])
    assert np.all(np.diff(mask, axis=-1) <= 0)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31), spread=st.floats(0, 3), share=st.floats(0, 1), rates=st.sampled_from(SETS))
def test_budget_is_never_exceeded_and_no_larger_scale_fits(
    seed: int, spread: float, share: float, rates: RateSet
) -> None:
    bits, a = drawn(seed, spread), gains(importance(seed))
    low, high = reachable(N, rates)
    uses = jnp.full(B, low + share * (high - low))
    eta = budget(bits, a, uses=uses, rates=rates)
    spent = uses_of(lengths(bits, a, eta=eta, rates=rates), rates=rates)
    assert np.all(spent <= uses)
    more = uses_of(lengths(bits, a, eta=eta * 1.0001, rates=rates), rates=rates)
    assert np.all((more > uses) | (spent == high))


def test_budget_within_one_rate_step_per_picture() -> None:
    largest_step = max(b - a for a, b in zip(RATES.levels, RATES.levels[1:], strict=False)) / 2
    for seed in range(40):
        bits, uses = drawn(seed, 0.7), jnp.asarray(np.linspace(100, 1200, B) + 2 * seed, jnp.float32)
        eta = budget(bits, ONES, uses=uses, rates=RATES)
        assert np.all(uses - uses_of(lengths(bits, ONES, eta=eta, rates=RATES), RATES) < largest_step)


def test_equal_tokens_step_up_in_turn_when_untied() -> None:
    equal = jnp.full((1, 64), 37.0)
    for bits, least in ((equal, 0.0), (allocate.untied(equal), 290.0)):
        eta = budget(bits, jnp.ones((1, 64)), uses=jnp.full(1, 299.0), rates=RATES)
        spent = float(uses_of(lengths(bits, jnp.ones((1, 64)), eta=eta, rates=RATES), RATES)[0])
        assert least < spent <= 299.0
        assert (spent == 256.0) == (least == 0.0), "all together, or one by one"


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31), rates=st.sampled_from(SETS))
def test_more_scale_bits_importance_or_budget_is_never_shorter(seed: int, rates: RateSet) -> None:
    rng = np.random.default_rng(seed)
    bits, eta = drawn(seed), jnp.asarray(rng.uniform(0.01, 3, B), jnp.float32)
    index = lengths(bits, ONES, eta=eta, rates=rates)
    assert np.all(lengths(bits, ONES, eta=eta * 1.3, rates=rates) >= index)
    token = rng.integers(0, N)
    assert np.all(lengths(bits.at[:, token].mul(2.0), ONES, eta=eta, rates=rates) >= index)
    even, raised = (gains(m) for m in (importance(seed), importance(seed).at[:, token].set(1.0)))
    assert np.all((raised / even)[:, token] >= 1 - 1e-6)
    uses = jnp.asarray(np.sort(rng.uniform(30, 1500, B)), jnp.float32)
    same = jnp.broadcast_to(bits[:1], bits.shape)
    assert np.all(np.diff(budget(same, ONES, uses=uses, rates=rates)) >= 0)


def test_more_important_tokens_are_longer_at_equal_bits() -> None:
    seen = importance(4)
    bits = jnp.full((B, N), 40.0)
    index = lengths(bits, gains(seen), eta=jnp.full(B, 0.5), rates=RATES)
    order = np.argsort(seen, axis=1)
    assert np.all(np.diff(np.take_along_axis(np.asarray(index), order, 1), axis=1) >= 0)
    assert index.max() > index.min()


def test_a_picture_without_bits_has_a_finite_scale() -> None:
    bits = drawn(5).at[0].set(0.0)
    eta = budget(bits, ONES, uses=jnp.full(B, 300.0), rates=RATES)
    assert np.all(np.isfinite(eta))
    np.testing.assert_array_equal(uses_of(lengths(bits, ONES, eta=eta, rates=RATES), RATES)[0], 2.0)


def test_one_picture_is_its_row_of_the_batch() -> None:
    bits, a, uses = drawn(6), gains(importance(6)), jnp.linspace(60.0, 700.0, B)
    alone = jax.vmap(lambda x, y, z: budget(x[None], y[None], uses=z[None], rates=RATES)[0])(bits, a, uses)
    np.testing.assert_array_equal(alone, budget(bits, a, uses=uses, rates=RATES))


@pytest.mark.parametrize("target", [60.0, 240.0, 900.0])
def test_calibrated_hits_the_mean_of_a_split(target: float) -> None:
    bits, a = np.asarray(drawn(7, 1.0, 96)), np.asarray(gains(jnp.asarray(np.random.default_rng(8).random((96, N)))))
    eta = calibrated(bits, a, mean_uses=target, rates=RATES)
    spent = uses_of(lengths(bits, a, eta=jnp.full(96, eta), rates=RATES), rates=RATES)
    np.testing.assert_allclose(np.mean(spent), target, rtol=0.01)
    assert np.std(spent) > 1


def test_calibrated_says_what_can_be_reached() -> None:
    bits = np.array(drawn(9))
    with pytest.raises(ValueError, match=r"mean of 5000 .* this split spends 48 to 1536, and 1536 is the nearest"):
        calibrated(bits, np.ones_like(bits), mean_uses=5000.0, rates=RATES)
    with pytest.raises(ValueError, match="spends 48 to 1536, and 48 is the nearest"):
        calibrated(bits, np.ones_like(bits), mean_uses=-3.0, rates=RATES)
    bits[::2] = 0.0  # half of the pictures spend 2 uses, whatever the scale
    with pytest.raises(ValueError, match="spends 25 to 769, and 769 is the nearest"):
        calibrated(bits, np.ones_like(bits), mean_uses=5000.0, rates=RATES)
    flat = np.ones((4, N), np.float32)
    with pytest.raises(ValueError, match="a mean of 100 channel uses per picture cannot be met within 1 %"):
        calibrated(flat, flat, mean_uses=100.0, rates=RATES)
    with pytest.raises(ValueError, match="no token of the split has any bits"):
        calibrated(np.zeros_like(flat), flat, mean_uses=100.0, rates=RATES)


def test_a_budget_out_of_reach_is_refused_with_the_range() -> None:
    assert reachable(64, RATES) == (128.0, 4096.0)
    check_budget(128.0, n=64, rates=RATES)
    check_budget(4096.0, n=64, rates=RATES)
    check = functools.partial(check_budget, n=64, rates=RATES)
    for uses in (127.0, 4097.0, float("nan")):
        with pytest.raises(ValueError, match="64 tokens of 4 to 128 real dimensions spend 128 to 4096 uses"):
            check(uses)


@pytest.mark.parametrize(
    ("levels", "said"),
    [
        ((), "two or more"),
        ((8,), "two or more"),
        ((0, 4.0), "whole numbers"),
        ((0, True), "whole numbers"),
        ((0, 3), "must be even"),
        ((0, 8, 4), "ascending"),
        ((0, 4, 4), "ascending"),
        ((-2, 4), "from 0 or more"),
    ],
)
def test_levels_that_are_none(levels: tuple, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        RateSet(levels=levels)


def test_the_sets_of_the_specification() -> None:
    assert RATES.levels == (0, 4, 8, 12, 16, 20, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128)
    assert len(QUICK.levels) == 4
    assert hash(RateSet()) == hash(RATES)
