"""Facts of a source, and the refusal to go on with other pictures."""

import json
import pathlib
import shutil

import numpy as np
import pytest

from semjax.data.bad_records import GuardedSource
from semjax.data.facts import check_same_source, source_facts
from semjax.data.files import ArchiveSource, ArraySource, DataError, FolderSource
from semjax.data.mixture import MixtureSource, Part
from semjax.data.pack import pack
from semjax.data.patches import PatchSource
from semjax.data.small import drop_small
from semjax.data.sources import ArchivesSource, CachedSource, ScenesSource


@pytest.fixture
def folder(twenty: pathlib.Path, tmp_path: pathlib.Path) -> pathlib.Path:
    """A copy that may be changed."""
    return pathlib.Path(shutil.copytree(twenty, tmp_path / "copy"))


def test_facts_are_plain_and_do_not_depend_on_wrappers_or_place(folder: pathlib.Path, tmp_path: pathlib.Path) -> None:
    facts = source_facts(FolderSource(folder), crop=16)
    assert json.loads(json.dumps(facts)) == facts
    assert {k: v for k, v in facts.items() if k != "sha256"} == {
        "kind": "folder",
        "name": "copy",
        "split": None,
        "count": 20,
        "dropped": 0,
        "padded": 1,
    }
    guarded = GuardedSource(CachedSource(FolderSource(folder)), log_path=tmp_path / "log")
    assert source_facts(guarded, crop=16) == facts
    assert "padded" not in source_facts(guarded)
    patches = PatchSource(FolderSource(folder), size=16, count=3)
    assert source_facts(CachedSource(patches), crop=16) == {**facts, "patches": 3}
    moved = folder.rename(tmp_path / "moved")
    assert source_facts(FolderSource(moved))["sha256"] == facts["sha256"]
    pack(moved, tmp_path / "archive")
    packed = source_facts(ArchiveSource(tmp_path / "archive", split="train"))
    assert (packed["kind"], packed["split"], packed["sha256"]) == ("archive", "train", facts["sha256"])
    assert source_facts(ArchivesSource([str(tmp_path / "archive")]))["sha256"] == facts["sha256"]


def test_the_hash_sees_every_byte_and_the_order(folder: pathlib.Path) -> None:
    before = source_facts(FolderSource(folder))["sha256"]
    file = folder / "train/p07.png"
    data = bytearray(file.read_bytes())
    data[-20] ^= 1
    file.write_bytes(data)
    changed = source_facts(FolderSource(folder))["sha256"]
    (folder / "train/p00.png").rename(folder / "train/zz.png")
    assert len({before, changed, source_facts(FolderSource(folder))["sha256"]}) == 3


def test_arrays_and_scenes(tmp_path: pathlib.Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 3), np.uint8)
    np.savez(tmp_path / "a.npz", x=pixels, y=pixels[:, ::-1])
    x, y = (source_facts(ArraySource(tmp_path / "a.npz", key)) for key in "xy")
    assert x["count"] == y["count"] == 5
    assert x["sha256"] != y["sha256"]
    scenes = source_facts(ScenesSource(size=32, count=50), crop=16)
    assert (scenes["kind"], scenes["count"], scenes["padded"]) == ("scenes", 50, 0)
    assert scenes["sha256"] == source_facts(ScenesSource(size=32, count=50))["sha256"]
    for other in ({"count": 51}, {"count": 50, "seed": 1}):
        assert source_facts(ScenesSource(size=32, **other))["sha256"] != scenes["sha256"]


def test_a_source_that_shrank_or_changed_is_refused(folder: pathlib.Path) -> None:
    old = source_facts(FolderSource(folder))
    check_same_source(old, source_facts(FolderSource(folder)))
    check_same_source(None, old)
    check_same_source({"source": "folder", "count": 20}, old)
    (folder / "train/p03.png").rename(folder / "train/p03.txt")
    with pytest.raises(DataError, match=r"data\.train count was 20 and is 19; data\.train sha256 was .*Put the same"):
        check_same_source(old, source_facts(FolderSource(folder)))
    with pytest.raises(DataError, match="val count was 20 and is 19"):
        check_same_source({"count": 20}, source_facts(FolderSource(folder)), where="val")
    (folder / "train/p03.txt").rename(folder / "train/p03.png")
    (folder / "train/p04.webp").write_bytes((folder / "train/p11.webp").read_bytes())
    with pytest.raises(
        DataError, match=r"pictures of data\.train are not those.*: data\.train sha256 was \w+\.\.\. and"
    ):
        check_same_source(old, source_facts(FolderSource(folder)))


def test_a_picture_that_cannot_be_read_is_part_of_the_facts(folder: pathlib.Path) -> None:
    source = FolderSource(folder)
    old = source_facts(source, crop=16)
    (folder / "train/p03.png").unlink()
    new = source_facts(source, crop=16)
    assert new["count"] == 20
    assert new["sha256"] != old["sha256"]


def test_facts_of_a_mixture_name_the_part(folder: pathlib.Path, tmp_path: pathlib.Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.zeros((5, 8, 8, 3), np.uint8))

    def facts() -> dict:
        parts = [Part(source=ArraySource(tmp_path / "a.npz", "x")), Part(source=FolderSource(folder), weight=2.0)]
        return source_facts(CachedSource(MixtureSource(parts)), crop=16)

    old = facts()
    assert (old["kind"], old["count"], old["padded"]) == ("mixture", 25, 6)
    assert [(p["kind"], p["weight"], p["count"], p["padded"]) for p in old["parts"]] == [
        ("array", 1.0, 5, 5),
        ("folder", 2.0, 20, 1),
    ]
    (folder / "train/p03.png").unlink()
    with pytest.raises(DataError, match=r"data\.train\.parts\[1\] count was 20 and is 19"):
        check_same_source(old, facts())


def test_what_is_dropped_is_counted(folder: pathlib.Path) -> None:
    facts = source_facts(drop_small(FolderSource(folder), 18), crop=18)
    whole = source_facts(FolderSource(folder), crop=18)
    assert facts["kind"] == "folder"
    assert facts["dropped"] == whole["padded"] > 3
    assert facts["count"] + facts["dropped"] == 20
    assert facts["padded"] == 0
    assert facts["sha256"] != whole["sha256"]
