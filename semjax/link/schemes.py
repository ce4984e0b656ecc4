"""Modulation and coding of the digital link, from the most robust scheme to the fastest.

    code rate of what is sent = target code rate / repetitions,    information per use = bits per symbol * that

A repetition reads the circular buffer of rate matching on, rather than sending redundancy versions 0, 2, 3, 1 in slots
of their own (TS 38.214 clause 5.1.2.1): the receiver adds up the same values. The ladder takes about every second row
of TS 38.214 Tables 5.1.3.1-2 and -3, so that its steps are 1 to 2 dB, and below them 2, 4, 8 and 16 repetitions; for
long messages, which spend most of the uses, also the rows between, in steps of about 1 dB.
"""

import dataclasses

from semjax.phy.mcs import MCS, mcs


@dataclasses.dataclass(frozen=True, kw_only=True)
class Scheme:
    """How bits are sent.

    Attributes:
      mcs: modulation and target code rate.
      repetitions: how often the coded bits are sent, at least once.

    Raises:
      ValueError: for less than one repetition.
    """

    mcs: MCS
    repetitions: int = 1

    def __post_init__(self) -> None:
        """Refuses to send less than once."""
        if self.repetitions < 1:
            raise ValueError(f"Scheme: repetitions={self.repetitions}; 1 sends everything once")

    @property
    def code_rate(self) -> float:
        """Information bits per coded bit."""
        return self.mcs.code_rate / self.repetitions

    @property
    def efficiency(self) -> float:
        """Information bits per complex use."""
        return self.mcs.bits_per_symbol * self.code_rate

    @property
    def name(self) -> str:
        """As result rows name it, such as `qpsk 120/1024 x4`."""
        kind = {1: "bpsk", 2: "qpsk"}.get(self.mcs.bits_per_symbol, f"{1 << self.mcs.bits_per_symbol}qam")
        again = f" x{self.repetitions}" if self.repetitions > 1 else ""
        return f"{kind} {self.mcs.code_rate_1024:g}/1024{again}"


RUNGS = tuple(mcs("low_se", index) for index in (0, 2, 4, 6, 8, 10, 12, 14)) + tuple(
    mcs("256qam", index) for index in (6, 8, 10, 12, 14, 16, 18, 20, 22, 24)
)
"""The modulations and code rates of the ladder, each sent once; measured for messages of all lengths."""
STEPS_BETWEEN = tuple(mcs("low_se", index) for index in (7, 9, 11, 13, 15)) + tuple(
    mcs("256qam", index) for index in (5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 26, 27)
)
"""The rows between them, measured for long messages only."""
LONG = 1800
"""Bits of a message from which on the rows between are used, too."""
REPETITIONS = (16, 8, 4, 2)
LADDER = tuple(Scheme(mcs=RUNGS[0], repetitions=count) for count in REPETITIONS) + tuple(
    Scheme(mcs=rung) for rung in RUNGS
)
"""From the most robust scheme to the fastest."""
FINE_LADDER = tuple(
    sorted((*LADDER, *(Scheme(mcs=rung) for rung in STEPS_BETWEEN)), key=lambda scheme: scheme.efficiency)
)
"""The same with the rows between."""


def ladder(bits: int) -> tuple[Scheme, ...]:
    """The schemes for a message of `bits` bits, from the most robust to the fastest."""
    return FINE_LADDER if bits >= LONG else LADDER
