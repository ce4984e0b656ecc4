"""The contact sheet: colours, hatching, and what the command says to bad flags."""

import doctest
import pathlib
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from semjax.store.record import Record, Regions, ScenarioLabels, Status
from semjax.teachers import heat, sheet
from semjax.teachers.base import Importance, View


def make_regions() -> Regions:
    ids = np.zeros((40, 60), np.uint8)
    ids[5:35, 5:28], ids[5:35, 32:55] = 1, 2
    return Regions(
        ids_map=ids, boxes=np.zeros((3, 4), np.float32), names=("rest", "cat", "dog"), valid=np.ones(3, bool)
    )


def make_view() -> View:
    return View(id=4, index=0, sha="s", image=np.full((40, 60, 3), 128, np.uint8), regions=make_regions())


def labels(status: int) -> Importance:
    score = np.array([[0, 0, 1], [0, 1, 0]], np.float32)
    return Importance(score=score, std=np.zeros_like(score), status=np.full((2, 3), status, np.uint8))


def test_red_is_important_and_blue_is_not() -> None:
    found = labels(Status.OK)
    panel = heat.heat_panel(
        make_view().image, make_regions(), score=found.score[0], status=found.status[0]
    ).astype(int)  # fmt: skip
    assert panel[7, 7, 2] > panel[7, 7, 0] + 30
    assert panel[7, 34, 0] > panel[7, 34, 2] + 30


@pytest.mark.parametrize("status", [Status.FAILED, Status.MISSING])
def test_what_was_not_said_is_grey_whatever_stands_there(status: Status) -> None:
    found = labels(status)
    panel = heat.heat_panel(make_view().image, make_regions(), score=found.score[0], status=found.status[0])
    assert (np.ptp(panel.astype(int), axis=-1) == 0).all()
    lines = (panel == 90).all(axis=-1)
    assert 0.05 < lines[6:34, 6:27].mean() < 0.3, "not hatched"


def test_rows_and_sheet_fit_together() -> None:
    rows = [sheet.row(make_view(), labels(status), ("one", "two")) for status in (Status.OK, Status.FAILED)]
    made = sheet.sheet(rows, title="two")
    assert made.shape[1] == 4 * sheet.PANEL + 5 * sheet.GAP
    assert made.shape[0] > sum(row.shape[0] for row in rows)
    assert (rows[0] != rows[1]).any()


class Shelf(list):
    scenarios = ("two", "one")


def test_labels_of_a_store_are_found_by_name() -> None:
    score = np.array([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]], np.float16)
    told = ScenarioLabels(
        names=("two", "one"), texts=("", ""), importance=score, std=score, status=np.zeros((2, 3), np.uint8)
    )
    record = Record(id=4, index=0, image_sha="s", scenarios=told)
    found = sheet.stored(Shelf([record]), make_view(), ("one", "two"))  # type: ignore[arg-type]
    np.testing.assert_array_equal(found.score, score[::-1].astype(np.float32))
    with pytest.raises(sheet.SheetError, match="has no labels for three; its scenarios are: two, one"):
        sheet.stored(Shelf([record]), make_view(), ("three",))  # type: ignore[arg-type]
    with pytest.raises(sheet.SheetError, match="another picture"):
        sheet.stored(Shelf([replace(record, image_sha="t")]), make_view(), ("one", "two"))  # type: ignore[arg-type]
    cut = replace(told, importance=score[:, :2], std=score[:, :2], status=np.zeros((2, 2), np.uint8))
    with pytest.raises(sheet.SheetError, match="2 regions, the picture has 3"):
        sheet.stored(Shelf([replace(record, scenarios=cut)]), make_view(), ("one", "two"))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", sheet.ALBUMS)
def test_command(data_dir: pathlib.Path, tmp_path: pathlib.Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "sheet.png"
    assert sheet.main(["--album", name, "--root", str(data_dir), "--index", "3", "--out", str(out)]) == 0
    with Image.open(out) as image:
        colours = np.asarray(image)
    assert colours.std() > 20
    assert "1 pictures under driving and" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--scenarios", "driving"], "--scenarios takes two of driving"),
        (["--scenarios", "driving,flying"], "got driving,flying"),
        (["--index", "25"], "pictures 0 to 24"),
        (["--index", "-1"], "pictures 0 to 24"),
        (["--index", "a"], "--index takes numbers"),
        (["--split", "night"], "no split 'night'"),
        (["--store", "/nowhere"], "no teacher store in /nowhere"),
    ],
)
def test_bad_flags(
    data_dir: pathlib.Path, tmp_path: pathlib.Path, flags: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "sheet.png")
    assert sheet.main(["--album", "camvid", "--root", str(data_dir), "--out", out, *flags]) == 2
    told = capsys.readouterr().err
    assert told.startswith("error: ")
    assert message in told


def test_no_root(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert sheet.main(["--album", "coco", "--root", "", "--out", str(tmp_path / "x.png")]) == 2
    assert "SEMJAX_DATA" in capsys.readouterr().err


def test_examples() -> None:
    assert not doctest.testmod(heat).failed
