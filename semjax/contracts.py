"""What a part must be able to do: the protocols that every channel, side codec and trainable thing fulfils.

A part without weights is a frozen keyword-only dataclass of scalars (hashable, so that a compiled sweep can be keyed by
it); a part with weights is a Linen module.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Array, Float

from semjax.types import Batch, Bits, ChannelOut, Keys, Outputs, PerImage, Symbols, Tree, Used


@runtime_checkable
class Channel(Protocol):
    """A channel for complex symbols. It adds noise over the whole grid and never rescales what it is given."""

    def __call__(self, keys: Keys, symbols: Symbols, used: Used, snr_db: PerImage) -> ChannelOut:
        """Sends `symbols[b, k]` with one key per picture at `snr_db[b]` (average Es/N0 per complex use)."""
        ...


@runtime_checkable
class BitChannel(Protocol):
    """A channel for bits."""

    def __call__(self, keys: Keys, bits: Bits, snr_db: PerImage) -> Bits:
        """Sends `bits` with one key per picture."""
        ...


@runtime_checkable
class SideCodec(Protocol):
    """Codes one integer stream of `Signal.ints` into bits on the host, for real, and back.

    One whose number of bits the receiver knows, from the shape alone or from what is public, says so by an attribute
    `constant_length = True`; for all others the link tells the receiver the length, and charges that.
    """

    def pack(self, array: np.ndarray) -> Bits:
        """Codes `array[b, ...]` into one bit string per picture."""
        ...

    def unpack(self, bits: Bits, like: np.ndarray) -> np.ndarray:
        """Decodes into an array of `like`'s shape and dtype (its values are not read)."""
        ...


@dataclasses.dataclass(frozen=True, kw_only=True)
class Phase:
    """A stretch of training, as data.

    Attributes:
      name: shown in logs.
      fraction: share of the run's steps.
      trainable: regex searched in "player/path/of/parameter"; what does not match keeps its value in this phase.
      weights: weight of each loss term; a term without a weight here is not in the loss (it is still logged).
      channel: the channel trained over, or None for the run's own.
      snr_db: range from which each picture draws its SNR, uniformly, in dB.
      rate: range from which each picture draws its rate token.
      players: parameter sets updated, in order.
      lr_scale: factor on the learning rate.
    """

    name: str
    fraction: float = 1.0
    trainable: str = ".*"
    weights: Mapping[str, float] = dataclasses.field(default_factory=lambda: {"mse": 1.0})
    channel: Channel | None = None
    snr_db: tuple[float, float] = (10.0, 10.0)
    rate: tuple[float, float] = (1.0, 1.0)
    players: tuple[str, ...] = ("codec",)
    lr_scale: float = 1.0


class Trainable(Protocol):
    """Anything that is trained here: a system or a mini tower. The loop knows no more than this."""

    @property
    def PHASES(self) -> tuple[Phase, ...]:
        """The phases in order; their fractions sum to 1."""
        ...

    def init(self, key: Array, batch: Batch) -> tuple[dict[str, Tree], Tree]:
        """Returns (parameters per player, non-gradient collections)."""
        ...

    def forward(
        self, params: Tree, collections: Tree, frozen: Tree, batch: Batch, keys: Keys, phase: Phase
    ) -> tuple[Outputs, Tree]:
        """Runs the chain with the "codec" player's `params`; returns outputs and the new collections."""
        ...

    def terms(self, outputs: Outputs, batch: Batch, frozen: Tree) -> dict[str, PerImage]:
        """Loss terms per picture, unweighted and unreduced."""
        ...

    def critic_terms(
        self, params: Tree, outputs: Outputs, batch: Batch, frozen: Tree, keys: Keys
    ) -> dict[str, PerImage]:
        """Loss terms of the "critic" player; only called in phases where it plays."""
        ...

    def stats(self, outputs: Outputs) -> dict[str, Float[Array, ""]]:
        """Batch statistics to log (codebook usage, power, ...)."""
        ...

    def predict_fns(self) -> dict[str, Callable[..., Any]]:
        """Both ends as pure functions.

        {"transmit": f(variables, frozen, image, public, given), "receive": f(variables, frozen, received, public)}
        """
        ...

    @property
    def side_codecs(self) -> Mapping[str, SideCodec]:
        """The codec of each stream in `Signal.ints`; evaluation really codes with it."""
        ...

    @property
    def payload_streams(self) -> tuple[str, ...]:
        """The streams of `Signal.ints` that are content, charged as `cbr_digital`; the others are side information."""
        ...


class Evaluator(Protocol):
    """Something that measures a trained state; yields rows."""

    def run(self, state: Any, frozen: Tree) -> Any:
        """Yields result rows (dicts)."""
        ...
