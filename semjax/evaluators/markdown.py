"""One Markdown table from the words of its marker and a file of rows.

    FILE rows=FIELDS cols=FIELDS [value=FIELD] [digits=N] [interval=95|ends] [references=yes] [FIELD=VALUE ...]
    FILE rows=FIELDS values=FIELDS [digits=N] [FIELD=VALUE ...]
    FILE check=monotone|above|signs [FIELD=VALUE ...]

FILE is a results.json or a cost.json, written by an evaluation, under any name. `rows` and `cols` name fields (several
with commas, default rows=system cols=snr_db); `value` is the field shown in the cells (default mean), `digits` its
decimals (default 2). `interval=95` adds half the width of the interval, `interval=ends` its two ends. `values` makes
one column per named field instead, as a table of cost wants. Any other `field=value` selects rows. A cell that matches
two different results is an error: a table never picks one silently.

Two fields are made here: `cbr`, the total cbr as 1/n where it is that within half a per cent (so rows=cbr cols=snr_db
is a rate table although side information costs a little more at low SNR), and `told`, in words, which with
rows=system,told cols=snr_db shows SNR mismatch. Rows whose ends were told another SNR are left out, unless the marker
names `told` or `told_snr_db`.

`references=yes` adds the public figures that belong to the same pictures, channel and metric, at the points of the
columns; it wants rows=system and a cbr and SNR in the columns or among the selections. `check=monotone` lists the steps
in SNR and in cbr along which the metric does not rise; `check=above` the points of a gain whose whole interval is not
above 0; `check=signs` the places where it is not above 0 in every seed and in all together. Rows of all seeds together
have `seed=all`. Examples:

    docs/results/swin.json rows=cbr cols=snr_db metric=psnr system=swinjscc channel=awgn
    docs/results/swin.json rows=system,cbr cols=snr_db metric=psnr_gain_over_linear channel=awgn interval=ends
    docs/results/swin.json rows=system cols=cbr snr_db=10 metric=psnr channel=awgn references=yes
    docs/results/swin.json rows=system,told cols=snr_db metric=psnr channel=awgn
    docs/results/swin.json check=monotone metric=psnr
    docs/results/sa.json rows=variant cols=snr_db metric=psnr_high channel=awgn side_link=ideal seed=all interval=ends
    docs/results/swin_cost.json rows=system,end values=parameters,gflop,ms
"""

import json
import math
import pathlib
import shlex
from collections.abc import Iterator
from typing import Any

from semjax.evaluators import agreement, monotone, numbers, plots, references
from semjax.evaluators.hierarchical import POOLED
from semjax.evaluators.results import Row, cbr_name, distinct, matched, read

OPTIONS = {
    **{"rows": "system", "cols": "snr_db", "value": "mean", "digits": "2"},
    **{"interval": "", "values": "", "references": "", "check": ""},
}
HEADINGS = {"snr_db": "{} dB", "cbr_total": "cbr {}", "cbr_analog": "cbr {}", "cbr": "cbr {}"}
PROVENANCE = (
    *("dataset", "split", "channel", "csi", "metric", "n_images", "n_objects", "n_draws", "seed", "commit"),
    "config_hash",
)
COST_PROVENANCE = ("commit", "config_hash", "device", "height", "width", "batch")


def render(spec: str, *, root: pathlib.Path) -> str:
    """One table, with a line that says where its numbers come from.

    Args:
      spec: the words of a marker.
      root: folder that the file's path is relative to.

    Raises:
      ValueError: a missing results file, an unknown field, option or an ambiguous cell.
    """
    name, *words = shlex.split(spec)
    if any("=" not in word for word in words):
        raise ValueError(f"expected field=value after the file's name, got {[w for w in words if '=' not in w]}")
    given = dict(word.split("=", 1) for word in words)
    options = {key: given.pop(key, default) for key, default in OPTIONS.items()}
    path = root / name
    if not path.is_file():
        raise ValueError(f"there is no results file {name}")
    named = {*options["rows"].split(","), *options["cols"].split(","), *given}
    rows = _select(_prepared(read(path), named), given)
    if options["check"]:
        body, others = _checked(rows, options["check"]), []
    else:
        others = _public(rows, given) if options["references"] else []
        body = _table(rows, others, options)
    return "\n".join(body) + "\n\n" + _provenance(rows, name, others) + "\n"


