"""Structured captions of the part of a scene that is not key: text, fields and bits, each exactly made from another.

    2 things before grass: a striped red ball at the top left, a plain blue crate in the middle; without medkit, car

The key regions are sent as they look and are not described: a key background is left out, and of key things only the
classes are named, as what a generator must not paint (but not a class that is described too).
"""

import functools
import re

import numpy as np
from jaxtyping import Array, Bool

from semjax.scenes.caption_bits import MOST_BITS, Caption, CaptionError, CaptionThing, from_bits, to_bits
from semjax.scenes.graph import PLACES, graph_of, place
from semjax.scenes.question_texts import TEXTURE_WORDS
from semjax.scenes.shapes import CLASS_NAMES
from semjax.scenes.spelling import join_words, short, split_words
from semjax.scenes.world import BACKGROUNDS, COLOURS, SLOTS, Scene

__all__ = [
    "MOST_BITS",
    "Caption",
    "CaptionError",
    "CaptionThing",
    "caption",
    "caption_words",
    "describe",
    "from_bits",
    "parse_caption",
    "text_of_caption",
    "to_bits",
]

MOST_WORDS = 64


def describe(scene: Scene, mask: Bool[Array, "m"] | Bool[np.ndarray, "m"]) -> Caption:
    """What a caption says of a scene.

    Args:
      scene: without a batch axis.
      mask: True on key regions, which are left out; the background first.

    Returns:
      The fields of the caption.

    Raises:
      CaptionError: a mask of another length than the scene has regions.
    """
    key = np.asarray(mask)
    if key.shape != (np.asarray(scene.present).shape[-1] + 1,):
        raise CaptionError(f"a mask has one value per region, the background first; got shape {key.shape}")
    graph = graph_of(scene)
    things = tuple(
        CaptionThing(name=t.name, colour=t.colour, texture=t.texture, place=place(t.x, t.y))
        for t in graph.things
        if not key[t.region]
    )
    left_out = {t.name for t in graph.things if key[t.region]} - {thing.name for thing in things}
    return Caption(
        background=None if key[0] else graph.background,
        things=things,
        without=tuple(name for name in CLASS_NAMES if name in left_out),
    )


def caption(scene: Scene, mask: Bool[Array, "m"] | Bool[np.ndarray, "m"]) -> str:
    """The caption of the part of a scene that is not key; see `describe` and `text_of_caption`."""
    return text_of_caption(describe(scene, mask))


def text_of_caption(said: Caption) -> str:
    """A caption in words.

    >>> text_of_caption(Caption(background="sky", things=(), without=("ball", "car")))
    'no things before sky; without ball, car'
    """
    count = len(said.things)
    text = f"{count or 'no'} thing{'' if count == 1 else 's'}"
    text += f" before {said.background}" if said.background else ""
    text += ": " if said.things else ""
    text += ", ".join(
        f"a {TEXTURE_WORDS[t.texture]} {t.colour} {t.name} {'in' if t.place == 'middle' else 'at'} the {t.place}"
        for t in said.things
    )
    return text + (f"; without {', '.join(said.without)}" if said.without else "")


@functools.cache
def caption_words() -> frozenset[str]:
    """All words and marks of captions."""
    values = (*BACKGROUNDS, *COLOURS, *CLASS_NAMES, *PLACES, *TEXTURE_WORDS.values(), *map(str, range(1, SLOTS + 1)))
    return frozenset({"no", "thing", "things", "before", "without", "a", "at", "in", "the", ":", ",", ";"}).union(
        *(value.split() for value in values)
    )


@functools.cache
def _patterns() -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Of the whole text, and of one thing."""
    background, name, colour, word, where = map(
        "|".join, (BACKGROUNDS, CLASS_NAMES, COLOURS, TEXTURE_WORDS.values(), sorted(PLACES, key=len, reverse=True))
    )
    whole = rf"(no|\d) things?(?: before ({background}))?(?:: ([^;]*))?(?:; without ([^;]*))?"
    return re.compile(whole), re.compile(rf"a ({word}) ({colour}) ({name}) (?:at|in) the ({where})")


def parse_caption(text: str) -> Caption:
    """What a caption says: the inverse of `text_of_caption`.

    Raises:
      CaptionError: the text is empty, too long, holds other characters or words, or is shaped like no caption.
    """
    words = split_words(text, most=MOST_WORDS, error=CaptionError)
    for word in words:
        if word not in caption_words():
            raise CaptionError(f"the word {word!r} is not one that captions use, in {short(text)}")
    whole, one = _patterns()
    found = whole.fullmatch(join_words(words))
    parts = found[3].split(", ") if found and found[3] else []
    things = [one.fullmatch(part) for part in parts]
    if not found or not all(things):
        raise CaptionError(f"{short(text)} is shaped like no caption; one is: no things before sky; without ball, car")
    texture_of = {word: texture for texture, word in TEXTURE_WORDS.items()}
    said = Caption(
        background=found[2],
        things=tuple(CaptionThing(texture=texture_of[t[1]], colour=t[2], name=t[3], place=t[4]) for t in things if t),
        without=tuple(found[4].split(", ")) if found[4] else (),
    )
    if text_of_caption(said) != join_words(words):
        raise CaptionError(f"{short(text)} contradicts itself; as told it would be: {text_of_caption(said)}")
    return said
