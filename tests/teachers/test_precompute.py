"""Precompute: shards that depend on nothing but fingerprint and index, and teachers that fail in every way."""

import pathlib
from collections.abc import Sequence

import numpy as np
import pytest
from toy_album import SCENARIOS, ToyAlbum, ToyTeacher

from semjax.store.layout import StoreError
from semjax.store.record import Status
from semjax.store.shards import Store
from semjax.teachers.base import Answers, Importance, Question, View
from semjax.teachers.failures import FailureError, FailureLimit
from semjax.teachers.precompute import PrecomputeError, precompute


def quiet(done: int) -> None:
    """Progress that nobody sees."""


def contents(folder: pathlib.Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a store that was computed in one go."""
    return contents(
        precompute(ToyAlbum(), ToyTeacher(), tmp_path_factory.mktemp("whole"), shards=5, progress=quiet).folder
    )


class Interrupted(ToyTeacher):
    """Is ended, as by a signal, after so many pictures."""

    def __init__(self, after: int):
        super().__init__()
        self.after = after

    def judged(self, view: View, scenarios: int) -> Importance:
        self.after -= 1
        if self.after < 0:
            raise KeyboardInterrupt
        return super().judged(view, scenarios)


@pytest.mark.parametrize("after", [0, 1, 4, 11])
def test_interrupted_and_rerun_gives_the_same_bytes(
    tmp_path: pathlib.Path, whole: dict[str, bytes], after: int
) -> None:
    with pytest.raises(KeyboardInterrupt):
        precompute(ToyAlbum(), Interrupted(after), tmp_path, shards=5, batch=1, progress=quiet)
    teacher = ToyTeacher()
    report = precompute(ToyAlbum(), teacher, tmp_path, shards=5, progress=quiet)
    assert contents(report.folder) == whole
    assert len(report.kept) + len(report.computed) == 5
    assert report.pictures == teacher.views == 12 - (0, 2, 4, 7, 9, 12)[len(report.kept)]


@pytest.mark.parametrize("batch", [1, 2, 100])
def test_neither_batch_nor_processes_change_a_byte(tmp_path: pathlib.Path, whole: dict[str, bytes], batch: int) -> None:
    told = {"shards": 5, "process_count": 2, "batch": batch, "progress": quiet}
    first = precompute(ToyAlbum(), ToyTeacher(), tmp_path, process_index=1, **told)
    assert first.computed == (1, 3)
    assert not Store(first.folder).complete
    second = precompute(ToyAlbum(), ToyTeacher(), tmp_path, process_index=0, **told)
    assert second.computed == (0, 2, 4)
    assert contents(first.folder) == whole


def test_a_rerun_computes_only_what_is_missing_or_damaged(tmp_path: pathlib.Path, whole: dict[str, bytes]) -> None:
    folder = precompute(ToyAlbum(), ToyTeacher(), tmp_path, shards=5, progress=quiet).folder
    (folder / "part-00001-of-00005.manifest.json").unlink()
    torn = folder / "part-00003-of-00005.arrayrecord"
    torn.write_bytes(torn.read_bytes()[:70_000])
    teacher = ToyTeacher()
    report = precompute(ToyAlbum(), teacher, tmp_path, shards=5, progress=quiet)
    assert (report.computed, report.kept) == ((1, 3), (0, 2, 4))
    assert teacher.views == report.pictures == 4
    assert contents(folder) == whole
    again = precompute(ToyAlbum(), ToyTeacher(), tmp_path, shards=5, resume=False, progress=quiet)
    assert again.computed == (0, 1, 2, 3, 4)
    assert contents(folder) == whole


def test_a_record_holds_all_that_was_said(tmp_path: pathlib.Path) -> None:
    report = precompute(ToyAlbum(), ToyTeacher(), tmp_path, shards=2, progress=quiet)
    record, view = Store(report.folder)[7], ToyAlbum().view(7)
    assert (record.id, record.index, record.image_sha, record.err) == (1007, 7, view.sha, "")
    assert record.scenarios is not None
    assert record.scenarios.names == tuple(s.name for s in SCENARIOS)
    said = ToyTeacher().importance([view], SCENARIOS)[0]
    np.testing.assert_array_equal(record.scenarios.importance[:, :2], said.score[:, :2].astype(np.float16))
    assert record.scenarios.status.tolist() == [[0, 0, Status.MISSING]] * 2  # the empty slot was not asked about
    assert not record.scenarios.importance[:, 2].any()
    assert record.raw == said.raw
    assert record.qa is not None
    assert (record.qa.answers, record.qa.source_object.tolist(), record.qa.logp.tolist()) == (("a cow",), [1], [-1.0])
    assert record.features is not None
    np.testing.assert_allclose(record.features.image, view.image.mean((0, 1)), rtol=1e-3)
    assert record.captions == ()
    assert report.statuses[Status.OK] == 2 * 2 * 12
    assert "12 pictures" in str(report)


def test_progress_is_told_in_pictures(tmp_path: pathlib.Path) -> None:
    done: list[int] = []
    precompute(ToyAlbum(), ToyTeacher(), tmp_path, shards=5, batch=2, progress=done.append)
    assert sum(done) == 12
    assert max(done) == 2


class Nonsense(ToyTeacher):
    """Picture 3 makes it fail in a chosen way."""

    def __init__(self, way: str):
        super().__init__()
        self.way = way

    def judged(self, view: View, scenarios: int) -> Importance:
        said = super().judged(view, scenarios)
        if view.index != 3:
            return said
        if self.way == "raises":
            raise RuntimeError(f"no answer from {self!r}")
        score, status = said.score.copy(), said.status
        if self.way == "nan":
            score[0, 1] = np.nan
        if self.way == "above one":
            score[0, 1] = 1.01
        if self.way == "shape":
            score = score[:1]
        if self.way == "status":
            status = status + 9
        return Importance(score=score, std=said.std, status=status, raw="\ud800" if self.way == "raw" else "")

    def answer(self, views: Sequence[View], questions: Sequence[Sequence[Question]]) -> list[Answers]:
        said = super().answer(views, questions)
        short = Answers(texts=(), logp=np.zeros(0, np.float32))
        return [short if self.way == "answers" and v.index == 3 else a for v, a in zip(views, said, strict=True)]


@pytest.mark.parametrize(
    ("way", "err", "failed"),
    [
        ("raises", "importance: RuntimeError: no answer from", 4),
        ("shape", "importance: ValueError: score has shape (1, 3), expected (2, 3)", 4),
        ("status", "importance: ValueError: status 9", 4),
        ("raw", "RecordError: field raw is no Unicode", 4),
        ("nan", "", 1),
        ("above one", "", 1),
        ("answers", "answer: ValueError: 0 texts", 0),
    ],
)
def test_nonsense_is_failed_with_weight_zero_and_costs_no_other_picture(
    tmp_path: pathlib.Path, whole: dict[str, bytes], way: str, err: str, failed: int
) -> None:
    limit = FailureLimit(most=0.1)
    store = Store(precompute(ToyAlbum(), Nonsense(way), tmp_path, shards=5, limit=limit, progress=quiet).folder)
    record = store[3]
    assert record.err.startswith(err)
    assert bool(record.err) == bool(err)
    assert "0x7f" not in record.err  # an address would differ from run to run
    assert record.scenarios is not None
    assert np.count_nonzero(record.scenarios.status == Status.FAILED) == failed
    assert not record.scenarios.importance[record.scenarios.status == Status.FAILED].any()
    assert record.regions is not None
    assert (record.qa is None) == (way in ("answers", "raw"))
    found = contents(store.folder)
    assert {name for name, data in whole.items() if found[name] != data} == {
        f"part-00001-of-00005.{end}" for end in ("arrayrecord", "manifest.json")
    }
    assert not store[2].err
    assert not store[4].err


def test_a_picture_that_cannot_be_read_is_a_record_with_an_error(tmp_path: pathlib.Path) -> None:
    limit = FailureLimit(most=0.1)
    report = precompute(ToyAlbum(unreadable=(5,)), ToyTeacher(), tmp_path, shards=2, limit=limit, progress=quiet)
    record = Store(report.folder)[5]
    assert (record.id, record.err) == (1005, "picture: OSError: picture 5 is torn")
    assert record.scenarios is None
    assert report.errors == 1


class Refusing(ToyTeacher):
    """Fails on every fourth picture."""

    def judged(self, view: View, scenarios: int) -> Importance:
        if view.index % 4 == 3:
            raise ConnectionError("it does not answer")
        return super().judged(view, scenarios)


def test_too_many_failures_end_the_run_and_finished_shards_stay(tmp_path: pathlib.Path) -> None:
    told = {"shards": 40, "progress": quiet}
    with pytest.raises(FailureError, match=r"failed on 24\.2% of 33 pictures") as caught:
        precompute(ToyAlbum(count=80), Refusing(), tmp_path, limit=FailureLimit(judged_from=33), **told)
    assert "picture 3 (id 1003): importance: ConnectionError: it does not answer" in str(caught.value)
    folder = next(tmp_path.glob("toy/train/*"))
    assert len(Store(folder).missing()) == 40 - 16
    assert not list(folder.glob("*.partial"))
    with pytest.raises(FailureError, match="32 of them in shards that were there already"):
        precompute(ToyAlbum(count=80), ToyTeacher(), tmp_path, limit=FailureLimit(judged_from=32), **told)
    report = precompute(ToyAlbum(count=80), Refusing(), tmp_path, limit=FailureLimit(most=0.25), **told)
    assert len(report.kept) == 16
    assert Store(folder).complete


def test_a_run_of_few_pictures_is_judged_at_its_end(tmp_path: pathlib.Path) -> None:
    with pytest.raises(FailureError, match=r"failed on 25\.0% of 12 pictures"):
        precompute(ToyAlbum(), Refusing(), tmp_path, shards=1, progress=quiet)
    assert not list(tmp_path.rglob("*.arrayrecord"))


def test_other_teachers_albums_and_scenarios_get_other_folders(tmp_path: pathlib.Path) -> None:
    runs = [
        (ToyAlbum(), ToyTeacher()),
        (ToyAlbum(), ToyTeacher("other")),
        (ToyAlbum(salt="other"), ToyTeacher()),
        (ToyAlbum(split="test"), ToyTeacher()),
        (ToyAlbum(scenarios=SCENARIOS[:1]), ToyTeacher()),
    ]
    folders = {precompute(album, teacher, tmp_path, shards=1, progress=quiet).folder for album, teacher in runs}
    assert len(folders) == 5
    assert {folder.parent.relative_to(tmp_path).as_posix() for folder in folders} == {"toy/train", "toy/test"}
    assert all(folder.name.startswith("toy-") and len(folder.name) == 16 for folder in folders)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"shards": 0}, "shards=0 must be between 1 and the number of pictures, 12"),
        ({"shards": 13}, "shards=13"),
        ({"shards": 2, "batch": 0}, "batch=0"),
        ({"shards": 2, "process_index": 2, "process_count": 2}, "process_index=2"),
    ],
)
def test_settings_that_cannot_be(tmp_path: pathlib.Path, settings: dict[str, int], told: str) -> None:
    with pytest.raises(PrecomputeError, match=told):
        precompute(ToyAlbum(), ToyTeacher(), tmp_path, progress=quiet, **settings)


def test_another_number_of_shards_is_refused(tmp_path: pathlib.Path) -> None:
    precompute(ToyAlbum(), ToyTeacher(), tmp_path, shards=3, progress=quiet)
    with pytest.raises(StoreError, match="use --shards 3, or remove the folder"):
        precompute(ToyAlbum(), ToyTeacher(), tmp_path, shards=4, progress=quiet)


def test_an_empty_album_and_impossible_limits() -> None:
    with pytest.raises(PrecomputeError, match="holds no picture"):
        precompute(ToyAlbum(count=0), ToyTeacher(), "nowhere", shards=1)
    with pytest.raises(FailureError, match=r"max_failed=1\.5"):
        FailureLimit(most=1.5)
