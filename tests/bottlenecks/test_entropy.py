"""Entropy models: shapes on any grid, padding, their start, what side information earns, golden trees, bad input."""

import functools
import json
import pathlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.stats

from semjax.bottlenecks.entropy import FactorisedOnly, HyperPrior
from semjax.bottlenecks.quantised import gaussian_bits

GOLDEN = pathlib.Path(__file__).parent / "golden_entropy_params.json"
HYPER = HyperPrior(features=6, hyper_features=3, width=16)
MODELS = {"hyper": HYPER, "factorised_only": FactorisedOnly(features=6)}
KEY = jax.random.key(0)


def latents(*shape: int) -> np.ndarray:
    return (np.random.default_rng(0).normal(size=shape) * 3).astype(np.float32)


@functools.cache
def shapes_of(name: str) -> Any:
    return jax.eval_shape(lambda: MODELS[name].init(KEY, jnp.zeros((1, 8, 8, 6)), None, None))


def noises(model: Any, y: Any, seed: int) -> list[np.ndarray]:
    shapes, rng = (y.shape, (y.shape[0], *model.hyper_shape(*y.shape[1:3]))), np.random.default_rng(seed)
    return [rng.uniform(-0.5, 0.5, shape).astype(np.float32) for shape in shapes]


@functools.cache
def start() -> Any:
    return jax.jit(lambda: HYPER.init(KEY, jnp.zeros((1, 8, 8, 6)), None, None))()


@functools.cache
def moved() -> Any:
    """Away from the start, where z is small and means and widths do not depend on it."""
    params = start()["params"]
    first, last = params["analysis_in"], params["synthesis_out"]
    first = {**first, "kernel": 30 * first["kernel"]}
    return {"params": {**params, "analysis_in": first, "synthesis_out": {**last, "kernel": _random(last["kernel"])}}}


def _random(like: jax.Array) -> jax.Array:
    return jnp.asarray(np.random.default_rng(5).normal(size=like.shape) * 0.2, jnp.float32)


def total(v: Any, y: jax.Array, *noise: jax.Array) -> tuple[jax.Array, Any]:
    out: Any = HYPER.apply(v, y, *noise)
    return jnp.sum(out.bits) + jnp.sum(out.bits_z), out


evaluate: Any = jax.jit(lambda v, y: HYPER.apply(v, y, None, None))
train = jax.jit(jax.value_and_grad(total, argnums=(0, 1), has_aux=True))


@pytest.mark.parametrize("name", list(MODELS))
@pytest.mark.parametrize("grid", [(8, 8), (4, 4), (5, 7), (1, 1), (16, 9)])
def test_shapes_on_any_grid(name: str, grid: tuple[int, int]) -> None:
    model, y = MODELS[name], np.zeros((2, *grid, 6), np.float32)
    for noise in (noises(model, y, 1), (None, None)):
        out = jax.eval_shape(lambda v, noise=noise: model.apply(v, y, *noise), shapes_of(name))
        assert (out.y_hat.shape, out.bits.shape, out.bits_z.shape) == ((2, *grid, 6), (2, *grid), (2,))
        assert {leaf.dtype for leaf in jax.tree.leaves(out)} == {jnp.dtype("float32")}
        assert all(x is None or x.shape == (2, *grid, 6) for x in (out.mu, out.sigma))
    assert HYPER.hyper_shape(5, 7) == (2, 2, 3)


