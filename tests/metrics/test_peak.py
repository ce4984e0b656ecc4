"""PSNR and its grid against closed forms and scikit-image."""

import doctest
import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio

from semjax.metrics import METRICS, pairs, peak


def flat(value: float, side: int = 8) -> jax.Array:
    return jnp.full((1, side, side, 3), value, jnp.float32)


def test_quantize_clips_and_rounds_to_the_nearest_of_256_levels() -> None:
    x = jnp.asarray([-0.2, 0.0, 0.4 / 255, 0.6 / 255, 254.4 / 255, 254.6 / 255, 1.7, 3.0]).reshape(1, 8, 1, 1)
    levels = 255 * pairs.quantize(jnp.tile(x, (1, 1, 1, 3)))
    assert levels.dtype == jnp.float32
    np.testing.assert_allclose(levels[0, :, 0, 0], [0, 0, 0, 1, 254, 255, 255, 255], atol=1e-4)


def test_quantized_pictures_stay_as_they_are() -> None:
    grid = jnp.arange(256, dtype=jnp.float32) / 255
    x = jnp.tile(grid.reshape(1, 16, 16, 1), (1, 1, 1, 3))
    np.testing.assert_array_equal(pairs.quantize(x), x)
    np.testing.assert_array_equal(np.round(255 * np.asarray(x[..., 0]).ravel()), np.arange(256))


@pytest.mark.parametrize("levels", [1, 7, 64])
def test_constant_offset(levels: int) -> None:
    value = peak.psnr(flat((100 + levels) / 255), flat(100 / 255))
    np.testing.assert_allclose(value, 20 * np.log10(255 / levels), atol=1e-3)


def test_what_an_8_bit_viewer_cannot_see_does_not_count() -> None:
    np.testing.assert_array_equal(peak.psnr(flat(100.3 / 255), flat(100 / 255)), peak.MAX_PSNR_DB)
    np.testing.assert_array_equal(peak.psnr(flat(1.8), flat(1.0)), peak.MAX_PSNR_DB)


def test_noise_of_known_variance() -> None:
    noise = 0.05 * np.random.default_rng(0).standard_normal((1, 200, 200, 3))
    target = flat(0.5, 200)
    # Rounding the noisy picture adds a twelfth of a level squared.
    value = peak.psnr(target + jnp.asarray(noise, jnp.float32), target)
    np.testing.assert_allclose(value, -10 * np.log10(0.05**2 + 1 / 12 / 255**2), atol=0.05)


def test_against_scikit_image_per_picture() -> None:
    rng = np.random.default_rng(1)
    target = rng.integers(0, 256, (3, 21, 17, 3))
    image = np.clip(target + rng.normal(0, [[[[3]]], [[[10]]], [[[40]]]], target.shape).round(), 0, 255)
    value = peak.psnr(jnp.asarray(image / 255, jnp.float32), jnp.asarray(target / 255, jnp.float32))
    twin = [peak_signal_noise_ratio(t.astype(np.uint8), i.astype(np.uint8)) for t, i in zip(target, image, strict=True)]
    np.testing.assert_allclose(value, twin, atol=1e-3)
    assert value[0] > value[1] > value[2]


def test_identical_pictures_score_the_stated_cap_with_a_finite_gradient() -> None:
    value, gradient = jax.value_and_grad(lambda x: peak.psnr(x, flat(0.3)).sum())(flat(0.3))
    assert value == peak.MAX_PSNR_DB == 100.0
    assert np.all(np.isfinite(gradient))


def test_psnr_of_the_mean_error_is_another_number_and_never_larger() -> None:
    rng = np.random.default_rng(2)
    target = jnp.asarray(rng.random((4, 16, 16, 3)), jnp.float32)
    noise = rng.standard_normal(target.shape) * np.array([0.01, 0.03, 0.1, 0.3]).reshape(4, 1, 1, 1)
    image = target + jnp.asarray(noise, jnp.float32)
    errors = peak.mse_uint8(image, target)
    pooled = peak.psnr_of_mean_mse(errors)
    np.testing.assert_allclose(pooled, -10 * np.log10(np.mean(np.asarray(errors, np.float64))), atol=1e-4)
    assert pooled < jnp.mean(peak.psnr(image, target)) - 3.0


def test_registry_and_shapes() -> None:
    assert set(METRICS) == {"psnr", "ssim", "ms_ssim", "vsi", "mse"}
    with pytest.raises(ValueError, match=r"\(1, 8, 8, 3\).*\(1, 9, 9, 3\)"):
        inspect.unwrap(peak.psnr)(flat(0.1), flat(0.1, 9))


@pytest.mark.parametrize("module", [pairs, peak])
def test_docstring_examples(module) -> None:
    result = doctest.testmod(module)
    assert result.attempted >= 1
    assert result.failed == 0
