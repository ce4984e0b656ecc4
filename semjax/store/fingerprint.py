"""What a store depends on, as one number: SHA-256 of canonical JSON, and the difference of two in words.

Canonical: keys sorted, no spaces, Unicode as it is, no NaN. A store's fields are

    {"schema": ..., "album": {"dataset", "split", "digest", "count"}, "scenarios": [{"name", "text"}, ...],
     "teacher": the teacher's own fingerprint: kind, model and weights digest, dtype, prompts, generation, ...}
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

SHOWN_CHARACTERS = 80
ABSENT = "absent"


class FingerprintError(ValueError):
    """Fields that are no JSON; the message names the place."""


def canonical(fields: Mapping[str, Any]) -> str:
    """The one JSON text of the fields.

    >>> canonical({"b": 1, "a": [True, None]})
    '{"a":[true,null],"b":1}'

    Raises:
      FingerprintError: a value that JSON has no exact form for.
    """
    _check(fields, "")
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest(fields: Mapping[str, Any]) -> str:
    """SHA-256 of the canonical JSON, in hex."""
    return hashlib.sha256(canonical(fields).encode()).hexdigest()


def fp12(fields: Mapping[str, Any]) -> str:
    """The first twelve letters of `digest`, as they stand in the name of a store's folder."""
    return digest(fields)[:12]


def difference(was: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Field by field, what is not the same; empty where nothing is.

    >>> difference({"teacher": {"kind": "oracle", "noise": 0.0}}, {"teacher": {"kind": "oracle", "noise": 0.1}})
    ['teacher.noise: was 0.0 and is 0.1']
    """
    return list(_differences(was, now, ""))


def _differences(was: Any, now: Any, path: str) -> "list[str]":
    if isinstance(was, Mapping) and isinstance(now, Mapping):
        found: list[str] = []
        for key in sorted({*was, *now}):
            found += _differences(was.get(key, _Absent), now.get(key, _Absent), f"{path}.{key}" if path else key)
        return found
    if isinstance(was, list | tuple) and isinstance(now, list | tuple):
        pairs = [(_at(was, i), _at(now, i)) for i in range(max(len(was), len(now)))]
        return [line for i, (a, b) in enumerate(pairs) for line in _differences(a, b, f"{path}[{i}]")]
    same = type(was) is type(now) and was == now
    return [] if same else [f"{path}: was {_shown(was)} and is {_shown(now)}"]


class _Absent:
    """Stands for a field that one side does not have."""


def _at(values: Any, index: int) -> Any:
    return values[index] if index < len(values) else _Absent


def _shown(value: Any) -> str:
    if value is _Absent:
        return ABSENT
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
    return text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 3] + "..."


def _check(value: Any, path: str) -> None:
    if value is None or isinstance(value, bool | str | int):
        return
    if isinstance(value, float):
        if value != value or value in (float("inf"), float("-inf")):
            raise FingerprintError(f"fingerprint field {path} is {value}, which JSON cannot say")
        return
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if not isinstance(key, str):
                raise FingerprintError(f"fingerprint field {path} has a key {key!r} that is no text")
            _check(inner, f"{path}.{key}" if path else key)
    elif isinstance(value, list | tuple):
        for i, inner in enumerate(value):
            _check(inner, f"{path}[{i}]")
    else:
        raise FingerprintError(
            f"fingerprint field {path} is {type(value).__name__}; use plain numbers, texts and lists"
        )
