"""Quality by importance: metrics of the parts of a picture that matter under its scenario, and of the rest.

    M_p = importance of pixel p's region under the picture's scenario,     high: M >= 0.55,     low: M < 0.55

A pixel whose region has no label (weight 0) is in neither. `iw_psnr` weighs all pixels by 1 + 4 M. A picture without a
pixel of a kind has no value there: NaN, and it is left out of the mean.

CHOICE: 0.55 lies between the levels 0.3 and 0.6 of scenes and between 4 / 9 and 5 / 9 of labels from 0 to 9.
"""

import functools
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from semjax.evaluators.bootstrap import Pictures
from semjax.importance.maps import importance_map, weight_map
from semjax.metrics import importance_weighted_psnr, masked_ssim, region_psnr
from semjax.types import Image, struct

HIGH = 0.55
REGION_METRICS = ("psnr_high", "psnr_low", "ssim_high", "ssim_low", "iw_psnr")
NEEDED = ("labels/importance", "labels/weight", "labels/ids", "scenario")


@struct
class Mattering:
    """What matters in a batch: importance of each pixel in [0, 1], and 1 where that is known."""

    importance: Float[Array, "b h w"]
    weight: Float[Array, "b h w"]


def mattering(batch: Mapping[str, Any]) -> Mattering:
    """The importance maps of a batch under its pictures' scenarios.

    Raises:
      ValueError: the batch has no labels or no scenarios.
    """
    missing = [name for name in NEEDED if batch.get(name) is None]
    if missing:
        raise ValueError(
            f"metrics by importance need labels, and there are no {', '.join(missing)}: set eval.scenario, and "
            "eval.data.truth=True for scenes or eval.data.teachers.stores for other pictures"
        )
    return _maps(*(jnp.asarray(batch[name]) for name in NEEDED))


def region_scores(image: Image, target: Image, matters: Mattering, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    """The metrics of `REGION_METRICS` that are named, per picture; NaN where a picture has no such part.

    Args:
      image: received pictures, not clipped.
      target: the pictures that were sent.
      matters: their importance.
      names: of the metrics.
    """
    return {name: np.asarray(values) for name, values in _scores(image, target, matters, names).items()}


def present(values: Mapping[str, Pictures]) -> dict[str, Pictures]:
    """The values of a point, those of `REGION_METRICS` without the pictures that have no such part."""
    found = dict(values)
    for name in REGION_METRICS:
        if name in values:
            here = ~np.isnan(values[name].values)
            found[name] = Pictures(ids=values[name].ids[here], values=values[name].values[here])
    return {name: pictures for name, pictures in found.items() if len(pictures.ids)}


@jax.jit
def _maps(importance: Array, weight: Array, ids: Array, scenario: Array) -> Mattering:
    known = weight_map(weight, ids, scenario)
    return Mattering(importance=importance_map(importance, ids, scenario), weight=(known > 0).astype(jnp.float32))


@functools.partial(jax.jit, static_argnums=3)
def _scores(image: Image, target: Image, matters: Mattering, names: tuple[str, ...]) -> dict[str, Array]:
    high = matters.weight * (matters.importance >= HIGH)
    masks = {"high": high, "low": matters.weight - high}
    found = {}
    for name in names:
        metric, _, part = name.partition("_")
        if name == "iw_psnr":
            found[name] = importance_weighted_psnr(image, target, matters.weight * matters.importance)
            continue
        score = {"psnr": region_psnr, "ssim": masked_ssim}[metric](image, target, masks[part])
        found[name] = jnp.where(score.weight > 0, score.value, jnp.nan)
    return found
