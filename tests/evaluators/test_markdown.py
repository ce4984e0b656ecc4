"""The words of a table's marker that rates, mismatch, cost, references and checks need."""

import json
import pathlib

import pytest

from semjax.evaluators import tables
from semjax.evaluators.markdown import render

KODAK = {"dataset": "kodak24", "split": "test", "n_images": 24, "variant": "default", "checkpoint": "", "csi": "none"}


def row(system: str, cbr: float, snr_db: float, mean: float, **more: object) -> dict[str, object]:
    agreed = {"snr_db": snr_db, "told_snr_db": snr_db, "rate": cbr * 8, "channel": "awgn", "metric": "psnr"}
    side = 1e-5 / (1 + snr_db)
    interval = {"ci_low": mean - 0.5, "ci_high": mean + 0.75}
    return {**KODAK, **agreed, "system": system, "cbr_total": cbr + side, "mean": mean, **interval, **more}


ROWS = [
    *(row("swin", cbr, snr, 30 + 8 * cbr + snr / 10) for cbr in (1 / 48, 1 / 8) for snr in (1.0, 10.0)),
    row("swin", 1 / 8, 1.0, 29.0, told_snr_db=10.0),
    *(row("swin", 1 / 8, snr, mean, metric="psnr_gain_over_linear") for snr, mean in ((1.0, 0.75), (10.0, 0.25))),
]
COSTS = [
    {"system": "swin", "end": end, "parameters": 1234567, "gflop": 1.5, "ms": 12.345, "device": "cpu", "batch": 4}
    for end in ("transmit", "receive")
]


@pytest.fixture
def root(tmp_path: pathlib.Path) -> pathlib.Path:
    (tmp_path / "swin.json").write_text(json.dumps(ROWS))
    (tmp_path / "cost.json").write_text(json.dumps(COSTS))
    return tmp_path


def lines(spec: str, root: pathlib.Path) -> list[str]:
    return render(spec, root=root).splitlines()


def test_rates_are_rows_although_side_information_moves_with_the_snr(root: pathlib.Path) -> None:
    assert lines("swin.json rows=cbr cols=snr_db metric=psnr", root)[:4] == [
        "| cbr | 1 dB | 10 dB |",
        "| --- | ---: | ---: |",
        "| 1/48 | 30.27 | 31.17 |",
        "| 1/8 | 31.10 | 32.00 |",
    ]
    assert (
        lines("swin.json rows=system cols=cbr metric=psnr snr_db=10 digits=1", root)[0]
        == "| system | cbr 1/48 | cbr 1/8 |"
    )
    assert "| swin | 32.00 |" in lines("swin.json cbr=1/8 snr_db=10 metric=psnr", root)


def test_mismatch_shows_only_where_it_is_named(root: pathlib.Path) -> None:
    assert lines("swin.json rows=system,told cols=snr_db metric=psnr", root)[:4] == [
        "| system | told | 1 dB | 10 dB |",
        "| --- | --- | ---: | ---: |",
        "| swin | the SNR it has | 31.10 | 32.00 |",
        "| swin | 10 dB | 29.00 | 32.00 |",
    ]
    assert "| swin | 29.00 |" in lines("swin.json told_snr_db=10 snr_db=1 metric=psnr", root)


def test_intervals_may_show_their_ends(root: pathlib.Path) -> None:
    found = lines("swin.json rows=cbr metric=psnr_gain_over_linear interval=ends", root)
    assert "| 1/8 | 0.75 [0.25, 1.50] | 0.25 [-0.25, 1.00] |" in found


def test_cost_has_a_column_per_field(root: pathlib.Path) -> None:
    found = lines("cost.json rows=system,end values=parameters,gflop,ms digits=1", root)
    assert found[:3] == [
        "| system | end | parameters | gflop | ms |",
        "| --- | --- | ---: | ---: | ---: |",
        "| swin | transmit | 1,234,567 | 1.5 | 12.3 |",
    ]
    assert found[-1] == "*device cpu; batch 4; from cost.json.*"


def test_public_figures_join_at_the_columns_points_and_say_what_they_are(root: pathlib.Path) -> None:
    found = lines("swin.json cols=cbr metric=psnr snr_db=10 references=yes interval=95", root)
    assert found[2] == "| swin | 31.17 ± 0.62 | 32.00 ± 0.62 |"
    assert "| SwinJSCC SA&RA | 29.04 | 36.05 |" in found
    assert "| JPEG + capacity | – | 34.06 |" in found
    assert not any(line.startswith("| NTSCC++") for line in found)
    assert "SwinJSCC SA&RA: arXiv 2308.09361." in found[-1]
    with pytest.raises(ValueError, match="references=yes wants rows=system"):
        render("swin.json rows=cbr metric=psnr references=yes", root=root)


def test_checks_say_that_all_is_well_or_list_what_is_not(root: pathlib.Path) -> None:
    assert lines("swin.json check=monotone metric=psnr", root)[0] == "All 4 steps in SNR and in cbr go up."
    assert lines("swin.json check=above metric=psnr_gain_over_linear snr_db=1", root)[0].startswith("All 1 points lie")
    assert lines("swin.json check=above metric=psnr_gain_over_linear", root)[:3] == [
        "1 of 2 points do not lie above 0 with their whole 95 % interval:",
        "",
        "- swin over awgn at 10 dB, cbr 1/8: 0.25 [-0.25, 1.00]",
    ]
    falling = [{**r, "mean": 20.0} if (r["metric"], r["rate"], r["snr_db"]) == ("psnr", 1.0, 10.0) else r for r in ROWS]
    (root / "falling.json").write_text(json.dumps(falling))
    assert lines("falling.json check=monotone metric=psnr", root)[0] == "2 of 4 steps in SNR and cbr do not go up:"
    assert "- swin over awgn at cbr 1/8 from 1 to 10 dB: -11.10" in lines(
        "falling.json check=monotone metric=psnr", root
    )


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("check=monotone", "of one metric"),
        ("check=rising metric=psnr", "may be monotone, above or signs"),
        ("rows=system cols=snr_db metric=psnr", r"differ in .*'rate'"),
    ],
)
def test_a_marker_that_makes_no_table_is_named(root: pathlib.Path, spec: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        render(f"swin.json {spec}", root=root)


def test_a_marker_in_a_file_takes_these_words(root: pathlib.Path) -> None:
    (root / "README.md").write_text("<!-- table: swin.json check=monotone metric=psnr -->\n<!-- /table -->\n")
    (new,) = tables.refresh(root).values()
    assert "All 4 steps" in new
