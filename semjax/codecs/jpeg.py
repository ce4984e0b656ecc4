"""JPEG (ISO/IEC 10918-1), baseline sequential, by libjpeg-turbo in Pillow.

A file, and what of it is sent (+):

      SOI, APP0, DQT, SOF     start, quantisation tables of the quality, size, sampling
    + DHT ...                 Huffman tables, optimised for the picture: charged
      SOS                     header of the only scan
    + coded data
      EOI                     end

The rest is that of a black picture of the same size at the same quality. In coded data a byte 0xff is followed by
0x00, so the tables end where no DHT marker follows.
"""

import dataclasses

from semjax.codecs import markers, pillow
from semjax.codecs.base import Codec, Picture
from semjax.codecs.headerless import Headerless

DHT, SOS, EOI = b"\xff\xc4", b"\xff\xda", b"\xff\xd9"
KIND = "JPEG"
SAMPLING = {"4:4:4": 0, "4:2:0": 2}
"""Pillow's numbers."""

QUALITIES = tuple(map(float, range(1, 101)))


@dataclasses.dataclass(frozen=True, kw_only=True)
class JpegFile:
    """Files of one chroma sampling; the setting is the quality, 1 to 100.

    Attributes:
      sampling: "4:4:4" or "4:2:0".
    """

    sampling: str

    def write(self, image: Picture, setting: float) -> bytes:
        """Writes a file with Huffman tables made for this picture."""
        return pillow.write(
            image, KIND, quality=int(setting), optimize=True, progressive=False, subsampling=SAMPLING[self.sampling]
        )

    def read(self, file: bytes) -> Picture:
        """Reads a file."""
        return pillow.read(file, KIND)

    def strip(self, file: bytes) -> bytes:
        """Leaves the Huffman tables and the coded data."""
        scan = markers.find(file, SOS)
        return file[markers.find(file, DHT) : scan] + file[markers.end(file, scan) : -len(EOI)]

    def restore(self, body: bytes, blank: bytes) -> bytes:
        """Puts headers and end around the tables and the coded data."""
        scan, tables = markers.find(blank, SOS), 0
        while body[tables : tables + len(DHT)] == DHT:
            tables = markers.end(body, tables)
        scan_header = blank[scan : markers.end(blank, scan)]
        return blank[: markers.find(blank, DHT)] + body[:tables] + scan_header + body[tables:] + EOI


def jpeg_codec() -> Codec:
    """JPEG 4:4:4 at quality 1 to 100."""
    return _codec("4:4:4")


def jpeg420_codec() -> Codec:
    """JPEG 4:2:0 at quality 1 to 100."""
    return _codec("4:2:0")


def _codec(sampling: str) -> Codec:
    library = pillow.library("libjpeg_turbo", "libjpeg-turbo")
    return Headerless(
        name=f"jpeg {sampling}",
        terms=f"{library}, sequential, {sampling}, quality 1 to 100, optimised Huffman tables sent, "
        "headers that both ends know not sent",
        settings=QUALITIES,
        file_format=JpegFile(sampling=sampling),
    )
