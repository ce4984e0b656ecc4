"""Strings of bytes (prompts, compressed pictures) of unequal length.

As an integer stream a string is a row of its bytes, 0 to 255, followed by -1 up to the end of the row: `[b, m]` of a
signed dtype of at least 16 bits. `from_bytes` and `to_bytes` go between such arrays and `bytes`. On the link a string
is its bytes, eight bits each, most significant first; how many there are follows from the number of bits.

With a compression, one bit comes first:

    1, the compressed string    where that is shorter
    0, the string itself        otherwise

The compression is raw DEFLATE (RFC 1951, no header, no checksum: the link has its own) with a dictionary that both
ends know.
"""

import dataclasses
import zlib
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int16, Shaped

from semjax.link.rows import Row, check_dtype, integer_rows, read_rows, write_rows
from semjax.types import Bits

END = -1
"""What stands in the array behind the last byte of a string."""

LARGEST = 255


def from_bytes(strings: Sequence[bytes], *, max_length: int) -> Int16[np.ndarray, "b {max_length}"]:
    """Lays strings out as rows.

    Args:
      strings: one per picture.
      max_length: length of a row in bytes.

    Returns:
      Bytes of each string, then -1.

    Raises:
      ValueError: for a string longer than a row.
    """
    array = np.full((len(strings), max_length), END, np.int16)
    for row, string in enumerate(strings):
        if len(string) > max_length:
            raise ValueError(f"from_bytes: string {row} has {len(string)} bytes, allowed are 0 to {max_length}")
        array[row, : len(string)] = np.frombuffer(string, np.uint8)
    return array


def to_bytes(array: Shaped[np.ndarray, "b m"]) -> list[bytes]:
    """Takes rows back to strings.

    Args:
      array: bytes of each string, then -1.

    Returns:
      One string per row.

    Raises:
      ValueError: for values that are no bytes, or a byte behind a -1.
    """
    values = integer_rows(array, smallest=END, largest=LARGEST, codec="to_bytes")
    lengths = (values >= 0).sum(axis=1)
    for row, length in enumerate(lengths):
        if (values[row, :length] < 0).any():
            raise ValueError(f"to_bytes: row {row} has a byte behind a -1; -1 stands only behind the last byte")
    return [values[row, :length].astype(np.uint8).tobytes() for row, length in enumerate(lengths)]


@runtime_checkable
class Compression(Protocol):
    """Makes strings shorter."""

    def compress(self, string: bytes) -> bytes:
        """Returns a string from which `decompress` makes the same one."""
        ...

    def decompress(self, string: bytes, *, limit: int) -> bytes:
        """Returns at most `limit` bytes, whatever it is given."""
        ...


@dataclasses.dataclass(frozen=True, kw_only=True)
class Deflate:
    """Raw DEFLATE with a preset dictionary.

    Attributes:
      dictionary: phrases that strings are likely to contain, known to both ends; the likeliest come last.
    """

    dictionary: bytes = b""

    def compress(self, string: bytes) -> bytes:
        """Compresses as well as zlib can."""
        packer = zlib.compressobj(zlib.Z_BEST_COMPRESSION, zlib.DEFLATED, -zlib.MAX_WBITS, 9, zdict=self.dictionary)
        return packer.compress(string) + packer.flush()

    def decompress(self, string: bytes, *, limit: int) -> bytes:
        """Decompresses what can be made out before the first damage, and no more than `limit` bytes."""
        reader, read = zlib.decompressobj(-zlib.MAX_WBITS, zdict=self.dictionary), bytearray()
        try:
            # One byte at a time, so that what came before a damaged place is not lost.
            for position in range(len(string)):
                if reader.eof or len(read) >= limit:
                    break
                read += reader.decompress(reader.unconsumed_tail + string[position : position + 1], limit - len(read))
        except zlib.error:
            pass
        return bytes(read)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Octets:
    """Codes strings of bytes, as they are or compressed.

    Attributes:
      max_length: the longest string in bytes.
      compression: tried on every string and used where it pays, for one bit more; None costs nothing.
      agreed: both ends work out the length of each string from what is public, so that it need not be told.

    Raises:
      ValueError: if `max_length` is negative, or an agreed length would depend on how well a string compresses.
    """

    max_length: int
    compression: Compression | None = None
    agreed: bool = False

    @property
    def constant_length(self) -> bool:
        """The receiver knows how many bits come: it need not be told."""
        return self.agreed

    def __post_init__(self) -> None:
        """Refuses a negative length, and one that nobody can agree on."""
        if self.agreed and self.compression is not None:
            raise ValueError("Octets: the length of a compressed string cannot be agreed on; agreed=True needs none")
        if self.max_length < 0:
            raise ValueError(f"Octets: max_length={self.max_length}, allowed are 0 and more")

    def pack(self, array: Shaped[np.ndarray, "b m"]) -> Bits:
        """Codes each string.

        Args:
          array: bytes of each string, then -1.

        Returns:
          One string of bits per picture.

        Raises:
          ValueError: for values that are no bytes, a byte behind a -1, or a string longer than `max_length`.
        """
        strings = to_bytes(array)
        for row, string in enumerate(strings):
            if len(string) > self.max_length:
                raise ValueError(f"Octets: string {row} has {len(string)} bytes, allowed are 0 to {self.max_length}")
        return write_rows([self._write(string) for string in strings])

    def _write(self, string: bytes) -> Row:
        if self.compression is None:
            return _bits(string)
        packed = self.compression.compress(string)
        flag, shorter = (1, packed) if len(packed) < len(string) else (0, string)
        return np.concatenate([np.full(1, flag, np.uint8), _bits(shorter)])

    def unpack(self, bits: Bits, like: Shaped[np.ndarray, "b m"]) -> Shaped[np.ndarray, "b m"]:
        """Decodes the strings. Damage never raises: it gives other bytes, or a shorter string.

        Args:
          bits: what arrived; a byte of which bits are missing is left out, like all beyond `max_length` or the row.
          like: an array of the shape and dtype to return; its values are not read.

        Returns:
          Bytes of each string, then -1.

        Raises:
          ValueError: if `bits` has another number of pictures than `like`, or its dtype cannot hold -1 to 255.
        """
        check_dtype(like, smallest=END, largest=LARGEST, codec="Octets")
        limit, read = min(self.max_length, like.shape[1]), np.full(like.shape, END, like.dtype)
        for index, row in enumerate(read_rows(bits, like=like, codec="Octets")):
            string = np.frombuffer(self._read(row, limit), np.uint8)
            read[index, : string.size] = string
        return read

    def _read(self, row: Row, limit: int) -> bytes:
        if self.compression is None:
            return _string(row)[:limit]
        if row.size and row[0]:
            return self.compression.decompress(_string(row[1:]), limit=limit)
        return _string(row[1:])[:limit]


def _bits(string: bytes) -> Row:
    return np.unpackbits(np.frombuffer(string, np.uint8))


def _string(row: Row) -> bytes:
    return np.packbits(row[: row.size // 8 * 8]).tobytes()
