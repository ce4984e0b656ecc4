"""Region scores: back to the plain metric under a full mask, blind outside the mask, honest about empty ones."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from semjax.losses.distortion import importance_weights, weighted_mse
from semjax.metrics import psnr, quantize, region, ssim_map
from semjax.metrics.structural import ssim


def pictures() -> tuple[jax.Array, jax.Array, jax.Array]:
    rng = np.random.default_rng(0)
    target = rng.random((3, 24, 28, 3))
    image = target + 0.1 * rng.standard_normal(target.shape)
    mask = rng.random((3, 24, 28)) < 0.3
    return jnp.asarray(image, jnp.float32), jnp.asarray(target, jnp.float32), jnp.asarray(mask, jnp.float32)


def test_a_mask_of_ones_gives_the_plain_metric() -> None:
    image, target, mask = pictures()
    ones = jnp.ones_like(mask)
    score = region.region_psnr(image, target, ones)
    np.testing.assert_allclose(score.value, psnr(image, target), atol=1e-4)
    np.testing.assert_array_equal(score.weight, 1.0)
    np.testing.assert_allclose(region.masked_ssim(image, target, ones).value, ssim(image, target), atol=1e-6)
    flat = region.importance_weighted_psnr(image, target, ones)
    np.testing.assert_allclose(flat, psnr(image, target), atol=1e-4)


def test_region_psnr_against_numpy_selection() -> None:
    image, target, mask = pictures()
    error = np.square(np.float64(quantize(image)) - np.float64(quantize(target)))
    twin = [-10 * np.log10(e[m > 0].mean()) for e, m in zip(error, np.asarray(mask), strict=True)]
    score = region.region_psnr(image, target, mask)
    np.testing.assert_allclose(score.value, twin, atol=1e-3)
    np.testing.assert_allclose(score.weight, np.mean(mask, axis=(1, 2)), rtol=1e-5)


def test_damage_outside_the_mask_does_not_count() -> None:
    image, target, mask = pictures()
    hurt = jnp.where(mask[..., None] > 0, image, 1.0 - target)
    np.testing.assert_allclose(
        region.region_psnr(hurt, target, mask).value, region.region_psnr(image, target, mask).value, atol=1e-4
    )
    assert np.all(psnr(hurt, target) < psnr(image, target) - 3)
    outside = region.region_psnr(hurt, target, 1 - mask).value
    assert np.all(outside < region.region_psnr(image, target, 1 - mask).value - 3)


def test_masked_ssim_reads_the_map_at_window_centres() -> None:
    image, target, _ = pictures()
    mask = jnp.zeros((3, 24, 28)).at[:, 9, 20].set(1.0)
    score = region.masked_ssim(image, target, mask)
    np.testing.assert_allclose(score.value, ssim_map(image, target)[:, 4, 15].mean(-1), atol=1e-6)
    edge = region.masked_ssim(image, target, jnp.zeros_like(mask).at[:, 2].set(1.0))
    np.testing.assert_array_equal(edge.weight, 0.0)


def test_an_empty_mask_has_weight_zero_and_no_nan() -> None:
    image, target, mask = pictures()
    mask = mask.at[1].set(0.0)
    for measure in (region.region_psnr, region.masked_ssim):
        score = jax.jit(measure)(image, target, mask)
        assert np.asarray(score.weight > 0).tolist() == [True, False, True]
        assert np.all(np.isfinite(score.value))
        assert score.value[1] == 0.0
        gradient = jax.jit(jax.grad(lambda x, f=measure: f(x, target, mask).value.sum()))(target)
        assert np.all(np.isfinite(gradient))


def test_scores_pass_through_transformations() -> None:
    image, target, mask = pictures()
    shapes = jax.eval_shape(region.region_psnr, image, target, mask)
    assert shapes.value.shape == shapes.weight.shape == (3,)
    stacked = jax.vmap(region.region_psnr)(image[:, None], target[:, None], mask[:, None])
    np.testing.assert_allclose(stacked.value[:, 0], region.region_psnr(image, target, mask).value, atol=1e-4)


@pytest.mark.parametrize("alpha", [0, 4.0])
def test_importance_weighted_psnr_has_the_weights_of_the_loss(alpha: float) -> None:
    image, target, importance = pictures()
    loss = weighted_mse(quantize(image), quantize(target), importance_weights(importance, alpha))
    value = region.importance_weighted_psnr(image, target, importance, alpha=alpha)
    np.testing.assert_allclose(value, -10 * np.log10(loss), atol=1e-3)


def test_importance_weighted_psnr_notices_where_the_damage_is() -> None:
    _, target, importance = pictures()
    target = 0.25 + 0.5 * target
    inside = target + 0.2 * importance[..., None]
    plain = psnr(inside, target)
    assert np.all(region.importance_weighted_psnr(inside, target, importance) < plain - 1)
    assert np.all(region.importance_weighted_psnr(inside, target, 1 - importance) > plain + 1)


def test_wrong_masks_are_refused() -> None:
    image, target, mask = pictures()
    for measure, name in [(region.region_psnr, "mask"), (region.masked_ssim, "mask")]:
        with pytest.raises(ValueError, match=rf"{name} has shape \(3, 12, 28\).*\(3, 24, 28\)"):
            inspect.unwrap(measure)(image, target, mask[:, :12])
    with pytest.raises(ValueError, match=r"alpha = -0\.5"):
        region.importance_weighted_psnr(image, target, mask, alpha=-0.5)
