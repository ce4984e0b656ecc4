"""Fingerprints: one text for one content, and differences in words."""

import hashlib

import numpy as np
import pytest

from semjax.store.fingerprint import FingerprintError, canonical, difference, digest, fp12

FIELDS = {"schema": 1, "teacher": {"kind": "oracle", "noise": 0.1, "prompt": "wie groß?"}, "scenarios": ["a", "b"]}


def test_order_of_keys_changes_nothing() -> None:
    assert canonical(FIELDS) == canonical(dict(reversed(FIELDS.items())))
    assert digest(FIELDS) == hashlib.sha256(canonical(FIELDS).encode()).hexdigest()
    assert digest(FIELDS).startswith(fp12(FIELDS))


def test_known_digest() -> None:
    # Written down once: a change of the canonical form would make every store a stale one.
    assert (
        fp12(FIELDS)
        == hashlib.sha256(
            '{"scenarios":["a","b"],"schema":1,"teacher":{"kind":"oracle","noise":0.1,"prompt":"wie groß?"}}'.encode()
        ).hexdigest()[:12]
    )


@pytest.mark.parametrize(
    ("other", "lines"),
    [
        (FIELDS, []),
        ({**FIELDS, "schema": 2}, ["schema: was 1 and is 2"]),
        ({**FIELDS, "schema": True}, ["schema: was 1 and is true"]),
        (
            {**FIELDS, "scenarios": ["a", "c", "d"]},
            ['scenarios[1]: was "b" and is "c"', 'scenarios[2]: was absent and is "d"'],
        ),
        (
            {"schema": 1, "teacher": {"kind": "reader", "noise": 0.1}, "scenarios": ["a", "b"]},
            ['teacher.kind: was "oracle" and is "reader"', 'teacher.prompt: was "wie groß?" and is absent'],
        ),
        ({"schema": 1, "teacher": None, "scenarios": ["a", "b"]}, None),
    ],
)
def test_difference_is_told_field_by_field(other: dict, lines: list[str] | None) -> None:
    found = difference(FIELDS, other)
    assert found == lines if lines is not None else len(found) == 1
    assert bool(found) == (digest(FIELDS) != digest(other))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), np.float32(1), {1: "one"}, {"deep": [{1, 2}]}])
def test_what_is_no_json_is_refused_with_its_place(value: object) -> None:
    with pytest.raises(FingerprintError, match=r"teacher\.given"):
        digest({"teacher": {"given": value}})
