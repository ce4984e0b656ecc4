"""Quantised latents: bits of a Gaussian belief against scipy and a real range coder, bounds and their gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from constriction import stream  # pyright: ignore[reportAttributeAccessIssue]

from semjax.bottlenecks.quantised import at_least, bits_of, gaussian_bits, noised, rounded

MOST = -np.log2(1e-9)
bits = jax.jit(lambda y, mu, sigma: gaussian_bits(y, mu=mu, sigma=sigma))
slopes = jax.jit(jax.grad(lambda y, mu, sigma: jnp.sum(gaussian_bits(y, mu=mu, sigma=sigma)), argnums=(0, 1, 2)))


def single(*arrays: np.ndarray) -> list[jax.Array]:
    return [jnp.asarray(a, jnp.float32) for a in arrays]


def twin(y: np.ndarray, mu: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    """By scipy in double precision, in the tail where the difference does not cancel."""
    away, belief = np.abs(y - mu), scipy.stats.norm(scale=np.maximum(sigma, 0.11))
    return -np.log2(np.maximum(belief.sf(away - 0.5) - belief.sf(away + 0.5), 1e-9))


def test_gaussian_bits_are_those_of_scipy() -> None:
    rng = np.random.default_rng(0)
    mu, sigma = rng.normal(size=4096) * 5, np.exp(rng.uniform(np.log(0.02), np.log(300), 4096))
    y = mu + sigma * rng.uniform(-8, 8, 4096)
    y, mu, sigma = (np.asarray(a, np.float64) for a in single(y, mu, sigma))
    np.testing.assert_allclose(bits(*single(y, mu, sigma)), twin(y, mu, sigma), rtol=2e-4, atol=2e-4)


def test_slopes_are_finite_differences() -> None:
    rng = np.random.default_rng(1)
    mu, sigma = rng.normal(size=64), np.exp(rng.uniform(np.log(0.2), np.log(20), 64))
    point = [mu + sigma * rng.uniform(-3, 3, 64), mu, sigma]
    for index, slope in enumerate(slopes(*single(*point))):
        step = [1e-5 * (k == index) for k in range(3)]
        up, down = ([a + sign * s for a, s in zip(point, step, strict=True)] for sign in (1, -1))
        np.testing.assert_allclose(slope, (twin(*up) - twin(*down)) / 2e-5, rtol=2e-3, atol=2e-4)


def test_a_range_coder_needs_that_many_bits() -> None:
    """Integers with random beliefs, coded and decoded."""
    rng = np.random.default_rng(2)
    mu, sigma = rng.normal(size=20_000) * 10, np.exp(rng.uniform(np.log(0.11), np.log(40), 20_000))
    symbols = np.round(rng.normal(mu, sigma)).astype(np.int32)
    model = stream.model.QuantizedGaussian(-400, 400)
    encoder = stream.queue.RangeEncoder()
    encoder.encode(symbols, model, mu, sigma)
    estimate = float(bits(*single(symbols, mu, sigma)).sum())
    assert estimate == pytest.approx(encoder.num_bits(), rel=0.01, abs=64)
    decoded = stream.queue.RangeDecoder(encoder.get_compressed()).decode(model, mu, sigma)
    np.testing.assert_array_equal(decoded, symbols)


def test_rounded_about_the_mean_is_coded_as_integers_of_mean_zero() -> None:
    rng = np.random.default_rng(3)
    mu, sigma = rng.normal(size=20_000) * 10, np.exp(rng.uniform(np.log(0.11), np.log(40), 20_000))
    y = rounded(*single(rng.normal(mu, sigma), mu))
    symbols = np.round(np.asarray(y) - mu).astype(np.int32)
    np.testing.assert_allclose(symbols + mu, y, atol=1e-4)
    encoder = stream.queue.RangeEncoder()
    encoder.encode(symbols, stream.model.QuantizedGaussian(-400, 400), np.zeros(20_000), sigma)
    assert float(bits(y, *single(mu, sigma)).sum()) == pytest.approx(encoder.num_bits(), rel=0.01, abs=64)


@pytest.mark.parametrize("sigma", [0.4, 1.0, 7.0])
def test_noise_costs_what_rounding_costs_on_average(sigma: float) -> None:
    rng = np.random.default_rng(4)
    mu = rng.uniform(-3, 3, 400_000)
    y, noise, about = single(rng.normal(mu, sigma), rng.uniform(-0.5, 0.5, mu.size), mu)
    wide = jnp.full(mu.size, sigma, jnp.float32)
    noisy = float(bits(noised(y, noise), about, wide).mean())
    # With the means between the integers anyhow, rounding to integers is rounding at a random place of the density.
    assert noisy == pytest.approx(float(bits(jnp.round(y), about, wide).mean()), abs=0.01)
    if sigma >= 1:
        assert noisy == pytest.approx(float(bits(rounded(y, about), about, wide).mean()), abs=0.01)


def test_far_out_and_at_odd_widths_all_is_finite_and_draws_back() -> None:
    y, sigma = np.meshgrid([-1e4, -30, -1, -0.5, 0, 0.5, 3, 1e3, 1e4], [0, 1e-6, 0.11, 1, 50, 1e4, 1e8, 1e12])
    y, sigma = y.ravel(), sigma.ravel()
    found = bits(*single(y, np.zeros_like(y), sigma))
    assert bool(jnp.all((found >= 0) & (found <= MOST + 1e-3)))
    of_y, of_mu, of_sigma = map(np.asarray, slopes(*single(y, np.zeros_like(y), sigma)))
    assert np.isfinite([of_y, of_mu, of_sigma]).all()
    np.testing.assert_array_equal(of_y, -of_mu)
    lost = (np.abs(y) > 6.2 * np.maximum(sigma, 0.11) + 0.5) & (sigma >= 0.11)
    assert lost.sum() > 8
    np.testing.assert_allclose(of_y[lost], np.sign(y[lost]) * 6.1 / sigma[lost] / np.log(2), rtol=1e-4)
    assert (of_sigma[lost] < 0).all()


def test_gradients_pass_a_bound_only_back_over_it() -> None:
    x = jnp.asarray([-1.0, 0.0, 2.0])
    np.testing.assert_array_equal(at_least(x, 0.5), [0.5, 0.5, 2.0])
    np.testing.assert_array_equal(jax.grad(lambda x: -at_least(x, 0.5).sum())(x), [-1, -1, -1])
    np.testing.assert_array_equal(jax.grad(lambda x: at_least(x, 0.5).sum())(x), [0, 0, 1])
    np.testing.assert_allclose(bits_of(jnp.log(jnp.asarray([0.25, 1e-9, 1e-20]))), [2.0, MOST, MOST], rtol=1e-6)


def test_noise_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match=r"latents \(2, 3\) and noise \(3,\) must have the same shape"):
        noised(jnp.zeros((2, 3)), jnp.zeros(3))
