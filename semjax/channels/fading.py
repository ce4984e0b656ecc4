"""Flat fading channels, composed of a gain, its coherence, channel knowledge and an equaliser.

    y = h s + n,   n ~ CN(0, sigma^2),   E|h|^2 = 1

`snr_db` is the average Es/N0: the noise is that of the transmit side, whatever h. The received Es/N0 of a picture is
`snr_db + 10 log10 |h|^2`, with a spread of 5.57 dB over pictures in block Rayleigh fading.
"""

import dataclasses

import jax.numpy as jnp

from semjax.channels import base
from semjax.channels.csi import Knowledge, PerfectCSI
from semjax.channels.equalise import MMSE, Equaliser
from semjax.channels.gains import Block, Coherence, Fixed, Gains, Rayleigh
from semjax.channels.law import Law
from semjax.types import ChannelOut, Keys, PerImage, Symbols, Used


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fading:
    """Multiplies by a complex gain and adds noise; the parts say which gain, how long, who knows it, what is done.

    Attributes:
      gains: distribution of the gain.
      coherence: `Block()` for one gain per picture, `Fast()` for one per symbol.
      csi: what the receiver knows of the gain.
      equaliser: what the receiver does with it.

    Raises:
      ValueError: if pilots are asked for in fast fading, where a pilot says nothing about the next symbol.
    """

    gains: Gains = dataclasses.field(default_factory=Rayleigh)
    coherence: Coherence = dataclasses.field(default_factory=Block)
    csi: Knowledge = dataclasses.field(default_factory=PerfectCSI)
    equaliser: Equaliser = dataclasses.field(default_factory=MMSE)

    def __post_init__(self) -> None:
        """Refuses pilots in fast fading."""
        if self.csi.uses and self.coherence.name == "fast":
            raise ValueError(
                "Fading: pilots cannot be used in fast fading, where every symbol has a gain of its own; "
                "use coherence=Block() or csi=PerfectCSI()"
            )

    @property
    def law(self) -> Law:
        """The law of the gain."""
        return self.gains.law(self.coherence.name)

    def with_gain(self, gain: complex) -> "Fading":
        """Returns the same channel at one fixed gain."""
        return dataclasses.replace(self, gains=Fixed(gain=gain))

    def __call__(self, keys: Keys, symbols: Symbols, used: Used, snr_db: PerImage) -> ChannelOut:
        """Sends unit-power symbols.

        Args:
          keys: one key per picture.
          symbols: what is sent, zero where unused.
          used: counted, and not otherwise looked at.
          snr_db: average Es/N0 per complex use in dB.

        Returns:
          Equalised symbols, what the receiver believes of their noise and gain, and the uses per picture.
        """
        noise_var = base.noise_variance(snr_db)
        gain = self.coherence.spread(base.slot(keys, base.GAIN), self.gains, symbols.shape[1])
        received = base.add_noise(keys, gain * symbols, noise_var[:, None])
        known = self.csi.estimate(keys, gain, noise_var)
        out = self.equaliser(received, known, jnp.broadcast_to(noise_var[:, None], symbols.shape))
        uses = {"analog": jnp.sum(used, axis=-1)}
        if self.csi.uses:
            uses["pilots"] = jnp.full(snr_db.shape, float(self.csi.uses))
        return dataclasses.replace(out, uses=uses)
