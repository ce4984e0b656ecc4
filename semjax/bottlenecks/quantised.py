"""Quantised latents: noise in training, rounding in evaluation, and what a Gaussian belief about them costs.

A latent y is believed to be N(mu, sigma^2). Rounded about its mean, or with uniform noise u in its place, it costs

    bits(x) = -log2 P(x),    P(x) = Phi((x - mu + 1/2) / sigma) - Phi((x - mu - 1/2) / sigma),

at x = round(y - mu) + mu, where P is a probability that a range coder can use, or at x = y + u with u in (-1/2, 1/2),
where P is the density of y + u. On average over where the mean lies between two integers both are equal.

With v = |x - mu|, a = (v - 1/2) / sigma and c = (v + 1/2) / sigma, P = (erfc(a / sqrt 2) - erfc(c / sqrt 2)) / 2: both
terms are small where P is, so nothing cancels in single precision but for wide sigma, where the relative error of P is
about sigma * 1e-7.

Bounds: sigma >= 0.11, and P >= 1e-9, so a latent costs at most 29.9 bits. Gradients pass a bound where they would lead
back over it (`at_least`).
CHOICE: from a = 6.1 on, where P < 1e-9 whatever sigma is and single precision would soon have no slope left, the slope
is that of -6.1 a for ln P: a latent far out is drawn back with a steady force, neither lost nor thrown.

Source: J. Ballé, D. Minnen, S. Singh, S. J. Hwang, N. Johnston, "Variational image compression with a scale
hyperprior", arXiv 1802.01436, sections 2 and 3.
"""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

LEAST_SIGMA = 0.11
"""Below it a latent at its mean is certain to 5e-6; usual in the literature."""

LEAST_PROBABILITY = 1e-9
_LOG_LEAST = math.log(LEAST_PROBABILITY)
_FAR = 6.1  # 1 - Phi(6.1) = 5.3e-10


def at_least(x: Float[Array, "*n"], bound: float) -> Float[Array, "*n"]:
    """The larger of x and a bound; below the bound only gradients pass that raise x (under descent).

    Args:
      x: any shape.
      bound: a number.

    Returns:
      max(x, bound).
    """
    return _at_least(x, bound)


def _raised(x: Array, bound: float) -> Array:
    return jnp.maximum(x, bound)


def _raised_and_which(x: Array, bound: float) -> tuple[Array, Array]:
    return jnp.maximum(x, bound), x >= bound


def _passed(bound: float, above: Array, cotangent: Array) -> tuple[Array]:
    del bound
    return (jnp.where(above | (cotangent < 0), cotangent, 0.0),)


_at_least: Callable[[Array, float], Array] = jax.custom_vjp(_raised, nondiff_argnums=(1,))
_at_least.defvjp(_raised_and_which, _passed)


def bits_of(log_p: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """Bits of natural logarithms of probabilities, with P >= 1e-9.

    Args:
      log_p: ln P, any shape.

    Returns:
      -log2 P, at most 29.9.
    """
    return -at_least(log_p, _LOG_LEAST) / math.log(2.0)


def noised(y: Float[Array, "*n"], noise: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """Training's stand-in for rounding: y + noise.

    Args:
      y: latents.
      noise: uniform in (-1/2, 1/2), of the same shape.

    Returns:
      Noisy latents.

    Raises:
      ValueError: for noise of another shape.
    """
    if y.shape != noise.shape:
        raise ValueError(f"noised: latents {y.shape} and noise {noise.shape} must have the same shape")
    return y + noise


def rounded(y: Float[Array, "*n"], mu: Float[Array, "*n"] | float) -> Float[Array, "*n"]:
    """Latents rounded about their means: integers from mu; no gradient to y, for evaluation.

    Args:
      y: latents.
      mu: the means, of the same shape, or one number.

    Returns:
      round(y - mu) + mu.
    """
    return jnp.round(y - mu) + mu


def gaussian_bits(y: Float[Array, "*n"], *, mu: Float[Array, "*n"], sigma: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """Bits of quantised latents that are believed to be Gaussian; see the module's docstring.

    Args:
      y: `noised` or `rounded` latents.
      mu: means.
      sigma: standard deviations; below 0.11 they count as 0.11.

    Returns:
      Bits of each latent, 0 to 29.9.
    """
    sigma = at_least(sigma, LEAST_SIGMA)
    away = jnp.abs(y - mu)
    near, far = (away - 0.5) / sigma, (away + 0.5) / sigma
    upper = jax.lax.erfc(jnp.minimum(near, _FAR) / math.sqrt(2.0))
    probability = 0.5 * (upper - jax.lax.erfc(far / math.sqrt(2.0)))
    inside = jnp.log(at_least(probability, LEAST_PROBABILITY))
    return bits_of(jnp.where(near > _FAR, _LOG_LEAST - _FAR * (near - _FAR), inside))
