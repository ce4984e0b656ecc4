"""Allocation: from importance and bits to how many real dimensions every token gets.

    a_i = exp(g (I_i − mean I))                      what importance multiplies a token's share by
    k_i = Q_R(η · a_i · bits_i)                      Q_R: the smallest level of R not below; beyond R, its largest
    uses = Σ k_i / 2                                 two real dimensions to a complex channel use

η is the one scale of a picture (`budget`) or of a whole split (`calibrated`). What is sent of a token is the prefix of
its k_i first dimensions, so that the lengths say everything about the mask.

A token with any bits at all gets the smallest level that is not zero, however small η is: Q_R rounds up. Without bits
it gets the first level. Where that leaves a picture without a single use, which could carry no power, the token with
the largest a·bits (the first of them) gets the smallest level that is not zero.

Source: NTSCC, arXiv 2112.10961, section III (variable length by entropy); SA-OOSC, arXiv 2509.07436 (importance).
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

BISECTIONS = 24
"""They leave η uncertain by less than 1e-6 of itself: hardly two tokens step up closer to each other than that."""
TIE = 2.0**-14
"""By how much of itself at most the share of a token is raised, so that no two are equal."""

HOST_BISECTIONS = 60
TOLERANCE = 0.01
"""How far a split's mean uses may lie from what was asked for, as a share of it."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class RateSet:
    """The lengths that a token may have.

    Attributes:
      levels: real dimensions, even and ascending, two or more of them; the first may be 0.

    Raises:
      ValueError: for other levels.
    """

    levels: tuple[int, ...] = (0, 4, 8, 12, 16, 20, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128)

    def __post_init__(self) -> None:
        """Refuses what is no set of rates."""
        if len(self.levels) < 2 or any(isinstance(k, bool) or not isinstance(k, int) for k in self.levels):
            raise ValueError(f"rate levels must be two or more whole numbers, got {self.levels}")
        if any(k % 2 for k in self.levels):
            raise ValueError(
                f"rate levels count real dimensions, sent in pairs, so they must be even; got {self.levels}"
            )
        if self.levels[0] < 0 or any(a >= b for a, b in zip(self.levels, self.levels[1:], strict=False)):
            raise ValueError(f"rate levels must be ascending, from 0 or more; got {self.levels}")

    @property
    def largest(self) -> int:
        """Real dimensions of the longest token."""
        return self.levels[-1]

    @property
    def first_sent(self) -> int:
        """Index of the smallest level that is not 0."""
        return 1 if self.levels[0] == 0 else 0

    @property
    def least(self) -> int:
        """The smallest level that is not 0."""
        return self.levels[self.first_sent]

    def dimensions(self, index: Int[Array, "*shape"]) -> Int[Array, "*shape"]:
        """Real dimensions of tokens, from their indices into `levels`."""
        return jnp.asarray(self.levels, jnp.int32)[index]


QUICK = RateSet(levels=(0, 8, 24, 48))
"""CHOICE: for maps of 8 x 8 tokens in small pictures, where sixteen levels would cost more to tell than they save."""


def gains(importance: Float[Array, "b n"], g: float = 1.5) -> Float[Array, "b n"]:
    """What importance multiplies each token's share by: `exp(g (I − mean I))`, of geometric mean 1 over a picture.

    Args:
      importance: of each token, in [0, 1].
      g: how much importance is worth; e^g is the most that one token can gain over another.

    Returns:
      a; exactly 1 where importance is all 0 or all 1.
    """
    return jnp.exp(g * (importance - jnp.mean(importance, axis=-1, keepdims=True)))


def lengths(
    bits: Float[Array, "b n"], a: Float[Array, "b n"], *, eta: Float[Array, "b"], rates: RateSet
) -> Int[Array, "b n"]:
    """The level of each token: the smallest that is not below `eta · a · bits`, at least one of a picture not 0.

    Args:
      bits: estimated bits of each token.
      a: what `gains` gives, or ones.
      eta: real dimensions per bit, one per picture.
      rates: the levels.

    Returns:
      Indices into `rates.levels`.
    """
    share = a * bits
    above = (eta[:, None] * share)[..., None] > jnp.asarray(rates.levels[:-1], jnp.float32)
    index = jnp.sum(above, axis=-1, dtype=jnp.int32)
    silent = jnp.max(index, axis=-1, keepdims=True) < rates.first_sent
    best = jnp.arange(share.shape[-1]) == jnp.argmax(share, axis=-1, keepdims=True)
    return jnp.where(silent & best, rates.first_sent, index)


def uses_of(index: Int[Array, "b n"], rates: RateSet) -> Float[Array, "b"]:
    """Complex channel uses of each picture's tokens."""
    return jnp.sum(rates.dimensions(index), axis=-1).astype(jnp.float32) / 2.0


def prefix_mask(index: Int[Array, "b n"], rates: RateSet) -> Float[Array, "b n k"]:
    """1 for the dimensions of each token that are sent, its first ones; k is the largest level."""
    return (jnp.arange(rates.largest) < rates.dimensions(index)[..., None]).astype(jnp.float32)


