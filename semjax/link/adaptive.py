"""Priors that learn while they code, each from the integers of the same picture.

    adaptive   p(x)   = (start + count of x) / (start v + count of all)             start = 1/2: Krichevsky-Trofimov
    context    p(x|c) = the same, with counts of its own for each context c of neighbours already coded
    smooth     p(x|c) = counts of the step x - c, c the mean of the left and the upper neighbour, over the steps that
               stay in the alphabet; three sets of counts, by how far the two neighbours differ
    mixture    p(x)   = sum_k w_k p_k(x),   w_k proportional to what p_k gave to all that came before

A mixture of K priors never costs more than log2 K bits above the best of them.

CHOICE: every integer is learnt at once, in Python, rather than block by block: on maps of a few hundred integers what
a block does not know yet costs more than 2 %. It takes a few microseconds per integer.
Source: Krichevsky and Trofimov 1981; Willems, Shtarkov and Tjalkens 1995 (mixtures and contexts).
"""

import dataclasses

import numpy as np

from semjax.link.priors import Predictor, Prior, Probabilities

LEFT, UPPER, UPPER_LEFT, UPPER_RIGHT = (0, -1), (-1, 0), (-1, -1), (-1, 1)
"""Neighbours (rows down, columns right); the last axis of a picture runs along a row, all others count as rows."""

STEEPEST = 10
"""In a smooth prior a step of d starts with a count of 2^-min(|d|, STEEPEST)."""


def _check_start(start: float, name: str) -> None:
    if not 0 < start < float("inf"):
        raise ValueError(f"{name}: start={start}, allowed are finite numbers above 0")


def _width(shape: tuple[int, ...]) -> int:
    return shape[-1] if shape else 1


@dataclasses.dataclass(frozen=True, kw_only=True)
class AdaptivePrior:
    """Learns how often each value occurs.

    Attributes:
      start: the count that each value starts with; small for large alphabets of which few values occur.

    Raises:
      ValueError: if `start` is not above 0.
    """

    start: float = 0.5

    def __post_init__(self) -> None:
        """Refuses counts that leave a value without probability."""
        _check_start(self.start, "AdaptivePrior")

    def begin(self, shape: tuple[int, ...], alphabet: int) -> Predictor:
        """See `Prior.begin`."""
        return _Contexts(start=self.start, alphabet=alphabet, width=_width(shape), neighbours=())


@dataclasses.dataclass(frozen=True, kw_only=True)
class ContextPrior:
    """Learns how often each value occurs beside given neighbours, for small alphabets; outside the picture is 0.

    Attributes:
      neighbours: positions (rows down, columns right) relative to the integer, above it or left of it in its row.
      start: the count that each value starts with in each context.

    Raises:
      ValueError: for a neighbour that is not coded before the integer, or if `start` is not above 0.
    """

    neighbours: tuple[tuple[int, int], ...] = (LEFT, UPPER)
    start: float = 0.5

    def __post_init__(self) -> None:
        """Refuses contexts that the receiver would not have."""
        _check_start(self.start, "ContextPrior")
        for down, right in self.neighbours:
            if down > 0 or (down == 0 and right >= 0):
                raise ValueError(
                    f"ContextPrior: neighbour ({down}, {right}) is coded after the integer itself; "
                    "allowed are rows above (down < 0), or the same row further left (down = 0, right < 0)"
                )

    def begin(self, shape: tuple[int, ...], alphabet: int) -> Predictor:
        """See `Prior.begin`."""
        return _Contexts(start=self.start, alphabet=alphabet, width=_width(shape), neighbours=self.neighbours)


class _Contexts:
    def __init__(self, *, start: float, alphabet: int, width: int, neighbours: tuple[tuple[int, int], ...]) -> None:
        self._first, self._first_total = np.full(alphabet, start), start * alphabet
        self._alphabet, self._width = alphabet, width
        self._neighbours = [(down * width + right, down, right) for down, right in neighbours]
        self._counts: dict[int, np.ndarray] = {}
        self._totals: dict[int, float] = {}
        self._context = 0

    def predict(self, seen: list[int]) -> Probabilities:
        here, context = len(seen), 0
        row, column = divmod(here, self._width)
        for step, down, right in self._neighbours:
            inside = row + down >= 0 and 0 <= column + right < self._width
            context = context * self._alphabet + (seen[here + step] if inside else 0)
        self._context = context
        if context not in self._counts:
            self._counts[context], self._totals[context] = self._first.copy(), self._first_total
        return self._counts[context] / self._totals[context]

    def learn(self, value: int) -> None:
        self._counts[self._context][value] += 1.0
        self._totals[self._context] += 1.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class SmoothPrior:
    """Learns the steps from the mean of the left and the upper neighbour, for smooth maps of ordered values.

    Outside the picture a missing neighbour counts as the other one; the first integer steps from the middle.
    """

    def begin(self, shape: tuple[int, ...], alphabet: int) -> Predictor:
        """See `Prior.begin`."""
        return _Steps(alphabet=alphabet, width=_width(shape))


class _Steps:
    def __init__(self, *, alphabet: int, width: int) -> None:
        steps = np.minimum(np.abs(np.arange(1 - alphabet, alphabet)), STEEPEST)
        self._counts = np.tile(np.ldexp(1.0, -steps), (3, 1))
        self._alphabet, self._width = alphabet, width
        self._window = self._counts[0, :alphabet]

    def predict(self, seen: list[int]) -> Probabilities:
        here = len(seen)
        upper = seen[here - self._width] if here >= self._width else self._alphabet // 2
        left = seen[-1] if here % self._width else upper
        upper = upper if here >= self._width else left
        rough = min((abs(left - upper) + 1) // 2, 2)
        first = self._alphabet - 1 - (left + upper) // 2
        self._window = self._counts[rough, first : first + self._alphabet]
        return self._window / self._window.sum()

    def learn(self, value: int) -> None:
        self._window[value] += 1.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class MixturePrior:
    """Averages priors by how well each has foretold the picture so far.

    Attributes:
      parts: the priors, equally trusted at first.

    Raises:
      ValueError: if there are none.
    """

    parts: tuple[Prior, ...] = (AdaptivePrior(), ContextPrior(), SmoothPrior())

    def __post_init__(self) -> None:
        """Refuses to average nothing."""
        if not self.parts:
            raise ValueError("MixturePrior: parts=(), at least one prior is needed")

    def begin(self, shape: tuple[int, ...], alphabet: int) -> Predictor:
        """See `Prior.begin`."""
        return _Mixture([part.begin(shape, alphabet) for part in self.parts])


class _Mixture:
    def __init__(self, parts: list[Predictor]) -> None:
        self._parts, self._weights = parts, [1.0 / len(parts)] * len(parts)
        self._stated: list[np.ndarray] = []

    def predict(self, seen: list[int]) -> Probabilities:
        self._stated = [part.predict(seen) for part in self._parts]
        mixed = self._weights[0] * self._stated[0]
        for weight, stated in zip(self._weights[1:], self._stated[1:], strict=True):
            mixed += weight * stated
        return mixed

    def learn(self, value: int) -> None:
        earned = [weight * float(stated[value]) for weight, stated in zip(self._weights, self._stated, strict=True)]
        total = sum(earned)
        self._weights = [weight / total for weight in earned]
        for part in self._parts:
            part.learn(value)
