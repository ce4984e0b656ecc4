"""What is in a scene: the sampling of objects and background, and the splits.

Coordinates: the picture is [-1, 1] x [-1, 1], x to the right, y downwards. A scene has a fixed number of slots; slot 0
is nearest to the viewer and covers what lies behind it. Objects are placed from near to far: each takes the first of
eleven random places where at least `MIN_VISIBLE` of it stays uncovered, counting every nearer object as its full
bounding disc (a bound from below on what is seen). Five fixed places, the corners and the middle, follow as a last
resort; an object for which even these fail is left out. One nearer object cannot spoil two of them, so the first two
objects always find a place.

Splits: `train`, `val` and `test` are alike and hold nothing that is held out. `unseen_class` has one object of a
held-out shape, `unseen_combo` one of a held-out pair of shape and colour (each known apart), both in one of the two
nearest slots; `unseen_background` has the held-out background. `unseen_scenario` has scenes alike `test`, to be judged
under held-out wordings of the scenarios (see `wordings`).
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key, UInt32

from semjax.scenes.shapes import SHAPES, distance
from semjax.types import struct

COLOURS = ("red", "green", "blue", "yellow", "purple", "cyan", "grey", "orange")
TEXTURES = ("plain", "stripes", "dots")
BACKGROUNDS = ("sky", "grass", "road", "brick")
SPLITS = ("train", "val", "test", "unseen_class", "unseen_combo", "unseen_background", "unseen_scenario")

SLOTS = 5
Leaf = Array | np.ndarray  # a drawn scene may be brought to the host
MIN_VISIBLE = 0.6
RANDOM_PLACES = 11
FIXED_PLACES = ((-1.0, -1.0), (1.0, 1.0), (-1.0, 1.0), (1.0, -1.0), (0.0, 0.0))
PROBE = 16


@dataclasses.dataclass(frozen=True, kw_only=True)
class SceneConfig:
    """What scenes are made of.

    Attributes:
      objects_min, objects_max: bounds of the number of objects.
      radius_min, radius_max: bounds of an object's radius, in half widths of the picture.
      held_out_shapes: only in split `unseen_class`.
      held_out_combos: pairs (shape, colour) only in split `unseen_combo`.
      held_out_background: only in split `unseen_background`.
    """

    objects_min: int = 2
    objects_max: int = SLOTS
    radius_min: float = 0.2
    radius_max: float = 0.32
    held_out_shapes: tuple[str, ...] = ("ring", "star")
    held_out_combos: tuple[tuple[str, str], ...] = (
        ("disc", "red"),
        ("square", "green"),
        ("triangle", "blue"),
        ("cross", "yellow"),
        ("diamond", "purple"),
        ("bar", "cyan"),
    )
    held_out_background: str = "brick"

    def __post_init__(self) -> None:
        if not 2 <= self.objects_min <= self.objects_max <= SLOTS:
            raise ValueError(f"2 <= objects_min={self.objects_min} <= objects_max={self.objects_max} <= {SLOTS} fails")
        if not 0.2 <= self.radius_min <= self.radius_max <= 0.35:
            raise ValueError(f"0.2 <= radius_min={self.radius_min} <= radius_max={self.radius_max} <= 0.35 fails")
        _known(self.held_out_shapes, SHAPES)
        _known([shape for shape, _ in self.held_out_combos], SHAPES)
        _known([colour for _, colour in self.held_out_combos], COLOURS)
        _known([self.held_out_background], BACKGROUNDS)
        if not len(_pairs(self, "train")):
            raise ValueError("every pair of shape and colour is held out: nothing is left to train on")


@struct
class Scene:
    """The graph of one scene: slots of objects, nearest first, and a background.

    Attributes:
      shape, colour, texture: indices into `SHAPES`, `COLOURS`, `TEXTURES`.
      centre: x and y in [-1, 1].
      radius: in half widths of the picture.
      present: False on slots without an object.
      background: index into `BACKGROUNDS`.
      seed: of the irregularities of the background.
    """

    shape: Int[Leaf, "*b n"]
    colour: Int[Leaf, "*b n"]
    texture: Int[Leaf, "*b n"]
    centre: Float[Leaf, "*b n 2"]
    radius: Float[Leaf, "*b n"]
    present: Bool[Leaf, "*b n"]
    background: Int[Leaf, "*b"]
    seed: UInt32[Leaf, "*b"]


def sample_scene(key: Key[Array, ""], cfg: SceneConfig, split: str) -> Scene:
    """Draws a scene; pure, of fixed shapes, to be used under `jit` and `vmap`.

    Args:
      key: the same key gives another scene in each split.
      cfg: what scenes are made of.
      split: one of `SPLITS`.

    Returns:
      A scene of `SLOTS` slots.

    Raises:
      ValueError: no such split.
    """
    _known([split], SPLITS)
    # One draw for everything: each draw costs compilation time. Uniform numbers are made of its upper 24 bits.
    per_slot = 3 + RANDOM_PLACES * 2
    bits = jax.random.bits(jax.random.fold_in(key, SPLITS.index(split)), (SLOTS * per_slot + 5,), jnp.uint32)
    chance = (bits >> 8).astype(jnp.float32) * 2.0**-24
    scene, (pair, texture, size, *places) = chance[1:5], chance[5:].reshape(per_slot, SLOTS)
    shape, colour = _kinds(pair, special=scene[:2], cfg=cfg, split=split)
    radius = cfg.radius_min + size * (cfg.radius_max - cfg.radius_min)
    centre, fits = _place(shape, radius, 2 * jnp.stack(places, axis=1).reshape(SLOTS, RANDOM_PLACES, 2) - 1)
    count = cfg.objects_min + _pick(scene[2], cfg.objects_max - cfg.objects_min + 1)
    backgrounds = [b for b in BACKGROUNDS if (b == cfg.held_out_background) == (split == "unseen_background")]
    return Scene(
        shape=shape,
        colour=colour,
        texture=_pick(texture, len(TEXTURES)),
        centre=centre,
        radius=radius,
        present=fits & (jnp.arange(SLOTS) < count),
        background=jnp.array([BACKGROUNDS.index(b) for b in backgrounds])[_pick(scene[3], len(backgrounds))],
        seed=bits[0],
    )


def _known(names: "list[str] | tuple[str, ...]", among: tuple[str, ...]) -> None:
    for name in names:
        if name not in among:
            raise ValueError(f"{name!r} is not one of: {', '.join(among)}")


def _pairs(cfg: SceneConfig, split: str) -> np.ndarray:
    """The (shape, colour) index pairs, int[m, 2], that mark a split; those of `train` fill every other object."""
    pairs = [(shape, colour) for shape in SHAPES for colour in COLOURS]
    if split == "unseen_class":
        pairs = [p for p in pairs if p[0] in cfg.held_out_shapes]
    elif split == "unseen_combo":
        pairs = [p for p in pairs if p in cfg.held_out_combos and p[0] not in cfg.held_out_shapes]
    else:
        pairs = [p for p in pairs if p not in cfg.held_out_combos and p[0] not in cfg.held_out_shapes]
    return np.array([(SHAPES.index(shape), COLOURS.index(colour)) for shape, colour in pairs]).reshape(-1, 2)


def _pick(chance: Array, n: int) -> Array:
    """An index below n from a uniform number in [0, 1)."""
    return jnp.floor(chance * n).astype(jnp.int32)


def _kinds(chance: Array, *, special: Array, cfg: SceneConfig, split: str) -> tuple[Array, Array]:
    """Shape and colour of each slot; in an unseen split, slot 0 or 1 is what the split is about."""
    marking, usual = _pairs(cfg, split), _pairs(cfg, "train")
    if not len(marking):
        raise ValueError(f"split {split!r} is empty: the configuration holds out nothing for it")
    pairs = jnp.asarray(usual)[_pick(chance, len(usual))]
    pairs = pairs.at[_pick(special[0], 2)].set(jnp.asarray(marking)[_pick(special[1], len(marking))])
    return pairs[:, 0], pairs[:, 1]


def _place(shape: Array, radius: Array, places: Array) -> tuple[Array, Array]:
    """Centres, float[n, 2], and whether each object found a place, bool[n]."""
    axis = (jnp.arange(PROBE) + 0.5) / PROBE * 2 - 1
    probe = jnp.stack(jnp.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    slots = jnp.arange(SLOTS)

    def place(nearer: tuple[Array, Array], slot: Array) -> tuple[tuple[Array, Array], None]:
        centre, placed = nearer
        candidates = jnp.concatenate([places[slot], jnp.array(FIXED_PLACES)]) * (1 - radius[slot])
        inside = distance(shape[slot], probe[:, 0], -probe[:, 1]) < 0
        points = candidates[:, None] + radius[slot] * probe
        away = jnp.sum((points[:, :, None] - centre) ** 2, axis=-1) > radius**2
        seen = jnp.all(away | ~placed, axis=-1) & inside
        good = jnp.sum(seen, axis=1) >= MIN_VISIBLE * jnp.sum(inside)
        return (centre.at[slot].set(candidates[jnp.argmax(good)]), placed.at[slot].set(jnp.any(good))), None

    start = (jnp.zeros((SLOTS, 2)), jnp.zeros(SLOTS, bool))
    (centre, placed), _ = jax.lax.scan(place, start, slots)
    return centre, placed
