"""Each damage beside an independent computation, and all together: keyed per picture, some pictures untouched."""

import jax
import jax.numpy as jnp
import numpy as np
from scipy import fft, ndimage

from semjax.teachers.damage import FACTORS, blurred, cosines, damaged, faded, quantised, resampled

IMAGE = np.random.default_rng(0).random((24, 24, 3)).astype(np.float32)


def test_the_cosine_basis_is_the_usual_one():
    np.testing.assert_allclose(cosines(), fft.dct(np.eye(8), axis=0, norm="ortho"), atol=1e-6)


def test_quantised_blocks_are_those_of_scipy():
    step, ramp = 0.3, (1 + np.arange(8)[:, None] + np.arange(8)) / 4
    expected = np.zeros_like(IMAGE)
    for y in range(0, 24, 8):
        for x in range(0, 24, 8):
            spectrum = fft.dctn(IMAGE[y : y + 8, x : x + 8].astype(float), axes=(0, 1), norm="ortho")
            rounded = np.round(spectrum / (step * ramp[..., None])) * step * ramp[..., None]
            expected[y : y + 8, x : x + 8] = fft.idctn(rounded, axes=(0, 1), norm="ortho")
    found = np.asarray(quantised(jnp.asarray(IMAGE), jnp.asarray(step)))
    assert (np.abs(found - expected) < 1e-4).mean() > 0.9, "a coefficient half way may be rounded to either side"
    assert np.abs(found - IMAGE).max() > 0.1
    np.testing.assert_allclose(quantised(jnp.asarray(IMAGE), jnp.asarray(1e-4)), IMAGE, atol=1e-3)


def test_blur_is_a_normal_density():
    inner = np.s_[8:16, 8:16]
    expected = ndimage.gaussian_filter(IMAGE, (1.3, 1.3, 0), truncate=8)
    np.testing.assert_allclose(blurred(jnp.asarray(IMAGE), jnp.asarray(1.3))[inner], expected[inner], atol=1e-4)
    flat = jnp.full((16, 16, 3), 0.3)
    np.testing.assert_allclose(blurred(flat, jnp.asarray(3.0)), flat, atol=1e-6)


def test_down_and_up_keeps_ramps_and_loses_detail():
    ramp = jnp.broadcast_to(jnp.arange(24.0)[:, None, None], (24, 24, 3))
    for which, factor in enumerate(FACTORS):
        inner = np.s_[factor:-factor, factor:-factor]
        np.testing.assert_allclose(resampled(ramp, jnp.asarray(which))[inner], ramp[inner], atol=1e-4)
        squares = IMAGE.reshape(24 // factor, factor, 24 // factor, factor, 3).mean((1, 3))
        assert np.ptp(resampled(jnp.asarray(IMAGE), jnp.asarray(which))) <= np.ptp(squares) + 1e-5


def test_faded_keeps_the_mean_colour():
    found = faded(jnp.asarray(IMAGE), jnp.asarray(0.25))
    np.testing.assert_allclose(found.mean((0, 1)), IMAGE.mean((0, 1)), atol=1e-6)
    np.testing.assert_allclose(found.std((0, 1)), 0.25 * IMAGE.std((0, 1)), rtol=1e-4)


def test_a_third_stays_as_it_is_and_the_key_decides():
    images = jnp.broadcast_to(jnp.asarray(IMAGE), (400, 24, 24, 3))
    keys = jax.random.split(jax.random.key(0), 400)
    found = np.asarray(jax.jit(damaged)(images, keys))
    changes = np.abs(found - IMAGE).max((1, 2, 3))
    assert 0.25 < (changes < 1e-5).mean() < 0.45  # 0.3 and 0.7 * 0.6 ** 5 more: 0.354
    assert (changes > 0.5).mean() > 0.15
    np.testing.assert_array_equal(found[::-1], jax.jit(damaged)(images, keys[::-1]))
