"""Sources: archive against folder, the packer, arrays, scenes, the cache, and what is said when data is missing."""

import hashlib
import json
import pathlib
import pickle
import subprocess
import sys

import jax
import numpy as np
import pytest
from PIL import Image

from semjax.data.files import ArchiveSource, ArraySource, DataError, FolderSource, Record
from semjax.data.images import ImageError, from_uint8
from semjax.data.pack import pack
from semjax.data.sources import SOURCES, ArchivesSource, CachedSource, ScenesSource


@pytest.fixture
def folder(tmp_path) -> pathlib.Path:
    """Seven pictures of two shapes and three formats in subfolders train and test, and one file that is none."""
    rng = np.random.default_rng(3)
    root = tmp_path / "pictures"
    for i in range(7):
        split, suffix = ("train", "test")[i % 3 == 0], (".png", ".jpg", ".WEBP")[i % 3]
        (root / split).mkdir(parents=True, exist_ok=True)
        shape = (20, 24, 3) if i % 2 else (24, 20, 3)
        Image.fromarray(rng.integers(0, 256, shape, np.uint8)).save(root / split / f"p{i}{suffix}")
    (root / "notes.txt").write_text("no picture")
    return root


def same(first, second) -> bool:
    return first["id"] == second["id"] and np.array_equal(first["image"], second["image"])


def test_archive_is_bitwise_its_folder(folder, tmp_path):
    assert pack(folder, tmp_path / "out") == 7
    files, archive = FolderSource(folder), ArchiveSource(tmp_path / "out")
    assert archive.files == files.files == sorted(files.files)
    assert len(archive) == len(files) == 7
    assert all(same(archive[i], files[i]) for i in range(7))
    assert [archive.read(i) for i in range(7)] == [(folder / file).read_bytes() for file in files.files]
    archive.verify()


def test_index_describes_the_tar(folder, tmp_path):
    pack(folder, tmp_path / "out")
    entries = json.loads((tmp_path / "out/images.index.json").read_text())
    data = (tmp_path / "out/images.tar").read_bytes()
    for entry in entries:
        body = data[entry["offset"] : entry["offset"] + entry["length"]]
        assert hashlib.sha256(body).hexdigest() == entry["sha256"]
        with Image.open(folder / entry["file"]) as picture:
            assert (entry["width"], entry["height"]) == picture.size
    assert {entry["split"] for entry in entries} == {"train", "test"}
    pack(folder, tmp_path / "again")
    assert (tmp_path / "again/images.tar").read_bytes() == data


def test_split_keeps_the_ids_of_the_whole(folder, tmp_path):
    pack(folder, tmp_path / "out")
    whole = ArchiveSource(tmp_path / "out")
    parts = [ArchiveSource(tmp_path / "out", split=split) for split in ("test", "train")]
    assert [len(part) for part in parts] == [3, 4]
    assert sorted(part[i]["id"] for part in parts for i in range(len(part))) == list(range(7))
    assert all(same(part[i], whole[part[i]["id"]]) for part in parts for i in range(len(part)))
    with pytest.raises(DataError, match=r"no split 'val'; its splits are: test, train"):
        ArchiveSource(tmp_path / "out", split="val")


def test_verify_names_a_changed_record(folder, tmp_path):
    pack(folder, tmp_path / "out")
    tar = tmp_path / "out/images.tar"
    archive = ArchiveSource(tmp_path / "out")
    data = bytearray(tar.read_bytes())
    data[json.loads((tmp_path / "out/images.index.json").read_text())[2]["offset"] + 9] ^= 1
    tar.write_bytes(data)
    with pytest.raises(DataError, match=rf"1 of 7 records.*{archive.files[2]}"):
        archive.verify()


