"""Evaluation of a run from the command line to the page: rows, files, baselines, and errors in one line."""

import functools
import json
import pathlib
import re
import sys
from typing import Any

import numpy as np
import pytest

from semjax.app import build, config, evaluate, train
from semjax.app.errors import ConfigError, UserError
from semjax.evaluators import plots, results

CBR = 1 / 24


def dense_at_cbr(cfg: Any, parts: Any, *, cbr: float, dense: Any) -> Any:
    """System "dense" with the option that a baseline shares."""
    return dense(cfg, parts, features=round(2 * cbr * 8 * 8 * 3))


@pytest.fixture
def registry(tiny: Any) -> build.Registry:
    builder = functools.partial(dense_at_cbr, dense=tiny.registry.systems["dense"])
    return tiny.registry.with_(systems={"dense": builder})


@pytest.fixture
def run(tiny: Any, registry: build.Registry, tmp_path: pathlib.Path) -> pathlib.Path:
    """A run of two steps of system "dense"."""
    array = {"source": "array", "path": str(tiny.pictures), "key": "val"}
    asked = {"data": array, "snr_db": (0.0, 10.0), "metrics": ("psnr", "ssim"), "batch_size": 2}
    cfg = {**tiny.config, "system": {"name": "dense", "cbr": CBR}, "train": {"steps": 2}, "eval": asked, "phases": ()}
    train.train(config.resolve(cfg, registry), workdir=tmp_path / "run", registry=registry)
    return tmp_path / "run"


@pytest.fixture
def shipped(pictures: pathlib.Path, tmp_path: pathlib.Path) -> pathlib.Path:
    """The linear system as a shipped checkpoint: nothing in it was trained."""
    folder = tmp_path / "linear"
    folder.mkdir()
    array = {"source": "array", "path": str(pictures), "key": "val"}
    cfg = {"system": {"name": "linear", "cbr": CBR}, "data": {"train": {**array, "crop": 16}}, "val": array}
    cfg["eval"] = {"data": array, "snr_db": (10.0,), "metrics": ("psnr",), "batch_size": 2}
    resolved = config.resolve(cfg, build.default_registry())
    (folder / build.CONFIG_FILE).write_text(config.to_json(resolved))
    np.savez(folder / build.PARAMS_FILE, **{build.META_KEY: np.array(json.dumps({"step": 0}))})
    return folder


def test_a_run_and_its_baseline_stand_in_one_table_and_one_page(run: pathlib.Path, registry: build.Registry) -> None:
    changed = [("eval.baselines", "('linear',)"), ("eval.channels", "({'name': 'awgn'}, {'name': 'rayleigh'})")]
    found = evaluate.evaluate(run, registry=registry, overrides=changed)
    assert found.index == run / "report" / "index.html"
    assert results.read(run / "report" / "results.json") == found.rows
    gained = [row for row in found.rows if row["metric"].endswith("_gain_over_linear")]
    assert len(gained) == 2 * 2 * 2
    assert len(found.rows) == 2 * len(gained) + len(gained)
    assert {(r["system"], r["checkpoint"], r["dataset"], r["n_images"]) for r in found.rows} == {
        ("dense", "step 2", "pictures", 3),
        ("linear", "", "pictures", 3),
    }
    assert all(r["cbr_analog"] == pytest.approx(CBR, rel=1e-3) for r in found.rows)
    assert {r["system"]: r["side_link"] for r in found.rows} == {"dense": "none", "linear": "ideal"}
    chosen = [r for r in found.rows if (r["channel"], r["snr_db"], r["metric"]) == ("awgn", 10.0, "psnr")]
    best = {r["system"]: r["mean"] for r in chosen}
    assert best["linear"] > best["dense"]
    page = found.index.read_text()
    shown = re.findall(r'(?:src|srcset|href)="([^"]+)"', page)
    assert {"figures/psnr_awgn.svg", "figures/psnr_awgn_dark.svg", "pictures/0_0.png", "results.csv"} <= set(shown)
    assert all((found.index.parent / path).is_file() for path in shown)
    assert "http" not in page.replace("http-equiv", "")
    assert set(results.read_pictures(found.index.parent / "pictures_dense.npz")) == set(
        results.read_pictures(found.index.parent / "pictures_linear.npz")
    )


def test_the_command_prints_the_table_and_where_the_report_is(
    shipped: pathlib.Path, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "elsewhere"
    flags = ["--checkpoint", str(shipped), "--output", str(out), "--config.eval.snr_db=(3.0, 13.0)"]
    assert evaluate.main(flags) == 0
    said = capsys.readouterr().out
    assert re.search(
        r"PSNR \(dB\) +cbr +3 dB +13 dB\nlinear +awgn +0\.0\d+ to 0\.0\d+ +\d\d?\.\d\d +\d\d?\.\d\d\n", said
    )
    assert said.endswith(f"report: {out / 'index.html'}\n")
    assert not (shipped / "report").exists()


def test_without_matplotlib_the_report_has_no_figures_and_says_why(
    shipped: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(plots.FiguresMissing, match=r"semjax\[plot\]"):
        plots.curves(
            [dict.fromkeys(results.FIELDS, 1.0) | {"metric": "psnr", "channel": "awgn", "csi": "none"}], shipped
        )
    found = evaluate.evaluate(shipped, registry=build.default_registry())
    page = found.index.read_text()
    assert "No figures: figures need matplotlib" in page
    assert ".svg" not in page


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--config.train.steps=3"], "only section eval, not train.steps"),
        (["--config.eval.snr=(1.0,)"], "eval.snr_db"),
        (["--config.eval.channels=()"], "eval.channels is empty"),
        (
            ["--config.eval.channels=({'name': 'compat_real_noise_3db'},)"],
            "channel compat_real_noise_3db: the system sends",
        ),
        (["--config.eval.baselines=('linaer',)"], "linear"),
        (["--config.eval.metrics=('lpips',)"], "unknown metrics"),
        (["--ouptut=x"], "--output"),
    ],
)
def test_what_cannot_be_done_is_one_message_and_exit_code_2(
    shipped: pathlib.Path, flags: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate.main(["--checkpoint", str(shipped), *flags]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.startswith("error: ")
    assert said.count("\n") == 1
    assert not (shipped / "report").exists()


def test_a_missing_checkpoint_and_an_output_that_is_a_file(shipped: pathlib.Path, tmp_path: pathlib.Path) -> None:
    with pytest.raises(UserError, match="neither a run nor a checkpoint"):
        evaluate.evaluate(tmp_path / "none", registry=build.default_registry())
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot hold output"):
        evaluate.evaluate(shipped, registry=build.default_registry(), output=tmp_path / "file")


def test_a_system_with_parameters_is_no_baseline(shipped: pathlib.Path, registry: build.Registry) -> None:
    with pytest.raises(ConfigError, match="dense has parameters to train"):
        evaluate.evaluate(shipped, registry=registry, overrides=[("eval.baselines", "('dense',)")])


def test_channels_of_one_name_are_told_apart_by_their_options(shipped: pathlib.Path) -> None:
    registry = build.default_registry()
    sections = "({'name': 'awgn'}, {'name': 'rayleigh'}, {'name': 'rayleigh', 'csi': 'pilots', 'pilots': 4})"
    cfg = config.resolve(build.load(shipped, registry).cfg, registry, [("eval.channels", sections)])
    names = list(evaluate.channels(cfg, registry))
    assert names == ["awgn", "rayleigh csi=perfect pilots=None", "rayleigh csi=pilots pilots=4"]
