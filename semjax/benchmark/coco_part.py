"""The photographs of sa-importance v1: the labels committed beside this file, and how they were made from the data.

The first line of the file says what it is and names the scenarios; each other line is one picture. Levels stand in the
order of the scenarios. The pictures are not here: a line has the picture's name, its address at the COCO project, its
licence, and the SHA-256 of the shrunken copy that was shown to the model.
"""

import functools
import hashlib
import json
import pathlib
from typing import Any

from semjax.benchmark.objects import BenchmarkError, LabelledObject, Picture

SPLITS = ("train", "val", "test")
FILE = pathlib.Path(__file__).with_name("sa_importance_v1.jsonl")
FINGERPRINT = "6b5c013183dcd126771ab1a5de77c4705f2ee3767e530a683ac72d1175634dd3"
"""SHA-256 of the committed file."""
ABOUT = {
    "benchmark": "sa-importance",
    "version": 1,
    "part": "coco",
    "labels": "importance 0 (irrelevant) to 9 (indispensable), by a multimodal language model; not human-verified",
    "licence": "CC BY 4.0 (labels, and the COCO annotations they refer to); each picture has its own",
    "box": "top, left, bottom, right as shares of height and width",
}


def scenarios() -> dict[str, str]:
    """Name and text of each scenario, in the order of the levels."""
    return dict(_lines()[0]["scenarios"])


@functools.lru_cache(maxsize=len(SPLITS))
def pictures(split: str) -> tuple[Picture, ...]:
    """The labelled pictures of a split, in the order of the file."""
    return tuple(_picture(line) for line in _lines()[1:] if line["split"] == split)


def fingerprint() -> str:
    """SHA-256 of the labels as they lie in this installation; `FINGERPRINT` if nobody changed them."""
    return digest(FILE.read_text(encoding="utf-8"))


def digest(text: str) -> str:
    """SHA-256, in hex, of a text."""
    return hashlib.sha256(text.encode()).hexdigest()


def build(data: pathlib.Path) -> str:
    """The text of the labels' file, from the folders `mllm_importance` and `coco_vl`; the same bytes every time.

    Args:
      data: the folder that holds both.

    Raises:
      BenchmarkError: a file is missing, or the two folders do not belong together.
    """
    names: dict[str, str] = json.loads(_read(data / "mllm_importance" / "scenarios.json"))
    records = {record["image"]: record for record in json.loads(_read(data / "coco_vl" / "records.json"))}
    index = {entry["file"]: entry for entry in json.loads(_read(data / "coco_vl" / "images.index.json"))}
    lines = [{**ABOUT, "scenarios": names}]
    for number, text in enumerate(_read(data / "mllm_importance" / "annotations.jsonl").splitlines(), 1):
        said = json.loads(text)
        record, entry = records.get(said["image"]), index.get(said["image"])
        if record is None or entry is None or not record["split"] == entry["split"] == said["split"]:
            raise BenchmarkError(f"annotations.jsonl line {number}: {said['image']} is not in coco_vl with that split")
        lines.append(_line(said, record, sha256=entry["sha256"], names=tuple(names)))
    return "".join(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n" for line in lines)


def _line(said: dict[str, Any], record: dict[str, Any], *, sha256: str, names: tuple[str, ...]) -> dict[str, Any]:
    return {
        "image": said["image"],
        "sha256": sha256,
        "split": said["split"],
        "licence": record["license"],
        "source": f"http://images.cocodataset.org/{record['coco_part']}/{record['coco_id']:012d}.jpg",
        "objects": [_object(each, record, where=said["image"], names=names) for each in said["objects"]],
    }


def _object(said: dict[str, Any], record: dict[str, Any], *, where: str, names: tuple[str, ...]) -> dict[str, Any]:
    known = record["objects"][said["object_index"]]
    if (known["category"], known["mask_value"]) != (said["category"], said["mask_value"]):
        raise BenchmarkError(f"{where}: object {said['object_index']} is {known['category']!r} in coco_vl")
    x, y, width, height = known["bbox"]
    across, down = record["width"], record["height"]
    box = (y / down, x / across, (y + height) / down, (x + width) / across)
    levels = {"importance": [said["importance"][name] for name in names]}
    if "importance_second" in said:
        levels["importance_second"] = [said["importance_second"][name] for name in names]
    return {
        **{key: said[key] for key in ("object_index", "mask_value", "category")},
        "box": [round(share, 4) for share in box],
        "area": known["area_frac"],
        **levels,
    }


def _picture(line: dict[str, Any]) -> Picture:
    return Picture(
        image=line["image"],
        objects=tuple(
            LabelledObject(
                object_index=each["object_index"],
                mask_value=each["mask_value"],
                category=each["category"],
                box=tuple(each["box"]),
                area=each["area"],
                levels=tuple(each["importance"]),
                second=tuple(each["importance_second"]) if "importance_second" in each else None,
            )
            for each in line["objects"]
        ),
    )


@functools.cache
def _lines() -> list[dict[str, Any]]:
    return [json.loads(line) for line in FILE.read_text(encoding="utf-8").splitlines()]


def _read(path: pathlib.Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise BenchmarkError(
            f"{path} cannot be read ({error.strerror}); --data names the folder of both sets"
        ) from error
