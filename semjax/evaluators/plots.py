"""Figures of result rows: quality against SNR, against rate, and under SNR mismatch. Needs the extra `plot`.

Beside our lines stand the public figures of `evaluators.references`, where they are of the same pictures, channel and
metric, with their source in the legend.
"""

import dataclasses
import math
import pathlib
from collections.abc import Iterator, Sequence

from semjax.evaluators import references
from semjax.evaluators.canvas import Figure, FiguresMissing, Line, Panel, draw
from semjax.evaluators.paired import GAIN_OVER
from semjax.evaluators.results import Row, cbr_name, distinct, matched
from semjax.metrics import SIGNAL_METRICS

__all__ = ["Figure", "FiguresMissing", "Series", "by_system", "curves", "label", "mismatch", "rate_distortion"]

LABELS = {
    "psnr": "PSNR (dB)",
    "psnr_of_mean_mse": "PSNR of the mean MSE (dB)",
    "ssim": "SSIM",
    "ms_ssim": "MS-SSIM",
    "mse": "MSE",
    "answer_intent": "Answers right, intent",
    "answer_control": "Answers right, control",
    "answer": "Answers right",
    "match_intent": "Answers as on the original, intent",
    "match_control": "Answers as on the original, control",
    "match": "Answers as on the original",
    "papr_db": "Peak over mean power (dB)",
    "power_p999_db": "99.9 % quantile of the power over its mean (dB)",
}
TRUTH = "the SNR it has"


def curves(rows: Sequence[Row], folder: pathlib.Path) -> list[Figure]:
    """Each metric against SNR, one figure per channel, one panel per rate, one line per (system, variant).

    Gains are lines of one panel, one line per rate. All lines have 95 % bands.

    Args:
      rows: result rows.
      folder: where the SVG files go; made if absent.

    Returns:
      The figures; none for a metric that has no finite value.

    Raises:
      FiguresMissing: matplotlib is not installed.
    """
    figures = []
    for group in _groups([row for row in rows if matched(row)]):
        series = list(by_system(group.rows))
        levels = sorted({s.level for s in series})
        if GAIN_OVER in group.metric or len(levels) == 1:
            panels = [_snr_panel(group.rows, series, title="")]
        else:
            alike = [[s for s in series if s.level == level] for level in levels]
            panels = [_snr_panel(group.rows, one, title=f"cbr {one[0].cbr}") for one in alike]
        path = folder / group.name
        figures += draw(panels, title=group.title, x="SNR = Es/N0 (dB)", y=label(group.metric), path=path)
    return figures


def _snr_panel(rows: Sequence[Row], series: "Sequence[Series]", *, title: str) -> Panel:
    """Series over SNR, and the public figures at the first one's rate; without a title, labels say the rate."""
    own = [
        Line(label=s.system if title else f"{s.system}, cbr {s.cbr}", points=_points(s.rows, "snr_db")) for s in series
    ]
    near = [row for row in references.beside(rows) if references.same_rate(row["cbr_total"], series[0].mean_cbr)]
    return Panel(title=title, lines=[*own, *_lines_of(near, "snr_db")])


def rate_distortion(rows: Sequence[Row], folder: pathlib.Path) -> list[Figure]:
    """Each metric against `cbr_total`, one panel per SNR, one line per (system, variant), where there are several cbr.

    Args:
      rows: result rows.
      folder: where the SVG files go; made if absent.

    Returns:
      The figures; none where no system has more than one cbr.

    Raises:
      FiguresMissing: matplotlib is not installed.
    """
    figures = []
    for group in _groups([row for row in rows if matched(row) and GAIN_OVER not in row["metric"]]):
        panels, beside = [], references.beside(group.rows)
        for snr_db in sorted({row["snr_db"] for row in group.rows}):
            at = [row for row in group.rows if row["snr_db"] == snr_db]
            own = [
                Line(label=name, points=_points([r for r in at if system_name(r) == name], "cbr_total"))
                for name in dict.fromkeys(map(system_name, at))
            ]
            if any(len(line.points) > 1 for line in own):
                public = _lines_of([row for row in beside if row["snr_db"] == snr_db], "cbr_total")
                panels.append(Panel(title=f"{snr_db:g} dB", lines=[*own, *public]))
        x, path = "channel uses per picture value (cbr)", folder / f"rate_{group.name}"
        figures += draw(panels, title=f"{group.title}, by rate", x=x, y=label(group.metric), path=path)
    return figures


def mismatch(rows: Sequence[Row], folder: pathlib.Path, *, metric: str = "psnr") -> list[Figure]:
    """The metric against the channel's SNR, one panel per system, one line per SNR that the ends were told.

    Args:
      rows: result rows.
      folder: where the SVG files go; made if absent.
      metric: its name in the rows.

    Returns:
      One figure per channel; none where both ends always knew the SNR.

    Raises:
      FiguresMissing: matplotlib is not installed.
    """
    figures = []
    for group in _groups([row for row in under_mismatch(rows) if row["metric"] == metric]):
        panels = []
        for name in dict.fromkeys(map(system_name, group.rows)):
            own = [row for row in group.rows if system_name(row) == name]
            told = [t for t in dict.fromkeys(row["told"] for row in own) if t != TRUTH]
            lines = [
                Line(label=f"told {t}", points=_points([r for r in own if r["told"] == t], "snr_db"))
                for t in [TRUTH, *told]
            ]
            panels.append(Panel(title=f"{name}, cbr {cbr_name(own[0]['cbr_total'])}", lines=lines))
        path, title = folder / f"mismatch_{group.name}", f"{group.title}, told another SNR"
        figures += draw(panels, title=title, x="SNR of the channel (dB)", y=label(metric), path=path)
    return figures


