"""The renderer: the id map against a numpy twin and closed-form areas, the picture, and what is counted as seen."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from semjax.scenes import shapes
from semjax.scenes.render import PALETTE, render, truth
from semjax.scenes.shapes import SHAPES
from semjax.scenes.world import BACKGROUNDS, COLOURS, SLOTS, TEXTURES, Scene, SceneConfig, sample_scene

draw = jax.jit(render, static_argnums=1)
sample = jax.jit(sample_scene, static_argnums=(1, 2))

AREAS = {
    "disc": math.pi,
    "square": 1.4**2,
    "triangle": 3 * math.sqrt(3) / 4,
    "cross": 2 * 4 * 0.94 * 0.32 - 0.64**2,
    "ring": math.pi * (0.99**2 - 0.43**2),
    "diamond": 2.0,
    "star": 5 * shapes.STAR_INNER * math.sin(math.pi / 5),
    "bar": 4 * 0.94 * 0.33,
}


def scene(**fields):
    """A scene of one large object in the middle, unless told otherwise."""
    default = {
        "shape": np.zeros(SLOTS, np.int32),
        "colour": np.arange(SLOTS, dtype=np.int32),
        "texture": np.zeros(SLOTS, np.int32),
        "centre": np.zeros((SLOTS, 2), np.float32),
        "radius": np.full(SLOTS, 0.6, np.float32),
        "present": np.arange(SLOTS) == 0,
        "background": np.asarray(2, np.int32),
        "seed": np.asarray(7, np.uint32),
    }
    return Scene(**{**default, **fields})


def star_polygon(x, y):
    """Even-odd rule over the star's ten corners, the first one straight up."""
    angle = np.pi / 2 + np.arange(10) * np.pi / 5
    reach = np.where(np.arange(10) % 2 == 0, 1, shapes.STAR_INNER)
    px, py = reach * np.cos(angle), reach * np.sin(angle)
    inside = np.zeros(x.shape, bool)
    for ax, ay, bx, by in np.stack([px, py, np.roll(px, -1), np.roll(py, -1)], 1):
        crosses = (ay > y) != (by > y)
        inside ^= crosses & (x < ax + (y - ay) * (bx - ax) / (by - ay))
    return inside


def twin(name, x, y):
    """Where a point of an object's frame is inside, written from the definitions."""
    r, ax, ay = np.hypot(x, y), abs(x), abs(y)
    return {
        "disc": lambda: r < 1,
        "square": lambda: (ax < 0.7) & (ay < 0.7),
        "triangle": lambda: (y > -0.5) & (y < 1 - math.sqrt(3) * ax),
        "cross": lambda: ((ax < 0.94) & (ay < 0.32)) | ((ax < 0.32) & (ay < 0.94)),
        "ring": lambda: (r > 0.43) & (r < 0.99),
        "diamond": lambda: ax + ay < 1,
        "star": lambda: star_polygon(x, y),
        "bar": lambda: (ax < 0.94) & (ay < 0.33),
    }[name]()


@pytest.mark.parametrize("name", SHAPES)
def test_area_and_extent_of_every_shape(name):
    ids = np.asarray(draw(scene(shape=np.full(SLOTS, SHAPES.index(name), np.int32)), 256).ids)
    area = (ids == 1).sum() * (2 / 256) ** 2 / 0.6**2
    assert area == pytest.approx(AREAS[name], rel=0.02)
    axis = (np.arange(256) + 0.5) / 256 * 2 - 1
    x, y = np.meshgrid(axis, axis)
    assert np.hypot(x, y)[ids == 1].max() <= 0.6


