"""A store made by a model that misbehaves: what is written down, and when the run ends."""

import pathlib

import numpy as np
import pytest

from semjax.store.record import Regions, Status
from semjax.store.shards import Store
from semjax.teachers.base import Question, Scenario, View
from semjax.teachers.failures import FailureError, FailureLimit
from semjax.teachers.json_prompting import JsonImportance
from semjax.teachers.marks import Marks
from semjax.teachers.precompute import precompute

PLAIN = Marks(least_side=16, digit_px=8, least_radius=1.5)
TEXTS = (
    ('{"0": 1, "1": 8}',),
    ("I cannot.", "```{'0': 1, '1': 8,}```"),
    ('{"0": 1', '{"1": 8}', '{"1": 8}'),
    ("\0" * 9, "", "[" * 9000),
    ("7" * 100_000, '{"0": -1, "1": 10}', "\ud800"),
)
"""What the model writes about picture i at each attempt, always starting anew at the first."""
OK, REPAIRED, _, FAILED, _ = (int(status) for status in Status)
EXPECTED = ([OK, OK], [REPAIRED, REPAIRED], [FAILED, REPAIRED], [FAILED, FAILED], [FAILED, FAILED])


class Grey:
    """Five grey squares on darker ground, told apart by their brightness."""

    dataset, split, digest = "grey", "test", "0" * 64
    scenarios = (Scenario(name="use", text="a use"),)

    def __len__(self) -> int:
        return len(TEXTS)

    def view(self, index: int) -> View:
        ids = np.zeros((16, 16), np.uint8)
        ids[4:12, 4:12] = 1
        image = np.repeat(np.where(ids, 200, 10 * index).astype(np.uint8)[..., None], 3, axis=-1)
        boxes = np.array([[0, 0, 1, 1], [0.25, 0.25, 0.75, 0.75]], np.float32)
        regions = Regions(ids_map=ids, boxes=boxes, names=("rest", "square"), valid=np.ones(2, bool))
        asked = (Question(text="What is it?", kind="open"),)
        return View(id=index, index=index, sha=f"{index:064x}", image=image, regions=regions, questions=asked)


class Moody:
    """Writes what `TEXTS` says about the picture that it sees."""

    @property
    def model_id(self) -> dict[str, str]:
        return {"name": "moody"}

    def write(self, image: np.ndarray, prompt: str, *, attempt: int) -> str:
        return TEXTS[image[0, 0, 0] // 10][min(attempt, len(TEXTS[image[0, 0, 0] // 10]) - 1)]


def made(out: pathlib.Path, most: float, shards: int) -> pathlib.Path:
    teacher = JsonImportance(Moody(), marks=PLAIN)
    return precompute(Grey(), teacher, out, shards=shards, limit=FailureLimit(most=most)).folder


def test_every_status_is_written_down(tmp_path: pathlib.Path) -> None:
    store = Store(made(tmp_path, 1.0, 2))
    for index, expected in enumerate(EXPECTED):
        record = store[index]
        assert record.scenarios is not None
        assert record.scenarios.status.tolist() == [expected]
        assert record.err == ""
        answered = record.scenarios.status < Status.FAILED
        np.testing.assert_allclose(record.scenarios.importance[answered], np.array([[1, 8]])[answered] / 9, atol=1e-3)
        assert record.raw.startswith("[use 0]")
        assert record.qa is not None
        assert len(record.qa.answers[0]) <= 100
    assert "I cannot." in store[1].raw
    assert store[3].captions == ()
    assert store[3].qa is not None
    assert store[3].qa.answers == ("",)


def test_the_same_answers_give_the_same_bytes(tmp_path: pathlib.Path) -> None:
    a, b = made(tmp_path / "a", 1.0, 2), made(tmp_path / "b", 1.0, 2)
    shards = sorted(path.name for path in a.glob("*.arrayrecord"))
    assert len(shards) == 2
    for name in shards:
        assert (a / name).read_bytes() == (b / name).read_bytes()


def test_too_many_failures_end_the_run(tmp_path: pathlib.Path) -> None:
    with pytest.raises(FailureError, match=r"failed on .* more than max_failed=0\.05 allows"):
        made(tmp_path, 0.05, 1)
