"""Eight scenarios, and the exact importance of every region of a scene under each.

A rule names regions by class, colour, texture, place, background or closeness to others, and gives them one of
`LEVELS`; where several clauses name a region, the highest holds, and where none does, the lowest. Two things are close
where less than `CLOSE` lies between their bounding circles. Rules are invariant under mirroring left and right.

    rescue     medkit 1, flare and buoy 0.8, what is close to a medkit 0.6
    traffic    car 1, sign 0.8; on road: ball 0.8, the background 0.6
    camp       tent 1, crate on grass 1, what is close to a tent 0.6, another crate 0.3
    game       ball 1, what is close to a ball 0.8
    hazard     red and orange 1, yellow 0.6
    inventory  stripes 1, dots 0.6
    approach   the lowest thing 1, what is close to it 0.6
    survey     grass, road or brick 1, sign 0.8, sky 0.3

CHOICE: "nearest to the viewer" is read as "lowest in the picture": which of two things is in front shows in a picture
only where they overlap, and a rule that the picture does not tell could not be learned from pictures.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key

from semjax.scenes.shapes import CLASS_NAMES
from semjax.scenes.wordings import SCENARIOS, TRAINING_WORDINGS, SceneScenario
from semjax.scenes.world import BACKGROUNDS, COLOURS, SPLITS, TEXTURES, Leaf, Scene
from semjax.types import struct

__all__ = [
    "IMPORTANT",
    "LEVELS",
    "SCENARIOS",
    "SceneScenario",
    "all_importance",
    "draw_wording",
    "importance",
    "scenario_names",
    "text_of",
]

LEVELS = (0.1, 0.3, 0.6, 0.8, 1.0)
IMPORTANT = 0.6
"""From here on a region is important: questions on it are the intent's."""
CLOSE = 0.1
Where = Bool[Array, "n"]


@struct
class _Facts:
    """What rules speak about: truth values per slot, closeness of pairs, height; indices of kinds."""

    shape: Int[Array, "n"]
    colour: Int[Array, "n"]
    texture: Int[Array, "n"]
    background: Int[Array, ""]
    close: Bool[Array, "n n"]
    lowest: Where

    def called(self, *names: str) -> Where:
        """Which things have one of these class names."""
        return _among(self.shape, CLASS_NAMES, names)

    def coloured(self, *names: str) -> Where:
        """Which things have one of these colours."""
        return _among(self.colour, COLOURS, names)

    def on(self, *names: str) -> Bool[Array, ""]:
        """Whether the background is one of these."""
        return _among(self.background, BACKGROUNDS, names)

    def near(self, those: Where) -> Where:
        """Which things are close to one of those."""
        return jnp.any(self.close & those, axis=1)


def _among(index: Array, values: tuple[str, ...], names: tuple[str, ...]) -> Array:
    return jnp.any(jnp.stack([index == values.index(name) for name in names]), axis=0)


def _facts(scene: Scene) -> _Facts:
    present, centre, radius = (jnp.asarray(leaf) for leaf in (scene.present, scene.centre, scene.radius))
    # The root is finite, and has finite slopes, on the diagonal too.
    apart = jnp.sqrt(jnp.sum((centre[:, None] - centre[None]) ** 2, axis=-1) + 1e-12)
    gap = apart - radius[:, None] - radius[None]
    pairs = present[:, None] & present[None] & ~jnp.eye(len(radius), dtype=bool)
    height = jnp.where(present, centre[:, 1], -jnp.inf)
    return _Facts(
        shape=jnp.where(present, jnp.asarray(scene.shape), -1),
        colour=jnp.where(present, jnp.asarray(scene.colour), -1),
        texture=jnp.where(present, jnp.asarray(scene.texture), -1),
        background=jnp.asarray(scene.background),
        close=pairs & (gap < CLOSE),
        lowest=(jnp.arange(len(radius)) == jnp.argmax(height)) & present,
    )


def _graded(*clauses: tuple[Array, float]) -> Array:
    """The highest level of the clauses that hold, or the lowest level."""
    return jnp.stack([jnp.where(holds, level, LEVELS[0]) for holds, level in clauses]).max(axis=0)


def _plain(f: _Facts) -> Array:
    return jnp.full_like(f.background, LEVELS[0], dtype=jnp.float32)


def _rescue(f: _Facts) -> tuple[Array, Array]:
    medkit = f.called("medkit")
    return _graded((medkit, 1.0), (f.called("flare", "buoy"), 0.8), (f.near(medkit), 0.6)), _plain(f)


