"""The zoo of pictures through a source and the loader of training: the exact rows, or one line that names the file."""

import io
import itertools
import json
import pathlib

import numpy as np
import pytest
from PIL import Image

from semjax.data import images
from semjax.data.bad_records import GuardedSource
from semjax.data.entries import size_of
from semjax.data.files import DataError, FolderSource
from semjax.data.loader import eval_batches, train_loader
from semjax.data.pack import pack
from semjax.data.transforms import CenterCrop, reflect_to

RNG = np.random.default_rng(9)
RGB = RNG.integers(0, 256, (21, 13, 3), np.uint8)
ALPHA = RNG.integers(0, 256, (21, 13), np.uint8)
CROP = 8


def saved(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def turned(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[images.ORIENTATION_TAG] = orientation
    return exif


GOOD = {
    "rgb.png": saved(Image.fromarray(RGB)),
    "grey.png": saved(Image.fromarray(RGB[..., 0])),
    "grey16.png": saved(Image.fromarray(RGB[..., 0].astype(np.uint16) * 257)),
    "cmyk.tif": saved(Image.fromarray(RGB).convert("CMYK"), "TIFF"),
    "la.png": saved(Image.merge("LA", [Image.fromarray(RGB[..., 0]), Image.fromarray(ALPHA)])),
    "rgba.png": saved(Image.fromarray(np.dstack([RGB, ALPHA]))),
    "palette.png": saved(Image.fromarray(RGB).convert("P")),
    "turned.png": saved(Image.fromarray(RGB), exif=turned(6)),
    "one.png": saved(Image.fromarray(RGB[:1, :1])),
    "line.png": saved(Image.fromarray(RGB[:1])),
}
BAD = {
    "cut.png": GOOD["rgb.png"][:200],
    "cut.jpg": saved(Image.fromarray(np.tile(RGB, (4, 4, 1))), "JPEG")[:900],
    "empty.png": b"",
    "text.png": b"this is no picture\n" * 9,
    "bomb.png": saved(Image.new("1", (10_000, 10_000))),
}


@pytest.fixture
def zoo(tmp_path: pathlib.Path) -> pathlib.Path:
    (tmp_path / "zoo").mkdir()
    for name, data in {**GOOD, **BAD}.items():
        (tmp_path / "zoo" / name).write_bytes(data)
    return tmp_path / "zoo"


def test_training_gets_exact_rows_or_masked_ones(zoo: pathlib.Path, tmp_path: pathlib.Path) -> None:
    source = FolderSource(zoo)
    guarded = GuardedSource(source, log_path=tmp_path / "bad.jsonl", max_rate=0.5)
    with train_loader(guarded, batch_size=5, crop=CROP, seed=0, flip="none") as loader:
        batches = list(itertools.islice(loader, 9))  # three times through
        assert loader.padded == 2
    for batch in batches:
        for image, place, real in zip(batch["image"], batch["id"], batch["_mask"], strict=True):
            name = source.files[place]
            assert real == (name in GOOD)
            whole = reflect_to(images.decode(GOOD[name], name=name), CROP) if real else np.zeros((CROP, CROP, 3))
            windows = np.lib.stride_tricks.sliding_window_view(whole, (CROP, CROP), axis=(0, 1)).transpose(
                0, 1, 3, 4, 2
            )
            assert (windows == image).all((2, 3, 4)).any(), name
    told = {
        json.loads(line)["name"]: json.loads(line)["reason"]
        for line in (tmp_path / "bad.jsonl").read_text().splitlines()
    }
    assert set(told) == {str(zoo / name) for name in BAD}
    assert all(reason.startswith(f"{name}: ") for name, reason in told.items())


def test_evaluation_and_packing_stop_at_the_first_bad_one(zoo: pathlib.Path, tmp_path: pathlib.Path) -> None:
    with pytest.raises(images.ImageError, match=r"bomb\.png: .*over the limit"):
        list(eval_batches(FolderSource(zoo), batch_size=1))
    with pytest.raises(images.ImageError, match=r"bomb\.png"):
        pack(zoo, tmp_path / "out")
    for name in BAD:
        (zoo / name).unlink()
    assert pack(zoo, tmp_path / "out") == len(GOOD)
    (zoo / "one.png").unlink()
    missing = FolderSource(zoo)
    (zoo / "rgb.png").unlink()
    with pytest.raises(DataError, match=r"rgb\.png cannot be read any more"):
        list(eval_batches(missing, batch_size=1))


def test_the_smallest_pictures_fill_the_crop(zoo: pathlib.Path) -> None:
    one = CenterCrop(CROP).map(FolderSource(zoo)[sorted({**GOOD, **BAD}).index("one.png")])["image"]
    np.testing.assert_array_equal(one, np.broadcast_to(images.from_uint8(RGB[0, 0]), (CROP, CROP, 3)))


def test_sizes_from_headers_are_those_decoded(zoo: pathlib.Path) -> None:
    source = FolderSource(zoo)
    for i, name in enumerate(source.files):
        if name in GOOD:
            assert size_of(source, i) == source[i]["image"].shape[:2]
    assert images.size(GOOD["turned.png"], name="x") == (13, 21)
    for name in ("empty.png", "text.png"):
        with pytest.raises(images.ImageError, match=rf"{name}: not a picture"):
            images.size(BAD[name], name=name)
