"""Importance of regions, pixels and tokens: the ways from one to the others. Pure functions.

With M the importance of region r under scenario s, and id(p) the region of pixel p,

    pixel   M_p = M[s, id(p)]
    token   M_t = max_{p in t, w_p > 0} M_p,     w_t = mean over the stride² pixels of t of w_p
    object  O_r = mean over id(p) = r of a map

A token is as important as the most important thing that it shows a part of. CHOICE: the mean over its pixels would give
the edges of what matters less than they need.

A pixel whose label failed has weight 0: it says nothing, which is not importance 0. Pictures whose sides are no
multiples of the stride are continued by their last row and column. A region or scenario that there is not cannot be
refused inside `jit`: its pixels become NaN, so that it shows; `check_scenarios` of `embedding` refuses it beforehand.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Integer

from semjax.importance.base import ImportanceError
from semjax.types import struct


@struct
class TokenPeaks:
    """Largest value of each token's pixels, and the mean of their weights: where that is 0, `value` is 0 and void."""

    value: Float[Array, "b h w"]
    weight: Float[Array, "b h w"]


@struct
class ObjectScores:
    """Mean of a map within each region, and its number of pixels: where that is 0, `value` is 0 and void."""

    value: Float[Array, "b m"]
    count: Int[Array, "b m"]


def importance_map(
    importance: Float[Array, "b s m"], ids: Integer[Array, "b h w"], scenario: Integer[Array, "b"]
) -> Float[Array, "b h w"]:
    """The importance of each pixel under the chosen scenario: that of its region.

    Args:
      importance: of each region under each scenario, in [0, 1].
      ids: region of each pixel.
      scenario: which one, for each picture.

    Returns:
      Importance M of each pixel; NaN where there is no such region or scenario.

    >>> importance_map(jnp.array([[[0.1, 0.8]]]), jnp.array([[[0, 1]]]), jnp.array([0]))
    Array([[[0.1, 0.8]]], dtype=float32)
    """
    return _of_regions(importance, ids, scenario)


def weight_map(
    weight: Float[Array, "b s m"], ids: Integer[Array, "b h w"], scenario: Integer[Array, "b"]
) -> Float[Array, "b h w"]:
    """The weight of each pixel's label under the chosen scenario: that of its region.

    Args:
      weight: of the labels, 0 where they failed or are missing (`semjax.store.record.label_weight`).
      ids: region of each pixel.
      scenario: which one, for each picture.

    Returns:
      Weight of each pixel; NaN where there is no such region or scenario.
    """
    return _of_regions(weight, ids, scenario)


def token_means(values: Float[Array, "b h w"], stride: int) -> Float[Array, "b i j"]:
    """The mean of a map over each token's stride x stride pixels.

    Args:
      values: of each pixel.
      stride: pixels per side of a token.

    Returns:
      [b, ceil(h / stride), ceil(w / stride)].

    >>> token_means(jnp.array([[[0.0, 1.0, 0.5]]]), 2)
    Array([[[0.5, 0.5]]], dtype=float32)
    """
    return jnp.mean(_blocks(values, stride), axis=(2, 4))


def token_peaks(values: Float[Array, "b h w"], stride: int) -> Float[Array, "b i j"]:
    """The largest value of a map over each token's stride x stride pixels; arguments as of `token_means`.

    >>> token_peaks(jnp.array([[[0.0, 1.0, 0.5]]]), 2)
    Array([[[1. , 0.5]]], dtype=float32)
    """
    return jnp.max(_blocks(values, stride), axis=(2, 4))


