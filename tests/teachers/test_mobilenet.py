"""The MobileNet teacher with its real weights, and its preprocessing."""

import functools
import json
import pathlib

import numpy as np
import pytest

from semjax.data.files import ArchiveSource
from semjax.data.images import to_uint8
from semjax.encoders.mobilenet import WeightsError
from semjax.store.record import Regions
from semjax.teachers.base import View
from semjax.teachers.mobilenet import CROP, MobileNet, coverage, cropped

WEIGHTS = "weights_mobilenet_v1_075"
SAMPLE = 60


@functools.cache
def teacher(root: pathlib.Path) -> MobileNet:
    return MobileNet(root / WEIGHTS)


@functools.cache
def sample(root: pathlib.Path, split: str | None) -> tuple[list[np.ndarray], np.ndarray]:
    source = ArchiveSource(root / "imagenet_sample", split=split)
    entries = json.loads((root / "imagenet_sample" / "images.index.json").read_text())
    label = {entry["file"]: entry["label"] for entry in entries}
    count = SAMPLE if split else len(source)
    images = [to_uint8(source[i]["image"]) for i in range(count)]
    return images, np.array([label[file] for file in source.files[:count]])


def quadrants(size: tuple[int, int] = (256, 256)) -> Regions:
    """Rest, the four quarters, and a region of no pixel."""
    ids = np.zeros(size, np.uint8)
    rows, columns = size[0] // 2, size[1] // 2
    ids[:rows, :columns], ids[:rows, columns:], ids[rows:, :columns] = 1, 2, 3
    return Regions(
        ids_map=ids, boxes=np.zeros((5, 4), np.float32), names=("rest", "a", "b", "c", ""), valid=np.ones(5, bool)
    )


def make_view(image: np.ndarray, regions: Regions | None = None) -> View:
    return View(id=0, index=0, sha="", image=image, regions=regions)


def test_labels_are_right_about_as_often_as_stated(data_dir: pathlib.Path) -> None:
    images, labels = sample(data_dir, "val")
    right = (teacher(data_dir).labels(images) == labels).mean()
    # 85 % of 60, minus three standard deviations of 4.6 %.
    assert right > 0.71


@pytest.mark.nightly
def test_labels_are_right_as_often_as_stated(data_dir: pathlib.Path) -> None:
    images, labels = sample(data_dir, None)
    logits = teacher(data_dir).logits(images)
    top5 = (np.argsort(-logits, axis=1)[:, :5] == labels[:, None]).any(axis=1)
    assert (logits.argmax(axis=1) == labels).mean() == pytest.approx(0.852, abs=0.01)
    assert top5.mean() == pytest.approx(0.967, abs=0.006)


def test_names_of_labels(data_dir: pathlib.Path) -> None:
    names = teacher(data_dir).label_names
    assert len(names) == 1000
    assert names[7] == "cock"


def test_agreement(data_dir: pathlib.Path) -> None:
    images, _ = sample(data_dir, "val")
    images, mobilenet = images[:4], teacher(data_dir)
    assert mobilenet.label_agreement(images, images) == 1.0
    grey = [np.full_like(image, 128) for image in images[:2]]
    assert mobilenet.label_agreement(images, [*images[:2], *grey]) == 0.5
    with pytest.raises(ValueError, match="got 4 and 3"):
        mobilenet.label_agreement(images, images[:3])
    with pytest.raises(ValueError, match="got 0 and 0"):
        mobilenet.label_agreement([], [])


def test_embeddings_of_regions_make_up_the_pooled_one(data_dir: pathlib.Path) -> None:
    image = sample(data_dir, "val")[0][0]
    regions = quadrants(image.shape[:2])
    (found,) = teacher(data_dir).embed_image([make_view(image, regions)], dense=True)
    assert found.regions is not None
    assert found.dense is not None
    assert found.pooled.shape == (768,)
    assert found.dense.shape == (49, 768)
    np.testing.assert_allclose(found.dense.mean(axis=0), found.pooled, rtol=1e-4, atol=1e-5)
    weight = coverage(regions, cells=7).sum(axis=1)
    np.testing.assert_allclose(weight @ found.regions / weight.sum(), found.pooled, rtol=1e-4, atol=1e-5)
    assert not found.regions[4].any()
    assert np.abs(found.regions[1] - found.regions[2]).max() > 0.1


def test_an_embedding_does_not_depend_on_its_neighbours(data_dir: pathlib.Path) -> None:
    images, _ = sample(data_dir, "val")
    views = [make_view(image) for image in images[:3]]
    together = teacher(data_dir).embed_image(views)
    (alone,) = teacher(data_dir).embed_image(views[2:])
    assert together[2].pooled.tobytes() == alone.pooled.tobytes()
    assert together[2].regions is None
    assert together[2].dense is None


def test_fingerprint(data_dir: pathlib.Path) -> None:
    told = teacher(data_dir).fingerprint
    assert len(told["weights"]) == 64
    assert "256" in told["preprocessing"]
    assert teacher(data_dir).can == {"embed_image"}


@pytest.mark.parametrize("size", [(256, 400), (400, 256), (30, 31), (1000, 300), (224, 224)])
def test_the_crop_is_the_centre(size: tuple[int, int]) -> None:
    height, width = size
    rows, columns = np.mgrid[0:height, 0:width]
    ramp = np.stack([(rows + 0.5) * 255 / height, (columns + 0.5) * 255 / width, np.zeros(size)], axis=-1).astype(
        np.uint8
    )
    seen = cropped(ramp)
    assert seen.shape == (CROP, CROP, 3)
    assert np.abs(seen[..., :2].mean(axis=(0, 1)) - 127).max() < 3
    shorter = min(size)
    span = 255 * CROP / 256 * shorter / np.array(size)
    # A few pixels' worth of smoothing at the borders.
    np.testing.assert_allclose(np.ptp(seen[..., :2].astype(float), axis=(0, 1)), span, atol=6 + 255 / shorter)


def test_coverage_is_a_share_of_each_cell() -> None:
    weight = coverage(quadrants(), cells=7)
    np.testing.assert_allclose(weight.sum(axis=0), 1)
    square = weight[1].reshape(7, 7)
    np.testing.assert_allclose(square[:3, :3], 1)
    np.testing.assert_allclose(square[3, :3], 0.5)
    np.testing.assert_allclose(square[3, 3], 0.25)
    assert not square[4:].any()


def test_no_weights(tmp_path: pathlib.Path) -> None:
    with pytest.raises(WeightsError, match=r"no mobilenet_v1_0\.75_224\.npz in"):
        MobileNet(tmp_path)
