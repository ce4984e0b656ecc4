"""A contact sheet of importance: `python -m semjax.teachers.sheet --album coco --out sheet.png`.

One row per picture: the picture, its regions by number, and its importance under two scenarios side by side; below
them every region by number, name and its two levels. With --store the labels are those of a teacher store, otherwise
those of the album's own teacher (COCO: the annotations; CamVid: the rules).
"""

import argparse
import os
import pathlib
import sys
from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

from semjax.store.shards import Store
from semjax.teachers import heat
from semjax.teachers.annotations import Annotations
from semjax.teachers.archives import ROOT_VARIABLE, data_folder
from semjax.teachers.base import Album, Importance, Scenario, Teacher, View
from semjax.teachers.camvid import CamVidAlbum
from semjax.teachers.camvid_rules import RuleAnnotations
from semjax.teachers.coco import LABELS, CocoAlbum
from semjax.teachers.jsonl import read_annotations
from semjax.teachers.prompting import regions_of

PANEL, GAP, HEADER, LINE = 440, 12, 30, 19
LEGEND_COLUMNS = 4
BLACK, WHITE = (20, 20, 20), (255, 255, 255)


class SheetError(ValueError):
    """A contact sheet that cannot be made as asked."""


def _coco(root: str, split: str) -> tuple[Album, Teacher]:
    album = CocoAlbum(root, split)
    lines = data_folder(root, LABELS) / "annotations.jsonl"
    return album, Annotations(read_annotations(lines, album.scenarios))


def _camvid(root: str, split: str) -> tuple[Album, Teacher]:
    return CamVidAlbum(root, split), RuleAnnotations()


ALBUMS: dict[str, Callable[[str, str], tuple[Album, Teacher]]] = {"coco": _coco, "camvid": _camvid}
"""Makes the album of a root and a split, and its own teacher."""


def chosen(album: Album, names: Sequence[str]) -> tuple[Scenario, ...]:
    """Two scenarios of an album by name; its first two if none is named.

    Raises:
      SheetError: not two, or one that the album does not have.
    """
    known = {scenario.name: scenario for scenario in album.scenarios}
    names = names or list(known)[:2]
    unknown = [name for name in names if name not in known]
    if unknown or len(names) != 2:
        raise SheetError(f"--scenarios takes two of {', '.join(known)}, as A,B; got {','.join(names)}")
    return tuple(known[name] for name in names)


def stored(store: Store, view: View, names: Sequence[str]) -> Importance:
    """The labels that a store has for a picture under the named scenarios.

    Raises:
      SheetError: the store is of another picture, or has no such labels.
    """
    record = store[view.index]
    if (record.id, record.image_sha) != (view.id, view.sha):
        raise SheetError(f"record {view.index} of the store is of another picture (id {record.id}); name its own store")
    labels = record.scenarios
    if labels is None or set(names) - set(labels.names):
        known = ", ".join(store.scenarios) or "none"
        raise SheetError(f"the store has no labels for {', '.join(names)}; its scenarios are: {known}")
    rows = [labels.names.index(name) for name in names]
    regions = len(regions_of(view).names)
    if labels.importance.shape[1] < regions:
        raise SheetError(f"record {view.index} has {labels.importance.shape[1]} regions, the picture has {regions}")
    score, std = (np.asarray(each, np.float32)[rows, :regions] for each in (labels.importance, labels.std))
    return Importance(score=score, std=std, status=labels.status[rows, :regions])


