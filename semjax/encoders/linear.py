"""Encoders that start at the linear code: the code itself, and networks that learn what to change in it."""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from semjax.bottlenecks.linear import PATCH, LinearCode
from semjax.nn.conv import space_to_depth
from semjax.types import Image, Public


class LinearEncoder(nn.Module):
    """Weighted transform coefficients; no parameters.

    Attributes:
      code: the linear code.
    """

    code: LinearCode

    def __call__(self, image: Image, public: Public) -> Float[Array, "b i j m"]:
        """Latents `[b, h/16, w/16, m]` of padded pictures."""
        return self.code.analyse(image)


class ResidualEncoder(nn.Module):
    """`code(image) + r₀/√2 · net(image)`: with a zero last layer, exactly the linear code at step 0.

    Attributes:
      code: the linear code.
      net: (image, public) → [b, h/s, w/s, m·s²/256] for a stride s that divides 16; finer grids are folded to blocks.
    """

    code: LinearCode
    net: nn.Module

    def __call__(self, image: Image, public: Public) -> Float[Array, "b i j m"]:
        """Latents `[b, h/16, w/16, m]` of padded pictures."""
        linear = self.code.analyse(image)
        residual = self.net(image, public)
        fold = PATCH * residual.shape[1] // image.shape[1]
        folded = space_to_depth(residual, fold)
        if folded.shape != linear.shape:
            raise ValueError(
                f"the residual network gives {residual.shape[1:]} per picture, folded {folded.shape[1:]}; "
                f"the linear code at cbr {self.code.cbr:g} needs {linear.shape[1:]}"
            )
        return linear + folded * (self.code.reference * 2.0**-0.5)


GATE_LIMIT = 3.0
"""CHOICE: a gate changes a coefficient by at most exp(±3): far enough to silence it, too near to overflow."""


def gate(raw: Float[Array, "..."]) -> Float[Array, "..."]:
    """A positive factor: 1 at 0, between exp(−3) and exp(3)."""
    return jnp.exp(GATE_LIMIT * jnp.tanh(raw / GATE_LIMIT))


class GatedEncoder(nn.Module):
    """`code(image) · gate(g) + r₀/√2 · f` with `[g, f] = net(image)`: the linear code while net is 0.

    The gate lets the network share out power by content at once, where a sum alone would have to rebuild each latent.

    Attributes:
      code: the linear code.
      net: (image, public) → [b, h/16, w/16, 2·m].
    """

    code: LinearCode
    net: nn.Module

    def __call__(self, image: Image, public: Public) -> Float[Array, "b i j m"]:
        """Latents `[b, h/16, w/16, m]` of padded pictures."""
        raw, added = jnp.split(self.net(image, public), 2, axis=-1)
        return self.code.analyse(image) * gate(raw) + added * (self.code.reference * 2.0**-0.5)
