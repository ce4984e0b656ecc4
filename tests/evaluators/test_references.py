"""Public figures: whole sets only, the right channel and metric, and the numbers as they were reported."""

from typing import Any

import pytest

from semjax.evaluators import references

KODAK = {"dataset": "kodak24", "split": "test", "channel": "awgn", "metric": "psnr", "n_images": 24}
ROW = {**KODAK, "snr_db": 10.0, "told_snr_db": 10.0, "cbr_total": 1 / 12}


def test_a_figure_is_the_one_reported() -> None:
    found = {(r["system"], r["snr_db"], round(1 / r["cbr_total"])): r["mean"] for r in references.beside([ROW])}
    assert found["SwinJSCC SA&RA", 10.0, 12] == 34.41
    assert found["BPG + capacity", 1.0, 8] == 32.47
    assert found["VTM + capacity", 10.0, 48] == 30.60
    assert ("JPEG + capacity", 10.0, 48) not in found
    assert len(found) == 25 + 5 + 10 + 5 + 4 + 5


@pytest.mark.parametrize(
    "change",
    [
        {"dataset": "bsds500"},
        {"channel": "rayleigh"},
        {"metric": "ssim"},
        {"n_images": 12},
        {"split": "test crop 256"},
        {"told_snr_db": 1.0},
    ],
)
def test_nothing_stands_beside_other_pictures_channels_or_metrics(change: dict[str, Any]) -> None:
    assert references.beside([{**ROW, **change}]) == []


def test_small_pictures_have_the_psnr_of_the_mean_mse() -> None:
    small = {**ROW, "dataset": "cifar10_first4000_part", "n_images": 300}
    assert references.beside([small]) == []
    found = references.beside([{**small, "metric": "psnr_of_mean_mse"}])
    assert {row["system"] for row in found} == {"DeepJSCC, public"}
    assert "mean MSE" in found[0]["note"]


def test_every_figure_has_a_source_and_finite_numbers() -> None:
    for reference in references.load():
        assert reference.source
        assert reference.points
        for point in reference.points:
            assert 10 < point.value < 50
            assert 0 < point.cbr < 0.5
