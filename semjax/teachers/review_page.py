"""The page of a review: static HTML with its pictures, style and script inside; light and dark; keyboard throughout."""

import json
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

STYLE = """
:root { color-scheme: light dark; --ink: #1c2430; --soft: #566273; --page: #fff; --card: #f4f6f9; --line: #c9d1db;
  --mark: #0b63a8; --changed: #fff1c2; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6eaf0; --soft: #a3afbe; --page: #12161c; --card: #1b212a;
  --line: #3b4656; --mark: #7cc0f0; --changed: #57460c; } }
* { box-sizing: border-box; }
body { margin: 0; font: 16px/1.5 system-ui, sans-serif; background: var(--page); color: var(--ink); }
main { max-width: 80rem; margin: 0 auto; padding: 1rem 1.2rem 5rem; }
form.bar { position: sticky; top: 0; z-index: 2; display: flex; flex-wrap: wrap; gap: .8rem 1.2rem; align-items: end;
  padding: .7rem 1.2rem; background: var(--card); border-bottom: 1px solid var(--line); }
label { display: inline-flex; flex-direction: column; font-size: .85rem; color: var(--soft); }
label.tick { flex-direction: row; gap: .5rem; align-items: center; font-size: 1rem; color: var(--ink); }
input, button { font: inherit; color: inherit; background: var(--page); border: 1px solid var(--line);
  border-radius: 5px; padding: .25rem .45rem; }
button { background: var(--mark); color: var(--page); border-color: var(--mark); cursor: pointer;
  padding: .3rem .9rem; }
:focus-visible { outline: 3px solid var(--mark); outline-offset: 1px; }
section { border-top: 1px solid var(--line); padding: 1.2rem 0; scroll-margin-top: 6rem; }
.side { display: grid; grid-template-columns: minmax(12rem, 24rem) 1fr; gap: 1.2rem; align-items: start; }
@media (max-width: 50rem) { .side { grid-template-columns: 1fr; } form.bar { position: static; } }
figure { margin: 0; position: relative; }
figure img { display: block; width: 100%; height: auto; image-rendering: pixelated; }
figure svg { position: absolute; inset: 0; width: 100%; height: 100%; }
figure rect { fill: none; stroke: #fff; stroke-width: 1.5px; vector-effect: non-scaling-stroke; }
figure rect.under { stroke: #000; stroke-width: 3.5px; }
.number { position: absolute; font: 700 13px/1 system-ui; color: #fff; background: #000c; padding: 2px 4px;
  border-radius: 3px; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; }
caption { text-align: left; color: var(--soft); font-size: .85rem; padding-bottom: .3rem; }
th, td { padding: .2rem .5rem; text-align: left; border-bottom: 1px solid var(--line); font-weight: 400;
  white-space: nowrap; }
thead th { font-size: .85rem; color: var(--soft); }
td input { width: 4.6rem; }
td.changed { background: var(--changed); }
p.hint { color: var(--soft); max-width: 48rem; }
dt { font-weight: 600; } dd { margin: 0 0 .4rem; color: var(--soft); max-width: 48rem; }
"""

SCRIPT = """
"use strict";
const told = JSON.parse(document.getElementById("told").textContent);
const key = "semjax-review-" + [told.digest, ...told.pictures.map(picture => picture.id)].join("-");
const inputs = [...document.querySelectorAll("td input")];
const ticks = [...document.querySelectorAll("input[data-all]")];
const person = document.getElementById("name"), said = document.getElementById("said");
function mark(input) { input.parentElement.classList.toggle("changed", input.value !== input.defaultValue); }
function keep() {
  const values = {};
  for (const input of inputs) if (input.value !== input.defaultValue) values[input.id] = input.value;
  const ticked = ticks.filter(tick => tick.checked).map(tick => tick.id);
  const all = JSON.stringify({ values, ticked, name: person.value });
  try { localStorage.setItem(key, all); } catch (error) { /* private window */ }
}
try {
  const kept = JSON.parse(localStorage.getItem(key) || "{}");
  for (const input of inputs) if (kept.values && input.id in kept.values) input.value = kept.values[input.id];
  for (const tick of ticks) tick.checked = (kept.ticked || []).includes(tick.id);
  person.value = kept.name || "";
} catch (error) { /* nothing kept */ }
inputs.forEach(mark);
document.addEventListener("input", event => { if (event.target.matches("td input")) mark(event.target); keep(); });
document.getElementById("bar").addEventListener("submit", event => {
  event.preventDefault();
  const wrong = inputs.find(input => !input.checkValidity());
  if (wrong) { wrong.focus(); said.textContent = "That value is outside the scale."; return; }
  const lines = [];
  for (const input of inputs) {
    const picture = told.pictures[input.dataset.picture];
    const all = document.getElementById("all-" + input.dataset.picture).checked;
    const changed = input.value !== input.defaultValue;
    if (input.value === "" || !(all || changed)) continue;
    const stored = picture.regions[input.dataset.row].importance[input.dataset.column];
    lines.push(JSON.stringify({ id: picture.id, image_sha: picture.image_sha,
      scenario: told.scenarios[input.dataset.column].name, region: picture.regions[input.dataset.row].region,
      importance: changed ? Number(input.value) / told.scale : stored, verified_by: person.value.trim() }));
  }
  if (!lines.length) { said.textContent = "Nothing to save yet: change a value, or tick a picture."; return; }
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([lines.join("\\n") + "\\n"], { type: "application/jsonl" }));
  link.download = "corrections-" + told.store + ".jsonl";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  said.textContent = lines.length + " labels saved to " + link.download + ".";
});
"""


