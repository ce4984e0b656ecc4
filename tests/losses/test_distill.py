"""Distillation losses against numpy twins and finite differences; a failed label is not importance 0."""

import doctest
import functools
import inspect
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from semjax.losses import distill
from semjax.losses.distill import bce_distill, rank_margin, soft_dice

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(0, 2, (3, 4, 5))
TARGET = RNG.choice([0.1, 0.3, 0.6, 0.8, 1.0], (3, 4, 5))
WEIGHT = RNG.choice([0.0, 0.5, 1.0], (3, 4, 5))
ARRAYS = tuple(jnp.asarray(each, jnp.float32) for each in (LOGITS, TARGET, WEIGHT))
Loss = Callable[..., jax.Array]
LOSSES: dict[str, Loss] = {
    "bce": bce_distill,
    "dice": soft_dice,
    "rank": functools.partial(rank_margin, margin=1.5, longest=4.0),
}


def sigmoid(z: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-z))


def twin_bce(logits: np.ndarray, target: np.ndarray, weight: np.ndarray) -> float:
    p = sigmoid(logits / 2)
    return 4 * float(np.average(-(target * np.log(p) + (1 - target) * np.log(1 - p)), weights=weight))


def twin_dice(logits: np.ndarray, target: np.ndarray, weight: np.ndarray) -> float:
    p = sigmoid(logits / 2)
    return float(1 - 2 * (weight * p * target).sum() / ((weight * p**2).sum() + (weight * target**2).sum()))


def twin_rank(lengths: np.ndarray, target: np.ndarray, weight: np.ndarray) -> float:
    high = target > 0.5
    gap = np.average(lengths[high], weights=weight[high]) - np.average(lengths[~high], weights=weight[~high])
    return max(0.0, 1.5 - float(gap) / 4)


TWINS = {"bce": twin_bce, "dice": twin_dice, "rank": twin_rank}


@pytest.mark.parametrize("name", LOSSES)
def test_against_a_numpy_twin(name: str) -> None:
    expected = [TWINS[name](*arrays) for arrays in zip(LOGITS, TARGET, WEIGHT, strict=True)]
    assert min(expected) > 0.05
    np.testing.assert_allclose(jax.jit(LOSSES[name])(*ARRAYS), expected, rtol=1e-5)


@pytest.mark.parametrize("name", LOSSES)
def test_gradient_matches_finite_differences(name: str) -> None:
    with jax.enable_x64(True):
        logits, target, weight = (jnp.asarray(each, jnp.float64) for each in (LOGITS, TARGET, WEIGHT))
        direction = jnp.asarray(np.random.default_rng(1).standard_normal(LOGITS.shape))
        loss = jax.jit(LOSSES[name])
        slope = jax.jvp(lambda z: loss(z, target, weight), (logits,), (direction,))[1]
        step = 1e-6
        ahead, behind = (np.asarray(loss(logits + s * step * direction, target, weight)) for s in (1, -1))
    assert np.min(np.abs(slope)) > 1e-4
    np.testing.assert_allclose(slope, (ahead - behind) / (2 * step), rtol=1e-5)


@pytest.mark.parametrize("name", LOSSES)
def test_without_weight_nothing_counts_not_even_nan(name: str) -> None:
    logits, target, weight = ARRAYS
    silent = weight == 0

    def total(z: jax.Array, target: jax.Array) -> jax.Array:
        return jnp.sum(LOSSES[name](z, target, weight))

    slope = jax.jit(jax.value_and_grad(total))
    value, gradient = slope(logits, target)
    np.testing.assert_array_equal(gradient[silent], 0.0)
    assert np.all(gradient[~silent] != 0)
    spoilt = (jnp.where(silent, jnp.nan, each) for each in (logits, target))
    again, same = slope(*spoilt)
    assert value == again
    np.testing.assert_array_equal(gradient, same)


@pytest.mark.parametrize("name", LOSSES)
def test_a_picture_without_weight_costs_nothing_and_others_are_untouched(name: str) -> None:
    logits, target, weight = ARRAYS
    loss = jax.jit(LOSSES[name])
    silent = weight.at[1].set(0)
    before, (after, pull) = loss(*ARRAYS), jax.vjp(lambda z: loss(z, target, silent), logits)
    assert after[1] == 0
    np.testing.assert_array_equal(pull(jnp.array([0.0, 1.0, 0.0]))[0], 0.0)
    np.testing.assert_array_equal(before[np.array([0, 2])], after[np.array([0, 2])])


@pytest.mark.parametrize("name", LOSSES)
def test_the_scale_of_the_weights_does_not_matter(name: str) -> None:
    logits, target, weight = ARRAYS
    np.testing.assert_allclose(LOSSES[name](logits, target, 8 * weight), LOSSES[name](*ARRAYS), rtol=1e-6)


def least(loss: Loss, target: np.ndarray, weight: np.ndarray) -> float:
    """The sigmoid of the single logit, for all tokens alike, at which the loss is least."""
    grid = np.linspace(-9, 9, 1801)
    shape = (grid.size, 1, target.size)
    logits = np.broadcast_to(grid[:, None, None], shape)
    values = loss(*(jnp.asarray(np.broadcast_to(each, shape), jnp.float32) for each in (logits, target, weight)))
    return float(sigmoid(grid[int(np.argmin(values))]))


