"""One line of annotations: what it says, and what can be wrong with it; the format stands in `jsonl.py`."""

import dataclasses
import difflib
import json
from collections.abc import Collection, Mapping
from typing import Any

HIGHEST = 9
"""The level of what is indispensable; importance is level / HIGHEST."""

LONGEST_TEXT = 2000
BACKGROUND = ("scene", "background", "style")


class LineFault(ValueError):
    """What is wrong with one line."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class AnnotatedObject:
    """One object: its value in the id map, its class, and its level (0 to 9) under each scenario, twice if asked."""

    index: int
    mask_value: int
    category: str
    importance: Mapping[str, int]
    second: Mapping[str, int] | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class AnnotatedQuestion:
    """A question, its answer, and the `index` of the object that it is about (None = no single one)."""

    question: str
    answer: str
    object_index: int | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Annotation:
    """One line: what was said of one picture; `line` counts from 1, `confidence` from 0 to 9 or None."""

    line: int
    image: str
    split: str
    annotator: str
    confidence: int | None
    objects: tuple[AnnotatedObject, ...]
    caption: str
    background: Mapping[str, str]
    questions: tuple[AnnotatedQuestion, ...]

    def object_of(self, mask_value: int) -> AnnotatedObject | None:
        """The object with that value in the id map, if it was annotated."""
        return next((each for each in self.objects if each.mask_value == mask_value), None)


def nearest(name: str, known: Collection[str]) -> str:
    """A hint at the known name that is most like `name`; empty where none is.

    >>> nearest("drivng", ["driving", "sports"])
    '; nearest is driving'
    """
    found = difflib.get_close_matches(name, sorted(known), n=1)
    return f"; nearest is {found[0]}" if found else ""


def parse(line: str, number: int, scenarios: tuple[str, ...]) -> Annotation:
    """What line `number` says; it must have a level for every scenario, and for no other.

    Raises:
      LineFault: something is missing, unknown or out of range.
    """
    try:
        told = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise LineFault(f"not JSON ({error})") from None
    if not isinstance(told, dict):
        raise LineFault(f"not an object but {type(told).__name__}")
    objects = tuple(_object(o, i, scenarios) for i, o in enumerate(_list(told, "objects")))
    for field in ("index", "mask_value"):
        values = [getattr(each, field) for each in objects]
        if len(set(values)) < len(values):
            raise LineFault(f"two objects have the same {'object_index' if field == 'index' else field}")
    indices = {each.index for each in objects}
    return Annotation(
        line=number,
        image=_text(told, "image"),
        split=_text(told, "split", default=""),
        annotator=_text(told, "annotator", default=""),
        confidence=None if told.get("conf") is None else _whole(told["conf"], "conf", HIGHEST),
        objects=objects,
        caption=_text(told, "caption", default=""),
        background=_background(told),
        questions=tuple(_question(q, i, indices) for i, q in enumerate(_list(told, "qa", default=[]))),
    )


def _object(told: Any, place: int, scenarios: tuple[str, ...]) -> AnnotatedObject:
    where = f"objects[{place}]"
    if not isinstance(told, dict):
        raise LineFault(f"{where} is not an object")
    second = told.get("importance_second")
    return AnnotatedObject(
        index=_whole(told.get("object_index"), f"{where}.object_index"),
        mask_value=_whole(told.get("mask_value"), f"{where}.mask_value", 255),
        category=_text(told, "category", where=where),
        importance=_levels(told.get("importance"), f"{where}.importance", scenarios),
        second=None if second is None else _levels(second, f"{where}.importance_second", scenarios),
    )


def _levels(told: Any, where: str, scenarios: tuple[str, ...]) -> dict[str, int]:
    if not isinstance(told, dict):
        raise LineFault(f"{where} is not an object of levels")
    for name in told:
        if name not in scenarios:
            raise LineFault(f"{where} has an unknown scenario {name!r}{nearest(name, scenarios)}")
    missing = [name for name in scenarios if name not in told]
    if missing:
        raise LineFault(f"{where} has no level for {', '.join(missing)}")
    return {name: _whole(told[name], f"{where}.{name}", HIGHEST) for name in scenarios}


def _question(told: Any, place: int, indices: set[int]) -> AnnotatedQuestion:
    where = f"qa[{place}]"
    if not isinstance(told, dict):
        raise LineFault(f"{where} is not an object")
    index = told.get("object_index")
    if index is not None and _whole(index, f"{where}.object_index") not in indices:
        raise LineFault(f"{where}.object_index {index} is none of the objects of the line")
    question, answer = _text(told, "question", where=where), _text(told, "answer", where=where)
    return AnnotatedQuestion(question=question, answer=answer, object_index=index)


def _background(told: Mapping[str, Any]) -> dict[str, str]:
    found = told.get("background", {})
    if not isinstance(found, dict) or set(found) - set(BACKGROUND):
        raise LineFault(f"background is not an object of {', '.join(BACKGROUND)}")
    return {name: _text(found, name, where="background", default="") for name in BACKGROUND if name in found}


def _list(told: Mapping[str, Any], name: str, default: "list[Any] | None" = None) -> list[Any]:
    found = told.get(name, default)
    if not isinstance(found, list):
        raise LineFault(f"{name} is not a list")
    return found


def _text(told: Mapping[str, Any], name: str, *, where: str = "", default: str | None = None) -> str:
    field = f"{where}.{name}" if where else name
    found = told.get(name, default)
    if not isinstance(found, str):
        raise LineFault(f"{field} is {'missing' if found is None else 'no text'}")
    if default is None and not found.strip():
        raise LineFault(f"{field} is empty")
    if len(found) > LONGEST_TEXT:
        raise LineFault(f"{field} has {len(found)} characters; at most {LONGEST_TEXT} are taken")
    if "\0" in found:
        raise LineFault(f"{field} holds a NUL character")
    if any("\ud800" <= letter <= "\udfff" for letter in found):
        raise LineFault(f"{field} is not UTF-8")
    return found


def _whole(value: Any, field: str, highest: int = 1 << 31) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise LineFault(f"{field} is {'missing' if value is None else f'{value!r}, not a whole number'}")
    if not 0 <= value <= highest:
        raise LineFault(f"{field} is {value}, outside 0 to {highest}")
    return value
