"""One picture at all settings of one codec, and the finest of them that fits in a number of bytes.

    encode    picture, budget ─► ladder ─► finest payload of at most budget - 1 bytes ─► pad ─► budget bytes
    decode    budget bytes ─► unpad ─► payload ─► picture^

A rung is made when it is asked for: compressed, decompressed again for its error, and kept in memory and on the shelf.
"""

import dataclasses
import struct

import numpy as np

from semjax.codecs.base import Codec, DoesNotFit, Picture
from semjax.codecs.padding import MARK, pad, unpad
from semjax.codecs.shelf import Shelf, ladder_key

LOOK_FURTHER = 3
"""Settings tried above the one that bisection finds: sizes do not always rise with the setting."""

LARGEST_SAMPLE = 255.0
ERROR = struct.Struct("<d")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rung:
    """A picture at one setting.

    Attributes:
      index: place in the codec's settings.
      payload: what the codec made of the picture.
      mse: mean squared error of what the payload decodes to, for samples in [0, 1].
    """

    index: int
    payload: bytes
    mse: float


class Ladder:
    """One picture at all settings of one codec."""

    def __init__(self, *, codec: Codec, image: Picture, shelf: Shelf | None = None) -> None:
        """Prepares a ladder; nothing is compressed yet.

        Args:
          codec: compresses the picture.
          image: uint8[h, w, 3].
          shelf: keeps rungs from one run to the next.
        """
        self.codec = codec
        self.image = image
        self.shelf = shelf
        self._key = ladder_key(codec, image) if shelf else ""
        self._rungs: dict[int, Rung] = {}

    def rung(self, index: int) -> Rung:
        """The picture at one setting.

        Args:
          index: place in the codec's settings.

        Returns:
          The rung, made where it was not made before.

        Raises:
          ValueError: there is no such setting.
          CodecError: the codec failed on this picture.
        """
        if index not in self._rungs:
            self._rungs[index] = self._kept(index) or self._made(index)
        return self._rungs[index]

    def largest(self, max_bytes: int) -> Rung | None:
        """Finds the finest setting that fits.

        Bisects as if sizes rose with the setting, then tries a few settings above.

        Args:
          max_bytes: the longest payload allowed.

        Returns:
          Its rung; None where not even the coarsest ones fit.

        Raises:
          CodecError: the codec failed on this picture.
        """
        fits, above = -1, len(self.codec.settings)
        while above - fits > 1:
            middle = (fits + above) // 2
            if self._fits(middle, max_bytes):
                fits = middle
            else:
                above = middle
        further = range(above + 1, min(fits + LOOK_FURTHER + 1, len(self.codec.settings)))
        finest = max((index for index in further if self._fits(index, max_bytes)), default=fits)
        return self.rung(finest) if finest >= 0 else None

    def picture(self, rung: Rung) -> Picture:
        """Decodes the payload of a rung: uint8[h, w, 3]."""
        height, width, _ = self.image.shape
        return self.codec.decompress(rung.payload, height=height, width=width)

    def _fits(self, index: int, max_bytes: int) -> bool:
        return len(self.rung(index).payload) <= max_bytes

    def _kept(self, index: int) -> Rung | None:
        record = self.shelf.get(self._key, index) if self.shelf else None
        if record is None:
            return None
        return Rung(index=index, payload=record[ERROR.size :], mse=ERROR.unpack_from(record)[0])

    def _made(self, index: int) -> Rung:
        payload = self.codec.compress(self.image, index)
        rung = Rung(index=index, payload=payload, mse=0.0)
        difference = self.picture(rung).astype(np.float64) - self.image
        rung = dataclasses.replace(rung, mse=float(np.mean(difference**2)) / LARGEST_SAMPLE**2)
        if self.shelf:
            self.shelf.put(self._key, index, ERROR.pack(rung.mse) + payload)
        return rung


def encode(codec: Codec, image: Picture, max_bytes: int, *, shelf: Shelf | None = None) -> bytes:
    """Compresses a picture into a fixed number of bytes.

    Args:
      codec: compresses the picture.
      image: uint8[h, w, 3].
      max_bytes: the budget, of which the mark of the padding takes one.
      shelf: keeps what was compressed from one run to the next.

    Returns:
      Exactly `max_bytes` bytes: the finest payload that fits, and padding.

    Raises:
      DoesNotFit: not even the coarsest setting fits.
      CodecError: the codec failed on this picture.
    """
    ladder = Ladder(codec=codec, image=image, shelf=shelf)
    rung = ladder.largest(max_bytes - len(MARK))
    if rung is None:
        needed = len(ladder.rung(0).payload)
        raise DoesNotFit(
            f"codec {codec.name}: the smallest payload of a picture of {image.shape[0]} x {image.shape[1]} pixels has "
            f"{needed} bytes and needs {needed + len(MARK)}, the budget is {max_bytes}"
        )
    return pad(rung.payload, max_bytes)


def decode(codec: Codec, data: bytes, *, height: int, width: int) -> Picture:
    """Decodes what `encode` gave.

    Args:
      codec: the same as in `encode`.
      data: payload and padding, damaged or not.
      height: of the picture, in pixels.
      width: of the picture, in pixels.

    Returns:
      uint8[height, width, 3].

    Raises:
      CodecError: the data cannot be decoded. Damaged data may also give a wrong picture.
    """
    return codec.decompress(unpad(data), height=height, width=width)