HINT = (
    "per region and scenario. Change what is wrong; tick a picture when you have looked at all of its labels. Save "
    "writes a file with all labels of ticked pictures and every changed one; it stays on this computer until you pass "
    "it on."
)


def page(told: Mapping[str, Any], pictures: Sequence[Mapping[str, Any]]) -> str:
    """The whole page.

    Args:
      told: `store`, `digest`, `scenarios` (name and text), and `scale`: 9 for levels 0 to 9, 1 for values in [0, 1].
      pictures: `id`, `index`, `image_sha`, `name`, `picture` (data URI) and `regions` (`review.py`).
    """
    title, top = escape(f"Review of {told['store']}"), told["scale"]
    about = "".join(f"<dt>{escape(s['name'])}</dt><dd>{escape(s['text'])}</dd>" for s in told["scenarios"])
    sections = "\n".join(_section(each, place, told) for place, each in enumerate(pictures))
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
  content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>{title}</title>
<style>{STYLE}</style>
</head>
<body>
<form class="bar" id="bar">
<label>Your name<input id="name" required maxlength="100" autocomplete="name"></label>
<button>Save corrections</button>
<output id="said" aria-live="polite"></output>
</form>
<main>
<h1>{title}</h1>
<p class="hint">Importance goes from 0 (does not matter) to {top} (indispensable), {HINT}</p>
<dl>{about}</dl>
{sections}
</main>
<script type="application/json" id="told">{_data(told, pictures)}</script>
<script>{SCRIPT}</script>
</body>
</html>
"""


def _data(told: Mapping[str, Any], pictures: Sequence[Mapping[str, Any]]) -> str:
    """What the script needs, as JSON in which no text can end the script element."""
    facts = {**told, "pictures": [{k: v for k, v in each.items() if k != "picture"} for each in pictures]}
    return json.dumps(facts, ensure_ascii=False).replace("<", "\\u003c").replace("&", "\\u0026")


def _section(picture: Mapping[str, Any], place: int, told: Mapping[str, Any]) -> str:
    name = escape(picture["name"])
    head = "".join(f'<th scope="col">{escape(s["name"])}</th>' for s in told["scenarios"])
    rows = "\n".join(_row(region, row, place, told) for row, region in enumerate(picture["regions"]))
    return f"""<section aria-labelledby="h-{place}">
<h2 id="h-{place}">{name}</h2>
<div class="side">
<figure><img src="{picture["picture"]}" alt="{name}">{_marks(picture["regions"])}</figure>
<div>
<div class="scroll"><table>
<caption>Importance, 0 to {told["scale"]}; empty where the teacher said nothing</caption>
<thead><tr><th scope="col">region</th>{head}</tr></thead>
<tbody>
{rows}
</tbody></table></div>
<p><label class="tick"><input type="checkbox" data-all id="all-{place}">
I looked at every label of this picture</label></p>
</div></div></section>"""


def _row(region: Mapping[str, Any], row: int, place: int, told: Mapping[str, Any]) -> str:
    scale, number, name = told["scale"], region["region"], escape(region["name"] or "?")
    cells = []
    for column, (scenario, value) in enumerate(zip(told["scenarios"], region["importance"], strict=True)):
        shown = "" if value is None else f"{round(value * scale, 0 if scale > 1 else 3):g}"
        cells.append(
            f'<td><input type="number" min="0" max="{scale}" step="{1 if scale > 1 else "any"}" value="{shown}" '
            f'id="v-{place}-{row}-{column}" data-picture="{place}" data-row="{row}" data-column="{column}" '
            f'aria-label="region {number}, {name}, {escape(scenario["name"])}"></td>'
        )
    return f'<tr><th scope="row">{number} {name}</th>{"".join(cells)}</tr>'


def _marks(regions: Sequence[Mapping[str, Any]]) -> str:
    """The boxes of objects and their numbers, laid over the picture."""
    boxes, numbers = "", ""
    for region in regions:
        if region["box"] is None or not region["region"]:
            continue
        top, left, bottom, right = region["box"]
        place = f'x="{left}" y="{top}" width="{right - left:.4f}" height="{bottom - top:.4f}"'
        boxes += f'<rect class="under" {place}/><rect {place}/>'
        numbers += f'<span class="number" style="left:{left:.1%};top:{top:.1%}">{region["region"]}</span>'
    return f'<svg viewBox="0 0 1 1" preserveAspectRatio="none" aria-hidden="true">{boxes}</svg>{numbers}'
