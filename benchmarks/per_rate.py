"""SA-OOSC with a matrix per rate and token, as NTSCC has it: what `sa_oosc_cost.py` measures beside the shared map.

    f_e    t_i = h_i A[r_i] + a[r_i]              A[levels, d, k], gathered to [b, n, d, k]
    f_d    h_i = t_i B[r_i] + b[r_i] + e[r_i]     B[levels, k, d], gathered to [b, n, k, d]

r_i is the rate of token i, d the width of the blocks, k the longest token. Each A[r] and B[r] is filled up to k: what
stands beyond k_r is neither sent nor read. e[r] is the rate token, as the transmitter has one too. Blocks, linear code
and everything around them are those of `semjax.encoders.tokens` and `semjax.decoders.tokens`. With all A[r] alike the
transmitter computes what ours does, and with all B[r] alike and a fitting e the receiver, too.

Source: J. Dai et al., NTSCC, arXiv 2112.10961, section III; the gathering of padded matrices is that of the public
implementation.
"""

import dataclasses
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from semjax.bottlenecks.analog import AnalogLatents
from semjax.decoders.tokens import TokenDecoder
from semjax.encoders.tokens import STEP, TokenEncoder, deviation
from semjax.importance.allocate import RateSet
from semjax.nn.modulate import SNRFiLM
from semjax.nn.swin import SwinStage
from semjax.types import Public


class PerRateDense(nn.Module):
    """A matrix and a bias of its own for each level.

    Attributes:
      levels: how many.
      features: of the results.
      kernel_init: of one matrix.
    """

    levels: int
    features: int
    kernel_init: Any = nn.initializers.lecun_normal(batch_axis=(0,))

    @nn.compact
    def __call__(self, x: Float[Array, "b i j d"], index: Int[Array, "b i j"]) -> Float[Array, "b i j k"]:
        """Each token of `x` by the matrix of its level `index`."""
        kernel = self.param("kernel", self.kernel_init, (self.levels, x.shape[-1], self.features), jnp.float32)
        bias = self.param("bias", nn.initializers.zeros, (self.levels, self.features), jnp.float32)
        return jnp.einsum("bijd,bijdk->bijk", x, kernel[index].astype(x.dtype)) + bias[index].astype(x.dtype)


class PerRateEncoder(TokenEncoder):
    """`TokenEncoder` whose last layer has a matrix per rate."""

    @nn.compact
    def __call__(
        self, y: Float[Array, "b i j d"], index: Int[Array, "b i j"], public: Public
    ) -> Float[Array, "b i j k"]:
        """Tokens of `y`; `index` is the rate of each."""
        seen = (y * (STEP / deviation(self.full))).astype(self.dtype)
        x = nn.Dense(self.width, dtype=self.dtype, name="in")(seen)
        x = x + nn.Embed(self.levels, self.width, dtype=self.dtype, name="rate")(index)
        x = SNRFiLM(width=self.width, dtype=self.dtype, name="film")(x, public)
        x = SwinStage(self.depth, self.heads, self.window, dtype=self.dtype, name="blocks")(x)
        last = PerRateDense(self.levels, self.code.features, kernel_init=nn.initializers.zeros, name="last")
        change = last(nn.LayerNorm(dtype=self.dtype, name="norm")(x), index).astype(jnp.float32)
        return y[..., : self.code.features] * (STEP * self.code.gain) + change * (self.code.reference * 2.0**-0.5)


class PerRateDecoder(TokenDecoder):
    """`TokenDecoder` whose first layer has a matrix and a token per rate, in place of reading what was sent.

    Attributes:
      rates: the levels.
    """

    rates: RateSet = RateSet()

    @nn.compact
    def __call__(self, latents: AnalogLatents, public: Public) -> Float[Array, "b i j d"]:
        """Latents, in steps of Δ."""
        some = jnp.any(latents.sent > 0, axis=(1, 2, 3))
        known = dataclasses.replace(public, snr_db=latents.effective_snr_db())
        index = self.index(latents)
        seen = (latents.normalised() * 2.0**0.5).astype(self.dtype)
        x = PerRateDense(len(self.rates.levels), self.width, name="in")(seen, index)
        x = x + nn.Embed(len(self.rates.levels), self.width, dtype=self.dtype, name="rate")(index)
        x = SNRFiLM(width=self.width, dtype=self.dtype, name="film")(x, known)
        x = SwinStage(self.depth, self.heads, self.window, dtype=self.dtype, name="blocks")(x)
        last = nn.Dense(self.full.features, kernel_init=nn.initializers.zeros, dtype=self.dtype, name="last")
        change = last(nn.LayerNorm(dtype=self.dtype, name="norm")(x)).astype(jnp.float32)
        linear = self.code.estimate(latents)
        whole = jnp.pad(linear, ((0, 0), (0, 0), (0, 0), (0, self.full.features - self.code.features)))
        return jnp.where(some[:, None, None, None], (whole + deviation(self.full) * change) / STEP, 0.0)

    def index(self, latents: AnalogLatents) -> Int[Array, "b i j"]:
        """The rate of each token, from how much of it was sent; the first one where the map was lost."""
        levels = jnp.asarray(self.rates.levels[:-1], jnp.float32)
        length = jnp.sum(jax.lax.stop_gradient(latents.sent), axis=-1, keepdims=True)
        return jnp.sum(length > levels, axis=-1, dtype=jnp.int32)


def per_rate(system: Any) -> Any:
    """The system `sa_oosc` with a matrix per rate; everything else is the same."""
    module = system.module
    coder = PerRateEncoder(**_fields(module.coder))
    restorer = PerRateDecoder(**_fields(module.restorer), rates=module.bottleneck.rates)
    return dataclasses.replace(system, module=module.clone(coder=coder, restorer=restorer))


def _fields(part: nn.Module) -> dict[str, Any]:
    return {f.name: getattr(part, f.name) for f in dataclasses.fields(part) if f.name not in ("parent", "name")}
