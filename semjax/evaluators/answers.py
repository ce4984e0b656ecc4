"""Result rows from answered questions: match and accuracy, intent and control apart, blind and grey beside.

    match      the answer on the received picture says what the answer on the original says
    accuracy   the answer on the received picture is right

Both are shares of questions: intent (all that the question is about has importance >= 0.6), control (none of it has),
and all questions, mixed ones among them. Two baselines stand beside every system and are judged in the same way: the
blind guess (`semjax.metrics.answers.BlindGuess`), which looks at nothing, and the evaluator before a grey picture. What
a system answers better than the blind guess, it sent. Intervals resample pictures; a picture's questions stay together.
"""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Int, Shaped

from semjax.evaluators.bootstrap import Interval
from semjax.evaluators.resampled import ratio_interval
from semjax.evaluators.results import Row
from semjax.metrics.answers import matches

ROLES = ("intent", "control", "mixed")
BLIND = "blind guess"
GREY = "grey picture"
SHOWN = (("_intent", "intent"), ("_control", "control"), ("", None))
"""End of a metric's name, and the role of the questions that it is of; None = all."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Judged:
    """Questions on received pictures, and whether the answers hold.

    Attributes:
      picture: id of the picture that each question is on.
      role: one of `ROLES`.
      kind: what sort of question it is.
      right: whether the answer is the truth.
      same: whether it is the answer on the original picture.
    """

    picture: Int[np.ndarray, "q"]
    role: Shaped[np.ndarray, "q"]
    kind: Shaped[np.ndarray, "q"]
    right: Bool[np.ndarray, "q"]
    same: Bool[np.ndarray, "q"]

    def __post_init__(self) -> None:
        lengths = {f.name: np.shape(getattr(self, f.name)) for f in dataclasses.fields(self)}
        if len(set(lengths.values())) != 1 or len(np.shape(self.picture)) != 1:
            raise ValueError(f"one value per question in every field, got shapes {lengths}")
        unknown = sorted(set(np.asarray(self.role).tolist()) - set(ROLES))
        if unknown:
            raise ValueError(f"roles are {', '.join(ROLES)}, got {unknown}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Asked:
    """The questions of a test: everything but the answers under test.

    Attributes:
      picture: id of the picture that each of the q questions is on.
      role: one of `ROLES`.
      kind: a kind that `semjax.metrics.answers.answer_match` knows.
      text, truth: of each question.
      original: the evaluator's answer on the picture as it was before it was sent.
    """

    picture: Sequence[int]
    role: Sequence[str]
    kind: Sequence[str]
    text: Sequence[str]
    truth: Sequence[str]
    original: Sequence[str]

    def judge(self, answers: Sequence[str]) -> Judged:
        """Judges the answers that were given on received pictures.

        Raises:
          ValueError: not one answer per question.
        """
        return Judged(
            picture=np.asarray(self.picture, np.int64),
            role=np.asarray(self.role, str),
            kind=np.asarray(self.kind, str),
            right=matches(self.text, answers, self.truth, kinds=self.kind),
            same=matches(self.text, answers, self.original, kinds=self.kind),
        )


def answered(judged: Mapping[str, Judged], *, about: Row) -> list[Row]:
    """Result rows of all systems, baselines among them.

    Args:
      judged: the answers by name of the system; `BLIND` and `GREY` name the baselines.
      about: fields that all rows share (data set, channel, SNR, cbr, commit ...).

    Returns:
      Rows with `about`, `system`, `metric` (answer_intent, answer_control, answer; match_intent, match_control,
      match), `mean`, `ci_low`, `ci_high`, `n_images` and `n_questions`; a share of no questions is NaN.
    """
    return [
        {**about, "system": system, "metric": metric + end, **_shares(held, values, role)}
        for system, held in judged.items()
        for metric, values in (("answer", held.right), ("match", held.same))
        for end, role in SHOWN
    ]


def margin(a: Judged, b: Judged) -> Interval:
    """By how much a's accuracy exceeds b's on the same questions, in the same order, with its 95 % interval.

    Raises:
      ValueError: the questions are not the same.
    """
    if not (np.array_equal(a.picture, b.picture) and np.array_equal(a.kind, b.kind)):
        raise ValueError(
            f"a margin needs the same questions on both sides, got {len(a.picture)} and {len(b.picture)}, or another "
            "order of pictures or kinds"
        )
    return ratio_interval(a.right.astype(float) - b.right, np.ones(len(a.right)), picture=a.picture)


def _shares(held: Judged, values: np.ndarray, role: str | None) -> Row:
    chosen = np.ones(len(values), bool) if role is None else held.role == role
    found = ratio_interval(values[chosen].astype(float), np.ones(int(chosen.sum())), picture=held.picture[chosen])
    return {
        "mean": found.mean,
        "ci_low": found.low,
        "ci_high": found.high,
        "n_images": len(np.unique(held.picture[chosen])),
        "n_questions": int(chosen.sum()),
    }
