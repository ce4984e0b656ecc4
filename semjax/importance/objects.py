"""The importance student: which tokens matter under a scenario, from the latents alone; no teacher at run time.

    x_0     = W [gelu(W' y + c'), place] + c                     place = the token's centre, in [-1, 1]²
    v       = gelu(conv3(norm(x_i) · (1 + γ_i(e)) + β_i(e)))     e = the scenario as a vector
    x_{i+1} = x_i + conv3(gelu(v + U_i [max v, mean v]))         max and mean over all tokens of the picture
    logits  = wᵀ gelu(norm(x_n)),  w = 0 at the start            I = sigmoid(logits / T)

T is the temperature of the losses (`semjax.losses.distill`): at their least, sigmoid(logits / T) is the teacher's
importance, and sigmoid(logits) is sharper. Neighbours tell what is close to what; the maximum over the picture, with
the places, which thing is the lowest. Both cost the same per token whatever the size of the picture. It is for the
system to say whether the student's gradient reaches the transform: hand over `jax.lax.stop_gradient(y)` or `y`.

Source: the student's role, arXiv 2509.07436 (SA-OOSC), abstract; FiLM: arXiv 1709.07871, Eq. 1. CHOICE: the network;
the paper's is not public.
"""

from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from semjax.importance.base import ImportanceOut
from semjax.nn.conv import Conv
from semjax.types import Public

STEM = 4
"""CHOICE: the first layer is this much wider, as shapes are hard to tell from a linear map of few features."""


class ContextBlock(nn.Module):
    """A residual block that a scenario modulates, and that sees neighbours and the whole picture."""

    width: int
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b h w d"], e: Float[Array, "b f"]) -> Float[Array, "b h w d"]:
        """`x[b, h, w, d]` and the scenario `e[b, f]` → [b, h, w, d], with d = `width`."""
        film = nn.Dense(2 * self.width, dtype=jnp.float32, name="film")(e)
        gamma, beta = jnp.split(film.astype(self.dtype)[:, None, None, :], 2, axis=-1)
        v = nn.LayerNorm(dtype=self.dtype, name="norm")(x) * (1 + gamma) + beta
        v = nn.gelu(Conv(self.width, 3, dtype=self.dtype, name="conv_0")(v))
        whole = jnp.concatenate([jnp.max(v, axis=(1, 2)), jnp.mean(v, axis=(1, 2))], axis=-1)
        v = v + nn.Dense(self.width, dtype=self.dtype, name="whole")(whole)[:, None, None, :]
        return x + Conv(self.width, 3, dtype=self.dtype, name="conv_1")(nn.gelu(v))


class ImportanceStudent(nn.Module):
    """Says which tokens matter under a scenario; starts at importance 1/2 everywhere.

    Attributes:
      scenario: public → e [b, f]: `ScenarioTable` or `ScenarioText`.
      width: of the features.
      blocks: of `ContextBlock`; each sees two tokens further.
      temperature: T, that of the losses.
      dtype: computing type.
    """

    scenario: nn.Module
    width: int = 64
    blocks: int = 2
    temperature: float = 2.0
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, y: Float[Array, "b h w c"], public: Public, given: Mapping[str, Array]) -> ImportanceOut:
        """Importance of the tokens of `y`; `given` is not read."""
        del given
        e = self.scenario(public)
        x = nn.gelu(nn.Dense(STEM * self.width, dtype=self.dtype, name="stem")(y.astype(self.dtype)))
        x = jnp.concatenate([x, _places(y).astype(self.dtype)], axis=-1)
        x = nn.Dense(self.width, dtype=self.dtype, name="in")(x)
        for i in range(self.blocks):
            x = ContextBlock(self.width, dtype=self.dtype, name=f"block_{i}")(x, e)
        x = nn.gelu(nn.LayerNorm(dtype=self.dtype, name="norm")(x)).astype(jnp.float32)
        logits = nn.Dense(1, kernel_init=nn.initializers.zeros, name="out")(x)[..., 0]
        return ImportanceOut(importance=nn.sigmoid(logits / self.temperature), logits=logits)


def _places(y: Array) -> Array:
    """Centres of the tokens: down and right, each from -1 to 1, [b, h, w, 2]."""
    b, h, w, _ = y.shape
    down, right = ((jnp.arange(n) + 0.5) / n * 2 - 1 for n in (h, w))
    grid = jnp.stack(jnp.meshgrid(down, right, indexing="ij"), axis=-1)
    return jnp.broadcast_to(grid, (b, h, w, 2))
