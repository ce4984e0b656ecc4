"""Numbered marks that show a model which region is meant.

Every region that can be marked gets a thin outline and a disc with its number at its innermost point, the pixel that is
farthest from the region's edge (and from the picture's). Small pictures are enlarged first, by a whole factor, so that
numbers can be read. Region 0, the rest, is not marked: prompts call it by what it is.

Source: J. Yang et al., arXiv 2310.11441 (set-of-mark prompting); the shape of the marks is our own.
"""

import dataclasses

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from semjax.store.record import Regions

COLOURS = (
    (230, 25, 75), (60, 180, 75), (0, 110, 220), (245, 130, 48), (145, 30, 180), (0, 128, 128),
    (170, 110, 40), (128, 0, 0), (0, 0, 128), (200, 0, 200),
)  # fmt: skip
"""Of the marks, in turn by number; all dark enough for white digits."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Marks:
    """How marks are drawn.

    Attributes:
      least_side: the picture is enlarged until its shorter side has at least this many pixels.
      digit_px: height of the numbers, in pixels of the enlarged picture.
      least_radius: a region is marked if its innermost point is at least this far from its edge, in pixels of the
        picture as it is.
    """

    least_side: int = 480
    digit_px: int = 15
    least_radius: float = 1.5

    def draw(self, image: UInt8[np.ndarray, "h w 3"], regions: Regions) -> UInt8[np.ndarray, "hs ws 3"]:
        """The picture with the marks of `markable(regions)` on it."""
        scale = -(-self.least_side // min(image.shape[:2]))
        ids = np.kron(regions.ids_map, np.ones((scale, scale), np.uint8))
        shown = np.kron(image, np.ones((scale, scale, 1), np.uint8))
        marked = self.markable(regions)
        for region in marked:
            inside = ids == region
            shown[inside & ~ndimage.binary_erosion(inside)] = COLOURS[region % len(COLOURS)]
        canvas = Image.fromarray(shown)
        pen, font = ImageDraw.Draw(canvas), ImageFont.load_default(self.digit_px)
        for region in reversed(marked):  # the smaller numbers lie on top
            row, column, _ = innermost(regions.ids_map == region)
            x, y = scale * (column + 0.5), scale * (row + 0.5)
            half = self.digit_px * (0.6 + 0.2 * (len(str(region)) - 1))
            colour = COLOURS[region % len(COLOURS)]
            pen.ellipse((x - half, y - half, x + half, y + half), fill=colour, outline=(255, 255, 255))
            pen.text((x, y), str(region), fill=(255, 255, 255), font=font, anchor="mm")
        return np.asarray(canvas)

    def markable(self, regions: Regions) -> tuple[int, ...]:
        """The regions that get a mark; the others are too small, or empty slots."""
        return tuple(
            region
            for region in range(1, len(regions.names))
            if regions.valid[region] and innermost(regions.ids_map == region)[2] >= self.least_radius
        )


def innermost(inside: np.ndarray) -> tuple[int, int, float]:
    """(row, column, distance to the edge) of the pixel that is farthest from the edge of bool[h, w]; first of equals.

    >>> innermost(np.array([[1, 1, 1], [1, 1, 1], [1, 1, 1]], bool))
    (1, 1, 2.0)
    """
    distance: Float[np.ndarray, "h w"] = ndimage.distance_transform_edt(np.pad(inside, 1))  # type: ignore[assignment]
    distance = distance[1:-1, 1:-1]
    row, column = np.unravel_index(int(distance.argmax()), distance.shape)
    return int(row), int(column), float(distance[row, column])