def under_mismatch(rows: Sequence[Row]) -> list[Row]:
    """The rows that show mismatch, each with a field `told`, in words.

    For every system, channel and rate with rows whose ends were told another SNR: those rows, the matched one at the
    told SNR with them, and all matched ones once more as the truth.
    """
    place = ("system", "variant", "checkpoint", "dataset", "split", "channel", "csi", "rate", "metric")
    found = []
    for values in distinct([row for row in rows if not matched(row)], *place):
        own = [row for row in rows if tuple(row[f] for f in place) == values]
        found += [{**row, "told": TRUTH} for row in own if matched(row)]
        for told in dict.fromkeys(row["told_snr_db"] for row in own if not matched(row)):
            found += [{**row, "told": f"{told:g} dB"} for row in own if row["told_snr_db"] == told]
    return found


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Group:
    metric: str
    title: str
    name: str
    rows: list[Row]


def _groups(rows: Sequence[Row]) -> Iterator[_Group]:
    """The rows of each figure: of one metric of received pictures, over one channel, on one set of pictures."""
    fields = ("metric", "channel", "csi", "dataset", "split")
    several = len(distinct(rows, "dataset", "split")) > 1
    for values in distinct([row for row in rows if row["metric"] not in SIGNAL_METRICS], *fields):
        metric, channel, csi, dataset, split = values
        place = f" on {dataset} {split}" if several else ""
        known = "" if csi == "none" else f", CSI {csi}"
        words = [metric, channel] + ([csi] if known else []) + ([dataset, split] if several else [])
        yield _Group(
            metric=metric,
            title=f"{label(metric).removesuffix(' (dB)')} over {channel}{known}{place}",
            name="_".join("".join(c if c.isalnum() else "-" for c in str(word)) for word in words),
            rows=[r for r in rows if tuple(r[f] for f in fields) == values],
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Series:
    """The rows of one system at one rate: a line in a figure, a line in a table.

    Attributes:
      system: its name.
      cbr: its rate, for people.
      level: rate token and, among several cbr at one token, which; alike for systems that stand beside each other.
      rows: one per SNR.
    """

    system: str
    cbr: str
    level: tuple[float, int]
    rows: list[Row]

    @property
    def mean_cbr(self) -> float:
        """Over its SNRs: side information costs more where the SNR is low."""
        return math.fsum(row["cbr_total"] for row in self.rows) / len(self.rows)


def by_system(rows: list[Row]) -> Iterator[Series]:
    """One series per system and rate; a code whose cbr moves with the SNR is one per rate, not one per cbr."""
    for name, rate in dict.fromkeys((system_name(r, rows), r["rate"]) for r in rows):
        own = [r for r in rows if (system_name(r, rows), r["rate"]) == (name, rate)]
        ranked: dict[int, list[Row]] = {}
        for snr_db in dict.fromkeys(r["snr_db"] for r in own):
            at = sorted((r for r in own if r["snr_db"] == snr_db), key=lambda r: r["cbr_total"])
            for rank, row in enumerate(at):
                ranked.setdefault(rank, []).append(row)
        for rank, part in ranked.items():
            spent = sorted(r["cbr_total"] for r in part)
            one = references.same_rate(spent[0], spent[-1])
            cbr = cbr_name(math.fsum(spent) / len(spent)) if one else f"{cbr_name(spent[0])} to {cbr_name(spent[-1])}"
            yield Series(system=name, cbr=cbr, level=(rate, rank), rows=part)


def system_name(row: Row, rows: Sequence[Row] = ()) -> str:
    """System and variant of a row; among `rows` with several checkpoints of it, that too."""
    name = row["system"] if row["variant"] in ("", "default") else f"{row['system']} ({row['variant']})"
    alike = {r["checkpoint"] for r in rows if (r["system"], r["variant"]) == (row["system"], row["variant"])}
    return f"{name} {row['checkpoint']}" if len(alike) > 1 else name


def label(metric: str) -> str:
    """A metric as figures and tables name it."""
    measure, _, baseline = metric.partition(GAIN_OVER)
    name = LABELS.get(measure, measure.replace("_", " "))
    return f"{name}, gain over {baseline}" if baseline else name


def _lines_of(public: Sequence[Row], x: str) -> list[Line]:
    lines, order = [], [reference.name for reference in references.load()]
    for name, source in distinct(public, "system", "source"):
        own = [{**r, "ci_low": r["mean"], "ci_high": r["mean"]} for r in public if r["system"] == name]
        lines.append(Line(label=f"{name} ({source})", points=_points(own, x), reference=order.index(name)))
    return lines


def _points(rows: Sequence[Row], x: str) -> list[tuple[float, float, float, float]]:
    points = [tuple(float(row[f]) for f in (x, "mean", "ci_low", "ci_high")) for row in rows]
    return sorted(p for p in points if all(map(math.isfinite, p)))  # type: ignore[misc]
