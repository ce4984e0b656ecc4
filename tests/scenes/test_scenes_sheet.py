"""The commands that show scenes."""

import numpy as np
import pytest
from PIL import Image

from semjax.scenes import sheet as sheets
from semjax.scenes.__main__ import main
from semjax.scenes.sheet import DARK, GAP, LIGHT, PANEL, REGION_COLOURS, TITLE, sheet


@pytest.fixture(scope="module")
def drawn():
    return sheet(split="unseen_scenario", count=2, size=64, seed=1)


def test_a_sheet_shows_picture_regions_and_importance(drawn):
    page = np.asarray(drawn)
    top, left = TITLE + 2, GAP + 2
    panels = [page[top : top + PANEL - 4, left + i * (PANEL + GAP) :][:, : PANEL - 4] for i in range(3)]
    assert len(np.unique(panels[0].reshape(-1, 3), axis=0)) > 200

    def share(panel, colour):
        return (np.abs(panel.astype(int) - colour).max(axis=-1) <= 1).mean()

    seen = [share(panels[1], colour) for colour in REGION_COLOURS]
    assert seen[0] > 0.3
    assert seen[1] > 0.01
    assert seen[2] > 0.01
    levels = [share(panels[2], (LIGHT + level * (DARK - LIGHT)).astype(int)) for level in (0.1, 0.3, 0.6, 0.8, 1.0)]
    assert sum(levels) > 0.8
    text = page[TITLE:, GAP + 3 * (PANEL + GAP) :]
    assert (text < 80).all(axis=-1).mean() > 0.01, "no text"


def test_a_sheet_is_deterministic(drawn):
    again = sheet(split="unseen_scenario", count=2, size=64, seed=1)
    assert again.tobytes() == drawn.tobytes()


def test_no_text_leaves_its_column():
    long = "word " * 60
    font = sheets._font(13)
    lines = sheets._wrapped(long)
    assert " ".join(lines).split() == long.split()
    assert all(font.getlength(line) <= sheets.TEXT_WIDTH - 16 for line in lines)


def test_the_command_writes_a_picture(tmp_path, capsys):
    path = tmp_path / "sheet.png"
    arguments = ["--split", "unseen_scenario", "--count", "2", "--size", "64", "--seed", "1"]
    assert main(["sheet", "--out", str(path), *arguments]) == 0
    assert str(path) in capsys.readouterr().out
    with Image.open(path) as image:
        assert image.format == "PNG"
        assert image.width > 3 * PANEL


def test_the_command_tells_information(capsys):
    assert main(["information", "--count", "1000"]) == 0
    assert "class x scenario" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("sheet --out x.jpg", "error: --out x.jpg: the sheet is a .png file"),
        ("sheet --out nowhere/x.png", "error: --out nowhere/x.png: there is no folder nowhere"),
        ("sheet --out x.png --split dev", "error: there is no split 'dev'; the splits are: train, val"),
        ("sheet --out x.png --count 0", "error: count=0 is not in 1 to 100"),
        ("sheet --out x.png --size 9", "error: size=9"),
        ("sheet --out x.png --seed -1", "error: seed=-1"),
        ("sheet --out x.png --count many", "error: argument --count: invalid int value: 'many'"),
        ("sheet", "error: the following arguments are required: --out"),
        ("dance", "error: argument COMMAND: invalid choice: 'dance'"),
        ("information --count 0", "error: count=0 objects"),
        ("information --seed 99999999999", "error: seed=99999999999 is not in 0 to 2147483647"),
    ],
)
def test_what_cannot_be_is_told(arguments, told, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    try:
        status = main(arguments.split())
    except SystemExit as stopped:
        status = stopped.code
    assert status == 2
    assert capsys.readouterr().err.startswith(told)
    assert not list(tmp_path.iterdir())