def weighted_token_peaks(values: Float[Array, "b h w"], weight: Float[Array, "b h w"], *, stride: int) -> TokenPeaks:
    """The largest value of a map over those of each token's pixels that have a weight, and each token's weight.

    Args:
      values: of each pixel, 0 or more; what stands where the weight is 0 does not matter, not even NaN.
      weight: of each pixel, 0 or more.
      stride: pixels per side of a token.

    Returns:
      Values and weights, each [b, ceil(h / stride), ceil(w / stride)].

    Raises:
      ImportanceError: the two maps differ in shape.

    >>> weighted_token_peaks(jnp.array([[[0.8, 0.9]]]), jnp.array([[[1.0, 0.0]]]), stride=2).value
    Array([[[0.8]]], dtype=float32)
    """
    if values.shape != weight.shape:
        raise ImportanceError(f"the map has shape {values.shape} but its weights have shape {weight.shape}")
    told = jnp.where(weight > 0, values, 0.0)
    return TokenPeaks(value=token_peaks(told, stride), weight=token_means(weight, stride))


def pixels_of(tokens: Float[Array, "b i j"], *, stride: int, height: int, width: int) -> Float[Array, "b h w"]:
    """A map of tokens as a map of pixels, each token's value repeated over its pixels.

    Args:
      tokens: one value each.
      stride: pixels per side of a token.
      height, width: of the picture.

    Returns:
      [b, height, width].

    Raises:
      ImportanceError: a picture of that size has another number of tokens.
    """
    grid = (-(-height // stride), -(-width // stride))
    if tokens.shape[1:] != grid:
        raise ImportanceError(
            f"a picture of {height}x{width} pixels has {grid[0]}x{grid[1]} tokens at stride {stride}, "
            f"not {tokens.shape[1]}x{tokens.shape[2]}"
        )
    return jnp.repeat(jnp.repeat(tokens, stride, axis=1), stride, axis=2)[:, :height, :width]


def object_scores(values: Float[Array, "b h w"], ids: Integer[Array, "b h w"], regions: int) -> ObjectScores:
    """The mean of a map within each region.

    Args:
      values: of each pixel.
      ids: region of each pixel.
      regions: m; pixels of regions from m on do not count.

    Returns:
      Means and numbers of pixels, each [b, regions].

    >>> object_scores(jnp.array([[[0.2, 0.4, 0.9]]]), jnp.array([[[0, 0, 2]]]), 3).count
    Array([[2, 0, 1]], dtype=int32)
    """
    inside = ids[:, None] == jnp.arange(regions)[:, None, None]
    count = jnp.sum(inside, axis=(2, 3), dtype=jnp.int32)
    total = jnp.sum(jnp.where(inside, values[:, None], 0.0), axis=(2, 3))
    return ObjectScores(value=total / jnp.maximum(count, 1), count=count)


def region_values(values: Float[Array, "b m"], ids: Integer[Array, "b h w"]) -> Float[Array, "b h w"]:
    """The value of each pixel's region; NaN where there is no such region."""
    at = _index(ids, values.shape[1]).reshape(ids.shape[0], -1)
    return jnp.take_along_axis(values, at, axis=1, mode="fill", fill_value=jnp.nan).reshape(ids.shape)


def scenario_rows(values: Float[Array, "b s m"], scenario: Integer[Array, "b"]) -> Float[Array, "b m"]:
    """The row of each picture's scenario; NaN where there is no such scenario."""
    at = _index(scenario, values.shape[1])[:, None, None]
    return jnp.take_along_axis(values, at, axis=1, mode="fill", fill_value=jnp.nan)[:, 0]


def _of_regions(values: Array, ids: Array, scenario: Array) -> Array:
    return region_values(scenario_rows(values, scenario), ids)


def _index(index: Array, size: int) -> Array:
    """Indices as they are, except that negative ones lie beyond the end, where they would otherwise count from it."""
    index = index.astype(jnp.int32)
    return jnp.where(index < 0, size, index)


def _blocks(values: Array, stride: int) -> Array:
    """[b, i, stride, j, stride]."""
    if stride < 1:
        raise ImportanceError(f"stride = {stride} must be at least 1 pixel")
    b, h, w = values.shape
    i, j = -(-h // stride), -(-w // stride)
    padded = jnp.pad(values, ((0, 0), (0, i * stride - h), (0, j * stride - w)), mode="edge")
    return padded.reshape(b, i, stride, j, stride)