def _prepared(rows: list[Row], named: set[str]) -> list[Row]:
    """The rows with the fields made here; without those under mismatch, unless a field of it is named."""
    if "told" in named:
        rows = plots.under_mismatch(rows)
    elif "told_snr_db" not in named:
        rows = [row for row in rows if "told_snr_db" not in row or matched(row)]
    rows = [{**row, "seed": _AllSeeds(POOLED)} if row.get("seed") == POOLED else row for row in rows]
    return [{**row, "cbr": _Cbr(row["cbr_total"])} if "cbr_total" in row else row for row in rows]


def _table(rows: list[Row], others: list[Row], options: dict[str, str]) -> list[str]:
    by, across = options["rows"].split(","), options["cols"].split(",")
    if options["values"]:
        across, names = [], options["values"].split(",")
        _known(rows, [*by, *names])
        made = {
            label: [_cell(rows, dict(zip(by, label, strict=True)), options, name) for name in names]
            for label in distinct(rows, *by)
        }
        heads = names
    else:
        _known(rows, [*by, *across, options["value"]])
        if others and by != ["system"]:
            raise ValueError(f"references=yes wants rows=system, got rows={','.join(by)}")
        columns = sorted(distinct(rows, *across), key=_order)
        made = {}
        for label in distinct([*rows, *others], *by):
            places = [dict(zip([*by, *across], [*label, *c], strict=True)) for c in columns]
            made[label] = [_cell([*rows, *others], place, options, options["value"]) for place in places]
        heads = [_heading(across, values) for values in columns]
    lines = [_line([*by, *heads]), _line([*("---" for _ in by), *("---:" for _ in heads)])]
    strangers = {row["system"] for row in others}
    shown = {k: v for k, v in made.items() if k[0] not in strangers or set(v) != {"–"}}
    return lines + [_line([*map(_text, label), *cells]) for label, cells in shown.items()]


def _checked(rows: list[Row], check: str) -> list[str]:
    """What a check found, in a sentence and, where there is something to list, a table."""
    metrics = [metric for (metric,) in distinct(rows, "metric")]
    if len(metrics) != 1:
        raise ValueError(f"check={check} is of one metric, got {metrics}: select one")
    if check == "monotone":
        total, down = len(list(monotone.steps(rows, metric=metrics[0]))), monotone.falls(rows, metric=metrics[0])
        if not down:
            return [f"All {total} steps in SNR and in cbr go up."]
        return [
            f"{len(down)} of {total} steps in SNR and cbr do not go up:",
            "",
            *_listed(map(numbers.step_name, down)),
        ]
    if check == "above":
        low = [row for row in rows if not row["ci_low"] > 0]
        if not low:
            return [f"All {len(rows)} points lie above 0 with their whole 95 % interval."]
        names = (
            f"{row['system']} over {row['channel']} at {row['snr_db']:g} dB, cbr {row['cbr']}: "
            f"{row['mean']:.2f} [{row['ci_low']:.2f}, {row['ci_high']:.2f}]"
            for row in low
        )
        head = f"{len(low)} of {len(rows)} points do not lie above 0 with their whole 95 % interval:"
        return [head, "", *_listed(names)]
    if check == "signs":
        found = [*agreement.places(rows)]
        low = [place.words() for place in found if not place.holds]
        return [agreement.sentence(found), *(["", *_listed(low)] if low else [])]
    raise ValueError(f"check={check} is not known; it may be monotone, above or signs")


def _listed(names: Any) -> Iterator[str]:
    return (f"- {name}" for name in names)


