"""Lossy WebP: one key frame of VP8 (RFC 6386) in RIFF, by libwebp in Pillow.

A file, and what of it is sent (+):

      RIFF, length, WEBP, VP8, length     20 bytes
    + frame tag                            3 bytes: profile, length of the first partition (RFC 6386, 9.1)
      start code, width, height            7 bytes
    + partitions

CHOICE: quality in steps of 0.5. libwebp takes fractions, and between 0 and 1 the size grows by half.
"""

import dataclasses

from semjax.codecs import pillow
from semjax.codecs.base import Codec, Picture
from semjax.codecs.headerless import Headerless

RIFF, KIND_AND_CHUNK = slice(0, 4), slice(8, 16)
CHUNK = 20
"""Where the chunk's content begins."""

TAG, SIZES = 3, 10
"""Where in the chunk the frame tag and the sizes end."""

KIND = "WEBP"
QUALITIES = tuple(step / 2 for step in range(201))


@dataclasses.dataclass(frozen=True, kw_only=True)
class WebpFile:
    """Lossy files without transparency; the setting is the quality, 0 to 100."""

    def write(self, image: Picture, setting: float) -> bytes:
        """Writes a file by the slowest method."""
        return pillow.write(image, KIND, lossless=False, quality=setting, method=6)

    def read(self, file: bytes) -> Picture:
        """Reads a file."""
        return pillow.read(file, KIND)

    def strip(self, file: bytes) -> bytes:
        """Leaves the frame tag and the partitions."""
        return file[CHUNK : CHUNK + TAG] + file[CHUNK + SIZES :]

    def restore(self, body: bytes, blank: bytes) -> bytes:
        """Puts the headers around and the sizes into the frame."""
        frame = body[:TAG] + blank[CHUNK + TAG : CHUNK + SIZES] + body[TAG:]
        chunk = blank[KIND_AND_CHUNK] + len(frame).to_bytes(4, "little") + frame
        return blank[RIFF] + len(chunk).to_bytes(4, "little") + chunk


def webp_codec() -> Codec:
    """Lossy WebP at quality 0 to 100."""
    return Headerless(
        name="webp",
        terms=f"{pillow.library('webp', 'libwebp')}, lossy, method 6, quality 0 to 100 in steps of 0.5, "
        "headers that both ends know not sent",
        settings=QUALITIES,
        file_format=WebpFile(),
    )
