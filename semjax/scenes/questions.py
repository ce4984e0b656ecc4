"""Questions on a scene with exact answers, and whether they ask what a scenario cares about.

Each question carries its program, its answer, and its relevant regions: those that must be seen to answer it. A
question with the answer "no" describes a near miss, a thing like one that is there but for one attribute; relevant are
all things that miss by one attribute. Left and right are the picture's: a mirrored picture needs new answers.
"""

import functools
from collections.abc import Callable
from typing import Literal

import jax
import numpy as np
from jaxtyping import Array, Float, Key

from semjax.scenes.graph import Graph, graph_of
from semjax.scenes.question_kinds import (
    AskedQuestion,
    Dice,
    ask,
    on_attributes,
    on_existence,
    on_numbers,
    on_relations,
)
from semjax.scenes.question_texts import KINDS, QuestionError, parse
from semjax.scenes.scenarios import IMPORTANT, importance
from semjax.scenes.world import Scene

__all__ = [
    "KINDS",
    "AskedQuestion",
    "QuestionError",
    "every_question",
    "parse",
    "questions",
    "role",
]

MOST = 12
Role = Literal["intent", "control", "mixed"]


def every_question(graph: Graph, seed: int) -> tuple[AskedQuestion, ...]:
    """The fixed questions of one scene: two each on existence, relation and number, one on the background, the rest on
    attributes; each thing that can be told apart is asked about, and there is a "no" for every "yes".

    Args:
      graph: the truth.
      seed: 0 or more; which things are asked what.

    Returns:
      At most `MOST`, fewer where the scene does not allow them.

    Raises:
      ValueError: a negative seed.
    """
    if seed < 0:
        raise ValueError(f"seed={seed} is below 0")
    dice = Dice(seed)
    asked = [ask(graph, "background", {}, dice, relevant=(0,))]
    if graph.things:
        asked += on_existence(graph, dice)
        asked += on_relations(graph, dice)
        asked += on_numbers(graph, dice)
        asked += on_attributes(graph, dice, most=MOST - len(asked))
    return tuple(sorted(asked, key=lambda question: KINDS.index(question.kind)))


def role(question: AskedQuestion, importance: Float[Array, "m"] | Float[np.ndarray, "m"]) -> Role:
    """Whether a question asks what matters: all its regions are important, none is, or some are.

    Args:
      question: on the scene.
      importance: of its regions, the background first.

    Returns:
      "intent", "control" or "mixed".
    """
    values = np.asarray(importance, np.float32)
    important = [bool(values[region] >= np.float32(IMPORTANT)) for region in question.relevant]
    return "intent" if all(important) else "mixed" if any(important) else "control"


def questions(scene: Scene, key: Key[Array, ""], scenario: int, k: int) -> tuple[AskedQuestion, ...]:
    """Up to k questions on a scene: half on what matters to a scenario, half on the rest, as far as there are such.

    Args:
      scene: without a batch axis.
      key: of the choice.
      scenario: index into `SCENARIOS`.
      k: how many, 1 or more.

    Returns:
      Those on what matters first.

    Raises:
      ValueError: k below 1, or no such scenario.
    """
    if k < 1:
        raise ValueError(f"k={k} questions cannot be asked")
    order, seed = (int(bits) for bits in np.asarray(jax.random.bits(key, (2,))))
    asked = Dice(order).shuffled(every_question(graph_of(scene), seed))
    values = np.asarray(_importance()(scene, scenario))
    intent, control = ([q for q in asked if role(q, values) == which] for which in ("intent", "control"))
    half = max((k + 1) // 2, k - len(control))
    intent = intent[:half]
    return tuple(intent + control[: k - len(intent)])


@functools.cache
def _importance() -> Callable[[Scene, int], Array]:
    return jax.jit(importance)
