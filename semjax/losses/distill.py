"""What a student of importance learns from: its teacher's map M over tokens, and the lengths that come of it.

    bce_distill  T² · mean_w BCE(p, M)                        p = sigmoid(z / T), z = logits
    soft_dice    1 − 2 Σ w p M / Σ w (p² + M²)
    rank_margin  max(0, margin − (mean_w k | important − mean_w k | the rest) / k_max)

`mean_w` is weighted by w: a token whose label failed has weight 0 and takes no part at all, neither in the value nor in
the gradient; that is not the same as importance 0, which pulls the student down. A picture without any weight costs 0.

Both are least where p = M, so it is p, at the same T, that is the student's importance; sigmoid(z) would be sharper
than M, in the same order. There `soft_dice` is 0, and `bce_distill` T² times the mean entropy of a graded M.

Source: G. Hinton et al., "Distilling the knowledge in a neural network", arXiv 1503.02531, section 2 (T and its
square); dice with squares: F. Milletari et al., "V-Net", arXiv 1606.04797, section 3.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

TOLERANCE = 1e-4
"""A mean of equal numbers may be rounded to below them."""


def bce_distill(
    logits: Float[Array, "b h w"],
    target: Float[Array, "b h w"],
    weight: Float[Array, "b h w"],
    *,
    temperature: float | int = 2.0,
) -> Float[Array, "b"]:
    """Cross entropy of softened logits against graded importance.

    Args:
      logits: the student's.
      target: importance M of each token, in [0, 1]; of no effect where the weight is 0.
      weight: of each token, 0 or more, of any scale.
      temperature: T; softens the logits, and T² keeps the gradient's size.

    Returns:
      loss per picture, `[b]`, in nats; 0 where nothing has weight.

    Raises:
      ValueError: the shapes differ, or `temperature` is not positive.

    >>> bce_distill(jnp.zeros((1, 1, 1)), jnp.ones((1, 1, 1)), jnp.ones((1, 1, 1)), temperature=1)
    Array([0.6931472], dtype=float32)
    """
    _check_temperature(temperature)
    _check("logits", logits, target=target, weight=weight)
    logits, target = _told(logits, weight) / temperature, _told(target, weight)
    # BCE(sigmoid(z), M) = log(1 + exp(z)) − M z
    cost = temperature**2 * (jax.nn.softplus(logits) - target * logits)
    return _mean(cost, weight)[0]


def soft_dice(
    logits: Float[Array, "b h w"],
    target: Float[Array, "b h w"],
    weight: Float[Array, "b h w"],
    *,
    temperature: float | int = 2.0,
) -> Float[Array, "b"]:
    """How far the student's map is from covering what matters, whatever share of the picture that is.

    Args:
      logits: the student's.
      target: importance M of each token, in [0, 1]; of no effect where the weight is 0.
      weight: of each token, 0 or more, of any scale.
      temperature: T, as in `bce_distill`.

    Returns:
      loss per picture, `[b]`, in [0, 1]; 0 where p = M, and where nothing has weight.

    Raises:
      ValueError: the shapes differ, or `temperature` is not positive.

    >>> soft_dice(jnp.full((1, 1, 2), -99.0), jnp.ones((1, 1, 2)), jnp.ones((1, 1, 2)))
    Array([1.], dtype=float32)
    """
    _check_temperature(temperature)
    _check("logits", logits, target=target, weight=weight)
    p, m = jax.nn.sigmoid(_told(logits, weight) / temperature), _told(target, weight)
    apart = jnp.sum(weight * jnp.square(p - m), axis=(1, 2))
    whole = jnp.sum(weight * (jnp.square(p) + jnp.square(m)), axis=(1, 2))
    # Σ w (p − M)² / Σ w (p² + M²) is the same number, and exactly 0 where p = M.
    return apart / jnp.where(whole > 0, whole, 1.0)


def rank_margin(
    lengths: Float[Array, "b h w"],
    target: Float[Array, "b h w"],
    weight: Float[Array, "b h w"],
    *,
    margin: float | int,
    longest: float | int,
    threshold: float | int = 0.6,
) -> Float[Array, "b"]:
    """How much important tokens fall short of being longer, on average, than the rest by a margin.

    Args:
      lengths: k of each token, real dimensions; soft ones, as hard ones have no gradient.
      target: importance M of each token, in [0, 1]; of no effect where the weight is 0.
      weight: of each token, 0 or more, of any scale.
      margin: wanted difference, as a share of `longest`.
      longest: k_max.
      threshold: importance from which on a token is important.

    Returns:
      loss per picture, `[b]`; 0 where one of the two groups has no weight.

    Raises:
      ValueError: the shapes differ, or `longest` is not positive.

    >>> rank_margin(jnp.array([[[3.0, 1.0]]]), jnp.array([[[1.0, 0.1]]]), jnp.ones((1, 1, 2)), margin=0.5, longest=8)
    Array([0.25], dtype=float32)
    """
    if longest <= 0:
        raise ValueError(f"longest = {longest} must be above 0")
    _check("lengths", lengths, target=target, weight=weight)
    important = _told(target, weight) >= threshold - TOLERANCE
    lengths = _told(lengths, weight)
    high, weight_high = _mean(lengths, weight * important)
    rest, weight_rest = _mean(lengths, weight * ~important)
    short = jax.nn.relu(margin - (high - rest) / longest)
    return jnp.where((weight_high > 0) & (weight_rest > 0), short, 0.0)


def _told(values: Array, weight: Array) -> Array:
    """Values where they have weight; elsewhere 0, also for the gradient."""
    return jnp.where(weight > 0, values, 0.0)


def _mean(values: Array, weight: Array) -> tuple[Array, Array]:
    """Weighted mean per picture, 0 without weight; and the weight."""
    total = jnp.sum(weight, axis=(1, 2))
    return jnp.sum(weight * values, axis=(1, 2)) / jnp.where(total > 0, total, 1.0), total


def _check_temperature(temperature: float | int) -> None:
    if temperature <= 0:
        raise ValueError(f"temperature = {temperature} must be above 0")


def _check(name: str, values: Array, **others: Array) -> None:
    if values.ndim != 3:
        raise ValueError(f"{name} have shape {values.shape}; expected maps over tokens, [b, h, w]")
    for other, array in others.items():
        if array.shape != values.shape:
            raise ValueError(
                f"{other} has shape {array.shape} but {name} have shape {values.shape}; nothing is broadcast here: "
                "bring all to one [b, h, w] shape"
            )
