"""SA-OOSC whose student sees a picture through a frozen tower: whose its parameters are, and how they come in."""

import dataclasses
import functools
import pathlib

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array

from semjax.app import build, config, learned
from semjax.app.errors import UserError
from semjax.app.workdir import claim
from semjax.data.files import DataError
from semjax.importance.picture_student import PictureStudent, PictureTower, load_student
from semjax.systems import scenario_trained
from semjax.systems.base import frozen_of, picture_keys
from semjax.training.checkpoint import flat
from semjax.types import Batch, Public

REGISTRY = build.default_registry()
SMALL = {"features": 24, "levels": (0, 4, 8, 16), "width": 8, "depth": 0, "scenarios": 2}
NET = {"name": "residual_conv", "modulation": "none", "widths": (4, 4, 4, 4), "blocks": (0, 0, 0, 0)}
CONFIG = pathlib.Path(__file__).parents[2] / "configs" / "sa_oosc.py"
B, H, W = 2, 40, 33


class Brightness(nn.Module):
    """A tower of one parameter: its feature is that times the mean of each token."""

    @nn.compact
    def __call__(self, image: Array, public: Public) -> Array:
        b, h, w, _ = image.shape
        mean = image.reshape(b, h // 16, 16, w // 16, 16, 3).mean(axis=(2, 4, 5))
        return mean[..., None] * self.param("gain", nn.initializers.ones, ())


def resolved(variant: str = "student_pixels", **options):
    cfg = {
        "system": {"name": "sa_oosc", "variant": variant, **SMALL, **options},
        "encoder": NET,
        "decoder": NET,
        "phases": ({"name": "all", "weights": {"distortion": 1.0, "kd": 1.0}},),
    }
    return config.resolve(cfg, REGISTRY)


@functools.cache
def trainable() -> scenario_trained.ScenarioTrained:
    """The system with a small tower, so that no weights are needed."""
    made = build.build(resolved(), REGISTRY)
    assert isinstance(made, scenario_trained.ScenarioTrained)
    assert isinstance(made.module.tower, PictureTower)  # type: ignore[attr-defined]
    small = made.module.clone(tower=Brightness())
    return dataclasses.replace(made, module=small, weights=lambda: {"gain": np.float32(1.0)})


@functools.cache
def batch() -> Batch:
    rng = np.random.default_rng(0)
    public = Public(
        snr_db=jnp.full(B, 10.0), rate=jnp.ones(B), height=H, width=W, scenario=jnp.arange(B, dtype=jnp.int32)
    )
    labels = {
        "importance": rng.random((B, 2, 3)).astype(np.float32),
        "weight": np.ones((B, 2, 3), np.float32),
        "ids": rng.integers(0, 3, (B, H, W)).astype(np.uint8),
    }
    image = rng.random((B, H, W, 3)).astype(np.float32)
    return jax.tree.map(
        jnp.asarray, Batch(image=image, public=public, labels=labels, id=np.arange(B), mask=np.ones(B, bool))
    )


@functools.cache
def params():
    made, _ = jax.jit(trainable().init)(jax.random.key(0), batch())
    near = {"kernel": jnp.array([[3.0, -3.0]])}
    return {**made["codec"], "importance": {**made["codec"]["importance"], "near": near}}


@functools.cache
def transmit():
    return jax.jit(trainable().predict_fns()["transmit"])


def test_the_towers_parameters_are_no_parameters_of_the_system() -> None:
    assert "tower" not in params()
    assert set(params()["importance"]) == {"near", "whole", "place"}
    assert frozen_of(trainable()) == {"tower": {"tower": {"gain": 1.0}}}
    assert frozen_of(build.build(resolved("student"), REGISTRY)) == {}


def test_importance_is_of_what_the_tower_sees_of_the_padded_picture() -> None:
    signal = transmit()({"params": params()}, frozen_of(trainable()), batch().image, batch().public, {})
    padded = np.pad(batch().image, ((0, 0), (0, 8), (0, 15), (0, 0)), mode="edge")
    mean = padded.reshape(B, 3, 16, 3, 16, 3).mean(axis=(2, 4, 5))
    sign = np.array([3.0, -3.0])[:, None, None]
    said = 1 / (1 + np.exp(-sign * mean / 2.0))
    np.testing.assert_allclose(signal.aux["importance"], said, atol=1e-5)
    assert signal.ints["rates"].shape == (B, 3, 3)
    blind = transmit()({"params": params()}, {"tower": {"tower": {"gain": 0.0}}}, batch().image, batch().public, {})
    np.testing.assert_allclose(blind.aux["importance"], 0.5, atol=1e-6)


def test_training_reaches_the_student_and_not_what_comes_in_as_frozen() -> None:
    (phase,) = trainable().PHASES
    keys = picture_keys(jax.random.key(0), 0, batch().id)

    def loss(codec, frozen):
        outputs, _ = trainable().forward(codec, {}, frozen, batch(), keys, phase)
        return jnp.mean(trainable().terms(outputs, batch(), frozen)["kd"])

    value, grads = jax.jit(jax.value_and_grad(loss))(params(), frozen_of(trainable()))
    assert float(value) > 0
    assert all(float(jnp.abs(leaf).max()) > 0 for leaf in jax.tree.leaves(grads["importance"]))
    assert jax.tree.structure(grads) == jax.tree.structure(params())


def test_weights_that_are_not_there_are_asked_for(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEMJAX_DATA", str(tmp_path))
    with pytest.raises(DataError, match=r"no checkpoint holds.*mobilenet_v1_0\.75_224\.npz.*system\.tower"):
        frozen_of(build.build(resolved(), REGISTRY))
    monkeypatch.delenv("SEMJAX_DATA")
    with pytest.raises(DataError, match="environment variable"):
        frozen_of(build.build(resolved(), REGISTRY))


def test_it_begins_as_the_student_that_is_named() -> None:
    module = build.build(resolved(start="coco", scenarios=5), REGISTRY).module  # type: ignore[attr-defined]
    assert module.importance == PictureStudent(scenarios=5, start="coco")
    others = build.build(resolved("uniform", start="coco"), REGISTRY).module  # type: ignore[attr-defined]
    assert others == build.build(resolved("uniform"), REGISTRY).module  # type: ignore[attr-defined]


def test_it_knows_its_scenarios_by_number() -> None:
    assert learned.rows_of(trainable()) == 2
    with pytest.raises(UserError, match="depends on the scenario"):
        learned.public_scenario(resolved(), trainable(), "", where="--scenario")


def test_the_shipped_student_has_the_scenarios_of_the_albums_configuration() -> None:
    cfg = config.load(f"{CONFIG}:coco")
    assert tuple(cfg.data.train.teachers.scenarios) == load_student(cfg.system.start).scenarios


def test_a_run_of_a_version_without_the_options_goes_on(tmp_path: pathlib.Path) -> None:
    new = resolved()
    old = new.to_dict()
    del old["system"]["tower"]
    del old["system"]["start"]
    (tmp_path / "config.json").write_text(config.to_json(config.ConfigDict(old)))
    (tmp_path / "ckpt" / "1").mkdir(parents=True)
    assert claim(tmp_path, new, REGISTRY) == tmp_path
    with pytest.raises(UserError, match="another configuration"):
        claim(tmp_path, resolved(start="coco", scenarios=5), REGISTRY)


def test_no_leaf_of_the_tower_is_saved() -> None:
    whole = jax.eval_shape(build.build(resolved(), REGISTRY).init, jax.random.key(0), batch())[0]["codec"]
    assert not [path for path in flat(whole) if "tower" in path]
