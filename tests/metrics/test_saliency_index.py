"""VSI and its saliency against a float64 twin written from the papers, and golden numbers."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import signal

from semjax.metrics import METRICS, saliency, vsi

# (seed, noise): VSI of `textured_pair` at 256x256 in float64 by piq 0.8.0 under torch 2.13.0. At this size neither side
# resizes, so interpolation cannot differ.
GOLDEN = {(0, 0.05): 0.9654231301381883, (1, 0.15): 0.847191463337241}

SCORE = jax.jit(vsi)
SALIENCY = jax.jit(saliency.saliency_map)


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


def twin_resize(x: np.ndarray, height: int, width: int) -> np.ndarray:
    """Triangle interpolation, widened when shrinking; weights outside the picture are dropped."""
    for axis, size in [(0, height), (1, width)]:
        scale = x.shape[axis] / size
        centre = (np.arange(size) + 0.5) * scale - 0.5
        weight = np.maximum(0, 1 - np.abs(centre[:, None] - np.arange(x.shape[axis])) / max(scale, 1))
        x = np.moveaxis(np.tensordot(weight / weight.sum(1, keepdims=True), x, (1, axis)), 0, axis)
    return x


def twin_lab(rgb: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    r, g, b = np.moveaxis(np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4), -1, 0)
    x = (0.4124564 * r + 0.3575761 * g + 0.1804375 * b) / 0.9642
    y = 0.2126729 * r + 0.7151522 * g + 0.0721750 * b
    z = (0.0193339 * r + 0.1191920 * g + 0.9503041 * b) / 0.8251
    fx, fy, fz = (np.where(t > 0.008856, np.cbrt(t), (903.3 * t + 16) / 116) for t in (x, y, z))
    return 116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)


def unit(x: np.ndarray) -> np.ndarray:
    return (x - x.min()) / (x.max() - x.min())


def twin_saliency(rgb: np.ndarray) -> np.ndarray:
    lab = twin_lab(twin_resize(rgb, 256, 256))
    u, v = np.meshgrid((np.arange(256) - 128) / 256, (np.arange(256) - 128) / 256)
    radius = np.sqrt(u**2 + v**2)
    radius[128, 128] = 1.0
    gabor = np.exp(-(np.log(radius / 0.021) ** 2) / (2 * 1.34**2)) * (radius <= 0.5)
    bands = [np.fft.ifft2(np.fft.ifftshift(np.fft.fftshift(np.fft.fft2(c)) * gabor)).real for c in lab]
    frequency = np.sqrt(sum(band**2 for band in bands))
    rows, columns = np.mgrid[1:257, 1:257]
    place = np.exp(-((rows - 128) ** 2 + (columns - 128) ** 2) / 145**2)
    warm = 1 - np.exp(-(unit(lab[1]) ** 2 + unit(lab[2]) ** 2) / 0.001**2)
    return unit(twin_resize(frequency * place * warm, *rgb.shape[:2]))


def twin_planes(rgb: np.ndarray) -> list[np.ndarray]:
    """Saliency, gradient magnitude of L, M and N, each averaged and subsampled."""
    r, g, b = np.moveaxis(255 * rgb, -1, 0)
    lum, m, n = 0.06 * r + 0.63 * g + 0.27 * b, 0.3 * r + 0.04 * g - 0.35 * b, 0.34 * r - 0.6 * g + 0.17 * b
    factor = max(1, int(np.floor(min(rgb.shape[:2]) / 256 + 0.5)))
    box = np.ones((factor, factor)) / factor**2

    def small(x: np.ndarray) -> np.ndarray:
        # The central part of the full convolution begins at floor(factor / 2).
        start = factor // 2
        full = signal.convolve2d(x, box)
        return full[start : start + x.shape[0], start : start + x.shape[1]][::factor, ::factor]

    scharr = np.array([[3, 0, -3], [10, 0, -10], [3, 0, -3]]) / 16
    lum = small(lum)
    gradient = np.hypot(signal.convolve2d(lum, scharr, "same"), signal.convolve2d(lum, scharr.T, "same"))
    return [small(twin_saliency(rgb)), gradient, small(m), small(n)]


def twin_vsi(x: np.ndarray, y: np.ndarray) -> float:
    constants = [1.27, 386.0, 130.0, 130.0]
    one, two = twin_planes(x), twin_planes(y)
    v, g, m, n = ((2 * p * q + c) / (p * p + q * q + c) for p, q, c in zip(one, two, constants, strict=True))
    score = v * g**0.4 * np.real((m * n).astype(complex) ** 0.02)
    return float(np.average(score, weights=np.maximum(one[0], two[0])))


@pytest.mark.parametrize("case", GOLDEN)
def test_golden_numbers_of_piq(case: tuple[int, float]) -> None:
    noisy, clean = textured_pair(case[0], 256, 256, case[1])
    np.testing.assert_allclose(jax.jit(METRICS["vsi"])(batch(noisy), batch(clean)), GOLDEN[case], atol=2e-5)


@pytest.mark.parametrize("size", [(64, 80), (384, 397), (641, 645)])
def test_against_a_float64_twin_at_every_subsampling(size: tuple[int, int]) -> None:
    noisy, clean = textured_pair(2, *size, 0.1)
    value = SCORE(batch(noisy), batch(clean))
    np.testing.assert_allclose(value, twin_vsi(noisy, clean), atol=2e-5)


def test_opposite_colours_take_the_real_part_of_the_power() -> None:
    _, clean = textured_pair(3, 64, 80, 0.0)
    opposite = clean[..., [2, 0, 1]]
    planes = [twin_planes(x) for x in (clean, opposite)]
    assert np.min((2 * planes[0][2] * planes[1][2] + 130) * (2 * planes[0][3] * planes[1][3] + 130)) < 0
    np.testing.assert_allclose(SCORE(batch(opposite), batch(clean)), twin_vsi(opposite, clean), atol=2e-5)


def test_saliency_against_the_twin() -> None:
    _, clean = textured_pair(4, 64, 80, 0.0)
    np.testing.assert_allclose(SALIENCY(batch(clean))[0, ..., 0], twin_saliency(clean), atol=2e-3)


def test_monotone_in_noise_symmetric_and_one_at_identity() -> None:
    pairs = [[batch(x) for x in textured_pair(5, 64, 80, noise)] for noise in (0.02, 0.08, 0.3)]
    value = [SCORE(*pair)[0] for pair in pairs]
    assert 1 > value[0] > value[1] > value[2] > 0
    image, target = pairs[1]
    np.testing.assert_allclose(SCORE(target, image), value[1], atol=1e-6)
    np.testing.assert_allclose(SCORE(target, target), 1.0, atol=1e-6)


@functools.cache
def value_and_slope():
    """One compiled value and gradient for the kinds of picture below."""
    return jax.jit(jax.value_and_grad(lambda image, target: vsi(image, target)[0]))


@pytest.mark.parametrize("kind", ["textured", "flat", "black"])
def test_gradient_is_finite_at_identical_pictures(kind: str) -> None:
    pictures = {"textured": textured_pair(6, 48, 48, 0.0)[1], "flat": np.full((48, 48, 3), 0.4)}
    target = batch(pictures.get(kind, np.zeros((48, 48, 3))))
    value, gradient = value_and_slope()(target, target)
    np.testing.assert_allclose(value, 1.0, atol=1e-6)
    assert np.all(np.isfinite(gradient))


def test_pictures_without_saliency_are_compared_all_the_same() -> None:
    a, b = batch(np.full((64, 80, 3), 0.2)), batch(np.full((64, 80, 3), [0.0, 0.0, 1.0]))
    np.testing.assert_array_equal(SALIENCY(a), 0.0)
    value = SCORE(a, b)
    assert np.all(np.isfinite(value))
    assert value[0] < 0.99


def test_a_neighbour_in_the_batch_changes_nothing() -> None:
    pairs = [textured_pair(seed, 64, 80, 0.1) for seed in (7, 8)]
    both = SCORE(batch(*[p[0] for p in pairs]), batch(*[p[1] for p in pairs]))
    alone = SCORE(batch(pairs[1][0]), batch(pairs[1][1]))
    np.testing.assert_allclose(both[1], alone[0], atol=1e-6)
