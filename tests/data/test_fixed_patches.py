"""Fixed patches for evaluation, pictures smaller than the crop, and flips."""

import itertools
import logging
import pathlib
import pickle
from typing import Any

import numpy as np
import pytest

from semjax.data.entries import id_of, leaf, size_of
from semjax.data.files import ArchiveSource, DataError, FolderSource, Record
from semjax.data.loader import eval_batches, train_loader
from semjax.data.mixture import MixtureSource, Part
from semjax.data.pack import pack
from semjax.data.patches import PatchSource
from semjax.data.small import drop_small


class Places:
    """Pictures whose every pixel says (id, row, column); ids begin at `first`."""

    def __init__(self, shapes: list[tuple[int, int]], *, first: int = 0):
        self.shapes, self.first, self.reads = shapes, first, 0

    def __len__(self) -> int:
        return len(self.shapes)

    def place(self, index: int) -> int:
        return range(self.first, self.first + len(self))[index]

    def __getitem__(self, index: int) -> Record:
        self.reads += 1
        height, width = self.shapes[index]
        row, column = np.mgrid[:height, :width]
        image = np.stack([np.full((height, width), self.place(index)), row, column], -1).astype(np.float32) / 255
        return {"image": image, "id": self.place(index)}


def corners(images: np.ndarray) -> list[tuple[int, int, int]]:
    return [tuple(np.rint(image[0, 0] * 255).astype(int).tolist()) for image in images]