def _traffic(f: _Facts) -> tuple[Array, Array]:
    road = f.on("road")
    things = _graded((f.called("car"), 1.0), (f.called("sign"), 0.8), (f.called("ball") & road, 0.8))
    return things, _graded((road, 0.6))


def _camp(f: _Facts) -> tuple[Array, Array]:
    tent, crate, grass = f.called("tent"), f.called("crate"), f.on("grass")
    return _graded((tent | (crate & grass), 1.0), (f.near(tent), 0.6), (crate, 0.3)), _plain(f)


def _game(f: _Facts) -> tuple[Array, Array]:
    ball = f.called("ball")
    return _graded((ball, 1.0), (f.near(ball), 0.8)), _plain(f)


def _hazard(f: _Facts) -> tuple[Array, Array]:
    return _graded((f.coloured("red", "orange"), 1.0), (f.coloured("yellow"), 0.6)), _plain(f)


def _inventory(f: _Facts) -> tuple[Array, Array]:
    stripes, dots = (f.texture == TEXTURES.index(name) for name in ("stripes", "dots"))
    return _graded((stripes, 1.0), (dots, 0.6)), _plain(f)


def _approach(f: _Facts) -> tuple[Array, Array]:
    return _graded((f.lowest, 1.0), (f.near(f.lowest), 0.6)), _plain(f)


def _survey(f: _Facts) -> tuple[Array, Array]:
    return _graded((f.called("sign"), 0.8)), _graded((f.on("grass", "road", "brick"), 1.0), (f.on("sky"), 0.3))


RULES = (_rescue, _traffic, _camp, _game, _hazard, _inventory, _approach, _survey)
"""In the order of `SCENARIOS`: importance of the slots, and of the background."""


def all_importance(scene: Scene) -> Float[Array, "s m"]:
    """The importance of every region of one scene under every scenario; pure, for `jit` and `vmap`.

    Args:
      scene: without a batch axis.

    Returns:
      float32[scenarios, 1 + slots]: the background first, 0 on empty slots.
    """
    facts = _facts(scene)

    def regions(things: Array, ground: Array) -> Array:
        return jnp.concatenate([ground[None], jnp.where(jnp.asarray(scene.present), things, 0)])

    return jnp.stack([regions(*rule(facts)) for rule in RULES]).astype(jnp.float32)


def importance(scene: Scene, scenario: Int[Leaf, ""] | int | np.integer) -> Float[Array, "m"]:
    """The importance of every region of one scene under one scenario; pure, for `jit` and `vmap`.

    Args:
      scene: without a batch axis.
      scenario: index into `SCENARIOS`; may be traced.

    Returns:
      float32[1 + slots]: the background first, 0 on empty slots.

    Raises:
      ValueError: a scenario, known before tracing, that there is not.
    """
    if isinstance(scenario, int | np.integer) and not 0 <= scenario < len(SCENARIOS):
        raise ValueError(f"scenario {scenario} is none of 0 to {len(SCENARIOS) - 1}: {', '.join(scenario_names())}")
    return all_importance(scene)[scenario]


def scenario_names() -> tuple[str, ...]:
    """The names of the scenarios, in their order."""
    return tuple(scenario.name for scenario in SCENARIOS)


def draw_wording(key: Key[Array, ""], split: str) -> tuple[Int[Array, ""], Int[Array, ""]]:
    """Draws a scenario and one of the wordings that a split may use.

    Args:
      key: of the draw.
      split: `unseen_scenario` has the held-out wordings, each other one the usual ones.

    Returns:
      Index of the scenario, and of its wording; see `text_of`.

    Raises:
      ValueError: no such split.
    """
    if split not in SPLITS:
        raise ValueError(f"{split!r} is not one of: {', '.join(SPLITS)}")
    held_out = split == "unseen_scenario"
    first, last = (TRAINING_WORDINGS, len(SCENARIOS[0].wordings)) if held_out else (0, TRAINING_WORDINGS)
    for_scenario, for_wording = jax.random.split(key)
    return (
        jax.random.randint(for_scenario, (), 0, len(SCENARIOS)),
        jax.random.randint(for_wording, (), first, last),
    )


def text_of(scenario: int | np.integer, wording: int | np.integer) -> str:
    """A scenario in words.

    Args:
      scenario: index into `SCENARIOS`.
      wording: index of one of its wordings.

    Returns:
      The text.

    Raises:
      ValueError: no such scenario or wording.
    """
    if not 0 <= scenario < len(SCENARIOS) or not 0 <= wording < len(SCENARIOS[scenario].wordings):
        raise ValueError(f"there is no wording {wording} of scenario {scenario}")
    return SCENARIOS[scenario].wordings[wording]
