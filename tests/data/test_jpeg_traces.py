"""JPEG copies of small pictures are found, in files and in values; lossless sets and photographs are not touched."""

import io
import pathlib

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from semjax.data import images
from semjax.data.files import ArchiveSource, ArraySource, DataError, FolderSource
from semjax.data.jpeg_traces import Traces, check_lossless, traces
from semjax.data.sources import CachedSource, ScenesSource

CIFAR = "cifar10_lossless/cifar10_first4000_part.npz"


def through_jpeg(pixels: np.ndarray, quality: int, **options) -> np.ndarray:
    found = []
    for picture in pixels:
        buffer = io.BytesIO()
        Image.fromarray(picture).save(buffer, "JPEG", quality=quality, **options)
        found.append(np.asarray(Image.open(buffer)))
    return np.stack(found)


def array(pixels: np.ndarray, path: pathlib.Path) -> ArraySource:
    np.savez(path / "set.npz", x=pixels)
    return ArraySource(path / "set.npz", "x")


@pytest.mark.parametrize("key", ["x_train", "x_val", "x_test"])
def test_lossless_pictures_pass(data_dir: pathlib.Path, key: str) -> None:
    found = traces(ArraySource(data_dir / CIFAR, key))
    assert found.pictures >= 200
    assert found.share == 0
    assert check_lossless(ArraySource(data_dir / CIFAR, key), allowed=False) == {}


@pytest.mark.parametrize("quality", [50, 75, 90, 95])
@pytest.mark.parametrize("subsampling", [0, 2])
def test_the_same_pictures_through_jpeg_are_refused(
    data_dir: pathlib.Path, tmp_path: pathlib.Path, quality: int, subsampling: int
) -> None:
    pixels = ArraySource(data_dir / CIFAR, "x_test")._pixels[:100]
    copies = through_jpeg(pixels, quality, subsampling=subsampling)
    source = array(copies, tmp_path)
    found = traces(source)
    assert (found.coded, found.reencoded) == (0, True)
    assert found.share > 0.5
    with pytest.raises(DataError, match=r"rounded to steps.*0\.4 to 1\.5 dB.*allow_reencoded=True"):
        check_lossless(source, allowed=False)
    note = check_lossless(source, allowed=True)
    assert "through JPEG" in note["Pictures re-encoded"]


def test_saved_as_png_they_are_still_found(data_dir: pathlib.Path, tmp_path: pathlib.Path) -> None:
    pixels = ArraySource(data_dir / CIFAR, "x_val")._pixels[:60]
    for i, picture in enumerate(through_jpeg(pixels, 90)):
        images.save_png(tmp_path / f"{i:03d}.png", images.from_uint8(picture))
    assert traces(CachedSource(FolderSource(tmp_path))).reencoded
    for i, picture in enumerate(pixels):
        images.save_png(tmp_path / f"{i:03d}.png", images.from_uint8(picture))
    assert not traces(CachedSource(FolderSource(tmp_path))).reencoded


def noise(count: int, shape: tuple[int, int]) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, *shape, 3), np.uint8)


def test_jpeg_files_are_known_by_their_first_bytes(tmp_path: pathlib.Path) -> None:
    for i, picture in enumerate(noise(3, (64, 40))):
        Image.fromarray(picture).save(tmp_path / f"{i}.{('png', 'jpg', 'png')[i]}", quality=100)
    assert traces(FolderSource(tmp_path)) == Traces(pictures=3, coded=1)
    with pytest.raises(DataError, match="1 of 3 are JPEG files"):
        check_lossless(FolderSource(tmp_path), allowed=False)
    assert not traces(FolderSource(tmp_path), limit=1).reencoded
    # One larger picture: photographs may be JPEG.
    Image.fromarray(noise(1, (65, 40))[0]).save(tmp_path / "z.jpg")
    assert traces(FolderSource(tmp_path)).pictures == 0


@pytest.mark.parametrize("name", ["kodak24", "bsds500"])
def test_photographs_are_not_judged(data_dir: pathlib.Path, name: str) -> None:
    assert check_lossless(ArchiveSource(data_dir / name), allowed=False) == {}


@pytest.mark.parametrize("size", [32, 64])
def test_small_cuts_of_photographs_pass(data_dir: pathlib.Path, tmp_path: pathlib.Path, size: int) -> None:
    kodak = ArchiveSource(data_dir / "kodak24")
    cuts = np.stack([images.to_uint8(kodak[i]["image"])[64 : 64 + size, 128 : 128 + size] for i in range(0, 24, 2)])
    quarters = np.concatenate([cuts, cuts[:, ::-1], cuts[:, :, ::-1]])
    found = traces(array(quarters, tmp_path))
    assert found.pictures == 36
    assert not found.reencoded


def drawings() -> dict[str, np.ndarray]:
    """Pictures without noise, whose coefficients take few values."""
    rng = np.random.default_rng(0)
    font, digits = ImageFont.load_default(size=20), []
    for i in range(200):
        sheet = Image.new("RGB", (28, 28))
        ImageDraw.Draw(sheet).text((8, 2), str(i % 10), fill=(255, 255, 255), font=font)
        digits.append(np.asarray(sheet))
    row, column = np.indices((32, 32))
    levels = (rng.integers(0, 2, (100, 32, 32, 1)) * 255).repeat(3, -1).astype(np.uint8)
    blocks = (rng.integers(0, 256, (100, 4, 4, 3)).repeat(8, 1).repeat(8, 2)).astype(np.uint8)
    checker = np.broadcast_to((((row + column) // 2 % 2) * 255).astype(np.uint8)[None, ..., None], (100, 32, 32, 3))
    return {
        "digits": np.stack(digits),
        "two levels": levels,
        "flat blocks": blocks,
        "checker": checker,
        "noise": noise(64, (24, 32)),
        "one colour": np.full((9, 16, 16, 3), 7, np.uint8),
        "too small for a block": noise(9, (7, 7)),
    }


@pytest.mark.parametrize("kind", list(drawings()))
def test_drawings_are_not_mistaken_for_jpeg(kind: str, tmp_path: pathlib.Path) -> None:
    assert not traces(array(drawings()[kind], tmp_path)).reencoded


def test_scenes_are_not_mistaken_for_jpeg(tmp_path: pathlib.Path) -> None:
    scenes = ScenesSource(size=32, count=64)
    assert traces(scenes).pictures == 64
    assert not traces(scenes).reencoded
    pixels = np.stack([images.to_uint8(scenes[i]["image"]) for i in range(64)])
    assert traces(array(through_jpeg(pixels, 90), tmp_path)).reencoded
