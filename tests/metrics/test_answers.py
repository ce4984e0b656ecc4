"""Rules of equal answers: tables of cases, and properties over any text."""

import doctest
import itertools

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from semjax.metrics import answers
from semjax.metrics.answers import BlindGuess, answer_accuracy, answer_match, match_rate, normalised, question_kind
from semjax.scenes.graph import PLACES
from semjax.scenes.question_texts import KINDS as KINDS_OF_SCENES
from semjax.scenes.shapes import CLASS_NAMES
from semjax.scenes.world import BACKGROUNDS, COLOURS, TEXTURES

KINDS = [*answers.RULES, *answers.SCENE_RULES]
SAID = st.one_of(
    st.text(max_size=30),
    st.text(alphabet="aeht 1,.'2!", max_size=12),
    st.sampled_from(["yes", "Yes, it is", "no", "three", "3", "on the left", "left", "the", "?!", "", "a red ball"]),
)


def same(kind: str, a: str, b: str) -> bool:
    return answer_match("", a, b, kind=kind)


@pytest.mark.parametrize(
    ("kind", "a", "b", "match"),
    [
        ("count", "3", "three", True),
        ("count", "There are 3.", "three dogs", True),
        ("count", "none", "0", True),
        ("count", "1,200", "1200", True),
        ("count", "3 or 4", "3", False),
        ("count", "3.5", "3", False),
        ("count", "many", "Many!", True),
        ("count", "many", "some", False),
        ("yes_no", "Yes, it is red", "yes", True),
        ("yes_no", "yes", "no", False),
        ("yes_no", "yesterday", "yes", False),
        ("yes_no", "maybe so", "maybe not", False),
        ("where", "on the left", "left", True),
        ("where", "left", "leftover", False),
        ("where", "on the table", "at the tables", False),
        ("where", "beside the tree", "besides the tree", True),
        ("where", "top", "top left", False),
        ("where", "the top-left", "top left", True),
        ("open", "wooden fence", "a wooden fences", True),
        ("open", "red", "red ball", False),
        ("open", "platform 1234567", "platform 1234568", False),
        ("open", "ball", "call", False),
    ],
)
def test_rules(kind: str, a: str, b: str, match: bool) -> None:
    assert same(kind, a, b) is match
    assert same(kind, b, a) is match


@pytest.mark.parametrize(
    "odd", ["🙂", "שלום עולם", "naïve café", "\0", "yes\0", "yes 🙂", "3 שלוש", "left\u202e", "x" * 5000]
)
@pytest.mark.parametrize("kind", answers.RULES)
def test_odd_texts_match_nothing_but_themselves(odd: str, kind: str) -> None:
    assert same(kind, odd, odd)
    for other in ("yes", "3", "left", "naive cafe", "", "🙃", "\0\0", "x" * 4999, odd + "y"):
        assert not same(kind, odd, other)
        assert not same(kind, other, odd)


@pytest.mark.parametrize("nothing", ["", "  ", "\n"])
def test_an_empty_answer_matches_nothing(nothing: str) -> None:
    assert not any(same(kind, nothing, other) for kind in KINDS for other in (nothing, "", "yes", "the", "?"))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(a=SAID, b=SAID, kind=st.sampled_from(KINDS))
@example(a="tide a", b="diet", kind="open")  # the ratio alone depends on the order
def test_match_is_symmetric_and_reflexive(a: str, b: str, kind: str) -> None:
    assert same(kind, a, b) == same(kind, b, a)
    assert same(kind, a, a) == bool(a.strip())
    if not normalised(a).isascii() and normalised(a) != normalised(b):
        assert not same(kind, a, b)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(text=SAID)
def test_normalising_twice_is_normalising_once(text: str) -> None:
    once = normalised(text)
    assert normalised(once) == once
    assert not {"a", "an", "the"} & set(once.split())


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("How many dogs are there?", "count"),
        ("What is the number of cars?", "count"),
        ("Is there a ball?", "yes_no"),
        ("Isn't it red?", "yes_no"),
        ("Is it red or blue?", "open"),
        ("Where is the cat?", "where"),
        ("On which side is the door?", "where"),
        ("What colour is it?", "open"),
        ("Islands of what colour?", "open"),
        ("", "open"),
    ],
)
def test_question_kinds(question: str, kind: str) -> None:
    assert question_kind(question) == kind
    assert answer_match(question, "yes, three on the left", "yes, three on the left")


def test_every_kind_of_scene_question_has_a_rule() -> None:
    assert set(KINDS_OF_SCENES) <= set(answers.SCENE_RULES)
    assert set(PLACES) == answers.PARTS


def test_two_answers_of_the_closed_vocabulary_never_match() -> None:
    words = {"colour": COLOURS, "texture": TEXTURES, "background": BACKGROUNDS, "name": CLASS_NAMES, "where": PLACES}
    words |= {"relate": CLASS_NAMES, "exist": ("yes", "no", "unknown"), "count": (*"012345", "unknown")}
    for kind, vocabulary in words.items():
        for a, b in itertools.product(vocabulary, repeat=2):
            assert same(kind, a, b) is (a == b), (kind, a, b)


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="no rule for questions of kind 'smell'"):
        answer_match("", "a", "b", kind="smell")


def test_rates() -> None:
    asked = ["How many?", "Is it?", "What?", "What?"]
    assert match_rate(asked, ["2", "yes", "cat", ""], ["two", "no", "cat", ""]) == 0.5
    assert answer_accuracy(asked[:1], ["3"], ["2"], kinds=["open"]) == 0.0
    assert np.isnan(match_rate([], [], []))
    with pytest.raises(ValueError, match="2 questions, 1 and 2 answers, 2 kinds"):
        answers.matches(asked[:2], ["1"], ["1", "2"], kinds=["count", "count"])


def test_blind_guess_takes_the_most_frequent_answer_of_a_kind() -> None:
    kinds = ["count"] * 5 + ["exist"] * 4
    guess = BlindGuess.fit(kinds, ["3", "2", "Two", "four", "3!", "yes", "no", "no", "yes"])
    assert guess("count") == "2"  # "2" and "3" twice each: the first in the alphabet
    assert guess("exist") == "no"
    assert guess("relate") == ""
    assert BlindGuess.fit(kinds[::-1], ["yes", "no", "no", "yes", "3!", "four", "Two", "2", "3"]) == guess
    with pytest.raises(ValueError, match="2 kinds and 1 answers"):
        BlindGuess.fit(["count", "count"], ["1"])


def test_examples() -> None:
    assert not doctest.testmod(answers).failed
