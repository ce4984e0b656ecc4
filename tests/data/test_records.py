"""ArrayRecord shards: writer, index, splits, shards of others, and damage."""

import json
import pathlib
import pickle

import numpy as np
import pytest

from semjax.data import records_source
from semjax.data.entries import digest_of, encoded, id_of
from semjax.data.files import DataError, FolderSource
from semjax.data.images import ImageError
from semjax.data.records_source import INDEX_SUFFIX, RecordsSource, write_records


def shards(folder: pathlib.Path) -> list[pathlib.Path]:
    return sorted(folder.glob("*.array_record"))


@pytest.mark.parametrize("count", [1, 3, 20])
def test_shards_hold_the_folder_in_its_order(twenty: pathlib.Path, tmp_path: pathlib.Path, count: int) -> None:
    assert write_records(twenty, tmp_path / "out", shards=count) == 20
    assert [p.name for p in shards(tmp_path / "out")] == [
        f"pictures-{s:05d}-of-{count:05d}.array_record" for s in range(count)
    ]
    files, source = FolderSource(twenty), RecordsSource(tmp_path / "out")
    assert len(source) == source.total == 20
    assert [encoded(source, i) for i in range(20)] == [encoded(files, i) for i in range(20)]
    assert [id_of(source, i) for i in range(20)] == [source[i]["id"] for i in range(20)] == list(range(20))


def test_without_index_the_shards_are_read(twenty: pathlib.Path, tmp_path: pathlib.Path, monkeypatch) -> None:
    write_records(twenty, tmp_path, shards=2)
    indexed = RecordsSource(tmp_path)
    first, second = shards(tmp_path)
    index = json.loads((tmp_path / (first.name + INDEX_SUFFIX)).read_text())
    assert [r["id"] for r in index["records"]] == list(range(10))
    monkeypatch.setattr(records_source, "_reader", None)
    RecordsSource(tmp_path)
    monkeypatch.undo()
    (tmp_path / (first.name + INDEX_SUFFIX)).unlink()
    (tmp_path / (second.name + INDEX_SUFFIX)).write_text("{")
    scanned = RecordsSource(tmp_path)
    assert [scanned.entry(i) for i in range(20)] == [indexed.entry(i) for i in range(20)]
    # A part of the shards keeps the ids.
    assert [id_of(RecordsSource([str(second)]), i) for i in range(10)] == list(range(10, 20))


def test_splits(twenty: pathlib.Path, tmp_path: pathlib.Path) -> None:
    (tmp_path / "in/a").mkdir(parents=True)
    (tmp_path / "in/b").mkdir()
    for i, file in enumerate(sorted((twenty / "train").iterdir())[:6]):
        (tmp_path / "in" / "ab"[i % 2] / file.name).write_bytes(file.read_bytes())
    write_records(tmp_path / "in", tmp_path / "out")
    whole, part = RecordsSource(tmp_path / "out"), RecordsSource(tmp_path / "out", split="b")
    assert [id_of(part, i) for i in range(3)] == [3, 4, 5]
    assert all(np.array_equal(part[i]["image"], whole[3 + i]["image"]) for i in range(3))
    with pytest.raises(DataError, match="no record is of split 'c'; the splits are: a, b"):
        RecordsSource(tmp_path / "out", split="c")


def test_shards_of_others(tmp_path: pathlib.Path, twenty: pathlib.Path) -> None:
    from array_record.python import array_record_module

    picture = FolderSource(twenty).read(0)

    def write(name: str, *records: bytes) -> str:
        writer = array_record_module.ArrayRecordWriter(str(tmp_path / name), "group_size:1")
        for record in records:
            writer.write(record)
        writer.close()
        return str(tmp_path / name)

    plain = RecordsSource(write("plain.array_record", b'{"id": 7}\n' + picture))
    assert plain[0]["id"] == 7
    assert plain.total == 8
    assert digest_of(plain, 0) == digest_of(FolderSource(twenty), 0)
    for body in (picture, b'{"id": "7"}\n' + picture, b'{"name": "x"}\n', b""):
        with pytest.raises(DataError, match=r"other\.array_record: record 1 does not begin with a line of JSON"):
            RecordsSource(write("other.array_record", b'{"id": 0}\n' + picture, body))
    with pytest.raises(DataError, match="several records have the same id"):
        RecordsSource([write("a.array_record", b'{"id": 1}\n'), write("b.array_record", b'{"id": 1}\n')])
    with pytest.raises(DataError, match="holds no record"):
        RecordsSource(write("none.array_record"))


def test_damage_is_named(twenty: pathlib.Path, tmp_path: pathlib.Path) -> None:
    write_records(twenty, tmp_path)
    (shard,) = shards(tmp_path)
    whole = shard.read_bytes()
    picture = encoded(RecordsSource(tmp_path), 4)
    assert picture is not None
    flipped = bytearray(whole)
    flipped[whole.index(picture) + len(picture) // 2] ^= 1
    shard.write_bytes(flipped)
    source = RecordsSource(tmp_path)
    assert source[3]["id"] == 3
    with pytest.raises(DataError, match=r"pictures-00000-of-00001\.array_record: record 4 cannot be read"):
        source[4]
    shard.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="pictures-00000-of-00001"):
        RecordsSource(tmp_path)
    shard.unlink()
    with pytest.raises(DataError, match=r"cannot be read.*No such file"):
        pickle.loads(pickle.dumps(source))[0]


def test_a_wrong_hash_is_told(twenty: pathlib.Path, tmp_path: pathlib.Path) -> None:
    write_records(twenty, tmp_path)
    (shard,) = shards(tmp_path)
    index = tmp_path / (shard.name + INDEX_SUFFIX)
    told = json.loads(index.read_text())
    told["records"][2]["sha256"] = "0" * 64
    index.write_text(json.dumps(told))
    with pytest.raises(DataError, match=r"train/p02\..*do not have the SHA-256"):
        RecordsSource(tmp_path)[2]


def test_the_writer_refuses_and_leaves_nothing(twenty: pathlib.Path, tmp_path: pathlib.Path) -> None:
    (tmp_path / "in").mkdir()
    for file in sorted((twenty / "train").iterdir())[:3]:
        (tmp_path / "in" / file.name).write_bytes(file.read_bytes())
    with pytest.raises(DataError, match="--shards=4 must be between 1 and the number of pictures, 3"):
        write_records(tmp_path / "in", tmp_path / "out", shards=4)
    (tmp_path / "in/zz.png").write_bytes(b"text")
    with pytest.raises(ImageError, match=r"zz\.png"):
        write_records(tmp_path / "in", tmp_path / "out", shards=2)
    assert list((tmp_path / "out").iterdir()) == []
    (tmp_path / "in/zz.png").unlink()
    write_records(tmp_path / "in", tmp_path / "out")
    with pytest.raises(DataError, match="already holds shards"):
        write_records(tmp_path / "in", tmp_path / "out")
    with pytest.raises(DataError, match=r"no ArrayRecord shard.*semjax\.data records"):
        RecordsSource(tmp_path / "nowhere")
