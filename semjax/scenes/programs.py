"""Questions as programs over a graph: a chain of operations, each on the set of things that the one before leaves.

    ("filter", attribute, value)   keeps the things whose name, colour or texture is that
    ("unique",)                    the only thing of the set
    ("relate", relation)           after `unique`: the things left of, right of, above or below it, by their centres
    ("count",)  ("exist",)         ends: how many there are; yes or no
    ("query", attribute)           after `unique`, ends: its name, colour, texture or where it is
    ("query", "background")        alone: the background

>>> ball = Thing(region=1, name="ball", colour="red", texture="dots", x=0.0, y=0.0, radius=0.3)
>>> graph = Graph(things=(ball,), background="sky")
>>> answer(graph, (("filter", "name", "ball"), ("unique",), ("query", "colour")))
'red'
>>> answer(graph, (("filter", "name", "car"), ("exist",)))
'no'
>>> answer(graph, (("filter", "name", "car"), ("unique",), ("query", "colour")))
'unknown'
"""

from semjax.scenes.graph import Graph, Thing, place
from semjax.scenes.shapes import CLASS_NAMES
from semjax.scenes.world import COLOURS, TEXTURES

Operation = tuple[str, ...]
Program = tuple[Operation, ...]

VALUES = {"name": CLASS_NAMES, "colour": COLOURS, "texture": TEXTURES}
"""What a thing can be filtered by."""
RELATIONS = ("left", "right", "above", "below")
UNKNOWN = "unknown"
"""The answer where `unique` finds no thing or several: a reader may have seen the picture wrongly."""


class ProgramError(ValueError):
    """A program that asks nothing; the message names the operation."""


def answer(graph: Graph, program: Program) -> str:
    """Runs a program.

    Args:
      graph: true, or as a reader believes.
      program: see above.

    Returns:
      A value of an attribute, a place, a background, "yes", "no", a number, or `UNKNOWN`.

    Raises:
      ProgramError: a program that no graph could answer.
    """
    check(program)
    if program[0] == ("query", "background"):
        return graph.background
    things = graph.things
    for operation in program[:-1]:
        if operation[0] == "filter":
            things = tuple(thing for thing in things if getattr(thing, operation[1]) == operation[2])
        elif operation[0] == "relate":
            things = tuple(thing for thing in graph.things if related(thing, things[0], relation=operation[1]))
        elif len(things) != 1:
            return UNKNOWN
    return _end(program[-1], things)


def related(thing: Thing, other: Thing, *, relation: str, margin: float = 0.0) -> bool:
    """Whether `thing` is left of, right of, above or below `other` by more than `margin` between their centres."""
    gap = thing.x - other.x if relation in ("left", "right") else thing.y - other.y
    return (-gap if relation in ("left", "above") else gap) > margin


def check(program: object) -> None:
    """Raises `ProgramError` where an operation is not known, or not where it can be."""
    if not isinstance(program, tuple) or not program:
        raise ProgramError(f"a program is a tuple of operations, got {program!r}")
    single = False
    for number, operation in enumerate(program, 1):
        last = number == len(program)
        told = f"operation {number} of {len(program)}, {operation!r}"
        if not isinstance(operation, tuple) or not operation or not all(isinstance(word, str) for word in operation):
            raise ProgramError(f"{told}, is not a tuple of words")
        _check_words(operation, told)
        kind = operation[0]
        if (kind in ("count", "exist", "query")) != last:
            raise ProgramError(f"{told}: a program ends with its only `count`, `exist` or `query`")
        background = operation == ("query", "background")
        if background and number > 1:
            raise ProgramError(f"{told}: the background is asked alone")
        if kind in ("relate", "query") and not background and not single:
            raise ProgramError(f"{told}, needs `unique` just before it")
        single = kind == "unique"


def _check_words(operation: Operation, told: str) -> None:
    kind, *words = operation
    if kind == "filter":
        right = len(words) == 2 and words[0] in VALUES and words[1] in VALUES[words[0]]
    elif kind == "relate":
        right = len(words) == 1 and words[0] in RELATIONS
    elif kind == "query":
        right = len(words) == 1 and words[0] in (*VALUES, "where", "background")
    else:
        right = kind in ("unique", "count", "exist") and not words
    if not right:
        raise ProgramError(f"{told}, is not known; operations: filter, unique, relate, count, exist, query")


def _end(operation: Operation, things: tuple[Thing, ...]) -> str:
    if operation[0] == "count":
        return str(len(things))
    if operation[0] == "exist":
        return "yes" if things else "no"
    if operation[1] == "where":
        return place(things[0].x, things[0].y)
    return getattr(things[0], operation[1])
