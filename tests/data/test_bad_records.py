"""Pictures that cannot be read: masked in place, logged once, counted, and too many end the run."""

import itertools
import json
import logging
import pathlib
import pickle
from typing import Any

import numpy as np
import pytest

from semjax.data.bad_records import GuardedSource
from semjax.data.files import ArchiveSource, DataError, FolderSource, Record
from semjax.data.images import ImageError
from semjax.data.loader import eval_batches, train_loader
from semjax.data.mixture import MixtureSource, Part
from semjax.data.pack import pack
from semjax.data.sources import CachedSource


class Flawed:
    """Pictures of 10 x 10, some of which raise."""

    def __init__(self, count: int, bad: dict[int, Exception]):
        self.count, self.bad = count, bad

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Record:
        if index in self.bad:
            raise self.bad[index]
        return {"image": np.full((10, 10, 3), np.float32((index + 1) / 255)), "id": index}


BAD: dict[int, Exception] = {
    3: ImageError("p3: the record is empty"),
    7: DataError("p7: gone"),
    12: FileNotFoundError(2, "No such file"),
}


def take(count: int, source: Any, state: Any = None) -> Any:
    with train_loader(source, batch_size=5, crop=8, seed=2) as loader:
        if state:
            loader.set_state(state)
        return list(itertools.islice(loader, count)), loader.get_state(), loader.padded


