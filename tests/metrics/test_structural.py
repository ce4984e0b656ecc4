"""SSIM against scikit-image, MS-SSIM against a float64 twin, and both against golden numbers."""

import functools
import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage
from skimage.metrics import structural_similarity

from semjax.metrics import METRICS, structural

# (seed, height, width, noise): SSIM and MS-SSIM of `textured_pair` in float64 by pytorch-msssim 1.0.0 under torch
# 2.13.0 (`ssim` and `ms_ssim` with data_range=1 and defaults otherwise).
GOLDEN = {
    (2, 192, 208, 0.1): (0.4602798351377439, 0.9209093295994418),
    (3, 192, 208, 0.3): (0.10820820985896094, 0.6938176436849613),
}


def textured_pair(seed: int, height: int, width: int, noise: float) -> tuple[np.ndarray, np.ndarray]:
    """A coloured wave with tiles and grain, and a noisy copy, both on the 8-bit grid, float64."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    waves = [0.5 + 0.3 * np.sin((i + 2) * x / 17 + i) * np.cos((3 - i) * y / 23) for i in range(3)]
    tiles = [0.15 * ((x // 16 + (i + 1) * (y // 24)) % 2 - 0.5) for i in range(3)]
    clean = np.stack(waves, -1) + np.stack(tiles, -1)
    clean = clean + 0.03 * rng.standard_normal(clean.shape)
    clean = np.round(np.clip(clean, 0, 1) * 255) / 255
    noisy = np.round(np.clip(clean + noise * rng.standard_normal(clean.shape), 0, 1) * 255) / 255
    return noisy, clean


def batch(*pictures: np.ndarray) -> jax.Array:
    return jnp.asarray(np.stack(pictures), jnp.float32)


def twin_factors(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Means of l cs and of cs of one channel, by two-dimensional correlation in float64."""
    bell = np.exp(-(np.arange(-5.0, 6.0) ** 2) / 4.5)
    window = np.outer(bell, bell) / bell.sum() ** 2

    def mean(z: np.ndarray) -> np.ndarray:
        return ndimage.correlate(z, window, mode="reflect")[5:-5, 5:-5]

    mx, my = mean(x), mean(y)
    cs = (2 * (mean(x * y) - mx * my) + 9e-4) / (mean(x * x) - mx**2 + mean(y * y) - my**2 + 9e-4)
    return float(np.mean((2 * mx * my + 1e-4) / (mx**2 + my**2 + 1e-4) * cs)), float(np.mean(cs))


def twin_ms_ssim(x: np.ndarray, y: np.ndarray) -> float:
    total = 0.0
    for c in range(3):
        p, q, logarithm = x[..., c], y[..., c], 0.0
        for scale, weight in enumerate([0.0448, 0.2856, 0.3001, 0.2363, 0.1333]):
            full, cs = twin_factors(p, q)
            logarithm += weight * np.log(full if scale == 4 else cs)
            # The mean of a pixel and its three predecessors, read at every second pixel.
            p, q = (ndimage.uniform_filter(z, 2)[1::2, 1::2] for z in (p, q))
        total += np.exp(logarithm) / 3
    return float(total)


def twin_map(noisy: np.ndarray, clean: np.ndarray) -> np.ndarray:
    """scikit-image's map where its padding plays no part."""
    full = structural_similarity(
        clean,
        noisy,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        data_range=1.0,
        channel_axis=-1,
        full=True,
    )[1]
    return full[5:-5, 5:-5]


def test_ssim_against_scikit_image_in_the_interior() -> None:
    pairs = [textured_pair(seed, 40, 33, noise) for seed, noise in [(5, 0.02), (6, 0.1), (7, 0.4)]]
    twin = np.stack([twin_map(noisy, clean) for noisy, clean in pairs])
    image, target = batch(*[p[0] for p in pairs]), batch(*[p[1] for p in pairs])
    np.testing.assert_allclose(structural.ssim_map(image, target), twin, atol=2e-4)
    value = structural.ssim(image, target)
    np.testing.assert_allclose(value, twin.mean((1, 2, 3)), atol=1e-5)
    assert value[0] > value[1] > value[2]


@functools.cache
def registered():
    """Both metrics as users call them, compiled once."""
    return jax.jit(lambda x, y: (METRICS["ssim"](x, y)[0], METRICS["ms_ssim"](x, y)[0]))


@pytest.mark.parametrize("case", GOLDEN)
def test_golden_numbers_of_pytorch_msssim(case: tuple[int, int, int, float]) -> None:
    noisy, clean = textured_pair(*case)
    image, target = batch(noisy), batch(clean)
    np.testing.assert_allclose(registered()(image, target), GOLDEN[case], atol=1e-5)


def test_ms_ssim_against_a_float64_twin_also_for_odd_sides() -> None:
    noisy, clean = textured_pair(8, 181, 179, 0.2)
    np.testing.assert_allclose(
        jax.jit(structural.ms_ssim)(batch(noisy), batch(clean)), twin_ms_ssim(noisy, clean), atol=2e-5
    )


def test_flat_pictures_have_the_luminance_term_alone() -> None:
    a, b = (batch(np.full((176, 176, 3), level)) for level in (0.2, 0.6))
    luminance = (2 * 0.2 * 0.6 + 1e-4) / (0.2**2 + 0.6**2 + 1e-4)
    np.testing.assert_allclose(jax.jit(structural.ssim)(a, b), luminance, atol=1e-4)
    np.testing.assert_allclose(value_and_slope("ms_ssim")(a, b)[0], luminance**0.1333, atol=1e-4)


@functools.cache
def value_and_slope(name: str):
    """One compiled value and gradient for the tests below."""
    metric = getattr(structural, name)
    return jax.jit(jax.value_and_grad(lambda image, target: metric(image, target)[0]))


@pytest.mark.parametrize("name", ["ssim", "ms_ssim"])
def test_monotone_in_noise_and_one_at_identity_with_finite_gradient(name: str) -> None:
    run = value_and_slope(name)
    pairs = [textured_pair(4, 176, 176, noise) for noise in (0.02, 0.08, 0.3)]
    value = [run(batch(noisy), batch(clean))[0] for noisy, clean in pairs]
    assert 1 > value[0] > value[1] > value[2] > 0
    one, gradient = run(batch(pairs[0][1]), batch(pairs[0][1]))
    np.testing.assert_allclose(one, 1.0, atol=1e-6)
    assert np.all(np.isfinite(gradient))


def test_an_inverted_picture_scores_zero_with_a_finite_gradient() -> None:
    _, clean = textured_pair(4, 176, 176, 0.1)
    value, gradient = value_and_slope("ms_ssim")(batch(1 - clean), batch(clean))
    assert value == 0.0
    assert np.all(np.isfinite(gradient))


def test_small_pictures_are_refused_by_size() -> None:
    small = jnp.zeros((1, 175, 300, 3))
    with pytest.raises(ValueError, match="176 pixels, got 175x300"):
        structural.ms_ssim(small, small)
    tiny = jnp.zeros((1, 10, 300, 3))
    with pytest.raises(ValueError, match="11x11 pixels, got 10x300"):
        structural.ssim(tiny, tiny)


def test_nothing_is_broadcast() -> None:
    with pytest.raises(ValueError, match=r"\(2, 176, 176, 3\).*\(1, 176, 176, 3\)"):
        inspect.unwrap(structural.ms_ssim)(jnp.zeros((2, 176, 176, 3)), jnp.zeros((1, 176, 176, 3)))
