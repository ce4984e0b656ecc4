"""Importance that is not learned: given, the same everywhere, or a box in the middle of the picture.

They are called as the student is, so that a variant of a system differs in one part. `GivenImportance` serves the
oracle (the true map) and class tables (`tables.table_map`): what it reads is truth that a real transmitter has not.
"""

from collections.abc import Mapping

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from semjax.importance.base import ImportanceError, ImportanceOut
from semjax.importance.maps import token_peaks
from semjax.types import Public

GIVEN = "importance"
"""Name of the map of pixels in `given`."""


class GivenImportance(nn.Module):
    """The largest value in each token of the map of pixels `given["importance"]`, [b, height, width] in [0, 1].

    Attributes:
      stride: pixels per side of a token.
    """

    stride: int = 16

    def __call__(self, y: Float[Array, "b h w c"], public: Public, given: Mapping[str, Array]) -> ImportanceOut:
        """Importance of the tokens of `y`.

        Raises:
          ImportanceError: there is no such map, or it is not of the size of the picture of `y`.
        """
        del public
        if GIVEN not in given:
            named = ", ".join(sorted(given)) or "nothing"
            raise ImportanceError(
                f"given holds {named}, but this variant is told its importance: hand over given[{GIVEN!r}], a map "
                "[b, height, width] of the pixels' importance in [0, 1], or take a variant that needs none"
            )
        values = given[GIVEN]
        if values.ndim != 3:
            raise ImportanceError(f"given[{GIVEN!r}] has shape {values.shape}; expected [b, height, width]")
        importance = token_peaks(values, self.stride)
        if importance.shape != y.shape[:3]:
            raise ImportanceError(
                f"given[{GIVEN!r}] has shape {values.shape}, which at stride {self.stride} makes tokens of shape "
                f"{importance.shape}, but the latents have {y.shape[:3]}: give the map at the size of the picture"
            )
        return ImportanceOut(importance=importance, logits=None)


class UniformImportance(nn.Module):
    """Importance 1/2 everywhere."""

    def __call__(self, y: Float[Array, "b h w c"], public: Public, given: Mapping[str, Array]) -> ImportanceOut:
        """Importance of the tokens of `y`."""
        del public, given
        return ImportanceOut(importance=jnp.full(y.shape[:3], 0.5, jnp.float32), logits=None)


class FixedROI(nn.Module):
    """Importance 1 where a token's centre lies in a box in the middle of the picture, 0 elsewhere.

    Attributes:
      side: of the box, as a share of the picture's height and width; above 0, at most 1.
    """

    side: float = 0.5

    def __call__(self, y: Float[Array, "b h w c"], public: Public, given: Mapping[str, Array]) -> ImportanceOut:
        """Importance of the tokens of `y`.

        Raises:
          ImportanceError: a box that is empty or larger than the picture.
        """
        del public, given
        if not 0 < self.side <= 1:
            raise ImportanceError(f"side = {self.side} of the box must be above 0 and at most 1")
        down, right = (jnp.abs((jnp.arange(n) + 0.5) / n * 2 - 1) <= self.side for n in y.shape[1:3])
        box = (down[:, None] & right[None, :]).astype(jnp.float32)
        return ImportanceOut(importance=jnp.broadcast_to(box, y.shape[:3]), logits=None)
