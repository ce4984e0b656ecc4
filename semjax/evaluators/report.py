"""The report of an evaluation: tables, figures, pictures, and how to read them, as one folder with an `index.html`.

Everything the page shows lies beside it, so the folder can be moved, zipped or put on any web server as it is.
"""

import logging
import pathlib
from collections.abc import Callable, Mapping, Sequence
from html import escape

from semjax.evaluators import cost, gallery, numbers, page, plots, results
from semjax.evaluators.paired import GAIN_OVER
from semjax.evaluators.results import Row, distinct
from semjax.metrics import SIGNAL_METRICS

LOG = logging.getLogger(__name__)
FIRST = "psnr"
"""The metric whose tables and figures are open; those of the others are folded."""

DEFINITIONS = (
    ("Gain over a baseline", "mean over pictures of the difference on the same picture with the same channel draws"),
    ("SNR", "average Es/N0 per complex channel use, in dB: noise CN(0, 10^(-SNR/10)) against unit mean symbol power"),
    (
        "cbr",
        "channel uses (symbols) per picture value: uses / (height x width x 3). Analog symbols, digital content "
        "and side information, to which pilots belong, are counted apart and add up to the total. 1/n is written "
        "where the total is that within half a per cent",
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
TOLD = (
    "Both ends are told one average SNR while the channel has another. The receiver still knows the noise variance, "
    "which it can measure, and its gain; the transmitter goes by what it was told. An ideal side link is charged at "
    "the capacity of the SNR that the channel has."
)
POWER = (
    "Of the symbols themselves, before any pulse shaping, per picture, then averaged. The peak grows with the number "
    "of symbols; the quantile, which one symbol in a thousand exceeds, does not."
)
COST = (
    "Median time of the compiled end per picture, and the shortest and longest of its repetitions; entropy coding and "
    "channel are in neither end. GFLOP: matrix products and convolutions as the program is written, loops counted as "
    "often as they run, two FLOPs to a multiply-accumulate. XLA's own count takes the body of a loop once."
)
PICTURES = (
    f"Large pictures are shown by a square of {gallery.SIDE} pixels from their middle; the PSNR is of the whole "
    "picture. Every system met the same channel draw."
)
REFERENCES = "Figures of others are as they were reported; their systems were not run here."


def write(
    rows: Sequence[Row],
    folder: pathlib.Path,
    *,
    title: str,
    provenance: Mapping[str, str],
    samples: Sequence[gallery.Sample] = (),
    costs: Sequence[Row] = (),
    notes: Sequence[str] = (),
) -> pathlib.Path:
    """Writes results.json, results.csv, cost.json, figures, pictures and `index.html` into `folder`.

    Args:
      rows: result rows.
      folder: made if absent.
      title: heading of the page.
      provenance: facts about the run (commit, config hash, date, machine), shown as they are.
      samples: pictures for the grid.
      costs: rows of `evaluators.cost`.
      notes: remarks about the gains.

    Returns:
      The path of `index.html`.
    """
    results.write(rows, folder)
    if costs:
        results.save(costs, folder / cost.FILE, fields=cost.FIELDS)
    sections = [
        *_measured(rows, folder / "figures", notes),
        page.section("Cost", *_with_note(numbers.cost(costs), f"{COST} {_devices(costs)}")),
        page.section("Pictures", *_pictures(samples, folder)),
        page.section("How to read this", page.facts(DEFINITIONS)),
        page.section("Where it comes from", page.facts([*provenance.items()]), _files(costs)),
    ]
    path = folder / "index.html"
    path.write_text(page.page(title=title, lead=_lead(rows), sections=[s for s in sections if s]), encoding="utf-8")
    return path


def _measured(rows: Sequence[Row], figures: pathlib.Path, notes: Sequence[str]) -> list[str]:
    """The sections of what was measured of the received pictures and of the signal."""
    return [
        page.section("Quality", *_tables(rows, "", numbers.rising(rows))),
        *(page.section(f"Gain over {name}", *_tables(rows, name, *notes)) for name in _baselines(rows)),
        page.section("Beside public figures", *_with_note(numbers.beside(rows), REFERENCES)),
        page.section("Quality by rate", *_figures(rows, lambda part: plots.rate_distortion(part, figures))),
        page.section("Quality by SNR", *_figures(rows, lambda part: plots.curves(part, figures))),
        page.section("Told another SNR", *_mismatch(rows, figures)),
        page.section("Transmit power", *_power(rows)),
        page.section("Channel uses", numbers.uses(rows)),
    ]


def _baselines(rows: Sequence[Row]) -> list[str]:
    names = [metric.partition(GAIN_OVER)[2] for (metric,) in distinct(rows, "metric")]
    return [name for name in dict.fromkeys(names) if name]


def _tables(rows: Sequence[Row], baseline: str, *notes: str) -> list[str]:
    """The tables of all metrics, or of all gains over a baseline: the first open, the others folded."""
    names = [metric for (metric,) in distinct(rows, "metric") if metric not in SIGNAL_METRICS]
    metrics = [name for name in names if name.partition(GAIN_OVER)[2] == baseline]
    metrics.sort(key=lambda name: name.partition(GAIN_OVER)[0] != FIRST)
    if not metrics:
        return []
    first, *others = metrics
    if baseline:
        unequal = [f"Not at equal rate: {note}." for note in notes if note.endswith(f" of {baseline}")]
        notes = (numbers.above(rows, first), *unequal)
    return [
        page.block(plots.label(first), numbers.quality(rows, first), *(page.note(text) for text in notes if text)),
        *(page.folded(plots.label(metric), numbers.quality(rows, metric), first=False) for metric in others),
    ]


def _figures(rows: Sequence[Row], drawn: Callable[[Sequence[Row]], list[plots.Figure]]) -> list[str]:
    """Figures of the first metric, open, and of the others and the gains, folded."""
    metrics = [metric for (metric,) in distinct(rows, "metric")]
    first = FIRST if FIRST in metrics else metrics[0]
    try:
        shown = drawn([row for row in rows if row["metric"] == first])
        others = drawn([row for row in rows if row["metric"] != first])
    except plots.FiguresMissing as error:
        LOG.warning("the report is written without figures: %s", error)
        return [page.note(f"No figures: {error}")]
    folded = page.folded("Other metrics and gains", _placed(others), first=False) if others else ""
    return [_placed(shown), folded] if shown or others else []


def _placed(figures: Sequence[plots.Figure]) -> str:
    made = [
        page.figure(title=f.title, light=f"figures/{f.light.name}", dark=f"figures/{f.dark.name}", panels=f.panels)
        for f in figures
    ]
    return f'<div class="figures">{"".join(made)}</div>' if made else ""


def _mismatch(rows: Sequence[Row], folder: pathlib.Path) -> list[str]:
    table = numbers.mismatch(rows)
    if not table:
        return []
    try:
        drawn = _placed(plots.mismatch(rows, folder))
    except plots.FiguresMissing:
        drawn = ""
    return [page.note(TOLD), table, drawn]


def _power(rows: Sequence[Row]) -> list[str]:
    """The signal metrics over the first channel: no channel has a part in them."""
    own = [row for row in rows if row["metric"] in SIGNAL_METRICS]
    if not own:
        return []
    first = [row for row in own if row["channel"] == own[0]["channel"]]
    metric, *others = [metric for (metric,) in distinct(first, "metric")]
    return [
        page.note(POWER),
        page.block(plots.label(metric), numbers.quality(first, metric)),
        *(page.folded(plots.label(name), numbers.quality(first, name), first=False) for name in others),
    ]


def _pictures(samples: Sequence[gallery.Sample], folder: pathlib.Path) -> list[str]:
    grids = [gallery.grid(sample, folder, i) for i, sample in enumerate(samples)]
    return [page.note(PICTURES), *grids] if grids else []


def _with_note(table: str, note: str) -> list[str]:
    return [table, page.note(note)] if table else []


def _devices(costs: Sequence[Row]) -> str:
    return f"Device: {', '.join(device for (device,) in distinct(costs, 'device'))}."


def _lead(rows: Sequence[Row]) -> str:
    places = ", ".join(f"{dataset} {split}".strip() for dataset, split in distinct(rows, "dataset", "split"))
    counts = "; ".join(
        f"{n} pictures, {d} channel draw{'' if d == 1 else 's'} each" for n, d in distinct(rows, "n_images", "n_draws")
    )
    return f"{places}: {counts}."


def _files(costs: Sequence[Row]) -> str:
    names = ("results.json", "results.csv", *((cost.FILE,) if costs else ()))
    links = ", ".join(f'<a href="{name}">{escape(name)}</a>' for name in names)
    return f'<p class="note">The numbers: {links}.</p>'
