"""The closed vocabulary, and texts as numbers."""

import doctest
import hashlib

import numpy as np
import pytest

from semjax.scenes import spelling, words
from semjax.scenes.captions import caption
from semjax.scenes.graph import graph_of
from semjax.scenes.questions import every_question
from semjax.scenes.scenarios import SCENARIOS
from semjax.scenes.words import MOST_WORDS, PAD, UNKNOWN, WordsError, text_of_tokens, tokens, vocabulary


def test_the_examples_hold():
    assert not doctest.testmod(words).failed
    assert not doctest.testmod(spelling).failed


def test_the_vocabulary_is_what_trained_parameters_were_made_for():
    """A new word moves the numbers of others: whoever adds one changes what stored token arrays mean."""
    assert vocabulary()[:2] == ("<pad>", "<unknown>")
    assert len(set(vocabulary())) == len(vocabulary()) == 180
    assert hashlib.sha256(" ".join(vocabulary()).encode()).hexdigest()[:12] == "e166c452d58b"


def test_every_text_of_the_closed_languages_comes_back(singles):
    texts = [wording for scenario in SCENARIOS for wording in scenario.wordings]
    for seed, scene in enumerate(singles[:300]):
        texts += [question.text for question in every_question(graph_of(scene), seed)]
        texts.append(caption(scene, np.arange(6) == seed % 6))
    for text in texts:
        numbers = tokens(text, MOST_WORDS)
        assert UNKNOWN not in numbers
        assert text_of_tokens(numbers) == text


def test_padding_and_unknown_words():
    numbers = tokens("Is there a zebra?", 7)
    assert numbers.dtype == np.int32
    assert numbers.shape == (7,)
    assert numbers.tolist()[3] == UNKNOWN
    assert numbers.tolist()[5:] == [PAD, PAD]
    assert text_of_tokens(np.zeros(3, np.int32)) == ""


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "empty"),
        ("is there a ball?", "5 words, at most 4"),
        ("b\u00e4ll", r"U\+00E4"),
        ("ball\0", r"U\+0000"),
        ("\u202eball", r"character 1 is U\+202E"),
        ("a\nb", r"U\+000A"),
        ("100%", "'%' is no letter"),
    ],
)
def test_texts_that_are_no_words_are_refused(text, told):
    with pytest.raises(WordsError, match=told):
        tokens(text, 4)


@pytest.mark.parametrize(("numbers", "told"), [([5, 0, 5], "padding"), ([180], "180 is no word"), ([-1], "-1 is no")])
def test_numbers_of_no_words_are_refused(numbers, told):
    with pytest.raises(WordsError, match=told):
        text_of_tokens(np.array(numbers))
