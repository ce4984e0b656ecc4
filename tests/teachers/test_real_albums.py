"""Albums of real data sets: on small made-up archives everywhere, and on the real ones where they are."""

import functools
import hashlib
import io
import json
import pathlib
import shutil
import tarfile
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image

from semjax.teachers.archives import AlbumError
from semjax.teachers.base import Album
from semjax.teachers.camvid import MAX_REGIONS, CamVidAlbum
from semjax.teachers.coco import GROUPS, CocoAlbum
from semjax.teachers.daquar import DaquarAlbum
from semjax.teachers.jsonl import JsonlError

NAMES = ("a.png", "b.png")
ALBUMS: dict[str, Callable[..., Album]] = {"coco": CocoAlbum, "camvid": CamVidAlbum, "daquar": DaquarAlbum}
SIZES = {"coco": (148, 20, 34), "camvid": (62, 9, 25), "daquar": (190, 25, 45)}


def png(values: np.ndarray) -> bytes:
    told = io.BytesIO()
    Image.fromarray(values).save(told, "png")
    return told.getvalue()


def write_archive(folder: pathlib.Path, name: str, files: dict[str, bytes], **more: Callable[[str], str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with tarfile.open(folder / f"{name}.tar", "w", format=tarfile.USTAR_FORMAT) as tar:
        for file, data in files.items():
            info = tarfile.TarInfo(file)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    with tarfile.open(folder / f"{name}.tar") as tar:
        entries = [
            {"file": m.name, "offset": m.offset_data, "length": m.size}
            | {"sha256": hashlib.sha256(files[m.name]).hexdigest()}
            | {key: of(m.name) for key, of in more.items()}
            for m in tar.getmembers()
        ]
    (folder / f"{name}.index.json").write_text(json.dumps(entries))


def masks() -> dict[str, np.ndarray]:
    mask = np.zeros((6, 8), np.uint8)
    mask[0:2, 0:4], mask[3:6, 2:4] = 7, 3
    return {"a.png": mask, "b.png": np.roll(mask, 1, axis=1)}


def records() -> list[dict[str, Any]]:
    objects = [{"category": "cat", "mask_value": 3}, {"category": "sky"}, {"category": "dog", "mask_value": 7}]
    qa = [
        {"kind": "derived_exist", "question": "Is there a dog?", "answer": "yes", "target": "dog"},
        {"kind": "vqa_v2_human", "question": "What is it?", "answer": "cat"},
        {"kind": "pope_random", "question": "Is there a cow?", "answer": "no", "target": "cow"},
    ]
    return [{"image": name, "objects": objects, "qa": qa} for name in NAMES]


def annotation(name: str) -> dict[str, Any]:
    thing = {"object_index": 2, "mask_value": 7, "category": "dog", "importance": {"watch": 3, "drive": 1}}
    qa = [{"question": "How many dogs?", "answer": "1", "object_index": 2}]
    return {"image": name, "split": "test", "annotator": "A", "conf": 5, "objects": [thing], "qa": qa}


def write_coco(root: pathlib.Path) -> pathlib.Path:
    rng = np.random.default_rng(0)
    pictures = {name: png(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)) for name in NAMES}
    folder, labels = root / "coco_vl", root / "mllm_importance"
    write_archive(folder, "images", pictures, split=lambda name: "train" if name == "b.png" else "test")
    write_archive(folder, "masks", {name: png(mask) for name, mask in masks().items()}, image=lambda name: name)
    (folder / "records.json").write_text(json.dumps(records()))
    labels.mkdir(exist_ok=True)
    (labels / "scenarios.json").write_text(json.dumps({"watch": "look", "drive": "go"}))
    (labels / "annotations.jsonl").write_text("\n".join(json.dumps(annotation(name)) for name in NAMES))
    return root


def test_coco_regions_follow_the_records(tmp_path: pathlib.Path) -> None:
    album = CocoAlbum(write_coco(tmp_path), "test")
    view = album.view(0)
    assert view.regions is not None
    assert len(album) == 1
    assert view.regions.names == ("rest", "cat", "dog")
    mask = masks()["a.png"]
    np.testing.assert_array_equal(view.regions.ids_map, np.select([mask == 3, mask == 7], [1, 2], 0))
    assert view.regions.ids_map.dtype == np.uint8
    np.testing.assert_allclose(view.regions.boxes, [[0, 0, 1, 1], [0.5, 0.25, 1, 0.5], [0, 0, 1 / 3, 0.5]], atol=1e-6)
    assert view.given["mask_values"] == (0, 3, 7)
    assert view.given["name"] == "a.png"
    assert [scenario.name for scenario in album.scenarios] == ["watch", "drive"]
    (question,) = view.questions
    assert (question.text, question.kind, question.source_object, question.truth) == ("How many dogs?", "count", 2, "1")
    assert CocoAlbum(tmp_path, "train").view(0).id == 1


def test_coco_asks_what_it_is_told_to(tmp_path: pathlib.Path) -> None:
    album = CocoAlbum(write_coco(tmp_path), "test", questions=GROUPS)
    asked = [(question.kind, question.source_object) for question in album.view(0).questions]
    assert asked == [("count", 2), ("vqa_v2_human", -1), ("derived_exist", 2), ("pope_random", -1)]
    with pytest.raises(AlbumError, match="COCO has no questions rumour; choose among: annotated"):
        CocoAlbum(tmp_path, "test", questions=("rumour",))


def changed_record(root: pathlib.Path, change: Callable[[list[dict[str, Any]]], Any]) -> None:
    told = records()
    change(told)
    (root / "coco_vl" / "records.json").write_text(json.dumps(told))


def test_the_digest_changes_with_pictures_regions_and_questions(tmp_path: pathlib.Path) -> None:
    write_coco(tmp_path)
    digests = [CocoAlbum(tmp_path, "test").digest, CocoAlbum(tmp_path, "train").digest]
    digests.append(CocoAlbum(tmp_path, "test", questions=GROUPS).digest)
    changed_record(tmp_path, lambda told: told[0]["objects"][0].update(category="lynx"))
    digests.append(CocoAlbum(tmp_path, "test").digest)
    write_coco(tmp_path)
    assert CocoAlbum(tmp_path, "test").digest == digests[0]
    write_archive(tmp_path / "coco_vl", "masks", {n: png(255 - m) for n, m in masks().items()}, image=lambda name: name)
    digests.append(CocoAlbum(tmp_path, "test").digest)
    write_coco(tmp_path)
    write_archive(
        tmp_path / "coco_vl",
        "images",
        {name: png(np.zeros((6, 8, 3), np.uint8)) for name in NAMES},
        split=lambda name: "test",
    )
    digests.append(CocoAlbum(tmp_path, "test").digest)
    assert len(set(digests)) == len(digests)


DAMAGE: dict[str, tuple[Callable[[pathlib.Path], Any], str]] = {
    "no folder": (lambda root: shutil.rmtree(root / "coco_vl"), "no folder 'coco_vl'.*SEMJAX_DATA, or --root"),
    "no labels": (lambda root: shutil.rmtree(root / "mllm_importance"), "no folder 'mllm_importance'"),
    "no tar": (lambda root: (root / "coco_vl" / "images.tar").unlink(), r"no images\.tar"),
    "no index": (lambda root: (root / "coco_vl" / "masks.index.json").unlink(), r"no masks\.index\.json"),
    "index not JSON": (lambda root: (root / "coco_vl" / "images.index.json").write_text("{"), "is not JSON"),
    "records not JSON": (lambda root: (root / "coco_vl" / "records.json").write_text("{"), "is not JSON"),
    "records of nothing": (lambda root: (root / "coco_vl" / "records.json").write_text("[]"), "says nothing of a.png"),
    "no objects": (
        lambda root: changed_record(root, lambda told: told[0].pop("objects")),
        "lacks a field",
    ),
    "mask value twice": (
        lambda root: changed_record(root, lambda told: told[0]["objects"][0].update(mask_value=7)),
        "uses a mask value twice",
    ),
    "label of no region": (
        lambda root: changed_record(root, lambda told: told[0]["objects"][2].update(mask_value=8)),
        "line 1: a.png has no mask value 7",
    ),
    "mask of another": (
        lambda root: write_archive(
            root / "coco_vl", "masks", {n: png(m) for n, m in masks().items()}, image=lambda n: "b.png"
        ),
        "does not name exactly one map for a.png",
    ),
    "scenarios": (lambda root: (root / "mllm_importance" / "scenarios.json").write_text("[]"), "not an object of"),
    "annotations": (lambda root: (root / "mllm_importance" / "annotations.jsonl").write_text("{"), "line 1"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_set_is_refused(tmp_path: pathlib.Path, damage: str) -> None:
    harm, message = DAMAGE[damage]
    harm(write_coco(tmp_path))
    with pytest.raises((AlbumError, JsonlError), match=message):
        CocoAlbum(tmp_path, "test")


def test_masks_are_checked_when_read(tmp_path: pathlib.Path) -> None:
    album = CocoAlbum(write_coco(tmp_path), "test")
    changed = {name: np.where(mask == 3, 4, mask).astype(np.uint8) for name, mask in masks().items()}
    for values, message in (
        (changed, "the mask of a.png has the value 4, which records.json gives to no object"),
        ({name: mask[1:] for name, mask in masks().items()}, "expected 8-bit grey"),
        ({name: np.stack([mask] * 3, axis=-1) for name, mask in masks().items()}, "mode RGB"),
    ):
        files = {name: png(mask) for name, mask in values.items()}
        write_archive(tmp_path / "coco_vl", "masks", files, image=lambda name: name)
        with pytest.raises(AlbumError, match=message):
            CocoAlbum(tmp_path, "test").view(0)
    tar = tmp_path / "coco_vl" / "masks.tar"
    tar.write_bytes(bytes(len(tar.read_bytes())))
    with pytest.raises(AlbumError, match="SHA-256"):
        album.view(0)


def test_an_unset_variable_is_named() -> None:
    with pytest.raises(AlbumError, match="names a variable that is not set"):
        CamVidAlbum("$NOT_SET_ANYWHERE/data", "test")


def test_a_picture_without_questions_is_refused(tmp_path: pathlib.Path) -> None:
    files = {"a.png": png(np.zeros((4, 4, 3), np.uint8))}
    write_archive(tmp_path / "daquar_vqa", "images", files, split=lambda name: "test")
    (tmp_path / "daquar_vqa" / "qa.json").write_text("[]")
    with pytest.raises(AlbumError, match=r"qa\.json says nothing of a\.png"):
        DaquarAlbum(tmp_path, "test")


@functools.cache
def album(root: pathlib.Path, name: str, split: str) -> Album:
    return ALBUMS[name](root, split)


@pytest.mark.parametrize("name", ALBUMS)
def test_real_splits(data_dir: pathlib.Path, name: str) -> None:
    splits = [album(data_dir, name, split) for split in ("train", "val", "test")]
    assert tuple(len(each) for each in splits) == SIZES[name]
    assert len({each.digest for each in splits}) == 3
    with pytest.raises(AlbumError, match="has no split 'held_out'; give --split one of: test, train, val"):
        ALBUMS[name](data_dir, "held_out")


@pytest.mark.parametrize("name", ["coco", "camvid"])
def test_real_regions(data_dir: pathlib.Path, name: str) -> None:
    found = album(data_dir, name, "val")
    for index in range(len(found)):
        view = found.view(index)
        regions = view.regions
        assert regions is not None
        assert view.index == index
        assert regions.ids_map.shape == view.image.shape[:2]
        assert regions.ids_map.max() < len(regions.names) == len(regions.valid) == len(regions.boxes)
        assert name == "coco" or len(regions.names) <= MAX_REGIONS
        assert all(-1 <= question.source_object < len(regions.names) for question in view.questions)
        for region in np.flatnonzero(regions.valid)[1:]:
            rows, columns = np.nonzero(regions.ids_map == region)
            height, width = regions.ids_map.shape
            box = [rows.min() / height, columns.min() / width, (rows.max() + 1) / height, (columns.max() + 1) / width]
            np.testing.assert_allclose(regions.boxes[region], box, rtol=1e-6)


def test_real_masks_lie_where_the_records_say(data_dir: pathlib.Path) -> None:
    view = album(data_dir, "coco", "val").view(0)
    assert view.regions is not None
    for region, thing in enumerate(view.given["record"]["objects"], start=1):
        x, y, width, height = thing["bbox"]
        top, left, bottom, right = view.regions.boxes[region] * np.tile(view.image.shape[:2], 2)
        # A box of the records bounds the whole object, the mask only what no other object hides.
        assert top > y - 2
        assert left > x - 2
        assert bottom < y + height + 2
        assert right < x + width + 2


def test_real_questions(data_dir: pathlib.Path) -> None:
    daquar = album(data_dir, "daquar", "test").view(0)
    assert daquar.regions is None
    assert daquar.questions
    assert all(question.truth for question in daquar.questions)
    asked = [q for i in range(20) for q in album(data_dir, "coco", "val").view(i).questions]
    assert len(asked) == 80
    assert {question.kind for question in asked} == {"count", "where", "yes_no", "open"}
    assert sum(question.source_object > 0 for question in asked) > 40


def test_pictures_and_maps_never_change(data_dir: pathlib.Path) -> None:
    once, again = (CamVidAlbum(data_dir, "val").view(3) for _ in range(2))
    assert once.regions is not None
    assert again.regions is not None
    np.testing.assert_array_equal(once.image, again.image)
    np.testing.assert_array_equal(once.regions.ids_map, again.regions.ids_map)
    assert len(once.sha) == 64
