"""Maps of importance against loops over pixels, on sides that are no multiples of the stride, and their refusals."""

import doctest

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from semjax.importance import maps
from semjax.importance.base import ImportanceError
from semjax.importance.maps import (
    importance_map,
    object_scores,
    pixels_of,
    token_means,
    token_peaks,
    weight_map,
    weighted_token_peaks,
)

RNG = np.random.default_rng(0)
IMPORTANCE = RNG.random((2, 3, 4)).astype(np.float32)
IDS = RNG.integers(0, 3, (2, 7, 10)).astype(np.uint8)  # region 3 has no pixel
SCENARIO = np.array([2, 0], np.int32)
VALUES = RNG.random((2, 7, 10)).astype(np.float32)


def blocks_by_loop(values: np.ndarray, stride: int) -> np.ndarray:
    """[b, i, j, stride²]: the pixels of each token, border pixels standing in for what lies beyond."""
    b, h, w = values.shape
    i, j = -(-h // stride), -(-w // stride)
    out = np.empty((b, i, j, stride * stride), np.float64)
    for at in np.ndindex(i, j):
        rows = [min(at[0] * stride + k, h - 1) for k in range(stride)]
        columns = [min(at[1] * stride + k, w - 1) for k in range(stride)]
        out[:, at[0], at[1]] = [[values[n, r, c] for r in rows for c in columns] for n in range(b)]
    return out


def test_a_pixel_has_the_importance_of_its_region() -> None:
    expected = [[[IMPORTANCE[n, SCENARIO[n], IDS[n, y, x]] for x in range(10)] for y in range(7)] for n in range(2)]
    np.testing.assert_array_equal(jax.jit(importance_map)(IMPORTANCE, IDS, SCENARIO), np.array(expected))
    np.testing.assert_array_equal(weight_map(IMPORTANCE, IDS, SCENARIO), np.array(expected))


def test_what_there_is_not_becomes_nan() -> None:
    unknown = np.asarray(importance_map(IMPORTANCE, IDS, np.array([3, -1], np.int32)))
    assert np.isnan(unknown).all()
    ids = IDS.astype(np.int32).copy()
    ids[0, 0, 0], ids[1, 2, 3] = 4, -1
    told = np.asarray(importance_map(IMPORTANCE, ids, SCENARIO))
    np.testing.assert_array_equal(np.argwhere(np.isnan(told)), [[0, 0, 0], [1, 2, 3]])


@pytest.mark.parametrize("stride", [1, 2, 4])
def test_token_means_against_a_loop(stride: int) -> None:
    np.testing.assert_allclose(token_means(VALUES, stride), blocks_by_loop(VALUES, stride).mean(-1), rtol=1e-6)


@pytest.mark.parametrize("stride", [1, 2, 4])
def test_token_peaks_against_a_loop(stride: int) -> None:
    np.testing.assert_array_equal(token_peaks(VALUES, stride), blocks_by_loop(VALUES, stride).max(-1))


@pytest.mark.parametrize("stride", [2, 4])
def test_weighted_token_peaks_against_a_loop(stride: int) -> None:
    weight = (RNG.random(VALUES.shape) < 0.5).astype(np.float32)
    weight[0, :4, :4] = 0
    values = np.where(weight > 0, VALUES, np.nan)
    peaks = jax.jit(weighted_token_peaks, static_argnames="stride")(values, weight, stride=stride)
    np.testing.assert_array_equal(peaks.value, blocks_by_loop(np.where(weight > 0, VALUES, 0), stride).max(-1))
    np.testing.assert_allclose(peaks.weight, blocks_by_loop(weight, stride).mean(-1), rtol=1e-6)
    assert peaks.weight[0, 0, 0] == 0
    assert peaks.value[0, 0, 0] == 0


def test_a_failed_region_takes_no_part_in_a_token() -> None:
    values, weight = jnp.array([[[0.2, 0.9]]]), jnp.array([[[1.0, 0.0]]])
    assert float(weighted_token_peaks(values, weight, stride=2).value[0, 0, 0]) == pytest.approx(0.2)
    assert float(token_peaks(values, 2)[0, 0, 0]) == pytest.approx(0.9)


def test_pixels_of_repeats_and_is_undone_by_token_means() -> None:
    tokens = RNG.random((2, 2, 3)).astype(np.float32)
    pixels = np.asarray(pixels_of(tokens, stride=4, height=7, width=10))
    assert pixels.shape == (2, 7, 10)
    assert all(pixels[1, y, x] == tokens[1, y // 4, x // 4] for y in range(7) for x in range(10))
    np.testing.assert_allclose(token_means(pixels, 4), tokens, rtol=1e-6)


def test_object_scores_against_a_loop() -> None:
    scores = jax.jit(object_scores, static_argnums=2)(VALUES, IDS, 4)
    for n, r in np.ndindex(2, 4):
        inside = VALUES[n][IDS[n] == r]
        assert scores.count[n, r] == inside.size
        assert float(scores.value[n, r]) == pytest.approx(inside.mean() if inside.size else 0.0, rel=1e-5)
    assert not np.asarray(scores.count)[:, 3].any()


def test_refusals() -> None:
    with pytest.raises(ImportanceError, match=r"2x3 tokens at stride 4, not 2x2"):
        pixels_of(jnp.zeros((1, 2, 2)), stride=4, height=7, width=10)
    with pytest.raises(ImportanceError, match="stride = 0"):
        token_means(jnp.zeros((1, 2, 2)), 0)
    with pytest.raises(ImportanceError, match=r"\(1, 2, 2\).*\(1, 2, 3\)"):
        weighted_token_peaks(jnp.zeros((1, 2, 2)), jnp.zeros((1, 2, 3)), stride=2)


def test_examples() -> None:
    result = doctest.testmod(maps)
    assert result.attempted >= 4
    assert result.failed == 0
