"""The report of an evaluation: tables, figures, pictures, and how to read them, as one folder with an `index.html`.

Everything the page shows lies beside it, so the folder can be moved, zipped or put on any web server as it is.
"""

import dataclasses
import logging
import math
import pathlib
from collections.abc import Mapping, Sequence
from html import escape

import numpy as np
from jaxtyping import Float

from semjax.data import images
from semjax.evaluators import page, plots, results
from semjax.evaluators.paired import GAIN_OVER
from semjax.evaluators.results import Row, distinct

LOG = logging.getLogger(__name__)
SMALL_SIDE = 160
"""Pictures below this many pixels a side are enlarged by the page, so their pixels are kept sharp."""
DIGITS = {"psnr": 2, "psnr_of_mean_mse": 2, "ssim": 3, "ms_ssim": 3}

DEFINITIONS = (
    ("Gain over a baseline", "mean over pictures of the difference on the same picture with the same channel draws"),
    ("SNR", "average Es/N0 per complex channel use, in dB: noise CN(0, 10^(-SNR/10)) against unit mean symbol power"),
    (
        "cbr",
        "channel uses (symbols) per picture value: uses / (height x width x 3). Analog symbols, digital content "
        "and side information, to which pilots belong, are counted apart and add up to the total",
    ),
    ("PSNR", "10 log10(1 / MSE) of the picture clipped to [0, 1] and rounded to 8 bits; per picture, then averaged"),
    (
        "PSNR of mean MSE",
        "10 log10(1 / mean MSE): the MSE is averaged first. Never above the mean PSNR; never mix them",
    ),
    (
        "95 % interval",
        "percentile bootstrap over pictures, 2,000 resamples; channel draws are averaged within a picture first. "
        "± is half its width",
    ),
    (
        "Side link",
        "ideal: digital streams are really coded into bits, arrive without error, and are charged at the channel's "
        "capacity (over fading the ergodic one, which is kinder than a real code). none: there is no digital stream",
    ),
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Shown:
    """A received picture in the grid."""

    label: str
    psnr: float
    image: Float[np.ndarray, "h w 3"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sample:
    """One row of the grid: a picture and what arrived of it."""

    name: str
    original: Float[np.ndarray, "h w 3"]
    received: tuple[Shown, ...]


def write(
    rows: Sequence[Row],
    folder: pathlib.Path,
    *,
    title: str,
    provenance: Mapping[str, str],
    samples: Sequence[Sample] = (),
) -> pathlib.Path:
    """Writes results.json, results.csv, figures, pictures and `index.html` into `folder`.

    Args:
      rows: result rows.
      folder: made if absent.
      title: heading of the page.
      provenance: facts about the run (commit, config hash, date, machine), shown as they are.
      samples: pictures for the grid.

    Returns:
      The path of `index.html`.
    """
    results.write(rows, folder)
    sections = [
        page.section("Results", *(_quality(rows, metric) for (metric,) in distinct(rows, "metric"))),
        page.section("Channel uses", _rates(rows)),
        page.section("Curves", _curves(rows, folder)),
        page.section("Pictures", *(_grid(sample, folder, i) for i, sample in enumerate(samples))),
        page.section("How to read this", page.facts(DEFINITIONS)),
        page.section("Where it comes from", page.facts([*provenance.items()]), _files()),
    ]
    path = folder / "index.html"
    path.write_text(page.page(title=title, lead=_lead(rows), sections=[s for s in sections if s]), encoding="utf-8")
    return path


def text_table(rows: Sequence[Row], metric: str) -> str:
    """The metric by SNR as plain text for a terminal, one line per system, channel and rate."""
    chosen = [r for r in rows if r["metric"] == metric]
    snrs = sorted({r["snr_db"] for r in chosen})
    lines = [[plots.label(metric), "", "cbr", *(f"{snr:g} dB" for snr in snrs)]]
    for series in _series(chosen):
        at = {r["snr_db"]: f"{r['mean']:.{_digits(metric)}f}" for r in series.rows}
        lines.append([series.system, _channel(series.rows[0]), series.cbr, *(at.get(snr, "") for snr in snrs)])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(c.ljust(w) if i < 2 else c.rjust(w) for i, (c, w) in enumerate(zip(line, widths, strict=True)))
        for line in lines
    )


def _series(rows: Sequence[Row]) -> list[plots.Series]:
    places = distinct(rows, "channel", "csi")
    return [s for place in places for s in plots.by_system([r for r in rows if (r["channel"], r["csi"]) == place])]


def _channel(row: Row) -> str:
    return row["channel"] if row["csi"] == "none" else f"{row['channel']}, CSI {row['csi']}"


def _quality(rows: Sequence[Row], metric: str) -> str:
    chosen = [r for r in rows if r["metric"] == metric]
    snrs = sorted({r["snr_db"] for r in chosen})
    body = []
    for series in _series(chosen):
        at = {r["snr_db"]: _cell(r, metric) for r in series.rows}
        body.append([*_words(series), series.cbr, *(at.get(snr, "") for snr in snrs)])
    header = ["system", "channel", "cbr", *(f"{snr:g} dB" for snr in snrs)]
    return f"<h3>{escape(plots.label(metric))}</h3>\n" + page.table(header=header, rows=body, words=2)


def _words(series: plots.Series) -> list[str]:
    return [escape(series.system), escape(_channel(series.rows[0]))]


def _cell(row: Row, metric: str) -> str:
    if not math.isfinite(row["mean"]):
        return "–"
    half = (row["ci_high"] - row["ci_low"]) / 2
    digits = _digits(metric)
    return f'{row["mean"]:.{digits}f}<span class="interval">±{half:.{digits}f}</span>'


def _rates(rows: Sequence[Row]) -> str:
    kinds = ("cbr_analog", "cbr_digital", "cbr_side", "cbr_total")
    body = []
    for series in _series([r for r in rows if r["metric"] == rows[0]["metric"]]):
        snrs = [r["snr_db"] for r in series.rows]
        for row in (r for r in series.rows if r["snr_db"] in (min(snrs), max(snrs))):
            uses = [f"{row[kind]:.5f}" for kind in kinds]
            body.append([*_words(series), escape(row["side_link"]), f"{row['snr_db']:g}", *uses])
    header = ["system", "channel", "side link", "SNR (dB)", "analog", "digital", "side", "total"]
    return page.table(header=header, rows=body, words=3)


def _curves(rows: Sequence[Row], folder: pathlib.Path) -> str:
    try:
        figures = [*plots.curves(rows, folder / "figures"), *plots.rate_distortion(rows, folder / "figures")]
    except plots.FiguresMissing as error:
        LOG.warning("the report is written without figures: %s", error)
        return f'<p class="note">No figures: {escape(str(error))}</p>'
    made = [page.figure(title=f.title, light=f"figures/{f.light.name}", dark=f"figures/{f.dark.name}") for f in figures]
    return f'<div class="figures">{"".join(made)}</div>' if made else ""


def _grid(sample: Sample, folder: pathlib.Path, index: int) -> str:
    (folder / "pictures").mkdir(parents=True, exist_ok=True)
    small = max(sample.original.shape[:2]) < SMALL_SIDE
    cells = [("original", sample.original, "<b>original</b>")]
    cells += [
        (shown.label, shown.image, f"<b>{escape(shown.label)}</b> · {_db(shown.psnr)}") for shown in sample.received
    ]
    made = []
    for j, (label, image, caption) in enumerate(cells):
        path = f"pictures/{index}_{j}.png"
        images.save_png(folder / path, image)
        made.append(page.picture(path=path, name=f"{sample.name}, {label}", caption=caption, small=small))
    heading = f"<h3>{escape(sample.name)}</h3>\n"
    return (
        f'{heading}<div class="pictures" style="grid-template-columns: repeat({len(made)}, 1fr)">{"".join(made)}</div>'
    )


def _db(psnr: float) -> str:
    return f"{psnr:.2f} dB" if math.isfinite(psnr) else "identical"


def _lead(rows: Sequence[Row]) -> str:
    places = ", ".join(f"{dataset} {split}".strip() for dataset, split in distinct(rows, "dataset", "split"))
    counts = "; ".join(
        f"{n} pictures, {d} channel draw{'' if d == 1 else 's'} each" for n, d in distinct(rows, "n_images", "n_draws")
    )
    return f"{places}: {counts}."


def _files() -> str:
    links = ", ".join(f'<a href="{name}">{name}</a>' for name in ("results.json", "results.csv"))
    return f'<p class="note">The numbers: {links}.</p>'


def _digits(metric: str) -> int:
    return DIGITS.get(metric.partition(GAIN_OVER)[0], 4)
