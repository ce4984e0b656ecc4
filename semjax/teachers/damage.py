"""Damage to pictures, as channels and codecs do it: what the reader is trained to see through.

Each picture draws from its own key which damages it meets and how strong they are; about a third stay as they are.
In order: contrast, blur, a round trip through a smaller picture, quantised 8 x 8 cosine coefficients, noise. All are
linear along rows and columns, R picture Rᵀ, but for the quantisation and the noise:

    blur          rows of a normal density of standard deviation 0.4 to 3 pixels
    down and up   area averages of 2, 3, 4 or 6 pixels, then linear interpolation
    quantised     y = Dᵀ q round(D x Dᵀ / q) D, with steps q[u, v] growing with the frequency u + v
    noise         standard deviation 0.01 to 0.6, alike in all channels' values

CHOICE: the steps are a plain ramp, not the table of any standard: the artefacts, not one codec, are to be known.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from semjax.types import Image, Keys

BLOCK = 8
CHANCE = 0.4
"""Of each damage, in a picture that is damaged."""
UNTOUCHED = 0.3
FACTORS = (2, 3, 4, 6)
BLUR = (0.4, 3.0)
NOISE = (0.01, 0.6)
STEP = (0.02, 0.6)
CONTRAST = (0.25, 1.0)


def damaged(images: Image, keys: Keys) -> Image:
    """Damaged pictures; pure.

    Args:
      images: [b, h, w, 3] in [0, 1], with height and width multiples of 8.
      keys: one per picture.

    Returns:
      [b, h, w, 3], not clipped.
    """
    return jax.vmap(_damage)(images, keys)


def _damage(image: Array, key: Key[Array, ""]) -> Array:
    pick, strength, factor, noise = jax.random.split(key, 4)
    chance = jax.random.uniform(pick, (6,))
    on = (chance[:5] < CHANCE) & (chance[5] >= UNTOUCHED)
    amount = jax.random.uniform(strength, (4,))
    image = jnp.where(on[0], faded(image, _between(CONTRAST, amount[0])), image)
    image = jnp.where(on[1], blurred(image, _between(BLUR, amount[1])), image)
    image = jnp.where(on[2], resampled(image, jax.random.randint(factor, (), 0, len(FACTORS))), image)
    image = jnp.where(on[3], quantised(image, _between(STEP, amount[2])), image)
    sigma = jnp.where(on[4], _between(NOISE, amount[3]), 0)
    return image + sigma * jax.random.normal(noise, image.shape)


def _between(bounds: tuple[float, float], share: Array) -> Array:
    """Uniform on a logarithmic scale."""
    low, high = bounds
    return low * (high / low) ** share


def faded(image: Float[Array, "h w 3"], contrast: Float[Array, ""]) -> Float[Array, "h w 3"]:
    """The picture's deviations from its mean colour times `contrast`."""
    mean = jnp.mean(image, axis=(0, 1))
    return mean + contrast * (image - mean)


def blurred(image: Float[Array, "h w 3"], sigma: Float[Array, ""]) -> Float[Array, "h w 3"]:
    """Convolved with a normal density of standard deviation `sigma` pixels, renormalised at the border."""

    def rows(n: int) -> Array:
        apart = jnp.arange(n)[:, None] - jnp.arange(n)
        weights = jnp.exp(-(apart**2) / (2 * sigma**2))
        return weights / jnp.sum(weights, axis=1, keepdims=True)

    return _along(rows(image.shape[0]), image, rows(image.shape[1]))


def resampled(image: Float[Array, "h w 3"], which: Array) -> Float[Array, "h w 3"]:
    """Averaged over squares of `FACTORS[which]` pixels and brought back by linear interpolation."""
    rows, columns = (jnp.asarray(np.stack([_round_trip(n, f) for f in FACTORS]))[which] for n in image.shape[:2])
    return _along(rows, image, columns)


def quantised(image: Float[Array, "h w 3"], step: Float[Array, ""]) -> Float[Array, "h w 3"]:
    """Cosine coefficients of 8 x 8 blocks rounded to multiples of step (1 + u + v) / 4."""
    height, width, _ = image.shape
    blocks = image.reshape(height // BLOCK, BLOCK, width // BLOCK, BLOCK, 3)
    basis = jnp.asarray(cosines())
    frequency = jnp.arange(BLOCK)
    steps = (step * (1 + frequency[:, None] + frequency) / 4)[None, :, None, :, None]
    spectrum = jnp.einsum("ui,aibjc,vj->aubvc", basis, blocks, basis)
    back = jnp.einsum("ui,aubvc,vj->aibjc", basis, jnp.round(spectrum / steps) * steps, basis)
    return back.reshape(image.shape)


def cosines() -> Float[np.ndarray, "8 8"]:
    """The orthonormal cosine basis, a row per frequency."""
    angle = np.pi / BLOCK * np.arange(BLOCK)[:, None] * (np.arange(BLOCK) + 0.5)
    basis = math.sqrt(2 / BLOCK) * np.cos(angle)
    basis[0] /= math.sqrt(2)
    return basis.astype(np.float32)


def _round_trip(n: int, factor: int) -> np.ndarray:
    """The n x n matrix of an area average over `factor` pixels (fewer at the end) and linear interpolation back."""
    cell = np.arange(n) // factor
    count = cell[-1] + 1
    down = (cell == np.arange(count)[:, None]) / np.bincount(cell)[:, None]
    place = np.clip((np.arange(n) + 0.5) / factor - 0.5, 0, count - 1)
    up = np.maximum(1 - np.abs(place[:, None] - np.arange(count)), 0)
    return (up @ down).astype(np.float32)


def _along(rows: Array, image: Array, columns: Array) -> Array:
    return jnp.einsum("ih,hwc,jw->ijc", rows, image, columns)
