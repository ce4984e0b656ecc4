"""Rows of bits: one bit string per picture of unequal length, side by side in one `Bits`, and integers as rows.

What is not received reads as 0: beyond `length`, and beyond the room of the row, there are no bits.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Int64, Shaped, UInt8

from semjax.types import Bits

Row = UInt8[np.ndarray, "_"]
"""The bits of one picture, most significant first."""


def write_rows(rows: Sequence[Row]) -> Bits:
    """Puts bit strings side by side.

    Args:
      rows: one string of bits (0 or 1) per picture, of any lengths.

    Returns:
      `bits[b, m]` with m the longest string; what lies beyond a picture's string is 0.
    """
    bits = np.zeros((len(rows), max((row.size for row in rows), default=0)), np.uint8)
    for index, row in enumerate(rows):
        bits[index, : row.size] = row
    return Bits(bits=jnp.asarray(bits), length=jnp.asarray([row.size for row in rows], jnp.int32))


def read_rows(bits: Bits, *, like: Shaped[np.ndarray, "b ..."], codec: object) -> list[Row]:
    """Takes the used bits of each picture apart.

    Args:
      bits: what arrived; a bit that is not 0 counts as 1, a length outside the row as the nearest that is inside.
      like: the array that the codec will return.
      codec: named in the error.

    Returns:
      One string per picture.

    Raises:
      ValueError: if `bits` has another number of pictures than `like`.
    """
    received, length = jax.device_get((bits.bits, bits.length))
    if received.shape[0] != like.shape[0]:
        raise ValueError(f"{codec}.unpack: bits of shape {received.shape} for an array of shape {like.shape}")
    used = np.clip(length, 0, received.shape[1])
    return [(row[:count] != 0).astype(np.uint8) for row, count in zip(received, used, strict=True)]


def integer_rows(
    array: Shaped[np.ndarray, "b ..."], *, smallest: int = 0, largest: int, codec: object
) -> Int64[np.ndarray, "b n"]:
    """Checks the integers (or truth values) of each picture and lays them out in one row.

    Args:
      array: integers, one row per picture.
      smallest: the smallest value allowed.
      largest: the largest value allowed.
      codec: named in the errors.

    Returns:
      The integers in order, n per picture.

    Raises:
      ValueError: for values that are not integers, or outside `smallest` to `largest`.
    """
    if array.dtype.kind not in "iub":
        raise ValueError(f"{codec} packs integers, got dtype {array.dtype}")
    values = array.reshape(array.shape[0], int(np.prod(array.shape[1:])))
    outside = (values < smallest) | (values > largest)
    if outside.any():
        raise ValueError(
            f"{codec} holds {smallest} to {largest}, got {values[outside][0]} "
            f"in row {np.argwhere(outside)[0][0]} of an array of shape {array.shape}"
        )
    return values.astype(np.int64)


def check_dtype(like: Shaped[np.ndarray, "b ..."], *, smallest: int = 0, largest: int, codec: object) -> None:
    """Refuses an array whose dtype cannot hold what a codec returns.

    Args:
      like: the array that the codec would return.
      smallest: the smallest value it may have to hold.
      largest: the largest value it may have to hold.
      codec: named in the error.

    Raises:
      ValueError: for a dtype that is not an integer or truth value, or too narrow.
    """
    if like.dtype.kind == "b":
        held = (0, 1)
    elif like.dtype.kind in "iu":
        held = (np.iinfo(like.dtype).min, np.iinfo(like.dtype).max)
    else:
        raise ValueError(f"{codec}.unpack returns integers, got like of dtype {like.dtype}")
    if smallest < held[0] or largest > held[1]:
        raise ValueError(f"{codec}.unpack: dtype {like.dtype} cannot hold {smallest} to {largest}")
