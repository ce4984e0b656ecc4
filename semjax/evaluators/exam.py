"""Questions to a reader about what was received: the answers of an evaluation, beside those of the sent pictures.

    scene i ─► questions, boxes, importance under a scenario
    received picture, boxes ─► Reader ─► answers ─► right? as on the sent picture? ─► counts per picture

A metric is a share of questions; what is kept per picture are its numerator and its denominator (`shares.RATIOS`), so
that pictures can be resampled whole and systems compared on the same questions. Two baselines stand
beside every system: the blind guess and the reader before a grey picture (`semjax.evaluators.answers`).

The reader is `Reader.default()`; a system that learned from a reader must have learned from another instance.
"""

import dataclasses
import functools
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float, Int

from semjax.data import images
from semjax.evaluators.answers import BLIND, GREY, SHOWN
from semjax.evaluators.scenario_draw import ScenarioDraw
from semjax.evaluators.shares import RATIOS
from semjax.metrics.answers import BlindGuess, matches
from semjax.scenes.questions import role
from semjax.teachers.albums import ScenesAlbum
from semjax.teachers.base import View
from semjax.teachers.oracle import exact_importance
from semjax.teachers.reader import Reader

GREY_LEVEL = 128
GUESSED_FROM = 1000
"""Scenes of train that the blind guess is fitted on."""
Counts = dict[str, Float[np.ndarray, "b"]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Paper:
    """What is asked on one picture, and the answers that received ones are compared with."""

    view: View
    roles: tuple[str, ...]
    original: tuple[str, ...]

    @functools.cached_property
    def kinds(self) -> list[str]:
        return [question.kind for question in self.view.questions]

    def counts(self, answers: Sequence[str]) -> dict[str, float]:
        """Numerators and denominators of every metric."""
        texts = [question.text for question in self.view.questions]
        truths = [question.truth or "" for question in self.view.questions]
        held = {
            "answer": matches(texts, answers, truths, kinds=self.kinds),
            "match": matches(texts, answers, self.original, kinds=self.kinds),
            "asked": np.ones(len(texts), bool),
        }
        roles = np.array(self.roles)
        return {
            f"{name}{end}": float(np.sum(values if which is None else values & (roles == which)))
            for name, values in held.items()
            for end, which in SHOWN
        }


class SceneExam:
    """Asks about scenes of one album.

    Args:
      album: the scenes that are sent, whole.
      scenarios: whose intent is asked for.
      reader: who answers.
    """

    def __init__(self, album: ScenesAlbum, *, scenarios: ScenarioDraw, reader: Reader | None = None):
        self.album, self.scenarios, self.reader = album, scenarios, reader or Reader.default()
        self._papers: dict[int, _Paper] = {}

    def counts(self, received: Float[np.ndarray, "b h w 3"], batch: Mapping[str, np.ndarray]) -> Counts:
        """Numerators and denominators of `RATIOS` for each picture of a batch; 0 on rows that only fill it up.

        Args:
          received: pictures as they arrived, not clipped.
          batch: "id" and "_mask".
        """
        rows = np.flatnonzero(np.asarray(batch["_mask"]))
        papers = self._of([int(batch["id"][row]) for row in rows])
        shown = images.to_uint8(np.clip(np.asarray(received), 0, 1))
        views = [dataclasses.replace(paper.view, image=shown[row]) for row, paper in zip(rows, papers, strict=True)]
        told = self.reader.answer(views, [view.questions for view in views])
        found = {name: np.zeros(len(shown)) for name in {*RATIOS, *RATIOS.values()}}
        for row, paper, said in zip(rows, papers, told, strict=True):
            for name, value in paper.counts(said.texts).items():
                found[name][row] = value
        return found

    def baselines(self, ids: Int[np.ndarray, "p"]) -> dict[str, Counts]:
        """The counts of the blind guess and of the grey picture on the pictures of these ids."""
        papers = self._of(ids.tolist())
        grey = [dataclasses.replace(p.view, image=np.full_like(p.view.image, GREY_LEVEL)) for p in papers]
        said = self.reader.answer(grey, [view.questions for view in grey])
        guessed = [[self._guess(kind) for kind in paper.kinds] for paper in papers]
        told = {BLIND: guessed, GREY: [answers.texts for answers in said]}
        return {
            name: _columns([p.counts(a) for p, a in zip(papers, answers, strict=True)])
            for name, answers in told.items()
        }

    @functools.cached_property
    def _guess(self) -> BlindGuess:
        train = ScenesAlbum(split="train", count=GUESSED_FROM, seed=self.album.source.seed)
        asked = [question for index in range(len(train)) for question in train.asked(index)]
        return BlindGuess.fit([question.kind for question in asked], [question.answer for question in asked])

    def _of(self, pictures: Sequence[int]) -> list[_Paper]:
        new = [picture for picture in dict.fromkeys(pictures) if picture not in self._papers]
        views = [self.album.view(picture) for picture in new]
        told = self.reader.answer(views, [view.questions for view in views]) if views else []
        important = exact_importance([view.given["scene"] for view in views])
        for picture, view, said, values in zip(new, views, told, important, strict=True):
            own = values[self.scenarios.of(picture)]
            roles = tuple(role(question, own) for question in self.album.asked(picture))
            self._papers[picture] = _Paper(view=view, roles=roles, original=said.texts)
        return [self._papers[picture] for picture in pictures]


def _columns(counts: Sequence[Mapping[str, float]]) -> Counts:
    return {name: np.array([each[name] for each in counts]) for name in (counts[0] if counts else ())}
