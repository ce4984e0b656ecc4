"""A record as bytes, and back: msgpack, the same bytes for the same record.

Keys stand in one fixed order and are always all there. An array is [shape, bytes] in one fixed type, little-endian:
boxes, importance, std and features float16, ids, status and relevance uint8, logp float32. `ids_map` and `raw` are
compressed by zlib, level 6. (Another build of zlib may choose other bytes for the same content; it reads these.)
"""

import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import msgpack
import numpy as np

from semjax.store.record import QA, Features, Record, Regions, ScenarioLabels, Status

SCHEMA = 1
"""Version of the format; part of every store's fingerprint."""

ZLIB_LEVEL = 6
LONGEST_TEXT, LONGEST_RAW = 1 << 14, 1 << 20
"""Characters of one text, and of `raw`."""


class RecordError(ValueError):
    """A record that cannot be packed or unpacked; the message names the field."""


def pack(record: Record) -> bytes:
    """The bytes of a record.

    Raises:
      RecordError: a text that is too long or no Unicode, values that the fixed type cannot hold, or shapes that do not
        fit each other.
    """
    told = {
        "schema": SCHEMA,
        "id": int(record.id),
        "index": int(record.index),
        "image_sha": _text(record.image_sha, "image_sha"),
        "regions": None if record.regions is None else _packed_regions(record.regions),
        "scenarios": None if record.scenarios is None else _packed_scenarios(record.scenarios),
        "features": None if record.features is None else _packed_features(record.features),
        "qa": None if record.qa is None else _packed_qa(record.qa),
        "captions": _texts(record.captions, "captions"),
        "raw": zlib.compress(_text(record.raw, "raw", LONGEST_RAW).encode(), ZLIB_LEVEL),
        "aug_seed": None if record.aug_seed is None else int(record.aug_seed),
        "err": _text(record.err, "err"),
    }
    return msgpack.Packer(use_bin_type=True).pack(told)  # type: ignore[return-value]


def unpack(data: bytes) -> Record:
    """The record of some bytes.

    Raises:
      RecordError: they are no record, or one of another schema.
    """
    try:
        told = msgpack.unpackb(data, raw=False, strict_map_key=True)
    except Exception as error:  # msgpack raises errors of many kinds
        raise RecordError(f"these {len(data)} bytes are no msgpack ({error})") from error
    if not isinstance(told, dict) or "schema" not in told:
        raise RecordError("the bytes are msgpack, but no record of a teacher store: field schema is missing")
    if told["schema"] != SCHEMA:
        raise RecordError(f"field schema is {told['schema']!r}; this version reads {SCHEMA}")
    regions, scenarios, features, qa = (
        None if _get(told, name) is None else _Fields(_get(told, name), name)
        for name in ("regions", "scenarios", "features", "qa")
    )
    return Record(
        id=_get(told, "id"),
        index=_get(told, "index"),
        image_sha=_get(told, "image_sha"),
        regions=None if regions is None else _regions(regions),
        scenarios=None if scenarios is None else _scenarios(scenarios),
        features=None if features is None else _features(features),
        qa=None if qa is None else _qa(qa),
        captions=tuple(_get(told, "captions")),
        raw=_decompressed(_get(told, "raw"), "raw").decode(),
        aug_seed=_get(told, "aug_seed"),
        err=_get(told, "err"),
    )


def _text(text: str, field: str, longest: int = LONGEST_TEXT) -> str:
    if not isinstance(text, str):
        raise RecordError(f"field {field} is {type(text).__name__}, not a text")
    if len(text) > longest:
        raise RecordError(f"field {field} has {len(text)} characters; at most {longest} are kept")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise RecordError(f"field {field} is no Unicode text: {error.reason} at {error.start}") from error
    return text


def _texts(texts: Sequence[str], field: str) -> list[str]:
    return [_text(text, f"{field}[{i}]") for i, text in enumerate(texts)]


def _array(values: np.ndarray, kind: str, field: str) -> list[Any]:
    """[shape, bytes] in type `kind`; what was finite stays finite."""
    given = np.asarray(values)
    with np.errstate(over="ignore"):
        kept = np.ascontiguousarray(given.astype(np.dtype(kind).newbyteorder("<")))
    if kept.dtype.kind == "f" and not np.isfinite(kept).all():
        raise RecordError(f"field {field} holds values that are not finite as {np.dtype(kind).name}")
    if kept.dtype.kind in "iu" and not np.array_equal(kept, given):
        raise RecordError(f"field {field} holds values that {np.dtype(kind).name} cannot hold")
    return [list(given.shape), kept.tobytes()]


def _same(field: str, **lengths: int) -> None:
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise RecordError(f"the parts of field {field} do not fit each other: {told}")


def _packed_regions(regions: Regions) -> dict[str, Any]:
    _same("regions", boxes=len(regions.boxes), names=len(regions.names), valid=len(regions.valid))
    shape, ids = _array(regions.ids_map, "u1", "regions.ids_map")
    return {
        "ids_map": [shape, zlib.compress(ids, ZLIB_LEVEL)],
        "boxes": _array(regions.boxes, "f2", "regions.boxes"),
        "names": _texts(regions.names, "regions.names"),
        "valid": _array(regions.valid, "u1", "regions.valid"),
    }


