"""Do two answers to a question say the same? Rules per kind of question, and the blind guess beside which they stand.

Answers are compared after `normalised`: lower case, no punctuation, no articles. Two that are then the same match,
whatever the kind. Otherwise

    count   both name one whole number, in digits or in words (zero to twenty; none = 0), and it is the same
    yes_no  both begin with the same word, which is yes or no
    where   one is found in the other as whole words, or ratio >= 0.8
    open    ratio >= 0.85

with ratio = 2 M / T of `difflib.SequenceMatcher` (M matched characters in common blocks, T characters in all), the
larger of its two orders, since it depends on which text comes first. Guards on `where` and `open`: numbers in digits
must agree (10000001 is not 10000002), and two names of the nine parts of a picture (top left, top, ..., bottom right)
are two places. Guards on all rules: texts that are not plain ASCII, or of more than 200 characters, match only when
equal. An empty answer matches nothing, not even another: saying nothing earns nothing.

CHOICE: the four rules and both thresholds are the published ones of user-oriented systems, which ask whether a model
answers alike on the original and on the received picture; the word boundaries, the symmetry and the guards are added.
"""

import dataclasses
import difflib
import re
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool

RULES = ("count", "yes_no", "where", "open")
SCENE_RULES = {
    **{"exist": "yes_no", "count": "count", "where": "where"},
    **dict.fromkeys(("colour", "texture", "name", "background", "relate"), "open"),
}
"""The rule for each kind of question that scenes ask (`semjax.scenes.questions.KINDS`)."""

PARTS = frozenset(("top left", "top", "top right", "left", "middle", "right", "bottom left", "bottom", "bottom right"))
"""Names of the nine parts of a picture: a closed list, in which one name within another is still another place."""
WHERE_RATIO = 0.8
OPEN_RATIO = 0.85
LONGEST = 200
_ARTICLES = {"a", "an", "the"}
_IN_WORDS = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty"),
)
_NUMBERS = {word: number for number, word in enumerate(_IN_WORDS)} | {"none": 0}
_ASKS_YES_NO = (
    *("is", "are", "was", "were", "am", "do", "does", "did", "can", "could", "has", "have", "had"),
    *("will", "would", "should", "may", "might", "must", "isnt", "arent", "doesnt"),
)
_QUOTES = re.compile(r"['’`]")
_PUNCTUATION = re.compile(r"(?<=[0-9]),(?=[0-9])|(?P<gap>(?<![0-9])\.|\.(?![0-9])|[!-\-/:-@\[-_{-~]|[‐-‧¡¿«»])")


def normalised(text: str) -> str:
    """The text in lower case, without punctuation and articles, with single spaces.

    Apostrophes and commas between digits vanish, other punctuation parts words, a point between digits stays.

    >>> normalised("  The left-hand dog's  ball. ")
    'left hand dogs ball'
    >>> normalised("1,200")
    '1200'
    """
    bare = _PUNCTUATION.sub(lambda found: " " if found["gap"] else "", _QUOTES.sub("", text.lower()))
    return " ".join(word for word in bare.split() if word not in _ARTICLES)


def question_kind(question: str) -> str:
    """The rule for a free question, by its words: one of `RULES`.

    "how many" or "number of" anywhere: count. A first word of is, are, was, do, does, can, has ... and no "or": yes_no.
    A first word "where", or "which side": where. Everything else: open.

    >>> [question_kind(q) for q in ("How many dogs?", "Is it red?", "Is it red or blue?", "Where is the cat?")]
    ['count', 'yes_no', 'open', 'where']
    """
    words = normalised(question).split()
    told = f" {' '.join(words)} "
    if " how many " in told or " number of " in told:
        return "count"
    if words and words[0] in _ASKS_YES_NO:
        return "open" if "or" in words else "yes_no"
    if words[:1] == ["where"] or " which side " in told:
        return "where"
    return "open"


def answer_match(question: str, a: str, b: str, *, kind: str | None = None) -> bool:
    """Whether two answers to a question say the same, by the rules above; the order does not matter.

    Args:
      question: read only where `kind` is None.
      a, b: the answers.
      kind: one of `RULES` or a kind of `SCENE_RULES`; None = `question_kind(question)`.

    Raises:
      ValueError: an unknown kind.

    >>> answer_match("How many dogs?", "Three.", "there are 3 dogs")
    True
    >>> answer_match("Where is the cat?", "left", "leftover")
    False
    """
    kind = question_kind(question) if kind is None else SCENE_RULES.get(kind, kind)
    if kind not in RULES:
        raise ValueError(f"no rule for questions of kind {kind!r}; kinds: {', '.join(sorted({*RULES, *SCENE_RULES}))}")
    plain_a, plain_b = normalised(a), normalised(b)
    if not plain_a or not plain_b:  # nothing but punctuation and articles: itself or nothing
        return a.strip().lower() == b.strip().lower() != ""
    if plain_a == plain_b:
        return True
    if not (_ordinary(plain_a) and _ordinary(plain_b)):
        return False
    return _alike(plain_a, plain_b, kind)


