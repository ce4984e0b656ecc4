"""Texts of the closed languages taken apart into words, and refused where they are no such text."""

import re

_WORD = re.compile(r"[a-z0-9]+|[?:;,]")
MARKS = ("?", ":", ";", ",")
SHOWN = 40
"""Letters of a refused text that a message shows."""


def split_words(text: str, *, most: int, error: type[ValueError] = ValueError) -> list[str]:
    """The words and marks of a text, in lower case.

    Args:
      text: letters, digits, spaces and the marks ? : ; ,
      most: words that it may have.
      error: what to raise.

    Returns:
      The words; each mark is one.

    Raises:
      ValueError: `error`, where the text is empty, too long, or holds another character.

    >>> split_words("Is there a ball?", most=5)
    ['is', 'there', 'a', 'ball', '?']
    """
    if not isinstance(text, str):
        raise error(f"expected a text, got {type(text).__name__}")
    if not text.strip():
        raise error("the text is empty")
    for place, letter in enumerate(text):
        if not " " <= letter <= "~":
            raise error(f"character {place + 1} is U+{ord(letter):04X}: only letters, digits and ? : ; , are known")
    words, rest = _WORD.findall(text.lower()), _WORD.sub("", text.lower()).strip()
    if rest:
        raise error(f"{rest[0]!r} is no letter, digit or mark (? : ; ,) in {short(text)}")
    if len(words) > most:
        raise error(f"{len(words)} words, at most {most} are read: {short(text)}")
    return words


def join_words(words: list[str]) -> str:
    """A text of these words and marks; a mark follows its word without a space."""
    return "".join(word if word in MARKS or not place else f" {word}" for place, word in enumerate(words))


def short(text: str) -> str:
    """The text in quotes, cut where it is long."""
    return repr(text if len(text) <= SHOWN else text[: SHOWN - 3] + "...")
