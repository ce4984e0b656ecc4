"""What the separation benchmark measures: for a codec, channel, link, cbr and SNR, how many bytes a picture gets.

| link    | bits of a message in K uses                                   | lost with probability                     |
|---------|---------------------------------------------------------------|-------------------------------------------|
| coded   | what the envelope's scheme carries                            | measured over whole transport blocks      |
| ideal   | K C(snr); over fading the ergodic capacity                    | 0                                         |
| outage  | K R with the best rate R of a code that achieves capacity     | P(log2(1 + g snr) < R), g = abs(h)^2      |
"""

import dataclasses
import functools
from collections.abc import Iterator

from semjax.channels import CHANNELS
from semjax.contracts import Channel
from semjax.link.envelope import Envelope, Quality, outage_rate
from semjax.link.filling import most_bits, room
from semjax.link.frames import plan
from semjax.link.schemes import Scheme
from semjax.link.transport import ideal_link

CBRS = (1 / 24, 1 / 12, 1 / 8)
SNRS_DB = (1.0, 4.0, 7.0, 10.0, 13.0)
LINKS = ("coded", "ideal", "outage")
CLIFF_CBR = 1 / 24


@dataclasses.dataclass(frozen=True, kw_only=True)
class Point:
    """One point of the sweep.

    Attributes:
      channel_name: "awgn" or "rayleigh" (one gain per picture, known to the receiver).
      link: "coded", "ideal" or "outage".
      cbr: channel uses per picture value.
      snr_db: average Es/N0 per complex use in dB.
      uses: K of a picture.
      budget: bytes of a message.
      scheme: of the coded link.
      chosen: whether the envelope chose it.
      lost: probability that a message is lost, where it is known in closed form.
    """

    channel_name: str
    link: str
    cbr: float
    snr_db: float
    uses: int
    budget: int
    scheme: Scheme | None = None
    chosen: bool = True
    lost: float = 0.0

    @property
    def channel(self) -> Channel:
        """The channel."""
        return channel_of(self.channel_name)

    @property
    def spent(self) -> float:
        """Uses that a picture really takes."""
        return plan(8 * self.budget, self.scheme).uses if self.scheme else float(self.uses)

    @property
    def terms(self) -> str:
        """On which terms bits travel, as result rows name it."""
        if self.scheme:
            return f"envelope, {self.scheme.name}" if self.chosen else self.scheme.name
        return {"ideal": "capacity", "outage": "outage capacity"}[self.link]


@functools.cache
def channel_of(name: str) -> Channel:
    """The channel of that name, with its defaults."""
    return CHANNELS[name]()


def points(quality: Quality, *, pixels: int) -> Iterator[Point]:
    """All points of a codec for pictures of so many pixels."""
    for name in ("awgn", "rayleigh"):
        for link in LINKS if name == "rayleigh" else LINKS[:2]:
            for cbr in CBRS:
                for snr_db in SNRS_DB:
                    yield point(quality, name=name, link=link, cbr=cbr, snr_db=snr_db, pixels=pixels)


def point(quality: Quality, *, name: str, link: str, cbr: float, snr_db: float, pixels: int) -> Point:
    """One of them."""
    channel, uses = channel_of(name), round(cbr * 3 * pixels)
    where = {"channel_name": name, "link": link, "cbr": cbr, "snr_db": snr_db, "uses": uses}
    if link == "coded":
        policy = Envelope(quality=quality, cbr=cbr, pixels=pixels)
        bits = room(policy, channel, uses=uses, snr_db=snr_db)
        return Point(**where, budget=bits // 8, scheme=policy.choose(channel, bits, snr_db))
    if link == "ideal":
        return Point(**where, budget=int(uses * float(ideal_link(channel).capacity(snr_db)) / 8))
    best = outage_rate(quality, channel, cbr=cbr, snr_db=snr_db)
    return Point(**where, budget=int(uses * best.rate / 8), lost=best.lost)


def fixed(scheme: Scheme, *, snr_db: float, pixels: int, cbr: float = CLIFF_CBR) -> Point:
    """A point of one scheme over AWGN, whatever the SNR: where its cliff is."""
    uses = round(cbr * 3 * pixels)
    where = {"channel_name": "awgn", "link": "coded", "cbr": cbr, "snr_db": snr_db, "uses": uses}
    return Point(**where, budget=most_bits(uses, scheme) // 8, scheme=scheme, chosen=False)