def row(view: View, found: Importance, names: Sequence[str]) -> UInt8[np.ndarray, "h w 3"]:
    """One picture of a sheet, with its title, four panels and legend."""
    regions = regions_of(view)
    image = heat.enlarged(view.image, PANEL)
    shown = type(regions)(
        ids_map=heat.enlarged(regions.ids_map, PANEL), boxes=regions.boxes, names=regions.names, valid=regions.valid
    )
    panels = [image, heat.regions_panel(image, shown)]
    panels += [heat.heat_panel(image, shown, score=found.score[s], status=found.status[s]) for s in range(2)]
    lines = -(-len(regions.names) // LEGEND_COLUMNS)
    height = HEADER + image.shape[0] + GAP // 2 + LINE * (lines + 1) + GAP
    canvas = Image.new("RGB", (4 * PANEL + 5 * GAP, height), WHITE)
    pen = ImageDraw.Draw(canvas)
    titles = (f"picture {view.index} {view.given.get('name', '')}", f"{len(regions.names) - 1} regions", *names)
    for k, (title, panel) in enumerate(zip(titles, panels, strict=True)):
        left = GAP + k * (PANEL + GAP)
        pen.text((left, HEADER // 2), title, fill=BLACK, font=ImageFont.load_default(18), anchor="lm")
        canvas.paste(Image.fromarray(panel), (left, HEADER))
    _legend(pen, shown.names, found, top=HEADER + image.shape[0] + GAP // 2, lines=lines, titles=names)
    return np.asarray(canvas)


def _legend(
    pen: ImageDraw.ImageDraw, names: Sequence[str], found: Importance, *, top: int, lines: int, titles: Sequence[str]
) -> None:
    """Number, name and the two levels of every region, in columns, each level on its colour."""
    small, cell = ImageFont.load_default(13), 34
    for region, name in enumerate(names):
        column, line = divmod(region, lines)
        left, y = GAP + column * (PANEL + GAP), top + LINE * (line + 1) + LINE // 2
        if line == 0:
            pen.text(
                (left, y - LINE),
                f"levels 0-9: {titles[0]} | {titles[1]}",
                fill=(110, 110, 110),
                font=small,
                anchor="lm",
            )
        for s in range(2):
            x = left + s * cell
            text, colour = heat.level_text(float(found.score[s, region]), int(found.status[s, region])), (150, 150, 150)
            if text not in "!-":
                colour = tuple(heat.heat_colour(found.score[s, region]).tolist())
            pen.rectangle((x, y - LINE // 2 + 1, x + cell - 4, y + LINE // 2 - 1), fill=colour)
            ink = BLACK if sum(colour) > 420 else WHITE
            pen.text((x + cell // 2 - 2, y), text, fill=ink, font=small, anchor="mm")
        pen.text((left + 2 * cell + 4, y), f"{region}  {name}", fill=BLACK, font=small, anchor="lm")


def sheet(rows: Sequence[UInt8[np.ndarray, "h w 3"]], *, title: str) -> UInt8[np.ndarray, "h w 3"]:
    """Rows one below the other, under a title and the scale of the colours."""
    width = rows[0].shape[1]
    head = Image.new("RGB", (width, 44), WHITE)
    pen, font = ImageDraw.Draw(head), ImageFont.load_default(16)
    pen.text((GAP, 22), title, fill=BLACK, font=font, anchor="lm")
    bar = np.repeat(heat.heat_colour(np.linspace(0, 1, 240))[None], 16, axis=0)
    head.paste(Image.fromarray(bar), (width - 240 - 3 * GAP, 14))
    pen.text((width - 240 - 4 * GAP, 22), "level 0", fill=BLACK, font=font, anchor="rm")
    pen.text((width - 2 * GAP - 6, 22), "9", fill=BLACK, font=font, anchor="lm")
    return np.concatenate([np.asarray(head), *rows])


def make(args: argparse.Namespace) -> str:
    """Writes the sheet that the flags ask for; returns what was done."""
    album, teacher = ALBUMS[args.album](args.root, args.split)
    scenarios = chosen(album, [name for name in args.scenarios.split(",") if name])
    names = [scenario.name for scenario in scenarios]
    store = Store(args.store) if args.store else None
    rows = []
    for index in _indices(args.index, len(album)):
        view = album.view(index)
        found = stored(store, view, names) if store else teacher.importance([view], scenarios)[0]
        rows.append(row(view, found, names))
    by = pathlib.Path(args.store).name if args.store else dict(teacher.fingerprint)["kind"]
    title = f"{album.dataset} {album.split}, importance by {by}. Hatched: - was not asked, ! failed."
    Image.fromarray(sheet(rows, title=title)).save(args.out)
    return f"{len(rows)} pictures under {' and '.join(names)} in {args.out}"


def _indices(text: str, count: int) -> list[int]:
    try:
        indices = [int(part) for part in text.split(",")]
    except ValueError:
        raise SheetError(f"--index takes numbers with commas between them, got {text!r}") from None
    if min(indices) < 0 or max(indices) >= count:
        raise SheetError(f"--index {text}: this split has pictures 0 to {count - 1}")
    return indices


def main(argv: list[str] | None = None) -> int:
    """Runs the command; returns its exit code (0 done, 2 something is not as it should be)."""
    parser = argparse.ArgumentParser(prog="python -m semjax.teachers.sheet", description=__doc__, allow_abbrev=False)
    parser.add_argument("--album", choices=sorted(ALBUMS), required=True)
    parser.add_argument(
        "--root", default=os.environ.get(ROOT_VARIABLE, ""), help=f"data folder (default ${ROOT_VARIABLE})"
    )
    parser.add_argument("--split", default="test")
    parser.add_argument("--store", default="", help="folder of a teacher store; default: the album's own teacher")
    parser.add_argument("--index", default="0,1,2", metavar="I,J,...", help="which pictures (default 0,1,2)")
    parser.add_argument("--scenarios", default="", metavar="A,B", help="two of the album's (default: its first two)")
    parser.add_argument("--out", required=True, metavar="FILE.png")
    args = parser.parse_args(argv)
    try:
        print(make(args))
    except (ValueError, OSError, IndexError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
