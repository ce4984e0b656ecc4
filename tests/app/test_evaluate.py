"""Evaluation of a run from the command line to the page: rows, files, baselines, and errors in one line."""

import dataclasses
import functools
import json
import pathlib
import re
import sys
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from semjax.app import build, config, evaluate, lanes, train
from semjax.app.beside import entries
from semjax.app.errors import ConfigError, UserError
from semjax.channels.base import normalize_power
from semjax.evaluators import plots, results
from semjax.evaluators.cost import FIELDS
from semjax.training.checkpoint import flat

CBR = 1 / 24


def dense_at_cbr(cfg: Any, parts: Any, *, cbr: float, dense: Any) -> Any:
    """System "dense" with the option that a baseline shares."""
    return dense(cfg, parts, features=round(2 * cbr * 8 * 8 * 3))


@pytest.fixture
def registry(tiny: Any) -> build.Registry:
    builder = functools.partial(dense_at_cbr, dense=tiny.registry.systems["dense"])
    return tiny.registry.with_(systems={"dense": builder})


class Prefix(nn.Module):
    """Sends the first symbols of another system, as many as the rate token says."""

    inner: nn.Module

    def transmit(self, image, public, given):
        signal = self.inner.transmit(image, public, given)
        count = signal.used.shape[1]
        used = (jnp.arange(count) < public.rate[:, None] * count).astype(jnp.float32)
        return dataclasses.replace(signal, symbols=normalize_power(signal.symbols * used, used), used=used)

    def receive(self, received, public):
        return self.inner.receive(received, public)


def prefix(cfg: Any, parts: Any, *, cbr: float, dense: Any) -> Any:
    """The builder of system "prefix", of many rates."""
    made = dense_at_cbr(cfg, parts, cbr=cbr, dense=dense)
    return dataclasses.replace(made, name="prefix", module=Prefix(inner=made.module), rates=(0.25, 1.0))


@pytest.fixture
def rated(tiny: Any, tmp_path: pathlib.Path) -> tuple[pathlib.Path, build.Registry]:
    """System "prefix" as a shipped checkpoint, as it starts."""
    builder = functools.partial(prefix, dense=tiny.registry.systems["dense"])
    registry = tiny.registry.with_(systems={"prefix": builder})
    array = {"source": "array", "path": str(tiny.pictures), "key": "val"}
    asked = {"data": array, "snr_db": (0.0, 10.0), "metrics": ("psnr", "papr_db"), "batch_size": 3}
    asked |= {"rates": (0.5, 1.0), "mismatch": (10.0,), "baselines": ("linear",)}
    cfg = config.resolve(
        {**tiny.config, "system": {"name": "prefix", "cbr": 2 * CBR}, "eval": asked, "phases": ()}, registry
    )
    params, collections = build.build(cfg, registry).init(jax.random.key(0), build.example_batch(cfg))
    folder = tmp_path / "prefix"
    folder.mkdir()
    (folder / build.CONFIG_FILE).write_text(config.to_json(cfg))
    arrays = {k: np.asarray(v) for k, v in flat({"params": params["codec"], **collections}).items()}
    np.savez(folder / build.PARAMS_FILE, **arrays, **{build.META_KEY: np.array(json.dumps({"step": 0}))})
    return folder, registry


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


def test_side_information_travels_over_the_coded_link_if_asked(shipped: pathlib.Path) -> None:
    asked = [("eval.side_link", "coded"), ("eval.cost", "False"), ("eval.snr_db", "(10.0, -25.0)")]
    asked += [("eval.target_bler", "0.05")]
    found = evaluate.evaluate(shipped, registry=build.default_registry(), overrides=asked)
    assert {(row["side_link"], row["link_terms"]) for row in found.rows} == {("coded", "bler <= 0.05")}
    beside = shipped.parent / "beside"
    ideal = evaluate.evaluate(shipped, registry=build.default_registry(), overrides=[asked[1]], output=beside)
    good = next(row for row in found.rows if row["snr_db"] == 10.0)
    assert good["mean"] == pytest.approx(ideal.rows[0]["mean"])
    assert good["cbr_side"] > ideal.rows[0]["cbr_side"] > 0
    assert "coded, bler" in found.index.read_text()
    with pytest.raises(ConfigError, match=r"a share of 0\.0 may be lost"):
        evaluate.evaluate(shipped, registry=build.default_registry(), overrides=[("eval.target_bler", "0.0")])


def test_a_picture_codec_stands_beside_it_with_a_budget_for_each_channel(shipped: pathlib.Path) -> None:
    asked = [("eval.baselines", '("separation_jpeg2000", "separation_webp")'), ("eval.snr_db", "(0.0, 20.0)")]
    asked += [("eval.channels", '({"name": "awgn"}, {"name": "rayleigh"})'), ("eval.metrics", '("psnr", "outage")')]
    found = evaluate.evaluate(shipped, registry=build.default_registry(), overrides=asked)
    own = [row for row in found.rows if row["variant"] == "jpeg2000"]
    assert {tuple(row[name] for name in ("system", "side_link", "link_terms")) for row in own} == {
        ("separation", "ideal", "capacity")
    }
    assert {(row["channel"], row["snr_db"]) for row in own} == {
        (c, s) for c in ("awgn", "rayleigh") for s in (0.0, 20.0)
    }
    assert {row["mean"] for row in own if row["metric"] == "outage"} == {0.0}
    for row in own:
        assert row["cbr_total"] == row["cbr_digital"] == pytest.approx(CBR, rel=0.3)  # whole bytes of 32 uses
        assert row["cbr_total"] <= CBR * 1.001
    assert {row["metric"] for row in found.rows} >= {
        "psnr_gain_over_separation_jpeg2000",
        "psnr_gain_over_separation_webp",
    }
    assert {r["mean"] for r in found.rows if (r["system"], r["metric"]) == ("linear", "outage")} == {0.0}
    assert "separation (webp)" in found.index.read_text()


