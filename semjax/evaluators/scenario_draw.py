"""Which scenario each picture of an evaluation is sent and judged under, and the text that both ends then know.

A picture's scenario is the named one, or drawn from its id, so that it does not depend on batch size or order.
"""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Protocol

import jax
import numpy as np
from jaxtyping import Int32

from semjax.scenes.scenarios import draw_wording, scenario_names, text_of
from semjax.scenes.words import tokens

DRAWN = "drawn"
"""Instead of a scenario's name: each picture has one of its own, drawn from its id."""
TEXT_LENGTH = 32
"""Words of a scenario's text, padding included."""


class ScenarioDraw(Protocol):
    """The scenarios of pictures."""

    def of(self, picture: int) -> int:
        """The row of a picture's scenario in its labels."""
        ...

    def columns(self, ids: Sequence[int]) -> dict[str, Int32[np.ndarray, "b ..."]]:
        """What is public of the pictures of these ids: "scenario" [b] and, where there is one, "text" [b, l]."""
        ...


@dataclasses.dataclass(frozen=True, kw_only=True)
class SceneScenarios:
    """Scenarios of scenes in a wording of their split.

    Attributes:
      split: of the scenes.
      name: of a scenario, or `DRAWN`.
      seed: of the drawing.

    Raises:
      ValueError: no such scenario.
    """

    split: str
    name: str
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuses unknown names."""
        _known(self.name, scenario_names(), "scenes have")

    def _both(self, picture: int) -> tuple[int, int]:
        scenario, wording = (int(number) for number in _drawn(self.seed, picture, self.split))
        return (scenario if self.name == DRAWN else scenario_names().index(self.name)), wording

    def of(self, picture: int) -> int:
        """The scenario's index in `scenario_names()`."""
        return self._both(picture)[0]

    def columns(self, ids: Sequence[int]) -> dict[str, Int32[np.ndarray, "b ..."]]:
        """Index and words of each picture's scenario."""
        both = [self._both(int(picture)) for picture in ids]
        texts = [_tokens(scenario, wording) for scenario, wording in both]
        return {"scenario": np.array([scenario for scenario, _ in both], np.int32), "text": np.stack(texts)}


@dataclasses.dataclass(frozen=True, kw_only=True)
class StoredScenarios:
    """Scenarios that teacher stores know, as rows of their labels.

    Attributes:
      names: of the rows.
      name: of one of them, or `DRAWN`.
      seed: of the drawing.

    Raises:
      ValueError: no such scenario.
    """

    names: tuple[str, ...]
    name: str
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuses unknown names."""
        _known(self.name, self.names, "the teacher stores know")

    def of(self, picture: int) -> int:
        """The scenario's row."""
        if self.name != DRAWN:
            return self.names.index(self.name)
        # Raw bits of a counter-based generator: numpy promises never to change them.
        return int(np.random.Philox(np.random.SeedSequence([self.seed, picture])).random_raw(1)[0] % len(self.names))

    def columns(self, ids: Sequence[int]) -> dict[str, Int32[np.ndarray, "b ..."]]:
        """The row of each picture's scenario."""
        return {"scenario": np.array([self.of(int(picture)) for picture in ids], np.int32)}


def _known(name: str, names: Sequence[str], who: str) -> None:
    if name not in (*names, DRAWN):
        raise ValueError(f"{who} no scenario {name!r}; there are: {', '.join((*names, DRAWN))}")


@functools.partial(jax.jit, static_argnums=2)
def _drawn(seed: int, picture: int, split: str) -> tuple[jax.Array, jax.Array]:
    return draw_wording(jax.random.fold_in(jax.random.key(seed), picture), split)


@functools.cache
def _tokens(scenario: int, wording: int) -> np.ndarray:
    return tokens(text_of(scenario, wording), TEXT_LENGTH)