def test_patches_are_fixed_windows_with_ids_of_their_own() -> None:
    source = Places([(30, 40)] * 6 + [(50, 20)])
    patches = PatchSource(source, size=16, count=5)
    assert len(patches) == 35
    records = [patches[i] for i in range(35)]
    assert source.reads == 7  # one after the other, a picture is decoded once
    assert [r["id"] for r in records] == list(range(35)) == [id_of(patches, i) for i in range(35)]
    places = corners(np.stack([r["image"] for r in records]))
    assert [p[0] for p in places] == [i // 5 for i in range(35)]
    assert len({p[1:] for p in places}) > 25
    for record, (_, row, column) in zip(records, places, strict=True):
        whole = source[record["id"] // 5]["image"]
        np.testing.assert_array_equal(record["image"], whole[row : row + 16, column : column + 16])
    again = pickle.loads(pickle.dumps(patches))
    assert all(np.array_equal(again[i]["image"], records[i]["image"]) for i in reversed(range(35)))


def test_patches_depend_on_the_picture_alone() -> None:
    """Not on which pictures stand beside it, nor on how many patches come before it."""
    many = PatchSource(Places([(30, 40)] * 6), size=16, count=3)
    few = PatchSource(Places([(30, 40)] * 2, first=4), size=16, count=3)
    for i in range(6):
        assert few[i]["id"] == many[12 + i]["id"]
        np.testing.assert_array_equal(few[i]["image"], many[12 + i]["image"])
    wider = PatchSource(Places([(30, 40)] * 6), size=16, count=4)
    np.testing.assert_array_equal(wider[1]["image"], many[1]["image"])
    batches = [list(eval_batches(many, batch_size=b, crop=16)) for b in (2, 5)]
    joined = [np.concatenate([b["image"][b["_mask"]] for b in each]) for each in batches]
    np.testing.assert_array_equal(*joined)
    assert joined[0].shape == (18, 16, 16, 3)


def test_patches_cover_the_picture_and_grow_small_ones() -> None:
    places = np.array(
        corners(np.stack([PatchSource(Places([(24, 24)]), size=16, count=400)[i]["image"] for i in range(400)]))
    )
    assert set(places[:, 1]) == set(places[:, 2]) == set(range(9))
    small = PatchSource(Places([(10, 40)]), size=16, count=2)
    assert small[1]["image"].shape == (16, 16, 3)
    assert leaf(small, 1) == (small.source, 0)
    for wrong in ({"size": 0, "count": 1}, {"size": 4, "count": 0}):
        with pytest.raises(ValueError, match="at least 1"):
            PatchSource(Places([(9, 9)]), **wrong)


def test_small_pictures_are_dropped_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    source = Places([(30, 40), (15, 40), (16, 16), (40, 15), (20, 20)], first=10)
    with caplog.at_level(logging.WARNING):
        kept: Any = drop_small(source, 16)
    assert "2 of 5 pictures are smaller than the crop of 16: left out" in caplog.text
    assert (len(kept), kept.dropped) == (3, 2)
    assert [kept[i]["id"] for i in range(3)] == [id_of(kept, i) for i in range(3)] == [10, 12, 14]
    assert [size_of(kept, i) for i in range(3)] == [(30, 40), (16, 16), (20, 20)]
    with train_loader(kept, batch_size=3, crop=16, seed=0) as loader:
        ids = [set(batch["id"].tolist()) for batch in itertools.islice(loader, 5)]
        assert ids == [{10, 12, 14}] * 5
        assert loader.padded == 0
        assert loader.get_state()["length"] == 3
    assert drop_small(source, 15) is source
    with pytest.raises(DataError, match="all 5 pictures are smaller than the crop of 64"):
        drop_small(source, 64)


def test_each_part_of_a_mixture_drops_its_own() -> None:
    parts = [Part(source=Places([(30, 30), (9, 30)])), Part(source=Places([(30, 30)] * 3), weight=2)]
    kept: Any = drop_small(MixtureSource(parts), 16)
    assert isinstance(kept, MixtureSource)
    assert [kept[i]["id"] for i in range(4)] == [0, 2, 3, 4]
    assert kept.turns == (1, 2)


def test_sizes_come_from_index_or_header(twenty: pathlib.Path, tmp_path: pathlib.Path, monkeypatch) -> None:
    pack(twenty, tmp_path)
    archive, folder = ArchiveSource(tmp_path), FolderSource(twenty)
    wanted = [folder[i]["image"].shape[:2] for i in range(20)]
    monkeypatch.setattr("semjax.data.images.decode", None)
    assert [size_of(folder, i) for i in range(20)] == wanted
    monkeypatch.setattr(ArchiveSource, "read", None)
    assert [size_of(archive, i) for i in range(20)] == wanted


def test_a_picture_of_unknown_size_stays(tmp_path: pathlib.Path, twenty: pathlib.Path) -> None:
    for file in sorted((twenty / "train").iterdir())[:12]:
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "aa.png").write_bytes(b"text")
    kept = drop_small(FolderSource(tmp_path), 16)
    assert len(kept) == 12  # p11 is 12 x 30; aa.png will be met as a bad record


def flips(count: int, **options: Any) -> tuple[np.ndarray, dict[str, Any]]:
    with train_loader(Places([(20, 20)] * 100), batch_size=5, crop=8, seed=1, **options) as loader:
        image = np.concatenate([batch["image"] for batch in itertools.islice(loader, count)])
        return np.diff(image[:, 0, :2, 2], axis=1) < 0, loader.get_state()


def test_flips() -> None:
    usual, state = flips(40)
    named, same = flips(40, flip="horizontal")
    never, other = flips(40, flip="none")
    assert 0.4 < usual.mean() < 0.6
    np.testing.assert_array_equal(usual, named)
    assert not never.any()
    assert state == same == {"next_batch": 40, "length": 100, "batch_size": 5, "crop": 8, "seed": 1}
    assert other == {**state, "flip": "none"}
    with train_loader(Places([(20, 20)] * 100), batch_size=5, crop=8, seed=1) as loader:
        with pytest.raises(ValueError, match="flip was none and is None"):
            loader.set_state(other)
        loader.set_state(state)
    with pytest.raises(ValueError, match="flip='vertical' is not one of: horizontal, none"):
        flips(1, flip="vertical")