def test_odd_grids_are_padded_by_their_edge() -> None:
    y = latents(2, 5, 7, 6)
    odd, even = evaluate(moved(), y), evaluate(moved(), np.pad(y, ((0, 0), (0, 3), (0, 1), (0, 0)), "edge"))
    np.testing.assert_allclose(odd.bits, even.bits[:, :5, :7], rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(odd.bits_z, even.bits_z, rtol=1e-5)


def test_rounding_is_about_the_mean_and_bits_are_those_of_the_belief() -> None:
    y = latents(2, 8, 8, 6)
    out = evaluate(moved(), y)
    steps = np.asarray(out.y_hat - out.mu)
    np.testing.assert_allclose(steps, np.round(steps), atol=1e-5)
    assert float(jnp.max(jnp.abs(out.y_hat - y))) <= 0.5 + 1e-5
    assert float(jnp.std(out.mu)) > 0.1
    assert float(out.sigma.min()) >= np.float32(0.11)
    np.testing.assert_allclose(
        out.bits, gaussian_bits(out.y_hat, mu=out.mu, sigma=out.sigma).sum(axis=-1), rtol=1e-5, atol=1e-5
    )


def test_it_starts_with_a_standard_gaussian() -> None:
    out = evaluate(start(), latents(2, 8, 8, 6))
    np.testing.assert_array_equal(out.mu, np.zeros_like(out.mu))
    np.testing.assert_allclose(out.sigma, 1.0, rtol=1e-6)


def test_gradients_reach_everything_and_stay_finite() -> None:
    """No gradient is stopped on the way, and latents far out do no harm."""
    y = latents(16, 8, 8, 6)
    y[0, 0, 0, 0], y[1, 3, 3, 1] = 1e4, -1e4
    noise = noises(HYPER, y, 1)
    (_, out), (of_params, of_y) = train(moved(), y, *noise)
    np.testing.assert_array_equal(out.y_hat, y + noise[0])
    flat, _ = jax.tree_util.tree_flatten_with_path(of_params)
    assert all(np.isfinite(leaf).all() for _, leaf in flat)
    assert [jax.tree_util.keystr(path) for path, leaf in flat if not np.any(leaf)] == []
    assert np.isfinite(of_y).all()
    assert float(of_y[0, 0, 0, 0]) > 0.0 > float(of_y[1, 3, 3, 1])


def loud_and_quiet(seed: int) -> np.ndarray:
    """Squares of 4 x 4 positions of standard deviation 16 or 0.2; half of them are loud."""
    rng = np.random.default_rng(seed)
    loud = rng.random((8, 2, 2, 1)) < 0.5
    spread = np.where(np.concatenate([loud, ~loud]), 16.0, 0.2).repeat(4, axis=1).repeat(4, axis=2)
    return (spread * rng.normal(size=(16, 8, 8, 6))).astype(np.float32)


def test_side_information_earns_its_bits() -> None:
    """A short fit costs less than the best density that knows no neighbours could, and not less than the truth."""
    optimiser = optax.chain(optax.clip_by_global_norm(1.0), optax.adam(2e-2))
    params, update = start(), jax.jit(optimiser.update)
    state, costs = optimiser.init(params), []
    for seed in range(150):
        y = loud_and_quiet(seed)
        (cost, _), (slope, _) = train(params, y, *noises(HYPER, y, 1000 + seed))
        change, state = update(slope, state)
        params = optax.apply_updates(params, change)
        costs.append(float(cost) / y.size)
    x = np.linspace(-100, 100, 20_001)
    loud, quiet = (np.diff(scipy.stats.norm(scale=s).cdf([x - 0.5, x + 0.5]), axis=0)[0] for s in (16.0, 0.2))
    alone, told = entropy((loud + quiet) / 2, x), (entropy(loud, x) + entropy(quiet, x)) / 2
    assert costs[0] > 5.0
    assert told < np.mean(costs[-20:]) < alone - 0.3


def entropy(density: np.ndarray, x: np.ndarray) -> float:
    return float(-np.sum(density * np.log2(np.maximum(density, 1e-300))) * (x[1] - x[0]))


@pytest.mark.parametrize("name", list(MODELS))
def test_golden_parameter_tree(name: str, request: pytest.FixtureRequest) -> None:
    """Parameter names and shapes are API. Regenerate with --update-golden and read the diff."""
    flat, _ = jax.tree_util.tree_flatten_with_path(shapes_of(name)["params"])
    tree = {jax.tree_util.keystr(path, simple=True, separator="/"): list(leaf.shape) for path, leaf in flat}
    golden = json.loads(GOLDEN.read_text()) if GOLDEN.exists() else {}
    if request.config.getoption("--update-golden"):
        GOLDEN.write_text(json.dumps({**golden, name: tree}, indent=1, sort_keys=True) + "\n")
        golden[name] = tree
    assert golden[name] == tree


@pytest.mark.parametrize("name", list(MODELS))
def test_other_shapes_are_refused(name: str) -> None:
    ask = lambda *given: jax.eval_shape(lambda v: MODELS[name].apply(v, *given), shapes_of(name))  # noqa: E731
    with pytest.raises(ValueError, match=r"latents \[b, h, w, 6\], got \(1, 8, 8, 5\)"):
        ask(jnp.zeros((1, 8, 8, 5)), None, None)
    with pytest.raises(ValueError, match="must have the same shape"):
        ask(jnp.zeros((1, 8, 8, 6)), jnp.zeros((1, 8, 8, 1)), None)


def test_a_scale_is_where_deviations_start():
    scale = (0.5, 2.0, 8.0)
    model = HyperPrior(features=3, hyper_features=2, width=4, scale=scale)
    y = 3.0 * jax.random.normal(jax.random.key(0), (2, 4, 4, 3))
    out, _ = model.init_with_output(jax.random.key(1), y, None, None)
    assert jnp.allclose(out.sigma, jnp.asarray(scale))
    assert not out.mu.any()
