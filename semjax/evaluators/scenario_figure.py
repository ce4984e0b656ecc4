"""One picture sent under several scenarios, drawn for a document. Extra `plot`.

A row per scenario, five panels each:

    original with the true importance of its regions | importance of tokens, as the system has it, over the picture
    | real dimensions of each token | what was received | its error

All rows share the three colour scales below them, so that they can be compared. The error of a pixel is the mean over
colours of |received − original| in levels of 255, both clipped and rounded to 8 bits. Importance has the colours of
`semjax.teachers.heat`; a region whose label failed or is missing is outlined in white and has a question mark.
"""

import dataclasses
import functools
import math
import pathlib
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import numpy as np
from jaxtyping import Float, Integer

from semjax.data import images
from semjax.evaluators.canvas import FiguresMissing
from semjax.evaluators.regions import HIGH
from semjax.evaluators.scenario_sending import Sending, Truth
from semjax.teachers.heat import heat_colour
from semjax.teachers.marks import innermost

FORMATS = (".png", ".svg")
DPI = 200
WIDTH, LEFT, RIGHT, GAP = 10.0, 0.3, 0.08, 0.08
"""Inches: of the figure, its margins, and what lies between panels."""
HEAD, CAPTION, FOOT = 0.55, 0.36, 0.62
"""Inches: above the first row, below each row, and for the colour scales."""
TITLE_PT, CAPTION_PT, NUMBER_PT = 10.5, 9.5, 8.0
LETTERS_PT = 105.0
"""Size of bold letters of which one needs an inch."""
COLUMNS = 5
NUMBERED_INCH = 0.2
"""Tokens at least this wide have their number of dimensions written on them."""
TEXT_INCH, LEAST_RADIUS = (0.15, 0.24), 0.15
"""Height and width of a number on a region; regions of a smaller inner radius, as a share of that height, have none."""
HEAT_SHARE, UNKNOWN = 0.6, "?"
TICKS = (0, 8, 32, 64)
INK, QUIET = "#1c2430", "#6b7685"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Page:
    """All of a figure.

    Attributes:
      title: its first line.
      original: the picture that was sent.
      ids: region of each pixel; None = not known.
      stride: pixels per side of a token.
      variant: where the system has its importance from.
      rows: one per scenario.
    """

    title: str
    original: Float[np.ndarray, "h w 3"]
    ids: Integer[np.ndarray, "h w"] | None
    stride: int
    variant: str
    rows: Sequence[Sending]

    @property
    def panel(self) -> tuple[float, float]:
        """Width and height of a panel, in inches."""
        width = (WIDTH - LEFT - RIGHT - (COLUMNS - 1) * GAP) / COLUMNS
        return width, width * self.original.shape[0] / self.original.shape[1]

    @property
    def height(self) -> float:
        """Of the figure, in inches."""
        return HEAD + len(self.rows) * (self.panel[1] + CAPTION) + FOOT


def draw(page: Page, path: pathlib.Path) -> None:
    """Draws a figure into a file; its ending, one of `FORMATS`, says of which kind.

    Raises:
      ValueError: another ending.
      FiguresMissing: matplotlib is not installed.
      OSError: the file cannot be written.
    """
    if path.suffix not in FORMATS:
        raise ValueError(f"{path} cannot be drawn: its name must end in {' or '.join(FORMATS)}")
    matplotlib = checked_matplotlib()
    settings = {"font.family": "sans-serif", "text.color": INK, "axes.edgecolor": QUIET, "svg.hashsalt": "semjax"}
    with matplotlib.rc_context(settings):
        figure = matplotlib.figure.Figure(figsize=(WIDTH, page.height), dpi=DPI, facecolor="white")
        _Painter(matplotlib=matplotlib, figure=figure, page=page).paint()
        # No date inside: the same rows give the same file.
        metadata = {"Date": None} if path.suffix == ".svg" else {"Software": None}
        figure.savefig(path, dpi=DPI, metadata=metadata)


def checked_matplotlib() -> ModuleType:
    """Matplotlib with what is needed of it.

    Raises:
      FiguresMissing: it is not installed.
    """
    try:
        import matplotlib
        import matplotlib.cm
        import matplotlib.colors
        import matplotlib.figure
        import matplotlib.patheffects
    except ImportError as error:
        raise FiguresMissing('figures need matplotlib, the extra "plot": pip install "semjax[plot]"') from error
    return matplotlib


