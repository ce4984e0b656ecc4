"""The envelope over modulations and code rates: for each average SNR, the scheme that serves a picture codec best.

A picture sent with scheme s in K uses is a message of A(s) bits, lost with probability p(s); what the receiver shows
instead of a lost picture has quality q0. On validation pictures the codec reaches the mean quality q(bpp), so

    s* = argmax over s of   (1 - p(s)) q(A(s) / pixels) + p(s) q0

Over AWGN that is the fastest scheme that hardly ever fails; over block fading, a balance of outage and quality. Both
ends know what it depends on: the codec, the channel's law, the average SNR, cbr and the size of the picture.

With codes that achieve capacity the same choice is among all rates R: over block fading such a code is lost with
probability P(log2(1 + |h|^2 snr) < R) (`outage_rate`).
"""

import dataclasses
import functools

import numpy as np
from jaxtyping import Float

from semjax.contracts import Channel
from semjax.link import bler
from semjax.link.filling import most_bits
from semjax.link.frames import plan
from semjax.link.schemes import FINE_LADDER, Scheme

PIXELS = 768 * 512
"""Of the picture that schemes are chosen for, unless said otherwise."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Quality:
    """What a codec reaches on validation pictures.

    Attributes:
      bpp: bits per pixel, ascending.
      mean: mean quality (PSNR in dB) at each, over all pictures; one that does not fit counts as lost.
      lost: mean quality of what is shown instead of a lost picture.
    """

    bpp: tuple[float, ...]
    mean: tuple[float, ...]
    lost: float

    def __post_init__(self) -> None:
        """Refuses curves that cannot be read."""
        if len(self.bpp) != len(self.mean) or len(self.bpp) < 2 or list(self.bpp) != sorted(set(self.bpp)):
            raise ValueError(
                f"Quality: {len(self.bpp)} rates and {len(self.mean)} means; needed are two or more of each, and rates "
                "that rise"
            )

    def at(self, bpp: Float[np.ndarray, "..."] | float) -> Float[np.ndarray, "..."]:
        """Mean quality at so many bits per pixel, interpolated over their logarithm; `lost` below the curve."""
        rate = np.asarray(bpp, np.float64)
        found = np.interp(np.log(np.maximum(rate, 1e-9)), np.log(self.bpp), self.mean)
        return np.where(rate < self.bpp[0] * (1 - 1e-9), self.lost, found)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Envelope:
    """A policy: the best scheme for each average SNR; see the module.

    Attributes:
      quality: of the codec, on validation pictures.
      cbr: channel uses per picture value that a picture may take.
      pixels: of a picture.
    """

    quality: Quality
    cbr: float
    pixels: int = PIXELS

    def choose(self, channel: Channel, bits: int, snr_db: float | int) -> Scheme:
        """See `semjax.link.policy.Policy`; `bits` is not looked at.

        Raises:
          ValueError: for a channel that does not state the law of its gain.
        """
        return _best(self, channel, float(snr_db))

    def cautious(self) -> "Envelope":
        """The same: the message is all there is."""
        return self

    def name(self, channel: Channel) -> str:
        """See `semjax.link.policy.Policy`."""
        return "envelope"

    def expected(self, channel: Channel, scheme: Scheme, snr_db: float) -> float:
        """Mean quality with one scheme on validation pictures, lost ones included, from predicted block errors."""
        bits = most_bits(round(self.cbr * 3 * self.pixels), scheme)
        if not bits:
            return self.quality.lost
        lost = bler.block_error(bler.measured(), channel, scheme, bits, snr_db)
        return float((1 - lost) * self.quality.at(bits / self.pixels) + lost * self.quality.lost)


@functools.lru_cache(maxsize=1 << 10)
def _best(envelope: Envelope, channel: Channel, snr_db: float) -> Scheme:
    long = [scheme for scheme in FINE_LADDER if _measured(scheme, envelope)]
    return max(long, key=lambda scheme: envelope.expected(channel, scheme, snr_db))


def _measured(scheme: Scheme, envelope: Envelope) -> bool:
    """Whether block errors of that scheme were measured for messages as long as these."""
    bits = most_bits(round(envelope.cbr * 3 * envelope.pixels), scheme)
    return bits > 0 and bler.measured().covers(scheme.mcs, plan(bits, scheme).block_bits)


@dataclasses.dataclass(frozen=True, kw_only=True)
class OutageRate:
    """A rate of a code that achieves capacity: bits per complex use, and the probability that the channel has less."""

    rate: float
    lost: float


@functools.lru_cache(maxsize=1 << 10)
def outage_rate(quality: Quality, channel: Channel, *, cbr: float, snr_db: float) -> OutageRate:
    """The best rate for pictures over a channel with one gain per picture, by the criterion of the envelope.

    Args:
      quality: of the codec, on validation pictures.
      channel: states the law of its gain.
      cbr: channel uses per picture value.
      snr_db: average Es/N0 per complex use in dB.

    Returns:
      The rate, and the probability of outage at it.

    Raises:
      ValueError: for a channel that does not state its law, or whose gain does not last a picture.
    """
    law = bler.law_of(channel)
    if law.coherence == "fast":
        raise ValueError(f"{channel}: its gain changes within a picture, so no picture meets one rate only")
    rate = np.geomspace(0.01, 12.0, 2000)
    least = (2**rate - 1) / 10 ** (snr_db / 10)
    # A gain that is constant is just enough at the capacity itself, not lost there.
    lost = np.asarray(law.power_cdf(np.nextafter(least, 0)), np.float64)
    expected = (1 - lost) * quality.at(rate * cbr * 3) + lost * quality.lost
    best = int(np.argmax(expected))
    return OutageRate(rate=float(rate[best]), lost=float(lost[best]))
