"""Tables of Markdown files, generated from result files committed beside them.

A table stands between two markers:

    <!-- table: docs/results/kodak.json rows=system,cbr_total cols=snr_db metric=psnr channel=awgn -->
    <!-- /table -->

`rows` and `cols` name fields (several with commas); `value` the field shown in the cells (default mean), `digits` its
decimals (default 2) and `interval=95` adds the half width of the interval. Any other `field=value` selects rows. A cell
that matches two different results is an error: a table never picks one silently. The command

    python -m semjax.evaluators tables [--check] [--root DIR]

rewrites what stands between the markers of README.md and docs/*.md; with `--check` it only says what would change.
"""

import argparse
import json
import math
import pathlib
import re
import shlex
from typing import Any

from semjax.evaluators.results import Row, distinct, read

MARKED = re.compile(r"(?P<open><!-- table: (?P<spec>[^\n]*?) -->\n)(?P<body>.*?)(?P<close><!-- /table -->)", re.DOTALL)
OPTIONS = {"rows": "system", "cols": "snr_db", "value": "mean", "digits": "2", "interval": ""}
HEADINGS = {"snr_db": "{} dB", "cbr_total": "cbr {}", "cbr_analog": "cbr {}"}
PROVENANCE = ("dataset", "split", "channel", "csi", "metric", "n_images", "n_draws", "seed", "commit", "config_hash")


def files(root: pathlib.Path) -> list[pathlib.Path]:
    """The Markdown files that may hold tables: README.md and docs/*.md."""
    return [p for p in (root / "README.md", *sorted((root / "docs").glob("*.md"))) if p.is_file()]


def refreshed(text: str, *, root: pathlib.Path, where: str) -> str:
    """The text with every marked table made anew.

    Args:
      text: a Markdown file.
      root: folder that the paths in the markers are relative to.
      where: what errors call the file.

    Raises:
      ValueError: a marker without its end, a missing results file, an unknown field or an ambiguous cell.
    """
    prose = re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.DOTALL)
    opened, closed = prose.count("<!-- table:"), prose.count("<!-- /table -->")
    if opened != closed:
        raise ValueError(f"{where}: {opened} table markers and {closed} ends; each needs its <!-- /table -->")
    shown = _code_spans(text)

    def replace(match: re.Match[str]) -> str:
        if any(a <= match.start() < b for a, b in shown):
            return match.group(0)
        try:
            table = render(match["spec"], root=root)
        except ValueError as error:
            raise ValueError(f"{where}: table {match['spec']!r}: {error}") from error
        return f"{match['open']}{table}{match['close']}"

    return MARKED.sub(replace, text)


def render(spec: str, *, root: pathlib.Path) -> str:
    """One Markdown table from the words of its marker, with a line that says where its numbers come from."""
    name, *words = shlex.split(spec)
    if any("=" not in word for word in words):
        raise ValueError(f"expected field=value after the file's name, got {[w for w in words if '=' not in w]}")
    given = dict(word.split("=", 1) for word in words)
    options = {key: given.pop(key, default) for key, default in OPTIONS.items()}
    path = root / name
    if not path.is_file():
        raise ValueError(f"there is no results file {name}")
    rows = _select(read(path), given)
    by, across = options["rows"].split(","), options["cols"].split(",")
    _known(rows, [*by, *across, options["value"]])
    columns = sorted(distinct(rows, *across), key=_order)
    lines = [
        _line([*by, *(_heading(across, values) for values in columns)]),
        _line([*("---" for _ in by), *("---:" for _ in columns)]),
    ]
    for label in distinct(rows, *by):
        cells = [_cell(rows, dict(zip([*by, *across], [*label, *c], strict=True)), options) for c in columns]
        lines.append(_line([*(_text(v) for v in label), *cells]))
    return "\n".join(lines) + "\n\n" + _provenance(rows, name) + "\n"


def main(argv: list[str]) -> int:
    """Rewrites or checks the tables; returns the exit code (1: they differ or cannot be made)."""
    parser = argparse.ArgumentParser(prog="python -m semjax.evaluators tables", description=refresh.__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 and name the files that differ")
    parser.add_argument("--root", type=pathlib.Path, default=pathlib.Path(), help="folder of README.md and docs/")
    args = parser.parse_args(argv)
    try:
        changed = refresh(args.root)
    except ValueError as error:
        print(error)
        return 1
    for path, text in changed.items():
        if args.check:
            print(f"{path}: its tables differ from docs/results; run: python -m semjax.evaluators tables")
        else:
            path.write_text(text, encoding="utf-8")
            print(f"{path}: tables rewritten")
    return 1 if args.check and changed else 0


def refresh(root: pathlib.Path) -> dict[pathlib.Path, str]:
    """The files under `root` whose tables differ from the committed results, with their new text."""
    old = {path: path.read_text(encoding="utf-8") for path in files(root)}
    new = {path: refreshed(text, root=root, where=path.name) for path, text in old.items()}
    return {path: text for path, text in new.items() if text != old[path]}


def _code_spans(text: str) -> list[tuple[int, int]]:
    return [m.span() for m in re.finditer(r"```.*?```", text, flags=re.DOTALL)]


def _select(rows: list[Row], wanted: dict[str, str]) -> list[Row]:
    _known(rows, list(wanted))
    chosen = [row for row in rows if all(_text(row[k]) == v or str(row[k]) == v for k, v in wanted.items())]
    if not chosen:
        raise ValueError(f"no result matches {wanted}")
    return chosen


def _known(rows: list[Row], fields: list[str]) -> None:
    unknown = [f for f in fields if any(f not in row for row in rows)]
    if unknown:
        raise ValueError(f"the results have no field {unknown}; they have {sorted(set().union(*rows))}")


def _cell(rows: list[Row], where: dict[str, Any], options: dict[str, str]) -> str:
    found = [row for row in rows if all(row[k] == v for k, v in where.items())]
    value = options["value"]
    if len(found) > 1:
        differ = [f for f in found[0] if len({json.dumps(row.get(f)) for row in found}) > 1]
        raise ValueError(f"{len(found)} results for {where}, which differ in {differ}: select one or show the field")
    if not found or not isinstance(found[0][value], int | float) or not math.isfinite(found[0][value]):
        return "–" if not found or isinstance(found[0][value], float) else _text(found[0][value])
    row, digits = found[0], int(options["digits"])
    half = f" ± {(row['ci_high'] - row['ci_low']) / 2:.{digits}f}" if options["interval"] else ""
    return f"{row[value]:.{digits}f}{half}"


def _provenance(rows: list[Row], name: str) -> str:
    facts = {f: [_text(v[0]) for v in distinct(rows, f)] for f in PROVENANCE if all(f in row for row in rows)}
    said = [f"{field} {', '.join(values)}" for field, values in facts.items() if any(values)]
    return f"*{'; '.join([*said, f'from {name}'])}.*"


def _heading(fields: list[str], values: tuple[Any, ...]) -> str:
    return " ".join(HEADINGS.get(f, "{}").format(_text(v)) for f, v in zip(fields, values, strict=True))


def _order(values: tuple[Any, ...]) -> tuple[tuple[int, Any], ...]:
    return tuple((0, v) if isinstance(v, int | float) else (1, str(v)) for v in values)


def _text(value: Any) -> str:
    text = "–" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
    return text.replace("|", "\\|")


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"
