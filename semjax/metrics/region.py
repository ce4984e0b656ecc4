"""Quality inside a region: PSNR and SSIM weighted by a mask or by importance.

    MSE_m = sum_p m_p e_p / sum_p m_p,     e_p = mean over colours of the squared error of pixel p
    PSNR_m = -10 log10 MSE_m,              SSIM_m = sum_p m_p SSIM_p / sum_p m_p

The SSIM map is computed on the whole picture and then averaged under the mask, so that the region's border does not
appear as an edge. Both go back to the plain metric for a mask of ones. The importance-weighted PSNR has the weights of
the weighted loss, 1 + alpha M.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from semjax.metrics.pairs import check_map, check_pair, quantize
from semjax.metrics.peak import mse_to_psnr
from semjax.metrics.structural import WINDOW, ssim_map


class RegionScore(NamedTuple):
    """A score `[b]` per picture and how much of the picture it was taken over, `[b]`.

    `weight` is the mean of the mask. Where it is 0 the picture has no such region: `value` is 0 there, means nothing,
    and must be left out of any mean (`value[weight > 0].mean()` on the host).
    """

    value: Float[Array, "b"]
    weight: Float[Array, "b"]


def _masked_mean(values: Float[Array, "b h w"], mask: Float[Array, "b h w"]) -> RegionScore:
    weight = jnp.mean(mask, axis=(1, 2))
    present = weight > 0
    mean = jnp.mean(mask * values, axis=(1, 2)) / jnp.where(present, weight, 1.0)
    return RegionScore(value=jnp.where(present, mean, 0.0), weight=weight)


def region_psnr(
    image: Float[Array, "b h w 3"], target: Float[Array, "b h w 3"], mask: Float[Array, "b h w"]
) -> RegionScore:
    """PSNR of the part of each picture under a mask, on clipped and uint8-rounded pictures.

    Args:
      image: reconstructions.
      target: originals, same shape.
      mask: non-negative weight of each pixel, `[b, h, w]`; usually 0 or 1.

    Returns:
      PSNR in dB, at most `MAX_PSNR_DB`, and the mask's mean, each `[b]`.

    Raises:
      ValueError: the shapes do not fit together.
    """
    check_pair(image, target)
    check_map(image, name="mask", values=mask)
    error = jnp.mean(jnp.square(quantize(image) - quantize(target)), axis=-1)
    mse = _masked_mean(error, mask)
    return RegionScore(value=jnp.where(mse.weight > 0, mse_to_psnr(mse.value), 0.0), weight=mse.weight)


def masked_ssim(
    image: Float[Array, "b h w 3"], target: Float[Array, "b h w 3"], mask: Float[Array, "b h w"]
) -> RegionScore:
    """Mean of the SSIM map under a mask.

    Args:
      image: reconstructions; not clipped.
      target: originals, same shape.
      mask: non-negative weight of each pixel, `[b, h, w]`; the outer 5 pixels centre no whole window and do not count.

    Returns:
      SSIM and the mean of the mask over the pixels that count, each `[b]`.

    Raises:
      ValueError: the shapes do not fit together, or a side is below 11 pixels.
    """
    check_pair(image, target)
    check_map(image, name="mask", values=mask)
    scores = jnp.mean(ssim_map(image, target), axis=-1)
    edge = WINDOW // 2
    return _masked_mean(scores, mask[:, edge:-edge, edge:-edge])


def importance_weighted_psnr(
    image: Float[Array, "b h w 3"],
    target: Float[Array, "b h w 3"],
    importance: Float[Array, "b h w"],
    *,
    alpha: float | int = 4.0,
) -> Float[Array, "b"]:
    """PSNR in which important pixels count for more, on clipped and uint8-rounded pictures.

    Args:
      image: reconstructions.
      target: originals, same shape.
      importance: importance M of each pixel in [0, 1], `[b, h, w]`.
      alpha: how much more a pixel of importance 1 counts than one of importance 0, minus 1; 0 gives the plain PSNR.

    Returns:
      PSNR per picture in dB, `[b]`, at most `MAX_PSNR_DB`.

    Raises:
      ValueError: the shapes do not fit together, or `alpha` is negative.
    """
    if alpha < 0:
        raise ValueError(f"alpha = {alpha} would give important pixels less weight; it must be 0 or more")
    check_pair(image, target)
    check_map(image, name="importance", values=importance)
    return region_psnr(image, target, 1.0 + alpha * importance).value
