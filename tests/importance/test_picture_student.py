"""The student behind a frozen tower: what it sees, where it starts, and what it refuses."""

import dataclasses
import functools
import pathlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.traverse_util import flatten_dict, unflatten_dict

from semjax.encoders.mobilenet import MobileNetV1
from semjax.importance.base import ImportanceError
from semjax.importance.picture_student import (
    PictureStudent,
    PictureTower,
    Student,
    load_student,
    places,
    save_student,
)
from semjax.losses.distill import bce_distill
from semjax.types import Public

NET = MobileNetV1(first=4, widths=(7, 8), strides=(8, 2), classes=3)
IMAGE = np.random.default_rng(0).random((2, 48, 36, 3)).astype(np.float32)
SEEN = np.random.default_rng(1).random((2, 3, 4, 6)).astype(np.float32)
PUBLIC = Public(snr_db=jnp.zeros(2), rate=jnp.ones(2), scenario=jnp.array([2, 0]), height=48, width=64)


def drawn(shapes: Any) -> Any:
    """Parameters of these shapes, none of them zero, variances above it."""
    rng = np.random.default_rng(2)
    return jax.tree.map(lambda leaf: np.abs(0.5 * rng.standard_normal(leaf.shape)).astype(np.float32) - 0.2, shapes)


@functools.cache
def tower() -> tuple[Any, Any]:
    made = PictureTower(net=NET)
    flat = flatten_dict(drawn(jax.eval_shape(made.init, jax.random.key(0), IMAGE)))
    positive = {path: value + 0.3 if path[-1] == "moving_variance" else value for path, value in flat.items()}
    return jax.jit(made.apply), unflatten_dict(positive)


@functools.cache
def student() -> tuple[Any, Any]:
    """Three scenarios."""
    made = PictureStudent(scenarios=3)
    return jax.jit(made.apply), drawn(jax.eval_shape(made.init, jax.random.key(0), SEEN, PUBLIC, {}))


def test_the_tower_lays_both_maps_over_the_tokens() -> None:
    apply, variables = tower()
    padded = np.pad(IMAGE, ((0, 0), (0, 16), (0, 28), (0, 0)), mode="edge")
    out: Any = jax.jit(NET.apply)({"params": variables["params"]["net"]}, padded)
    seen = np.asarray(apply(variables, IMAGE))
    assert out.middle.shape[1:3] == (4, 4)
    assert out.map.shape[1:3] == (2, 2)
    assert seen.shape == (2, 3, 3, 7 + 8)
    assert seen[..., :7].std() > 0.1
    assert seen[..., 7:].std() > 0.1
    np.testing.assert_allclose(seen[..., :7] ** 2, out.middle[:, :3, :3], atol=1e-5)
    # Centres of coarse cells lie between tokens 0 and 1, 2 and 3: token 1 is a quarter of the way to the next.
    second = 0.75 * out.map[:, 0, 0] + 0.25 * out.map[:, 0, 1]
    np.testing.assert_allclose(seen[:, 0, 0, 7:] ** 2, out.map[:, 0, 0], atol=1e-5)
    np.testing.assert_allclose(seen[:, 0, 1, 7:] ** 2, second, atol=1e-5)


def test_the_map_before_the_last_stride_is_that_of_the_network_without_what_follows() -> None:
    _, variables = tower()
    whole = variables["params"]["net"]
    short = MobileNetV1(first=4, widths=(7,), strides=(8,), classes=3)
    own = {name: value for name, value in whole.items() if "_2" not in name}
    own["conv_preds"] = {"kernel": np.zeros((1, 1, 7, 3), np.float32), "bias": np.zeros(3, np.float32)}
    middle = jax.jit(NET.apply)({"params": whole}, IMAGE).middle
    np.testing.assert_allclose(middle, jax.jit(short.apply)({"params": own}, IMAGE).map, atol=1e-6)


def test_no_gradient_goes_through_the_tower() -> None:
    apply, variables = tower()
    through = jax.jit(jax.grad(lambda v, image: jnp.sum(apply(v, image)), argnums=(0, 1)))(variables, IMAGE)
    assert all(not np.asarray(leaf).any() for leaf in jax.tree.leaves(through))


