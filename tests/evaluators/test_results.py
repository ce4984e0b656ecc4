"""Results survive the way to the disk and back, and a malformed row is refused."""

import csv
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
    name = results.picture_name(channel="awgn", snr_db=10.0, rate=1.0, metric="psnr")
    path = results.write_pictures(
        {name: Pictures(ids=np.array([3, 1]), values=np.array([30.0, 31.0]))}, tmp_path / "p.npz"
    )
    found = results.read_pictures(path)
    assert list(found) == ["channel=awgn snr_db=10 rate=1 metric=psnr"]
    np.testing.assert_array_equal(found[name].ids, [3, 1])
    np.testing.assert_array_equal(found[name].values, [30.0, 31.0])
