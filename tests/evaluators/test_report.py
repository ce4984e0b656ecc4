"""The report: a folder that stands alone, shows what the rows say, and draws the same figures from the same rows."""

import pathlib
import re

import numpy as np
import pytest

from semjax.data import images
from semjax.evaluators import plots, report, results


def row(system: str, snr_db: float, mean: float, *, cbr: float = 0.08, **more: object) -> results.Row:
    words = {"variant": "default", "checkpoint": "step 1", "commit": "c0ffee", "config_hash": "ab", "dataset": "noise"}
    place = {"split": "test", "channel": "awgn", "csi": "none", "side_link": "none", "metric": "psnr", "seed": 0}
    uses = {"cbr_analog": cbr, "cbr_digital": 0.0, "cbr_side": 0.0, "cbr_total": cbr}
    value = {"mean": mean, "ci_low": mean - 0.5, "ci_high": mean + 0.75, "n_images": 3, "n_draws": 1}
    return {"system": system, "snr_db": snr_db, **words, **place, **uses, **value, **more}


ROWS = [row("a<b", 0.0, 21.126), row("a<b", 10.0, 30.0), row("linear", 0.0, 20.0), row("linear", 10.0, 28.5)]


@pytest.fixture
def page(tmp_path: pathlib.Path) -> str:
    picture = np.random.default_rng(0).uniform(0, 1, (16, 24, 3)).astype(np.float32)
    shown = (
        report.Shown(label="0 dB", psnr=21.5, image=1 - picture),
        report.Shown(label="9 dB", psnr=33.25, image=picture),
    )
    sample = report.Sample(name="Picture 7", original=picture, received=shown)
    path = report.write(ROWS, tmp_path, title="a<b on noise", provenance={"Commit": "c0ffee"}, samples=[sample])
    assert path == tmp_path / "index.html"
    np.testing.assert_allclose(
        images.decode((tmp_path / "pictures/0_1.png").read_bytes(), name="0"), 1 - picture, atol=3e-3
    )
    return path.read_text(encoding="utf-8")


def test_the_page_needs_nothing_from_outside_its_folder(page: str, tmp_path: pathlib.Path) -> None:
    linked = re.findall(r'(?:src|srcset|href)="([^"]+)"', page)
    assert all((tmp_path / path).is_file() and not pathlib.Path(path).is_absolute() for path in linked)
    assert not re.search(r"https?:|<script|@import|url\(", page)


def test_the_page_shows_values_intervals_pictures_and_origin(page: str) -> None:
    text = re.sub(r"<[^>]+>", " ", page)
    assert "a&lt;b on noise" in page
    assert "<title>a<b" not in page
    assert re.search(r"a&lt;b +awgn +0\.08 +21\.13 ±0\.6[23] +30\.00", text)
    assert re.search(r"0 dB +· 21\.50 dB +9 dB +· 33\.25 dB", text)
    assert re.search(r"Commit +c0ffee", text)
    assert 'class="small"' in page


def test_a_figure_per_metric_and_channel_with_a_line_per_system(tmp_path: pathlib.Path) -> None:
    rows = [*ROWS, row("linear", 0.0, 0.5, metric="ssim"), row("linear", 0.0, 18.0, channel="rayleigh", csi="perfect")]
    figures = plots.curves(rows, tmp_path)
    assert [f.title for f in figures] == ["PSNR over awgn", "SSIM over awgn", "PSNR over rayleigh, CSI perfect"]
    assert all(f.light.is_file() and f.dark.is_file() for f in figures)
    before = figures[0].light.read_bytes()
    assert plots.curves(rows, tmp_path)[0].light.read_bytes() == before
    assert plots.curves([row("linear", 0.0, float("nan"))], tmp_path) == []


def test_rate_distortion_is_drawn_where_a_system_has_several_rates(tmp_path: pathlib.Path) -> None:
    assert plots.rate_distortion(ROWS, tmp_path) == []
    rows = [*ROWS, row("linear", 10.0, 31.0, cbr=0.16), row("linear", 0.0, 22.0, cbr=0.161)]
    assert [f.title for f in plots.rate_distortion(rows, tmp_path)] == ["PSNR over awgn, by rate"]
    linear = [s for s in plots.by_system(rows) if s.system == "linear"]
    assert [(s.cbr, [r["mean"] for r in s.rows]) for s in linear] == [
        ("0.08", [20.0, 28.5]),
        ("0.16 to 0.161", [22.0, 31.0]),
    ]


def test_the_terminal_table_is_aligned() -> None:
    assert report.text_table(ROWS, "psnr").splitlines() == [
        "PSNR (dB)         cbr   0 dB  10 dB",
        "a<b        awgn  0.08  21.13  30.00",
        "linear     awgn  0.08  20.00  28.50",
    ]
