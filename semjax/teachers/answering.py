"""Answers to questions and captions from an outside model, and the rule of what is no answer.

An answer is the first line of what was written that is not blank, without the white space around it and the full stop
at its end. It is refused (the text is then "", with a log-probability of 0) if it is empty, longer than
`MAX_ANSWER` characters, holds a control character, or if the model raised. A caption is the whole text, its lines
joined by spaces, of at most `MAX_CAPTION` characters. Refusals are logged, one line each.
"""

import logging
import unicodedata
from collections.abc import Mapping, Sequence

import numpy as np

from semjax.teachers.base import Answers, Question, View
from semjax.teachers.prompting import Scorer, Writer

log = logging.getLogger(__name__)

MAX_ANSWER = 100
MAX_CAPTION = 1000
GREY = 128
"""What hides the part of a picture that a caption is not about."""
ANSWER_PROMPT = "{question} Answer with one word or a short phrase, and nothing else."


class RefusedError(ValueError):
    """What a model said is no answer."""


def cleaned(text: object) -> str:
    """The answer in a text that a model wrote.

    Raises:
      RefusedError: there is none; the message says why.

    >>> cleaned("  A red car. \\n")
    'A red car'
    """
    if not isinstance(text, str):
        raise RefusedError(f"not a text but {type(text).__name__}")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return _allowed(lines[0].removesuffix(".").rstrip() if lines else "", MAX_ANSWER)


def _allowed(text: str, longest: int) -> str:
    if not text:
        raise RefusedError("empty")
    if len(text) > longest:
        raise RefusedError(f"{len(text)} characters, over the limit of {longest}")
    if any(unicodedata.category(letter) in ("Cc", "Cs") for letter in text):
        raise RefusedError("it holds a control character")
    return text


def written_caption(writer: Writer, view: View, mask: np.ndarray | None, *, prompt: str) -> str:
    """What the model writes about a picture, or about the part of it where bool[h, w] is True; "" if refused."""
    image = view.image if mask is None else np.where(mask[..., None], view.image, np.uint8(GREY))
    try:
        text = writer.write(image, prompt, attempt=0)
        if not isinstance(text, str):
            raise RefusedError(f"not a text but {type(text).__name__}")
        return _allowed(" ".join(text.split()), MAX_CAPTION)
    except Exception as error:  # whatever an outside model raises: it has not answered
        log.warning("picture %d is left without a caption (%s)", view.id, _told(error))
        return ""


def written_answers(writer: Writer, view: View, questions: Sequence[Question], *, prompt: str) -> Answers:
    """What the model writes to each question, at the first attempt; a writer gives no probabilities."""
    texts = []
    for question in questions:
        try:
            asked = prompt.format(question=question.text)
            texts.append(cleaned(writer.write(view.image, asked, attempt=0)))
        except Exception as error:  # whatever an outside model raises: it has not answered
            texts.append(_refused(view, question, error))
    return Answers(texts=tuple(texts), logp=np.zeros(len(texts), np.float32))


def scored_answers(
    scorer: Scorer, view: View, questions: Sequence[Question], *, candidates: Mapping[str, Sequence[str]]
) -> Answers:
    """The most probable candidate for each question, with its probability among the candidates of its kind."""
    texts, logp = [], np.zeros(len(questions), np.float32)
    for i, question in enumerate(questions):
        try:
            text, logp[i] = _best(scorer, view, question, candidates.get(question.kind, ()))
        except Exception as error:  # whatever an outside model raises: it has not answered
            text = _refused(view, question, error)
        texts.append(text)
    return Answers(texts=tuple(texts), logp=logp)


def probabilities(logp: object, count: int) -> np.ndarray:
    """float64[count] that sum to 1, from `count` log-probabilities; -inf is a probability of 0.

    Raises:
      RefusedError: another number of values, or NaN, +inf, or nothing but -inf among them.
    """
    values = np.asarray(logp, np.float64)
    if values.shape != (count,):
        raise RefusedError(f"log-probabilities of shape {values.shape}, expected ({count},)")
    if np.isnan(values).any() or values.max() == np.inf or values.max() == -np.inf:
        raise RefusedError("log-probabilities that are not numbers")
    p = np.exp(values - values.max())
    return p / p.sum()


def _best(scorer: Scorer, view: View, question: Question, candidates: Sequence[str]) -> tuple[str, float]:
    if not candidates:
        raise RefusedError(f"no candidate answers for questions of the kind {question.kind!r}")
    asked = ANSWER_PROMPT.format(question=question.text)
    p = probabilities(scorer.score(view.image, asked, candidates), len(candidates))
    best = int(p.argmax())
    return candidates[best], float(np.log(p[best]))


def _refused(view: View, question: Question, error: Exception) -> str:
    log.warning("picture %d, question %r is left without an answer (%s)", view.id, question.text, _told(error))
    return ""


def _told(error: Exception) -> str:
    # A lone surrogate in a model's words could not be written to a log file in UTF-8.
    return f"{type(error).__name__}: {error}"[:200].encode("utf-8", "backslashreplace").decode()
