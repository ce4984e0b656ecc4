"""Latents as analog symbols: pairs of reals become complex symbols of unit mean power per picture.

    z[b, N] reals  ->  c = pairs of z  ->  s = c / rms,  rms^2 = mean |c|^2 over the picture's uses, so E|s|^2 = 1.

A receiver that must undo the normalisation (a linear estimator does, a learned one need not) has to be told `rms`:
`ScaledAnalog` sends it as one integer of the digital side stream "scale", which is charged like everything else.
"""

import dataclasses
import math
from typing import Protocol

import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float

from semjax.channels.base import normalize_power
from semjax.types import Public, Received, Signal, struct

SCALE_BITS = 8
SCALE_RANGE_DB = (-40.0, 20.0)  # CHOICE: a step of 0.24 dB; pictures outside clip to the ends


@struct
class AnalogLatents:
    """Received latents, phase removed: `values = gain * z / rms + n`, n real of variance `noise_var`.

    `scale` is the picture's rms as the receiver knows it, or 1 where it was not sent. All but `scale` are
    [b, h/stride, w/stride, features]; `noise_var` here is per real dimension.
    """

    values: Float[Array, "b h w d"]
    gain: Float[Array, "b h w d"]
    noise_var: Float[Array, "b h w d"]
    scale: Float[Array, "b"]

    def normalised(self) -> Float[Array, "b h w d"]:
        """The latents up to the picture's scale, 0.5 mean power, shrunk under deep fades; over AWGN, `values`."""
        noise = 2.0 * self.noise_var
        return self.values * self.gain * (1.0 + noise) / (self.gain**2 + noise)

    def effective_snr_db(self) -> Float[Array, "b"]:
        """SNR after fading in dB, per picture, as the receiver sees it; over AWGN the channel's own."""
        ratio = jnp.mean(self.gain**2, axis=(1, 2, 3)) / jnp.mean(2.0 * self.noise_var, axis=(1, 2, 3))
        return jnp.clip(10.0 * jnp.log10(jnp.maximum(ratio, 1e-6)), -30.0, 60.0)


class Bottleneck(Protocol):
    """Turns latents into a `Signal` and what was received back into latents."""

    @property
    def stride(self) -> int:
        """Pixels per latent position, along each axis."""
        ...

    def pack(self, latents: Float[Array, "b h w d"]) -> Signal:
        """Latents to signal."""
        ...

    def unpack(self, received: Received, public: Public) -> AnalogLatents:
        """What was received to latents, for a picture of `public`'s size."""
        ...


def to_complex(latents: Float[Array, "b h w d"]) -> Complex[Array, "b k"]:
    """Consecutive reals as real and imaginary parts; an odd count is completed by a zero, which is charged."""
    flat = latents.astype(jnp.float32).reshape(latents.shape[0], -1)
    flat = jnp.pad(flat, ((0, 0), (0, flat.shape[1] % 2)))
    pairs = flat.reshape(flat.shape[0], -1, 2)
    return jax.lax.complex(pairs[..., 0], pairs[..., 1])


def to_reals(
    real: Float[Array, "b k"], imag: Float[Array, "b k"], shape: tuple[int, int, int]
) -> Float[Array, "b h w d"]:
    """Inverse of `to_complex` for latents of `shape` per picture."""
    flat = jnp.stack([real, imag], axis=-1).reshape(real.shape[0], -1)
    return flat[:, : math.prod(shape)].reshape(real.shape[0], *shape)


def _latents(received: Received, shape: tuple[int, int, int], scale: Float[Array, "b"]) -> AnalogLatents:
    csi = jnp.ones_like(received.symbols) if received.csi is None else received.csi
    gain = jnp.abs(jnp.where(csi == 0, 1.0, csi)) * (csi != 0)  # a plain abs has no gradient at 0
    turned = received.symbols * jnp.conj(csi) / jnp.where(gain == 0, 1.0, gain)
    half = received.noise_var / 2.0
    return AnalogLatents(
        values=to_reals(turned.real, turned.imag, shape),
        gain=to_reals(gain, gain, shape),
        noise_var=to_reals(half, half, shape),
        scale=scale,
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Analog:
    """Every latent is sent; nothing else is.

    Attributes:
      stride: pixels per latent position.
      features: real latents per position.
    """

    stride: int
    features: int

    def latent_shape(self, public: Public) -> tuple[int, int, int]:
        """Latent grid of a picture after padding to a multiple of `stride`."""
        return -(-public.height // self.stride), -(-public.width // self.stride), self.features

    def pack(self, latents: Float[Array, "b h w d"]) -> Signal:
        """Unit power per picture over `ceil(h w d / 2)` uses."""
        raw = to_complex(latents)
        used = jnp.ones(raw.shape, jnp.float32)
        return Signal(symbols=normalize_power(raw, used), used=used)

    def unpack(self, received: Received, public: Public) -> AnalogLatents:
        """Latents with scale 1: the receiver does not know the picture's power."""
        ones = jnp.ones(received.symbols.shape[0], jnp.float32)
        return _latents(received, self.latent_shape(public), ones)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ScaledAnalog(Analog):
    """`Analog` that also sends the picture's rms, quantised in dB, as `ints["scale"]` (8 bits).

    Attributes:
      reference: rms of a typical picture; the quantiser's zero point.
    """

    reference: float = 1.0

    def pack(self, latents: Float[Array, "b h w d"]) -> Signal:
        """Unit power per picture, and the index of the picture's rms."""
        signal = super().pack(latents)
        power = jnp.mean(jnp.abs(to_complex(jax.lax.stop_gradient(latents))) ** 2, axis=-1)
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
        return _latents(received, self.latent_shape(public), self.reference * 10.0 ** (level_db / 20.0))
