"""Validation finds each fault by its check, and the card says what is in the store."""

import dataclasses
import pathlib
from collections.abc import Callable

import numpy as np
import pytest
from toy_album import ToyAlbum, ToyTeacher

from semjax.store.layout import About, StoreError, read_about, stretch, write_about
from semjax.store.overrides import Override, write_overrides
from semjax.store.record import Record, Status
from semjax.store.shards import Store, write_shard
from semjax.teachers.base import Importance, View
from semjax.teachers.card import NOBODY, OVERRIDES, write_card
from semjax.teachers.failures import FailureLimit
from semjax.teachers.precompute import precompute
from semjax.teachers.validate import require, validate


def made(out: pathlib.Path, album: ToyAlbum | None = None, teacher: ToyTeacher | None = None) -> pathlib.Path:
    limit = FailureLimit(most=1)
    album, teacher = album or ToyAlbum(), teacher or ToyTeacher()
    return precompute(album, teacher, out, shards=3, limit=limit, progress=lambda done: None).folder


def wrong(folder: pathlib.Path, **told: object) -> dict[str, tuple[str, ...]]:
    return {check.name: check.wrong for check in validate(folder, **told).checks if check.wrong}  # type: ignore[arg-type]


def test_a_sound_store_passes_all_checks(tmp_path: pathlib.Path) -> None:
    folder = made(tmp_path)
    found = validate(folder, album=ToyAlbum(), teacher=ToyTeacher())
    assert found.ok
    assert len(found.checks) == 8
    require(found, folder)
    assert (found.census.pictures, found.census.regions, found.census.questions) == (12, 24, 12)
    assert found.census.statuses.tolist() == [48, 0, 0, 0, 24]
    assert [sum(counts) for counts in found.census.histograms.values()] == [24, 24]


def rewritten(folder: pathlib.Path, change: Callable[[Record], Record]) -> None:
    """Writes every shard anew with changed records: what a program with an error would have stored."""
    store = Store(folder)
    for shard in range(store.about.shards):
        own = stretch(shard, count=len(store), shards=store.about.shards)
        write_shard(folder, store.about, shard, [change(store[i]) for i in own])


def labels(**change: object) -> Callable[[Record], Record]:
    def changed(record: Record) -> Record:
        assert record.scenarios is not None
        return dataclasses.replace(record, scenarios=dataclasses.replace(record.scenarios, **change))  # type: ignore[arg-type]

    return changed


