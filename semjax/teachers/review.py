"""A sample of a store for people to look at: one HTML file that needs nothing else, and the same as JSON lines.

The page shows each picture with its regions and their labels under every scenario. A reviewer changes what is wrong,
ticks the pictures that were looked at as a whole, and saves a file for `merge-overrides`: it states all labels of the
ticked pictures and every changed one. Nothing leaves the browser but that file.
"""

import base64
import dataclasses
import io
import json
import os
import pathlib
from typing import Any

import numpy as np
from PIL import Image

from semjax.store.layout import StoreError
from semjax.store.record import Record, Status
from semjax.store.shards import Store
from semjax.teachers.base import Album, View
from semjax.teachers.review_page import page

PAGE, SAMPLE = "review.html", "review.jsonl"
LARGEST = 640
"""Pixels of the longer side of a picture on the page; smaller ones are shown as they are."""
NINTHS = 9
CLOSE = 2e-3


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sample:
    """What was written: the page, the lines, and the indices of the pictures."""

    page: pathlib.Path
    lines: pathlib.Path
    pictures: tuple[int, ...]


def review(store: Store, album: Album, out: str | os.PathLike[str], *, count: int = 50, seed: int = 0) -> Sample:
    """Writes a sample of a store's pictures with their labels.

    Args:
      store: complete.
      album: its pictures.
      out: folder to write to; made if missing.
      count: pictures; all if there are fewer.
      seed: of the choice.

    Raises:
      StoreError: an incomplete store, one without importance labels, or one of other pictures.
    """
    store.require_complete()
    if len(store) != len(album):
        raise StoreError(f"{store.folder} is of {len(store)} pictures, the album has {len(album)}; name the right one")
    bits = np.random.Philox(np.random.SeedSequence([seed])).random_raw(len(store))
    labelled = (int(i) for i in np.argsort(bits, kind="stable") if store[int(i)].scenarios is not None)
    chosen = sorted(index for index, _ in zip(labelled, range(count), strict=False))
    if not chosen:
        raise StoreError(f"{store.folder} holds no importance labels to look at (or count={count} is below 1)")
    shown = [_shown(store[index], album.view(index)) for index in chosen]
    told = {
        "store": store.folder.name,
        "digest": store.about.digest,
        "scenarios": [dict(s) for s in store.fingerprint.get("scenarios", [])],
        "scale": _scale([store[index] for index in chosen]),
    }
    folder = pathlib.Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    lines = "".join(json.dumps(_without_picture(each), ensure_ascii=False) + "\n" for each in shown)
    (folder / SAMPLE).write_text(lines, encoding="utf-8")
    (folder / PAGE).write_text(page(told, shown), encoding="utf-8")
    return Sample(page=folder / PAGE, lines=folder / SAMPLE, pictures=tuple(chosen))


def _shown(record: Record, view: View) -> dict[str, Any]:
    """What the page says of one picture."""
    if record.image_sha != view.sha:
        raise StoreError(
            f"record {record.index} of the store has SHA-256 {record.image_sha[:12]}..., the album's picture "
            f"{view.sha[:12]}...: they are not of the same pictures; name the album that the store was made from"
        )
    labels, regions = record.scenarios, record.regions
    assert labels is not None
    count = labels.importance.shape[1]
    names = [f"region {i}" for i in range(count)] if regions is None else list(regions.names)
    rows = range(count) if regions is None else [int(r) for r in np.flatnonzero(regions.valid)]
    return {
        "id": record.id,
        "index": record.index,
        "image_sha": record.image_sha,
        "name": str(view.given.get("name", f"picture {record.index}")),
        "picture": _data_uri(view.image),
        "regions": [
            {
                "region": row,
                "name": names[row],
                "box": None if regions is None else [round(float(v), 4) for v in regions.boxes[row]],
                "importance": [
                    _value(labels.importance[s, row], labels.status[s, row]) for s in range(len(labels.names))
                ],
                "status": [Status(int(status)).name.lower() for status in labels.status[:, row]],
            }
            for row in rows
        ],
    }


def _value(importance: np.floating, status: np.integer) -> float | None:
    return round(float(importance), 6) if status < Status.FAILED else None


def _without_picture(shown: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in shown.items() if key != "picture"}


def _scale(records: list[Record]) -> int:
    """9 where all values are ninths (levels 0 to 9), else 1."""
    labels = [record.scenarios for record in records if record.scenarios is not None]
    said = np.concatenate([each.importance[each.status < Status.FAILED].astype(np.float64) for each in labels])
    return NINTHS if np.all(np.abs(said * NINTHS - np.round(said * NINTHS)) < CLOSE * NINTHS) else 1


def _data_uri(image: np.ndarray) -> str:
    shown, encoded = Image.fromarray(image), io.BytesIO()
    if max(shown.size) > LARGEST:
        shown.thumbnail((LARGEST, LARGEST))
    shown.save(encoded, "PNG")
    return "data:image/png;base64," + base64.b64encode(encoded.getvalue()).decode()
