"""Cyclic redundancy checks of 5G NR, for rows of one or of many lengths.

A row of n bits a_0 ... a_{n-1} is the polynomial a(D) = a_0 D^{n-1} + ... + a_{n-1} over GF(2). The L check bits are

    r(D) = a(D) D^L mod g(D)

with the coefficient of D^{L-1} first, and a row that carries its own check bits is a multiple of g. Initial state zero,
nothing complemented, nothing reflected: TS 38.212 clause 5.1.

A row that ends early is read as if zeros followed up to the static room m; that is a(D) D^{m-n}. As g has the constant
term 1, D has an inverse modulo g, so one product with D^{-(m-n)} takes the zeros back. No bit is ever gathered: the
work is one masked exclusive-or over a table of m powers of D, and a product of L-bit polynomials per row.
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Bool, Int, Shaped, UInt8, UInt32


def check_bits(bits: Shaped[Array | np.ndarray, "..."]) -> None:
    """Refuses what are not bits. Under tracing values are unknown and only the type is looked at.

    Args:
      bits: integers or booleans of any shape.

    Raises:
      ValueError: another type, or a value that is neither 0 nor 1.
    """
    if not (jnp.issubdtype(bits.dtype, jnp.integer) or bits.dtype == jnp.bool_):
        raise ValueError(f"bits are integers 0 and 1 (uint8), but their type is {bits.dtype}")
    if isinstance(bits, Tracer) or not bits.size:
        return
    known = np.asarray(bits)
    low, high = int(known.min()), int(known.max())
    if low < 0 or high > 1:
        raise ValueError(f"bits are 0 and 1, but they range from {low} to {high}")


@functools.lru_cache(maxsize=64)
def _powers(polynomial: int, count: int) -> UInt32[np.ndarray, "count"]:
    """Returns `D^i mod g` for `0 <= i < count`, bit j of an entry being the coefficient of D^j."""
    top, power, found = 1 << (polynomial.bit_length() - 1), 1, []
    for _ in range(count):
        found.append(power)
        power <<= 1
        power ^= polynomial if power & top else 0
    return np.asarray(found, np.uint32)


@functools.lru_cache(maxsize=64)
def _inverse_powers(polynomial: int, count: int) -> UInt32[np.ndarray, "count"]:
    """Returns `D^-i mod g` for `0 <= i < count`."""
    power, found = 1, []
    for _ in range(count):
        found.append(power)
        power = (power ^ polynomial if power & 1 else power) >> 1
    return np.asarray(found, np.uint32)


def _product(left: UInt32[Array, "b"], right: UInt32[Array, "b"], polynomial: int) -> UInt32[Array, "b"]:
    """Multiplies polynomials modulo g, by Horner's rule over the bits of `right`."""
    degree = polynomial.bit_length() - 1

    def shift_and_add(step: Int[Array, ""], total: UInt32[Array, "b"]) -> UInt32[Array, "b"]:
        total = total << 1
        total = total ^ ((total >> degree) * np.uint32(polynomial))
        return total ^ (((right >> (degree - 1 - step).astype(jnp.uint32)) & 1) * left)

    return jax.lax.fori_loop(0, degree, shift_and_add, jnp.zeros_like(left))


@functools.partial(jax.jit, static_argnames="polynomial")
def _remainder(
    bits: UInt8[Array, "b m"], length: Int[Array, "b"] | None, *, polynomial: int
) -> UInt8[Array, "b checks"]:
    room, degree = bits.shape[1], polynomial.bit_length() - 1
    weights = _powers(polynomial, room + degree)[: degree - 1 : -1]
    kept = bits.astype(bool)
    if length is not None:
        kept &= jnp.arange(room) < length[:, None]
    total = jax.lax.reduce(jnp.where(kept, weights, np.uint32(0)), np.uint32(0), jax.lax.bitwise_xor, (1,))
    if length is not None:
        total = _product(total, jnp.asarray(_inverse_powers(polynomial, room + 1))[room - length], polynomial)
    return (total[:, None] >> np.arange(degree - 1, -1, -1, dtype=np.uint32) & 1).astype(jnp.uint8)