def lines(path: pathlib.Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_bad_pictures_are_masked_where_they_stand(tmp_path: pathlib.Path) -> None:
    log = tmp_path / "bad_records.jsonl"
    guarded = GuardedSource(Flawed(20, BAD), log_path=log, max_rate=0.5)
    whole, end, _ = take(12, Flawed(20, {}))
    found, same_end, padded = take(12, guarded)
    assert same_end == end
    assert padded == 0
    for a, b in zip(whole, found, strict=True):
        np.testing.assert_array_equal(a["id"], b["id"])
        bad = np.isin(a["id"], list(BAD))
        np.testing.assert_array_equal(b["_mask"], ~bad)
        np.testing.assert_array_equal(b["image"], np.where(bad[:, None, None, None], np.float32(0), a["image"]))
    assert (guarded.bad, guarded.seen) == (3, 20)
    told = {line["id"]: line for line in lines(log)}
    assert len(lines(log)) == len(told) == 3
    assert set(told[3]) == {"id", "name", "reason", "time"}
    assert told[3]["reason"] == "p3: the record is empty"
    assert told[12]["reason"] == "[Errno 2] No such file"
    assert told[7]["name"]


def test_resumption_is_bitwise_and_logs_nothing_twice(tmp_path: pathlib.Path) -> None:
    log = tmp_path / "bad_records.jsonl"

    def guarded() -> GuardedSource:
        return GuardedSource(CachedSource(Flawed(20, BAD)), log_path=log, max_rate=0.5)

    straight, _, _ = take(12, guarded())
    with log.open("a") as file:
        file.write('{"id": 5, "na')  # as a crash leaves it
    first, state, _ = take(5, guarded())
    rest, _, _ = take(7, pickle.loads(pickle.dumps(guarded())), state)
    for a, b in zip(straight, first + rest, strict=True):
        assert all(a[key].tobytes() == b[key].tobytes() for key in a)
    assert len(log.read_text().splitlines()) == 4


def test_too_many_end_the_run(tmp_path: pathlib.Path) -> None:
    few: dict[int, Exception] = {i: ImageError(f"p{i}: cut short") for i in range(0, 300, 50)}
    allowed = GuardedSource(Flawed(300, few), log_path=tmp_path / "a.jsonl", max_rate=0.03)
    for i in range(300):
        allowed[i]
    assert (allowed.bad, allowed.seen) == (6, 300)
    strict = GuardedSource(Flawed(300, few), log_path=tmp_path / "b.jsonl", max_rate=0.01)
    told = r"(?s)3 of the 101 pictures.*max_bad_rate=0\.01.*p0: cut.*p50: cut.*b\.jsonl"
    with pytest.raises(DataError, match=told):
        [strict[i] for i in range(300)]
    # Read over and over, a bad picture counts once.
    for _ in range(9):
        assert allowed[50]["_mask"] is False
    assert allowed.bad == 6


def test_a_small_set_is_judged_when_all_of_it_was_read(tmp_path: pathlib.Path) -> None:
    guarded = GuardedSource(Flawed(20, BAD), log_path=tmp_path / "log.jsonl", max_rate=0.1)
    for i in range(19):
        guarded[i]
    guarded[19]
    with pytest.raises(DataError, match="3 of the 20 pictures"):
        guarded[3]
    none = GuardedSource(Flawed(4, {1: DataError("p1")}), log_path=tmp_path / "x.jsonl", max_rate=0, min_seen=1)
    with pytest.raises(DataError, match="1 of the 2 pictures"):
        [none[i] for i in range(4)]


def test_the_log_is_rate_limited_and_may_fail(tmp_path: pathlib.Path, caplog: pytest.LogCaptureFixture) -> None:
    bad: dict[int, Exception] = {i: ImageError(f"p{i}: cut short") for i in range(40)}
    with caplog.at_level(logging.WARNING):
        guarded = GuardedSource(Flawed(50, bad), log_path=tmp_path / "log.jsonl", max_rate=1)
        for i in range(50):
            guarded[i]
    assert len(caplog.records) == 6
    assert "only listed in" in caplog.records[-1].getMessage()
    assert len(lines(tmp_path / "log.jsonl")) == 40
    (tmp_path / "folder").mkdir()
    unwritable = GuardedSource(Flawed(50, bad), log_path=tmp_path / "folder", max_rate=1)
    assert unwritable[0]["_mask"] is False
    assert "cannot be written to" in caplog.text


def test_other_errors_and_evaluation_are_not_guarded(tmp_path: pathlib.Path) -> None:
    guarded = GuardedSource(Flawed(5, {2: KeyError("a mistake")}), log_path=tmp_path / "log.jsonl", max_rate=1)
    with pytest.raises(KeyError):
        guarded[2]
    with pytest.raises(ImageError, match="p3"):
        list(eval_batches(Flawed(5, BAD), batch_size=2))
    skipped = list(eval_batches(GuardedSource(Flawed(5, BAD), log_path=tmp_path / "x", max_rate=1), batch_size=2))
    assert np.concatenate([b["id"][b["_mask"]] for b in skipped]).tolist() == [0, 1, 2, 4]
    with pytest.raises(ValueError, match=r"max_rate=1\.5 must be between 0 and 1"):
        GuardedSource(Flawed(5, BAD), log_path=tmp_path / "x", max_rate=1.5)


def test_files_that_vanish_and_a_tar_that_is_cut(twenty: pathlib.Path, tmp_path: pathlib.Path) -> None:
    pack(twenty, tmp_path / "archive")
    archive = ArchiveSource(tmp_path / "archive")
    tar = tmp_path / "archive/images.tar"
    tar.write_bytes(tar.read_bytes()[: tar.stat().st_size // 2])
    (tmp_path / "folder").mkdir()
    for file in (twenty / "train").iterdir():
        (tmp_path / "folder" / file.name).write_bytes(file.read_bytes())
    folder = FolderSource(tmp_path / "folder")
    (tmp_path / "folder/p04.webp").unlink()
    mixed = MixtureSource([Part(source=archive), Part(source=folder)])
    guarded = GuardedSource(mixed, log_path=tmp_path / "log.jsonl", max_rate=1)
    for i in range(40):
        guarded[i]
    told = {line["id"]: line for line in lines(tmp_path / "log.jsonl")}
    assert told[24]["name"].endswith("p04.webp")
    assert "p04.webp cannot be read any more (No such file or directory)" in told[24]["reason"]
    assert set(told) - {24} <= set(range(20))
    assert told[19]["name"] == f"{tar}:train/p19.png"
    assert "the tar file ends before the record does" in told[19]["reason"]
    tar.unlink()
    with pytest.raises(DataError, match=r"images\.tar:train/p00.* cannot be read any more"):
        archive[0]


def test_a_flipped_bit_in_an_archive_is_a_bad_record(twenty: pathlib.Path, tmp_path: pathlib.Path) -> None:
    pack(twenty, tmp_path)
    archive = ArchiveSource(tmp_path)
    index = json.loads((tmp_path / "images.index.json").read_text())
    data = bytearray((tmp_path / "images.tar").read_bytes())
    data[index[1]["offset"] + index[1]["length"] // 2] ^= 4
    (tmp_path / "images.tar").write_bytes(data)
    guarded = GuardedSource(archive, log_path=tmp_path / "log.jsonl", max_rate=1)
    assert [guarded[i].get("_mask", True) for i in range(4)] == [True, False, True, True]
    assert "do not have the SHA-256" in lines(tmp_path / "log.jsonl")[0]["reason"]
