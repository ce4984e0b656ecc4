"""Sources of importance: where they start, what they depend on and what not, and what they say when told too little."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from semjax.importance.base import ImportanceError
from semjax.importance.embedding import ScenarioTable, ScenarioText, check_scenarios
from semjax.importance.fixed import FixedROI, GivenImportance, UniformImportance
from semjax.importance.objects import ImportanceStudent
from semjax.types import Public

Y = jnp.asarray(np.random.default_rng(0).standard_normal((2, 6, 7, 5)), jnp.float32)
TEXT = jnp.array([[2, 3, 4, 5, 0, 0], [5, 4, 3, 2, 6, 7]])
PUBLIC = Public(snr_db=jnp.zeros(2), rate=jnp.ones(2), text=TEXT, scenario=jnp.array([0, 2]), height=96, width=112)
EMBEDDINGS = {"table": ScenarioTable(scenarios=3, width=8), "text": ScenarioText(vocabulary=9, width=8)}


def told(**changes: Any) -> Public:
    return Public(**{**{name: getattr(PUBLIC, name) for name in PUBLIC.__dataclass_fields__}, **changes})


def drawn(shapes: Any) -> Any:
    """Parameters of these shapes, none of them zero; compiling the true initialisers takes longer than all tests."""
    rng = np.random.default_rng(4)
    return jax.tree.map(lambda leaf: jnp.asarray(0.3 * rng.standard_normal(leaf.shape), leaf.dtype), shapes)


@functools.cache
def started(name: str) -> tuple[Any, Any]:
    """A student, jitted, and parameters."""
    student: Any = ImportanceStudent(scenario=EMBEDDINGS[name], width=8, blocks=1)
    return jax.jit(student.apply), drawn(jax.eval_shape(student.init, jax.random.key(0), Y, PUBLIC, {})["params"])


@functools.cache
def embedding(name: str) -> tuple[Any, Any]:
    """An embedding alone, jitted, and parameters."""
    module: Any = EMBEDDINGS[name]
    return jax.jit(module.apply), drawn(jax.eval_shape(module.init, jax.random.key(0), PUBLIC)["params"])


def logits(name: str, y: jax.Array, public: Public) -> np.ndarray:
    apply, params = started(name)
    return np.asarray(apply({"params": params}, y, public, {}).logits)


def test_the_student_starts_undecided() -> None:
    student: Any = ImportanceStudent(scenario=EMBEDDINGS["table"], width=8, blocks=1)
    last = jax.jit(lambda key: student.init(key, Y, PUBLIC, {})["params"]["out"])(jax.random.key(0))
    apply, params = started("table")
    out = apply({"params": {**params, "out": last}}, Y, PUBLIC, {})
    assert out.importance.shape == out.logits.shape == (2, 6, 7)
    np.testing.assert_array_equal(out.logits, 0.0)
    np.testing.assert_array_equal(out.importance, 0.5)


def test_importance_is_the_softened_sigmoid_of_the_logits() -> None:
    apply, params = started("table")
    out = apply({"params": params}, Y, PUBLIC, {})
    np.testing.assert_allclose(out.importance, 1 / (1 + np.exp(-np.asarray(out.logits) / 2)), rtol=1e-5)
    assert float(jnp.std(out.importance)) > 1e-3


@pytest.mark.parametrize("name", EMBEDDINGS)
def test_the_student_depends_on_each_pictures_own_scenario(name: str) -> None:
    same = jnp.broadcast_to(Y[:1], Y.shape)
    both = logits(name, same, PUBLIC)
    assert np.abs(both[0] - both[1]).max() > 1e-2
    swapped = logits(name, same, told(scenario=PUBLIC.scenario[::-1], text=TEXT[::-1]))
    np.testing.assert_allclose(swapped, both[::-1], atol=1e-5)


def test_the_student_sees_neighbours_the_whole_picture_and_places() -> None:
    before = logits("table", Y, PUBLIC)
    # One token of large values in a corner moves the farthest token too, but only in its own picture.
    after = logits("table", Y.at[0, 0, 0].set(9.0), PUBLIC)
    assert np.abs(after[0, -1, -1] - before[0, -1, -1]) > 1e-4
    np.testing.assert_allclose(after[1], before[1], atol=1e-6)
    flat = logits("table", jnp.ones_like(Y), PUBLIC)
    assert np.abs(flat[0, 2, 3] - flat[0, 3, 3]) > 1e-4


def test_gradients_reach_every_parameter_but_the_rows_of_other_scenarios() -> None:
    apply, params = started("table")

    def loss(params: Any) -> jax.Array:
        return jnp.sum(jnp.square(apply({"params": params}, Y, PUBLIC, {}).logits))

    gradient = jax.jit(jax.grad(loss))(params)
    moved = [float(jnp.max(jnp.abs(leaf))) for leaf in jax.tree.leaves(gradient)]
    assert min(moved) > 0
    rows = np.abs(np.asarray(gradient["scenario"]["table"])).max(axis=1)
    assert rows[0] > 0
    assert rows[2] > 0
    assert rows[1] == 0


def embed(name: str, public: Public) -> np.ndarray:
    apply, params = embedding(name)
    return np.asarray(apply({"params": params}, public))


def test_padding_changes_nothing_and_order_does() -> None:
    before = embed("text", PUBLIC)
    longer = embed("text", told(text=jnp.pad(TEXT, ((0, 0), (0, 5)))))
    np.testing.assert_allclose(longer, before, atol=1e-5)
    turned = embed("text", told(text=jnp.array([[5, 4, 3, 2, 0, 0], [5, 4, 3, 2, 6, 7]])))
    assert np.abs(turned[0] - before[0]).max() > 1e-2
    np.testing.assert_allclose(turned[1], before[1], atol=1e-6)
    assert np.isfinite(embed("text", told(text=jnp.zeros((2, 3), int)))).all()


def test_ids_that_there_are_not_become_nan_in_their_own_picture() -> None:
    table = embed("table", told(scenario=jnp.array([3, 1])))
    assert np.isnan(table[0]).all()
    assert np.isfinite(table[1]).all()
    assert np.isnan(embed("table", told(scenario=jnp.array([-1, 1])))[0]).all()
    assert np.isnan(embed("text", told(text=TEXT.at[0, 0].set(9)))[0]).all()


def test_check_scenarios_names_what_is_unknown() -> None:
    check_scenarios(np.array([0, 7]), 8)
    with pytest.raises(ImportanceError, match="unknown scenario -1, 8: there are 8, numbered 0 to 7"):
        check_scenarios(np.array([0, 8, -1, 8]), 8)


@pytest.mark.parametrize(("name", "missing"), [("table", "scenario"), ("text", "text")])
def test_what_is_missing_in_public_is_named(name: str, missing: str) -> None:
    module: Any = EMBEDDINGS[name]
    with pytest.raises(ImportanceError, match=rf"Public\.{missing} is None"):
        jax.eval_shape(module.init, jax.random.key(0), told(**{missing: None}))


def test_given_importance_is_the_largest_of_each_token() -> None:
    pixels = jnp.asarray(np.random.default_rng(3).random((2, 24, 26)), jnp.float32)  # 7 tokens of 4 pixels, not filled
    out = GivenImportance(stride=4).apply({}, Y, PUBLIC, {"importance": pixels})
    assert not isinstance(out, tuple)
    np.testing.assert_allclose(out.importance[1, 2, 3], pixels[1, 8:12, 12:16].max(), rtol=1e-5)
    assert out.logits is None
    assert out.importance.shape == Y.shape[:3]


def test_given_importance_says_what_it_lacks() -> None:
    for given, message in (
        ({}, "given holds nothing, but this variant is told"),
        ({"prompt": Y}, "given holds prompt, but"),
        ({"importance": jnp.zeros((2, 6, 7))}, r"\(2, 6, 7\).*stride 4.*\(2, 2, 2\).*\(2, 6, 7\)"),
        ({"importance": jnp.zeros((2, 24, 28, 1))}, r"\(2, 24, 28, 1\); expected"),
    ):
        with pytest.raises(ImportanceError, match=message):
            GivenImportance(stride=4).apply({}, Y, PUBLIC, given)


def test_uniform_and_box_have_no_parameters_and_say_the_same_of_every_picture() -> None:
    uniform: Any = UniformImportance().apply({}, Y, PUBLIC, {})
    np.testing.assert_array_equal(uniform.importance, np.full((2, 6, 7), 0.5))
    box: Any = FixedROI(side=0.5).apply({}, Y, PUBLIC, {})
    # Centres of 6 rows: ±1/6, ±1/2, ±5/6; of 7 columns: 0, ±2/7, ±4/7, ±6/7.
    expected = np.zeros((6, 7))
    expected[1:5, 2:5] = 1
    np.testing.assert_array_equal(box.importance, np.stack([expected] * 2))
    with pytest.raises(ImportanceError, match=r"side = 0\.0"):
        FixedROI(side=0.0).apply({}, Y, PUBLIC, {})
    for module in (UniformImportance(), FixedROI(), GivenImportance(stride=1)):
        variables = module.init(jax.random.key(0), Y, PUBLIC, {"importance": Y[..., 0]})
        assert not jax.tree.leaves(variables)