@pytest.mark.parametrize("size", [64, 128, 256])
def test_id_map_is_exact_over_random_scenes(size):
    axis = (np.arange(size) + 0.5) / size * 2 - 1
    x, y = np.meshgrid(axis, axis)
    wrong = total = 0
    for i in range(1536 // size):
        s = jax.device_get(sample(jax.random.key(i), SceneConfig(), "unseen_class"))
        expected = np.zeros((size, size), int)
        for slot in reversed(range(SLOTS)):
            u, v = (x - s.centre[slot, 0]) / s.radius[slot], (s.centre[slot, 1] - y) / s.radius[slot]
            if s.present[slot]:
                expected[twin(SHAPES[s.shape[slot]], u, v)] = slot + 1
        wrong += (np.asarray(draw(s, size).ids) != expected).sum()
        total += (expected > 0).sum()
    # A pixel centre may lie within rounding of an outline.
    assert total > 10_000
    assert wrong <= 3


def test_what_is_present_is_seen(singles):
    count = jax.jit(truth)
    for s in singles[:400]:
        seen = count(s, draw(s, 64).ids)
        np.testing.assert_array_equal(seen.visible, s.present)
        assert np.asarray(seen.pixels)[s.present].min() > 30


def test_distance_has_unit_slope_at_the_outline():
    x, y = jnp.asarray(np.random.default_rng(0).uniform(-1.2, 1.2, (2, 2000)), jnp.float32)
    over_points = jax.vmap(jax.value_and_grad(shapes.distance, (1, 2)), (None, 0, 0))
    value, slope = jax.jit(jax.vmap(over_points, (0, None, None)))(jnp.arange(len(SHAPES)), x, y)
    near = np.abs(value) < 0.05
    assert near.sum(1).min() > 20
    np.testing.assert_allclose(np.hypot(*slope)[near], 1, atol=1e-4)


def test_outline_is_anti_aliased_without_bias():
    """The change an object makes, over the change of a fully covered pixel, sums to its area in pixels."""
    hidden = np.asarray(draw(scene(present=np.zeros(SLOTS, bool)), 64).image, np.float64)
    for radius in (0.5, 0.507, 0.517, 0.524):
        square = scene(
            shape=np.full(SLOTS, SHAPES.index("square"), np.int32), radius=np.full(SLOTS, radius, np.float32)
        )
        drawn = draw(square, 64)
        # Along the middle row only the left and right edge are partial.
        before, after = hidden[32, :, 0], np.asarray(drawn.image, np.float64)[32, :, 0]
        edge = float(PALETTE[0][0] * 0.94 * 0.45)
        left = next(i for i in range(64) if abs(after[i] - before[i]) > 1e-6)
        share = (after[left] - before[left]) / (edge - before[left])
        position = (1 - 0.7 * radius) * 32
        assert left == math.floor(position)
        assert share == pytest.approx(1 - (position - left), abs=0.03)


@pytest.mark.parametrize("size", [64, 256])
@pytest.mark.parametrize("background", range(len(BACKGROUNDS)))
def test_picture_is_in_range_and_deterministic(size, background):
    s = scene(
        background=np.asarray(background, np.int32),
        present=np.ones(SLOTS, bool),
        texture=np.arange(SLOTS, dtype=np.int32) % 3,
    )
    first, second = draw(s, size), draw(s, size)
    image = np.asarray(first.image)
    assert image.shape == (size, size, 3)
    assert image.dtype == np.float32
    assert first.ids.dtype == jnp.uint8
    assert image.min() >= 0
    assert image.max() <= 1
    np.testing.assert_array_equal(image, second.image)
    other = np.asarray(
        draw(scene(background=np.asarray(background, np.int32), seed=np.asarray(8, np.uint32)), size).image
    )
    assert np.abs(other - image)[np.asarray(first.ids) == 0].mean() > 0.01, "the seed does not change the background"


def test_batch_equals_single():
    scenes = [sample(jax.random.key(i), SceneConfig(), "unseen_class") for i in range(6)]
    many = jax.jit(jax.vmap(lambda s: render(s, 64)))(jax.tree.map(lambda *x: jnp.stack(x), *scenes))
    for i in range(6):
        one = draw(scenes[i], 64)
        np.testing.assert_allclose(one.image, many.image[i], atol=2e-5)
        np.testing.assert_array_equal(one.ids, many.ids[i])


def test_one_scene_looks_alike_at_two_sizes():
    s = sample(jax.random.key(2), SceneConfig(), "unseen_class")
    small, large = np.asarray(draw(s, 64).image), np.asarray(draw(s, 256).image)
    pooled = large.reshape(64, 4, 64, 4, 3).mean((1, 3))
    assert np.abs(pooled - small).mean() < 0.02


def test_colour_and_texture_of_an_object():
    for colour in range(len(COLOURS)):
        image = np.asarray(draw(scene(colour=np.full(SLOTS, colour, np.int32)), 64).image)
        np.testing.assert_allclose(image[31:33, 31:33].mean((0, 1)), np.array(PALETTE[colour]) * 0.94, atol=0.01)
    flat = [
        np.asarray(draw(scene(texture=np.full(SLOTS, t, np.int32)), 64).image)[20:44, 20:44, 0]
        for t in range(len(TEXTURES))
    ]
    plain, stripes, dots = (f.mean() for f in flat)
    assert stripes < plain - 0.1
    assert dots - plain < 0.1
    assert np.ptp(flat[0]) < 0.1 < np.ptp(flat[1])


def test_truth_counts_what_is_seen():
    # Slot 0 covers slot 1 (smaller, same place) and leaves half of slot 2; slots 3 and 4 are empty.
    s = scene(
        centre=np.array([[0, 0], [0, 0], [0.4, 0], [0, 0], [0, 0]], np.float32),
        radius=np.array([0.4, 0.3, 0.4, 0.3, 0.3], np.float32),
        present=np.array([True, True, True, False, False]),
    )
    seen = jax.jit(truth)(s, draw(s, 64).ids)
    assert seen.visible.tolist() == [True, False, True, False, False]
    assert int(seen.count) == 2
    assert int(seen.pixels[0]) == pytest.approx(math.pi * (0.4 * 32) ** 2, rel=0.03)
    # Two discs one radius apart share 2 acos(1/2) - sqrt(3)/2 of r^2.
    lens = 2 * math.acos(0.5) - math.sqrt(3) / 2
    assert int(seen.pixels[2]) == pytest.approx((math.pi - lens) * (0.4 * 32) ** 2, rel=0.03)


def test_too_small_a_picture_is_refused():
    with pytest.raises(ValueError, match="size=8"):
        render(scene(), 8)
