"""A codec that sends of each file only what the receiver cannot know.

    compress      picture ─► write ─► file ─► strip ─► body;  payload = index of the setting (one byte), body
    decompress    body, blank ─► restore ─► file ─► read ─► picture^

`blank`, the file of a black picture of the same size at the same setting, gives the receiver all headers that depend
on nothing else. Every `compress` checks that the restored file is the written one, byte for byte.
"""

import dataclasses
import functools

import numpy as np

from semjax.codecs.base import CodecError, FileFormat, Picture

MOST_SETTINGS = 256
"""The index of the setting is one byte."""

BLANKS_KEPT = 1024
"""Blank files kept in memory; each has some hundred bytes, those of JPEG a quarter of a byte per 8 by 8 block."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Headerless:
    """A codec made of a file format.

    Attributes:
      name: as result rows name it.
      terms: library, version and parameters in words.
      settings: from the coarsest to the finest.
      file_format: writes, reads, strips and restores files.

    Raises:
      ValueError: for no settings, or more than 256.
    """

    name: str
    terms: str
    settings: tuple[float, ...]
    file_format: FileFormat

    def __post_init__(self) -> None:
        """Refuses settings that one byte cannot tell apart."""
        if not 0 < len(self.settings) <= MOST_SETTINGS:
            raise ValueError(f"codec {self.name}: {len(self.settings)} settings, allowed are 1 to {MOST_SETTINGS}")

    def compress(self, image: Picture, index: int) -> bytes:
        """Compresses one picture.

        Args:
          image: uint8[h, w, 3].
          index: place in `settings`.

        Returns:
          The payload: the index in one byte, then the body.

        Raises:
          ValueError: `image` is no such array, or `index` no such place.
          CodecError: the library failed, or wrote headers that the receiver cannot know.
        """
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise ValueError(f"codec {self.name} takes uint8[h, w, 3], got {image.dtype}{list(image.shape)}")
        if not 0 <= index < len(self.settings):
            raise ValueError(f"codec {self.name}: setting {index}, allowed are 0 to {len(self.settings) - 1}")
        height, width, _ = image.shape
        try:
            file = self.file_format.write(image, self.settings[index])
            body = self.file_format.strip(file)
            restored = self.file_format.restore(body, self._blank(height, width, index))
        except Exception as error:
            raise self._failure(height, width, index, repr(error)) from error
        if restored != file:
            raise self._failure(height, width, index, "wrote headers that differ from those of a blank picture")
        return bytes([index]) + body

    def decompress(self, payload: bytes, *, height: int, width: int) -> Picture:
        """Decompresses one picture.

        Args:
          payload: what `compress` gave, damaged or not.
          height: of the picture, in pixels.
          width: of the picture, in pixels.

        Returns:
          uint8[height, width, 3].

        Raises:
          CodecError: the payload cannot be decoded. A damaged one may also give a wrong picture.
        """
        if not payload or payload[0] >= len(self.settings):
            told = f"begins with {payload[0]}, settings are 0 to {len(self.settings) - 1}" if payload else "is empty"
            raise CodecError(f"codec {self.name}, picture of {height} x {width} pixels: the payload {told}")
        index, body = payload[0], payload[1:]
        try:
            file = self.file_format.restore(body, self._blank(height, width, index))
            image = self.file_format.read(file)
        except Exception as error:
            raise self._failure(height, width, index, repr(error)) from error
        if image.dtype != np.uint8 or image.shape != (height, width, 3):
            raise self._failure(height, width, index, f"decoded {image.dtype}{list(image.shape)}")
        return image

    def _blank(self, height: int, width: int, index: int) -> bytes:
        return _blank(self.file_format, height, width, self.settings[index])

    def _failure(self, height: int, width: int, index: int, cause: str) -> CodecError:
        where = f"picture of {height} x {width} pixels, setting {index} ({self.settings[index]:.6g})"
        return CodecError(f"codec {self.name}, {where}: {cause}")


@functools.lru_cache(maxsize=BLANKS_KEPT)
def _blank(file_format: FileFormat, height: int, width: int, setting: float) -> bytes:
    return file_format.write(np.zeros((height, width, 3), np.uint8), setting)
