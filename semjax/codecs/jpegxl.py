"""JPEG XL (ISO/IEC 18181-1), a naked codestream, by libjxl in imagecodecs (extra `codecs`).

There is no container to leave out. The codestream begins with a signature of two bytes, the size and one bit each for
"all image metadata are the default" and "the colour transform is the default", filled up to a whole byte; these 4 to 9
bytes depend on the size alone and are not sent. So a damaged payload cannot ask for a picture of another size.

    size      bit: small. If so height / 8 - 1 in 5 bits, else a selector of 2 bits and height - 1 in 9, 13, 18 or 30
              ratio in 3 bits; 0 = the width follows in the same way
"""

import dataclasses
from types import ModuleType

import numpy as np

from semjax.codecs.base import Codec, Picture, load_wheel
from semjax.codecs.headerless import Headerless

SIGNATURE = b"\xff\x0a"
LONGEST_SIZE = 9
"""Bytes that the size and the two bits take at most."""

SMALL_BITS, SELECTED_BITS, RATIO_BITS = 5, (9, 13, 18, 30), 3
DISTANCES = tuple(float(distance) for distance in np.geomspace(25.0, 0.1, 200))
"""Butteraugli distances; 1 is called visually lossless. One is 2.7 % below the one before."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class JpegxlFile:
    """Codestreams of effort 7; the setting is the Butteraugli distance."""

    def write(self, image: Picture, setting: float) -> bytes:
        """Writes a codestream."""
        return _imagecodecs().jpegxl_encode(image, distance=setting, effort=7, usecontainer=False, numthreads=1)

    def read(self, file: bytes) -> Picture:
        """Reads a codestream."""
        return _imagecodecs().jpegxl_decode(file, numthreads=1)

    def strip(self, file: bytes) -> bytes:
        """Leaves all after signature and size."""
        return file[_header(file) :]

    def restore(self, body: bytes, blank: bytes) -> bytes:
        """Puts signature and size before the frame."""
        return blank[: _header(blank)] + body


def jpegxl_codec() -> Codec:
    """JPEG XL at 200 distances from 25 to 0.1.

    Raises:
      MissingWheel: imagecodecs is not installed.
    """
    wheel = _imagecodecs()
    return Headerless(
        name="jpegxl",
        terms=f"{wheel.jpegxl_version()} (imagecodecs {wheel.__version__}), effort 7, distance 25 to 0.1, "
        "naked codestream, signature and size not sent",
        settings=DISTANCES,
        file_format=JpegxlFile(),
    )


def _header(file: bytes) -> int:
    """The length in bytes of signature, size and the two bits of a codestream that begins with them."""
    bits = int.from_bytes(file[len(SIGNATURE) :][:LONGEST_SIZE], "little")
    small, at = bits & 1, 1

    def side(at: int) -> int:
        return at + SMALL_BITS if small else at + 2 + SELECTED_BITS[bits >> at & 3]

    at = side(at)
    ratio, at = bits >> at & 7, at + RATIO_BITS
    at = at if ratio else side(at)
    return len(SIGNATURE) + -(-(at + 2) // 8)


def _imagecodecs() -> ModuleType:
    return load_wheel("imagecodecs", wheel="imagecodecs", codec="jpegxl")
