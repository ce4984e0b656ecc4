"""What a check node answers: messages from the others' messages, in log-likelihood ratios log p(0) - log p(1).

A check says that its d bits have even parity. Told v_1 ... v_d, it tells bit j about the others:

    sum-product    m_j = prod_{i != j} sign v_i * phi( sum_{i != j} phi(|v_i|) ),     phi(x) = -ln tanh(x / 2)
    min-sum        m_j = prod_{i != j} sign v_i * max(scale * min_{i != j} |v_i| - offset, 0)

Sum-product is exact on a tree. Plain min-sum answers too loudly; a factor ("normalised") or an offset makes up for it.

Source: Ryan and Lin, Channel Codes: Classical and Modern (2009), sections 5.4 and 5.5; Chen et al., "Reduced-complexity
decoding of LDPC codes", IEEE Transactions on Communications 53(8), 2005 (normalised and offset min-sum).
"""

import dataclasses
from typing import Protocol, runtime_checkable

import jax.numpy as jnp
from jaxtyping import Array, Float

SMALLEST, LARGEST = 8.5e-8, 16.635532
"""Where phi is evaluated: within, float32 tells phi(x) from 0 and from infinity, and phi(phi(x)) is x."""

Messages = Float[Array, "d z b"]


@runtime_checkable
class CheckRule(Protocol):
    """Answers of the Z checks of one row of a base graph."""

    def __call__(self, told: Messages) -> Messages:
        """From the messages of the row's d edges, for Z checks and b code words, to those sent back."""
        ...


def _signs(told: Messages) -> Messages:
    """The product of all signs but one's own; 0 counts as positive."""
    sign = jnp.where(told < 0, -1.0, 1.0)
    return jnp.prod(sign, axis=0) * sign


def _phi(x: Messages) -> Messages:
    power = jnp.exp(jnp.clip(x, SMALLEST, LARGEST))
    return jnp.log((power + 1.0) / (power - 1.0))


@dataclasses.dataclass(frozen=True, kw_only=True)
class SumProduct:
    """Belief propagation."""

    def __call__(self, told: Messages) -> Messages:
        """See `CheckRule`."""
        doubt = _phi(jnp.abs(told))
        return _signs(told) * _phi(jnp.sum(doubt, axis=0) - doubt)


@dataclasses.dataclass(frozen=True, kw_only=True)
class MinSum:
    """The least certain of the others decides.

    Attributes:
      scale: factor on its magnitude.
      offset: taken off its magnitude afterwards.
    """

    scale: float = 1.0
    offset: float = 0.0

    def __call__(self, told: Messages) -> Messages:
        """See `CheckRule`."""
        size = jnp.abs(told)
        least = jnp.min(size, axis=0)
        at_least = size == least
        second = jnp.min(jnp.where(at_least, jnp.inf, size), axis=0)
        second = jnp.where(jnp.sum(at_least, axis=0) > 1, least, second)  # two equal least ones answer each other
        others = jnp.where(at_least, second, least)
        return _signs(told) * jnp.maximum(self.scale * others - self.offset, 0.0)


SUM_PRODUCT = SumProduct()
MIN_SUM = MinSum()
OFFSET_MIN_SUM = MinSum(offset=0.5)
NORMALISED_MIN_SUM = MinSum(scale=0.75)
CHECK_RULES: dict[str, CheckRule] = {
    "sum_product": SUM_PRODUCT,
    "min_sum": MIN_SUM,
    "offset_min_sum": OFFSET_MIN_SUM,
    "normalised_min_sum": NORMALISED_MIN_SUM,
}
