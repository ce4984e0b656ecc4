"""The report: a folder that stands alone, shows what the rows say, and draws the same figures from the same rows."""

import pathlib
import re

import numpy as np
import pytest

from semjax.data import images
from semjax.evaluators import cost, gallery, numbers, plots, report, results


def row(system: str, snr_db: float, mean: float, *, cbr: float = 0.08, **more: object) -> results.Row:
    words = {"variant": "default", "checkpoint": "step 1", "commit": "c0ffee", "config_hash": "ab", "dataset": "noise"}
    place = {
        "split": "test",
        "channel": "awgn",
        "csi": "none",
        "side_link": "none",
        "link_terms": "",
        "metric": "psnr",
        "seed": 0,
    }
    uses = {"cbr_analog": cbr, "cbr_digital": 0.0, "cbr_side": 0.0, "cbr_total": cbr}
    value = {"mean": mean, "ci_low": mean - 0.5, "ci_high": mean + 0.75, "n_images": 3, "n_draws": 1}
    agreed = {"told_snr_db": snr_db, "rate": 1.0}
    return {"system": system, "snr_db": snr_db, **agreed, **words, **place, **uses, **value, **more}


ROWS = [row("a<b", 0.0, 21.126), row("a<b", 10.0, 30.0), row("linear", 0.0, 20.0), row("linear", 10.0, 28.5)]


@pytest.fixture
def page(tmp_path: pathlib.Path) -> str:
    picture = np.random.default_rng(0).uniform(0, 1, (16, 24, 3)).astype(np.float32)
    received = {
        "a<b": gallery.Shown(psnr=21.5, image=1 - picture),
        "linear": gallery.Shown(psnr=33.25, image=picture),
    }
    point = gallery.Comparison(label="cbr 1/12, 9 dB", received=received)
    sample = gallery.Sample(name="Picture 7", original=picture, points=(point,))
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
    assert re.search(r"original +· cbr 1/12, 9 dB +a&lt;b +· 21\.50 dB +linear +· 33\.25 dB", text)
    assert re.search(r"Commit +c0ffee", text)
    assert 'class="small"' in page


def test_a_figure_per_metric_and_channel_with_a_line_per_system(tmp_path: pathlib.Path) -> None:
    rows = [*ROWS, row("linear", 0.0, 0.5, metric="ssim"), row("linear", 0.0, 18.0, channel="rayleigh", csi="perfect")]
    figures = plots.curves(rows, tmp_path)
    assert [f.title for f in figures] == ["PSNR over awgn", "SSIM over awgn", "PSNR over rayleigh, CSI perfect"]
    assert all(f.light.is_file() and f.dark.is_file() for f in figures)
    assert figures[0].light.read_bytes() != figures[0].dark.read_bytes()
    before = figures[0].light.read_bytes()
    assert plots.curves(rows, tmp_path)[0].light.read_bytes() == before
    assert plots.curves([row("linear", 0.0, float("nan"))], tmp_path) == []


def test_rate_distortion_has_a_panel_per_snr_where_a_system_has_several_rates(tmp_path: pathlib.Path) -> None:
    assert plots.rate_distortion(ROWS, tmp_path) == []
    rows = [*ROWS, row("linear", 10.0, 31.0, cbr=0.16), row("linear", 0.0, 22.0, cbr=0.165)]
    assert [(f.title, f.panels) for f in plots.rate_distortion(rows, tmp_path)] == [("PSNR over awgn, by rate", 2)]
    linear = [s for s in plots.by_system(rows) if s.system == "linear"]
    assert [(s.cbr, [r["mean"] for r in s.rows]) for s in linear] == [
        ("0.08", [20.0, 28.5]),
        ("0.16 to 0.165", [22.0, 31.0]),
    ]


def test_systems_at_one_rate_token_share_a_panel(tmp_path: pathlib.Path) -> None:
    rates = [
        row(name, 0.0, 20.0, cbr=cbr * more, rate=cbr) for cbr in (0.5, 1.0) for name, more in (("a", 1), ("b", 1.1))
    ]
    (figure,) = plots.curves(rates, tmp_path)
    assert figure.panels == 2