def matches(
    questions: Sequence[str], a: Sequence[str], b: Sequence[str], *, kinds: Sequence[str] | None = None
) -> Bool[np.ndarray, "q"]:
    """`answer_match` for each of q questions.

    Raises:
      ValueError: lists of different lengths, or an unknown kind.
    """
    asked = [None] * len(questions) if kinds is None else kinds
    if not len(questions) == len(a) == len(b) == len(asked):
        raise ValueError(f"{len(questions)} questions, {len(a)} and {len(b)} answers, {len(asked)} kinds")
    return np.array([answer_match(q, x, y, kind=k) for q, x, y, k in zip(questions, a, b, asked, strict=True)], bool)


def match_rate(
    questions: Sequence[str], received: Sequence[str], original: Sequence[str], *, kinds: Sequence[str] | None = None
) -> float:
    """Share of questions answered alike on the received and on the original picture; NaN where nothing is asked."""
    same = matches(questions, received, original, kinds=kinds)
    return float(same.mean()) if same.size else float("nan")


def answer_accuracy(
    questions: Sequence[str], answers: Sequence[str], truths: Sequence[str], *, kinds: Sequence[str] | None = None
) -> float:
    """Share of questions answered as the truth has it; NaN where nothing is asked."""
    return match_rate(questions, answers, truths, kinds=kinds)


@dataclasses.dataclass(frozen=True, kw_only=True)
class BlindGuess:
    """Answers without looking: the most frequent answer to questions of a kind.

    Attributes:
      by_kind: the guess for each kind.

    >>> BlindGuess.fit(["count", "count", "exist"], ["2", "two", "yes"])("exist")
    'yes'
    """

    by_kind: Mapping[str, str]

    @classmethod
    def fit(cls, kinds: Sequence[str], answers: Sequence[str]) -> "BlindGuess":
        """Counts normalised answers per kind; of equally frequent ones the first in the alphabet is taken.

        Args:
          kinds, answers: of the questions of the training split, and of no other.

        Raises:
          ValueError: lists of different lengths.
        """
        if len(kinds) != len(answers):
            raise ValueError(f"{len(kinds)} kinds and {len(answers)} answers")
        counts: dict[str, Counter[str]] = {}
        for kind, answer in zip(kinds, answers, strict=True):
            counts.setdefault(kind, Counter())[_counted(normalised(answer), kind)] += 1
        return cls(by_kind={kind: min(seen, key=lambda text: (-seen[text], text)) for kind, seen in counts.items()})

    def __call__(self, kind: str) -> str:
        """The guess; "" for a kind that the training split does not have."""
        return self.by_kind.get(kind, "")


def _counted(plain: str, kind: str) -> str:
    """A count in digits, so that "two" and "2" are one answer."""
    number = _number(plain) if SCENE_RULES.get(kind, kind) == "count" and _ordinary(plain) else None
    return plain if number is None else str(number)


def _ordinary(plain: str) -> bool:
    return len(plain) <= LONGEST and plain.isascii() and plain.isprintable()


def _alike(a: str, b: str, kind: str) -> bool:
    """Whether two different, ordinary, normalised texts match by the rule of a kind."""
    if kind == "count":
        return _number(a) is not None and _number(a) == _number(b)
    if kind == "yes_no":
        return a.split()[0] == b.split()[0] and a.split()[0] in ("yes", "no")
    if re.findall(r"\d+", a) != re.findall(r"\d+", b) or {a, b} <= PARTS:
        return False
    if kind == "where":
        return f" {a} " in f" {b} " or f" {b} " in f" {a} " or _ratio(a, b) >= WHERE_RATIO
    return _ratio(a, b) >= OPEN_RATIO


def _number(plain: str) -> int | None:
    """The one whole number that a text names; None where it names none or several."""
    named = [int(word) if word.isdigit() else _NUMBERS[word] for word in plain.split() if _is_number(word)]
    return named[0] if len(named) == 1 else None


def _is_number(word: str) -> bool:
    return word.isdigit() or word in _NUMBERS


def _ratio(a: str, b: str) -> float:
    return max(difflib.SequenceMatcher(None, *pair, autojunk=False).ratio() for pair in ((a, b), (b, a)))
