"""Codecs for the integer streams of a `Signal`: from integers to bits and back, on the host.

Bits of one picture are those of its integers in order, most significant bit first.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Int, Shaped

from semjax.link.rows import check_dtype, integer_rows
from semjax.types import Bits


@dataclasses.dataclass(frozen=True, kw_only=True)
class FixedWidth:
    """Spends `bits` bits on every integer, whatever its value.

    Attributes:
      bits: width of an integer, 1 to 31; values are 0 to 2^bits - 1.

    Raises:
      ValueError: for another width.
    """

    bits: int = 8

    @property
    def constant_length(self) -> bool:
        """The receiver knows how many bits come: it need not be told."""
        return True

    def __post_init__(self) -> None:
        """Refuses widths that int32 cannot hold."""
        if not 1 <= self.bits <= 31:
            raise ValueError(f"FixedWidth: bits={self.bits}, allowed are 1 to 31")

    @property
    def _weights(self) -> Int[np.ndarray, "w"]:
        return 1 << np.arange(self.bits, dtype=np.int64)[::-1]

    def pack(self, array: Shaped[np.ndarray, "b ..."]) -> Bits:
        """Writes the integers (or truth values) of each picture.

        Args:
          array: integers, one row per picture.

        Returns:
          `bits[b, n * bits]` for n integers per picture, all of them used.

        Raises:
          ValueError: for values that are not integers, or that the width cannot hold.
        """
        name = f"FixedWidth(bits={self.bits})"
        values = integer_rows(array, largest=(1 << self.bits) - 1, codec=name)
        written = (values[:, :, None] & self._weights) > 0
        written = written.reshape(values.shape[0], values.shape[1] * self.bits).astype(np.uint8)
        return Bits(bits=jnp.asarray(written), length=jnp.full((values.shape[0],), written.shape[1], jnp.int32))

    def unpack(self, bits: Bits, like: Shaped[np.ndarray, "b ..."]) -> Shaped[np.ndarray, "b ..."]:
        """Reads integers back. Damage never raises: flipped bits give other values in range, missing bits read as 0.

        Args:
          bits: what arrived; what lies beyond `length`, or beyond the room needed, is not read.
          like: an array of the shape and dtype to return; its values are not read.

        Returns:
          Integers in 0 to 2^bits - 1.

        Raises:
          ValueError: if `bits` has another number of pictures than `like`, or `like`'s dtype cannot hold the values.
        """
        received, length = jax.device_get((bits.bits, bits.length))
        if received.shape[0] != like.shape[0]:
            raise ValueError(f"FixedWidth.unpack: bits of shape {received.shape} for an array of shape {like.shape}")
        check_dtype(like, largest=(1 << self.bits) - 1, codec=f"FixedWidth(bits={self.bits})")
        count = int(np.prod(like.shape[1:]))
        read = np.zeros((like.shape[0], count * self.bits), dtype=np.int64)
        room = min(read.shape[1], received.shape[1])
        within = np.arange(room) < np.asarray(length)[:, None]
        read[:, :room] = (received[:, :room] != 0) & within
        return (read.reshape(like.shape[0], count, self.bits) @ self._weights).reshape(like.shape).astype(like.dtype)
