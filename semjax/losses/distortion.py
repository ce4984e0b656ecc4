"""Distances between a reconstruction and its original, one number per picture.

    mse          mean (x - y)^2                         l1           mean |x - y|
    weighted_mse mean over p of w_p |x_p - y_p|^2 / 3,  w scaled to mean 1 per picture
    charbonnier  mean (sqrt((x - y)^2 + eps^2) - eps)   ssim_loss    1 - SSIM

Nothing is clipped, rounded, weighted or summed over pictures here; shapes must agree exactly.

Sources: SSIM, Wang et al., IEEE TIP 13(4), 2004; Charbonnier et al., ICIP 1994.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

from semjax.metrics.pairs import check_map, check_pair
from semjax.metrics.structural import ssim


def mse(image: Float[Array, "b h w 3"], target: Float[Array, "b h w 3"]) -> Float[Array, "b"]:
    """Mean squared error.

    Args:
      image: reconstructions; not clipped.
      target: originals, same shape.

    Returns:
      loss per picture, `[b]`, in units of the [0, 1] range squared.

    Raises:
      ValueError: the shapes differ.

    >>> mse(jnp.zeros((1, 2, 2, 3)), jnp.full((1, 2, 2, 3), 0.5))
    Array([0.25], dtype=float32)
    """
    check_pair(image, target)
    return jnp.mean(jnp.square(image - target), axis=(1, 2, 3))


def l1(image: Float[Array, "b h w 3"], target: Float[Array, "b h w 3"]) -> Float[Array, "b"]:
    """Mean absolute error.

    Args:
      image: reconstructions; not clipped.
      target: originals, same shape.

    Returns:
      loss per picture, `[b]`, in units of the [0, 1] range.

    Raises:
      ValueError: the shapes differ.

    >>> l1(jnp.zeros((1, 2, 2, 3)), jnp.full((1, 2, 2, 3), 0.5))
    Array([0.5], dtype=float32)
    """
    check_pair(image, target)
    return jnp.mean(jnp.abs(image - target), axis=(1, 2, 3))


def importance_weights(importance: Float[Array, "b h w"], alpha: float | int) -> Float[Array, "b h w"]:
    """Pixel weights `(1 + alpha M) / mean(1 + alpha M)` from importance M.

    Args:
      importance: importance M of each pixel in [0, 1], `[b, h, w]`.
      alpha: how much more a pixel of importance 1 counts than one of importance 0, minus 1; 0 weighs all alike.

    Returns:
      weights `[b, h, w]` of mean 1 in each picture.

    Raises:
      ValueError: `alpha` is negative.

    >>> importance_weights(jnp.array([[[1.0, 0.0]]]), 2.0)
    Array([[[1.5, 0.5]]], dtype=float32)
    """
    if alpha < 0:
        raise ValueError(f"alpha = {alpha} would give important pixels less weight; it must be 0 or more")
    weight = 1.0 + alpha * importance
    return weight / jnp.mean(weight, axis=(1, 2), keepdims=True)


def weighted_mse(
    image: Float[Array, "b h w 3"], target: Float[Array, "b h w 3"], weight: Float[Array, "b h w"]
) -> Float[Array, "b"]:
    """Mean squared error with a weight per pixel.

    Args:
      image: reconstructions; not clipped.
      target: originals, same shape.
      weight: non-negative weight of each pixel, `[b, h, w]`, of any scale: it is brought to mean 1 in each picture.

    Returns:
      loss per picture, `[b]`; 0 for a picture whose weights are all 0.

    Raises:
      ValueError: the shapes do not fit together.

    >>> weighted_mse(jnp.zeros((1, 1, 2, 3)), jnp.ones((1, 1, 2, 3)), jnp.array([[[2.0, 5.0]]]))
    Array([1.], dtype=float32)
    """
    check_pair(image, target)
    check_map(image, name="weight", values=weight)
    mean = jnp.mean(weight, axis=(1, 2))
    error = jnp.mean(jnp.square(image - target), axis=-1)
    return jnp.mean(weight * error, axis=(1, 2)) / jnp.where(mean > 0, mean, 1.0)


def charbonnier(
    image: Float[Array, "b h w 3"], target: Float[Array, "b h w 3"], *, epsilon: float | int = 1e-3
) -> Float[Array, "b"]:
    """A smooth absolute error: quadratic below `epsilon`, linear above.

    Args:
      image: reconstructions; not clipped.
      target: originals, same shape.
      epsilon: where the two regimes meet, in units of the [0, 1] range.

    Returns:
      loss per picture, `[b]`; 0 for identical pictures.

    Raises:
      ValueError: the shapes differ, or `epsilon` is not positive.

    Reference: Charbonnier et al., ICIP 1994; epsilon is taken off so that the minimum is 0.

    >>> charbonnier(jnp.zeros((1, 2, 2, 3)), jnp.full((1, 2, 2, 3), 3.0), epsilon=4.0)
    Array([1.], dtype=float32)
    """
    if epsilon <= 0:
        raise ValueError(f"epsilon = {epsilon} must be above 0: at 0 the slope at equal pixels is undefined; use l1")
    check_pair(image, target)
    return jnp.mean(jnp.sqrt(jnp.square(image - target) + epsilon**2) - epsilon, axis=(1, 2, 3))


def ssim_loss(image: Float[Array, "b h w 3"], target: Float[Array, "b h w 3"]) -> Float[Array, "b"]:
    """One minus SSIM (11x11 Gaussian window, per colour channel).

    Args:
      image: reconstructions; not clipped.
      target: originals, same shape.

    Returns:
      loss per picture, `[b]`; 0 for identical pictures.

    Raises:
      ValueError: the shapes differ, or a side is below 11 pixels.

    >>> ssim_loss(jnp.zeros((1, 11, 11, 3)), jnp.zeros((1, 11, 11, 3)))
    Array([0.], dtype=float32)
    """
    check_pair(image, target)
    return 1.0 - ssim(image, target)
