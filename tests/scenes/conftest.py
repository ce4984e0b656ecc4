"""Scenes that several tests look at: drawn once, on the host, with every class among them."""

import jax
import numpy as np
import pytest

from semjax.scenes.information import BATCH, draw_scenes
from semjax.scenes.world import Scene


@pytest.fixture(scope="session")
def drawn_scenes() -> tuple[Scene, np.ndarray]:
    """A batch of scenes, as numpy arrays, and the importance of their regions, [b, s, m]."""
    return draw_scenes(jax.random.key(11))


@pytest.fixture(scope="session")
def many(drawn_scenes: tuple[Scene, np.ndarray]) -> Scene:
    """The batch of scenes."""
    return drawn_scenes[0]


@pytest.fixture(scope="session")
def importances(drawn_scenes: tuple[Scene, np.ndarray]) -> np.ndarray:
    """The importance of their regions, [b, s, m]."""
    return drawn_scenes[1]


@pytest.fixture(scope="session")
def singles(many: Scene) -> list[Scene]:
    """The same scenes, one by one."""
    return [jax.tree.map(lambda leaf, i=i: np.asarray(leaf[i]), many) for i in range(BATCH)]
