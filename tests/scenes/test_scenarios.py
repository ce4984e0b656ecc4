"""Scenarios: rules against a twin on graphs, wordings, and what a static class table can know."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from semjax.scenes.graph import graph_of
from semjax.scenes.information import TABLES, Objects, entropy, information, lines, rows, sample_objects, table
from semjax.scenes.scenarios import (
    CLOSE,
    IMPORTANT,
    LEVELS,
    SCENARIOS,
    all_importance,
    draw_wording,
    importance,
    scenario_names,
    text_of,
)
from semjax.scenes.shapes import CLASS_NAMES
from semjax.scenes.spelling import split_words
from semjax.scenes.wordings import TRAINING_WORDINGS
from semjax.scenes.world import SLOTS, SPLITS, Scene

OBJECTS = 20_000


@functools.cache
def objects():
    return sample_objects(OBJECTS)


def twin(graph, scenario):
    """Importance by region of a graph, from the table in the docstring of `scenarios`."""

    def close(a, those):
        return any(b is not a and math.hypot(a.x - b.x, a.y - b.y) - a.radius - b.radius < CLOSE for b in those)

    def called(name):
        return [t for t in graph.things if t.name == name]

    lowest = max(graph.things, key=lambda t: t.y)
    ground, on = graph.background, {"road": graph.background == "road", "grass": graph.background == "grass"}

    def of(t):
        return {
            "rescue": {"medkit": 1, "flare": 0.8, "buoy": 0.8}.get(t.name, 0.6 if close(t, called("medkit")) else 0.1),
            "traffic": {"car": 1, "sign": 0.8, "ball": 0.8 if on["road"] else 0.1}.get(t.name, 0.1),
            "camp": 1
            if t.name == "tent" or (t.name == "crate" and on["grass"])
            else 0.6
            if close(t, called("tent"))
            else 0.3
            if t.name == "crate"
            else 0.1,
            "game": 1 if t.name == "ball" else 0.8 if close(t, called("ball")) else 0.1,
            "hazard": {"red": 1, "orange": 1, "yellow": 0.6}.get(t.colour, 0.1),
            "inventory": {"stripes": 1, "dots": 0.6, "plain": 0.1}[t.texture],
            "approach": 1 if t is lowest else 0.6 if close(t, [lowest]) else 0.1,
            "survey": 0.8 if t.name == "sign" else 0.1,
        }[scenario]

    back = {"traffic": 0.6 if on["road"] else 0.1, "survey": 0.3 if ground == "sky" else 1}.get(scenario, 0.1)
    return {0: back, **{t.region: of(t) for t in graph.things}}


def test_importance_is_what_the_rules_say(importances, singles):
    assert importances.shape == (len(singles), len(SCENARIOS), SLOTS + 1)
    for scene, found in zip(singles[:400], importances[:400], strict=True):
        graph = graph_of(scene)
        for row, name in zip(found, scenario_names(), strict=True):
            expected = twin(graph, name)
            assert row.tolist() == pytest.approx([expected.get(region, 0) for region in range(SLOTS + 1)])


def test_levels_and_empty_slots(many, importances):
    values = importances
    assert set(np.unique(values)) == {np.float32(level) for level in (0, *LEVELS)}
    np.testing.assert_array_equal(values[:, :, 1:] > 0, np.repeat(many.present[:, None], len(SCENARIOS), axis=1))
    assert (values[:, :, 0] > 0).all()
    assert np.float32(IMPORTANT) in values


def test_a_mirrored_scene_matters_alike(many, importances):
    mirrored = Scene(**{**vars(many), "centre": many.centre * np.array([-1, 1], np.float32)})
    np.testing.assert_array_equal(jax.jit(jax.vmap(all_importance))(mirrored), importances)


def test_a_traced_scenario_gives_its_row(singles, importances):
    one = jax.jit(importance)
    for scenario, row in enumerate(importances[3]):
        np.testing.assert_array_equal(one(singles[3], scenario), row)
    over = jax.jit(jax.vmap(importance, (None, 0)))(singles[3], jnp.arange(len(SCENARIOS)))
    np.testing.assert_array_equal(over, importances[3])


@pytest.mark.parametrize("scenario", [-1, 8])
def test_a_scenario_that_there_is_not_is_refused(singles, scenario):
    with pytest.raises(ValueError, match=f"scenario {scenario} is none of 0 to 7: rescue, traffic"):
        importance(singles[0], scenario)


def test_a_class_table_cannot_predict_importance():
    """First measured: I(class) 0.106, I(class, scenario) 0.826, H 1.538 bits; variance 0.8 %, 50.4 %."""
    found = objects()
    assert found.importance.shape[1] >= OBJECTS
    by_class = information(found, ("class",))
    by_both = information(found, ("class", "scenario"))
    assert by_class.bits < by_both.bits - 0.6
    assert by_both.bits < entropy(found) - 0.6
    assert by_class.variance < 0.05
    assert 0.4 < by_both.variance < 0.6


def test_each_class_matters_in_one_scenario_and_not_in_two():
    found = objects()
    for index, name in enumerate(CLASS_NAMES):
        mean = found.importance[:, found.kinds["class"] == index].mean(axis=1)
        assert (mean >= 0.5).any(), name
        assert (mean <= 0.3).sum() >= 2, name


def test_information_of_a_table_in_closed_form():
    """Two objects, two scenarios: Y = class in scenario 0 and its opposite in scenario 1."""
    y = np.array([[LEVELS[0], LEVELS[4]], [LEVELS[4], LEVELS[0]]])
    found = Objects(importance=y, kinds={"class": np.array([0, 1])})
    assert entropy(found) == pytest.approx(1)
    assert information(found, ("class",)).bits == pytest.approx(0)
    assert information(found, ("scenario",)).variance == pytest.approx(0)
    both = information(found, ("class", "scenario"))
    assert both.bits == pytest.approx(1)
    assert both.variance == pytest.approx(1)


def test_the_table_has_a_line_per_table():
    found = table(objects())
    told = lines(found, objects()).splitlines()
    assert len(told) == 3 + len(TABLES)
    assert "class x scenario " in told[4]
    by_name = {(row["system"], row["metric"]): row["mean"] for row in rows(found, objects(), seed=0)}
    assert by_name["class", "bits"] == found["class"].bits
    assert by_name["the scene itself", "share"] == 1
    with pytest.raises(ValueError, match="count=0 objects"):
        sample_objects(0)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_held_out_wordings_recombine_the_words_of_the_others(scenario):
    def words(texts):
        return set().union(*(split_words(text, most=64) for text in texts))

    usual, held_out = scenario.wordings[:TRAINING_WORDINGS], scenario.wordings[TRAINING_WORDINGS:]
    assert (len(usual), len(held_out)) == (4, 2)
    assert words(held_out) <= words(usual)
    assert not {"left", "right"} & words(scenario.wordings), "a rule that a mirror would break"


def test_wordings_differ():
    texts = [text for scenario in SCENARIOS for text in scenario.wordings]
    assert len(set(texts)) == len(texts) == 48
    assert len(set(scenario_names())) == 8


@pytest.mark.parametrize("split", ["test", "unseen_scenario"])
def test_a_split_draws_its_wordings(split):
    draw = jax.jit(jax.vmap(lambda key: draw_wording(key, split)))
    scenario, wording = (np.asarray(v) for v in draw(jax.random.split(jax.random.key(0), 500)))
    assert set(scenario.tolist()) == set(range(8))
    assert set(wording.tolist()) == ({4, 5} if split == "unseen_scenario" else {0, 1, 2, 3})
    assert np.bincount(scenario).min() > 30


def test_wrong_wordings_are_refused():
    assert text_of(2, 5) == SCENARIOS[2].wordings[5]
    for scenario, wording in ((8, 0), (-1, 0), (0, 6), (0, -1)):
        with pytest.raises(ValueError, match=f"no wording {wording} of scenario {scenario}"):
            text_of(scenario, wording)
    with pytest.raises(ValueError, match=f"'dev' is not one of: {', '.join(SPLITS)}"):
        draw_wording(jax.random.key(0), "dev")
