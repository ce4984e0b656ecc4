"""What the tolerant reader reads, what it forgives, and what it refuses."""

import doctest
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semjax.teachers import tolerant
from semjax.teachers.tolerant import MAX_DEPTH, MAX_TEXT, NonsenseError, Reading, read_json

READ = {
    '{"1": 7, "2": 3}': ({"1": 7, "2": 3}, ()),
    '[{"region": 1}]': ([{"region": 1}], ()),
    '```json\n{"1": 7}\n```': ({"1": 7}, ("text around it",)),
    'Here you are: {"1": 7}. Anything else?': ({"1": 7}, ("text around it",)),
    'The {important} ones: {"1": 7}': ({"1": 7}, ("text around it",)),
    '{"1": 7, "2": 3,}': ({"1": 7, "2": 3}, ("trailing comma",)),
    "[1, 2,]": ([1, 2], ("trailing comma",)),
    '{"1": 7 "2": 3}': ({"1": 7, "2": 3}, ("comma left out",)),
    "{'1': 7}": ({"1": 7}, ("single quotes",)),
    '{"a\tb": 7,}': ({"a\tb": 7}, ("unescaped text", "trailing comma")),
    "{\u201c1\u201d: 7}": ({"1": 7}, ("curly quotes",)),
    "{1: 7, region 2: 3}": ({"1": 7, "region 2": 3}, ("key without quotes",)),
    '{"a": True, "b": None}': ({"a": True, "b": None}, ("a constant of another language",)),
    '{"a": "it\\"s\\n\'so\'",}': ({"a": "it\"s\n'so'"}, ("trailing comma",)),
    '{"1": "7",}': ({"1": "7"}, ("trailing comma",)),
    '{"1": 7, "2": {"level": 3}, "3": {"impor': ({"1": 7, "2": {"level": 3}, "3": {}}, ("it ended too soon",)),
    '{"1": 7, "2": 1': ({"1": 7}, ("it ended too soon",)),
    '{"1": -2.5e1, "2": +.5}': ({"1": -25.0, "2": 0.5}, ()),
    '{"1": 7, "1": 3, "2": 5}': ({"2": 5}, ()),
    '{"1": 7, "1": 7}': ({"1": 7}, ()),
}
REFUSED = (
    "", "   ", "I cannot judge this picture.", "{", "}", '{"1": 7', "{}x{", '{"1": 7/10}', '{"1": }', '{"1" 7}',
    "NaN", "7", '"7"', '{"1": NaN}', "\0\0", "[" * 5000, "{" * 5000, '{"a":' * 2000, "x" * (MAX_TEXT + 1),
    '{"1": 7}' + " " * MAX_TEXT,
)  # fmt: skip


@pytest.mark.parametrize("text", READ)
def test_reads(text: str) -> None:
    value, repairs = READ[text]
    assert read_json(text) == Reading(value=value, repairs=repairs)


@pytest.mark.parametrize("text", REFUSED)
def test_refuses(text: str) -> None:
    with pytest.raises(NonsenseError):
        read_json(text)


@pytest.mark.parametrize("depth", [1, MAX_DEPTH, MAX_DEPTH + 1, 100, 3000])
def test_deep_nesting_is_read_to_the_limit_only(depth: int) -> None:
    try:
        value = read_json("{'a':" * depth + "1" + ",}" * depth).value
    except NonsenseError:
        assert depth > MAX_DEPTH
        return
    read = 0
    while isinstance(value, dict):
        value, read = value["a"], read + 1
    assert read == min(depth, MAX_DEPTH)


def test_empty_object_as_it_stands_is_read() -> None:
    assert read_json("{}") == Reading(value={})


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.dictionaries(st.text(max_size=5), VALUES, min_size=1, max_size=4))
def test_whatever_is_json_is_read_alike_in_prose(value: dict) -> None:
    text = json.dumps(value)
    assert read_json(text) == Reading(value=value)
    assert read_json(f"Answer: {text} -") == Reading(value=value, repairs=("text around it",))


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.text(alphabet="{}[]\"':,0123456789.-eE truefalsn\\\u201c", max_size=60))
def test_nothing_else_is_raised(text: str) -> None:
    try:
        reading = read_json(text)
    except NonsenseError:
        return
    assert isinstance(reading.value, dict | list)


def test_examples() -> None:
    assert not doctest.testmod(tolerant).failed
