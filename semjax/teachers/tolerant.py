"""Reads JSON as language models write it, and says what had to be forgiven.

Read as it stands if it is JSON (RFC 8259). Otherwise the first object or list in the text is read with a grammar that
also takes

    text around it, code fences           trailing commas, and commas left out between entries
    single or curly quotes                keys without quotes
    True, False, None                     a text that ends too soon: what is complete is kept

A number at the very end of a text that ends too soon may lack digits and is not kept. Nothing is guessed beyond this:
values keep their types (a number in quotes stays a text), and of a key that comes twice with two values none is kept.
"""

import dataclasses
import json
import re
from typing import Any

MAX_TEXT = 20_000
"""Characters; a longer text is refused unread."""
MAX_DEPTH = 20
MAX_STARTS = 50
"""How many opening brackets are tried."""

_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
_WORD = re.compile(r"[A-Za-z_#][\w #-]*|\d+")
_QUOTES = {'"': '"', "'": "'", "\u201c": "\u201d", "\u2018": "\u2019"}
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}
_CONSTANTS = {"true": True, "false": False, "null": None, "none": None}


class NonsenseError(ValueError):
    """A text in which no JSON can be found."""


class _EndError(Exception):
    """The text ended inside a value."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Reading:
    """What was read, and what had to be forgiven (empty = it was JSON as it stood)."""

    value: Any
    repairs: tuple[str, ...] = ()


def read_json(text: str) -> Reading:
    """The first JSON object or list in a text.

    Raises:
      NonsenseError: there is none, it is no text, or one longer than `MAX_TEXT` characters.

    >>> read_json("Sure! ```json\\n{'1': 7, '2': 3,}\\n```")
    Reading(value={'1': 7, '2': 3}, repairs=('text around it', 'single quotes', 'trailing comma'))
    """
    if not isinstance(text, str):
        raise NonsenseError(f"not a text but {type(text).__name__}")
    if len(text) > MAX_TEXT:
        raise NonsenseError(f"a text of {len(text)} characters, over the limit of {MAX_TEXT}")
    try:
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
        if isinstance(value, dict | list):
            return Reading(value=value)
    except (ValueError, RecursionError):
        pass
    starts = [match.start() for match in re.finditer(r"[{\[]", text)]
    for start in starts[:MAX_STARTS]:
        reader = _Reader(text, start)
        try:
            value = reader.value(0)
        except (_EndError, NonsenseError):
            continue
        if value:
            around = (text[:start] + text[reader.at :]).strip()
            return Reading(value=value, repairs=("text around it",) * bool(around) + tuple(reader.repairs))
    raise NonsenseError("no JSON object or list in the text")


def _no_constant(name: str) -> float:
    raise NonsenseError(f"{name} is not JSON")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A dict without the keys that come twice with different values."""
    found: dict[str, Any] = {}
    unclear = set()
    for key, value in pairs:
        if key in found and found[key] != value:
            unclear.add(key)
        found[key] = value
    return {key: value for key, value in found.items() if key not in unclear}


class _Reader:
    """The grammar of the module's docstring, from one opening bracket on; `at` is the next character to read."""

    def __init__(self, text: str, at: int):
        self.text, self.at = text, at
        self.repairs: list[str] = []

    def value(self, depth: int) -> Any:
        """One value; raises `_EndError` where the text ends before it is complete."""
        if depth > MAX_DEPTH:
            raise NonsenseError(f"nested more than {MAX_DEPTH} deep")
        first = self._peek()
        if first in "{[":
            return self._object(depth) if first == "{" else self._list(depth)
        if first in _QUOTES:
            return self._string()
        number = _NUMBER.match(self.text, self.at)
        return self._number(number) if number else self._constant()

    def _object(self, depth: int) -> dict[str, Any]:
        pairs: list[tuple[str, Any]] = []
        self.at += 1
        try:
            while not self._closed("}"):
                key = self._key()
                if self._peek() != ":":
                    raise NonsenseError("a key without a value")
                self.at += 1
                pairs.append((key, self.value(depth + 1)))
                self._comma("}")
        except _EndError:
            self._forgive("it ended too soon")
        return _unique(pairs)

    def _list(self, depth: int) -> list[Any]:
        values: list[Any] = []
        self.at += 1
        try:
            while not self._closed("]"):
                values.append(self.value(depth + 1))
                self._comma("]")
        except _EndError:
            self._forgive("it ended too soon")
        return values

    def _peek(self) -> str:
        while self.at < len(self.text) and self.text[self.at].isspace():
            self.at += 1
        if self.at == len(self.text):
            raise _EndError
        return self.text[self.at]

    def _closed(self, bracket: str) -> bool:
        if self._peek() != bracket:
            return False
        self.at += 1
        return True

    def _comma(self, bracket: str) -> None:
        if self._peek() == ",":
            self.at += 1
            if self._peek() == bracket:
                self._forgive("trailing comma")
        elif self._peek() != bracket:
            self._forgive("comma left out")

    def _key(self) -> str:
        if self._peek() in _QUOTES:
            return self._string()
        word = _WORD.match(self.text, self.at)
        if not word:
            raise NonsenseError("no key where one belongs")
        self.at = word.end()
        self._forgive("key without quotes")
        return word.group().strip()

    def _string(self) -> str:
        opened = self.text[self.at]
        if opened == '"':
            try:
                text, self.at = json.JSONDecoder().raw_decode(self.text, self.at)
                return text
            except ValueError:
                pass  # cut off, or with characters that JSON wants escaped
        kept = []
        self.at += 1
        while self.at < len(self.text):
            letter = self.text[self.at]
            self.at += 1
            if letter == _QUOTES[opened]:
                self._forgive({'"': "unescaped text", "'": "single quotes"}.get(opened, "curly quotes"))
                return "".join(kept)
            if letter == "\\" and self.at < len(self.text):
                letter = _ESCAPES.get(self.text[self.at], self.text[self.at])
                self.at += 1
            kept.append(letter)
        raise _EndError

    def _number(self, found: re.Match[str]) -> float | int:
        self.at = found.end()
        if self.at == len(self.text):
            raise _EndError
        digits = found.group()
        return int(digits) if re.fullmatch(r"-?\d{1,15}", digits) else float(digits)

    def _constant(self) -> Any:
        word = re.compile(r"[A-Za-z]+").match(self.text, self.at)
        if not word or word.group().lower() not in _CONSTANTS:
            raise NonsenseError("no value where one belongs")
        self.at = word.end()
        if word.group() not in ("true", "false", "null"):
            self._forgive("a constant of another language")
        return _CONSTANTS[word.group().lower()]

    def _forgive(self, what: str) -> None:
        if what not in self.repairs:
            self.repairs.append(what)
