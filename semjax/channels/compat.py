"""Channel conventions of public code, by name, so that old curves can be compared honestly. Do not train with them.

Each breaks one convention of this package and fails `python -m semjax.channels check` for the reason it states.
"""

import dataclasses

import jax.numpy as jnp
from jaxtyping import Array, Complex, Float

from semjax.channels import base, law
from semjax.channels.equalise import Gain
from semjax.channels.gains import Rayleigh
from semjax.types import ChannelOut, Keys, PerImage, Symbols, Used


@dataclasses.dataclass(frozen=True, kw_only=True)
class RealNoise3dB:
    """AWGN with half the noise: `sigma^2 = 10^(-snr_db / 10) / 2` per complex use.

    What is wrong: the code behind such curves sets the signal-to-noise ratio between the power of a complex symbol and
    the noise of one real dimension, or of unit power per real number; read as Es/N0 per complex use, its label is
    3.01 dB kinder than the truth.
    """

    @property
    def law(self) -> law.Law:
        """No fading."""
        return law.NO_FADING

    def __call__(self, keys: Keys, symbols: Symbols, used: Used, snr_db: PerImage) -> ChannelOut:
        """Sends like `AWGN` at `snr_db + 3.01`."""
        noise_var = base.noise_variance(snr_db)[:, None] / 2
        return ChannelOut(
            symbols=base.add_noise(keys, symbols, noise_var),
            noise_var=jnp.broadcast_to(noise_var, symbols.shape),
            uses={"analog": jnp.sum(used, axis=-1)},
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class BatchPower:
    """AWGN after scaling the whole batch to unit average power.

    What is wrong: a channel does not rescale, and a picture's power then depends on the pictures that happen to share
    its batch: an easy picture lends power to a hard one, so the power limit holds for nobody and results change with
    the batch size.
    """

    @property
    def law(self) -> law.Law:
        """No fading."""
        return law.NO_FADING

    def __call__(self, keys: Keys, symbols: Symbols, used: Used, snr_db: PerImage) -> ChannelOut:
        """Scales by the batch's power, then sends like `AWGN`."""
        energy = jnp.sum(base.power(symbols))
        loud = energy > 0
        scale = jnp.sqrt(jnp.where(loud, jnp.sum(used), 1.0) / jnp.where(loud, energy, 1.0))
        noise_var = base.noise_variance(snr_db)[:, None]
        return ChannelOut(
            symbols=base.add_noise(keys, scale * symbols, noise_var),
            noise_var=jnp.broadcast_to(noise_var, symbols.shape),
            uses={"analog": jnp.sum(used, axis=-1)},
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class RayleighMagnitude:
    """Gains `|h|` with `h ~ CN(0, 1)`: fading that forgot its phase.

    What is wrong: a real gain spares a receiver without channel knowledge the unknown rotation, which is what makes
    such a channel hard. Its law is the one it stands in for, so that the conformance check says so.
    """

    def draw(self, keys: Keys, count: int) -> Complex[Array, "b n"]:
        """See `gains.Gains`."""
        return jnp.abs(base.complex_normal(keys, (count,))).astype(jnp.complex64)

    def law(self, coherence: str) -> law.Law:
        """See `gains.Gains`."""
        return Rayleigh().law("fast" if coherence == "fast" else "block")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Blind:
    """Hands over the symbols as received and says nothing of the gain (`csi` None, so `symbols = s + n` is untrue)."""

    def __call__(self, symbols: Symbols, gain: Gain, noise_var: Float[Array, "b k"]) -> ChannelOut:
        """See `equalise.Equaliser`."""
        return ChannelOut(symbols=symbols, noise_var=noise_var)
