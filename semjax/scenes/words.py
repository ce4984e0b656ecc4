"""The closed vocabulary of scenario wordings, questions and captions, and texts as arrays of its numbers.

Number 0 is padding, 1 any other word; the rest follow in alphabetical order.

>>> text_of_tokens(tokens("Is there a red ball?", 8))
'is there a red ball?'
>>> text_of_tokens(tokens("is there a zebra?", 8))
'is there a <unknown>?'
"""

import functools

import numpy as np
from jaxtyping import Int, Int32

from semjax.scenes.captions import caption_words
from semjax.scenes.question_texts import question_words
from semjax.scenes.spelling import join_words, split_words
from semjax.scenes.wordings import SCENARIOS

PAD, UNKNOWN = 0, 1
MOST_WORDS = 64
"""No text of the closed languages is longer."""


class WordsError(ValueError):
    """A text that is no sequence of words, or numbers that are none of words; the message says why."""


@functools.cache
def vocabulary() -> tuple[str, ...]:
    """All words by their number."""
    texts = [wording for scenario in SCENARIOS for wording in scenario.wordings]
    known = set(caption_words() | question_words()).union(*(split_words(text, most=MOST_WORDS) for text in texts))
    return ("<pad>", "<unknown>", *sorted(known))


@functools.cache
def _numbers() -> dict[str, int]:
    return {word: number for number, word in enumerate(vocabulary())}


def tokens(text: str, length: int) -> Int32[np.ndarray, "l"]:
    """A text as numbers of words.

    Args:
      text: letters, digits and ? : ; ,
      length: of the result.

    Returns:
      int32[length]: one number per word and mark, then `PAD`.

    Raises:
      WordsError: the text is empty, holds another character, or more than `length` words.
    """
    words = split_words(text, most=length, error=WordsError)
    numbers = [_numbers().get(word, UNKNOWN) for word in words]
    return np.array(numbers + [PAD] * (length - len(words)), np.int32)


def text_of_tokens(numbers: Int[np.ndarray, "l"]) -> str:
    """The text of numbers of words, without the padding.

    Args:
      numbers: as `tokens` gives.

    Returns:
      The text, in lower case.

    Raises:
      WordsError: a number that no word has, or a word after the padding.
    """
    values = np.asarray(numbers).tolist()
    used = [value for value in values if value != PAD]
    if values[: len(used)] != used:
        raise WordsError(f"padding stands before words in {values}")
    for value in used:
        if not 0 < value < len(vocabulary()):
            raise WordsError(f"{value} is no word's number: the vocabulary has {len(vocabulary())}")
    return join_words([vocabulary()[value] for value in used])
