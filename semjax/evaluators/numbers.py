"""The tables of a report, as HTML for its page and as text for a terminal."""

import math
from collections.abc import Sequence
from html import escape

from semjax.evaluators import monotone, page, plots, references
from semjax.evaluators.paired import GAIN_OVER
from semjax.evaluators.results import Row, cbr_name, distinct, matched
from semjax.evaluators.shares import RATIOS

DIGITS = {
    **{"psnr": 2, "psnr_of_mean_mse": 2, "ssim": 3, "ms_ssim": 3, "papr_db": 2, "power_p999_db": 2},
    **dict.fromkeys(RATIOS, 3),
}
NAMED_AT_MOST = 12
"""Points or steps that a note names; of more it gives the number."""


def quality(rows: Sequence[Row], metric: str) -> str:
    """A metric by SNR, one line per system, channel and rate."""
    chosen = [r for r in rows if r["metric"] == metric and matched(r)]
    snrs = sorted({r["snr_db"] for r in chosen})
    body = []
    for series in in_order(chosen):
        at = {r["snr_db"]: cell(r) for r in series.rows}
        body.append([*_words(series), series.cbr, *(at.get(snr, "") for snr in snrs)])
    header = ["system", "channel", "cbr", *(f"{snr:g} dB" for snr in snrs)]
    return page.table(header=header, rows=body, words=2)


def text_table(rows: Sequence[Row], metric: str) -> str:
    """The metric by SNR as plain text for a terminal, one line per rate, system and channel."""
    chosen = [r for r in rows if r["metric"] == metric and matched(r)]
    snrs = sorted({r["snr_db"] for r in chosen})
    lines = [[plots.label(metric), "", "cbr", *(f"{snr:g} dB" for snr in snrs)]]
    for series in in_order(chosen):
        at = {r["snr_db"]: f"{r['mean']:.{digits(metric)}f}" for r in series.rows}
        lines.append([series.system, channel_name(series.rows[0]), series.cbr, *(at.get(snr, "") for snr in snrs)])
    return _aligned(lines)


def text_mismatch(rows: Sequence[Row], metric: str = "psnr") -> str:
    """The metric under SNR mismatch as plain text; "" where there was none."""
    chosen = [r for r in plots.under_mismatch(rows) if r["metric"] == metric]
    snrs = sorted({r["snr_db"] for r in chosen})
    lines = [[f"{plots.label(metric)}, channel at", "", *(f"{snr:g} dB" for snr in snrs)]]
    for name, channel, told, at in _told(chosen):
        values = {snr: f"{r['mean']:.{digits(metric)}f}" for snr, r in at.items()}
        lines.append([f"{name}, told {told}", channel, *(values.get(snr, "") for snr in snrs)])
    return _aligned(lines) if chosen else ""


def mismatch(rows: Sequence[Row], metric: str = "psnr") -> str:
    """The metric by the channel's SNR, one line per system, channel and told SNR; "" where there was no mismatch."""
    chosen = [r for r in plots.under_mismatch(rows) if r["metric"] == metric]
    snrs = sorted({r["snr_db"] for r in chosen})
    body = []
    for name, channel, told, at in _told(chosen):
        cbr = cbr_name(math.fsum(row["cbr_total"] for row in at.values()) / len(at))
        cells = [cell(at[snr]) if snr in at else "" for snr in snrs]
        body.append([escape(name), escape(channel), escape(told), cbr, *cells])
    header = ["system", "channel", "told", "cbr", *(f"at {snr:g} dB" for snr in snrs)]
    return page.table(header=header, rows=body, words=3) if body else ""


def uses(rows: Sequence[Row]) -> str:
    """Channel uses by kind, one line per system, channel and rate; from the least to the most over its SNRs."""
    kinds = ("cbr_analog", "cbr_digital", "cbr_side", "cbr_total")
    body = []
    for series in in_order([r for r in rows if r["metric"] == rows[0]["metric"] and matched(r)]):
        ends = [[f"{end(r[kind] for r in series.rows):.5f}" for end in (min, max)] for kind in kinds]
        spent = [low if low == high else f"{low} to {high}" for low, high in ends]
        body.append([*_words(series), escape(_link(series.rows[0])), *spent])
    header = ["system", "channel", "side link", "analog", "digital", "side", "total"]
    return page.table(header=header, rows=body, words=3)


