"""Bitmaps (key masks, kept positions): adaptive binary coding with neighbours as contexts, or the bits as they are.

The first bit says which of the two follows, so a picture costs its number of bits and one more at most:

    1, range-coded bits         where that is shorter
    0, the bits themselves      otherwise

The default prior averages a mere count, contexts of two neighbours and contexts of four (`MixturePrior`): scattered
bits cost what their number is worth, regions little more than their outlines.
"""

import dataclasses

import numpy as np
from jaxtyping import Shaped

from semjax.link.adaptive import LEFT, UPPER, UPPER_LEFT, UPPER_RIGHT, AdaptivePrior, ContextPrior, MixturePrior
from semjax.link.priors import Prior
from semjax.link.range_coded import RangeCoded
from semjax.link.rows import Row, check_dtype, integer_rows, read_rows, write_rows
from semjax.types import Bits

REGIONS = MixturePrior(
    parts=(AdaptivePrior(), ContextPrior(), ContextPrior(neighbours=(LEFT, UPPER, UPPER_LEFT, UPPER_RIGHT)))
)
"""What is believed of a bitmap without knowing more."""

RAW, CODED = np.zeros(1, np.uint8), np.ones(1, np.uint8)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Bitmap:
    """Codes truth values (or integers 0 and 1) in never more than their number of bits and one.

    Attributes:
      prior: what both ends believe of the next bit.
    """

    prior: Prior = REGIONS

    @property
    def _coder(self) -> RangeCoded:
        return RangeCoded(alphabet=2, prior=self.prior)

    def pack(self, array: Shaped[np.ndarray, "b ..."]) -> Bits:
        """Codes each picture's bitmap, the shorter way.

        Args:
          array: truth values, or integers 0 and 1, one bitmap per picture; the last axis runs along a row.

        Returns:
          One string of bits per picture.

        Raises:
          ValueError: for other values.
        """
        raw = integer_rows(array, largest=1, codec="Bitmap").astype(np.uint8)
        coded = read_rows(self._coder.pack(array), like=array, codec="Bitmap")
        return write_rows([self._shorter(*pair) for pair in zip(raw, coded, strict=True)])

    @staticmethod
    def _shorter(raw: Row, coded: Row) -> Row:
        return np.concatenate([CODED, coded] if coded.size < raw.size else [RAW, raw])

    def unpack(self, bits: Bits, like: Shaped[np.ndarray, "b ..."]) -> Shaped[np.ndarray, "b ..."]:
        """Decodes the bitmaps. Damage never raises: it gives other bits; missing bits read as 0.

        Args:
          bits: what arrived.
          like: an array of the shape and dtype to return; its values are not read.

        Returns:
          Bitmaps of 0 and 1.

        Raises:
          ValueError: if `bits` has another number of pictures than `like`, or its dtype is neither integer nor bool.
        """
        check_dtype(like, largest=1, codec="Bitmap")
        rows = read_rows(bits, like=like, codec="Bitmap")
        read = np.zeros((like.shape[0], int(np.prod(like.shape[1:]))), like.dtype)
        for index, row in enumerate(rows):
            if row.size and row[0]:
                coded = self._coder.unpack(write_rows([row[1:]]), like[:1])
                read[index] = coded.reshape(read.shape[1])
            else:
                kept = row[1 : 1 + read.shape[1]]
                read[index, : kept.size] = kept
        return read.reshape(like.shape)
