"""Noise, its variance and the power rule: what every channel and every transmitter share.

    noise variance per complex use   sigma^2 = 10^(-snr_db / 10)          (average Es/N0, Es = 1)
    noise                            n ~ CN(0, sigma^2), half of the variance in each real dimension
    power rule                       mean over the used symbols of |s|^2 = 1, for every picture by itself

Every picture brings its own key. A channel derives one key per purpose from it by `jax.random.fold_in` with the slots
below, so the noise of a picture depends neither on the batch around it nor on the devices.
"""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float

from semjax.types import Keys, PerImage, Symbols, Used

GAIN, NOISE, PILOT = 0, 1, 2
"""Key slots inside a channel."""

SNR_LIMIT_DB = 100.0
"""SNRs beyond this, infinite ones too, count as this: sigma^2 stays between 1e-10 and 1e10."""

SILENCE = 1e-15
"""A picture whose largest symbol magnitude is below this has no power that could be normalised."""


def slot(keys: Keys, index: int) -> Keys:
    """Derives the keys of one purpose, one per picture."""
    return jax.vmap(lambda key: jax.random.fold_in(key, index))(keys)


def complex_normal(keys: Keys, shape: tuple[int, ...]) -> Complex[Array, "b ..."]:
    """Draws circular complex Gaussians of unit variance.

    Args:
      keys: one key per picture.
      shape: shape of one picture's draw.

    Returns:
      CN(0, 1) samples, `complex64[b, *shape]`; row i depends on `keys[i]` alone.
    """
    return jax.vmap(lambda key: jax.random.normal(key, shape, jnp.complex64))(keys)


def noise_variance(snr_db: PerImage) -> PerImage:
    """Returns `10^(-snr_db / 10)` per complex use, finite (with finite gradient) for infinite `snr_db` too.

    Args:
      snr_db: average Es/N0 per complex use in dB.

    Returns:
      Noise variance per complex use for transmitters of unit power.
    """
    return jnp.exp(jnp.clip(snr_db, -SNR_LIMIT_DB, SNR_LIMIT_DB) * (-math.log(10.0) / 10.0))


def add_noise(keys: Keys, symbols: Symbols, noise_var: Float[Array, "b 1"]) -> Symbols:
    """Adds `CN(0, noise_var)` to every symbol of the grid, whether or not it was used."""
    return symbols + jnp.sqrt(noise_var) * complex_normal(slot(keys, NOISE), symbols.shape[1:])


def power(symbols: Complex[Array, "..."]) -> Float[Array, "..."]:
    """Returns `|s|^2` with a gradient that is finite at zero."""
    return jnp.real(symbols) ** 2 + jnp.imag(symbols) ** 2


def normalize_power(symbols: Symbols, used: Used) -> Symbols:
    """Scales each picture to unit average power over its used symbols; the rest becomes zero.

    A silent picture (all zeros) stays silent, and one without used symbols is all zeros; values and gradients are
    finite in both cases.

    Args:
      symbols: what the encoder made.
      used: 1 for used symbols, 0 for the rest.

    Returns:
      Symbols with `sum |s|^2 = sum used` for every picture.
    """
    kept = symbols * used
    # The result does not depend on the scale of its input, so dividing by a constant peak first changes neither value
    # nor gradient; it keeps the squares inside float32.
    peak = jax.lax.stop_gradient(jnp.max(jnp.abs(kept), axis=-1, keepdims=True, initial=0.0))
    loud = peak > SILENCE
    kept = kept / jnp.where(loud, peak, 1.0)
    energy = jnp.sum(power(kept), axis=-1, keepdims=True)
    count = jnp.sum(used, axis=-1, keepdims=True)
    return kept * jnp.sqrt(jnp.where(loud, count, 1.0) / jnp.where(loud, energy, 1.0))
