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


def windowed(record: Record, image: np.ndarray, window: Callable[[np.ndarray], np.ndarray]) -> Record:
    """The record with `window` of `image`, the picture of `record` enlarged (or zeros), and of its maps likewise."""
    found: Record = {**record, "image": window(image)}
    if "maps" in record:
        maps = {
            name: _as_large(values, image, real=record.get("_mask", True)) for name, values in record["maps"].items()
        }
        found["maps"] = {name: window(values) for name, values in maps.items()}
    return found


def _as_large(values: np.ndarray, image: np.ndarray, *, real: bool) -> np.ndarray:
    """A map with the sides of the picture as it is cropped: reflected outwards, or zeros where nothing was read."""
    if not real:
        return np.zeros((*image.shape[:2], *values.shape[2:]), values.dtype)
    missing = [after - before for before, after in zip(values.shape, image.shape[:2], strict=False)]
    if not any(missing):
        return values
    pads = [(m // 2, m - m // 2) for m in missing] + [(0, 0)] * (values.ndim - 2)
    return np.pad(values, pads, mode="reflect")


def unflipped(rng: np.random.Generator) -> slice:
    """All columns as they are."""
    return slice(None)


def mirrored_half_the_time(rng: np.random.Generator) -> slice:
    """The columns from right to left with probability one half."""
    return slice(None, None, -1) if rng.random() < 0.5 else slice(None)


Flip = Callable[[np.random.Generator], slice]
"""Draws the order of a window's columns."""
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
        columns = self.flip(rng)
        return windowed(element, image, lambda x: x[top : top + self.size, left : left + self.size][:, columns])


class CenterCrop(_Crop, grain.transforms.Map):
    """The window of `size` x `size` pixels in the middle (the upper left one of two equals)."""

    def map(self, element: Record) -> Record:
        """Crops one record."""
        image = self._enlarged(element)
        top, left = ((side - self.size) // 2 for side in image.shape[:2])
        return windowed(element, image, lambda x: x[top : top + self.size, left : left + self.size])
