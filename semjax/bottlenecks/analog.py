"""Latents as analog symbols: pairs of reals become complex symbols of unit mean power per picture.

    z[b, N] reals  ->  c = pairs of z  ->  s = c / rms,  rms^2 = mean |c|^2 over the picture's uses, so E|s|^2 = 1.

A receiver that must undo the normalisation (a linear estimator does, a learned one need not) has to be told `rms`:
`ScaledAnalog` sends it as one integer of the digital side stream "scale", which is charged like everything else. Where
that was lost (`Received.ok`), the receiver takes the rms of a typical picture.
"""

import dataclasses
import math
from typing import Protocol

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from semjax.channels.base import normalize_power
from semjax.types import Public, Received, Signal, Symbols, Used, struct

SCALE_BITS = 8
SCALE_RANGE_DB = (-40.0, 20.0)  # CHOICE: a step of 0.24 dB; pictures outside clip to the ends
LEAST_NOISE = 1e-20  # a dead channel after MMSE has neither gain nor noise, and every estimate there would be 0 / 0


@struct
class AnalogLatents:
    """Received latents, phase removed: `values = gain * z / rms + n`, n real of variance `noise_var`.

    `scale` is the picture's rms as the receiver knows it, or 1 where it was not sent. All but `scale` are
    [b, h/stride, w/stride, features]; `noise_var` here is per real dimension. `sent` is 1 for latents that the public
    rate lets through and 0 for the rest, whose values and gains are 0.
    """

    values: Float[Array, "b h w d"]
    gain: Float[Array, "b h w d"]
    noise_var: Float[Array, "b h w d"]
    scale: Float[Array, "b"]
    sent: Float[Array, "b h w d"]

    def normalised(self) -> Float[Array, "b h w d"]:
        """The latents up to the picture's scale, 0.5 mean power if sent, shrunk in deep fades; over AWGN, `values`."""
        noise = 2.0 * self.noise_var
        return self.values * self.gain * (1.0 + noise) / (self.gain**2 + noise)

    def effective_snr_db(self) -> Float[Array, "b"]:
        """SNR after fading in dB, per picture, as the receiver sees it; over AWGN the channel's own."""
        power = jnp.sum(self.gain**2, axis=(1, 2, 3)) / jnp.maximum(jnp.sum(self.sent, axis=(1, 2, 3)), 1.0)
        ratio = power / jnp.mean(2.0 * self.noise_var, axis=(1, 2, 3))
        return jnp.clip(10.0 * jnp.log10(jnp.maximum(ratio, 1e-6)), -30.0, 60.0)


class Bottleneck(Protocol):
    """Turns latents into a `Signal` and what was received back into latents."""

    @property
    def stride(self) -> int:
        """Pixels per latent position, along each axis."""
        ...

    def pack(self, latents: Float[Array, "b h w d"], public: Public) -> Signal:
        """Latents to signal, at the public rate."""
        ...

    def unpack(self, received: Received, public: Public) -> AnalogLatents:
        """What was received to latents, for a picture of `public`'s size."""
        ...


Shape = tuple[int, int, int]


class Layout(Protocol):
    """Where latents lie in the grid of symbols, and how many of these are sent at a rate."""

    def symbols(self, latents: Float[Array, "b h w d"]) -> Symbols:
        """Pairs of latents as complex symbols."""
        ...

    def reals(self, real: Float[Array, "b k"], imag: Float[Array, "b k"], shape: Shape) -> Float[Array, "b h w d"]:
        """Inverse of `symbols` for latents of `shape` per picture."""
        ...

    def used(self, rate: Float[Array, "b"], shape: Shape) -> Used:
        """1 for the symbols sent, a prefix."""
        ...