def _link(row: Row) -> str:
    return f"{row['side_link']}, {row['link_terms']}" if row["side_link"] == "coded" else row["side_link"]


def beside(rows: Sequence[Row]) -> str:
    """Ours beside the public figures at the points that both have; "" where there is none."""
    public = references.beside(rows)
    parts = []
    for metric, channel in distinct(public, "metric", "channel"):
        figures = [r for r in public if (r["metric"], r["channel"]) == (metric, channel)]
        own = [r for r in rows if (r["metric"], r["channel"]) == (metric, channel) and matched(r)]
        body, columns = _meeting(own, figures)
        if body:
            header = ["SNR", "system", "source", *(f"cbr {cbr_name(cbr)}" for cbr in columns)]
            heading = f"{plots.label(metric)} over {channel}"
            parts.append(page.block(heading, page.table(header=header, rows=body, words=3)))
    notes = []
    for (note,) in distinct([row for row in public if row["note"]], "note"):
        names = [name for name, said in distinct(public, "system", "note") if said == note]
        notes.append(f"{', '.join(names)}: {note}.")
    return "\n".join([*parts, *map(page.note, notes)]) if parts else ""


def cost(rows: Sequence[Row]) -> str:
    """What each end costs; "" if it was not measured."""
    body = []
    for row in rows:
        size, turns = f"{row['width']}x{row['height']}", " (loops once)" if row["loops"] else ""
        times = f'{row["ms"]:.3g}<span class="interval">{row["ms_low"]:.3g} to {row["ms_high"]:.3g}</span>'
        flops = [f"{row['gflop']:.4g}", f"{row['gflop_xla']:.4g}{turns}"]
        words = [escape(plots.system_name(row)), row["end"], size]
        body.append([*words, cbr_token(row), f"{row['parameters']:,}", *flops, times, f"{row['batch']}"])
    header = ["system", "end", "picture", "rate", "parameters", "GFLOP", "GFLOP by XLA", "ms", "batch"]
    return page.table(header=header, rows=body, words=3) if body else ""


def cbr_token(row: Row) -> str:
    """A rate token for people."""
    return f"{row['rate']:.3g}"


def text_cost(rows: Sequence[Row]) -> str:
    """What each end costs, as plain text; "" if it was not measured."""
    lines = [["cost per picture", "", "parameters", "GFLOP", "ms"]]
    for row in rows:
        name = f"{plots.system_name(row)}, {row['width']}x{row['height']}, batch {row['batch']}, {row['device']}"
        lines.append([name, row["end"], f"{row['parameters']:,}", f"{row['gflop']:.4g}", f"{row['ms']:.3g}"])
    return _aligned(lines) if rows else ""


def rising(rows: Sequence[Row], metric: str = "psnr") -> str:
    """In words: whether the metric rises with SNR and with cbr, and where it does not; "" for a single point."""
    total, down = len(list(monotone.steps(rows, metric=metric))), monotone.falls(rows, metric=metric)
    if not total:
        return ""
    if not down:
        return f"{plots.label(metric)} rises with SNR and with cbr: all {total} steps go up."
    named = "; ".join(step_name(step) for step in down[:NAMED_AT_MOST])
    return f"{plots.label(metric)} does not rise at {len(down)} of {total} steps in SNR or cbr: {named}."


def step_name(step: monotone.Step) -> str:
    """One step in words."""
    start, end = step.start, step.end
    if step.along == "snr_db":
        where = f"at cbr {cbr_name(end['cbr_total'])} from {start['snr_db']:g} to {end['snr_db']:g} dB"
    else:
        where = f"at {end['snr_db']:g} dB from cbr {cbr_name(start['cbr_total'])} to {cbr_name(end['cbr_total'])}"
    return f"{plots.system_name(end)} over {channel_name(end)} {where}: {step.rise:+.{max(digits(end['metric']), 2)}f}"


