"""Records as bytes: the same record gives the same bytes, bytes give the record, faults name the field."""

import dataclasses
from typing import Any

import msgpack
import numpy as np
import pytest
from made_up_records import make_record

from semjax.store.packing import LONGEST_TEXT, RecordError, pack, unpack
from semjax.store.record import Record


def same(a: Any, b: Any) -> bool:
    """Equal in every field, types of arrays included."""
    if dataclasses.is_dataclass(a):
        return type(a) is type(b) and all(same(getattr(a, f.name), getattr(b, f.name)) for f in dataclasses.fields(a))
    if isinstance(a, np.ndarray):
        return isinstance(b, np.ndarray) and a.dtype == b.dtype and np.array_equal(a, b)
    return bool(a == b)


def test_round_trip_keeps_every_field() -> None:
    record = make_record(3)
    assert same(unpack(pack(record)), record)


def test_round_trip_of_a_record_that_says_nothing() -> None:
    record = Record(id=1, index=0, image_sha="ab", aug_seed=7, err="it was silent")
    assert same(unpack(pack(record)), record)


def test_bytes_do_not_depend_on_the_types_that_values_come_in() -> None:
    record = make_record(5)
    assert record.regions is not None
    assert record.scenarios is not None
    wider = dataclasses.replace(
        record,
        regions=dataclasses.replace(record.regions, boxes=record.regions.boxes.astype(np.float64)),
        scenarios=dataclasses.replace(record.scenarios, importance=np.asfortranarray(record.scenarios.importance)),
    )
    assert pack(wider) == pack(record)


def test_small_enough_for_a_store() -> None:
    assert len(pack(make_record(1))) < 2000


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"captions": ("x" * (LONGEST_TEXT + 1),)}, r"captions\[0\] has 16385 characters"),
        ({"err": "broken \ud800"}, "err is no Unicode"),
        ({"raw": b"bytes"}, "raw is bytes"),
    ],
)
def test_texts_that_cannot_be_kept_name_the_field(change: dict[str, Any], field: str) -> None:
    with pytest.raises(RecordError, match=field):
        pack(dataclasses.replace(make_record(0), **change))


@pytest.mark.parametrize(
    ("part", "change", "field"),
    [
        (
            "scenarios",
            {"importance": np.full((2, 3), np.nan)},
            r"scenarios\.importance holds values that are not finite",
        ),
        ("scenarios", {"status": np.full((2, 3), 9, np.uint8)}, r"scenarios\.status holds 9"),
        ("scenarios", {"std": np.zeros((2, 2))}, "scenarios do not fit"),
        ("regions", {"names": ("one",)}, "regions do not fit"),
        ("features", {"image": np.array([1e6])}, r"features\.image holds values that are not finite as float16"),
        ("qa", {"source_object": np.array([2**40, 0])}, r"qa\.source_object holds values that int32 cannot"),
        ("qa", {"logp": np.zeros(3, np.float32)}, "qa do not fit"),
    ],
)
def test_values_that_cannot_be_kept_name_the_field(part: str, change: dict[str, Any], field: str) -> None:
    record = make_record(0)
    wrong = dataclasses.replace(record, **{part: dataclasses.replace(getattr(record, part), **change)})
    with pytest.raises(RecordError, match=field):
        pack(wrong)


def damaged(**change: Any) -> bytes:
    return msgpack.packb({**msgpack.unpackb(pack(make_record(0))), **change})


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"\xc1", "no msgpack"),
        (msgpack.packb([1, 2]), "field schema is missing"),
        (damaged(schema=99), "schema is 99"),
        (damaged(raw=b"no zlib"), "raw cannot be decompressed"),
        (damaged(features={"image": [[5], b"\0\0"]}), r"features\.image has 2 bytes"),
        (damaged(qa={"questions": []}), r"qa\.answers is missing"),
        (damaged(regions=4), "regions is int"),
    ],
)
def test_bytes_that_are_no_record_name_the_field(data: bytes, told: str) -> None:
    with pytest.raises(RecordError, match=told):
        unpack(data)
