"""Crops and flips: from pictures of any size to one size. Colour is left alone.

A picture smaller than the crop is first enlarged by reflection at its borders, as evenly on both sides as can be; the
crop remembers the ids of such pictures (`padded_ids`), so that a run can say how many there were. A picture that could
not be read (`_mask` False) becomes zeros of the crop's size.
"""

import logging
from collections.abc import Callable, Mapping

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


def unflipped(window: Float[np.ndarray, "h w 3"], rng: np.random.Generator) -> Float[np.ndarray, "h w 3"]:
    """The window as it is."""
    return window


def mirrored_half_the_time(window: Float[np.ndarray, "h w 3"], rng: np.random.Generator) -> Float[np.ndarray, "h w 3"]:
    """The window, mirrored left to right with probability one half."""
    return window[:, ::-1] if rng.random() < 0.5 else window


Flip = Callable[[np.ndarray, np.random.Generator], np.ndarray]
FLIPS: Mapping[str, Flip] = {"horizontal": mirrored_half_the_time, "none": unflipped}


class _Crop:
    """What both crops share: the size, and the count of pictures that were too small."""

    def __init__(self, size: int):
        if size < 1:
            raise ValueError(f"a crop needs a size of at least 1 pixel, got {size}")
        self.size = size
        self.padded_ids: set[int] = set()

    def _enlarged(self, record: Record) -> np.ndarray:
        if not record.get("_mask", True):
            return np.zeros((self.size, self.size, 3), np.float32)
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
    """A window of `size` x `size` pixels at a uniform place, flipped by `flip`."""

    def __init__(self, size: int, *, flip: Flip = mirrored_half_the_time):
        super().__init__(size)
        self.flip = flip

    def random_map(self, element: Record, rng: np.random.Generator) -> Record:
        """Crops one record with the record's own generator."""
        image = self._enlarged(element)
        top, left = (int(rng.integers(0, side - self.size + 1)) for side in image.shape[:2])
        window = image[top : top + self.size, left : left + self.size]
        return {**element, "image": self.flip(window, rng)}


class CenterCrop(_Crop, grain.transforms.Map):
    """The window of `size` x `size` pixels in the middle (the upper left one of two equals)."""

    def map(self, element: Record) -> Record:
        """Crops one record."""
        image = self._enlarged(element)
        top, left = ((side - self.size) // 2 for side in image.shape[:2])
        return {**element, "image": image[top : top + self.size, left : left + self.size]}
