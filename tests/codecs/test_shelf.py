"""Compressed pictures on disk: found again, healed, and never in the way."""

import concurrent.futures
import logging

import numpy as np
import pytest

from semjax.codecs.ladder import Ladder, encode
from semjax.codecs.shelf import Shelf, ladder_key

IMAGE = np.full((4, 5, 3), 200, np.uint8)
SIZES = (10, 20, 30, 40, 50, 60)


def test_a_second_ladder_does_not_compress_again(fake, tmp_path):
    first, second = fake(sizes=SIZES), fake(sizes=SIZES)
    rung = Ladder(codec=first, image=IMAGE, shelf=Shelf(tmp_path)).largest(45)
    assert first.compressed
    assert Ladder(codec=second, image=IMAGE, shelf=Shelf(tmp_path)).largest(45) == rung
    assert second.compressed == []
    assert encode(second, IMAGE, 46, shelf=Shelf(tmp_path)) == encode(first, IMAGE, 46)


def test_another_picture_codec_or_version_has_other_records(fake):
    made = fake(sizes=SIZES)
    others = [
        ladder_key(made, IMAGE),
        ladder_key(made, IMAGE + 1),
        ladder_key(made, IMAGE.reshape(5, 4, 3)),
        ladder_key(fake(sizes=SIZES, name="other"), IMAGE),
        ladder_key(fake(sizes=SIZES, terms="version 2"), IMAGE),
        ladder_key(fake(sizes=SIZES, name="fakev", terms="ersion 1"), IMAGE),
    ]
    assert len(set(others)) == len(others)


@pytest.mark.parametrize("damage", [b"", b"short", bytes(200)], ids=["empty", "short", "zeros"])
def test_a_damaged_file_is_dropped_and_made_again(fake, tmp_path, caplog, damage):
    rung = Ladder(codec=fake(sizes=SIZES), image=IMAGE, shelf=Shelf(tmp_path)).rung(3)
    (path,) = (path for path in tmp_path.rglob("*") if path.is_file())
    whole = path.read_bytes()
    for wrong in (damage, whole[:-1], whole + b"\0", whole[:40] + bytes([whole[40] ^ 1]) + whole[41:]):
        path.write_bytes(wrong)
        caplog.clear()
        again = fake(sizes=SIZES)
        assert Ladder(codec=again, image=IMAGE, shelf=Shelf(tmp_path)).rung(3) == rung
        assert again.compressed == [3]
        (record,) = caplog.records
        assert record.levelno == logging.WARNING
        assert str(path) in record.message
        assert path.read_bytes() == whole


def test_a_record_in_the_wrong_place_is_damaged(tmp_path):
    shelf = Shelf(tmp_path)
    shelf.put("ab12", 3, b"record")
    assert shelf.get("ab12", 3) == b"record"
    (tmp_path / "ab" / "12-003").rename(tmp_path / "ab" / "12-004")
    assert shelf.get("ab12", 4) is None
    assert shelf.get("ab12", 3) is None


def test_a_folder_that_cannot_be_used_gives_one_warning(fake, tmp_path, caplog):
    (tmp_path / "file").write_bytes(b"")
    folder = tmp_path / "file" / "shelf"
    shelf, made = Shelf(folder), fake(sizes=SIZES)
    for _ in range(2):
        assert Ladder(codec=made, image=IMAGE, shelf=shelf).largest(45).index == 3
    (record,) = caplog.records
    assert str(folder) in record.message
    assert "cannot be used" in record.message


def test_a_failed_move_leaves_nothing_behind(tmp_path, caplog, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    Shelf(tmp_path).put("ab12", 0, b"record")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert "No space left" in caplog.text


def test_readers_beside_writers_find_whole_records(tmp_path):
    record = bytes(range(256)) * 40

    def work(worker: int) -> set[bytes | None]:
        shelf, found = Shelf(tmp_path), set()
        for _ in range(60):
            if worker % 2:
                shelf.put("ab12", 0, record)
            found.add(shelf.get("ab12", 0))
        return found

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        found = set().union(*pool.map(work, range(4)))
    assert found <= {None, record}
    assert record in found
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 1
