"""A COCO subset with instance masks as an album: regions from the masks, scenarios and questions from a label folder.

`root/coco_vl` holds the pictures, their masks and `records.json` (objects with a `mask_value` each), and
`root/mllm_importance` holds `scenarios.json` and `annotations.jsonl`. Region r >= 1 is the r-th object of the records
that has a mask value; region 0 is what no mask covers.

Questions come in groups: "annotated" (those of the label folder, with the region that each is about; kinds by
`semjax.teachers.kinds`), and three of `records.json` that keep their own kinds: "vqa_v2_human", "derived" (computed
from the object list) and "pope" (is there such an object).

Source: T.-Y. Lin et al., arXiv 1405.0312; VQA v2: Y. Goyal et al., arXiv 1612.00837; POPE: Y. Li et al.,
arXiv 2305.10355.
"""

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import UInt8

from semjax.store.record import Regions
from semjax.teachers.archives import AlbumError, ArchiveAlbum, Masks, Pictures, by_file, data_folder, read_json
from semjax.teachers.base import Question, View
from semjax.teachers.boxes import boxes_of
from semjax.teachers.jsonl import read_annotations, read_scenarios
from semjax.teachers.jsonl_line import Annotation
from semjax.teachers.kinds import kind_of

FOLDER, LABELS = "coco_vl", "mllm_importance"
REST = "rest"
GROUPS = ("annotated", "vqa_v2_human", "derived", "pope")
MAX_REGIONS = 256
"""Regions that an 8-bit id map can tell apart."""


class CocoAlbum(ArchiveAlbum):
    """COCO pictures of one split.

    Args:
      root: the folder that holds `coco_vl` and `mllm_importance`.
      split: train, val or test.
      questions: which of `GROUPS` to ask, in this order.

    Raises:
      AlbumError: no such folder, split or group, or files that do not match.
      JsonlError: an annotation that cannot be read.
    """

    dataset = "coco"

    def __init__(self, root: str | os.PathLike[str], split: str = "test", *, questions: Sequence[str] = ("annotated",)):
        unknown = sorted(set(questions) - set(GROUPS))
        if unknown:
            raise AlbumError(f"COCO has no questions {', '.join(unknown)}; choose among: {', '.join(GROUPS)}")
        folder, labels = data_folder(root, FOLDER), data_folder(root, LABELS)
        super().__init__(Pictures(folder, split), split)
        self._masks = Masks(folder, "masks", self._pictures)
        files = [self._pictures.file(i) for i in range(len(self))]
        self.scenarios = read_scenarios(labels / "scenarios.json")
        annotations = read_annotations(labels / "annotations.jsonl", self.scenarios)
        where = str(folder / "records.json")
        try:
            self._records = by_file(read_json(folder / "records.json"), key="image", files=files, where=where)
            self._values = [_mask_values(record) for record in self._records]
            self._questions = [self._asked(i, annotations.get(files[i]), questions) for i in range(len(self))]
        except (KeyError, TypeError, IndexError) as error:
            raise AlbumError(f"{where} lacks a field ({error!r}); copy the data set again") from error

    def _facts(self, index: int) -> list[Any]:
        asked = [[q.text, q.kind, q.source_object, q.truth] for q in self._questions[index]]
        return [self._masks.sha(index), self._names(index), list(self._values[index]), asked]

    def view(self, index: int) -> View:
        """Picture `index`; `given` has its file `name`, its `mask_values` per region and its `record`."""
        image = self._pictures.image(index)
        mask = self._masks.map(index, image.shape[:2])
        names, values = self._names(index), self._values[index]
        ids_map = _ids_map(mask, values, self._pictures.file(index))
        regions = Regions(
            ids_map=ids_map,
            boxes=boxes_of(ids_map, len(names)),
            names=tuple(names),
            valid=np.isin(np.arange(len(names)), ids_map) | (np.arange(len(names)) == 0),
        )
        given = {"mask_values": values, "record": self._records[index]}
        return self._view(index, image=image, regions=regions, questions=self._questions[index], given=given)

    def _names(self, index: int) -> list[str]:
        return [REST, *(thing["category"] for thing in self._records[index]["objects"] if thing.get("mask_value"))]

    def _asked(self, index: int, annotation: Annotation | None, groups: Sequence[str]) -> tuple[Question, ...]:
        record, values = self._records[index], self._values[index]
        asked: list[Question] = []
        for group in groups:
            if group == "annotated":
                asked += _annotated(annotation, values, record["image"]) if annotation else []
            else:
                asked += [_recorded(qa, self._names(index)) for qa in record["qa"] if qa["kind"].startswith(group)]
        return tuple(asked)


def _mask_values(record: Mapping[str, Any]) -> tuple[int, ...]:
    """Mask value of each region; 0 for region 0."""
    values = (0, *(thing["mask_value"] for thing in record["objects"] if thing.get("mask_value")))
    if len(set(values)) != len(values) or len(values) > MAX_REGIONS:
        raise AlbumError(f"records.json: {record['image']} uses a mask value twice, or more than {MAX_REGIONS - 1}")
    return values


def _ids_map(mask: UInt8[np.ndarray, "h w"], values: Sequence[int], name: str) -> UInt8[np.ndarray, "h w"]:
    table = np.full(256, -1)
    table[list(values)] = np.arange(len(values))
    ids = table[mask]
    if (ids < 0).any():
        raise AlbumError(
            f"the mask of {name} has the value {int(mask[ids < 0][0])}, which records.json gives to no object; "
            "the two do not match: copy the data set again"
        )
    return ids.astype(np.uint8)


def _annotated(annotation: Annotation, values: Sequence[int], name: str) -> list[Question]:
    """The questions of an annotation, each about the region of the object that it names."""
    region = {thing.index: values.index(thing.mask_value) for thing in annotation.objects if thing.mask_value in values}
    lost = [thing for thing in annotation.objects if thing.index not in region]
    if lost:
        raise AlbumError(
            f"annotations.jsonl line {annotation.line}: {name} has no mask value {lost[0].mask_value} "
            f"({lost[0].category!r}); the labels belong to other records: copy both data sets again"
        )
    return [
        Question(
            text=qa.question,
            kind=kind_of(qa.question),
            source_object=-1 if qa.object_index is None else region[qa.object_index],
            truth=qa.answer,
        )
        for qa in annotation.questions
    ]


def _recorded(qa: Mapping[str, Any], names: Sequence[str]) -> Question:
    """A question of records.json; it is about one region if exactly one has the name that it targets."""
    about = [region for region, name in enumerate(names) if region and name == qa.get("target")]
    source = about[0] if len(about) == 1 else -1
    return Question(text=qa["question"], kind=qa["kind"], source_object=source, truth=qa["answer"])
