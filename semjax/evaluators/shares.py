"""Metrics that are shares of questions: what is counted per picture, and intervals by resampling pictures.

share = sum over pictures of the numerator / sum over pictures of the denominator
gain  = sum over pictures of (numerator of a - numerator of b) / sum of the denominator, the same questions for both
"""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from jaxtyping import Float

from semjax.evaluators.answers import SHOWN
from semjax.evaluators.bootstrap import Interval, Pictures
from semjax.evaluators.resampled import ratio_interval

RATIOS: dict[str, str] = {f"{metric}{end}": f"asked{end}" for metric in ("answer", "match") for end, _ in SHOWN}
"""Metric → what it is a share of; both are kept per picture."""


class Exam(Protocol):
    """Something that asks about received pictures."""

    def counts(self, received: Float[np.ndarray, "b h w 3"], batch: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Numerators and denominators of `RATIOS` for each picture of a batch, [b]; 0 on rows that only fill it up."""
        ...


def share(values: Mapping[str, Pictures], metric: str) -> Interval:
    """A share and its 95 % interval, from counts per picture; NaN where nothing was asked."""
    top, bottom = values[metric], values[RATIOS[metric]]
    return ratio_interval(top.values, _of(bottom, top), picture=top.ids)


def share_gain(a: Pictures, b: Pictures, asked: Pictures) -> Interval:
    """By how much a's share exceeds b's on the same questions, with its 95 % interval.

    Args:
      a, b: numerators per picture.
      asked: the denominator of both.

    Raises:
      ValueError: not the same pictures on all sides.
    """
    return ratio_interval(a.values - _of(b, a), _of(asked, a), picture=a.ids)


def _of(values: Pictures, like: Pictures) -> Float[np.ndarray, "p"]:
    """The values in the order of another's pictures."""
    place = {int(picture): i for i, picture in enumerate(values.ids)}
    if place.keys() != {int(picture) for picture in like.ids}:
        raise ValueError(f"shares need the same pictures on both sides, got {len(values.ids)} and {len(like.ids)}")
    return values.values[[place[int(picture)] for picture in like.ids]]
