"""Every codec: pictures of all kinds come back, known headers are not sent, damage is survived."""

import re

import numpy as np
import pytest

from semjax.codecs import CODECS, codec, headerless
from semjax.codecs.base import Codec, CodecError, Picture
from semjax.codecs.headerless import Headerless
from semjax.codecs.ladder import Ladder

NAMES = ("jpeg 4:4:4", "jpeg 4:2:0", "jpeg2000", "webp", "avif", "hevc", "jpegxl")
STRIPPED = {"jpeg": 193, "jpeg420": 193, "jpeg2000": 150, "webp": 27, "avif": 286, "hevc": 415, "jpegxl": 5}
"""Bytes of a file of the picture of `conftest` that are not sent, at least: versions of a library may add some."""


@pytest.fixture(scope="module", params=CODECS)
def key(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def made(key: str) -> Headerless:
    found = codec(key)
    assert isinstance(found, Headerless)
    return found


def psnr(a: Picture, b: Picture) -> float:
    """In dB."""
    return float(-10 * np.log10(np.mean((a.astype(np.float64) - b) ** 2) / 255**2 + 1e-12))


def back(made: Codec, image: Picture, index: int) -> Picture:
    height, width, _ = image.shape
    return made.decompress(made.compress(image, index), height=height, width=width)


def few(made: Codec, count: int) -> list[int]:
    """Settings spread from the coarsest to the finest."""
    return [int(index) for index in np.linspace(0, len(made.settings) - 1, count)]


def test_names_and_terms():
    found = [codec(key) for key in CODECS]
    assert tuple(one.name for one in found) == NAMES
    for one in found:
        assert isinstance(one, Codec)
        assert re.search(r"\d+\.\d+", one.terms), f"no version in {one.terms!r}"


def test_finer_settings_are_longer_and_nearer(made, picture):
    ladder = Ladder(codec=made, image=picture)
    rungs = [ladder.rung(index) for index in few(made, 4)]
    assert [len(rung.payload) for rung in rungs] == sorted(len(rung.payload) for rung in rungs)
    assert [rung.mse for rung in rungs] == sorted((rung.mse for rung in rungs), reverse=True)
    assert psnr(picture, ladder.picture(rungs[-1])) > (27 if made.name in ("jpeg 4:2:0", "webp") else 38)
    assert len(rungs[0].payload) < len(rungs[-1].payload) / 4


def test_only_payload_and_size_are_needed(key, made, picture):
    for index in few(made, 3):
        payload = made.compress(picture, index)
        shown = made.decompress(payload, height=44, width=61)
        headerless._blank.cache_clear()  # the receiver makes its own
        np.testing.assert_array_equal(codec(key).decompress(payload, height=44, width=61), shown)
        assert made.compress(picture, index) == payload
        assert payload[0] == index


def test_known_headers_are_left_out(key, made, picture):
    for index in few(made, 3):
        file = made.file_format.write(picture, made.settings[index])
        assert len(file) - (len(made.compress(picture, index)) - 1) >= STRIPPED[key]


@pytest.mark.parametrize("shape", [(1, 1), (7, 5), (1, 40), (40, 1), (33, 65), (16, 8)])
def test_odd_sizes(made, shape):
    image = np.random.default_rng(1).integers(0, 256, (*shape, 3), np.uint8)
    for index in few(made, 3):
        assert back(made, image, index).shape == image.shape


def test_grey_and_flat_pictures(made, picture):
    grey = np.repeat(picture[..., 1:2], 3, axis=-1)
    assert psnr(grey, back(made, grey, len(made.settings) - 1)) > 37
    for colour in ([0, 0, 0], [255, 255, 255], [200, 30, 90]):
        flat = np.broadcast_to(np.array(colour, np.uint8), picture.shape)
        assert psnr(flat, back(made, flat, len(made.settings) - 1)) > 40
        assert len(made.compress(flat, 0)) < 140


def test_pictures_that_are_views(made, picture):
    view = picture[::-2, 3:40:3]
    index = len(made.settings) // 2
    assert made.compress(view, index) == made.compress(np.ascontiguousarray(view), index)


def damaged(payload: bytes, rng: np.random.Generator) -> bytes:
    """Cut, with wrong bytes, with bytes too many or lacking, or with nothing right but the setting."""
    wrong = bytearray(payload)
    place = int(rng.integers(len(wrong)))
    kind = rng.integers(5)
    if kind == 0:
        return bytes(wrong[:place])
    if kind == 1:
        for _ in range(rng.integers(1, 6)):
            wrong[rng.integers(len(wrong))] ^= 1 << rng.integers(8)
    elif kind == 2:
        wrong[place : place + int(rng.integers(1, 20))] = rng.bytes(int(rng.integers(20)))
    elif kind == 3:
        wrong += rng.bytes(int(rng.integers(1, 50)))
    else:
        wrong[1:] = rng.bytes(int(rng.integers(200)))
    return bytes(wrong)


def outcome(made: Codec, payload: bytes) -> Picture | str:
    """The picture of 44 by 61 pixels, or what the codec said."""
    try:
        return made.decompress(payload, height=44, width=61)
    except CodecError as error:
        return str(error)


def test_damage_gives_a_picture_or_a_codec_error(made, picture):
    rng = np.random.default_rng(2)
    payloads = [made.compress(picture, index) for index in few(made, 3)]
    for trial in range(60):
        shown = outcome(made, damaged(payloads[trial % 3], rng))
        if isinstance(shown, str):
            assert made.name in shown
            assert "44 x 61" in shown
        else:
            assert shown.shape == picture.shape
            assert shown.dtype == np.uint8


def test_truncation_gives_a_picture_or_a_codec_error(made, picture):
    payload = made.compress(picture, len(made.settings) // 3)
    for length in range(0, len(payload), 1 + len(payload) // 40):
        shown = outcome(made, payload[:length])
        assert isinstance(shown, str) or shown.shape == picture.shape


def test_what_cannot_be_a_payload(made):
    with pytest.raises(CodecError, match="is empty"):
        made.decompress(b"", height=4, width=4)
    with pytest.raises(CodecError, match=f"begins with 255, settings are 0 to {len(made.settings) - 1}"):
        made.decompress(b"\xff12345", height=4, width=4)


def test_what_is_no_picture_is_refused(made, picture):
    # Where run-time checks of shapes are on, they speak first.
    with pytest.raises((ValueError, TypeError), match=r"takes uint8\[h, w, 3\], got float|Type-check"):
        made.compress(picture / 255, 0)
    with pytest.raises((ValueError, TypeError), match=r"takes uint8\[h, w, 3\], got uint8\[44, 61\]|Type-check"):
        made.compress(picture[..., 0], 0)
    for index in (-1, len(made.settings)):
        with pytest.raises(ValueError, match=f"setting {index}, allowed are 0 to {len(made.settings) - 1}"):
            made.compress(picture, index)
    with pytest.raises(CodecError):
        made.compress(picture[:0], 0)
