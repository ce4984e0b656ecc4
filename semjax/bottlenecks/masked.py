"""Tokens of variable length as analog symbols: each sends the first of its features, as many as its rate index says.

    tokens[b, h, w, k] ─► the first k_i of token i ─► pairs to complex, what is sent first ─► unit power
    rate index[b, h, w] ─► ints["rates"]: entropy coded and charged; from it alone the receiver knows what lies where

The room is that of full lengths, h·w·k / 2 symbols, so nothing about a shape depends on data. Moving what is sent to
the front is a stable sort by the mask; its inverse places the i-th symbol sent at #(sent before it) and the i-th of the
rest behind all that is sent. The picture's rms travels as in `ScaledAnalog`.

Without the map nothing that was received can be placed. Where `Received.ok` says that it was lost, all tokens read as
if nothing had been sent, and a receiver shows its mean picture.

Source: NTSCC, arXiv 2112.10961, section III; here one map of features for all rates, and a prefix of it.
"""

import dataclasses
import math

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from semjax.bottlenecks.analog import AnalogLatents, FixedRate, ScaledAnalog, Shape
from semjax.contracts import SideCodec
from semjax.importance.allocate import RateSet
from semjax.link.adaptive import LEFT, UPPER, AdaptivePrior, ContextPrior, MixturePrior, SmoothPrior
from semjax.link.range_coded import RangeCoded
from semjax.types import Public, Received, Signal, Symbols, Used


@dataclasses.dataclass(frozen=True, kw_only=True)
class TokenPrefixes:
    """The layout of one batch: token after token, what is sent before what is not.

    Attributes:
      lengths: features sent of each token, even; they alone set what is sent, whatever the rate token.
    """

    lengths: Int[Array, "b h w"]

    def sent(self, features: int) -> Bool[Array, "b k"]:
        """Which pairs of features are sent, token after token."""
        pairs = jnp.arange(features // 2) < self.lengths[..., None] // 2
        return pairs.reshape(pairs.shape[0], -1)

    def symbols(self, latents: Float[Array, "b h w d"]) -> Symbols:
        """Pairs of features as complex symbols, those that are sent first."""
        order = jnp.argsort(jnp.where(self.sent(latents.shape[-1]), 0, 1), axis=-1, stable=True)
        return jnp.take_along_axis(FixedRate().symbols(latents), order, axis=-1)

    def reals(self, real: Float[Array, "b k"], imag: Float[Array, "b k"], shape: Shape) -> Float[Array, "b h w d"]:
        """Inverse of `symbols` for latents of `shape` per picture."""
        sent = self.sent(shape[-1])
        before = jnp.cumsum(sent, axis=-1)
        behind = before[:, -1:] + jnp.cumsum(~sent, axis=-1)
        place = jnp.where(sent, before, behind) - 1
        real, imag = (jnp.take_along_axis(part, place, axis=-1) for part in (real, imag))
        return FixedRate().reals(real, imag, shape)

    def used(self, rate: Float[Array, "b"], shape: Shape) -> Used:
        """1 for the symbols sent, a prefix."""
        count = jnp.sum(self.lengths, axis=(1, 2)) // 2
        return (jnp.arange(math.prod(shape) // 2) < count[:, None]).astype(jnp.float32)


@dataclasses.dataclass(frozen=True, kw_only=True)
class VariableLength:
    """A bottleneck that takes, beside the tokens, how much of each is sent.

    Attributes:
      rates: lengths that a token may have; tokens have as many features as the largest.
      stride: pixels per token, along each axis.
      reference: rms of a symbol of a typical picture; zero point of the quantiser of the scale.
    """

    rates: RateSet
    stride: int
    reference: float = 1.0

    def _analog(self, lengths: Int[Array, "b h w"]) -> ScaledAnalog:
        layout = TokenPrefixes(lengths=lengths)
        return ScaledAnalog(stride=self.stride, features=self.rates.largest, layout=layout, reference=self.reference)

    def pack(
        self,
        tokens: Float[Array, "b h w k"],
        index: Int[Array, "b h w"],
        public: Public,
        *,
        rates_bits: Float[Array, "b"] | None = None,
    ) -> Signal:
        """Unit power per picture over what is sent, the map of rate indices, and the index of the picture's rms.

        Args:
          tokens: features of each token; those beyond its length are not sent and get no gradient.
          index: the token's index into `rates.levels`; one of a picture must send something (see `allocate.lengths`).
          public: for the picture's size.
          rates_bits: estimate of what the map costs; None counts each index as one of equally likely levels.

        Returns:
          A signal with `ints` and `est_bits` of "rates" and "scale".

        Raises:
          ValueError: if tokens have another number of features than the largest level, or the map another shape.
        """
        if tokens.shape[-1] != self.rates.largest or index.shape != tokens.shape[:-1]:
            raise ValueError(
                f"tokens of shape {tokens.shape} with a map of rates of shape {index.shape}: tokens must have "
                f"{self.rates.largest} features, the largest rate level, and the map one index per token"
            )
        if rates_bits is None:
            each = math.log2(len(self.rates.levels))
            rates_bits = jnp.full(index.shape[:1], each * math.prod(index.shape[1:]), jnp.float32)
        signal = self._analog(self.rates.dimensions(index)).pack(tokens, public)
        # A picture that sends nothing has no rms.
        scale = jnp.where(signal.used[:, 0] > 0, signal.ints["scale"], 0)
        return dataclasses.replace(
            signal,
            ints={"rates": index.astype(jnp.int32), "scale": scale},
            est_bits={"rates": rates_bits, "scale": signal.est_bits["scale"]},
        )

    def unpack(self, received: Received, public: Public) -> AnalogLatents:
        """Latents at their places, by the decoded map alone; nothing is sent where the map was lost."""
        index = received.ints["rates"]
        known = jnp.asarray(received.ok.get("rates", True))
        known = known.reshape(known.shape + (1,) * (index.ndim - known.ndim))
        # One index missing shifts all that follows.
        known = jnp.all(jnp.broadcast_to(known, index.shape), axis=(1, 2), keepdims=True)
        lengths = jnp.where(known, self.rates.dimensions(index), 0)
        return self._analog(lengths).unpack(received, public)


def rates_codec(rates: RateSet) -> SideCodec:
    """The codec of `ints["rates"]`: a mixture, since maps are smooth where importance, and rough where bits set them.

    CHOICE: of the priors of `link.adaptive` and mixtures of them, this one spends least on maps of 8 x 8 tokens from
    scenes, 103 bits on average over ten kinds of map; the default mixture spends 106, the smooth prior 118.
    """
    sides = tuple(ContextPrior(neighbours=(side,), start=0.1) for side in (LEFT, UPPER))
    return RangeCoded(alphabet=len(rates.levels), prior=MixturePrior(parts=(AdaptivePrior(), *sides, SmoothPrior())))
