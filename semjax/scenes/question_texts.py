"""The closed language of questions: templates, the words for things, and the way back from a text to its program."""

import functools
import re

from semjax.scenes.programs import VALUES, Operation, Program
from semjax.scenes.shapes import CLASS_NAMES
from semjax.scenes.spelling import join_words, short, split_words
from semjax.scenes.world import COLOURS

KINDS = ("exist", "count", "colour", "texture", "name", "where", "background", "relate")
"""What sort of question one is; the first word of an answer's set of values."""
TEMPLATES = {
    "exist": ("is there a {thing}?", "can you see a {thing}?"),
    "count": ("how many {things} are there?", "how many {things} can you see?"),
    "colour": ("what colour is the {thing}?", "which colour has the {thing}?"),
    "texture": ("what texture has the {thing}?", "which texture is on the {thing}?"),
    "name": ("what is the {thing}?", "what kind of thing is the {thing}?"),
    "where": ("where is the {thing}?", "in which part of the picture is the {thing}?"),
    "background": ("what is the background?", "what is behind the things?"),
    "relate": ("is the {thing} {relation} the {other}?", "can you see the {thing} {relation} the {other}?"),
}
TEXTURE_WORDS = {"plain": "plain", "stripes": "striped", "dots": "dotted"}
RELATION_WORDS = {"left": "left of", "right": "right of", "above": "above", "below": "below"}
MOST_WORDS = 20

Description = dict[str, str]
"""Attributes (name, colour, texture) that a phrase tells of a thing."""


class QuestionError(ValueError):
    """A text that is no question of the closed language; the message says why."""


def phrase(description: Description, plural: str = "") -> str:
    """Words for a thing.

    >>> phrase({"name": "ball", "texture": "stripes"}), phrase({"colour": "red"}, plural="s")
    ('striped ball', 'red things')
    """
    words = [TEXTURE_WORDS[description["texture"]]] if "texture" in description else []
    words += [description["colour"]] if "colour" in description else []
    return " ".join([*words, description.get("name", "thing") + plural])


def filters(description: Description) -> Program:
    """The operations that keep what a description fits, in one order: name, colour, texture."""
    return tuple(("filter", attribute, description[attribute]) for attribute in VALUES if attribute in description)


def program_of(kind: str, thing: Description, *, relation: str = "", other: Description | None = None) -> Program:
    """The program of a question of one of `KINDS` on a described thing (on the background: on nothing)."""
    if kind == "background":
        return (("query", "background"),)
    if kind == "relate":
        return (*filters(other or {}), ("unique",), ("relate", relation), *filters(thing), ("exist",))
    ends: tuple[Operation, ...] = ((kind,),) if kind in ("exist", "count") else (("unique",), ("query", kind))
    return (*filters(thing), *ends)


def text_of_question(
    kind: str, thing: Description, *, form: int, relation: str = "", other: Description | None = None
) -> str:
    """A question in the surface form with that number."""
    text = TEMPLATES[kind][form % len(TEMPLATES[kind])].format(
        thing=phrase(thing),
        things=phrase(thing, plural="s"),
        relation=RELATION_WORDS.get(relation, ""),
        other=phrase(other or {}),
    )
    return text.replace(" a orange", " an orange")


@functools.cache
def question_words() -> frozenset[str]:
    """All words and marks of questions."""
    words = {"thing", "things", "an", *COLOURS, *TEXTURE_WORDS.values()}
    words |= {form for name in CLASS_NAMES for form in (name, f"{name}s")}
    for text in (*RELATION_WORDS.values(), *(form for forms in TEMPLATES.values() for form in forms)):
        words |= set(split_words(re.sub(r"\{\w+\}", "", text), most=MOST_WORDS))
    return frozenset(words)


@functools.cache
def _patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    """A pattern for each surface form, with the attributes of its slots as groups."""

    def thing(slot: str, plural: str = "") -> str:
        texture, colour, name = ("|".join(values) for values in (TEXTURE_WORDS.values(), COLOURS, CLASS_NAMES))
        told = rf"(?:(?P<{slot}texture>{texture}) )?(?:(?P<{slot}colour>{colour}) )?"
        return rf"{told}(?:(?P<{slot}name>{name})|thing){plural}"

    relation = f"(?P<relation>{'|'.join(RELATION_WORDS.values())})"
    slots = {"thing": thing("thing_"), "things": thing("thing_", "s"), "other": thing("other_"), "relation": relation}
    return tuple(
        (kind, re.compile(form.replace("?", r"\?").replace(" a ", " an? ").format(**slots)))
        for kind, forms in TEMPLATES.items()
        for form in forms
    )


def parse(text: str) -> Program:
    """The program of a question: the inverse of what `every_question` asks.

    Args:
      text: of the closed language; capitals and spaces do not matter.

    Returns:
      Its program.

    Raises:
      QuestionError: the text is empty, too long, holds other characters or words, or is shaped like no question.

    >>> parse("Is there a striped ball?")
    (('filter', 'name', 'ball'), ('filter', 'texture', 'stripes'), ('exist',))
    """
    words = split_words(text, most=MOST_WORDS, error=QuestionError)
    for word in words:
        if word not in question_words():
            raise QuestionError(f"the word {word!r} is not one that questions use, in {short(text)}")
    plain = join_words(words)
    for kind, pattern in _patterns():
        found = pattern.fullmatch(plain)
        if found and _tells_nothing_it_asks(kind, found):
            return _program(kind, found)
    raise QuestionError(f"{short(text)} is shaped like no question; one is: where is the ball?")


def _tells_nothing_it_asks(kind: str, found: re.Match[str]) -> bool:
    return kind not in VALUES or found[f"thing_{kind}"] is None


def _program(kind: str, found: re.Match[str]) -> Program:
    textures = {word: texture for texture, word in TEXTURE_WORDS.items()}
    relations = {word: relation for relation, word in RELATION_WORDS.items()}

    def described(slot: str) -> Description:
        told = {name.removeprefix(slot): value for name, value in found.groupdict().items() if value}
        told = {attribute: value for attribute, value in told.items() if attribute in VALUES}
        return {a: textures[v] if a == "texture" else v for a, v in told.items()}

    groups = found.groupdict()
    relation = relations.get(groups.get("relation") or "", "")
    return program_of(kind, described("thing_"), relation=relation, other=described("other_"))