def _public(rows: list[Row], wanted: dict[str, str]) -> list[Row]:
    """Public figures as rows, selected by those of the wanted fields that they have."""
    _known(rows, ["dataset", "split", "channel", "metric", "n_images", "snr_db", "cbr"])
    found = [{**row, "cbr": _Cbr(row["cbr_total"])} for row in references.beside(rows)]
    shared = {k: v for k, v in wanted.items() if k in ("snr_db", "channel", "metric", "cbr", "dataset")}
    return [row for row in found if _matches(row, shared)]


def _select(rows: list[Row], wanted: dict[str, str]) -> list[Row]:
    _known(rows, list(wanted))
    chosen = [row for row in rows if _matches(row, wanted)]
    if not chosen:
        raise ValueError(f"no result matches {wanted}")
    return chosen


def _matches(row: Row, wanted: dict[str, str]) -> bool:
    return all(_text(row[k]) == v or str(row[k]) == v for k, v in wanted.items())


def _known(rows: list[Row], fields: list[str]) -> None:
    unknown = [f for f in fields if any(f not in row for row in rows)]
    if unknown:
        raise ValueError(f"the results have no field {unknown}; they have {sorted(set().union(*rows))}")


def _cell(rows: list[Row], where: dict[str, Any], options: dict[str, str], value: str) -> str:
    found = [row for row in rows if all(row.get(k) == v for k, v in where.items())]
    if len(found) > 1:
        differ = [f for f in found[0] if len({json.dumps(row.get(f)) for row in found}) > 1]
        raise ValueError(f"{len(found)} results for {where}, which differ in {differ}: select one or show the field")
    if not found or not isinstance(found[0][value], int | float) or not math.isfinite(found[0][value]):
        return "–" if not found or isinstance(found[0][value], float) else _text(found[0][value])
    row, digits = found[0], int(options["digits"])
    if isinstance(row[value], int):
        return f"{row[value]:,}"
    return f"{row[value]:.{digits}f}{_interval(row, options['interval'], digits)}"


def _interval(row: Row, kind: str, digits: int) -> str:
    if not kind or "ci_low" not in row:
        return ""
    if kind == "ends":
        return f" [{row['ci_low']:.{digits}f}, {row['ci_high']:.{digits}f}]"
    return f" ± {(row['ci_high'] - row['ci_low']) / 2:.{digits}f}"


def _provenance(rows: list[Row], name: str, others: list[Row]) -> str:
    fields = COST_PROVENANCE if "end" in rows[0] else PROVENANCE
    facts = {f: [_text(v[0]) for v in distinct(rows, f)] for f in fields if all(f in row for row in rows)}
    said = [f"{field} {', '.join(values)}" for field, values in facts.items() if any(values)]
    notes = [
        f"{system}: {'; '.join(filter(None, (source, note)))}"
        for system, source, note in distinct(others, "system", "source", "note")
    ]
    return f"*{'; '.join([*said, f'from {name}'])}.{''.join(f' {note}.' for note in notes)}*"


class _Cbr(float):
    """A cbr that is the same as another of the same name: 1/n, or three digits."""

    def __new__(cls, cbr: float) -> "_Cbr":
        name = cbr_name(cbr)
        top, _, bottom = name.partition("/")
        return super().__new__(cls, float(top) / float(bottom or 1))

    def __str__(self) -> str:
        return cbr_name(self)


class _AllSeeds(int):
    """The seed of a row of all seeds together."""

    def __str__(self) -> str:
        return "all"


def _heading(fields: list[str], values: tuple[Any, ...]) -> str:
    return " ".join(HEADINGS.get(f, "{}").format(_text(v)) for f, v in zip(fields, values, strict=True))


def _order(values: tuple[Any, ...]) -> tuple[tuple[int, Any], ...]:
    return tuple((0, v) if isinstance(v, int | float) else (1, str(v)) for v in values)


def _text(value: Any) -> str:
    if isinstance(value, _Cbr):
        return str(value)
    text = "–" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
    return text.replace("|", "\\|")


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"
