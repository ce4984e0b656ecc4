"""The linear code: orthonormal transform, optimal gains, the estimator against a numpy twin."""

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.fft

from semjax.bottlenecks.analog import AnalogLatents
from semjax.bottlenecks.linear import (
    LinearCode,
    block_transform,
    fit_prior,
    inverse_block_transform,
    load_prior,
    save_prior,
)


def test_transform_is_orthonormal_and_is_the_dct():
    image = np.random.default_rng(0).random((2, 32, 48, 3)).astype(np.float32)
    coefficients = np.asarray(block_transform(jnp.asarray(image)))
    assert coefficients.shape == (2, 2, 3, 768)
    np.testing.assert_allclose((coefficients**2).sum(), (image**2).sum(), rtol=1e-5)
    np.testing.assert_allclose(inverse_block_transform(jnp.asarray(coefficients)), image, atol=1e-5)
    luma = image.sum(-1) / np.sqrt(3)
    twin = scipy.fft.dctn(luma[1, 16:32, 32:48], norm="ortho")
    np.testing.assert_allclose(coefficients[1, 1, 2, :256].reshape(16, 16), twin, atol=1e-4)


def test_sides_must_be_multiples_of_the_block():
    with pytest.raises(ValueError, match="multiples of 16, got 17x32"):
        block_transform(jnp.zeros((1, 17, 32, 3)))


def test_prior_fit_round_trip(tmp_path):
    images = [np.random.default_rng(i).random((40, 50, 3)).astype(np.float32) for i in range(3)]
    prior = fit_prior(images)
    rows = np.concatenate(
        [np.asarray(block_transform(jnp.asarray(x[None, :32, :48]))).reshape(-1, 768) for x in images]
    )
    np.testing.assert_allclose(prior.mean, rows.mean(0), atol=1e-5)
    np.testing.assert_allclose(prior.variance, rows.var(0), rtol=1e-3)
    save_prior(tmp_path / "mine.npz", prior)
    np.testing.assert_array_equal(load_prior(str(tmp_path / "mine.npz")).mean, prior.mean)
    with pytest.raises(ValueError, match="no picture of at least"):
        fit_prior([np.zeros((8, 8, 3), np.float32)])


def test_keeps_the_largest_variances_at_the_rate():
    code = LinearCode(cbr=1 / 12)
    variance = load_prior("natural").variance
    assert code.features == 128
    assert set(code.kept) == set(np.argsort(variance)[-128:])


def test_estimator_is_least_squares():
    """Against a numpy twin by the normal equations, and no other gain does better on Gaussian coefficients."""
    code = LinearCode(cbr=1 / 48)
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(1, 40, 50, code.features)) * np.sqrt(code.variance)
    sent = truth * code.gain / code.reference
    noise_var = 0.05
    values = sent + rng.normal(size=sent.shape) * np.sqrt(noise_var)
    full = lambda v: jnp.full(sent.shape, v, jnp.float32)  # noqa: E731
    latents = AnalogLatents(
        values=jnp.asarray(values, jnp.float32),
        gain=full(1.0),
        noise_var=full(noise_var),
        scale=jnp.asarray([code.reference], jnp.float32),
        sent=full(1.0),
    )
    got = np.asarray(block_transform(code.synthesise(latents)))[..., code.kept] - load_prior("natural").mean[code.kept]
    a = code.gain / code.reference
    twin = (code.variance * a / (code.variance * a**2 + noise_var)) * values
    np.testing.assert_allclose(got, twin, rtol=1e-3, atol=1e-4)
    errors = [np.mean((scale * twin - truth) ** 2) for scale in (0.9, 1.0, 1.1)]
    assert errors[1] < min(errors[0], errors[2])
