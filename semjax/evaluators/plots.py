"""Figures of result rows, each as one SVG for light and one for dark pages. Needs the extra `plot`."""

import contextlib
import dataclasses
import math
import pathlib
from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import Any

from semjax.evaluators.paired import GAIN_OVER
from semjax.evaluators.results import Row, distinct

LABELS = {
    "psnr": "PSNR (dB)",
    "psnr_of_mean_mse": "PSNR of the mean MSE (dB)",
    "ssim": "SSIM",
    "ms_ssim": "MS-SSIM",
    "mse": "MSE",
}
# Okabe and Ito's colours, told apart with any colour vision; black is left out, for it vanishes on a dark page.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
MARKERS = "osD^vP"
THEMES = {"": ("#1c2430", "#c9d1db"), "_dark": ("#e6eaf0", "#3d4754")}


class FiguresMissing(ImportError):
    """Matplotlib is not installed."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Figure:
    """One figure, drawn for light and for dark pages."""

    title: str
    light: pathlib.Path
    dark: pathlib.Path


@dataclasses.dataclass(frozen=True, kw_only=True)
class Line:
    """One line of a figure: points (x, mean, low, high) in the order of x."""

    label: str
    points: list[tuple[float, float, float, float]]


def curves(rows: Sequence[Row], folder: pathlib.Path) -> list[Figure]:
    """Each metric against SNR, one figure per channel, one line per (system, variant, cbr), with 95 % bands.

    Args:
      rows: result rows.
      folder: where the SVG files go; made if absent.

    Returns:
      The figures; none for a metric that has no finite value.

    Raises:
      FiguresMissing: matplotlib is not installed.
    """
    figures = []
    for group in _panels(rows):
        lines = [
            Line(label=f"{s.system}, cbr {s.cbr}", points=_points(s.rows, "snr_db")) for s in by_system(group.rows)
        ]
        path = folder / group.name
        figures += _draw(lines, title=group.title, x="SNR = Es/N0 (dB)", y=label(group.metric), path=path)
    return figures


def rate_distortion(rows: Sequence[Row], folder: pathlib.Path) -> list[Figure]:
    """Each metric against `cbr_total`, one line per (system, variant, SNR), for panels with several cbr.

    Args:
      rows: result rows.
      folder: where the SVG files go; made if absent.

    Returns:
      The figures; none where no system has more than one cbr.

    Raises:
      FiguresMissing: matplotlib is not installed.
    """
    figures = []
    for group in _panels(rows):
        lines = []
        for system, variant, snr_db in distinct(group.rows, "system", "variant", "snr_db"):
            part = [r for r in group.rows if (r["system"], r["variant"], r["snr_db"]) == (system, variant, snr_db)]
            lines.append(Line(label=f"{_name(system, variant)}, {snr_db:g} dB", points=_points(part, "cbr_total")))
        if any(len(line.points) > 1 for line in lines):
            path = folder / f"rate_{group.name}"
            x = "channel uses per picture value (cbr)"
            figures += _draw(lines, title=f"{group.title}, by rate", x=x, y=label(group.metric), path=path)
    return figures


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Panel:
    metric: str
    title: str
    name: str
    rows: list[Row]


def _panels(rows: Sequence[Row]) -> Iterator[_Panel]:
    fields = ("metric", "channel", "csi", "dataset", "split")
    several = len(distinct(rows, "dataset", "split")) > 1
    for values in distinct(rows, *fields):
        metric, channel, csi, dataset, split = values
        place = f" on {dataset} {split}" if several else ""
        known = "" if csi == "none" else f", CSI {csi}"
        words = [metric, channel] + ([csi] if known else []) + ([dataset, split] if several else [])
        yield _Panel(
            metric=metric,
            title=f"{label(metric).removesuffix(' (dB)')} over {channel}{known}{place}",
            name="_".join("".join(c if c.isalnum() else "-" for c in str(word)) for word in words),
            rows=[r for r in rows if tuple(r[f] for f in fields) == values],
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Series:
    """The rows of one system at one rate: a line in a figure, a line in a table."""

    system: str
    cbr: str
    rows: list[Row]


def by_system(rows: list[Row]) -> Iterator[Series]:
    """One series per system and rate; a code whose cbr moves with the SNR is one per rate, not one per cbr."""
    for system, variant, checkpoint in distinct(rows, "system", "variant", "checkpoint"):
        own = [r for r in rows if (r["system"], r["variant"], r["checkpoint"]) == (system, variant, checkpoint)]
        alike = [c for s, v, c in distinct(rows, "system", "variant", "checkpoint") if (s, v) == (system, variant)]
        name = _name(system, variant) + (f" {checkpoint}" if len(alike) > 1 else "")
        ranked: dict[int, list[Row]] = {}
        for snr_db in dict.fromkeys(r["snr_db"] for r in own):
            at = sorted((r for r in own if r["snr_db"] == snr_db), key=lambda r: r["cbr_total"])
            for rank, row in enumerate(at):
                ranked.setdefault(rank, []).append(row)
        for part in ranked.values():
            low, high = (f"{end(r['cbr_total'] for r in part):.3g}" for end in (min, max))
            yield Series(system=name, cbr=low if low == high else f"{low} to {high}", rows=part)


def _points(rows: list[Row], x: str) -> list[tuple[float, float, float, float]]:
    points = [tuple(float(row[f]) for f in (x, "mean", "ci_low", "ci_high")) for row in rows]
    return sorted(p for p in points if all(map(math.isfinite, p)))  # type: ignore[misc]


def _name(system: str, variant: str) -> str:
    return system if variant in ("", "default") else f"{system} ({variant})"


def label(metric: str) -> str:
    measure, _, baseline = metric.partition(GAIN_OVER)
    name = LABELS.get(measure, measure.replace("_", " "))
    return f"{name}, gain over {baseline}" if baseline else name


def _draw(lines: list[Line], *, title: str, x: str, y: str, path: pathlib.Path) -> list[Figure]:
    matplotlib = _matplotlib()
    lines = [line for line in lines if line.points]
    if not lines:
        return []
    path.parent.mkdir(parents=True, exist_ok=True)
    made = {}
    for theme, (ink, grid) in THEMES.items():
        made[theme] = path.with_name(f"{path.name}{theme}.svg")
        with _style(matplotlib, ink=ink, grid=grid):
            figure = matplotlib.figure.Figure(figsize=(6.4, 4.0), layout="constrained")
            axes = figure.subplots()
            for i, line in enumerate(lines):
                _plot(axes, line, i)
            axes.set(xlabel=x, ylabel=y)
            axes.legend(frameon=False)
            # No date inside: the same rows give the same file.
            figure.savefig(made[theme], transparent=True, metadata={"Date": None})
    return [Figure(title=title, light=made[""], dark=made["_dark"])]


def _plot(axes: Any, line: Line, i: int) -> None:
    xs, mean, low, high = zip(*line.points, strict=True)
    style = {"color": COLOURS[i % len(COLOURS)], "marker": MARKERS[i % len(MARKERS)]}
    axes.fill_between(xs, low, high, color=style["color"], alpha=0.18, linewidth=0)
    axes.plot(xs, mean, label=line.label, linewidth=1.8, markersize=5, **style)


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
        "grid.color": grid,
        "grid.linewidth": 0.6,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "svg.hashsalt": "semjax",
    }
    with matplotlib.rc_context(settings):
        yield
