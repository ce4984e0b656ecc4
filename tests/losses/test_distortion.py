"""Distortion losses against closed forms, an independent SSIM, finite differences, and their refusals."""

import doctest
import functools
import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from skimage.metrics import structural_similarity

from semjax.losses import distortion

WEIGHT = jnp.asarray(np.random.default_rng(9).random((2, 14, 13)), jnp.float32)
LOSSES = {
    "mse": distortion.mse,
    "l1": distortion.l1,
    "charbonnier": distortion.charbonnier,
    "ssim_loss": distortion.ssim_loss,
    "weighted_mse": functools.partial(distortion.weighted_mse, weight=WEIGHT),
}


def pictures(seed: int = 0) -> tuple[jax.Array, jax.Array]:
    """Two batches that leave [0, 1], so that clipping anywhere would show."""
    rng = np.random.default_rng(seed)
    image, target = rng.normal(0.5, 0.5, (2, 2, 14, 13, 3))
    return jnp.asarray(image, jnp.float32), jnp.asarray(target, jnp.float32)


def test_closed_forms_on_unclipped_values() -> None:
    image, target = pictures()
    error = np.asarray(image, np.float64) - np.asarray(target, np.float64)
    np.testing.assert_allclose(distortion.mse(image, target), (error**2).mean((1, 2, 3)), rtol=1e-5)
    np.testing.assert_allclose(distortion.l1(image, target), np.abs(error).mean((1, 2, 3)), rtol=1e-5)
    smooth = (np.hypot(error, 0.1) - 0.1).mean((1, 2, 3))
    np.testing.assert_allclose(distortion.charbonnier(image, target, epsilon=0.1), smooth, rtol=1e-5)
    weight = np.asarray(WEIGHT, np.float64)
    expected = (weight[..., None] * error**2).sum((1, 2, 3)) / (3 * weight.sum((1, 2)))
    np.testing.assert_allclose(distortion.weighted_mse(image, target, WEIGHT), expected, rtol=1e-5)


def test_ssim_loss_agrees_with_scikit_image_on_unclipped_values() -> None:
    image, target = pictures(1)
    twin = [
        structural_similarity(
            np.float64(t),
            np.float64(i),
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            data_range=1.0,
            channel_axis=-1,
            full=True,
        )[1][5:-5, 5:-5].mean()
        for i, t in zip(image, target, strict=True)
    ]
    np.testing.assert_allclose(distortion.ssim_loss(image, target), 1 - np.array(twin), atol=2e-5)


def test_importance_weights_have_mean_one_and_the_stated_ratio() -> None:
    importance = jnp.asarray(np.random.default_rng(2).integers(0, 2, (3, 8, 8)), jnp.float32)
    weight = np.asarray(distortion.importance_weights(importance, 4))
    np.testing.assert_allclose(weight.mean((1, 2)), 1.0, rtol=1e-6)
    for w, m in zip(weight, np.asarray(importance), strict=True):
        np.testing.assert_allclose(w[m == 1].mean() / w[m == 0].mean(), 5.0, rtol=1e-5)
    with pytest.raises(ValueError, match=r"alpha = -1\.0"):
        distortion.importance_weights(importance, -1.0)


def test_weighted_mse_ignores_the_scale_of_the_weights_and_survives_none() -> None:
    image, target = pictures(3)
    reference = distortion.weighted_mse(image, target, WEIGHT)
    np.testing.assert_allclose(distortion.weighted_mse(image, target, 7.0 * WEIGHT), reference, rtol=1e-6)
    even = distortion.weighted_mse(image, target, jnp.ones_like(WEIGHT))
    np.testing.assert_allclose(even, distortion.mse(image, target), rtol=1e-6)
    assert np.max(np.abs(even - reference)) > 1e-3
    gradient = jax.grad(lambda x: distortion.weighted_mse(x, target, 0.0 * WEIGHT).sum())(image)
    np.testing.assert_array_equal(gradient, 0.0)


@pytest.mark.parametrize("name", LOSSES)
def test_gradient_matches_finite_differences(name: str) -> None:
    image, target = pictures(4)
    direction = jnp.asarray(np.random.default_rng(5).standard_normal(image.shape), jnp.float32)
    with jax.enable_x64(True):
        image, target, direction = (jnp.asarray(np.asarray(x), jnp.float64) for x in (image, target, direction))
        loss = jax.jit(LOSSES[name])
        slope = jax.jvp(lambda x: loss(x, target), (image,), (direction,))[1]
        step = 1e-6
        difference = (loss(image + step * direction, target) - loss(image - step * direction, target)) / (2 * step)
    assert np.min(np.abs(slope)) > 1e-4
    np.testing.assert_allclose(slope, difference, rtol=1e-4)


@pytest.mark.parametrize("name", LOSSES)
def test_identical_pictures_cost_nothing_and_have_a_finite_gradient(name: str) -> None:
    image, _ = pictures(6)
    value, gradient = jax.jit(jax.value_and_grad(lambda x: LOSSES[name](x, image).sum()))(image)
    np.testing.assert_allclose(value, 0.0, atol=1e-6)
    assert np.all(np.isfinite(gradient))


@pytest.mark.parametrize("name", LOSSES)
def test_each_picture_has_its_own_loss(name: str) -> None:
    image, target = pictures(7)
    before = LOSSES[name](image, target)
    after = LOSSES[name](image.at[1].add(0.3), target)
    assert before.shape == (2,)
    assert before[0] == after[0]
    assert before[1] != after[1]


@pytest.mark.parametrize("name", LOSSES)
def test_nothing_is_broadcast(name: str) -> None:
    image, target = pictures(8)
    partial = LOSSES[name]
    inner, extra = (partial.func, partial.keywords) if isinstance(partial, functools.partial) else (partial, {})
    # As a user calls it: without the shape checks that the test run puts around every function.
    loss = functools.partial(inspect.unwrap(inner), **extra)
    with pytest.raises(ValueError, match=r"\(2, 14, 13, 3\).*\(1, 14, 13, 3\)"):
        loss(image, target[:1])
    with pytest.raises(ValueError, match="expected batches of RGB pictures"):
        loss(image[0], target[0])


def test_a_weight_of_another_size_is_refused() -> None:
    image, target = pictures(8)
    with pytest.raises(ValueError, match=r"weight has shape \(2, 7, 13\).*\(2, 14, 13\)"):
        inspect.unwrap(distortion.weighted_mse)(image, target, WEIGHT[:, :7])


def test_charbonnier_refuses_a_corner() -> None:
    image, target = pictures(8)
    with pytest.raises(ValueError, match="epsilon"):
        distortion.charbonnier(image, target, epsilon=0.0)


def test_docstring_examples() -> None:
    result = doctest.testmod(distortion)
    assert result.attempted >= 6
    assert result.failed == 0
