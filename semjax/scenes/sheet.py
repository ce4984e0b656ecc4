"""A contact sheet of scenes: each row shows one scene with all that is known of it under one scenario.

From the left: the picture, its regions, their importance (dark = important), and the scenario in words, questions with
answers and the regions that they are about, and the caption of what is not key. Row i is scene i of the data source
`scenes` with the same seed, split and size.
"""

import functools
from collections.abc import Callable

import jax
import numpy as np
from jaxtyping import Bool, Float, UInt8
from PIL import Image, ImageDraw, ImageFont

from semjax.scenes.captions import caption
from semjax.scenes.graph import graph_of
from semjax.scenes.keys import key_regions
from semjax.scenes.questions import AskedQuestion, every_question, role
from semjax.scenes.render import RenderedScene, render
from semjax.scenes.scenarios import draw_wording, importance, scenario_names, text_of
from semjax.scenes.world import SPLITS, Scene, SceneConfig, sample_scene

PANEL, GAP, TEXT_WIDTH, LINE = 224, 14, 560, 17
TITLE = 30
STEP = 4
"""A place to write on is sought among every STEP-th pixel."""
INK, FAINT, ACCENT = (34, 34, 40), (120, 120, 130), (196, 84, 20)
REGION_COLOURS = np.array(
    [(226, 226, 230), (230, 120, 100), (110, 170, 230), (140, 200, 120), (240, 200, 90), (190, 140, 220)], np.uint8
)
LIGHT, DARK = np.array((250, 244, 236)), np.array((140, 40, 10))
MOST_SCENES, MOST_PIXELS = 100, 1024


class SheetError(ValueError):
    """A sheet that cannot be drawn as asked; the message says why."""


def sheet(*, split: str, count: int, size: int, seed: int) -> Image.Image:
    """Draws a contact sheet.

    Args:
      split: of `world.SPLITS`.
      count: scenes, one per row.
      size: pixels of each side that scenes are drawn with.
      seed: of the scenes, wordings and questions.

    Returns:
      The sheet.

    Raises:
      SheetError: settings that cannot be.
    """
    if split not in SPLITS:
        raise SheetError(f"there is no split {split!r}; the splits are: {', '.join(SPLITS)}")
    for name, value, low, high in (
        ("count", count, 1, MOST_SCENES),
        ("size", size, 16, MOST_PIXELS),
        ("seed", seed, 0, 2**31 - 1),
    ):
        if not low <= value <= high:
            raise SheetError(f"{name}={value} is not in {low} to {high}")
    rows = [_row(split, index=index, size=size, seed=seed) for index in range(count)]
    width = 3 * PANEL + 5 * GAP + TEXT_WIDTH
    page = Image.new("RGB", (width, TITLE + sum(row.height for row in rows)), "white")
    draw = ImageDraw.Draw(page)
    for column, title in enumerate(("picture", "regions", "importance", f"split {split}, seed {seed}, {size} px")):
        draw.text((GAP + column * (PANEL + GAP), 9), title, FAINT, _font(13))
    for place, mark in enumerate(("intent", "control", "mixed")):
        left = width - TEXT_WIDTH // 2 + 90 * place
        _mark(draw, mark, left, 9)
        draw.text((left + 16, 9), mark, FAINT, _font(13))
    top = TITLE
    for row in rows:
        page.paste(row, (0, top))
        top += row.height
    return page


@functools.cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


@functools.cache
def _drawer(split: str, size: int) -> Callable[..., tuple[Scene, RenderedScene, jax.Array, jax.Array, jax.Array]]:
    def draw(seed: jax.Array, index: jax.Array) -> tuple[Scene, RenderedScene, jax.Array, jax.Array, jax.Array]:
        key = jax.random.fold_in(jax.random.key(seed), index)
        scene = sample_scene(key, SceneConfig(), split)
        scenario, wording = draw_wording(jax.random.fold_in(key, len(SPLITS)), split)
        return scene, render(scene, size), scenario, wording, importance(scene, scenario)

    return jax.jit(draw)


