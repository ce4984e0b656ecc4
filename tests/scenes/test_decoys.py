"""Decoys: exact shares, as many as objects, of their sizes, repeatable; fewer where there is no room."""

import functools

import jax
import numpy as np

from semjax.scenes import decoys as module
from semjax.scenes.decoys import MOST_COVERED, covered, decoys
from semjax.scenes.render import render
from semjax.scenes.world import SLOTS, Scene, SceneConfig, sample_scene


@functools.cache
def drawn():
    def draw(key):
        scene = sample_scene(key, SceneConfig(), "test")
        return scene, render(scene, 64).ids

    scenes, ids = jax.device_get(jax.jit(jax.vmap(draw))(jax.random.split(jax.random.key(3), 40)))
    return [(jax.tree.map(lambda leaf, i=i: np.asarray(leaf[i]), scenes), ids[i]) for i in range(len(ids))]


def share_by_counting(box, mask) -> float:
    """The twin: asks every pixel whether its centre lies in the box."""
    height, width = mask.shape
    inside = sum(
        bool(mask[y, x]) and box[0] <= (y + 0.5) / height < box[2] and box[1] <= (x + 0.5) / width < box[3]
        for y in range(height)
        for x in range(width)
    )
    return inside / max(mask.sum(), 1)


def test_shares_are_counted_exactly():
    rng = np.random.default_rng(0)
    mask = rng.random((11, 17)) < 0.4
    low = rng.random((20, 2)) * 0.7
    boxes = np.concatenate([low, low + rng.random((20, 2)) * 0.6], axis=1)
    np.testing.assert_array_equal(covered(boxes, mask), [share_by_counting(box, mask) for box in boxes])
    whole = np.array([[0.0, 0.0, 1.0, 1.0], [0.5, 0.5, 0.5, 0.5], [-1.0, -1.0, 2.0, 2.0]])
    assert covered(whole, mask).tolist() == [1, 0, 1]
    assert covered(whole, np.zeros((4, 4), bool)).tolist() == [0, 0, 0]


def test_a_decoy_holds_a_tenth_of_any_object_at_most():
    found = 0
    for index, (scene, ids) in enumerate(drawn()):
        boxes = decoys(scene, ids, index)
        assert boxes.dtype == np.float32
        assert len(boxes) == scene.present.sum()
        for slot in np.flatnonzero(scene.present) + 1:
            assert covered(boxes, ids == slot).max() <= MOST_COVERED
        sides = np.stack([boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]])
        assert sides.min() >= SceneConfig().radius_min - 1e-6
        assert sides.max() <= SceneConfig().radius_max + 1e-6
        assert boxes.min() >= -1e-6
        assert boxes.max() <= 1 + 1e-6
        found += len(boxes)
    assert found > 100


def test_the_seed_decides():
    scene, ids = drawn()[0]
    np.testing.assert_array_equal(decoys(scene, ids, 7), decoys(scene, ids, 7))
    assert not np.array_equal(decoys(scene, ids, 7), decoys(scene, ids, 8))


def test_fewer_where_there_is_no_room(monkeypatch):
    scene, _ = drawn()[0]
    everywhere = Scene(**{**vars(scene), "present": np.ones(SLOTS, bool)})
    # Points so close that every box holds some of the few of each object.
    lattice = np.zeros((60, 60), np.uint8)
    lattice[5::10, 5::10] = np.arange(36).reshape(6, 6) % SLOTS + 1
    assert len(decoys(everywhere, lattice, 0)) < SLOTS
    monkeypatch.setattr(module, "TRIES", 1)
    assert len(decoys(everywhere, np.zeros((60, 60), np.uint8), 0)) == 1