def errors(received: Float[np.ndarray, "h w 3"], original: Float[np.ndarray, "h w 3"]) -> Float[np.ndarray, "h w"]:
    """The error of each pixel, in levels of 255."""
    pair = (images.to_uint8(each).astype(np.float64) for each in (received, original))
    return np.abs(next(pair) - next(pair)).mean(axis=-1)


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Painter:
    """Draws a page into an empty figure; places are in inches from its lower left corner."""

    matplotlib: Any
    figure: Any
    page: Page

    def paint(self) -> None:
        page = self.page
        wrong = [errors(row.received, page.original) for row in page.rows]
        scales = self._scales(wrong)
        self._text(LEFT, page.height - 0.17, page.title, size=TITLE_PT, weight="bold", ha="left")
        told = "original" if page.ids is None else "original, true importance"
        titles = (told, f"importance ({page.variant})", "real dimensions per token", "received", "error")
        for column, title in enumerate(titles):
            self._text(self._left(column) + page.panel[0] / 2, page.height - HEAD + 0.1, title, size=CAPTION_PT)
        for i, (row, error) in enumerate(zip(page.rows, wrong, strict=True)):
            self._row(i, row, error, scales)
        for column, (scale, label) in scales.items():
            self._bar(column, scale, label)
        if any("high" in row.psnr or "low" in row.psnr for row in page.rows):
            note = f"high, low: pixels of true\nimportance from {HIGH:g}, and below"
            self._text(LEFT, FOOT - 0.08, note, size=NUMBER_PT, ha="left", va="top")

    def _scales(self, wrong: Sequence[np.ndarray]) -> dict[int, tuple[Any, str]]:
        """Colour scales by the column that they belong to, with their labels."""
        heat = self.matplotlib.colors.ListedColormap(heat_colour(np.linspace(0, 1, 256)) / 255)
        longest = max(int(row.dimensions.max()) for row in self.page.rows)
        # A few bad pixels would make all others dark.
        worst = max(math.ceil(max(float(np.quantile(error, 0.995)) for error in wrong)), 1)
        shades = (
            (1, heat, 1.0, "importance, of regions and tokens"),
            (2, "viridis", max(longest, 1), "real dimensions, 2 a channel use"),
            (4, "inferno", worst, "error, levels of 255"),
        )
        cm, colors = self.matplotlib.cm, self.matplotlib.colors
        # Square roots for lengths: most tokens are short.
        norms: dict[int, Any] = {2: functools.partial(colors.PowerNorm, 0.5)}
        return {
            k: (cm.ScalarMappable(norms.get(k, colors.Normalize)(vmin=0, vmax=top), cmap), label)
            for k, cmap, top, label in shades
        }

    def _row(self, i: int, row: Sending, error: np.ndarray, scales: dict[int, tuple[Any, str]]) -> None:
        page, (width, height) = self.page, self.page.panel
        bottom = page.height - HEAD - (i + 1) * height - i * CAPTION
        axes = [self._axes(self._left(column), bottom, width, height) for column in range(COLUMNS)]
        heat = scales[1][0]
        self._show(axes[0], page.original)
        if page.ids is not None and row.truth is not None:
            self._regions(axes[0], page.ids, row.truth, heat)
        self._show(axes[1], self._overlaid(row.importance, heat))
        self._tokens(axes[2], row.dimensions, scales[2][0])
        self._show(axes[3], row.received)
        self._show(axes[4], scales[4][0].to_rgba(error)[..., :3])
        size = min(TITLE_PT, LETTERS_PT * height / max(len(each.scenario) for each in page.rows))
        self._text(LEFT / 2, bottom + height / 2, row.scenario, size=size, weight="bold", rotation=90)
        self._text(LEFT, bottom - 0.14, row.caption(), size=CAPTION_PT, ha="left")

    def _overlaid(self, importance: np.ndarray, heat: Any) -> np.ndarray:
        """The colours of tokens over a grey copy of the picture."""
        grey = self.page.original.mean(axis=-1, keepdims=True)
        colours = np.kron(heat.to_rgba(importance)[..., :3], np.ones((self.page.stride, self.page.stride, 1)))
        return HEAT_SHARE * colours[: grey.shape[0], : grey.shape[1]] + (1 - HEAT_SHARE) * grey

    def _regions(self, axes: Any, ids: np.ndarray, truth: Truth, heat: Any) -> None:
        """Outlines of regions in the colour of their importance, and importance in numbers; what matters on top."""
        down, right = (np.arange(count) + 0.5 for count in ids.shape)
        order = sorted(np.unique(ids), key=lambda region: truth.importance[region] if truth.known[region] else -1.0)
        for region in order:
            inside = ids == region
            colour = heat.to_rgba(float(truth.importance[region])) if truth.known[region] else "white"
            if region and not inside.all():  # region 0 is the rest: the others' outlines are its own
                for line, edge in ((2.2, "black"), (1.3, colour)):
                    axes.contour(right, down, inside, [0.5], colors=[edge], linewidths=line)
        placed: list[np.ndarray] = []
        for region in reversed(order):
            text = f"{truth.importance[region]:.1f}" if truth.known[region] else UNKNOWN
            self._number(axes, ids == region, text, placed)

    def _number(self, axes: Any, inside: np.ndarray, text: str, placed: list[np.ndarray]) -> None:
        """Text in a region, or above or below it, where there is room; none at tiny regions, none over another."""
        row, column, radius = innermost(inside)
        room, sides = np.array(TEXT_INCH) * inside.shape[1] / self.page.panel[0], np.array(inside.shape)
        at = np.array([row, column]) + 0.5
        if radius < room[0] / 2:
            rows = np.flatnonzero(inside.any(axis=1))
            at[0] = rows[0] - room[0] / 2 if rows[0] >= room[0] else rows[-1] + 1 + room[0] / 2
        at = np.clip(at, room / 2, sides - room / 2)
        # A question mark beside its region would be read as another's.
        least = 0.5 if text == UNKNOWN else LEAST_RADIUS
        if radius < least * room[0] or any((np.abs(at - other) < room).all() for other in placed):
            return
        placed.append(at)
        stroke = [self.matplotlib.patheffects.withStroke(linewidth=2, foreground="black")]
        style = {"ha": "center", "va": "center", "color": "white", "fontsize": NUMBER_PT, "weight": "bold"}
        axes.text(at[1], at[0], text, path_effects=stroke, **style)

    def _tokens(self, axes: Any, dimensions: np.ndarray, scale: Any) -> None:
        """A map of tokens, each over its pixels, with numbers where there is room."""
        stride, (rows, columns) = self.page.stride, dimensions.shape
        extent = (0, columns * stride, rows * stride, 0)
        axes.imshow(dimensions, cmap=scale.cmap, norm=scale.norm, interpolation="nearest", extent=extent)
        height, width = self.page.original.shape[:2]
        axes.set(xlim=(0, width), ylim=(height, 0))
        if self.page.panel[0] * stride / width < NUMBERED_INCH:
            return
        for (i, j), count in np.ndenumerate(dimensions):
            colour = "black" if scale.norm(count) > 0.6 else "white"
            right, down = (
                (j * stride + min((j + 1) * stride, width)) / 2,
                (i * stride + min((i + 1) * stride, height)) / 2,
            )
            axes.text(right, down, str(count), ha="center", va="center", color=colour, fontsize=NUMBER_PT - 0.5)

    def _show(self, axes: Any, image: np.ndarray) -> None:
        height, width = image.shape[:2]
        axes.imshow(np.clip(image, 0, 1), extent=(0, width, height, 0))

    def _bar(self, column: int, scale: Any, label: str) -> None:
        width = self.page.panel[0]
        axes = self.figure.add_axes(self._box(self._left(column) + 0.1 * width, FOOT - 0.18, 0.8 * width, 0.1))
        ticks = [*(k for k in TICKS if k < scale.norm.vmax), scale.norm.vmax] if column == 2 else None
        bar = self.figure.colorbar(scale, cax=axes, orientation="horizontal", ticks=ticks)
        bar.ax.tick_params(labelsize=NUMBER_PT, length=2, pad=1.5, colors=INK)
        bar.outline.set_linewidth(0.5)
        bar.set_label(label, fontsize=NUMBER_PT, color=INK, labelpad=1.5)

    def _left(self, column: int) -> float:
        return LEFT + column * (self.page.panel[0] + GAP)

    def _axes(self, left: float, bottom: float, width: float, height: float) -> Any:
        axes = self.figure.add_axes(self._box(left, bottom, width, height))
        axes.set(xticks=[], yticks=[])
        for side in axes.spines.values():
            side.set_linewidth(0.5)
        return axes

    def _box(self, left: float, bottom: float, width: float, height: float) -> tuple[float, float, float, float]:
        """Inches as shares of the figure."""
        return left / WIDTH, bottom / self.page.height, width / WIDTH, height / self.page.height

    def _text(self, left: float, bottom: float, text: str, *, size: float, **style: Any) -> None:
        place = {"ha": "center", "va": "center", **style}
        self.figure.text(left / WIDTH, bottom / self.page.height, text, fontsize=size, **place)
