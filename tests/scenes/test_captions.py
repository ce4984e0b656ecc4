"""Structured captions: text, fields and bits of every extreme and of many scenes, and what is refused."""

import doctest
import itertools

import numpy as np
import pytest

from semjax.scenes import caption_bits, captions
from semjax.scenes.caption_bits import HEADER_BITS, PER_THING, VALUES
from semjax.scenes.captions import (
    MOST_BITS,
    MOST_WORDS,
    Caption,
    CaptionError,
    CaptionThing,
    caption,
    caption_words,
    describe,
    from_bits,
    parse_caption,
    text_of_caption,
    to_bits,
)
from semjax.scenes.graph import graph_of
from semjax.scenes.keys import key_regions
from semjax.scenes.shapes import CLASS_NAMES
from semjax.scenes.spelling import split_words
from semjax.scenes.world import BACKGROUNDS, SLOTS

LAST = CaptionThing(**{field: values[-1] for field, values in VALUES.items()})
FIRST = CaptionThing(**{field: values[0] for field, values in VALUES.items()})


@pytest.fixture(scope="module")
def described(importances, singles):
    """Scenes, masks of key regions under one scenario each, and their captions' fields."""
    masks = [values[i % 8] >= np.float32(0.6) for i, values in enumerate(importances)]
    return [(scene, mask, describe(scene, mask)) for scene, mask in zip(singles, masks, strict=True)]


def test_the_way_there_and_back(described):
    for _, _, said in described:
        text = text_of_caption(said)
        bits, length = to_bits(said)
        assert parse_caption(text) == said, text
        assert from_bits(bits, length) == said
        assert bits < 1 << length <= 1 << MOST_BITS
        assert len(split_words(text, most=MOST_WORDS)) <= MOST_WORDS


def test_a_caption_tells_what_is_not_key(described):
    for scene, mask, said in described[:500]:
        graph = graph_of(scene)
        kept = [t for t in graph.things if not mask[t.region]]
        assert [(t.name, t.colour, t.texture) for t in said.things] == [(t.name, t.colour, t.texture) for t in kept]
        assert said.background == (None if mask[0] else graph.background)
        assert set(said.without) == {t.name for t in graph.things} - {t.name for t in kept}
    assert any(said.background is None for _, _, said in described)


def test_a_caption_in_words(singles):
    scene = next(s for s in singles if s.present.sum() == 3)
    first, second, third = graph_of(scene).things
    mask = np.array([False, False, True, True, False, False])
    text = caption(scene, mask)
    assert text.startswith(f"1 thing before {graph_of(scene).background}: a ")
    assert f"{first.colour} {first.name}" in text
    assert {second.name, third.name} - {first.name} == set(describe(scene, mask).without)
    assert caption(scene, np.array([True] * 6)).startswith("no things; without ")
    assert parse_caption(text.upper()) == describe(scene, mask)


def test_every_extreme_fits():
    grounds = (None, *BACKGROUNDS)
    for count, thing, ground in itertools.product(range(SLOTS + 1), (FIRST, LAST), grounds):
        for without in ((), CLASS_NAMES[: SLOTS - count], CLASS_NAMES[len(CLASS_NAMES) - (SLOTS - count) :]):
            said = Caption(background=ground, things=(thing,) * count, without=without)
            bits, length = to_bits(said)
            assert length <= 59 <= MOST_BITS
            assert 0 <= bits < 1 << length
            assert from_bits(bits, length) == said
            if thing.name not in without:
                assert parse_caption(text_of_caption(said)) == said
    assert to_bits(Caption(background=None, things=(), without=())) == (0, 13)
    assert len(split_words(text_of_caption(Caption(background="sky", things=(FIRST,) * 5, without=())), most=999)) <= 64


def test_other_captions_have_other_bits():
    things = [CaptionThing(**dict(zip(VALUES, value, strict=True))) for value in itertools.product(*VALUES.values())]
    assert len(things) == PER_THING == 1728
    codes = {to_bits(Caption(background="grass", things=(thing,), without=("ball",))) for thing in things}
    assert len(codes) == PER_THING
    assert {length for _, length in codes} == {24}
    # Every number below the bound is a caption: no code is wasted.
    header = (2 * 6 + 1) << 19
    seen = {from_bits(header + payload, 24) for payload in range(0, 163 * PER_THING, 997)}
    assert len(seen) == len(range(0, 163 * PER_THING, 997))


@pytest.mark.parametrize(
    ("bits", "length", "told"),
    [
        (0, 4, "4 bits of value 0"),
        (-1, 13, "value -1"),
        (1 << 13, 13, "value 8192"),
        (0, 10**9, "a caption of 0 things has 13"),
        (30 << 8, 13, "header 30"),
        (0, 14, "a caption of 0 things has 13"),
        ((1 << 24) - 1, 24, "header 31"),
        (219, 13, "set 219"),
        ((1 << 19) + (163 * 1728), 24, "set 163"),
    ],
)
def test_bits_of_no_caption_are_refused(bits, length, told):
    with pytest.raises(CaptionError, match=told):
        from_bits(bits, length)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "empty"),
        ("no things before the sea", "'sea'"),
        ("no things before sky\0", r"U\+0000"),
        ("things", "shaped like no caption"),
        ("2 things before sky: a plain red ball at the top", "contradicts itself"),
        ("1 thing before sky: a red plain ball at the top", "shaped like no caption"),
        ("1 thing: a plain red ball at the middle", "contradicts itself; as told it would be: .* in the middle"),
        ("no things; without car, ball", "named once each, in the order"),
        ("no things; without ball, ball", "named once each"),
        ("a ball " * 40, "at most 64"),
        ("no things; without ball, crate, tent, medkit, buoy, sign", "a scene has 5"),
    ],
)
def test_texts_of_no_caption_are_refused(text, told):
    with pytest.raises(CaptionError, match=told):
        parse_caption(text)


def test_wrong_fields_and_masks_are_refused(singles):
    with pytest.raises(CaptionError, match="'sea' is no background"):
        Caption(background="sea", things=(), without=())
    with pytest.raises(CaptionError, match="'pink' is no colour"):
        Caption(background=None, things=(CaptionThing(**{**vars(FIRST), "colour": "pink"}),), without=())
    with pytest.raises(CaptionError, match=r"shape \(5,\)"):
        describe(singles[0], np.zeros(5, bool))


def test_words_of_captions_are_known(described):
    for _, _, said in described:
        assert set(split_words(text_of_caption(said), most=MOST_WORDS)) <= caption_words()


def test_the_header_has_room():
    assert (len(BACKGROUNDS) + 1) * (SLOTS + 1) <= 1 << HEADER_BITS


def test_the_examples_of_captions_hold(singles):
    assert not doctest.testmod(captions).failed
    assert not doctest.testmod(caption_bits).failed
    assert key_regions(np.zeros(6, np.float32)).sum() == 0
