"""Entropy coding of integer streams: the range coder of `constriction`, told by a prior what to expect.

Coding x_1 ... x_n narrows an interval [low, low + range) of binary fractions by each p(x_i | past); any fraction inside
tells all of them. What is sent is the fraction inside that has the fewest binary digits: with end = low + range - 1
as integers of T bits, its last digit is the highest in which low - 1 and end differ,

    k = floor(log2((low - 1) xor end)),      fraction = end with its last k bits zero,      T - k bits are sent.

That is the largest power of two of which a multiple lies inside, so no string of bits read with zeros behind it is
shorter; and range < 2^(k + 1), so it is less than one bit longer than -log2(range / 2^T). The receiver reads missing
bits as 0.

CHOICE: a receiver that meets a fraction outside every interval (a damaged stream) takes the rest to be 0.
Source: Martin 1979 (range coding); constriction, arXiv 2201.01741.
"""

import dataclasses
import functools
from collections.abc import Iterator

import numpy as np
from constriction import stream  # pyright: ignore[reportAttributeAccessIssue]  (compiled, without stubs)
from jaxtyping import Float64, Shaped

from semjax.link.adaptive import AdaptivePrior
from semjax.link.priors import Predictor, Prior
from semjax.link.rows import Row, check_dtype, integer_rows, read_rows, write_rows
from semjax.types import Bits

WORD_BITS, STATE_WORDS = 32, 2
"""The coder's sizes; its probabilities are multiples of 2^-24."""

LARGEST_ALPHABET = 4096
"""Above this the 24 bits of a probability would no longer be fine enough."""

# Tables that differ from one integer to the next are cheapest when they are turned into a model only as they are used.
_model = functools.partial(stream.model.Categorical, lazy=True, perfect=False)


def _shortest(encoder: stream.queue.RangeEncoder) -> Row:
    position, (low_state, span) = encoder.pos()
    total = WORD_BITS * (position + STATE_WORDS)
    words = encoder.get_compressed()
    inside = int.from_bytes(words.astype(">u4").tobytes(), "big") << (total - WORD_BITS * words.size)
    # The state holds the last 64 bits of `low`; carries into earlier words are settled in the compressed words only.
    low = inside - ((inside - low_state) % (1 << WORD_BITS * STATE_WORDS))
    if low == 0:
        return np.zeros(0, np.uint8)
    end = low + span - 1
    kept = total - (((low - 1) ^ end).bit_length() - 1)
    fraction = end >> (total - kept)
    spare = -kept % 8
    return np.unpackbits(np.frombuffer((fraction << spare).to_bytes((kept + spare) // 8, "big"), np.uint8))[:kept]


def _decoder(row: Row, count: int) -> stream.queue.RangeDecoder:
    # An integer uses up a little over 24 bits at most: with a word for each the decoder never comes to the end.
    words = count + STATE_WORDS
    bits = np.zeros(words * WORD_BITS, np.uint8)
    bits[: row.size] = row[: bits.size]
    return stream.queue.RangeDecoder(np.packbits(bits).view(">u4").astype(np.uint32))


def _decode(decoder: stream.queue.RangeDecoder, predictor: Predictor, count: int) -> list[int]:
    seen: list[int] = []
    try:
        for _ in range(count):
            value = decoder.decode(_model(predictor.predict(seen)))
            predictor.learn(value)
            seen.append(value)
    except AssertionError:  # what constriction raises for a fraction outside every interval, and only then
        pass
    return seen + [0] * (count - len(seen))


@dataclasses.dataclass(frozen=True, kw_only=True)
class RangeCoded:
    """Spends on each picture what the prior's ideal code would, and less than one bit more for its end.

    Attributes:
      alphabet: number of values, 2 to 4096; values are 0 to alphabet - 1.
      prior: what both ends believe of the next integer; see `semjax.link.priors` and `semjax.link.adaptive`.

    Raises:
      ValueError: for another alphabet.
    """

    alphabet: int
    prior: Prior = dataclasses.field(default_factory=AdaptivePrior)

    def __post_init__(self) -> None:
        """Refuses alphabets for which the coder's probabilities are too coarse."""
        if not 2 <= self.alphabet <= LARGEST_ALPHABET:
            raise ValueError(f"RangeCoded: alphabet={self.alphabet}, allowed are 2 to {LARGEST_ALPHABET}")

    @property
    def _name(self) -> str:
        return f"RangeCoded(alphabet={self.alphabet})"

    def _pictures(self, array: Shaped[np.ndarray, "b ..."]) -> Iterator[tuple[list[int], Predictor]]:
        rows = integer_rows(array, largest=self.alphabet - 1, codec=self._name)
        for row in rows:
            yield row.tolist(), self.prior.begin(array.shape[1:], self.alphabet)

    def pack(self, array: Shaped[np.ndarray, "b ..."]) -> Bits:
        """Codes the integers of each picture; the last axis runs along a row of its map.

        Args:
          array: integers, one row per picture. Their number is not sent.

        Returns:
          One string of bits per picture, m that of the longest.

        Raises:
          ValueError: for values that are not integers or not in the alphabet, or a prior for another shape.
        """
        written = []
        for values, predictor in self._pictures(array):
            encoder, seen = stream.queue.RangeEncoder(), []
            for value in values:
                encoder.encode(value, _model(predictor.predict(seen)))
                predictor.learn(value)
                seen.append(value)
            written.append(_shortest(encoder))
        return write_rows(written)

    def unpack(self, bits: Bits, like: Shaped[np.ndarray, "b ..."]) -> Shaped[np.ndarray, "b ..."]:
        """Decodes as many integers as `like` has. Damage never raises: it gives other values in the alphabet.

        Args:
          bits: what arrived; missing bits read as 0, superfluous ones are not read.
          like: an array of the shape and dtype to return; its values are not read.

        Returns:
          Integers in 0 to alphabet - 1.

        Raises:
          ValueError: if `bits` has another number of pictures than `like`, its dtype cannot hold the values, or the
            prior is one for another shape.
        """
        check_dtype(like, largest=self.alphabet - 1, codec=self._name)
        read, count = np.zeros(like.shape, like.dtype), int(np.prod(like.shape[1:]))
        for index, row in enumerate(read_rows(bits, like=like, codec=self._name)):
            predictor = self.prior.begin(like.shape[1:], self.alphabet)
            read[index] = np.reshape(_decode(_decoder(row, count), predictor, count), like.shape[1:])
        return read

    def cost_bits(self, array: Shaped[np.ndarray, "b ..."]) -> Float64[np.ndarray, "b"]:
        """Returns the ideal length of each picture's code, `-sum log2 p`, in bits.

        Args:
          array: integers, one row per picture.

        Returns:
          Bits per picture, as real numbers.

        Raises:
          ValueError: as `pack`.
        """
        costs = []
        for values, predictor in self._pictures(array):
            seen, stated = [], []
            for value in values:
                stated.append(predictor.predict(seen)[value])
                predictor.learn(value)
                seen.append(value)
            costs.append(-np.log2(stated).sum() if stated else 0.0)
        return np.asarray(costs, np.float64)