def test_a_baseline_is_measured_at_every_rate_and_under_mismatch(
    rated: tuple[pathlib.Path, build.Registry],
) -> None:
    folder, registry = rated
    found = evaluate.evaluate(folder, registry=registry)
    psnr = [row for row in found.rows if row["metric"] == "psnr"]
    points = {(r["system"], r["rate"], r["told_snr_db"], r["snr_db"]): r for r in psnr}
    agreed = [(0.5, 0.0, 0.0), (0.5, 10.0, 10.0), (1.0, 0.0, 0.0), (1.0, 10.0, 10.0), (1.0, 10.0, 0.0)]
    assert set(points) == {(system, *point) for system in ("prefix", "linear") for point in agreed}
    assert len(psnr) == len(points)
    for (_, token, _, _), row in points.items():
        assert row["cbr_analog"] == pytest.approx(2 * CBR * token)
    linear = [points["linear", *point] for point in agreed]
    assert len({row["config_hash"] for row in linear}) == 2
    assert linear[4]["mean"] == pytest.approx(linear[2]["mean"], abs=1e-6)
    gained = {
        (r["rate"], r["told_snr_db"], r["snr_db"]): r["mean"]
        for r in found.rows
        if r["metric"] == "psnr_gain_over_linear"
    }
    assert list(gained) == agreed
    for point in agreed:
        difference = points["prefix", *point]["mean"] - points["linear", *point]["mean"]
        assert gained[point] == pytest.approx(difference, abs=1e-5)
    report = found.index.parent
    stored = [set(results.read_pictures(report / f"pictures_{name}.npz")) for name in ("prefix", "linear")]
    assert stored[0] == stored[1]
    costs = json.loads((report / "cost.json").read_text())
    assert [(row["system"], row["end"]) for row in costs] == [
        (system, end) for system in ("prefix", "linear") for end in ("transmit", "receive")
    ]
    assert set(costs[0]) == set(FIELDS)
    assert costs[0]["parameters"] == 192 * 32 + 32
    assert costs[2]["parameters"] == 0
    text = re.sub(r"<[^>]+>", " ", found.index.read_text())
    assert "Told another SNR" in text
    assert re.search(r"original +· cbr [\d./]+, 10 dB +prefix +· \S+ dB +linear +· \S+ dB", text)
    # The side information of the linear code is dear on pictures this small.
    assert "Not at equal rate: awgn, 0 dB, rate 0.5: cbr 0.04167 beside" in text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("eval.rates", "(0.125, 1.0)"), "eval.rates holds 0.125; prefix serves rate tokens from 0.25 to 1"),
        (("eval.rates", "()"), "eval.rates holds nothing"),
        (("eval.rates", "('all',)"), "eval.rates"),
        (("eval.mismatch", "('ten',)"), "eval.mismatch holds 'ten'"),
        (("eval.mismatch_rate", "0.75"), "eval.mismatch_rate is 0.75; it must be one of eval.rates"),
    ],
)
def test_rates_that_a_system_does_not_serve_are_refused(
    rated: tuple[pathlib.Path, build.Registry], change: tuple[str, str], message: str
) -> None:
    folder, registry = rated
    with pytest.raises(ConfigError, match=re.escape(message)):
        evaluate.evaluate(folder, registry=registry, overrides=[change])
    assert not (folder / "report").exists()


def test_cropped_pictures_are_said_to_be_so_and_cost_may_be_left_out(shipped: pathlib.Path) -> None:
    overrides = [("eval.data.crop", "8"), ("eval.cost", "False")]
    found = evaluate.evaluate(shipped, registry=build.default_registry(), overrides=overrides)
    assert {row["split"] for row in found.rows} == {"crop 8"}
    assert found.costs == []
    assert not (found.index.parent / "cost.json").exists()


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
    assert re.search(r"cost per picture +parameters +GFLOP +ms\nlinear, 16x16, batch 2, \S+ +transmit +0 ", said)
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
        (["--config.eval.rates=(0.5,)"], "eval.rates holds 0.5; linear serves one rate only"),
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
    names = list(lanes.channels(cfg, registry))
    assert names == ["awgn", "rayleigh csi=perfect pilots=None", "rayleigh csi=pilots pilots=4"]


def test_beside_a_system_without_a_rate_of_its_own_no_baseline_can_stand(caplog: pytest.LogCaptureFixture) -> None:
    registry = build.default_registry()
    loaded = build.load(pathlib.Path(__file__).parents[2] / "checkpoints" / "sa_oosc_student_0", registry)
    assert loaded.cfg.system.cbr == 0
    cfg = config.resolve(loaded.cfg, registry, [("eval.baselines", "('linear',)")])
    assert [entry.origin.system for entry in entries(cfg, loaded, registry)] == ["sa_oosc"]
    assert "linear left out: cbr 0" in caplog.text
