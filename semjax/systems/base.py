"""The chain every system shares, and the `Trainable` that the training loop sees.

    image ─► transmit ─► Signal ─► channel (slot 0) ─► Received ─► receive ─► image^
                            └─ ints: error-free in training ─┘

Keys: every picture has its own, `fold_in(fold_in(key, counter), id)`; the analog part uses slot 0 of it, the i-th
digital stream (names sorted) slot i + 1, and what training draws per picture (SNR, rate) the slots from 1,000 on.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from semjax.contracts import Channel, Phase, SideCodec, Trainable
from semjax.losses.distortion import mse
from semjax.types import Batch, Image, Keys, Outputs, PerImage, Public, Received, Signal, Tree

ANALOG_SLOT = 0
SNR_SLOT = 1000
RATE_SLOT = 1001


class System(Protocol):
    """A Linen module with the two ends of a link. `given` is {} for every system but the variants that say so."""

    def transmit(self, image: Image, public: Public, given: dict[str, Array]) -> Signal:
        """What is sent."""
        ...

    def receive(self, received: Received, public: Public) -> Image:
        """The picture, from what was received and what is public; nothing else."""
        ...


class Parts(Protocol):
    """What a system's builder asks of the registry: parts made from the config's sub-dicts `{name: ..., **options}`."""

    def channel(self, cfg: Any) -> Channel:
        """The channel of that name with those options."""
        ...

    def encoder(self, cfg: Any) -> Callable[..., nn.Module]:
        """A factory of the encoder with those options; it takes further fields by keyword."""
        ...

    def decoder(self, cfg: Any) -> Callable[..., nn.Module]:
        """A factory of the decoder, likewise."""
        ...

    def phases(self, cfg: Any) -> tuple[Phase, ...]:
        """The phases described by the config's list."""
        ...


def picture_keys(key: Array, counter: Int[Array, ""] | int, ids: Int[Array, "b"]) -> Keys:
    """One key per picture: the same for the same picture wherever it lies in a batch."""
    base = jax.random.fold_in(key, counter)
    return jax.vmap(lambda i: jax.random.fold_in(base, i))(ids)


def slot_keys(keys: Keys, slot: int) -> Keys:
    """The keys of one slot (see the module's docstring)."""
    return jax.vmap(lambda k: jax.random.fold_in(k, slot))(keys)


def send(channel: Channel, keys: Keys, signal: Signal, snr_db: PerImage) -> Received:
    """The training link: the analog part through `channel`, digital streams error-free."""
    out = channel(slot_keys(keys, ANALOG_SLOT), signal.symbols, signal.used, snr_db)
    arrived: dict[str, Bool[Array, "b"]] = {
        name: jnp.ones(value.shape[:1], bool) for name, value in signal.ints.items()
    }
    return Received(
        symbols=out.symbols,
        noise_var=out.noise_var,
        csi=out.csi,
        ints=signal.ints,
        relaxed=signal.relaxed,
        ok=arrived,
        uses=out.uses,
    )


def draw_public(public: Public, keys: Keys, phase: Phase) -> Public:
    """`public` with each picture's SNR and rate drawn from the phase's ranges."""

    def draw(slot: int, bounds: tuple[float, float]) -> PerImage:
        low, high = bounds
        return jax.vmap(lambda k: jax.random.uniform(k, (), minval=low, maxval=high))(slot_keys(keys, slot))

    return dataclasses.replace(public, snr_db=draw(SNR_SLOT, phase.snr_db), rate=draw(RATE_SLOT, phase.rate))


def frozen_of(trainable: Trainable) -> dict[str, Tree]:
    """The parameters that a trainable uses and does not train, as its functions take them; {} if it has no `frozen()`.

    Raises:
      DataError: they are in a file that cannot be read.
    """
    found = getattr(trainable, "frozen", None)
    return {} if found is None else jax.tree.map(jnp.asarray, found())