def test_the_command_that_messages_name_works(folder, tmp_path):
    command = [sys.executable, "-m", "semjax.data", "pack", str(folder), str(tmp_path / "out")]
    root = pathlib.Path(__file__).parents[2]
    run = subprocess.run(command, cwd=root, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert len(ArchiveSource(tmp_path / "out")) == 7
    from semjax.data.__main__ import main

    assert main(["pack", str(folder), str(tmp_path / "out")]) == 2


def test_packer_refuses_a_bad_picture_and_leaves_nothing(folder, tmp_path, capsys):
    (folder / "train/bad.png").write_bytes(b"")
    with pytest.raises(ImageError, match=r"train/bad\.png: the record is empty"):
        pack(folder, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []
    (folder / "train/bad.png").unlink()
    name = "x" * 120 + ".png"
    (folder / "train/p1.jpg").rename(folder / "train" / name)
    with pytest.raises(DataError, match="rename it"):
        pack(folder, tmp_path / "out")


def test_a_damaged_record_is_named_when_read(folder, tmp_path):
    pack(folder, tmp_path / "out")
    index = tmp_path / "out/images.index.json"
    entries = json.loads(index.read_text())
    entries[1]["length"] //= 2
    index.write_text(json.dumps(entries))
    with pytest.raises(DataError, match=rf"images\.tar:{entries[1]['file']}: .*do not have the SHA-256 of the index"):
        ArchiveSource(tmp_path / "out")[1]
    data = (tmp_path / "out/images.tar").read_bytes()
    body = data[entries[1]["offset"] : entries[1]["offset"] + entries[1]["length"]]
    entries[1]["sha256"] = hashlib.sha256(body).hexdigest()
    index.write_text(json.dumps(entries))
    with pytest.raises(ImageError, match=rf"images\.tar:{entries[1]['file']}: "):
        ArchiveSource(tmp_path / "out")[1]


@pytest.mark.parametrize("body", ["{", "[]", '[{"file": "a.png"}]', '{"file": 1}'])
def test_a_wrong_index_is_refused(tmp_path, body):
    (tmp_path / "images.tar").write_bytes(b"")
    (tmp_path / "images.index.json").write_text(body)
    with pytest.raises(DataError, match=r"images\.index\.json is not .*semjax\.data pack"):
        ArchiveSource(tmp_path)


@pytest.mark.parametrize("root", ["", "missing", "."])
def test_missing_data_says_what_to_do(tmp_path, monkeypatch, root):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r"python -m semjax\.data pack FOLDER OUT.*--config\.data\.train\.root=DIR"):
        ArchiveSource(root)
    with pytest.raises(DataError, match=rf"'{root}'.*--config\.data\.train\.root=DIR".replace("'.'", r"'\.'")):
        FolderSource(root)


def test_arrays(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (4, 6, 5, 3), np.uint8)
    np.savez(tmp_path / "a.npz", x=pixels, y=np.arange(4))
    source = ArraySource(tmp_path / "a.npz", "x")
    assert len(source) == 4
    assert source[-1]["id"] == 3
    np.testing.assert_array_equal(source[2]["image"], from_uint8(pixels[2]))
    with pytest.raises(DataError, match="no array 'z'; its arrays are: x, y"):
        ArraySource(tmp_path / "a.npz", "z")
    with pytest.raises(DataError, match=r"'y' is int64\[4\], expected uint8"):
        ArraySource(tmp_path / "a.npz", "y")
    with pytest.raises(DataError, match=r"data\.train\.path=FILE"):
        ArraySource(tmp_path / "b.npz", "x")


def test_scenes_do_not_depend_on_order_or_pickling():
    source = ScenesSource(size=32, count=5, seed=4)
    forth = [source[i] for i in range(5)]
    again = pickle.loads(pickle.dumps(source))
    assert all(same(again[i], forth[i]) for i in reversed(range(5)))
    assert same(source[-1], forth[4])
    with pytest.raises(IndexError):
        source[5]
    other = ScenesSource(size=32, count=5, seed=5)
    assert not np.array_equal(other[0]["image"], forth[0]["image"])
    assert not np.array_equal(forth[0]["image"], forth[1]["image"])
    assert forth[0]["image"].shape == (32, 32, 3)


def test_scenes_know_their_truth_and_work_where_transfers_are_forbidden():
    source = ScenesSource(size=32, count=5, seed=4)
    with jax.transfer_guard("disallow"):
        record, drawn, scene = source[1], source.rendered(1), source.scene(1)
    assert np.abs(record["image"] - np.asarray(drawn.image)).max() <= 0.5 / 255 + 1e-6
    assert set(np.unique(drawn.ids)) - {0} <= {i + 1 for i in range(5) if scene.present[i]}


def test_scenes_refuse_what_cannot_be():
    with pytest.raises(DataError, match="no split 'dev'; their splits are: train, val"):
        ScenesSource(split="dev")
    with pytest.raises(DataError, match="count=0"):
        ScenesSource(count=0)
    with pytest.raises(ValueError, match="objects_max=9"):
        ScenesSource(objects_max=9)


def test_sources_are_made_by_name(folder, tmp_path):
    others = {"tfds", "records", "mixture"}  # in files of their own
    assert set(SOURCES) == {"archive", "archives", "folder", "array", "scenes"} | others
    pack(folder, tmp_path / "out")
    np.savez(tmp_path / "a.npz", x=np.zeros((6, 2, 2, 3), np.uint8))
    settings = {
        "archive": {"root": str(tmp_path / "out"), "split": "test"},
        "archives": {"roots": [str(tmp_path / "out")] * 2, "split": "test"},
        "folder": {"root": str(folder)},
        "array": {"path": str(tmp_path / "a.npz"), "key": "x"},
        "scenes": {"count": 5},
    }
    assert {name: len(SOURCES[name](**settings[name])) for name in settings} == {
        "archive": 3,
        "archives": 6,
        "folder": 7,
        "array": 6,
        "scenes": 5,
    }


def test_archives_follow_each_other(folder, tmp_path):
    pack(folder, tmp_path / "out")
    one = ArchiveSource(tmp_path / "out", split="train")
    two = ArchivesSource([str(tmp_path / "out")] * 2, split="train")
    assert len(two) == 8
    for i in range(8):
        np.testing.assert_array_equal(two[i]["image"], one[i % 4]["image"])
        assert two[i]["id"] == one[i % 4]["id"] + 7 * (i // 4)
    with pytest.raises(IndexError):
        two[8]
    for wrong in ([], str(tmp_path / "out")):
        with pytest.raises(DataError, match="list of archive folders"):
            ArchivesSource(wrong)


class Counting:
    """A source that counts how often it is read; picture 1 is not of 8 bits."""

    def __init__(self):
        self.reads = []

    def __len__(self):
        return 4

    def __getitem__(self, index: int) -> Record:
        self.reads.append(index)
        value = np.float32(index / 255) if index != 1 else np.float32(0.3333)
        return {"image": np.full((2, 2, 3), value), "id": index + 10}


def test_cache_reads_once_and_changes_nothing():
    inner = Counting()
    cached = CachedSource(inner, max_bytes=24)
    first = [cached[i] for i in range(4)]
    second = [cached[i] for i in range(4)]
    assert all(same(a, b) and same(a, inner[i]) for i, (a, b) in enumerate(zip(first, second, strict=True)))
    # Kept: 0 and 2. Not kept: 1 (not of 8 bits), 3 (no room).
    assert inner.reads[:8] == [0, 1, 2, 3, 1, 3, 0, 1]
    assert cached.used_bytes == 24
    assert same(pickle.loads(pickle.dumps(CachedSource(ScenesSource(size=32))))[2], ScenesSource(size=32)[2])


def test_sources_pickle(folder, tmp_path):
    pack(folder, tmp_path / "out")
    for source in (FolderSource(folder), ArchiveSource(tmp_path / "out", split="train")):
        assert same(pickle.loads(pickle.dumps(source))[1], source[1])


@pytest.mark.parametrize(("name", "count", "splits"), [("kodak24", 24, ("test",)), ("bsds500", 438, ("train", "test"))])
def test_real_archives_open(data_dir, name, count, splits):
    source = ArchiveSource(data_dir / name)
    assert len(source) == count
    source.verify()
    for split in splits:
        part = ArchiveSource(data_dir / name, split=split)
        image = part[0]["image"]
        assert sorted(image.shape)[1:] == ([512, 768] if name == "kodak24" else [321, 481])
        assert 0.02 < image.std() < 0.5