def _packed_scenarios(labels: ScenarioLabels) -> dict[str, Any]:
    _same("scenarios", names=len(labels.names), texts=len(labels.texts), importance=len(labels.importance))
    _same("scenarios", importance=labels.importance.size, std=labels.std.size, status=labels.status.size)
    if labels.status.size and labels.status.max() > max(Status):
        raise RecordError(f"field scenarios.status holds {labels.status.max()}; the last status is {max(Status)}")
    return {
        "names": _texts(labels.names, "scenarios.names"),
        "texts": _texts(labels.texts, "scenarios.texts"),
        "importance": _array(labels.importance, "f2", "scenarios.importance"),
        "std": _array(labels.std, "f2", "scenarios.std"),
        "status": _array(labels.status, "u1", "scenarios.status"),
        "verified_by": _text(labels.verified_by, "scenarios.verified_by"),
    }


def _packed_features(features: Features) -> dict[str, Any]:
    regions, relevance = features.regions, features.relevance
    return {
        "image": _array(features.image, "f2", "features.image"),
        "regions": None if regions is None else _array(regions, "f2", "features.regions"),
        "relevance": None if relevance is None else _array(relevance, "u1", "features.relevance"),
    }


def _packed_qa(qa: QA) -> dict[str, Any]:
    counts = {"answers": len(qa.answers), "kinds": len(qa.kinds), "logp": len(qa.logp)}
    _same("qa", questions=len(qa.questions), **counts, source_object=len(qa.source_object))
    return {
        "questions": _texts(qa.questions, "qa.questions"),
        "answers": _texts(qa.answers, "qa.answers"),
        "kinds": _texts(qa.kinds, "qa.kinds"),
        "logp": _array(qa.logp, "f4", "qa.logp"),
        "source_object": _array(qa.source_object, "i4", "qa.source_object"),
    }


class _Fields:
    """The fields of one part of a packed record."""

    def __init__(self, told: Any, part: str):
        if not isinstance(told, Mapping):
            raise RecordError(f"field {part} is {type(told).__name__}, not a part with fields")
        self._told, self._part = told, part

    def __call__(self, name: str) -> Any:
        return _get(self._told, name, f"{self._part}.{name}")

    def texts(self, name: str) -> tuple[str, ...]:
        return tuple(self(name))

    def array(self, name: str, kind: str) -> np.ndarray:
        shape, data = self._pair(name)
        return _shaped(data, shape, kind=kind, field=f"{self._part}.{name}")

    def compressed(self, name: str, kind: str) -> np.ndarray:
        shape, data = self._pair(name)
        field = f"{self._part}.{name}"
        return _shaped(_decompressed(data, field), shape, kind=kind, field=field)

    def _pair(self, name: str) -> tuple[list[int], bytes]:
        found = self(name)
        if not isinstance(found, list) or len(found) != 2 or not isinstance(found[1], bytes):
            raise RecordError(f"field {self._part}.{name} is no array, that is [shape, bytes]")
        return found[0], found[1]


def _get(told: Mapping[str, Any], name: str, field: str = "") -> Any:
    if name not in told:
        raise RecordError(f"field {field or name} is missing")
    return told[name]


def _decompressed(data: Any, field: str) -> bytes:
    try:
        return zlib.decompress(data)
    except (zlib.error, TypeError) as error:
        raise RecordError(f"field {field} cannot be decompressed ({error})") from error


def _shaped(data: bytes, shape: list[int], *, kind: str, field: str) -> np.ndarray:
    try:
        return np.frombuffer(data, np.dtype(kind).newbyteorder("<")).reshape(shape).astype(kind)
    except (ValueError, TypeError) as error:
        raise RecordError(f"field {field} has {len(data)} bytes, which are no {kind}{shape}") from error


def _regions(part: _Fields) -> Regions:
    return Regions(
        ids_map=part.compressed("ids_map", "u1"),
        boxes=part.array("boxes", "f2"),
        names=part.texts("names"),
        valid=part.array("valid", "u1").astype(bool),
    )


def _scenarios(part: _Fields) -> ScenarioLabels:
    return ScenarioLabels(
        names=part.texts("names"),
        texts=part.texts("texts"),
        importance=part.array("importance", "f2"),
        std=part.array("std", "f2"),
        status=part.array("status", "u1"),
        verified_by=part("verified_by"),
    )


def _features(part: _Fields) -> Features:
    return Features(
        image=part.array("image", "f2"),
        regions=None if part("regions") is None else part.array("regions", "f2"),
        relevance=None if part("relevance") is None else part.array("relevance", "u1"),
    )


def _qa(part: _Fields) -> QA:
    return QA(
        questions=part.texts("questions"),
        answers=part.texts("answers"),
        kinds=part.texts("kinds"),
        logp=part.array("logp", "f4"),
        source_object=part.array("source_object", "i4"),
    )
