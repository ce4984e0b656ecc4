"""The sampling of scenes: split rules, ranges, visibility, determinism."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from semjax.scenes import world
from semjax.scenes.render import render
from semjax.scenes.shapes import CLASS_NAMES, SHAPES
from semjax.scenes.world import BACKGROUNDS, COLOURS, SPLITS, TEXTURES, Scene, SceneConfig, sample_scene

CFG = SceneConfig()
COUNTS = {"train": 2000}  # 400 of the others
SEEN = ("train", "val", "test")


@functools.cache
def scenes(split: str) -> Scene:
    sample = jax.jit(jax.vmap(lambda key: sample_scene(key, CFG, split)))
    return jax.device_get(sample(jax.random.split(jax.random.key(5), COUNTS.get(split, 400))))


def pairs(scene: Scene) -> list[set[tuple[str, str]]]:
    """The (shape, colour) pairs present in each scene."""
    rows = zip(scene.shape, scene.colour, scene.present, strict=True)
    return [{(SHAPES[s], COLOURS[c]) for s, c, p in zip(*row, strict=True) if p} for row in rows]


@pytest.mark.parametrize("split", SPLITS)
def test_values_lie_in_the_world(split):
    scene = scenes(split)
    count = scene.present.sum(1)
    assert count.min() == CFG.objects_min
    assert count.max() == CFG.objects_max
    assert scene.radius.min() >= CFG.radius_min
    assert scene.radius.max() <= CFG.radius_max
    assert (np.abs(scene.centre) + scene.radius[..., None] <= 1 + 1e-6)[scene.present].all()


def test_every_value_occurs():
    assert len(SHAPES) == len(CLASS_NAMES) == len(COLOURS) == 8
    both = [scenes("train"), scenes("unseen_class"), scenes("unseen_background")]
    for name, values in (("shape", SHAPES), ("colour", COLOURS), ("texture", TEXTURES)):
        found = set(np.concatenate([getattr(s, name)[s.present] for s in both]).tolist())
        assert found == set(range(len(values)))
    assert set(np.concatenate([s.background for s in both]).tolist()) == set(range(len(BACKGROUNDS)))


@pytest.mark.parametrize("split", SPLITS)
def test_split_rules(split):
    scene = scenes(split)
    held = {BACKGROUNDS.index(CFG.held_out_background)}
    assert (
        (set(scene.background.tolist()) == held) if split == "unseen_background" else not held & set(scene.background)
    )
    for found in pairs(scene):
        new_class = {pair for pair in found if pair[0] in CFG.held_out_shapes}
        new_combo = found & set(CFG.held_out_combos)
        assert bool(new_class) == (split == "unseen_class")
        assert bool(new_combo) == (split == "unseen_combo")


def test_every_held_out_thing_occurs_in_its_split():
    assert {s for found in pairs(scenes("unseen_class")) for s, _ in found} >= set(CFG.held_out_shapes)
    assert {p for found in pairs(scenes("unseen_combo")) for p in found} >= set(CFG.held_out_combos)


def test_splits_and_keys_give_different_scenes():
    seeds = np.concatenate([scenes(split).seed for split in SPLITS])
    assert len(np.unique(seeds)) >= len(seeds) - 2
    centres = np.concatenate([scenes(split).centre[:, 0] for split in SEEN])
    assert len(np.unique(centres, axis=0)) == len(centres)


def test_batch_equals_single():
    batch = scenes("unseen_class")
    key = jax.random.split(jax.random.key(5), 400)[17]
    single = jax.jit(sample_scene, static_argnums=(1, 2))(key, CFG, "unseen_class")
    for one, many in zip(jax.tree.leaves(single), jax.tree.leaves(batch), strict=True):
        np.testing.assert_allclose(one, many[17], rtol=1e-6)


def test_half_of_every_object_is_seen():
    few = jax.tree.map(lambda x: jnp.asarray(x[:200]), scenes("train"))

    @jax.jit
    @jax.vmap
    def shares(scene):
        together = render(scene, 64).ids

        def share(slot):
            only = jnp.arange(world.SLOTS) == slot
            alone = render(Scene(**{**vars(scene), "present": scene.present & only}), 64).ids == slot + 1
            return jnp.sum(together == slot + 1) / jnp.sum(alone)

        return jax.vmap(share)(jnp.arange(world.SLOTS))

    seen = np.asarray(shares(few))[np.asarray(few.present)]
    assert seen.min() >= 0.5
    assert seen.max() == 1
    assert (seen < 1).mean() > 0.02, "no object covers another: the order of painting is not exercised"


@pytest.mark.parametrize(
    "settings",
    [
        {"objects_min": 1},
        {"objects_max": 6},
        {"radius_min": 0.1},
        {"held_out_shapes": ("blob",)},
        {"held_out_combos": (("disc", "pink"),)},
        {"held_out_background": "sea"},
        {"held_out_shapes": SHAPES},
    ],
)
def test_a_wrong_configuration_is_refused(settings):
    with pytest.raises(ValueError, match=r"fails|is not one of|held out"):
        SceneConfig(**settings)


def test_a_split_keeps_its_scenes():
    """The random numbers of a split depend on its place: new splits come last."""
    assert SPLITS.index("unseen_background") == 5
    assert SPLITS[6:] == ("unseen_scenario",)
    assert scenes("test").seed[:2].tolist() == [416911588, 2020149808]
    assert scenes("unseen_background").seed[:2].tolist() == [3994989518, 1539478656]


def test_wrong_and_empty_splits_are_refused():
    with pytest.raises(ValueError, match="'dev' is not one of: train, val"):
        sample_scene(jax.random.key(0), CFG, "dev")
    with pytest.raises(ValueError, match="holds out nothing"):
        sample_scene(jax.random.key(0), SceneConfig(held_out_combos=()), "unseen_combo")
