"""The look of a report: one static HTML page without anything from outside, for light screens, dark ones and paper."""

from collections.abc import Sequence
from html import escape

STYLE = """
:root { --ink: #1c2430; --soft: #5b6675; --page: #ffffff; --card: #f5f7fa; --line: #dde3ea; --mark: #0072b2; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6eaf0; --soft: #9aa6b5; --page: #12161c; --card: #1b212a; --line: #303947; --mark: #6cb6ea; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
main { max-width: 68rem; margin: 0 auto; padding: 2.5rem 1.5rem 4rem; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .3rem; letter-spacing: -.015em; }
h2 { font-size: 1.25rem; margin: 2.8rem 0 .8rem; padding-top: 1rem; border-top: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 1.6rem 0 .5rem; }
p, li, dd { max-width: 44rem; }
.lead, .note, figcaption { color: var(--soft); }
.lead { font-size: 1.05rem; margin: 0; }
.note { font-size: .875rem; margin: .4rem 0 0; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .42rem .75rem; text-align: left; border-bottom: 1px solid var(--line); white-space: nowrap; }
thead th { color: var(--soft); font-weight: 600; font-size: .875rem; border-bottom: 2px solid var(--line); }
tbody tr:hover { background: var(--card); }
.number { text-align: right; }
.interval { color: var(--soft); font-size: .8rem; margin-left: .35rem; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); gap: 1.2rem; }
figure { margin: 0; background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: .8rem; }
figure img { display: block; width: 100%; height: auto; }
.figures .wide { grid-column: 1 / -1; }
.figures figcaption { margin-bottom: .5rem; font-weight: 600; color: var(--ink); }
.pictures { display: grid; gap: .8rem; margin-bottom: 1.2rem; }
.pictures { max-width: 56rem; }
.pictures figure { padding: .4rem; }
details { margin: .6rem 0; }
summary { cursor: pointer; font-weight: 600; padding: .3rem 0; }
.pictures img { border-radius: 5px; }
.pictures img.small { image-rendering: pixelated; }
.pictures figcaption { font-size: .85rem; padding: .35rem .2rem .1rem; font-variant-numeric: tabular-nums; }
.pictures figcaption b { color: var(--ink); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .35rem 1.4rem; margin: 0; }
dt { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; }
a { color: var(--mark); }
code { font: .9em ui-monospace, "SF Mono", Menlo, Consolas, monospace; }
@media (max-width: 40rem) { dl { grid-template-columns: 1fr; } dd { margin-bottom: .5rem; } }
@media print { figure { break-inside: avoid; } tbody tr:hover { background: none; } }
"""


def page(*, title: str, lead: str, sections: Sequence[str]) -> str:
    """The whole page; `sections` are HTML, the rest is text."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n"
        f'<h1>{escape(title)}</h1>\n<p class="lead">{escape(lead)}</p>\n' + "\n".join(sections) + "\n</main>\n"
        "</body>\n</html>\n"
    )


def section(heading: str, *parts: str) -> str:
    """A section with a heading (text) and parts (HTML); nothing if there is no part."""
    return f"<h2>{escape(heading)}</h2>\n" + "\n".join(parts) if any(parts) else ""


def table(*, header: Sequence[str], rows: Sequence[Sequence[str]], words: int) -> str:
    """A table of HTML cells: the first `words` columns hold words, the others numbers, right-aligned."""

    def line(tag: str, cells: Sequence[str]) -> str:
        kinds = ["" if i < words else ' class="number"' for i in range(len(cells))]
        return "<tr>" + "".join(f"<{tag}{k}>{c}</{tag}>" for k, c in zip(kinds, cells, strict=True)) + "</tr>"

    body = "\n".join(line("td", cells) for cells in rows)
    head = line("th", [escape(cell) for cell in header])
    return f'<div class="scroll"><table>\n<thead>{head}</thead>\n<tbody>\n{body}\n</tbody>\n</table></div>'


def facts(pairs: Sequence[tuple[str, str]]) -> str:
    """A list of named facts, both text."""
    return "<dl>\n" + "\n".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in pairs) + "\n</dl>"


def figure(*, title: str, light: str, dark: str, panels: int) -> str:
    """A figure that follows the screen's colours; paths relative to the page. One of several panels is wide."""
    wide = ' class="wide"' if panels > 1 else ""
    return (
        f"<figure{wide}><figcaption>{escape(title)}</figcaption><picture>"
        f'<source srcset="{escape(dark)}" media="(prefers-color-scheme: dark)">'
        f'<img src="{escape(light)}" alt="{escape(title)}"></picture></figure>'
    )


def picture(*, path: str, name: str, caption: str, small: bool) -> str:
    """One picture of a grid; `small` ones are shown with their pixels sharp."""
    look = ' class="small"' if small else ""
    return f'<figure><img{look} src="{escape(path)}" alt="{escape(name)}"><figcaption>{caption}</figcaption></figure>'


def grid(cells: Sequence[str], *, columns: int) -> str:
    """Pictures (HTML) in so many columns."""
    return f'<div class="pictures" style="grid-template-columns: repeat({columns}, 1fr)">{"".join(cells)}</div>'


def folded(summary: str, body: str, *, first: bool) -> str:
    """A part (HTML) under a line of text that opens and closes it; the first of several is open."""
    return f"<details{' open' if first else ''}><summary>{escape(summary)}</summary>\n{body}\n</details>"


def note(text: str) -> str:
    """A remark (text)."""
    return f'<p class="note">{escape(text)}</p>'


def block(heading: str, *parts: str) -> str:
    """Parts (HTML) under a small heading (text); nothing if there is no part."""
    return f"<h3>{escape(heading)}</h3>\n" + "\n".join(part for part in parts if part) if any(parts) else ""
