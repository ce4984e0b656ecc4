"""The additive white Gaussian noise channel.

y = s + n,   n ~ CN(0, sigma^2),   sigma^2 = 10^(-snr_db / 10)
"""

import dataclasses

import jax.numpy as jnp

from semjax.channels import base, law
from semjax.types import ChannelOut, Keys, PerImage, Symbols, Used


@dataclasses.dataclass(frozen=True, kw_only=True)
class AWGN:
    """Adds circular complex Gaussian noise of variance `10^(-snr_db / 10)` per complex use."""

    @property
    def law(self) -> law.Law:
        """No fading."""
        return law.NO_FADING

    def __call__(self, keys: Keys, symbols: Symbols, used: Used, snr_db: PerImage) -> ChannelOut:
        """Sends unit-power symbols.

        Args:
          keys: one key per picture.
          symbols: what is sent, zero where unused.
          used: counted, and not otherwise looked at.
          snr_db: average Es/N0 per complex use in dB.

        Returns:
          Noisy symbols, the noise variance, and the analog uses per picture.
        """
        noise_var = base.noise_variance(snr_db)[:, None]
        return ChannelOut(
            symbols=base.add_noise(keys, symbols, noise_var),
            noise_var=jnp.broadcast_to(noise_var, symbols.shape),
            uses={"analog": jnp.sum(used, axis=-1)},
        )
