"""The factorised prior: a cumulative it is, its tables for a range coder, what it learns."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.stats

from semjax.bottlenecks.factorised import FactorisedPrior
from semjax.bottlenecks.quantised import noised
from semjax.link.priors import PositionPrior
from semjax.link.range_coded import RangeCoded

LOW, HIGH = -60, 60
PRIOR = FactorisedPrior(3, init_scale=3.0)
INTEGERS = np.arange(LOW, HIGH + 1)


bits = jax.jit(PRIOR.apply)
slopes = jax.jit(jax.value_and_grad(lambda v, z: bits(v, z).sum(), argnums=(0, 1)))
table = jax.jit(lambda v: PRIOR.apply(v, low=LOW, high=HIGH, method="pmf"))


@functools.cache
def start() -> Any:
    return jax.jit(PRIOR.init)(jax.random.key(0), jnp.zeros((1, 1, 1, 3)))


@functools.cache
def moved() -> Any:
    """Away from the start, where the gates are closed."""
    rng = np.random.default_rng(0)
    return jax.tree.map(lambda leaf: leaf + rng.normal(size=leaf.shape).astype(np.float32) * 0.3, start())


@functools.cache
def tables() -> np.ndarray:
    return np.asarray(table(moved()), np.float64)


def logits(z: np.ndarray) -> np.ndarray:
    """The network in numpy, in double precision: z[values], one feature after the other, [values, 3]."""
    params = {name: np.asarray(leaf, np.float64) for name, leaf in moved()["params"].items()}
    columns = []
    for d in range(3):
        x = z[:, None]
        for k in range(4):
            x = x @ np.log1p(np.exp(params[f"matrix_{k}"][..., d])).T + params[f"bias_{k}"][:, d]
            x = x if k == 3 else x + np.tanh(params[f"gate_{k}"][:, d]) * np.tanh(x)
        columns.append(x[:, 0])
    return np.stack(columns, axis=-1)


def test_bits_are_those_of_a_twin() -> None:
    z = np.linspace(-40, 40, 501)
    side = -np.sign(logits(z))  # the difference is taken where it does not cancel
    upper, lower = (1 / (1 + np.exp(-side * logits(z + half))) for half in (0.5, -0.5))
    expected = -np.log2(np.maximum(np.abs(upper - lower), 1e-9))
    found = bits(moved(), jnp.asarray(np.repeat(z[None, :, None, None], 3, axis=-1), jnp.float32))
    np.testing.assert_allclose(found[0, :, 0], expected, rtol=1e-4, atol=1e-4)


def test_cumulative_rises_from_0_to_1() -> None:
    z = jnp.asarray(np.linspace(-300, 300, 2401)[:, None] * np.ones(3), jnp.float32)
    c = np.asarray(jax.jit(lambda v: PRIOR.apply(v, z, method="cumulative"))(moved()))
    assert (np.diff(c, axis=0) >= 0).all()
    inside = (c[1:] > 1e-3) & (c[:-1] < 1 - 1e-3)
    assert inside.sum() > 30
    assert (np.diff(c, axis=0)[inside] > 0).all()
    np.testing.assert_allclose(c[[0, -1]], [[0, 0, 0], [1, 1, 1]], atol=1e-6)


def test_tables_sum_to_1_and_are_the_bits() -> None:
    assert tables().shape == (3, INTEGERS.size)
    np.testing.assert_allclose(tables().sum(axis=1), 1.0, atol=2e-6)
    values = jnp.asarray(INTEGERS[1:-1, None, None] * np.ones(3), jnp.float32)
    floored = np.maximum(tables()[:, 1:-1], 1e-9)
    np.testing.assert_allclose(bits(moved(), values[None])[0, :, 0].T, -np.log2(floored), atol=1e-4)
    narrow = np.asarray(jax.jit(lambda v: PRIOR.apply(v, low=0, high=1, method="pmf"))(moved()))
    np.testing.assert_allclose(narrow[:, 0], tables()[:, INTEGERS <= 0].sum(axis=1), atol=1e-5)
    np.testing.assert_allclose(narrow.sum(axis=1), 1.0, atol=1e-6)


def test_a_range_coder_needs_that_many_bits() -> None:
    rng = np.random.default_rng(1)
    rows = tables() / tables().sum(axis=1, keepdims=True)
    z = np.stack([rng.choice(INTEGERS[1:-1], 1500, p=row[1:-1] / row[1:-1].sum()) for row in rows], axis=-1)
    coder = RangeCoded(alphabet=INTEGERS.size, prior=PositionPrior(tables=tuple(map(tuple, rows.tolist()))))
    coded = coder.pack(z[None] - LOW)
    estimate = float(bits(moved(), jnp.asarray(z[None, None], jnp.float32)).sum())
    assert estimate == pytest.approx(int(coded.length[0]), rel=0.01, abs=8)
    np.testing.assert_array_equal(coder.unpack(coded, z[None]), z[None] - LOW)


def test_far_out_all_is_finite_and_draws_back() -> None:
    z = np.zeros((1, 1, 512, 3), np.float32)
    z[0, 0, :6] = np.array([-1e4, -300, -1, 1, 300, 1e4])[:, None]
    for factor in (1.0, 30.0, -30.0):  # -30: densities so wide that they are flat in single precision
        cost, (of_params, of_z) = slopes(jax.tree.map(lambda leaf, f=factor: leaf * f, moved()), z)
        assert np.isfinite(cost)
        assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves((of_params, of_z)))
        if factor == 1.0:
            assert (np.asarray(of_z)[0, 0, :2] < 0).all()
            assert (np.asarray(of_z)[0, 0, 4:6] > 0).all()


def test_it_learns_laplace_densities() -> None:
    """Trained with noise; the tables then cost within 2 % of the entropy of the rounded source, which they did not."""
    scale, rng = np.array([1.0, 2.0, 4.0]), np.random.default_rng(2)
    optimiser = optax.adam(0.03)
    params, update = start(), jax.jit(optimiser.update)
    state = optimiser.init(params)
    for _ in range(300):
        shape = (1, 1, 512, 3)
        z = noised(rng.laplace(scale=scale, size=shape), rng.uniform(-0.5, 0.5, shape))  # pyright: ignore
        change, state = update(slopes(params, np.asarray(z, np.float32))[1][0], state)
        params = optax.apply_updates(params, change)
    edges = np.concatenate([[-np.inf], INTEGERS[:-1] + 0.5, [np.inf]])
    truth = np.diff(scipy.stats.laplace.cdf(edges / scale[:, None]), axis=1)
    entropy = -np.sum(truth * np.log2(np.maximum(truth, 1e-30)), axis=1)
    before, after = (-np.sum(truth * np.log2(np.asarray(table(v))), axis=1) for v in (start(), params))
    assert (before[:2] > 1.1 * entropy[:2]).all()
    assert (entropy * 0.999 < after).all()
    assert (after < 1.02 * entropy).all(), after / entropy


def test_empty_range_is_refused() -> None:
    with pytest.raises(ValueError, match="high=3 must be larger than low=3"):
        PRIOR.apply(moved(), low=3, high=3, method="pmf")
