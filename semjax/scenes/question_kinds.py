"""The making of questions of each kind on a graph: which thing, described how, asked what."""

import dataclasses
import itertools
from collections.abc import Iterator, Sequence
from typing import TypeVar

import numpy as np

from semjax.scenes.graph import Graph, Thing
from semjax.scenes.programs import RELATIONS, VALUES, Program, answer, related
from semjax.scenes.question_texts import Description, program_of, text_of_question

OF_ATTRIBUTES = ("colour", "texture", "name", "where")
TRIES = 4
"""Rounds over the things in search of a near miss of one of them alone."""
BESIDE = 0.3
"""Centres must be so far apart along an axis for a question on their order."""
FROM_GRID = 0.08
"""A centre must be so far from the lines between the nine parts for a question on where it is."""
OPPOSITE = {"left": "right", "right": "left", "above": "below", "below": "above"}
WAYS = (("name",), ("colour",), ("texture",), ("name", "colour"), ("name", "texture"), ("colour", "texture"))
"""Sets of attributes that describe a thing, and at last all three."""
T = TypeVar("T")


@dataclasses.dataclass(frozen=True, kw_only=True)
class AskedQuestion:
    """A question, its program, its true answer, the regions it is about (0 = background), and its kind (`KINDS`)."""

    text: str
    program: Program
    answer: str
    relevant: tuple[int, ...]
    kind: str


class Dice:
    """Draws from a seed; PCG64's raw numbers are the same under every version of numpy."""

    def __init__(self, seed: int):
        self._raw = _endless(np.random.PCG64(seed))

    def below(self, n: int) -> int:
        """A number of 0 to n - 1."""
        return next(self._raw) % n

    def one(self, of: Sequence[T]) -> T:
        """One of these."""
        return of[self.below(len(of))]

    def shuffled(self, of: Sequence[T]) -> list[T]:
        """All of these in a drawn order."""
        return [value for _, value in sorted(((next(self._raw), value) for value in of), key=lambda pair: pair[0])]


def _endless(bits: np.random.PCG64) -> Iterator[int]:
    while True:
        yield from bits.random_raw(256).tolist()


def _fits(thing: Thing, description: Description) -> bool:
    return all(getattr(thing, attribute) == value for attribute, value in description.items())


def _described(thing: Thing, attributes: Sequence[str]) -> Description:
    return {attribute: getattr(thing, attribute) for attribute in attributes}


def _apart(graph: Graph, thing: Thing, dice: Dice, but: str = "") -> Description | None:
    """The shortest description that fits only this thing, without attribute `but`; None where there is none."""
    for attributes in (*dice.shuffled(WAYS[:3]), *dice.shuffled(WAYS[3:]), tuple(VALUES)):
        description = _described(thing, attributes)
        if but not in attributes and sum(_fits(other, description) for other in graph.things) == 1:
            return description
    return None


def ask(
    graph: Graph,
    kind: str,
    thing: Description,
    dice: Dice,
    *,
    relevant: tuple[int, ...],
    relation: str = "",
    other: Description | None = None,
) -> AskedQuestion:
    """The question of a kind on a described thing, in a drawn surface form, with its true answer."""
    program = program_of(kind, thing, relation=relation, other=other)
    text = text_of_question(kind, thing, form=dice.below(2), relation=relation, other=other)
    return AskedQuestion(text=text, program=program, answer=answer(graph, program), relevant=relevant, kind=kind)


def on_existence(graph: Graph, dice: Dice) -> list[AskedQuestion]:
    """One on a thing that is there, one on a near miss; both are described in the same ways."""
    there = _described(dice.one(graph.things), dice.one((*WAYS[3:], tuple(VALUES))))
    fitting = tuple(thing.region for thing in graph.things if _fits(thing, there))
    asked = [ask(graph, "exist", there, dice, relevant=fitting)]
    # Names come from the scene: a class that is held out would be asked about only where it is not.
    choices = {**VALUES, "name": tuple(dict.fromkeys(thing.name for thing in graph.things))}
    missed: dict[int, tuple[Description, tuple[int, ...]]] = {}
    for thing in dice.shuffled(graph.things) * TRIES:
        missing = _described(thing, dice.one((*WAYS[3:], tuple(VALUES))))
        attribute = dice.one(tuple(missing))
        missing[attribute] = dice.one(choices[attribute])
        near = tuple(other.region for other in graph.things if _misses(other, missing) == 1)
        if not any(_fits(other, missing) for other in graph.things):
            missed.setdefault(len(near), (missing, near))
        if 1 in missed:
            break
    for _, (missing, near) in sorted(missed.items())[:1]:
        asked.append(ask(graph, "exist", missing, dice, relevant=near))
    return asked


def _misses(thing: Thing, description: Description) -> int:
    return sum(getattr(thing, attribute) != value for attribute, value in description.items())


def on_relations(graph: Graph, dice: Dice) -> list[AskedQuestion]:
    """One that holds and one that is the other way round, both by a margin."""
    clear = [
        (one, relation, other)
        for one, other in itertools.permutations(graph.things, 2)
        for relation in RELATIONS
        if related(one, other, relation=relation, margin=BESIDE)
    ]
    asked: list[AskedQuestion] = []
    for one, relation, other in dice.shuffled(clear):
        thing, than = _apart(graph, one, dice), _apart(graph, other, dice)
        if thing and than:
            relation = OPPOSITE[relation] if asked else relation
            regions = (one.region, other.region)
            asked.append(ask(graph, "relate", thing, dice, relevant=regions, relation=relation, other=than))
        if len(asked) == 2:
            break
    return asked


def on_numbers(graph: Graph, dice: Dice) -> list[AskedQuestion]:
    """One on a group of several things where there is one, one on any group or on all things."""
    groups: dict[tuple[str, str], list[Thing]] = {}
    for thing in graph.things:
        for attribute in VALUES:
            groups.setdefault((attribute, getattr(thing, attribute)), []).append(thing)
    several = [(dict([told]), things) for told, things in groups.items() if 1 < len(things) < len(graph.things)]
    everything: tuple[Description, list[Thing]] = ({}, list(graph.things))
    anything = [(dict([told]), things) for told, things in groups.items()]
    chosen = [dice.one(several or anything), everything if dice.below(3) == 0 else dice.one(anything)]
    if chosen[0][0] == chosen[1][0]:
        chosen[1] = everything
    return [ask(graph, "count", told, dice, relevant=tuple(t.region for t in things)) for told, things in chosen]


def on_attributes(graph: Graph, dice: Dice, most: int) -> list[AskedQuestion]:
    """Goes round the things, and asks of each the kind asked least so far that it allows."""
    used = dict.fromkeys(dice.shuffled(OF_ATTRIBUTES), 0)
    asked: list[AskedQuestion] = []
    left = {thing.region: list(used) for thing in graph.things}
    for thing in [*dice.shuffled(graph.things)] * len(used):
        for kind in sorted(left[thing.region], key=lambda kind: used[kind]):
            told = _apart(graph, thing, dice, but=kind)
            if told is None or (kind == "where" and not _clear_place(thing)):
                continue
            asked.append(ask(graph, kind, told, dice, relevant=(thing.region,)))
            used[kind] += 1
            left[thing.region].remove(kind)
            break
        if len(asked) >= most:
            break
    return asked


def _clear_place(thing: Thing) -> bool:
    return all(abs(abs(coordinate) - 1 / 3) >= FROM_GRID for coordinate in (thing.x, thing.y))
