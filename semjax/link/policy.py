"""How the link chooses modulation and code rate, from what both ends know: the average SNR and the message's length.

CHOICE: the cheapest scheme that is expected to lose at most a target share of messages; over block fading, where a
message is lost whenever its one gain is weak, a larger share (0.1 is what 5G NR reports channel quality for, TS 38.214
clause 5.2.2.1) is taken, or most of the uses would go to the rarest fades. Where no scheme reaches the target, the most
robust one is taken.
"""

import dataclasses
import functools
from typing import Protocol, runtime_checkable

from semjax.contracts import Channel
from semjax.link import bler
from semjax.link.frames import plan
from semjax.link.schemes import LADDER, Scheme, ladder


@runtime_checkable
class Policy(Protocol):
    """Chooses a scheme."""

    def choose(self, channel: Channel, bits: int, snr_db: float | int) -> Scheme:
        """The scheme for a message of `bits` bits over a channel of average Es/N0 `snr_db` in dB."""
        ...

    def cautious(self) -> "Policy":
        """The policy for what all the rest depends on."""
        ...

    def name(self, channel: Channel) -> str:
        """What result rows say of it."""
        ...


@dataclasses.dataclass(frozen=True, kw_only=True)
class TargetError:
    """The cheapest scheme that meets a target.

    Attributes:
      target: share of messages that may be lost, above 0 and below 1.
      block_fading: the same where each message meets one gain only.

    Raises:
      ValueError: for another target.
    """

    target: float = 0.01
    block_fading: float = 0.1

    def __post_init__(self) -> None:
        """Refuses targets that cannot be met or that everything meets."""
        for value in (self.target, self.block_fading):
            if not 0 < value < 1:
                raise ValueError(f"TargetError: a share of {value} may be lost; allowed is above 0 and below 1")

    def choose(self, channel: Channel, bits: int, snr_db: float | int) -> Scheme:
        """See `Policy`.

        Raises:
          ValueError: for a channel that does not state the law of its gain.
        """
        return _cheapest(channel, bits, float(snr_db), self._target(channel))

    def cautious(self) -> "TargetError":
        """A tenth of the target; over block fading the same, since it meets the gain of what depends on it."""
        return TargetError(target=self.target / 10, block_fading=self.block_fading)

    def name(self, channel: Channel) -> str:
        """See `Policy`."""
        return f"bler <= {self._target(channel):g}"

    def _target(self, channel: Channel) -> float:
        return self.block_fading if bler.fate(channel).coherence == "block" else self.target


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fixed:
    """Always the same scheme, whatever the channel and its SNR."""

    scheme: Scheme

    def choose(self, channel: Channel, bits: int, snr_db: float | int) -> Scheme:
        """See `Policy`."""
        return self.scheme

    def cautious(self) -> "Fixed":
        """The same."""
        return self

    def name(self, channel: Channel) -> str:
        """See `Policy`."""
        return self.scheme.name


@functools.lru_cache(maxsize=1 << 14)
def _cheapest(channel: Channel, bits: int, snr_db: float, target: float) -> Scheme:
    for scheme in sorted(ladder(bits), key=lambda scheme: plan(bits, scheme).uses):
        if bler.block_error(bler.measured(), channel, scheme, bits, snr_db) <= target:
            return scheme
    return LADDER[0]


DEFAULT = TargetError()