def test_importance_is_the_linear_map_of_the_scenario() -> None:
    apply, variables = student()
    out = apply(variables, SEEN, PUBLIC, {})
    p = variables["params"]
    v = SEEN @ p["near"]["kernel"] + (SEEN.mean(axis=(1, 2)) @ p["whole"]["kernel"])[:, None, None]
    v = v + places(3, 4) @ p["place"]["kernel"] + p["place"]["bias"]
    wanted = np.stack([v[0, ..., 2], v[1, ..., 0]])
    np.testing.assert_allclose(out.logits, wanted, atol=1e-5)
    np.testing.assert_allclose(out.importance, 1 / (1 + np.exp(-wanted / 2)), atol=1e-6)


def test_places_are_centres_and_their_squares() -> None:
    np.testing.assert_allclose(places(1, 2), [[[0, -0.5, 0, 0.25], [0, 0.5, 0, 0.25]]])


def test_a_fresh_student_is_undecided_and_can_learn() -> None:
    made = PictureStudent(scenarios=3)
    variables: Any = jax.jit(made.init)(jax.random.key(0), SEEN, PUBLIC, {})

    def cost(variables: Any) -> Any:
        out: Any = made.apply(variables, SEEN, PUBLIC, {})
        return jnp.sum(bce_distill(out.logits, jnp.full((2, 3, 4), 0.9), jnp.ones((2, 3, 4))))

    np.testing.assert_array_equal(student()[0](variables, SEEN, PUBLIC, {}).importance, 0.5)
    slope = jax.jit(jax.grad(cost))(variables)["params"]
    for name in ("near", "whole", "place"):
        kernel = np.asarray(slope[name]["kernel"])
        assert kernel[:, [0, 2]].any()
        assert not kernel[:, 1].any()  # the scenario that no picture has


def test_a_scenario_that_there_is_not_shows() -> None:
    apply, variables = student()
    for wrong in (-1, 3):
        out = apply(variables, SEEN, dataclasses.replace(PUBLIC, scenario=jnp.array([wrong, 1])), {})
        assert np.isnan(out.importance[0]).all()
        assert np.isfinite(out.importance[1]).all()
    with pytest.raises(ImportanceError, match="needs each picture's scenario id"):
        PictureStudent(scenarios=3).apply(variables, SEEN, dataclasses.replace(PUBLIC, scenario=None), {})


def test_a_student_begins_as_a_file_of_one(tmp_path: pathlib.Path) -> None:
    _, variables = student()
    file = tmp_path / "student.npz"
    save_student(Student(params=variables["params"], scenarios=("a", "b", "c"), tower="f0"), file)
    begun = PictureStudent(scenarios=3, start=str(file)).init(jax.random.key(0), SEEN, PUBLIC, {})
    jax.tree.map(np.testing.assert_array_equal, begun["params"], variables["params"])
    with pytest.raises(ImportanceError, match=r"\(6, 3\), and \(6, 2\) is needed: it knows 3 scenarios \(a, b, c\)"):
        PictureStudent(scenarios=2, start=str(file)).init(jax.random.key(0), SEEN, PUBLIC, {})


@pytest.mark.parametrize("content", [None, b"no npz", "other"])
def test_what_is_no_student_is_refused(tmp_path: pathlib.Path, content: Any) -> None:
    file = tmp_path / "file.npz"
    if content == "other":
        np.savez(file, meta=np.zeros(1))
    elif content:
        file.write_bytes(content)
    with pytest.raises(ImportanceError, match=r"cannot be read as a student .*name one of coco.*train-student"):
        load_student(str(file))


def test_the_shipped_student_fits_the_tower() -> None:
    shipped = load_student("coco")
    assert shipped.scenarios == ("driving", "home_care", "animal_watch", "security", "sports")
    seen = jax.eval_shape(PictureTower().init_with_output, jax.random.key(0), IMAGE)[0]
    public = dataclasses.replace(PUBLIC, scenario=jnp.array([4, 1]))
    made = PictureStudent(scenarios=5, start="coco")
    begun = jax.jit(made.init)(jax.random.key(0), jnp.zeros(seen.shape), public, {})
    jax.tree.map(np.testing.assert_array_equal, begun["params"], dict(shipped.params))
