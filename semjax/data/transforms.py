"""Crops: from pictures of any size to one size. Colour is left alone.

A picture smaller than the crop is first enlarged by reflection at its borders, as evenly on both sides as can be; the
crop remembers the ids of such pictures (`padded_ids`), so that a run can say how many there were.
"""

import logging

import grain
import numpy as np
from jaxtyping import Float

from semjax.data.files import Record

log = logging.getLogger(__name__)


def reflect_to(image: Float[np.ndarray, "h w 3"], size: int) -> Float[np.ndarray, "h2 w2 3"]:
    """The picture with its borders reflected outwards until both sides are at least `size` pixels long."""
    missing = [max(size - side, 0) for side in image.shape[:2]]
    if not any(missing):
        return image
    return np.pad(image, [(m // 2, m - m // 2) for m in missing] + [(0, 0)], mode="reflect")


class _Crop:
    """What both crops share: the size, and the count of pictures that were too small."""

    def __init__(self, size: int):
        if size < 1:
            raise ValueError(f"a crop needs a size of at least 1 pixel, got {size}")
        self.size = size
        self.padded_ids: set[int] = set()

    def _enlarged(self, record: Record) -> np.ndarray:
        image = record["image"]
        if min(image.shape[:2]) < self.size and record["id"] not in self.padded_ids:
            if not self.padded_ids:
                height, width, _ = image.shape
                log.warning(
                    "picture %d is %d x %d, smaller than the crop of %d: padded by reflection (said once)",
                    *(record["id"], height, width, self.size),
                )
            self.padded_ids.add(record["id"])
        return reflect_to(image, self.size)


class RandomCrop(_Crop, grain.transforms.RandomMap):
    """A window of `size` x `size` pixels at a uniform place, mirrored left to right half of the time."""

    def random_map(self, element: Record, rng: np.random.Generator) -> Record:
        """Crops one record with the record's own generator."""
        image = self._enlarged(element)
        top, left = (int(rng.integers(0, side - self.size + 1)) for side in image.shape[:2])
        window = image[top : top + self.size, left : left + self.size]
        return {**element, "image": window[:, ::-1] if rng.random() < 0.5 else window}


class CenterCrop(_Crop, grain.transforms.Map):
    """The window of `size` x `size` pixels in the middle (the upper left one of two equals)."""

    def map(self, element: Record) -> Record:
        """Crops one record."""
        image = self._enlarged(element)
        top, left = ((side - self.size) // 2 for side in image.shape[:2])
        return {**element, "image": image[top : top + self.size, left : left + self.size]}
