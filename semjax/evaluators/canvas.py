"""Panels of lines drawn with matplotlib, each figure as one SVG for light and one for dark pages. Extra `plot`."""

import contextlib
import dataclasses
import pathlib
from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import Any

# Okabe and Ito's colours, told apart with any colour vision; black is left out, for it vanishes on a dark page.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
MARKERS = "osD^vP"
OWN_LINES = ("-", "--", ":")
"""Once all colours are used, they come again with the next of these."""
REFERENCE_MARKERS = "x+1234*"
REFERENCE_LINES = ("--", ":", "-.")
THEMES = {"": ("#1c2430", "#c9d1db", "#6b7685"), "_dark": ("#e6eaf0", "#3d4754", "#94a0b0")}
"""Ink, grid and references of the page's two looks, by what their files' names end in."""
COLUMNS = 3
LONG_LABEL = 56
"""Letters of a label from which on legends have one column."""


class FiguresMissing(ImportError):
    """Matplotlib is not installed."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Figure:
    """One figure, drawn for light and for dark pages; `panels` says how wide it is."""

    title: str
    light: pathlib.Path
    dark: pathlib.Path
    panels: int = 1


@dataclasses.dataclass(frozen=True, kw_only=True)
class Line:
    """One line of a panel: points (x, mean, low, high) in the order of x.

    `reference` is None for a line of ours; a public one has a number, by which it looks the same in every figure: it is
    quiet, broken and has no band.
    """

    label: str
    points: list[tuple[float, float, float, float]]
    reference: int | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Panel:
    """One pair of axes."""

    title: str
    lines: list[Line]


def draw(panels: Sequence[Panel], *, title: str, x: str, y: str, path: pathlib.Path) -> list[Figure]:
    """Draws panels that share their y axis and one legend; a label looks the same in all of them.

    Args:
      panels: what is drawn; those without a point are left out.
      title: of the figure, for the page; not drawn.
      x: label of the x axes.
      y: label of the y axes.
      path: of the files, without their ending; the folder is made if absent.

    Returns:
      The figure; none if there is no point.

    Raises:
      FiguresMissing: matplotlib is not installed.
    """
    matplotlib = _matplotlib()
    panels = [dataclasses.replace(p, lines=[line for line in p.lines if line.points]) for p in panels]
    panels = [panel for panel in panels if panel.lines]
    if not panels:
        return []
    path.parent.mkdir(parents=True, exist_ok=True)
    made = {}
    for theme, (ink, grid, quiet) in THEMES.items():
        made[theme] = path.with_name(f"{path.name}{theme}.svg")
        with _style(matplotlib, ink=ink, grid=grid):
            _figure(matplotlib, panels, x=x, y=y, quiet=quiet).savefig(
                # No date inside: the same rows give the same file.
                made[theme],
                transparent=True,
                metadata={"Date": None},
            )
    return [Figure(title=title, light=made[""], dark=made["_dark"], panels=len(panels))]


def _figure(matplotlib: ModuleType, panels: Sequence[Panel], *, x: str, y: str, quiet: str) -> Any:
    columns = min(COLUMNS, len(panels))
    rows = -(-len(panels) // columns)
    looks = _looks(panels, quiet)
    size = (6.4, 4.2) if columns == 1 else (4.0 * columns, 3.1 * rows + 0.3 + 0.22 * -(-len(looks) // columns))
    figure = matplotlib.figure.Figure(figsize=size, layout="constrained")
    grid = figure.subplots(rows, columns, sharey=True, squeeze=False)
    for i, axes in enumerate(grid.flat):
        if i >= len(panels):
            axes.set_axis_off()
            continue
        for line in panels[i].lines:
            _plot(axes, line, looks[line.label])
        axes.set(xlabel=x, title=panels[i].title)
        if i % columns == 0:
            axes.set_ylabel(y)
    shown = {text: mark for axes in grid.flat for mark, text in zip(*axes.get_legend_handles_labels(), strict=True)}
    labels = [label for label in looks if label in shown]
    figure.legend(
        [shown[label] for label in labels],
        labels,
        loc="outside lower center",
        ncols=columns if max(map(len, labels)) < LONG_LABEL else 1,
        frameon=False,
        fontsize="small",
    )
    return figure


def _looks(panels: Sequence[Panel], quiet: str) -> dict[str, dict[str, Any]]:
    """A colour and a marker for each label: ours in colours, references quiet, told apart by marker and dashes."""
    lines = [line for panel in panels for line in panel.lines]
    own = list(dict.fromkeys(line.label for line in lines if line.reference is None))
    looks: dict[str, dict[str, Any]] = {
        label: {
            "color": COLOURS[i % len(COLOURS)],
            "marker": MARKERS[i % len(MARKERS)],
            "linewidth": 1.8,
            "linestyle": OWN_LINES[i // len(COLOURS) % len(OWN_LINES)],
        }
        for i, label in enumerate(own)
    }
    others = {line.reference: line.label for line in lines if line.reference is not None}
    for i, label in sorted(others.items()):
        broken = {"marker": REFERENCE_MARKERS[i % len(REFERENCE_MARKERS)], "linestyle": REFERENCE_LINES[i % 3]}
        looks[label] = {"color": quiet, "linewidth": 1.0, **broken}
    return looks


def _plot(axes: Any, line: Line, look: dict[str, Any]) -> None:
    xs, mean, low, high = zip(*line.points, strict=True)
    if line.reference is None:
        axes.fill_between(xs, low, high, color=look["color"], alpha=0.18, linewidth=0)
    axes.plot(xs, mean, label=line.label, markersize=5, **look)


def _matplotlib() -> ModuleType:
    try:
        import matplotlib
        import matplotlib.figure
    except ImportError as error:
        raise FiguresMissing('figures need matplotlib, the extra "plot": pip install "semjax[plot]"') from error
    return matplotlib


@contextlib.contextmanager
def _style(matplotlib: ModuleType, *, ink: str, grid: str) -> Iterator[None]:
    coloured = ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color")
    settings = {
        **dict.fromkeys(coloured, ink),
        "font.family": "sans-serif",
        "font.size": 11,
        "axes.grid": True,
        "axes.titlesize": "medium",
        "grid.color": grid,
        "grid.linewidth": 0.6,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "svg.hashsalt": "semjax",
    }
    with matplotlib.rc_context(settings):
        yield
