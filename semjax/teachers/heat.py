"""Panels of a contact sheet: a picture, its regions by number, and its regions coloured by importance.

Colours run from blue (0) over teal and yellow to red (1), over a grey copy of the picture; each region's level,
importance x 9, stands at its innermost point. A region without a label is hatched grey: nothing was said of it, which
is not an importance of 0.
"""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from semjax.store.record import Regions, Status
from semjax.teachers.marks import COLOURS, innermost

STOPS = (0.0, 0.3, 0.65, 1.0)
HEAT = np.array([(38, 48, 120), (50, 140, 165), (248, 214, 84), (208, 28, 36)], np.float64)
HATCH_PX = 8
HIGHEST = 9
LEAST_RADIUS = 5.0
"""A region whose innermost point is nearer to its edge than this many pixels of the panel gets no number on it."""


def enlarged(image: UInt8[np.ndarray, "h w *c"], width: int) -> UInt8[np.ndarray, "hs ws *c"]:
    """A picture at that width; id maps stay id maps (no blending)."""
    size = (width, round(image.shape[0] * width / image.shape[1]))
    way = Image.Resampling.NEAREST if image.ndim == 2 else Image.Resampling.LANCZOS
    return np.asarray(Image.fromarray(image).resize(size, way))


def heat_colour(importance: Float[np.ndarray, "*n"]) -> UInt8[np.ndarray, "*n 3"]:
    """The colour of an importance in [0, 1].

    >>> heat_colour(np.array([0.0, 1.0])).tolist()
    [[38, 48, 120], [208, 28, 36]]
    """
    channels = [np.interp(np.asarray(importance), STOPS, HEAT[:, k]) for k in range(3)]
    return np.stack(channels, axis=-1).round().astype(np.uint8)


def level_text(score: float, status: int) -> str:
    """How a label is written: its level 0 to 9, "!" if it failed, "-" if it is missing.

    >>> level_text(1.0, Status.OK), level_text(0.5, Status.REPAIRED), level_text(0.0, Status.MISSING)
    ('9', '4.5', '-')
    """
    if status >= Status.FAILED:
        return "!" if status == Status.FAILED else "-"
    return f"{score * HIGHEST:.1f}".removesuffix(".0")


def regions_panel(image: UInt8[np.ndarray, "h w 3"], regions: Regions) -> UInt8[np.ndarray, "h w 3"]:
    """Regions tinted and numbered."""
    shown = 0.55 * image.astype(np.float64)
    for region in range(1, len(regions.names)):
        inside = regions.ids_map == region
        shown[inside] += 0.45 * np.array(COLOURS[region % len(COLOURS)], np.float64)
    texts = {region: str(region) for region in range(1, len(regions.names))}
    return _numbered(_outlined(shown.astype(np.uint8), regions), regions, texts)


def heat_panel(
    image: UInt8[np.ndarray, "h w 3"],
    regions: Regions,
    *,
    score: Float[np.ndarray, "m"],
    status: UInt8[np.ndarray, "m"],
) -> UInt8[np.ndarray, "h w 3"]:
    """Regions in the colours of their importance, or hatched."""
    grey = np.repeat(image.mean(axis=-1, keepdims=True), 3, axis=-1)
    # The picture keeps enough contrast to be recognised, and never becomes so bright that a number cannot be read.
    colour = heat_colour(score).astype(np.float64)[regions.ids_map]
    shown = 0.65 * colour + 0.35 * grey
    unsaid = (np.asarray(status) >= Status.FAILED)[regions.ids_map]
    rows, columns = np.indices(unsaid.shape)
    line = (rows + columns) % HATCH_PX < 2
    shown[unsaid] = (0.35 * grey + 110)[unsaid]
    shown[unsaid & line] = (90, 90, 90)
    texts = {region: level_text(float(score[region]), int(status[region])) for region in range(len(regions.names))}
    return _numbered(_outlined(shown.astype(np.uint8), regions), regions, texts)


def _outlined(shown: np.ndarray, regions: Regions) -> np.ndarray:
    ids = regions.ids_map.astype(np.int32)
    edge = ids != ndimage.maximum_filter(ids, 2)
    shown = shown.copy()
    shown[edge] = 255
    return shown


def _numbered(shown: np.ndarray, regions: Regions, texts: Mapping[int, str]) -> np.ndarray:
    """Texts at the innermost points of regions, white on a dark disc; larger regions have larger ones."""
    canvas = Image.fromarray(shown)
    pen = ImageDraw.Draw(canvas)
    for region, text in texts.items():
        inside = regions.ids_map == region
        if not inside.any():
            continue
        row, column, radius = innermost(inside)
        if radius < LEAST_RADIUS:
            continue
        size = int(np.clip(radius * 1.4, 12, 26))
        half = size * (0.5 + 0.16 * len(text))
        pen.ellipse((column - half, row - size * 0.66, column + half, row + size * 0.66), fill=(20, 20, 20))
        pen.text((column, row), text, fill=(255, 255, 255), font=ImageFont.load_default(size), anchor="mm")
    return np.asarray(canvas)
