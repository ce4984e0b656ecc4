"""Weighted mixtures of sources: every picture of every part, and an order in which the parts come by weight.

As a source, a mixture is its parts one after the other: each picture once, whatever the weights. The weights rule the
order of training. They become whole numbers a_1 .. a_K of sum P; slot t of a period of P goes, of the parts i that may
have it (part i's m-th turn is open from slot floor(m P / a_i) on), to the one whose turn must come first (by slot
ceil((m + 1) P / a_i)). Earliest deadline first keeps every turn within its bounds (Baruah et al., "Proportionate
progress", Algorithmica 15, 1996), so after any number n of draws part i has had n a_i / P of them to within one, and
after every P exactly its share. Turn k of part i over all periods is place k of an endless sequence of permutations of
that part, one per round through it: within a part every picture comes equally often.
"""

import bisect
import dataclasses
import functools
import itertools
import math
import sys
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import grain
import numpy as np

from semjax.data.entries import id_of, total_of
from semjax.data.files import DataError, Record, Source

FINEST = 1000
LONGEST_PERIOD = 100_000


@dataclasses.dataclass(frozen=True, kw_only=True)
class Part:
    """One source of a mixture and its weight, relative to those of the other parts."""

    source: Source
    weight: float = 1.0


class MixtureSource:
    """Several sources, drawn from by weight in training.

    Ids count on from one part to the next, over all splits of each, so that they are unique and do not depend on the
    weights or on the chosen splits.

    Args:
      parts: at least one; weights are compared as whole numbers, ratios finer than 1 : 1000 are rounded.

    Raises:
      DataError: no part, a part without pictures, a weight that is not above zero and finite, or weights whose period
        would be longer than `LONGEST_PERIOD`.
    """

    def __init__(self, parts: Sequence[Part]):
        self.parts = tuple(parts)
        if not self.parts:
            raise DataError("a mixture needs at least one part")
        for i, part in enumerate(self.parts):
            if not len(part.source):
                raise DataError(f"parts[{i}] of the mixture holds no picture; leave it out or give it some")
        self.turns = whole([part.weight for part in self.parts])
        self._starts = [0, *itertools.accumulate(len(part.source) for part in self.parts)]
        self._ids = [0, *itertools.accumulate(total_of(part.source) for part in self.parts)]
        self.total = self._ids[-1]

    def __len__(self) -> int:
        return self._starts[-1]

    def __getitem__(self, index: int) -> Record:
        source, place = self.inside(index)
        return {**source[place], "id": self.place(index)}

    def inside(self, index: int) -> tuple[Source, int]:
        """The part that has picture `index`, and the picture's index there."""
        which = self._which(index)
        return self.parts[which].source, range(len(self))[index] - self._starts[which]

    def place(self, index: int) -> int:
        """The id of picture `index`."""
        return self._ids[self._which(index)] + id_of(*self.inside(index))

    def _which(self, index: int) -> int:
        return bisect.bisect_right(self._starts, range(len(self))[index]) - 1

    def order(self, seed: int) -> "MixedOrder":
        """The endless training order, as indices into this source; the same for the same seed."""
        return MixedOrder(self.turns, [len(part.source) for part in self.parts], seed=seed)


class MixedOrder(grain.MapDataset):
    """Indices of pictures by position; random access, nothing remembered.

    Args:
      turns: of each part in a period.
      sizes: pictures of each part.
      seed: of the permutations.
    """

    def __init__(self, turns: Sequence[int], sizes: Sequence[int], *, seed: int):
        super().__init__()
        self._turns = tuple(turns)
        self._starts = [0, *itertools.accumulate(sizes)]
        self._table, self._turn = schedule(self._turns)
        self._sizes, self._seed = tuple(sizes), seed

    def __len__(self) -> int:
        return sys.maxsize

    def __getitem__(self, index: Any) -> Any:
        period, slot = divmod(index, len(self._table))
        part = int(self._table[slot])
        turn = period * self._turns[part] + int(self._turn[slot])
        size = self._sizes[part]
        places = permutation(size, seed=self._seed, part=part, lap=turn // size)
        return self._starts[part] + int(places[turn % size])


@functools.lru_cache(maxsize=32)
def permutation(size: int, *, seed: int, part: int, lap: int) -> np.ndarray:
    """The order of a part's pictures in one round through it, int64[size].

    Made of the raw output of a counter-based generator, which numpy promises never to change, so that a run can be
    resumed with another version.
    """
    bits = np.random.Philox(np.random.SeedSequence([seed, part, lap])).random_raw(size)
    return np.argsort(bits, kind="stable")


def whole(weights: Sequence[float]) -> tuple[int, ...]:
    """The smallest whole numbers in the ratio of the weights.

    Raises:
      DataError: a weight that is not above zero and finite, or whole numbers whose sum is over `LONGEST_PERIOD`.
    """
    for i, weight in enumerate(weights):
        if not math.isfinite(weight) or weight <= 0:
            raise DataError(f"parts[{i}].weight is {weight}; it must be finite and above zero")
    ratios = [Fraction(weight / min(weights)).limit_denominator(FINEST) for weight in weights]
    common = math.lcm(*(ratio.denominator for ratio in ratios))
    counts = [int(ratio * common) for ratio in ratios]
    turns = tuple(count // math.gcd(*counts) for count in counts)
    if sum(turns) > LONGEST_PERIOD:
        raise DataError(
            f"the weights {', '.join(f'{w:g}' for w in weights)} have no simple ratio (as whole numbers: "
            f"{' : '.join(map(str, turns))}); round them, such as 3 and 1"
        )
    return turns


@functools.cache
def schedule(turns: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Which part has each slot of a period, and which of the part's turns in the period it is.

    Args:
      turns: of each part, above zero.

    Returns:
      Two int32[sum(turns)].
    """
    period = sum(turns)
    had = [0] * len(turns)
    slots = []
    for slot in range(period):
        open_now = [i for i, a in enumerate(turns) if had[i] < a and had[i] * period // a <= slot]
        part = min(open_now, key=lambda i: -(-(had[i] + 1) * period // turns[i]))
        slots.append((part, had[part]))
        had[part] += 1
    table = np.array(slots, np.int32)
    return table[:, 0], table[:, 1]