@dataclasses.dataclass(frozen=True, kw_only=True)
class FixedRate:
    """Position after position, everything is sent whatever the rate token; an odd count is completed by a zero, which
    is charged."""

    def symbols(self, latents: Float[Array, "b h w d"]) -> Symbols:
        """Consecutive latents as real and imaginary parts, `[b, ceil(h·w·d / 2)]`."""
        flat = latents.astype(jnp.float32).reshape(latents.shape[0], -1)
        flat = jnp.pad(flat, ((0, 0), (0, flat.shape[1] % 2)))
        pairs = flat.reshape(flat.shape[0], -1, 2)
        return jax.lax.complex(pairs[..., 0], pairs[..., 1])

    def reals(self, real: Float[Array, "b k"], imag: Float[Array, "b k"], shape: Shape) -> Float[Array, "b h w d"]:
        """Inverse of `symbols` for latents of `shape` per picture."""
        flat = jnp.stack([real, imag], axis=-1).reshape(real.shape[0], -1)
        return flat[:, : math.prod(shape)].reshape(real.shape[0], *shape)

    def used(self, rate: Float[Array, "b"], shape: Shape) -> Used:
        """All ones."""
        return jnp.ones((rate.shape[0], -(-math.prod(shape) // 2)), jnp.float32)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Analog:
    """Latents as symbols; nothing else is sent.

    Attributes:
      stride: pixels per latent position.
      features: real latents per position.
      layout: where they lie and how many are sent.
    """

    stride: int
    features: int
    layout: Layout = FixedRate()

    def latent_shape(self, public: Public) -> Shape:
        """Latent grid of a picture after padding to a multiple of `stride`."""
        return -(-public.height // self.stride), -(-public.width // self.stride), self.features

    def pack(self, latents: Float[Array, "b h w d"], public: Public) -> Signal:
        """Unit power per picture over the symbols that its rate lets through."""
        used = self.layout.used(public.rate, self.latent_shape(public))
        return Signal(symbols=normalize_power(self.layout.symbols(latents), used), used=used)

    def unpack(self, received: Received, public: Public) -> AnalogLatents:
        """Latents with scale 1: the receiver does not know the picture's power."""
        return self._latents(received, public, scale=jnp.ones(received.symbols.shape[0], jnp.float32))

    def _latents(self, received: Received, public: Public, *, scale: Float[Array, "b"]) -> AnalogLatents:
        shape = self.latent_shape(public)
        used = self.layout.used(public.rate, shape)
        csi = jnp.ones_like(received.symbols) if received.csi is None else received.csi
        gain = jnp.abs(jnp.where(csi == 0, 1.0, csi)) * (csi != 0)  # a plain abs has no gradient at 0
        turned = received.symbols * jnp.conj(csi) / jnp.where(gain == 0, 1.0, gain) * used
        gain, half = gain * used, jnp.maximum(received.noise_var, LEAST_NOISE) / 2.0
        return AnalogLatents(
            values=self.layout.reals(turned.real, turned.imag, shape),
            gain=self.layout.reals(gain, gain, shape),
            noise_var=self.layout.reals(half, half, shape),
            scale=scale,
            sent=self.layout.reals(used, used, shape),
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class ScaledAnalog(Analog):
    """`Analog` that also sends the picture's rms, quantised in dB, as `ints["scale"]` (8 bits).

    Attributes:
      reference: rms of a typical picture; the quantiser's zero point.
    """

    reference: float = 1.0

    def pack(self, latents: Float[Array, "b h w d"], public: Public) -> Signal:
        """Unit power per picture, and the index of the picture's rms."""
        signal = super().pack(latents, public)
        raw = jnp.abs(self.layout.symbols(jax.lax.stop_gradient(latents))) ** 2
        power = jnp.sum(raw * signal.used, axis=-1) / jnp.sum(signal.used, axis=-1)
        low, high = SCALE_RANGE_DB
        level_db = 10.0 * jnp.log10(jnp.maximum(power, 1e-12) / self.reference**2)
        unit = (jnp.clip(level_db, low, high) - low) / (high - low)
        index = jnp.round(unit * (2**SCALE_BITS - 1)).astype(jnp.int32)
        bits = jnp.full(index.shape, float(SCALE_BITS), jnp.float32)
        return dataclasses.replace(signal, ints={"scale": index}, est_bits={"scale": bits})

    def unpack(self, received: Received, public: Public) -> AnalogLatents:
        """Latents with the received scale."""
        low, high = SCALE_RANGE_DB
        level_db = received.ints["scale"].astype(jnp.float32) / (2**SCALE_BITS - 1) * (high - low) + low
        level_db = jnp.where(received.ok.get("scale", True), level_db, 0.0)
        return self._latents(received, public, scale=self.reference * 10.0 ** (level_db / 20.0))
