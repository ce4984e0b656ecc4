"""Results survive the way to the disk and back, and a malformed row is refused."""

import csv
import json
import math
import pathlib

import numpy as np
import pytest

from semjax.evaluators import results
from semjax.evaluators.bootstrap import Pictures

ROW = {
    **dict.fromkeys(results.FIELDS, "x"),
    **dict.fromkeys(results.NUMBERS, 0.125),
    **{"n_images": 24, "n_draws": 2, "seed": 0},
}


def test_rows_come_back(tmp_path: pathlib.Path) -> None:
    rows = [{**ROW, "mean": np.float32(30.25)}, {**ROW, "mean": math.inf, "system": 'a "b", c'}]
    path = results.write(rows, tmp_path / "made")
    first, second = results.read(path)
    assert first == {**ROW, "mean": 30.25}
    assert math.isnan(second["mean"])
    assert second["system"] == 'a "b", c'
    with (path.parent / "results.csv").open(newline="", encoding="utf-8") as file:
        sheet = list(csv.DictReader(file))
    assert list(sheet[0]) == list(results.FIELDS)
    assert [row["mean"] for row in sheet] == ["30.25", ""]
    assert sorted(p.name for p in path.parent.iterdir()) == ["results.csv", "results.json"]


@pytest.mark.parametrize("change", [{"extra": 1}, {"mean": None}])
def test_a_row_with_other_fields_is_refused(tmp_path: pathlib.Path, change: dict[str, object]) -> None:
    row = {k: v for k, v in {**ROW, **change}.items() if v is not None}
    with pytest.raises(ValueError, match="result row 0"):
        results.write([row], tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_damaged_file_is_named(tmp_path: pathlib.Path) -> None:
    (tmp_path / "results.json").write_text("[{")
    with pytest.raises(ValueError, match=r"results\.json: not valid JSON"):
        results.read(tmp_path / "results.json")


def test_values_per_picture_come_back(tmp_path: pathlib.Path) -> None:
    name = results.picture_name(channel="awgn", snr_db=10.0, told_snr_db=10.0, rate=1.0, metric="psnr")
    path = results.write_pictures(
        {name: Pictures(ids=np.array([3, 1]), values=np.array([30.0, 31.0]))}, tmp_path / "p.npz"
    )
    found = results.read_pictures(path)
    assert list(found) == ["channel=awgn snr_db=10 rate=1 metric=psnr"]
    np.testing.assert_array_equal(found[name].ids, [3, 1])
    np.testing.assert_array_equal(found[name].values, [30.0, 31.0])


def test_a_file_from_before_rates_and_mismatch_is_read_as_matched_at_full_rate(tmp_path: pathlib.Path) -> None:
    old = {k: v for k, v in ROW.items() if k not in ("told_snr_db", "rate")} | {"snr_db": 7.0}
    (tmp_path / "results.json").write_text(json.dumps([old]))
    (row,) = results.read(tmp_path / "results.json")
    assert (row["told_snr_db"], row["rate"]) == (7.0, 1.0)
    assert results.matched(row)
    assert not results.matched({**row, "told_snr_db": 10.0})


def test_a_point_under_mismatch_has_its_own_name() -> None:
    where = {"channel": "awgn", "snr_db": 4.0, "rate": 0.5, "metric": "psnr"}
    names = [results.picture_name(**where, told_snr_db=told) for told in (4.0, 10.0)]
    assert names == [
        "channel=awgn snr_db=4 rate=0.5 metric=psnr",
        "channel=awgn snr_db=4 told_snr_db=10 rate=0.5 metric=psnr",
    ]


@pytest.mark.parametrize(
    ("cbr", "name"), [(1 / 48, "1/48"), (0.083339, "1/12"), (0.5, "1/2"), (0.0842, "0.0842"), (0.08, "0.08"), (0, "0")]
)
def test_a_rate_is_named_as_people_write_it(cbr: float, name: str) -> None:
    assert results.cbr_name(cbr) == name
