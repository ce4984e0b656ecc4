"""AVIF: one key frame of AV1 in boxes, by libavif and libaom in Pillow.

Of a file, only the content of the frame OBU is sent. The boxes, and in `mdat` the temporal delimiter, the sequence
header and the type of the frame OBU, are those of a black picture of the same size at the same quality; the length of
the frame OBU (leb128) follows from that of the body (AV1 specification 1.0.0, 4.10.5, 5.3, 5.6, 5.10).

CHOICE: 4:4:4 and `tune=psnr`. Speed 4: speed 2 takes 3.5 times as long for 0.14 dB at equal size (mean of two pictures
of the BSDS500 validation set). One thread and no tiles: both would make the file depend on the number of cores.
"""

import dataclasses

from PIL.AvifImagePlugin import get_codec_version

from semjax.codecs import isobmff, pillow
from semjax.codecs.base import Codec, Picture
from semjax.codecs.headerless import Headerless

KIND = "AVIF"
SEVEN_BITS, MORE = 0x7F, 0x80


def _quantizer(quality: int) -> int:
    """The quantizer, 63 to 0, that libavif makes of a quality."""
    return ((100 - quality) * 63 + 50) // 100


QUALITIES = tuple(float(q) for q in range(101) if q == 0 or _quantizer(q) != _quantizer(q - 1))
"""Those that differ: the others give the same file as the one before."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class AvifFile:
    """Files of 4:4:4; the setting is the quality, 0 to 100."""

    def write(self, image: Picture, setting: float) -> bytes:
        """Writes a file."""
        return pillow.write(
            image,
            KIND,
            quality=int(setting),
            subsampling="4:4:4",
            speed=4,
            max_threads=1,
            autotiling=False,
            advanced={"tune": "psnr"},
        )

    def read(self, file: bytes) -> Picture:
        """Reads a file."""
        return pillow.read(file, KIND)

    def strip(self, file: bytes) -> bytes:
        """Leaves the content of the frame OBU."""
        return _split(isobmff.coded(file))[1]

    def restore(self, body: bytes, blank: bytes) -> bytes:
        """Puts headers and boxes around the frame."""
        head, _ = _split(isobmff.coded(blank))
        return isobmff.refill(blank, head + _leb128(len(body)) + body)


def avif_codec() -> Codec:
    """AVIF at the qualities from 0 to 100 that differ."""
    library = pillow.library("avif", "libavif")
    return Headerless(
        name="avif",
        terms=f"{library}, aom {get_codec_version('aom')}, 4:4:4, speed 4, tune psnr, one thread, quality 0 to 100, "
        "headers that both ends know not sent",
        settings=QUALITIES,
        file_format=AvifFile(),
    )


def _split(coded: bytes) -> tuple[bytes, bytes]:
    """All before the length of the last OBU, and its content. Every OBU has one byte of header and a length."""
    position = 0
    while True:
        start = position + 1
        while coded[start] & MORE:
            start += 1
        start += 1
        length = sum((byte & SEVEN_BITS) << 7 * place for place, byte in enumerate(coded[position + 1 : start]))
        if start + length >= len(coded):
            return coded[: position + 1], coded[start:]
        position = start + length


def _leb128(number: int) -> bytes:
    """An unsigned integer, seven bits per byte, least significant first."""
    written = bytearray()
    while number > SEVEN_BITS:
        written.append(number & SEVEN_BITS | MORE)
        number >>= 7
    return bytes([*written, number])
