"""Crops against an independent resampler, pictures of every size alike, and the network's shapes."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from semjax.encoders.crop_reader import MARGIN, SIDE, WHOLE, CropReader, crop, crops_of, read, whole_of

TREE = {
    "background": (32, 4),
    "colour": (128, 8),
    "crop": (768, 256),
    "embed": (256, 128),
    "scene": (768, 32),
    "shape": (128, 8),
    "something": (128, 2),
    "texture": (128, 3),
}


@functools.cache
def variables():
    crops, whole = jnp.zeros((1, 1, SIDE, SIDE, 3)), jnp.zeros((1, SIDE, SIDE, 3))
    return jax.jit(CropReader().init)(jax.random.key(0), crops, whole)


def random_image(height: int, width: int):
    return jnp.asarray(np.random.default_rng(height).random((height, width, 3)), jnp.float32)


@jax.jit
def resized(image, scale, translation):
    return jax.image.scale_and_translate(image, (SIDE, SIDE, 3), (0, 1), scale, translation, "linear", antialias=True)


cropped = jax.jit(crop)


def test_parameters_have_their_names_and_shapes():
    assert {name: layer["kernel"].shape for name, layer in variables()["params"].items()} == TREE


@pytest.mark.parametrize("box", [(0.3, 0.25, 0.6, 0.75), (0.4, 0.45, 0.52, 0.6)])
def test_a_crop_inside_is_that_of_jax_image(box):
    """`scale_and_translate` has the same triangle, widened where it makes the picture smaller."""
    shape, (top, left, bottom, right) = (64, 96), box
    image = random_image(*shape)
    sides = np.array([bottom - top, right - left]) * shape * MARGIN
    start = np.array([top + bottom, left + right]) / 2 * shape - sides / 2
    assert (start >= sides / SIDE).all(), "the box must lie inside: beyond the border the two differ"
    scale = jnp.asarray(SIDE / sides, jnp.float32)
    twin = resized(image, scale, -scale * jnp.asarray(start, jnp.float32))
    np.testing.assert_allclose(cropped(image, jnp.array(box), MARGIN), twin, atol=1e-5)


def test_the_whole_of_a_small_picture_is_itself():
    image = random_image(SIDE, SIDE)
    np.testing.assert_allclose(cropped(image, jnp.array(WHOLE), 1.0), image, atol=1e-6)
    np.testing.assert_allclose(jax.jit(whole_of)(image[None])[0], image, atol=1e-6)


def test_beyond_the_border_it_is_repeated():
    image = jnp.zeros((32, 32, 3)).at[0].set(1.0)
    found = cropped(image, jnp.array([-0.5, 0.2, 0.0, 0.8]), 1.0)
    np.testing.assert_allclose(found, 1, atol=1e-6)
    empty = cropped(random_image(32, 32), jnp.zeros(4), MARGIN)  # a filled-up box: a point
    assert np.isfinite(np.asarray(empty)).all()


def disc(size: int):
    """A soft disc and stripes, the same at every size."""
    axis = (np.arange(size) + 0.5) / size
    across, down = np.meshgrid(axis, axis)
    inside = np.clip((0.12 - np.hypot(across - 0.45, down - 0.4)) * size + 0.5, 0, 1)
    return jnp.asarray(np.stack([inside, 0.5 + 0.4 * np.sin(20 * down), 1 - inside], -1), jnp.float32)


def test_a_thing_looks_alike_at_every_size():
    box = jnp.array([[[0.28, 0.33, 0.52, 0.57]]])
    small, large = (jax.jit(crops_of)(disc(size)[None], box)[0, 0] for size in (64, 256))
    assert float(jnp.mean(jnp.abs(small - large))) < 0.03
    assert float(jnp.mean(jnp.abs(small - jnp.mean(small, (0, 1))))) > 0.2, "nothing is in the crop"


def test_readings_of_many_are_those_of_each():
    images = jnp.stack([random_image(48, 48), random_image(48, 48)[::-1]])
    boxes = jnp.array([[[0.1, 0.1, 0.4, 0.4], [0.5, 0.2, 0.9, 0.6]], [[0, 0, 0.3, 0.3], [0.2, 0.2, 0.5, 0.5]]])
    many = jax.jit(read)(variables(), images, boxes)
    assert {name: leaf.shape for name, leaf in vars(many).items()} == {
        **{"shape": (2, 2, 8), "colour": (2, 2, 8), "texture": (2, 2, 3), "something": (2, 2, 2)},
        **{"background": (2, 4), "features": (2, 2, 128)},
    }
    one = jax.jit(read)(variables(), images[1:], boxes[1:, 1:])
    for name in ("shape", "colour", "texture", "something", "features"):
        np.testing.assert_allclose(getattr(one, name)[0, 0], getattr(many, name)[1, 1], atol=1e-5)
    np.testing.assert_allclose(one.background[0], many.background[1], atol=1e-5)


def test_a_loss_can_go_back_to_the_picture():
    box = jnp.array([[[0.25, 0.25, 0.5, 0.5]]])

    def loss(image):
        return jnp.sum(read(variables(), image[None], box).features ** 2)

    slope = jax.jit(jax.grad(loss))(random_image(64, 64))
    inside, outside = slope[16:32, 16:32], slope[40:, 40:]
    assert float(jnp.abs(inside).min()) > 0
    assert float(jnp.abs(outside).max()) == 0
