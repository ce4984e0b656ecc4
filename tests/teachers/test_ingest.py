"""JSON lines of an outside model: every fault by its line, and a store like any other."""

import json
import pathlib
from typing import Any

import numpy as np
import pytest
from toy_album import SCENARIOS, ToyAlbum

from semjax.store.record import Status
from semjax.store.shards import Store
from semjax.teachers.coco import CocoAlbum
from semjax.teachers.ingest import ingest
from semjax.teachers.jsonl import SHOWN, JsonlError, check_annotations, read_annotations, read_scenarios
from semjax.teachers.jsonl_line import LONGEST_TEXT


def line(index: int = 0, **change: Any) -> dict[str, Any]:
    """One good line on a picture of the toy album, or what becomes of it."""
    cow = {"object_index": 4, "mask_value": 1, "category": "cow", "importance": {"watch": 9, "clean": 2}}
    told = {"image": f"{index}.png", "split": "train", "annotator": "A", "conf": 8, "objects": [cow], "caption": "Kühe"}
    asked = [
        {"question": "How many cows?", "answer": "1", "object_index": 4},
        {"question": "Is it day?", "answer": "yes"},
    ]
    return {**told, "background": {"scene": "field"}, "qa": asked, **change}


def thing(**change: Any) -> dict[str, Any]:
    return line(objects=[{**line()["objects"][0], **change}], qa=[])


def bad(told: Any) -> list[str]:
    text = told if isinstance(told, str) else json.dumps(told)
    return [found.reason for found in check_annotations([json.dumps(line(7)), "", text], SCENARIOS).bad]


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ("{", "not JSON"),
        ("[1]", "not an object but list"),
        ("[" * 100_000, "not JSON"),
        (line(7), "'7.png' was annotated on line 1 already"),
        (line(image=" "), "image is empty"),
        (line(image=None), "image is missing"),
        (line(image=3), "image is no text"),
        (line(image="nul\0.png"), "image holds a NUL"),
        (line(caption="x" * (LONGEST_TEXT + 1)), "caption has 2001 characters; at most 2000"),
        (line(caption="half \ud83d"), "caption is not UTF-8"),
        (line(conf=10), "conf is 10, outside 0 to 9"),
        (line(objects={}), "objects is not a list"),
        (line(objects=["cow"]), r"objects[0] is not an object"),
        (line(objects=line()["objects"] * 2), "two objects have the same object_index"),
        (line(background={"weather": "rain"}), "background is not an object of scene, background, style"),
        (line(qa=[{"question": "", "answer": "1"}]), "qa[0].question is empty"),
        (line(qa=[{"question": "Why?"}]), "qa[0].answer is missing"),
        (
            line(qa=[{"question": "Why?", "answer": "so", "object_index": 5}]),
            "qa[0].object_index 5 is none of the objects",
        ),
        (thing(category="\t"), "objects[0].category is empty"),
        (thing(mask_value=256), "objects[0].mask_value is 256, outside 0 to 255"),
        (thing(mask_value=True), "objects[0].mask_value is True, not a whole number"),
        (thing(object_index=None), "objects[0].object_index is missing"),
        (thing(importance=5), "objects[0].importance is not an object of levels"),
        (thing(importance={"watch": 1}), "objects[0].importance has no level for clean"),
        (thing(importance={"watch": 1, "clean": 10}), "objects[0].importance.clean is 10, outside 0 to 9"),
        (thing(importance={"watch": 1, "clean": 1.5}), "objects[0].importance.clean is 1.5, not a whole number"),
        (thing(importance={"watch": 1, "clean": 1, "wach": 1}), "unknown scenario 'wach'; nearest is watch"),
        (thing(importance_second={"watch": 1}), "objects[0].importance_second has no level for clean"),
    ],
)
def test_a_bad_line_says_what_is_wrong(told: Any, reason: str) -> None:
    found = bad(told)
    assert len(found) == 1
    assert reason in found[0]


def test_a_good_line_is_read_in_full() -> None:
    second = {"watch": 7, "clean": 2}
    found = check_annotations(["", json.dumps(thing(importance_second=second)), json.dumps(line(1))], SCENARIOS)
    assert not found.bad
    read = found.good["0.png"]
    assert (read.line, read.split, read.annotator, read.confidence, read.caption) == (2, "train", "A", 8, "Kühe")
    assert read.objects[0].second == second
    assert read.object_of(1) == read.objects[0]
    assert read.object_of(2) is None
    assert found.good["1.png"].questions[0].object_index == 4


@pytest.fixture
def files(tmp_path: pathlib.Path):
    """`files(*lines)`: a JSONL file with scenarios beside it."""
    (tmp_path / "scenarios.json").write_text(json.dumps({s.name: s.text for s in SCENARIOS}))

    def written(*lines: Any) -> pathlib.Path:
        path = tmp_path / "said.jsonl"
        text = "\n".join(each if isinstance(each, str) else json.dumps(each, ensure_ascii=False) for each in lines)
        path.write_bytes(text.encode("utf-8", "surrogateescape"))
        return path

    return written


def made(path: pathlib.Path, album: ToyAlbum | None = None, **told: Any) -> Any:
    return ingest(path, album or ToyAlbum(), path.parent / "stores", progress=lambda done: None, **told)


def test_lines_become_a_store(files) -> None:
    out = made(files(line(0), line(3), line(5, split="test"), line(6, split="")), shards=2)
    assert out.without == 9
    store = Store(out.report.folder)
    assert store.complete
    record, other = store[3], store[5]
    assert record.scenarios is not None
    assert record.scenarios.status[:, 1].tolist() == [Status.OK, Status.OK]
    assert record.scenarios.status[:, 0].tolist() == [Status.MISSING] * 2  # the background was not annotated
    np.testing.assert_allclose(record.scenarios.importance[:, 1], [1, 2 / 9], atol=1e-3)
    assert record.captions == ("Kühe",)
    assert record.qa is not None
    assert record.qa.answers == ("1", "yes")
    assert record.qa.source_object.tolist() == [1, -1]
    assert other.scenarios is not None
    assert (other.scenarios.status == Status.MISSING).all()
    assert other.qa is None


def test_the_store_follows_the_lines(files) -> None:
    first = made(files(line(0))).report.folder
    assert made(files("", line(0))).report.folder == first  # where a line stands changes nothing
    assert made(files(line(0, caption="cows"))).report.folder != first


def test_all_bad_lines_are_told_and_the_first_are_shown(files) -> None:
    path = files(*[line(i, conf=11) for i in range(SHOWN + 3)], line(1))
    with pytest.raises(JsonlError) as caught:
        made(path)
    told = str(caught.value)
    assert f"{SHOWN + 3} of {SHOWN + 4} lines cannot be used, more than max_bad=0" in told
    assert [f"line {n}: conf is 11" in told for n in (1, SHOWN, SHOWN + 1)] == [True, True, False]
    assert "and 3 more" in told


def test_bytes_that_are_no_utf8_are_told_by_line(files) -> None:
    path = files(line(0), "")
    path.write_bytes(path.read_bytes() + json.dumps(line(1)).encode().replace(b"K\\u00fche", b"K\xfche"))
    with pytest.raises(JsonlError, match="line 2: caption is not UTF-8"):
        made(path)


def test_unknown_pictures_are_told_by_line_and_may_be_left_out(files) -> None:
    path = files(line(0), line(99), line(98, split="test"))
    with pytest.raises(JsonlError, match=r"line 2: there is no picture '99\.png'; nearest is 9\.png"):
        made(path)
    out = made(path, max_bad=0.5)
    assert [found.line for found in out.bad] == [2]
    assert out.without == 11


def test_nothing_to_read(files, tmp_path: pathlib.Path) -> None:
    for text, told in (("", "holds no line"), (json.dumps(line(0, conf=11)), "1 of 1 lines cannot be used")):
        path = files(text)
        with pytest.raises(JsonlError, match=told):
            made(path, max_bad=1.0)
    with pytest.raises(JsonlError, match="max_bad=2"):
        made(path, max_bad=2)
    with pytest.raises(JsonlError, match=r"none\.jsonl cannot be read"):
        made(tmp_path / "none.jsonl")
    (tmp_path / "scenarios.json").unlink()
    with pytest.raises(JsonlError, match="name the scenarios with --scenarios FILE"):
        made(path)
    for content in ("[]", "{}", '{"watch": ""}', "{"):
        (tmp_path / "scenarios.json").write_text(content)
        with pytest.raises(JsonlError, match=r"scenarios\.json is not"):
            made(path)


def test_the_real_lines_become_a_store(data_dir: pathlib.Path, tmp_path: pathlib.Path) -> None:
    labels = data_dir / "mllm_importance"
    whole = read_annotations(labels / "annotations.jsonl", read_scenarios(labels / "scenarios.json"))
    assert len(whole) == 202
    assert sum(len(each.objects) for each in whole.values()) == 1197
    album = CocoAlbum(data_dir, "val")
    out = ingest(labels / "annotations.jsonl", album, tmp_path, shards=2, progress=lambda done: None)
    assert (out.bad, out.without, out.report.errors) == ((), 0, 0)
    told = [each for each in whole.values() if each.split == "val"]
    assert out.report.statuses[Status.OK] == 5 * sum(len(each.objects) for each in told)
