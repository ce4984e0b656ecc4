"""What a structured caption says, and its bits: at most 64.

Bits: a header of 5 bits for (background or none) x (number of things k), then one mixed-radix number of as many bits as
k needs: which of the possible sets of at most 5 - k classes is named as left out, and 8 x 8 x 3 x 9 values per thing.
The header tells the length, so a stream of captions can be read; the longest, 5 things, has 59 bits.
"""

import dataclasses
import functools
import itertools
import math

from semjax.scenes.graph import PLACES
from semjax.scenes.shapes import CLASS_NAMES
from semjax.scenes.world import BACKGROUNDS, COLOURS, SLOTS, TEXTURES

MOST_BITS = 64
HEADER_BITS = 5
VALUES = {"name": CLASS_NAMES, "colour": COLOURS, "texture": TEXTURES, "place": PLACES}
PER_THING = math.prod(len(values) for values in VALUES.values())


class CaptionError(ValueError):
    """A text or bits that are no caption; the message says why."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class CaptionThing:
    """A described thing; `place` is one of `graph.PLACES`."""

    name: str
    colour: str
    texture: str
    place: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Caption:
    """What a caption says.

    Attributes:
      background: None where it is key.
      things: described, nearest first.
      without: classes of key things, in the order of `CLASS_NAMES`.
    """

    background: str | None
    things: tuple[CaptionThing, ...]
    without: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.background not in (None, *BACKGROUNDS):
            raise CaptionError(f"{self.background!r} is no background: {', '.join(BACKGROUNDS)}")
        for thing in self.things:
            for field, values in VALUES.items():
                if getattr(thing, field) not in values:
                    raise CaptionError(f"{getattr(thing, field)!r} is no {field}: {', '.join(values)}")
        if len(self.things) + len(self.without) > SLOTS:
            raise CaptionError(
                f"{len(self.things)} things and {len(self.without)} classes left out: a scene has {SLOTS}"
            )
        if list(self.without) != [name for name in CLASS_NAMES if name in self.without]:
            raise CaptionError(f"classes left out are named once each, in the order {', '.join(CLASS_NAMES)}")


@functools.cache
def _left_out_sets(count: int) -> tuple[tuple[str, ...], ...]:
    """All sets of classes that can be left out beside `count` described things."""
    return tuple(s for size in range(SLOTS - count + 1) for s in itertools.combinations(CLASS_NAMES, size))


def _payload_bits(count: int) -> int:
    return (len(_left_out_sets(count)) * PER_THING**count - 1).bit_length()


def to_bits(said: Caption) -> tuple[int, int]:
    """A caption as bits.

    Args:
      said: a caption.

    Returns:
      Its bits as a number, the first bit the most significant, and how many there are, at most `MOST_BITS`.
    """
    count = len(said.things)
    header = (BACKGROUNDS.index(said.background) + 1 if said.background else 0) * (SLOTS + 1) + count
    payload = _left_out_sets(count).index(said.without)
    for thing in said.things:
        for field, values in VALUES.items():
            payload = payload * len(values) + values.index(getattr(thing, field))
    return header << _payload_bits(count) | payload, HEADER_BITS + _payload_bits(count)


def from_bits(bits: int, length: int) -> Caption:
    """The caption of some bits: the inverse of `to_bits`.

    Args:
      bits: as a number, the first bit the most significant.
      length: how many there are.

    Returns:
      The caption.

    Raises:
      CaptionError: bits that no caption has.
    """
    if length < HEADER_BITS or not 0 <= bits < 1 << min(length, MOST_BITS):
        raise CaptionError(f"{length} bits of value {bits}: a caption has {HEADER_BITS} to {MOST_BITS} bits")
    ground, count = divmod(bits >> (length - HEADER_BITS), SLOTS + 1)
    if ground > len(BACKGROUNDS):
        raise CaptionError(f"the header {bits >> (length - HEADER_BITS)} names no background")
    if length != HEADER_BITS + _payload_bits(count):
        raise CaptionError(f"{length} bits: a caption of {count} things has {HEADER_BITS + _payload_bits(count)}")
    payload, things = bits & ((1 << _payload_bits(count)) - 1), []
    for _ in range(count):
        read = {}
        for field in reversed(VALUES):
            payload, index = divmod(payload, len(VALUES[field]))
            read[field] = VALUES[field][index]
        things.append(CaptionThing(**read))
    if payload >= len(_left_out_sets(count)):
        raise CaptionError(
            f"set {payload} of classes left out: beside {count} things there are {len(_left_out_sets(count))}"
        )
    background = BACKGROUNDS[ground - 1] if ground else None
    return Caption(background=background, things=tuple(reversed(things)), without=_left_out_sets(count)[payload])