def _check_length(length: Int[Array, "b"] | None, room: int) -> None:
    if length is None or isinstance(length, Tracer) or not length.size:
        return
    known = np.asarray(length)  # what is known stays known inside of someone's jit
    low, high = int(known.min()), int(known.max())
    if low < 0 or high > room:
        raise ValueError(f"lengths lie between 0 and the room of {room} bits, but they range from {low} to {high}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class CRC:
    """One cyclic redundancy check.

    Attributes:
      name: as the standard calls it.
      polynomial: g with its leading term, bit j being the coefficient of D^j.

    Raises:
      ValueError: g has no constant term, or a degree that is not between 1 and 31.
    """

    name: str
    polynomial: int

    def __post_init__(self) -> None:
        """Refuses polynomials without a constant term or of a degree that 32 bits do not hold."""
        if not self.polynomial & 1 or not 1 <= self.length <= 31:
            raise ValueError(
                f"CRC {self.name!r}: polynomial {self.polynomial:#x} needs the constant term 1 and a degree of 1 to 31"
            )

    @property
    def length(self) -> int:
        """The number L of check bits."""
        return self.polynomial.bit_length() - 1

    def remainder(self, bits: UInt8[Array, "b m"], length: Int[Array, "b"] | None = None) -> UInt8[Array, "b checks"]:
        """Returns the check bits of the first `length` bits of every row.

        Args:
          bits: rows of m bits; where traced, every value but 0 counts as 1.
          length: how many of them count, 0 to m; None means all. What lies beyond is ignored. A traced length outside
            that range gives no meaningful result.

        Returns:
          L bits per row, `uint8[b, L]`.

        Raises:
          ValueError: concrete values other than 0 and 1, or a concrete length out of range.

        Reference:
          TS 38.212, clause 5.1.
        """
        check_bits(bits)
        _check_length(length, bits.shape[1])
        return _remainder(bits, length, polynomial=self.polynomial)

    def append(self, bits: UInt8[Array, "b m"], length: Int[Array, "b"] | None = None) -> UInt8[Array, "b checked"]:
        """Puts the check bits behind every row's first `length` bits, and zeros behind them.

        Args:
          bits: rows of m bits.
          length: how many of them count, 0 to m; None means all.

        Returns:
          `uint8[b, m + L]`, of which `length + L` are used.

        Raises:
          ValueError: as `remainder`.
        """
        checks = self.remainder(bits, length)
        if length is None:
            return jnp.concatenate([bits, checks], axis=1)
        position = jnp.arange(bits.shape[1] + self.length) - length[:, None]
        behind = jnp.take_along_axis(checks, jnp.clip(position, 0, self.length - 1), axis=1)
        padded = jnp.pad(bits, ((0, 0), (0, self.length)))
        return jnp.where(position < 0, padded, jnp.where(position < self.length, behind, 0))

    def check(self, bits: UInt8[Array, "b m"], length: Int[Array, "b"] | None = None) -> Bool[Array, "b"]:
        """Says of every row whether its last L bits are the check bits of those before.

        Args:
          bits: rows of m bits, check bits included.
          length: how many of them count, check bits included; None means all.

        Returns:
          True where nothing is amiss, `bool[b]`.

        Raises:
          ValueError: as `remainder`, and if there is no room for the check bits.
        """
        if bits.shape[1] < self.length:
            raise ValueError(f"{self.name} has {self.length} check bits, but the rows have only {bits.shape[1]} bits")
        return ~jnp.any(self.remainder(bits, length), axis=1)


CRC24A = CRC(name="CRC24A", polynomial=0x1864CFB)
CRC24B = CRC(name="CRC24B", polynomial=0x1800063)
CRC16 = CRC(name="CRC16", polynomial=0x11021)
CRC11 = CRC(name="CRC11", polynomial=0xE21)

CRCS: dict[str, CRC] = {crc.name: crc for crc in (CRC24A, CRC24B, CRC16, CRC11)}
"""By name: CRC24A for transport blocks, CRC16 for short ones, CRC24B for code blocks, CRC11 for control messages."""
