"""Graphs of scenes, and the programs that are asked of them."""

import doctest

import numpy as np
import pytest

from semjax.scenes import graph, programs
from semjax.scenes.graph import PLACES, Graph, Thing, graph_of, place
from semjax.scenes.programs import ProgramError, answer, check
from semjax.scenes.shapes import CLASS_NAMES
from semjax.scenes.world import BACKGROUNDS, COLOURS, TEXTURES


def thing(region, name, colour, texture, x, y):
    return Thing(region=region, name=name, colour=colour, texture=texture, x=x, y=y, radius=0.25)


# A ball above, a crate to the lower left of it, another ball at the lower right.
THREE = Graph(
    things=(
        thing(1, "ball", "red", "plain", 0.0, -0.6),
        thing(3, "crate", "red", "dots", -0.5, 0.5),
        thing(4, "ball", "blue", "stripes", 0.6, 0.6),
    ),
    background="brick",
)
CRATE = (("filter", "name", "crate"), ("unique",))
BLUE = (("filter", "colour", "blue"), ("unique",))


def test_the_examples_hold():
    for module in (graph, programs):
        assert not doctest.testmod(module).failed


def test_a_graph_names_what_the_arrays_say(singles):
    for scene in singles[:200]:
        found = graph_of(scene)
        slots = np.flatnonzero(scene.present)
        assert [t.region for t in found.things] == (slots + 1).tolist()
        assert found.background == BACKGROUNDS[scene.background]
        for slot, t in zip(slots, found.things, strict=True):
            assert CLASS_NAMES.index(t.name) == scene.shape[slot]
            assert COLOURS.index(t.colour) == scene.colour[slot]
            assert TEXTURES.index(t.texture) == scene.texture[slot]
            np.testing.assert_array_equal([t.x, t.y, t.radius], [*scene.centre[slot], scene.radius[slot]])


def test_a_batch_has_no_graph(many):
    with pytest.raises(ValueError, match=r"one scene, got a batch of shape \(2000,\)"):
        graph_of(many)


def test_places_are_thirds():
    middles = (-2 / 3, 0.0, 2 / 3)
    assert tuple(place(x, y) for y in middles for x in middles) == PLACES
    assert place(-1.0, 1.0) == "bottom left"
    assert place(1.0, -1.0) == "top right"
    assert place(0.34, 0.0) == "right"
    assert place(0.33, -0.34) == "top"


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        ((("query", "background"),), "brick"),
        ((("count",),), "3"),
        ((("filter", "name", "ball"), ("count",)), "2"),
        ((("filter", "name", "ball"), ("filter", "colour", "red"), ("count",)), "1"),
        ((("filter", "name", "tent"), ("count",)), "0"),
        ((("filter", "texture", "dots"), ("exist",)), "yes"),
        ((("filter", "colour", "grey"), ("exist",)), "no"),
        ((*CRATE, ("query", "colour")), "red"),
        ((*CRATE, ("query", "texture")), "dots"),
        ((*BLUE, ("query", "name")), "ball"),
        ((*BLUE, ("query", "where")), "bottom right"),
        ((*CRATE, ("relate", "right"), ("count",)), "2"),
        ((*CRATE, ("relate", "left"), ("exist",)), "no"),
        ((*CRATE, ("relate", "above"), ("filter", "name", "ball"), ("unique",), ("query", "colour")), "red"),
        ((*BLUE, ("relate", "below"), ("count",)), "0"),
        ((*BLUE, ("relate", "above"), ("count",)), "2"),
        ((("filter", "name", "ball"), ("unique",), ("query", "colour")), "unknown"),
        ((("filter", "name", "car"), ("unique",), ("relate", "left"), ("exist",)), "unknown"),
    ],
)
def test_programs_answer(program, expected):
    assert answer(THREE, program) == expected


def test_an_empty_graph_is_answered():
    empty = Graph(things=(), background="sky")
    assert answer(empty, (("count",),)) == "0"
    assert answer(empty, (*CRATE, ("query", "colour"))) == "unknown"


@pytest.mark.parametrize(
    ("program", "told"),
    [
        ((), "a program is a tuple"),
        ("count", "a program is a tuple"),
        ((("filter", "name", "crate"),), "ends with"),
        ((("count",), ("exist",)), "operation 1 of 2.*ends with"),
        ((("filter", "name", "zebra"), ("count",)), "zebra"),
        ((("filter", "size", "big"), ("count",)), "operation 1 of 2"),
        ((("fly",),), r"\('fly',\), is not known"),
        ((("query", "colour"),), "needs `unique`"),
        ((("filter", "name", "ball"), ("relate", "left"), ("count",)), "needs `unique`"),
        ((*CRATE, ("relate", "behind"), ("count",)), "behind"),
        ((*CRATE, ("query", "background")), "alone"),
        ((("count", "all"),), "is not known"),
        ((("filter", "name", 3), ("count",)), "not a tuple of words"),
    ],
)
def test_a_malformed_program_is_refused(program, told):
    with pytest.raises(ProgramError, match=told):
        check(program)


def test_a_malformed_program_is_refused_whatever_the_graph():
    for scene_graph in (THREE, Graph(things=(), background="sky")):
        with pytest.raises(ProgramError, match="needs `unique`"):
            answer(scene_graph, (("query", "colour"),))