def _row(split: str, *, index: int, size: int, seed: int) -> Image.Image:
    drawn = jax.device_get(_drawer(split, size)(seed, index))
    scene, picture, scenario, wording, values = drawn
    lines = _lines(
        scene, values, title=(scenario_names()[scenario], text_of(int(scenario), int(wording))), seed=seed + index
    )
    height = max(PANEL, LINE * len(lines)) + GAP
    row = Image.new("RGB", (3 * PANEL + 5 * GAP + TEXT_WIDTH, height), "white")
    shades = LIGHT + values[:, None] * (DARK - LIGHT)
    pixels = np.round(np.asarray(picture.image) * 255).astype(np.uint8)
    panels = (
        _panel(pixels),
        _numbered(picture.ids, REGION_COLOURS, [str(region) for region in range(len(values))]),
        _numbered(picture.ids, shades.astype(np.uint8), [f"{value:.1f}" for value in values]),
    )
    for column, panel in enumerate(panels):
        row.paste(panel, (GAP + column * (PANEL + GAP), 0))
    draw = ImageDraw.Draw(row)
    left = GAP + 3 * (PANEL + GAP)
    for number, (mark, text, colour) in enumerate(lines):
        _mark(draw, mark, left, number * LINE)
        draw.text((left + 16, number * LINE), text, colour, _font(13))
    return row


def _panel(pixels: UInt8[np.ndarray, "h w *c"]) -> Image.Image:
    return Image.fromarray(pixels).resize((PANEL, PANEL), Image.Resampling.NEAREST)


def _numbered(ids: UInt8[np.ndarray, "h w"], colours: UInt8[np.ndarray, "m 3"], texts: list[str]) -> Image.Image:
    """The id map in these colours, with a text on each region that is seen."""
    large = np.asarray(_panel(ids))
    panel = Image.fromarray(_outlined(large, colours))
    draw = ImageDraw.Draw(panel)
    for region, text in enumerate(texts):
        place = _deepest(large == region)
        if place:
            ink = INK if colours[region].sum() > 330 else (255, 255, 255)
            draw.text(
                place, text, ink, _font(15), anchor="mm", stroke_width=2, stroke_fill=tuple(colours[region].tolist())
            )
    return panel


def _outlined(ids: UInt8[np.ndarray, "h w"], colours: UInt8[np.ndarray, "m 3"]) -> UInt8[np.ndarray, "h w 3"]:
    """The id map in these colours, with a line around each region."""
    edge = np.zeros(ids.shape, bool)
    edge[1:] |= ids[1:] != ids[:-1]
    edge[:, 1:] |= ids[:, 1:] != ids[:, :-1]
    return np.where(edge[..., None], np.array(FAINT, np.uint8), colours[ids])


def _deepest(mask: Bool[np.ndarray, "h w"]) -> tuple[float, float] | None:
    """Where to write on a region: the last pixel left when it is worn away from its outline; None if it is not seen."""
    inner = np.pad(mask[::STEP, ::STEP], 1)
    left = inner
    while inner.any():
        left = inner
        inner = left & np.roll(left, 1, 0) & np.roll(left, -1, 0) & np.roll(left, 1, 1) & np.roll(left, -1, 1)
    rows, columns = np.nonzero(left)
    if not len(rows):
        return None
    middle = np.argmin((rows - rows.mean()) ** 2 + (columns - columns.mean()) ** 2)
    return (float(columns[middle]) - 0.5) * STEP, (float(rows[middle]) - 0.5) * STEP


def _lines(
    scene: Scene, values: Float[np.ndarray, "m"], *, title: tuple[str, str], seed: int
) -> list[tuple[str, str, tuple[int, int, int]]]:
    """The lines of text of a row: a mark, the text, its colour."""
    lines = [("", line, ACCENT) for line in _wrapped(f"{title[0]}: {title[1]}")]
    for question in every_question(graph_of(scene), seed):
        lines.append((role(question, values), _told(question), INK))
    said = caption(scene, np.asarray(key_regions(values)))
    return lines + [("", line, FAINT) for line in _wrapped(said)]


def _told(question: AskedQuestion) -> str:
    return f"{question.text}  {question.answer}   [{', '.join(map(str, question.relevant))}]"


def _mark(draw: ImageDraw.ImageDraw, mark: str, left: int, top: int) -> None:
    box = (left + 1, top + 4, left + 9, top + 12)
    if mark:
        draw.ellipse(box, fill=ACCENT if mark == "intent" else None, outline=ACCENT)
    if mark == "mixed":
        draw.pieslice(box, 90, 270, fill=ACCENT)


def _wrapped(text: str) -> list[str]:
    """The text in lines that fit into the column."""
    lines, font = [""], _font(13)
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if font.getlength(longer) <= TEXT_WIDTH - 16:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines
