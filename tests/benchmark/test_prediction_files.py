"""Files of predictions: what is read, and how faults are told."""

import json
import pathlib
from typing import Any

import numpy as np
import pytest

from semjax.benchmark import predictions
from semjax.benchmark.__main__ import main
from semjax.benchmark.labels import Labels
from semjax.benchmark.objects import BenchmarkError

SCENARIOS = ("driving", "sports")
LABELS = Labels(
    part="coco",
    split="test",
    names=("a.jpg", "b.jpg"),
    scenarios=SCENARIOS,
    picture=np.array([0, 0, 1]),
    object_index=np.array([3, 1, 0]),
    category=("dog", "cat", "car"),
    importance=np.zeros((3, 2)),
    second=np.full((3, 2), np.nan),
    area=np.full(3, 0.1),
    centre=np.full((3, 2), 0.5),
)


def thing(index: Any, driving: Any = 1, sports: Any = 2.5) -> dict[str, Any]:
    return {"object_index": index, "importance": {"driving": driving, "sports": sports}}


def lines(*more: Any) -> list[Any]:
    """A complete file, and more."""
    return [{"image": "a.jpg", "objects": [thing(1), thing(3, 9, 0)]}, {"image": 1, "objects": [thing(0)]}, *more]


def second(each: Any) -> list[Any]:
    """A file in which picture b.jpg has this one object."""
    return [lines()[0], {"image": 1, "objects": [each]}]


def read(tmp_path: pathlib.Path, *said: Any, scale: str | None = None) -> tuple[np.ndarray, float | None]:
    path = tmp_path / "said.jsonl"
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in said) + "\n")
    return predictions.read(path, LABELS, scale=scale)


def test_values_land_on_their_objects_whatever_the_order(tmp_path: pathlib.Path) -> None:
    values, scale = read(tmp_path, *lines()[::-1])
    assert scale == 9
    np.testing.assert_allclose(9 * values, [[9, 0], [1, 2.5], [1, 2.5]])


def test_objects_without_a_label_are_not_scored(tmp_path: pathlib.Path) -> None:
    first, second = lines()
    first["objects"].append({"object_index": 8})
    np.testing.assert_array_equal(read(tmp_path, first, "", second)[0], read(tmp_path, *lines())[0])


@pytest.mark.parametrize(
    ("header", "flag", "scale"),
    [({}, None, 9), ({"scale": 1}, None, 1), ({"scale": None}, None, None), ({"scale": 1}, "9", 9), ({}, "none", None)],
)
def test_scales(tmp_path: pathlib.Path, header: dict[str, Any], flag: str | None, scale: float | None) -> None:
    values, found = read(tmp_path, {"part": "coco", **header}, *lines(), scale=flag)
    assert found == scale
    np.testing.assert_allclose(values[0], [9 / (scale or 9), 0])


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (lines("{"), "line 3: not JSON"),
        (lines("[1]"), "line 3: not a JSON object"),
        (lines({"objects": []}), "line 3: no picture None in split test of part coco"),
        (lines({"image": "c.jpg", "objects": []}), "line 3: no picture 'c.jpg'"),
        (lines({"image": 2, "objects": []}), "line 3: no picture 2"),
        (lines({"image": True, "objects": []}), "line 3: no picture True"),
        (lines({"image": "b.jpg", "objects": []}), "line 3: picture 'b.jpg' was already on line 2"),
        (lines()[1:], "no line for picture a.jpg"),
        ([{"image": 0, "objects": [thing(1)]}, lines()[1]], "line 1: a.jpg lacks object 3"),
        ([{"image": 0, "objects": [thing(1), thing(3), thing(1)]}, lines()[1]], "object 1 was already on line 1"),
        (second(thing(0, float("nan"))), "object 0, driving: nan is not a finite number"),
        (second(thing(0, 10**400)), "is not a finite number"),
        (second(thing(0, "5")), "driving: '5' is not a finite number"),
        (second(thing(0, True)), "driving: True is not a finite number"),
        (second({"object_index": 0, "importance": {"sports": 1}}), "nothing said under driving"),
        (second({"object_index": 0, "importance": 5}), "`importance` is not an object"),
        (second(7), "an object without a whole number as `object_index`"),
        (second(thing(0.5)), "an object without a whole number as `object_index`"),
        ([lines()[0], {"image": 1, "objects": None}], "line 2: `objects` is not a list"),
        ([{"split": "val"}, *lines()], "line 1: split 'val', but 'test' is scored; give --split"),
        ([{"scale": 5}, *lines()], "line 1: scale 5 is none of 9, 1 and null"),
        ([], "no line for picture b.jpg"),
    ],
)
def test_faults(tmp_path: pathlib.Path, said: list[Any], told: str) -> None:
    with pytest.raises(BenchmarkError) as caught:
        read(tmp_path, *said)
    assert told in str(caught.value)
    assert "nothing is scored" in str(caught.value)


def test_all_faults_are_counted_and_the_first_listed(tmp_path: pathlib.Path) -> None:
    with pytest.raises(BenchmarkError) as caught:
        read(tmp_path, *["?"] * 30, *lines())
    assert "30 faults" in str(caught.value)
    assert str(caught.value).count("\n") == predictions.SHOWN + 1
    assert str(caught.value).endswith("and 18 more")


def test_written_predictions_are_read_back(tmp_path: pathlib.Path) -> None:
    said = np.array([[0.1, 0.2], [0.3, 1.0], [0.0, 1 / 3]])
    predictions.write(said, LABELS, tmp_path / "said.jsonl")
    values, scale = predictions.read(tmp_path / "said.jsonl", LABELS)
    assert scale == 9
    np.testing.assert_allclose(values, said, atol=1e-6)


def test_the_command_says_what_is_wrong_and_exits_with_2(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "said.jsonl"
    file.write_bytes(b"\xff\xfe")
    for words, told in (
        (["--predictions", str(file)], "cannot be read as UTF-8"),
        (["--predictions", str(tmp_path / "none.jsonl")], "No such file"),
        (["--split", "dev"], "no split 'dev'"),
        (["--write_baseline", "oracle", str(file)], "no baseline 'oracle'"),
        (["--write_baseline", "constant", str(tmp_path)], "cannot be written"),
        (["--predictions", str(file), "--name", "class table"], "give another --name"),
    ):
        assert main(["sa-importance", *words]) == 2
        captured = capsys.readouterr()
        assert captured.err.startswith("error: ")
        assert told in captured.err
        assert "Traceback" not in captured.err