def above(rows: Sequence[Row], metric: str) -> str:
    """In words: how many points of a gain lie above 0 with their whole interval, and which do not."""
    chosen = [r for r in rows if r["metric"] == metric and matched(r)]
    low = [r for series in in_order(chosen) for r in series.rows if not r["ci_low"] > 0]
    if not low:
        return f"All {len(chosen)} points lie above 0 with their whole 95 % interval."
    named = "; ".join(
        f"{channel_name(r)}, {r['snr_db']:g} dB, cbr {cbr_name(r['cbr_total'])}: "
        f"{r['mean']:.2f} [{r['ci_low']:.2f}, {r['ci_high']:.2f}]"
        for r in low[:NAMED_AT_MOST]
    )
    return f"{len(low)} of {len(chosen)} points do not lie above 0 with their whole 95 % interval: {named}."


def in_order(rows: Sequence[Row]) -> list[plots.Series]:
    """The series of rows by channel, then rate, then system."""
    found = []
    for place in distinct(rows, "channel", "csi"):
        series = plots.by_system([r for r in rows if (r["channel"], r["csi"]) == place])
        found += sorted(series, key=lambda s: s.level)
    return found


def channel_name(row: Row) -> str:
    """The channel, and what the receiver knows of it."""
    return row["channel"] if row["csi"] == "none" else f"{row['channel']}, CSI {row['csi']}"


def cell(row: Row) -> str:
    """A mean with half the width of its interval."""
    if not math.isfinite(row["mean"]):
        return "–"
    half, places = (row["ci_high"] - row["ci_low"]) / 2, digits(row["metric"])
    return f'{row["mean"]:.{places}f}<span class="interval">±{half:.{places}f}</span>'


def digits(metric: str) -> int:
    """Decimals of a metric."""
    return DIGITS.get(metric.partition(GAIN_OVER)[0], 4)


def _words(series: plots.Series) -> list[str]:
    return [escape(series.system), escape(channel_name(series.rows[0]))]


def _told(rows: Sequence[Row]) -> list[tuple[str, str, str, dict[float, Row]]]:
    """System, channel, what the ends were told, and the row at each SNR of the channel."""
    keys = dict.fromkeys((plots.system_name(r), channel_name(r), r["told"]) for r in rows)
    return [
        (*key, {r["snr_db"]: r for r in rows if (plots.system_name(r), channel_name(r), r["told"]) == key})
        for key in keys
    ]


def _meeting(own: Sequence[Row], figures: Sequence[Row]) -> tuple[list[list[str]], list[float]]:
    """The lines and the cbr columns at which our rows and public figures meet."""
    columns = [
        cbr
        for (cbr,) in sorted(distinct(figures, "cbr_total"))
        if any(references.same_rate(cbr, row["cbr_total"]) for row in own)
    ]
    body = []
    for (snr_db,) in sorted(distinct(figures, "snr_db")):
        lines = []
        for group in (own, figures):
            at = [row for row in group if row["snr_db"] == snr_db]
            for name in dict.fromkeys(row["system"] for row in at):
                near = [
                    next((r for r in at if r["system"] == name and references.same_rate(r["cbr_total"], c)), None)
                    for c in columns
                ]
                cells = ["–" if r is None else f"{r['mean']:.2f}" for r in near]
                source = next((r.get("source", "here") for r in at if r["system"] == name), "")
                lines.append([f"{snr_db:g} dB", escape(name), escape(source), *cells])
        both = {line[2] == "here" for line in lines if set(line[3:]) != {"–"}}
        body += [line for line in lines if set(line[3:]) != {"–"}] if both == {True, False} else []
    return body, columns


def _aligned(lines: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(c.ljust(w) if i < 2 else c.rjust(w) for i, (c, w) in enumerate(zip(line, widths, strict=True)))
        for line in lines
    )
