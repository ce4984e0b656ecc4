"""Maps and labels on their way from a source to the batch: cropped with the picture, kept, masked, stacked."""

import pathlib

import numpy as np
import pytest

from semjax.app import build, config
from semjax.data.bad_records import GuardedSource
from semjax.data.entries import blank_of
from semjax.data.files import DataError
from semjax.data.label_noise import LabelNoise
from semjax.data.loader import eval_batches, train_loader
from semjax.data.mixture import MixtureSource, Part
from semjax.data.patches import PatchSource
from semjax.data.sources import CachedSource, ScenesSource
from semjax.data.transforms import RandomCrop, mirrored_half_the_time
from semjax.scenes.scenarios import all_importance

SCENE = {"shape", "colour", "texture", "centre", "radius", "present", "background", "seed"}
LABELS = SCENE | {"importance", "weight", "valid", "classes"}


class Numbered:
    """Pictures whose red channel is the map `place`, of different sizes; picture 2 cannot be read."""

    def __len__(self):
        return 6

    def __getitem__(self, index):
        if index == 2:
            raise DataError("picture 2 is broken")
        height, width = 12 + index, 20 - index
        place = np.arange(height * width).reshape(height, width)
        image = np.stack([place / 400, 0 * place, 0 * place], -1).astype(np.float32)
        return {"image": image, "id": index, "maps": {"place": place}, "labels": {"which": np.float32(index)}}

    def blank(self):
        return {"maps": {"place": np.zeros((1, 1), int)}, "labels": {"which": np.float32(0)}}


def agree(image, place):
    return np.array_equal(np.rint(np.asarray(image)[..., 0] * 400), place)


@pytest.mark.parametrize("size", [8, 40])
def test_a_crop_takes_the_maps_along(size):
    crop = RandomCrop(size, flip=mirrored_half_the_time)
    flipped = set()
    for seed in range(12):
        cut = crop.random_map(Numbered()[0], np.random.default_rng(seed))
        assert cut["maps"]["place"].shape == (size, size)
        assert agree(cut["image"], cut["maps"]["place"])
        flipped.add(bool(cut["maps"]["place"][0, 1] < cut["maps"]["place"][0, 0]))
    assert flipped == {True, False}


def test_batches_hold_labels_and_a_bad_picture_zeros(tmp_path: pathlib.Path):
    source = GuardedSource(Numbered(), log_path=tmp_path / "bad.jsonl", max_rate=1.0)
    with train_loader(source, batch_size=6, crop=8, seed=0) as loader:
        batch = next(loader)
    assert set(batch) == {"image", "id", "_mask", "labels/which", "labels/place"}
    assert sorted(batch["id"]) == [0, 1, 2, 3, 4, 5]
    for row in range(6):
        good = batch["id"][row] != 2
        assert batch["_mask"][row] == good
        assert batch["labels/which"][row] == (batch["id"][row] if good else 0)
        assert agree(batch["image"][row], batch["labels/place"][row])
    assert not batch["labels/place"][batch["id"] == 2].any()
    made = build.to_batch(batch)
    assert set(made.labels) == {"which", "place"}


def test_evaluation_and_patches_keep_maps_beside_their_pixels():
    readable = [0, 1, 3]
    source = MixtureSource([Part(source=[Numbered()[i] for i in readable])])
    for batch in eval_batches(source, batch_size=2, crop=9):
        assert all(map(agree, batch["image"], batch["labels/place"]))
    patches = PatchSource(source, size=5, count=3)
    found = [patches[i] for i in range(len(patches))]
    assert all(agree(record["image"], record["maps"]["place"]) for record in found)
    assert [record["labels"]["which"] for record in found[::3]] == readable
    assert "labels" not in ScenesSource(count=2)[0]


def test_scenes_say_what_they_hold():
    source = ScenesSource(size=64, count=3, truth=True)
    record = source[1]
    assert set(record["labels"]) == LABELS
    scene = source.scene(1)
    for name in SCENE:
        assert np.array_equal(record["labels"][name], getattr(scene, name))
    assert np.allclose(record["labels"]["importance"], all_importance(scene))
    assert record["labels"]["valid"].tolist() == [True, *scene.present.tolist()]
    assert np.array_equal(record["labels"]["weight"][3], record["labels"]["valid"])
    assert record["labels"]["classes"].tolist()[0] == scene.background
    assert record["labels"]["classes"].dtype == np.int32
    assert set(np.unique(record["maps"]["ids"])) == {0, *(np.flatnonzero(scene.present) + 1)}
    assert np.array_equal(ScenesSource(size=64, count=3)[1]["image"], record["image"])


def test_scenes_with_noise_differ_in_their_labels_only():
    settings = {"size": 32, "count": 6, "truth": True}
    exact, noisy = ScenesSource(**settings), ScenesSource(**settings, wrong=0.5, failed=0.3)
    records = [noisy[i] for i in (4, 1, -2)]
    for record, index in zip(records, (4, 1, 4), strict=True):
        labels, true = record["labels"], exact[index]["labels"]
        same = {name: np.array_equal(labels[name], true[name]) for name in true}
        assert [name for name in same if not same[name]] == ["importance", "weight"]
        np.testing.assert_array_equal(record["image"], exact[index]["image"])
        expected = LabelNoise(wrong=0.5, failed=0.3)(
            true["importance"], true["valid"], index=index, seed=0, split="train"
        )
        np.testing.assert_array_equal(labels["importance"], expected[0])
        np.testing.assert_array_equal(labels["weight"], expected[1])
    assert noisy.fingerprint() != exact.fingerprint() == ScenesSource(**settings, wrong=0.0).fingerprint()


def test_a_cache_keeps_what_is_known():
    source = ScenesSource(size=32, count=2, truth=True)
    cached = CachedSource(source)
    cached[0]
    again, fresh = cached[0], source[0]
    for kind in ("labels", "maps"):
        assert all(np.array_equal(again[kind][name], fresh[kind][name]) for name in fresh[kind])
    assert cached.used_bytes > 32 * 32 * 4
    assert CachedSource(source, max_bytes=32 * 32 * 3 + 10)[0]["labels"].keys() == LABELS


def test_the_example_batch_has_the_labels_of_the_source():
    registry = build.default_registry()
    asked = {"data": {"train": {"source": "scenes", "size": 32, "crop": 16, "truth": True}, "batch_size": 4}}
    cfg = config.resolve({"system": {"name": "linear", "cbr": 1 / 12}, **asked}, registry)
    source = build.source(cfg.data.train, registry, path="data.train")
    batch = build.example_batch(cfg, 4, like=source)
    with train_loader(source, batch_size=4, crop=16, seed=0) as loader:
        real = build.to_batch(next(loader))
    for name in (*LABELS, "ids"):
        assert batch.labels[name].shape == real.labels[name].shape
        assert batch.labels[name].dtype == real.labels[name].dtype
    assert blank_of(ScenesSource(count=2)) == {}
