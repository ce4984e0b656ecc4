"""Visual-saliency-induced index (VSI).

With saliency maps V (`metrics/saliency.py`), Scharr gradient magnitudes G of L, and chromatic channels M and N of

    L = 0.06 R + 0.63 G + 0.27 B,    M = 0.30 R + 0.04 G - 0.35 B,    N = 0.34 R - 0.60 G + 0.17 B    (R, G, B in 0-255)

    s(p, q; C) = (2 p q + C) / (p^2 + q^2 + C)
    S   = s(V1, V2; C1) s(G1, G2; C2)^alpha [s(M1, M2; C3) s(N1, N2; C3)]^beta,        W = max(V1, V2)
    VSI = sum(S W) / sum(W)

on maps averaged and subsampled by F = max(1, round(min(h, w) / 256)), with C1 = 1.27, C2 = 386, C3 = 130, alpha = 0.40,
beta = 0.020.

CHOICE: filters see zeros outside the picture; averaging windows sit around every F-th pixel from the first; a negative
product of chromatic similarities enters as the real part of its complex power; pictures without any saliency (one
colour each) are averaged with equal weights.

Source: Zhang, Shen, Li, "VSI: A visual saliency-induced index for perceptual image quality assessment", IEEE TIP
23(10), 2014, Sec. III, Eq. 4-9 and Table II.
"""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from semjax.metrics.pairs import check_pair
from semjax.metrics.saliency import saliency_map

C1 = 1.27
C2 = 386.0
C3 = 130.0
ALPHA = 0.40
BETA = 0.020

_RGB_TO_LMN = ((0.06, 0.63, 0.27), (0.30, 0.04, -0.35), (0.34, -0.60, 0.17))


def _subsample(x: Array, factor: int) -> Array:
    """Means of the `factor` x `factor` windows around every `factor`-th pixel, zeros outside."""
    before = (factor - 1) // 2
    counts = [-(-side // factor) for side in x.shape[1:3]]
    edges = [(before, n * factor - before - side, 0) for n, side in zip(counts, x.shape[1:3], strict=True)]
    x = jax.lax.pad(x, jnp.zeros((), x.dtype), [(0, 0, 0), *edges, (0, 0, 0)])
    blocks = x.reshape(x.shape[0], counts[0], factor, counts[1], factor, x.shape[-1])
    return jnp.mean(blocks, axis=(2, 4))


def _gradient_magnitude(x: Float[Array, "b h w 1"]) -> Float[Array, "b h w 1"]:
    p = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    down = (3 * p[:, :, :-2] + 10 * p[:, :, 1:-1] + 3 * p[:, :, 2:]) / 16
    right = (3 * p[:, :-2] + 10 * p[:, 1:-1] + 3 * p[:, 2:]) / 16
    squared = jnp.square(down[:, 2:] - down[:, :-2]) + jnp.square(right[:, :, 2:] - right[:, :, :-2])
    # In grey levels of 0-255: the floor is nothing, and keeps the slope at 0 finite.
    return jnp.sqrt(jnp.maximum(squared, 1e-12))


def _similarity(p: Array, q: Array, constant: float) -> Array:
    return (2 * p * q + constant) / (jnp.square(p) + jnp.square(q) + constant)


def _real_power(base: Array, exponent: float) -> Array:
    size = jnp.maximum(jnp.abs(base), 1e-12) ** exponent
    return jnp.where(base >= 0, size, size * math.cos(math.pi * exponent))


def _lmn_and_saliency(image: Float[Array, "b h w 3"], factor: int) -> Float[Array, "b i j 4"]:
    lmn = [sum(255.0 * weight * image[..., c] for c, weight in enumerate(row)) for row in _RGB_TO_LMN]
    stacked = jnp.concatenate([jnp.stack(lmn, axis=-1), saliency_map(image)], axis=-1)
    return _subsample(stacked, factor)


def vsi(image: Float[Array, "b h w 3"], target: Float[Array, "b h w 3"]) -> Float[Array, "b"]:
    """VSI of each picture.

    Args:
      image: reconstructions in [0, 1].
      target: originals in [0, 1], same shape.

    Returns:
      VSI per picture, `[b]`, at most 1; symmetric in its arguments.

    Raises:
      ValueError: the shapes differ.

    Reference: Zhang, Shen, Li 2014, Eq. 9.
    """
    check_pair(image, target)
    factor = max(1, math.floor(min(image.shape[1:3]) / 256 + 0.5))
    first, second = _lmn_and_saliency(image, factor), _lmn_and_saliency(target, factor)
    l1, m1, n1, v1 = jnp.split(first, 4, axis=-1)
    l2, m2, n2, v2 = jnp.split(second, 4, axis=-1)
    gradient = _similarity(_gradient_magnitude(l1), _gradient_magnitude(l2), C2)
    chroma = _similarity(m1, m2, C3) * _similarity(n1, n2, C3)
    score = _similarity(v1, v2, C1) * gradient**ALPHA * _real_power(chroma, BETA)
    weight = jnp.maximum(v1, v2)
    total = jnp.sum(weight, axis=(1, 2, 3))
    weighted = jnp.sum(score * weight, axis=(1, 2, 3)) / jnp.where(total > 0, total, 1.0)
    return jnp.where(total > 0, weighted, jnp.mean(score, axis=(1, 2, 3)))
