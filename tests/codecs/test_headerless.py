"""A codec made of a file format tells every failure of the library, and the picture it failed on."""

import dataclasses

import numpy as np
import pytest

from semjax.codecs.base import CodecError, FileFormat, Picture
from semjax.codecs.headerless import Headerless


@dataclasses.dataclass(frozen=True, kw_only=True)
class Scripted:
    """A file format that is the first sample of the picture, with one fault."""

    fault: str

    def write(self, image: Picture, setting: float) -> bytes:
        if self.fault == "write" and image.any():
            raise OSError("encoder error -2")
        return image.tobytes()[:1] + b"header"

    def read(self, file: bytes) -> Picture:
        if self.fault == "read":
            raise RuntimeError("corrupt")
        return np.zeros((1, 1, 3) if self.fault == "size" else (2, 3, 3), np.uint8)

    def strip(self, file: bytes) -> bytes:
        return file[:1]

    def restore(self, body: bytes, blank: bytes) -> bytes:
        return body + (b"reader" if self.fault == "header" else blank[1:])


def scripted(fault: str) -> Headerless:
    assert isinstance(Scripted(fault=fault), FileFormat)
    return Headerless(name="scripted", terms="", settings=(0.5, 7.0), file_format=Scripted(fault=fault))


@pytest.mark.parametrize(("fault", "told"), [("write", "encoder error -2"), ("header", "headers that differ")])
def test_a_failure_of_the_encoder_is_told(fault, told):
    image = np.full((2, 3, 3), 9, np.uint8)
    with pytest.raises(CodecError, match=rf"codec scripted, picture of 2 x 3 pixels, setting 1 \(7\): .*{told}"):
        scripted(fault).compress(image, 1)
    assert scripted("none").compress(image, 1) == b"\x01\x09"


@pytest.mark.parametrize(("fault", "told"), [("read", "corrupt"), ("size", r"decoded uint8\[1, 1, 3\]")])
def test_a_failure_of_the_decoder_is_told(fault, told):
    with pytest.raises(CodecError, match=rf"codec scripted, picture of 2 x 3 pixels, setting 0 \(0.5\): .*{told}"):
        scripted(fault).decompress(b"\x00\x09", height=2, width=3)


def test_one_byte_tells_the_setting():
    for count in (0, 257):
        with pytest.raises(ValueError, match=f"{count} settings, allowed are 1 to 256"):
            Headerless(name="x", terms="", settings=(1.0,) * count, file_format=Scripted(fault="none"))
