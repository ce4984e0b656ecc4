"""Codecs by name, wheels that are not there, and real pictures."""

import sys

import numpy as np
import pytest
from PIL import features

from semjax.codecs import CODECS, codec
from semjax.codecs.base import MissingWheel
from semjax.codecs.ladder import Ladder
from semjax.data.files import ArchiveSource

FLOORS_DB = {
    "jpeg": 25.5,
    "jpeg420": 25.7,
    "jpeg2000": 27.5,
    "webp": 27.2,
    "avif": 28.6,
    "hevc": 28.3,
    "jpegxl": 26.8,
}
"""0.4 dB below what was measured at 1 bpp on the first validation picture of BSDS500."""


def test_an_unknown_name():
    with pytest.raises(ValueError, match="no codec 'bpg'; known are jpeg, jpeg420, jpeg2000, webp, avif, hevc, jpegxl"):
        codec("bpg")


@pytest.mark.parametrize(
    ("name", "module", "wheel"), [("hevc", "pillow_heif", "pillow-heif"), ("jpegxl", "imagecodecs", "imagecodecs")]
)
def test_a_missing_wheel(monkeypatch, name, module, wheel):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingWheel, match=rf'codec {name} needs the wheel {wheel} .*pip install "semjax\[codecs\]"'):
        codec(name)
    assert issubclass(MissingWheel, ImportError)
    codec("jpeg")


def test_a_pillow_built_without_avif(monkeypatch):
    monkeypatch.setattr(features, "check", lambda feature: feature != "avif")
    with pytest.raises(MissingWheel, match="built without libavif"):
        codec("avif")
    codec("webp")


@pytest.mark.parametrize("name", CODECS)
def test_a_real_picture_at_one_bit_per_pixel(data_dir, name):
    image = np.rint(np.asarray(ArchiveSource(str(data_dir / "bsds500"), split="val")[0]["image"]) * 255)
    height, width, _ = image.shape
    rung = Ladder(codec=codec(name), image=image.astype(np.uint8)).largest(height * width // 8)
    assert rung is not None
    assert -10 * np.log10(rung.mse) > FLOORS_DB[name]
    assert len(rung.payload) > 0.9 * height * width // 8
