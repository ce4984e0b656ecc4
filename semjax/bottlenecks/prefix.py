"""One code for many rates: the public rate token says how many features of every latent position are sent.

    token r of both ends ─► pairs(r) = round(r · d/2), at least 1 ─► the first 2 · pairs features of each position

Symbols lie feature pair by feature pair over the whole picture, so what is sent is a prefix of the grid, and the mask
is a function of the token alone: it costs nothing to agree on. A token's rate is `pairs(r) / (d/2)` of the full one.

CHOICE: SwinJSCC (arXiv 2308.09361, section III-C) keeps the features of largest gate, which the receiver then has to be
told; a fixed order needs no such message, and training at random rates sorts the features by what they are worth.
"""

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from semjax.bottlenecks.analog import Shape
from semjax.types import Symbols, Used


@dataclasses.dataclass(frozen=True, kw_only=True)
class PrefixRate:
    """The layout described above, for an even number of features."""

    def pairs(self, rate: Float[Array, "b"], features: int) -> Int[Array, "b"]:
        """Feature pairs sent at a rate token: 1 to `features / 2`, also for tokens outside (0, 1]."""
        return jnp.clip(jnp.round(rate * (features // 2)), 1, features // 2).astype(jnp.int32)

    def symbols(self, latents: Float[Array, "b h w d"]) -> Symbols:
        """Feature pairs as complex symbols `[b, d/2 · h · w]`.

        Raises:
          ValueError: an odd number of features.
        """
        b, h, w, d = latents.shape
        if d % 2:
            raise ValueError(f"features are sent in pairs, so their number must be even; got {d}")
        pairs = latents.astype(jnp.float32).reshape(b, h, w, d // 2, 2).transpose(0, 3, 1, 2, 4)
        pairs = pairs.reshape(b, -1, 2)
        return jax.lax.complex(pairs[..., 0], pairs[..., 1])

    def reals(self, real: Float[Array, "b k"], imag: Float[Array, "b k"], shape: Shape) -> Float[Array, "b h w d"]:
        """Inverse of `symbols` for latents of `shape` per picture."""
        h, w, d = shape
        pairs = jnp.stack([real, imag], axis=-1).reshape(-1, d // 2, h, w, 2)
        return pairs.transpose(0, 2, 3, 1, 4).reshape(-1, h, w, d)

    def used(self, rate: Float[Array, "b"], shape: Shape) -> Used:
        """1 for the first `pairs(rate) · h · w` symbols."""
        h, w, d = shape
        sent = self.pairs(rate, d)[:, None] * (h * w)
        return (jnp.arange(d // 2 * h * w)[None, :] < sent).astype(jnp.float32)