@pytest.mark.parametrize(
    ("change", "check", "told"),
    [
        (labels(importance=np.full((2, 3), 1.5, np.float16)), "values", "importance out of range"),
        (labels(names=("watch", "sweep")), "records", "are not those of the store"),
        (lambda record: dataclasses.replace(record, id=record.id // 2), "records", "id 500 is in the store twice"),
        (
            lambda record: dataclasses.replace(
                record, features=dataclasses.replace(record.features, image=np.zeros(3))
            ),
            "values",
            "image features out of range",
        ),
        (lambda record: dataclasses.replace(record, err="it fell silent"), "failures", "100.0% of the pictures"),
        (labels(status=np.full((2, 3), Status.FALLBACK, np.uint8)), "failures", "100.0% of the labels"),
    ],
)
def test_faults_in_records_are_found(tmp_path: pathlib.Path, change, check: str, told: str) -> None:
    folder = made(tmp_path)
    rewritten(folder, change)
    found = wrong(folder)
    assert set(found) == {check}
    assert told in found[check][0]


def test_torn_and_changed_shards_are_found(tmp_path: pathlib.Path) -> None:
    folder = made(tmp_path)
    path = sorted(folder.glob("*.arrayrecord"))[1]
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    assert "SHA-256" in wrong(folder)["shards"][0]
    path.write_bytes(data[:-5])
    found = validate(folder)
    assert "torn" in found.checks[0].wrong[0]
    with pytest.raises(StoreError, match=r"failed 1 of 6 checks: shards"):
        require(found, folder)


class Constant(ToyTeacher):
    def judged(self, view: View, scenarios: int) -> Importance:
        said = super().judged(view, scenarios)
        return dataclasses.replace(said, score=np.full_like(said.score, 0.3))


def test_a_collapsed_histogram_is_found_where_there_are_enough_labels(tmp_path: pathlib.Path) -> None:
    assert not wrong(made(tmp_path, ToyAlbum(count=40), Constant("few")))
    found = wrong(made(tmp_path, ToyAlbum(count=60), Constant()))
    assert found["histogram"][0] == "scenario watch: 100.0% of 120 labels lie in 0.3 to 0.4"


def test_leakage_across_splits_is_found(tmp_path: pathlib.Path) -> None:
    made(tmp_path, ToyAlbum(split="test", count=5))
    made(tmp_path, ToyAlbum(split="val", salt="others"))
    made(tmp_path, ToyAlbum(), ToyTeacher("another of the same split"))
    found = wrong(made(tmp_path))
    assert set(found) == {"leakage"}
    assert found["leakage"][0] == "test: picture 0 there is picture 0 here"
    assert len(found["leakage"]) == 5


def test_pictures_that_cannot_be_read_leak_nowhere(tmp_path: pathlib.Path) -> None:
    made(tmp_path, ToyAlbum(split="test", salt="others", unreadable=(1,)))
    assert set(wrong(made(tmp_path, ToyAlbum(unreadable=(2,))))) == {"failures"}


def test_a_neighbour_that_cannot_be_read_is_told(tmp_path: pathlib.Path) -> None:
    other = made(tmp_path, ToyAlbum(split="test", salt="others"))
    (other / "teacher.json").write_text("{")
    assert "test cannot be compared" in wrong(made(tmp_path))["leakage"][0]


def test_a_foreign_store_is_told_field_by_field_and_not_recomputed(tmp_path: pathlib.Path) -> None:
    teacher = ToyTeacher("newer")
    found = wrong(made(tmp_path), album=ToyAlbum(), teacher=teacher)
    assert found == {"fingerprint": ('teacher.salt: was "" and is "newer"',)}
    assert teacher.views == 0


class Moody(ToyTeacher):
    """Says something else each time."""

    mood = 0

    def judged(self, view: View, scenarios: int) -> Importance:
        Moody.mood += 1
        return super().judged(dataclasses.replace(view, id=view.id + Moody.mood), scenarios)


def test_a_teacher_that_changes_its_mind_is_found(tmp_path: pathlib.Path) -> None:
    found = wrong(made(tmp_path, teacher=Moody()), album=ToyAlbum(), teacher=Moody())
    assert "other bytes when it is computed again" in found["recomputed"][0]


def test_the_card_claims_nobody_looked_unless_a_file_states_who(tmp_path: pathlib.Path) -> None:
    folder = made(tmp_path)
    text = write_card(validate(folder)).read_text()
    assert NOBODY in text
    assert "12 pictures in 3 shards" in text
    assert read_about(folder).digest in text
    assert "| watch |" in text
    line = {"image_sha": "ab", "scenario": "watch", "importance": 0.5}
    names = ["A. Reader", "A. Reader", "B. | Writer"]
    write_overrides(
        folder / OVERRIDES, [Override(id=i // 2, region=i, verified_by=name, **line) for i, name in enumerate(names)]
    )
    text = write_card(validate(folder)).read_text()
    assert NOBODY not in text
    assert "As `overrides.jsonl` states it" in text
    assert "| A. Reader | 2 | 1 |" in text
    assert "| B. \\| Writer | 1 | 1 |" in text


def test_an_empty_or_foreign_folder_is_no_store(tmp_path: pathlib.Path) -> None:
    with pytest.raises(StoreError, match="no teacher store"):
        validate(tmp_path)
    write_about(tmp_path, About(fingerprint={}, scenarios=(), count=3, shards=1))
    assert "not there" in wrong(tmp_path)["shards"][0]