def test_public_figures_stand_beside_the_pictures_they_are_of(tmp_path: pathlib.Path) -> None:
    kodak = {"dataset": "kodak24", "n_images": 24, "cbr": 1 / 12}
    rows = [row("ours", snr, 31.25, **kodak) for snr in (10.0, 12.0)]
    path = report.write(rows, tmp_path, title="t", provenance={})
    text = re.sub(r"<[^>]+>", " ", path.read_text(encoding="utf-8"))
    assert "Beside public figures" in text
    assert re.search(r"10 dB +ours +here +31\.25\s", text)
    assert re.search(r"10 dB +SwinJSCC SA&amp;RA +arXiv 2308\.09361 +34\.41\s", text)
    assert not re.search(r"(1|12) dB +(ours|SwinJSCC)", text)
    assert "NTSCC" not in text
    assert "a link gives every picture the same" in text
    assert "2308.09361" in (tmp_path / "figures" / "psnr_awgn.svg").read_text()
    cropped = report.write([{**r, "split": "test crop 256"} for r in rows], tmp_path, title="t", provenance={})
    assert "Beside public figures" not in cropped.read_text(encoding="utf-8")


def test_mismatch_peaks_and_cost_have_their_sections(tmp_path: pathlib.Path) -> None:
    told = [row("a<b", snr, mean, told_snr_db=10.0) for snr, mean in ((0.0, 19.5), (5.0, 24.5))]
    peak = row("a<b", 0.0, 9.25, metric="papr_db")
    words = dict.fromkeys(cost.FIELDS, 0) | {"system": "a<b", "variant": "default", "device": "a chip"}
    costs = [{**words, "end": "transmit", "parameters": 1234, "gflop": 0.5, "ms": 2.5, "height": 16, "width": 24}]
    rows = [*ROWS, *told, peak]
    page = report.write(rows, tmp_path, title="t", provenance={}, costs=costs).read_text(encoding="utf-8")
    text = re.sub(r"<[^>]+>", " ", page)
    assert re.search(r"a&lt;b +awgn +10 dB +0\.08 +19\.50 ±0\.6[23] +24\.50 ±0\.6[23] +30\.00", text)
    assert re.search(r"Peak over mean power \(dB\).*9\.25", text, re.DOTALL)
    assert re.search(r"a&lt;b +transmit +24x16 +0 +1,234 +0\.5", text)
    assert "Device: a chip." in text
    assert {"cost.json", "figures/mismatch_psnr_awgn.svg"} <= set(re.findall(r'(?:src|href)="([^"]+)"', page))
    assert "19.50" not in numbers.quality(rows, "psnr")
    lines = numbers.text_mismatch(rows).splitlines()
    assert lines[0].split() == ["PSNR", "(dB),", "channel", "at", "0", "dB", "5", "dB", "10", "dB"]
    assert lines[2].split() == ["a<b,", "told", "10", "dB", "awgn", "19.50", "24.50", "30.00"]
    assert numbers.text_mismatch(ROWS) == ""


def test_a_gain_that_is_not_above_zero_is_named() -> None:
    gain = [row("a", snr, mean, metric="psnr_gain_over_linear") for snr, mean in ((0.0, 0.75), (10.0, 0.25))]
    assert numbers.above(gain[:1], "psnr_gain_over_linear").startswith("All 1 points lie above 0")
    assert numbers.above(gain, "psnr_gain_over_linear") == (
        "1 of 2 points do not lie above 0 with their whole 95 % interval: awgn, 10 dB, cbr 0.08: 0.25 [-0.25, 1.00]."
    )


def test_the_terminal_table_is_aligned() -> None:
    assert numbers.text_table(ROWS, "psnr").splitlines() == [
        "PSNR (dB)         cbr   0 dB  10 dB",
        "a<b        awgn  0.08  21.13  30.00",
        "linear     awgn  0.08  20.00  28.50",
    ]
