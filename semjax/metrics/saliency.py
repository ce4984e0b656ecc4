"""Bottom-up visual saliency from three simple priors (SDSP).

On the picture resized to 256x256 and taken to CIE L*a*b*:

    S_F = sqrt((L * g)^2 + (a * g)^2 + (b * g)^2)        g a log-Gabor filter: mid frequencies catch the eye
    S_D = exp(-|x - centre|^2 / sigma_D^2)               so does the middle of the picture
    S_C = 1 - exp(-(a_n^2 + b_n^2) / sigma_C^2)          so do warm colours; a_n, b_n scaled to [0, 1] over the picture

and their product, resized back and scaled to [0, 1]. The filter's transfer function is
exp(-log(|f| / omega_0)^2 / (2 sigma_F^2)) for |f| <= 1/2 cycle per pixel, and 0 at f = 0.

CHOICE: L*a*b* takes linear sRGB primaries against the D50 white (0.9642, 1, 0.8251) without chromatic adaptation, and
the centre of S_D is half a pixel beyond the middle, as in the numbers published with VSI. A channel that does not vary
over the picture has no warm side: its a_n is 0, and so is the saliency of a picture of one colour.

Source: Zhang, Gu, Li, "SDSP: a novel saliency detection method by combining simple priors", ICIP 2013, Sec. 2; the four
constants are those of VSI (Zhang, Shen, Li, IEEE TIP 23(10), 2014, Table II).
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

SIDE = 256
OMEGA_0 = 0.021
SIGMA_F = 1.34
SIGMA_D = 145.0
SIGMA_C = 0.001

_RGB_TO_XYZ = (
    (0.4124564, 0.3575761, 0.1804375),
    (0.2126729, 0.7151522, 0.0721750),
    (0.0193339, 0.1191920, 0.9503041),
)
_WHITE_D50 = (0.9642, 1.0, 0.8251)


def rgb_to_lab(image: Float[Array, "b h w 3"]) -> Float[Array, "b h w 3"]:
    """CIE L*a*b* of sRGB pictures, with the white point of the module's docstring.

    Args:
      image: pictures in [0, 1].

    Returns:
      L* in [0, 100], a* and b* about [-110, 110], `[b, h, w, 3]`.
    """
    gamma = (jnp.maximum(image, 0.04045) + 0.055) / 1.055
    linear = jnp.where(image <= 0.04045, image / 12.92, gamma**2.4)
    matrix = jnp.asarray(_RGB_TO_XYZ, image.dtype) / jnp.asarray(_WHITE_D50, image.dtype)[:, None]
    # Written out by channel: a matrix product may run in reduced precision on an accelerator.
    xyz = jnp.stack([sum(linear[..., c] * matrix[r, c] for c in range(3)) for r in range(3)], axis=-1)
    epsilon, kappa = 0.008856, 903.3
    f = jnp.where(xyz > epsilon, jnp.cbrt(jnp.maximum(xyz, epsilon)), (kappa * xyz + 16.0) / 116.0)
    fx, fy, fz = f[..., 0], f[..., 1], f[..., 2]
    return jnp.stack([116.0 * fy - 16.0, 500.0 * (fx - fy), 200.0 * (fy - fz)], axis=-1)


def _log_gabor() -> np.ndarray:
    f = np.fft.fftfreq(SIDE)
    radius = np.hypot(f[:, None], f[None, :])
    inside = (radius > 0) & (radius <= 0.5)
    log_ratio = np.log(np.where(inside, radius, 1.0) / OMEGA_0)
    return np.where(inside, np.exp(-np.square(log_ratio) / (2 * SIGMA_F**2)), 0.0).astype(np.float32)


def _centre_prior() -> np.ndarray:
    offset = np.arange(1, SIDE + 1) - SIDE / 2
    squared = np.square(offset)[:, None] + np.square(offset)[None, :]
    return np.exp(-squared / SIGMA_D**2).astype(np.float32)


def _resize(x: Array, height: int, width: int) -> Array:
    shape = (x.shape[0], height, width, x.shape[3])
    return jax.image.resize(x, shape, "linear", precision=jax.lax.Precision.HIGHEST)


def _to_unit_range(x: Array, smallest: float) -> Array:
    """Scales each channel of each picture to [0, 1]; one that varies by less than `smallest` becomes 0."""
    low = jnp.min(x, axis=(1, 2), keepdims=True)
    span = jnp.max(x, axis=(1, 2), keepdims=True) - low
    varies = span > smallest
    return jnp.where(varies, (x - low) / jnp.where(varies, span, 1.0), 0.0)


def saliency_map(image: Float[Array, "b h w 3"]) -> Float[Array, "b h w 1"]:
    """How much each pixel catches the eye.

    Args:
      image: pictures in [0, 1].

    Returns:
      saliency `[b, h, w, 1]`, scaled so that each picture's smallest is 0 and its largest 1; all 0 for a picture of one
      colour.

    Reference: Zhang, Gu, Li 2013, Eq. 8.
    """
    height, width = image.shape[1:3]
    lab = rgb_to_lab(_resize(image, SIDE, SIDE))
    spectrum = jnp.fft.fft2(lab, axes=(1, 2)) * _log_gabor()[None, :, :, None]
    energy = jnp.sum(jnp.square(jnp.fft.ifft2(spectrum, axes=(1, 2)).real), axis=-1, keepdims=True)
    frequency = jnp.sqrt(jnp.maximum(energy, 1e-12))
    # Lab units: a thousandth is far below a visible difference and above the rounding of float32.
    warmth = jnp.sum(jnp.square(_to_unit_range(lab[..., 1:], 1e-3)), axis=-1, keepdims=True)
    colour = 1.0 - jnp.exp(-warmth / SIGMA_C**2)
    product = frequency * _centre_prior()[None, :, :, None] * colour
    return _to_unit_range(_resize(product, height, width), 1e-6)
