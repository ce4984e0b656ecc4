"""`ScoredImportance`: importance from the probabilities that a model gives to the ten digits.

For a region, a scenario and a paraphrase of the prompt, the model's log-probabilities ℓ_0 .. ℓ_9 of the digits become

    p_d = exp(ℓ_d) / Σ_j exp(ℓ_j)        m = Σ_d p_d d        v = Σ_d p_d d² − m²

Over K paraphrases the importance is mean(m) / 9, and its standard deviation that of the mixture of their
distributions, √(mean(v + m²) − mean(m)²) / 9. Nothing is parsed, so nothing can be misread; a model that raises, gives
NaN or the wrong number of values has failed that one question.
"""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float64

from semjax.store.record import Status
from semjax.teachers.answering import ANSWER_PROMPT, probabilities, scored_answers
from semjax.teachers.base import Answers, Importance, Json, Question, Scenario, Silent, View
from semjax.teachers.marks import Marks
from semjax.teachers.prompting import Scorer, asked_regions, marks_fingerprint, named, regions_of, storable

DIGITS = tuple("0123456789")
PARAPHRASES = (
    "The picture is sent over a narrow channel for this use: {scenario}. Some regions carry numbered marks. How much "
    "does the receiver need {region}? 0 = not at all, 9 = nothing can replace it. Answer with one digit 0-9.",
    "Use of the picture: {scenario}. Judge {region} as it appears here, in its surroundings, on a scale from 0 "
    "(irrelevant for that use) to 9 (indispensable for it). Answer with one digit 0-9.",
)
KINDS = {"yes_no": ("yes", "no"), "count": DIGITS}
"""Candidate answers by kind of question."""


@dataclasses.dataclass(frozen=True)
class ScoredImportance(Silent):
    """The default way to ask a model that shows its probabilities.

    A region gets status OK if every paraphrase was answered, REPAIRED if only some were, FAILED if none was, MISSING if
    it was not asked (too small for a mark, or an empty slot). `raw` has every distribution, or why there is none.

    Args:
      scorer: the model.
      paraphrases: templates with the fields {scenario} and {region}.
      marks: how regions are shown.
      candidates: possible answers per kind of question; a question of another kind gets "".
    """

    scorer: Scorer
    paraphrases: tuple[str, ...] = dataclasses.field(default=PARAPHRASES, kw_only=True)
    marks: Marks = dataclasses.field(default=Marks(), kw_only=True)
    candidates: Mapping[str, Sequence[str]] = dataclasses.field(default_factory=lambda: KINDS, kw_only=True)

    @property
    def fingerprint(self) -> dict[str, Json]:
        """The model, the texts and the marks."""
        return {
            "kind": "scored",
            "model": dict(self.scorer.model_id),
            "paraphrases": list(self.paraphrases),
            "answer_prompt": ANSWER_PROMPT,
            "candidates": {kind: list(texts) for kind, texts in self.candidates.items()},
            "marks": marks_fingerprint(self.marks),
        }

    def importance(self, views: Sequence[View], scenarios: Sequence[Scenario]) -> list[Importance]:
        """One question per region, scenario and paraphrase."""
        return [self._importance(view, scenarios) for view in views]

    def answer(self, views: Sequence[View], questions: Sequence[Sequence[Question]]) -> list[Answers]:
        """The most probable candidate for each question; see `semjax.teachers.answering`."""
        return [
            scored_answers(self.scorer, view, asked, candidates=self.candidates)
            for view, asked in zip(views, questions, strict=True)
        ]

    def _importance(self, view: View, scenarios: Sequence[Scenario]) -> Importance:
        regions = regions_of(view)
        shown = self.marks.draw(view.image, regions)
        score = np.zeros((len(scenarios), len(regions.names)), np.float32)
        std, status, raw = np.zeros_like(score), np.full(score.shape, Status.MISSING, np.uint8), []
        for row, scenario in enumerate(scenarios):
            for region in asked_regions(self.marks, regions):
                known = []
                for k, template in enumerate(self.paraphrases):
                    prompt = template.format(scenario=scenario.text, region=named(regions, region))
                    p, told = _digits(self.scorer, shown, prompt)
                    known += [] if p is None else [p]
                    raw.append(f"{scenario.name} {region} {k}: {told}")
                status[row, region] = _status(len(known), len(self.paraphrases))
                if known:
                    score[row, region], std[row, region] = moments(np.stack(known))
        return Importance(score=score, std=std, status=status, raw="\n".join(raw))


def moments(p: Float64[np.ndarray, "k 10"]) -> tuple[float, float]:
    """Importance and its standard deviation from k distributions over the digits.

    >>> moments(np.eye(10)[[0, 9]])
    (0.5, 0.5)
    """
    digits = np.arange(10)
    mean, square = float((p @ digits).mean()), float((p @ digits**2).mean())
    return mean / 9, float(np.sqrt(max(square - mean**2, 0.0))) / 9


def _digits(scorer: Scorer, image: np.ndarray, prompt: str) -> tuple[np.ndarray | None, str]:
    """The distribution over the digits, or None; and what the model said, or what was wrong."""
    try:
        logp = scorer.score(image, prompt, DIGITS)
        p = probabilities(logp, len(DIGITS))
    except Exception as error:  # whatever an outside model raises: it has not answered
        return None, storable(f"failed: {type(error).__name__}: {error}"[:200])
    return p, " ".join(f"{value:.3f}" for value in np.asarray(logp, np.float64))


def _status(answered: int, asked: int) -> Status:
    if not answered:
        return Status.FAILED
    return Status.OK if answered == asked else Status.REPAIRED
