"""JPEG 2000 (ISO/IEC 15444-1), a naked codestream, by OpenJPEG in Pillow.

A file, and what of it is sent (+):

      main header            size, coding style, step sizes, comment
      SOT, SOD               of the only tile; Psot is the length of the tile in bytes
    + packets
      EOC                    end

The rest is that of a black picture of the same size at the same rate, Psot counted anew.

CHOICE: irreversible 9/7 wavelet and the transform to luma and chroma (`mct=1`). Pillow leaves the second out where it
is not asked for, which cost 5 dB at 1 bpp on pictures of the BSDS500 validation set.
"""

import dataclasses

import numpy as np

from semjax.codecs import markers, pillow
from semjax.codecs.base import Codec, Picture
from semjax.codecs.headerless import Headerless

SOT, EOC = b"\xff\x90", b"\xff\xd9"
PSOT = slice(6, 10)
"""Bytes of the SOT segment (A.4.2)."""

TILE_HEADER = 14
"""Bytes of the SOT segment and the SOD marker."""

KIND = "JPEG2000"
SOURCE_BPP = 24.0
RATES = tuple(float(bpp) for bpp in np.geomspace(0.02, 12.0, 250))
"""Bits per pixel asked for, headers included; one is 2.6 % above the one before."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Jpeg2000File:
    """Codestreams of one tile and one layer; the setting is the rate in bits per pixel."""

    def write(self, image: Picture, setting: float) -> bytes:
        """Writes a codestream of at most the rate where the picture has room for its headers."""
        return pillow.write(
            image,
            KIND,
            no_jp2=True,
            irreversible=True,
            mct=1,
            quality_mode="rates",
            quality_layers=[SOURCE_BPP / setting],
        )

    def read(self, file: bytes) -> Picture:
        """Reads a codestream."""
        return pillow.read(file, KIND)

    def strip(self, file: bytes) -> bytes:
        """Leaves the packets."""
        return file[markers.find(file, SOT) + TILE_HEADER : -len(EOC)]

    def restore(self, body: bytes, blank: bytes) -> bytes:
        """Puts headers and end around the packets."""
        tile = markers.find(blank, SOT)
        header = bytearray(blank[tile : tile + TILE_HEADER])
        header[PSOT] = (TILE_HEADER + len(body)).to_bytes(4, "big")
        return blank[:tile] + bytes(header) + body + EOC


def jpeg2000_codec() -> Codec:
    """JPEG 2000 at 250 rates from 0.02 to 12 bits per pixel."""
    return Headerless(
        name="jpeg2000",
        terms=f"{pillow.library('jpg_2000', 'OpenJPEG')}, 9/7 wavelet, luma and chroma, one layer, 0.02 to 12 bpp, "
        "headers that both ends know not sent",
        settings=RATES,
        file_format=Jpeg2000File(),
    )