def test_failed_with_weight_0_keeps_the_answer_and_failed_as_importance_0_pulls_it_down() -> None:
    important, failed = np.full(10, 0.8), np.arange(10) < 3
    plain, dice = (functools.partial(loss, temperature=1) for loss in (bce_distill, soft_dice))
    told = np.where(failed, 0.0, important)
    assert least(plain, told, (~failed).astype(float)) == pytest.approx(0.8, abs=2e-3)
    assert least(plain, told, np.ones(10)) == pytest.approx(0.7 * 0.8, abs=3e-3)
    assert least(dice, told, (~failed).astype(float)) == pytest.approx(0.8, abs=2e-3)
    # The rank: 3 of the important tokens failed; taken for unimportant ones, their length would count for the rest.
    lengths = jnp.asarray(np.r_[np.full(10, 8.0), np.zeros(10)][None, None], jnp.float32)
    target = jnp.asarray(np.r_[told, np.zeros(10)][None, None], jnp.float32)
    weight = jnp.asarray(np.r_[~failed, np.ones(10)][None, None], jnp.float32)
    rank = functools.partial(rank_margin, margin=1.0, longest=8)
    assert float(rank(lengths, target, weight)[0]) == 0
    assert float(rank(lengths, target, jnp.ones_like(weight))[0]) == pytest.approx(3 / 13)


def test_the_temperature_softens_the_answer_and_not_its_order() -> None:
    target = np.array([0.3])
    assert least(bce_distill, target, np.ones(1)) == pytest.approx(float(sigmoid(2 * np.log(3 / 7))), abs=2e-3)
    floor = 4 * -(0.3 * np.log(0.3) + 0.7 * np.log(0.7))
    at = jnp.full((1, 1, 1), 2 * np.log(3 / 7), jnp.float32)
    assert float(bce_distill(at, jnp.full((1, 1, 1), 0.3), jnp.ones((1, 1, 1)))[0]) == pytest.approx(floor, rel=1e-5)


def test_dice_is_nothing_where_the_map_is_met_and_one_where_nothing_is() -> None:
    target = ARRAYS[1] * 0.9
    met = 2 * (jnp.log(target) - jnp.log1p(-target))
    np.testing.assert_allclose(soft_dice(met, target, ARRAYS[2]), 0.0, atol=1e-6)
    np.testing.assert_allclose(soft_dice(jnp.full_like(met, -400.0), target, ARRAYS[2]), 1.0)
    np.testing.assert_array_equal(soft_dice(jnp.full_like(met, -400.0), 0 * target, ARRAYS[2]), 0.0)


def test_large_logits_stay_finite() -> None:
    logits = jnp.array([[[-1e4, 1e4]]])
    value, slope = jax.value_and_grad(lambda z: jnp.sum(bce_distill(z, jnp.array([[[1.0, 0.0]]]), jnp.ones_like(z))))(
        logits
    )
    assert float(value) == pytest.approx(4 * 5e3)
    np.testing.assert_allclose(slope, [[[-1.0, 1.0]]], rtol=1e-6)


def test_rank_is_silent_where_one_group_is_empty_or_the_margin_is_met() -> None:
    lengths = jnp.array([[[4.0, 0.0]], [[4.0, 0.0]], [[4.0, 0.0]]])
    target = jnp.array([[[0.1, 0.3]], [[0.6, 1.0]], [[0.6, 0.3]]])
    rank = functools.partial(rank_margin, margin=1.0, longest=4)
    value, slope = jax.value_and_grad(lambda k: jnp.sum(rank(k, target, jnp.ones_like(k))))(lengths)
    assert value == 0
    np.testing.assert_array_equal(slope, 0.0)
    # A mean of pixels of importance 0.6 may be rounded to just below.
    nearly = jnp.array([[[0.6 - 1e-6, 0.1]]])
    assert float(rank(jnp.zeros((1, 1, 2)), nearly, jnp.ones((1, 1, 2)))[0]) == 1.0


@pytest.mark.parametrize("name", LOSSES)
def test_nothing_is_broadcast(name: str) -> None:
    partial = LOSSES[name]
    inner, extra = (partial.func, partial.keywords) if isinstance(partial, functools.partial) else (partial, {})
    loss = functools.partial(inspect.unwrap(inner), **extra)
    logits, target, weight = ARRAYS
    with pytest.raises(ValueError, match=r"target has shape \(1, 4, 5\).*\(3, 4, 5\)"):
        loss(logits, target[:1], weight)
    with pytest.raises(ValueError, match=r"weight has shape \(3, 4\)"):
        loss(logits, target, weight[..., 0])
    with pytest.raises(ValueError, match="expected maps over tokens"):
        loss(logits[0], target[0], weight[0])


def test_settings_that_make_no_sense_are_refused() -> None:
    for loss in (bce_distill, soft_dice):
        with pytest.raises(ValueError, match="temperature = 0"):
            loss(*ARRAYS, temperature=0)
    with pytest.raises(ValueError, match="longest = 0"):
        rank_margin(*ARRAYS, margin=0.1, longest=0)


def test_examples() -> None:
    result = doctest.testmod(distill)
    assert result.attempted >= 3
    assert result.failed == 0
