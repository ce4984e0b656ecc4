"""The teacher that knows: exact importance, answers and captions of scenes; on request, labels that are wrong or fail.

With `noise` p each label is moved to another of `scenarios.LEVELS` with probability p, each other level alike; with
`failures` q each label is FAILED with probability q, its answers stay. Both depend on the picture's id and on `seed`
alone.
"""

import functools
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jaxtyping import Float32

from semjax.scenes.captions import caption as caption_of
from semjax.scenes.scenarios import LEVELS, all_importance, scenario_names
from semjax.scenes.world import Scene
from semjax.store.record import Status
from semjax.teachers.base import Answers, Importance, Json, Question, Scenario, Silent, View

CHUNK = 32
"""Scenes judged at a time: one shape, so that it is compiled once."""


class OracleError(ValueError):
    """A picture or a question whose truth is not known, or settings that cannot be."""


class Oracle(Silent):
    """The truth of scenes: importance, answers and captions.

    Args:
      noise: share of labels that are moved to another level.
      failures: share of labels that fail.
      seed: which ones.

    Raises:
      OracleError: a share outside 0 to 1.
    """

    def __init__(self, noise: float = 0.0, failures: float = 0.0, seed: int = 0):
        for name, share in (("noise", noise), ("failures", failures)):
            if not 0 <= share <= 1:
                raise OracleError(f"{name}={share} must be a share between 0 and 1")
        self.noise, self.failures, self.seed = float(noise), float(failures), int(seed)

    @property
    def fingerprint(self) -> dict[str, Json]:
        """Its settings; the seed alone changes nothing where there is neither noise nor failure."""
        drawn = {"seed": self.seed} if self.noise or self.failures else {}
        return {"kind": "oracle", "noise": self.noise, "failures": self.failures, "levels": list(LEVELS), **drawn}

    def importance(self, views: Sequence[View], scenarios: Sequence[Scenario]) -> list[Importance]:
        """The exact importance of every region, with noise and failures.

        Raises:
          OracleError: a view without a scene, or a scenario that scenes do not have.
        """
        known = scenario_names()
        unknown = [scenario.name for scenario in scenarios if scenario.name not in known]
        if unknown:
            raise OracleError(f"scenes have no scenario {', '.join(unknown)}; they have: {', '.join(known)}")
        rows = [known.index(scenario.name) for scenario in scenarios]
        exact = exact_importance([_scene(view) for view in views])
        return [self._spoilt(scores[rows], view, rows) for scores, view in zip(exact, views, strict=True)]

    def answer(self, views: Sequence[View], questions: Sequence[Sequence[Question]]) -> list[Answers]:
        """The truth of each question, with probability 1.

        Raises:
          OracleError: a question whose truth is not known.
        """
        return [
            Answers(texts=tuple(map(_truth, asked)), logp=np.zeros(len(asked), np.float32))
            for _, asked in zip(views, questions, strict=True)
        ]

    def caption(self, views: Sequence[View], masks: "Sequence[np.ndarray] | None" = None) -> list[str]:
        """The structured caption of each scene, or of what lies in the masks.

        Raises:
          OracleError: a view without a scene.
        """
        shown = [None] * len(views) if masks is None else masks
        return [caption_of(_scene(view), _left_out(view, mask)) for view, mask in zip(views, shown, strict=True)]

    def _spoilt(self, scores: np.ndarray, view: View, rows: Sequence[int]) -> Importance:
        """Noise and failures; those of a scenario do not depend on which others are asked for."""
        shape = (len(scenario_names()), scores.shape[1])
        # Raw bits of a counter-based generator: numpy promises never to change them.
        bits = np.random.Philox(np.random.SeedSequence([self.seed, view.id])).random_raw(3 * shape[0] * shape[1])
        moved, step, failed = ((bits >> 11) * 2.0**-53).reshape(3, *shape)[:, rows]
        level = np.abs(scores[..., None] - np.array(LEVELS)).argmin(-1)
        other = (level + 1 + (step * (len(LEVELS) - 1)).astype(int)) % len(LEVELS)
        score = np.where(moved < self.noise, np.array(LEVELS)[other], scores).astype(np.float32)
        status = np.where(failed < self.failures, Status.FAILED, Status.OK).astype(np.uint8)
        return Importance(score=score, std=np.zeros_like(score), status=status)


def _scene(view: View) -> Scene:
    scene = view.given.get("scene")
    if scene is None:
        raise OracleError(f"picture {view.id} is no scene; the oracle knows scenes only")
    return scene


def _truth(question: Question) -> str:
    if question.truth is None:
        raise OracleError(f"nobody knows the answer to {question.text!r}")
    return question.truth


def _left_out(view: View, mask: np.ndarray | None) -> np.ndarray:
    """bool[n + 1], True on regions that a caption leaves out: those with no pixel in the mask."""
    regions = view.regions
    if mask is None or regions is None:
        return np.zeros(len(_scene(view).present) + 1, bool)
    return ~np.isin(np.arange(len(regions.valid)), regions.ids_map[mask])


@functools.cache
def _judge() -> Any:
    return jax.jit(jax.vmap(all_importance))


def exact_importance(scenes: Sequence[Scene]) -> list[Float32[np.ndarray, "s m"]]:
    """The importance of every region of each scene under every scenario, by `scenarios.all_importance`."""
    found: list[np.ndarray] = []
    for first in range(0, len(scenes), CHUNK):
        some = list(scenes[first : first + CHUNK])
        filled = some + [some[-1]] * (CHUNK - len(some))
        batch = jax.tree.map(lambda *leaves: np.stack(leaves), *filled)
        found += list(np.asarray(_judge()(batch)))[: len(some)]
    return found