def reachable(n: int, rates: RateSet) -> tuple[float, float]:
    """Least and most channel uses of a picture of n tokens, all of which have some bits."""
    return n * rates.least / 2, n * rates.largest / 2


def check_budget(uses: float, *, n: int, rates: RateSet) -> None:
    """Refuses a budget that no scale can meet.

    Raises:
      ValueError: if it lies outside of what n tokens can spend; the message says what they can.
    """
    low, high = reachable(n, rates)
    if not low <= uses <= high:
        raise ValueError(
            f"a budget of {uses:g} channel uses per picture cannot be met: {n} tokens of {rates.least} to "
            f"{rates.largest} real dimensions spend {low:g} to {high:g} uses; change the budget or the rate levels"
        )


def _bounds(share: Float[Array, "b n"], rates: RateSet) -> tuple[Float[Array, "b"], Float[Array, "b"]]:
    """Scales at which each picture spends the least and the most that it can; 1/2 and more where it has no bits."""
    largest = jnp.max(share, axis=-1)
    least = jnp.min(jnp.where(share > 0, share, jnp.inf), axis=-1)
    some = largest > 0
    # Half of what the longest token needs for the least level: rounding cannot lift it above.
    return 0.5 * rates.least / jnp.where(some, largest, 1.0), rates.largest / jnp.where(some, least, 1.0)


def untied(bits: Float[Array, "b n"]) -> Float[Array, "b n"]:
    """The same bits, but for a share of `TIE` at most that rises from token to token: equal ones step up in turn.

    Args:
      bits: estimated bits of each token.
    """
    n = bits.shape[-1]
    return bits * (1.0 + TIE * jnp.arange(n, dtype=jnp.float32) / n)


def budget(
    bits: Float[Array, "b n"], a: Float[Array, "b n"], *, uses: Float[Array, "b"], rates: RateSet
) -> Float[Array, "b"]:
    """The largest scale at which each picture spends no more than its budget, by bisection of log η.

    Tokens of equal a·bits step up together: only where all differ is what remains unspent below one step of one token.
    `untied` makes them differ.

    Args:
      bits: estimated bits of each token.
      a: what `gains` gives, or ones.
      uses: channel uses that each picture may spend; below `reachable` they are exceeded (see `check_budget`).
      rates: the levels.

    Returns:
      eta for `lengths`, one per picture.
    """

    def fits(eta: Float[Array, "b"]) -> Array:
        return uses_of(lengths(bits, a, eta=eta, rates=rates), rates) <= uses

    def halve(_: Array, ends: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = ends
        # The geometric mean, so that the scale returned is, to the digit, one that was tried.
        middle = jnp.sqrt(low) * jnp.sqrt(high)
        good = fits(middle)
        return jnp.where(good, middle, low), jnp.where(good, high, middle)

    return jax.lax.fori_loop(0, BISECTIONS, halve, _bounds(a * bits, rates))[0]


def _mean_uses(share: Float[np.ndarray, "b n"], eta: float, rates: RateSet) -> float:
    """`uses_of(lengths(...))` in numpy, averaged over a split."""
    levels = np.asarray(rates.levels, np.float32)
    index = np.minimum(np.searchsorted(levels, np.float32(eta) * share), len(levels) - 1)
    spent = levels[index].sum(axis=-1, dtype=np.float64)
    return float(np.maximum(spent, rates.least).mean()) / 2.0


def calibrated(
    bits: Float[np.ndarray, "b n"], a: Float[np.ndarray, "b n"], *, mean_uses: float, rates: RateSet
) -> float:
    """One scale for a whole split, whose mean channel uses are what was asked for within 1 %; on the host.

    Args:
      bits: estimated bits of each token of each picture.
      a: what `gains` gives, or ones.
      mean_uses: channel uses per picture, on average.
      rates: the levels.

    Returns:
      eta, the same for all pictures.

    Raises:
      ValueError: if no scale comes within 1 %; the message says what can be reached.
    """
    share = np.asarray(a, np.float32) * np.asarray(bits, np.float32)
    positive = share[share > 0]
    if not positive.size:
        raise ValueError("no token of the split has any bits: there is nothing to share channel uses by")
    low, high = 0.5 * rates.least / float(positive.max()), rates.largest / float(positive.min())
    ends = _mean_uses(share, low, rates), _mean_uses(share, high, rates)
    for _ in range(HOST_BISECTIONS):
        middle = float(np.sqrt(low) * np.sqrt(high))
        low, high = (middle, high) if _mean_uses(share, middle, rates) <= mean_uses else (low, middle)
    best = min((low, high), key=lambda eta: abs(_mean_uses(share, eta, rates) - mean_uses))
    got = _mean_uses(share, best, rates)
    if abs(got - mean_uses) > TOLERANCE * abs(mean_uses):
        raise ValueError(
            f"a mean of {mean_uses:g} channel uses per picture cannot be met within 1 %: this split spends "
            f"{ends[0]:g} to {ends[1]:g}, and {got:g} is the nearest"
        )
    return best
