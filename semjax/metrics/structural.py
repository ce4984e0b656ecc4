"""Structural similarity: SSIM and its multi-scale form.

In an 11x11 Gaussian window (sigma 1.5) around each pixel, with means m, variances s^2 and covariance s_xy under the
window's weights (no sample-covariance correction):

    luminance           l  = (2 m_x m_y + C1) / (m_x^2 + m_y^2 + C1)              C1 = 0.01^2
    contrast-structure  cs = (2 s_xy + C2) / (s_x^2 + s_y^2 + C2)                 C2 = 0.03^2
    SSIM = mean of l cs,     MS-SSIM = (l cs)_5^w5 prod_{j<5} cs_j^wj     means over windows, each scale half the last

CHOICE: only windows that lie wholly inside the picture count ("valid"); R, G and B are scored apart and averaged;
the scales of MS-SSIM are 2x2 means (a last odd row or column is dropped); a factor with a negative mean counts as 0.

The Gaussian is two one-dimensional sums of shifted slices: grouped convolutions are slow on CPU.

Sources: Wang, Bovik, Sheikh, Simoncelli, IEEE TIP 13(4), 2004 (SSIM, Sec. III-B and C); Wang, Simoncelli, Bovik,
Asilomar 2003 (MS-SSIM, Sec. 3 and its weights).
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from semjax.metrics.pairs import check_pair

WINDOW = 11
SIGMA = 1.5
C1 = 0.01**2
C2 = 0.03**2
SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
MS_SSIM_MIN_SIDE = WINDOW * 2 ** (len(SCALE_WEIGHTS) - 1)


class SsimMaps(NamedTuple):
    """The two factors of SSIM, `[b, i, j, 3]` each: one value per channel and window that fits inside the picture."""

    luminance: Float[Array, "b i j 3"]
    contrast_structure: Float[Array, "b i j 3"]


def _taps() -> np.ndarray:
    offsets = np.arange(WINDOW) - WINDOW // 2
    taps = np.exp(-0.5 * np.square(offsets / SIGMA))
    return taps / taps.sum()


def _slide(x: Array, axis: int) -> Array:
    size = x.shape[axis] - WINDOW + 1
    shifted = (float(t) * jax.lax.slice_in_dim(x, i, i + size, axis=axis) for i, t in enumerate(_taps()))
    return sum(shifted, start=jnp.zeros((), x.dtype))


@jax.jit
def _local_means(x: Float[Array, "b h w c"]) -> Float[Array, "b i j c"]:
    return _slide(_slide(x, 1), 2)


def ssim_factors(image: Float[Array, "b h w 3"], target: Float[Array, "b h w 3"]) -> SsimMaps:
    """The luminance and contrast-structure factors in every window that fits inside the picture.

    Args:
      image: reconstructions; not clipped.
      target: originals, same shape.

    Returns:
      maps `[b, h - 10, w - 10, 3]`.

    Raises:
      ValueError: the shapes differ, or a side is below 11 pixels.

    Reference: Wang et al. 2004, Eq. 6 and 9 with C3 = C2 / 2.
    """
    check_pair(image, target)
    height, width = image.shape[1:3]
    if min(height, width) < WINDOW:
        raise ValueError(f"SSIM needs pictures of at least {WINDOW}x{WINDOW} pixels, got {height}x{width}")
    # Variances do not depend on the origin; grey as origin keeps float32 from cancelling in E[x^2] - m^2.
    x, y = image - 0.5, target - 0.5
    means = _local_means(jnp.concatenate([x, y, x * x, y * y, x * y], axis=-1))
    mx, my, xx, yy, xy = jnp.split(means, 5, axis=-1)
    var_x, var_y, cov = xx - mx * mx, yy - my * my, xy - mx * my
    mx, my = mx + 0.5, my + 0.5
    return SsimMaps(
        luminance=(2 * mx * my + C1) / (mx * mx + my * my + C1),
        contrast_structure=(2 * cov + C2) / (var_x + var_y + C2),
    )


def ssim_map(image: Float[Array, "b h w 3"], target: Float[Array, "b h w 3"]) -> Float[Array, "b i j 3"]:
    """SSIM of every window that fits inside the picture, per colour channel.

    Args:
      image: reconstructions; not clipped.
      target: originals, same shape.

    Returns:
      map `[b, h - 10, w - 10, 3]`; entry `(i, j)` belongs to the window centred on pixel `(i + 5, j + 5)`.

    Raises:
      ValueError: the shapes differ, or a side is below 11 pixels.

    Reference: Wang et al. 2004, Eq. 13.
    """
    factors = ssim_factors(image, target)
    return factors.luminance * factors.contrast_structure


def ssim(image: Float[Array, "b h w 3"], target: Float[Array, "b h w 3"]) -> Float[Array, "b"]:
    """Mean SSIM of each picture over its windows and colour channels.

    Args:
      image: reconstructions; not clipped.
      target: originals, same shape.

    Returns:
      SSIM per picture, `[b]`, at most 1; differentiable everywhere.

    Raises:
      ValueError: the shapes differ, or a side is below 11 pixels.

    Reference: Wang et al. 2004, Eq. 17.

    >>> ssim(jnp.zeros((2, 16, 16, 3)), jnp.zeros((2, 16, 16, 3)))
    Array([1., 1.], dtype=float32)
    """
    return jnp.mean(ssim_map(image, target), axis=(1, 2, 3))


def _halve(x: Array) -> Array:
    b, h, w, c = x.shape
    x = x[:, : h // 2 * 2, : w // 2 * 2]
    return jnp.mean(x.reshape(b, h // 2, 2, w // 2, 2, c), axis=(2, 4))


def _power(base: Array, exponent: float) -> Array:
    positive = base > 0
    # The inner `where` keeps the infinite slope at 0 out of the gradient.
    return jnp.where(positive, jnp.where(positive, base, 1.0) ** exponent, 0.0)


def ms_ssim(image: Float[Array, "b h w 3"], target: Float[Array, "b h w 3"]) -> Float[Array, "b"]:
    """Five-scale SSIM of each picture.

    Args:
      image: reconstructions; not clipped.
      target: originals, same shape.

    Returns:
      MS-SSIM per picture, `[b]`, in [0, 1].

    Raises:
      ValueError: the shapes differ, or the shorter side is below 176 pixels, where the last scale has no window left.

    Reference: Wang et al. 2003, Eq. 7.
    """
    check_pair(image, target)
    height, width = image.shape[1:3]
    if min(height, width) < MS_SSIM_MIN_SIDE:
        raise ValueError(
            f"MS-SSIM halves the picture four times and needs a shorter side of at least {MS_SSIM_MIN_SIDE} pixels, "
            f"got {height}x{width}; use ssim for small pictures"
        )
    product = jnp.ones((), image.dtype)
    for weight in SCALE_WEIGHTS[:-1]:
        cs = ssim_factors(image, target).contrast_structure
        product = product * _power(jnp.mean(cs, axis=(1, 2)), weight)
        image, target = _halve(image), _halve(target)
    last = jnp.mean(ssim_map(image, target), axis=(1, 2))
    return jnp.mean(product * _power(last, SCALE_WEIGHTS[-1]), axis=-1)
