"""Tables of Markdown files, generated from result files committed beside them.

A table stands between two markers:

    <!-- table: docs/results/kodak.json rows=system,cbr cols=snr_db metric=psnr channel=awgn -->
    <!-- /table -->

The words after the file are those of `semjax.evaluators.markdown`. The command

    python -m semjax.evaluators tables [--check] [--root DIR]

rewrites what stands between the markers of README.md and docs/*.md; with `--check` it only says what would change.
"""

import argparse
import pathlib
import re

from semjax.evaluators.markdown import render

MARKED = re.compile(r"(?P<open><!-- table: (?P<spec>[^\n]*?) -->\n)(?P<body>.*?)(?P<close><!-- /table -->)", re.DOTALL)


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
