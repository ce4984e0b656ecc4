"""The transmitter's networks of a variable-length code that starts at the linear one.

    image ─► block transform (c − m) + √v · net ─► y = that / Δ          [b, h/16, w/16, C]
    y, rate ─► Swin blocks with SNR FiLM ─► g (c − m) + r₀/√2 · change   [b, h/16, w/16, k]: tokens, k ≤ C

`net` and the last layer of the blocks are 0 at the start: y then holds the C coefficients of largest variance, in steps
of Δ, and a token the first k of them, with the gains of the linear code. So a training can never begin below the
variable-length linear code (`semjax.bottlenecks.linear`).
"""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from semjax.bottlenecks.linear import LinearCode
from semjax.nn.modulate import SNRFiLM
from semjax.nn.swin import SwinStage
from semjax.types import Image, Public

STEP = 1 / 16
"""CHOICE: Δ, the step of the latents in units of the picture's range; rounding to it costs about 39 dB."""


def deviation(code: LinearCode) -> Any:
    """√v of the code's coefficients."""
    return code.variance**0.5


class AnalysisTransform(nn.Module):
    """g_a: the code's coefficients, and what a network changes in them.

    Attributes:
      code: whose coefficients y holds.
      net: (image, public) → [b, h/16, w/16, features].
    """

    code: LinearCode
    net: nn.Module

    def __call__(self, image: Image, public: Public) -> Float[Array, "b i j d"]:
        """Latents of padded pictures, in steps of Δ."""
        linear = self.code.analyse(image) / self.code.gain
        return (linear + deviation(self.code) * self.net(image, public)) / STEP


class TokenEncoder(nn.Module):
    """f_e: tokens of the latents, knowing how much of each will be sent.

    Attributes:
      code: the linear code of the tokens: its features are the longest token's.
      full: the code of the latents, of which `code` has the first features.
      levels: how many rates a token may have; 0 = the network is not told what is sent.
      width, depth, heads, window: of the Swin blocks.
      dtype: computing type; latents and tokens are float32.
    """

    code: LinearCode
    full: LinearCode
    levels: int
    width: int = 96
    depth: int = 4
    heads: int = 4
    window: int = 8
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(
        self, y: Float[Array, "b i j d"], index: Int[Array, "b i j"], public: Public
    ) -> Float[Array, "b i j k"]:
        """Tokens of `y`; `index` is the rate of each."""
        seen = (y * (STEP / deviation(self.full))).astype(self.dtype)
        x = nn.Dense(self.width, dtype=self.dtype, name="in")(seen)
        if self.levels:
            x = x + nn.Embed(self.levels, self.width, dtype=self.dtype, name="rate")(index)
        x = SNRFiLM(width=self.width, dtype=self.dtype, name="film")(x, public)
        x = SwinStage(self.depth, self.heads, self.window, dtype=self.dtype, name="blocks")(x)
        last = nn.Dense(self.code.features, kernel_init=nn.initializers.zeros, dtype=self.dtype, name="last")
        change = last(nn.LayerNorm(dtype=self.dtype, name="norm")(x)).astype(jnp.float32)
        return y[..., : self.code.features] * (STEP * self.code.gain) + change * (self.code.reference * 2.0**-0.5)