@dataclasses.dataclass(frozen=True, kw_only=True)
class SystemTrainable:
    """A system module as a `Trainable` with one player, "codec", and a distortion loss.

    Systems with more loss terms, players or towers subclass it and replace what differs.

    Attributes:
      name: name of the system in result rows.
      module: the Linen module with `transmit` and `receive`.
      channel: the run's channel, used in phases that name none.
      PHASES: the phases.
      side_codecs: a codec per stream in `Signal.ints`.
      variant: name of the variant in result rows.
      payload_streams: digital streams that are content rather than side information.
      rates: least and largest rate token that one model serves; None if its rate is fixed.
    """

    name: str
    module: nn.Module
    channel: Channel
    PHASES: tuple[Phase, ...]
    side_codecs: Mapping[str, SideCodec] = dataclasses.field(default_factory=dict)
    variant: str = "default"
    payload_streams: tuple[str, ...] = ()
    rates: tuple[float, float] | None = None

    def init(self, key: Array, batch: Batch) -> tuple[dict[str, Tree], Tree]:
        """Parameters of "codec" and the module's other collections."""
        batch = jax.tree.map(jnp.asarray, batch)

        def both_ends(module: Any, image: Image, public: Public) -> Image:
            signal = module.transmit(image, public, batch.given)
            keys = picture_keys(key, 0, batch.id)
            return module.receive(send(self.channel, keys, signal, public.snr_db), public)

        variables = dict(self.module.init(key, batch.image, batch.public, method=both_ends))
        return {"codec": variables.pop("params", {})}, variables

    def forward(
        self, params: Tree, collections: Tree, frozen: Tree, batch: Batch, keys: Keys, phase: Phase
    ) -> tuple[Outputs, Tree]:
        """transmit → channel → receive; a frozen "tower" is merged into the parameters given to the module."""
        channel = phase.channel or self.channel

        def chain(module: Any, batch: Batch) -> Outputs:
            signal = module.transmit(batch.image, batch.public, batch.given)
            received = send(channel, keys, signal, batch.public.snr_db)
            image = module.receive(received, batch.public)
            return Outputs(image=image, signal=signal, received=received, aux=signal.aux)

        variables = {"params": {**params, **frozen.get("tower", {})}, **collections}
        outputs, changed = self.module.apply(variables, batch, method=chain, mutable=list(collections))
        return outputs, {**collections, **changed}

    def terms(self, outputs: Outputs, batch: Batch, frozen: Tree) -> dict[str, PerImage]:
        """{"mse", "log_mse"}: on unclipped pictures; of the second, -4.34 times the loss is a PSNR in dB.

        CHOICE: log_mse bends to linear below 1e-5 (50 dB), so that a nearly perfect picture cannot outweigh the rest.
        """
        error = mse(outputs.image, batch.image)
        return {"mse": error, "log_mse": jnp.log(error + 1e-5)}

    def critic_terms(
        self, params: Tree, outputs: Outputs, batch: Batch, frozen: Tree, keys: Keys
    ) -> dict[str, PerImage]:
        """None: there is no critic."""
        return {}

    def stats(self, outputs: Outputs) -> dict[str, Float[Array, ""]]:
        """Mean channel uses and the largest symbol power over the mean (PAPR, in dB)."""
        power = jnp.abs(outputs.signal.symbols) ** 2
        papr = jnp.max(power, axis=-1) / jnp.maximum(jnp.mean(power, axis=-1), 1e-12)
        return {
            "uses": jnp.mean(outputs.received.uses["analog"]),
            "papr_db": 10.0 * jnp.log10(jnp.mean(papr)),
        }

    def predict_fns(self) -> dict[str, Callable[..., Any]]:
        """Pure functions of both ends; `variables` = {"params": ..., **collections}."""
        module = self.module

        def merged(variables: Tree, frozen: Tree) -> Tree:
            return {**variables, "params": {**variables["params"], **frozen.get("tower", {})}}

        def transmit(variables: Tree, frozen: Tree, image: Image, public: Public, given: dict[str, Array]) -> Signal:
            return module.apply(merged(variables, frozen), image, public, given, method="transmit")  # type: ignore[return-value]

        def receive(variables: Tree, frozen: Tree, received: Received, public: Public) -> Image:
            return module.apply(merged(variables, frozen), received, public, method="receive")  # type: ignore[return-value]

        return {"transmit": transmit, "receive": receive}
