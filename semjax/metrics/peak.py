"""Peak signal-to-noise ratio, per picture, on clipped and uint8-rounded pictures.

    MSE_i = mean over h, w, c of (quantize(image_i) - quantize(target_i))^2,     PSNR_i = -10 log10 MSE_i   [dB]

The number to report is the mean of PSNR_i over pictures. The PSNR of the mean MSE over pictures, which much published
code reports, is never larger (Jensen's inequality) and differs by 0.5-0.7 dB on natural pictures; it is kept apart
under its own name, `psnr_of_mean_mse`.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

from semjax.metrics.pairs import check_pair, quantize

MAX_PSNR_DB = 100.0
"""CHOICE: identical pictures score 100 dB instead of infinity, so that means and plots stay finite."""


def mse_to_psnr(mse: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Turns mean squared errors of pictures in [0, 1] into PSNR.

    Args:
      mse: mean squared error, any shape.

    Returns:
      PSNR in dB, same shape, at most `MAX_PSNR_DB`.

    >>> mse_to_psnr(jnp.array([0.01, 0.0]))
    Array([ 20., 100.], dtype=float32)
    """
    floor = 10.0 ** (-MAX_PSNR_DB / 10.0)
    return jnp.minimum(-10.0 * jnp.log10(jnp.maximum(mse, floor)), MAX_PSNR_DB)


def mse_uint8(image: Float[Array, "b h w 3"], target: Float[Array, "b h w 3"]) -> Float[Array, "b"]:
    """Mean squared error of the 8-bit pictures, in units of the [0, 1] range squared (times 255^2 for grey levels).

    Args:
      image: reconstructions.
      target: originals, same shape.

    Returns:
      MSE per picture, `[b]`.

    Raises:
      ValueError: the shapes differ.
    """
    check_pair(image, target)
    return jnp.mean(jnp.square(quantize(image) - quantize(target)), axis=(1, 2, 3))


def psnr(image: Float[Array, "b h w 3"], target: Float[Array, "b h w 3"]) -> Float[Array, "b"]:
    """PSNR of each picture, on clipped and uint8-rounded pictures.

    Args:
      image: reconstructions.
      target: originals, same shape.

    Returns:
      PSNR per picture in dB, `[b]`, at most `MAX_PSNR_DB`.

    Raises:
      ValueError: the shapes differ.

    >>> psnr(jnp.full((1, 8, 8, 3), 0.4), jnp.full((1, 8, 8, 3), 0.5)).shape
    (1,)
    """
    check_pair(image, target)
    return mse_to_psnr(mse_uint8(image, target))


def psnr_of_mean_mse(mse: Float[Array, "b"]) -> Float[Array, ""]:
    """PSNR of the mean MSE over pictures: for comparison with work that reports this, never the headline number.

    Args:
      mse: MSE per picture, `[b]`, from `mse_uint8`.

    Returns:
      one PSNR in dB.

    >>> psnr_of_mean_mse(jnp.array([0.002, 0.018]))
    Array(20., dtype=float32)
    """
    return mse_to_psnr(jnp.mean(mse))
