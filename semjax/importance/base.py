"""What every source of importance has in common: how it is called, and what it says.

A source is a Linen module `(y, public, given) -> ImportanceOut`, so that a system takes any of them as a field. Those
that learn read the latents `y` and what both ends know; only the variants that are told the truth read `given`.
"""

from collections.abc import Mapping
from typing import Protocol

from jaxtyping import Array, Float

from semjax.types import Public, struct


class ImportanceError(ValueError):
    """Importance that cannot be had from what was handed over; the message says what is missing."""


@struct
class ImportanceOut:
    """Importance of each token: in [0, 1], and as the logits that a loss needs (None where nothing is learned)."""

    importance: Float[Array, "b h w"]
    logits: Float[Array, "b h w"] | None


class Importance(Protocol):
    """Says how much each token matters; works at the transmitter."""

    def __call__(self, y: Float[Array, "b h w c"], public: Public, given: Mapping[str, Array]) -> ImportanceOut:
        """Importance of the tokens of `y`."""
        ...
