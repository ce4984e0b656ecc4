"""An evaluation that asks: rows of answers beside the others, baselines that cost nothing, what cannot be asked."""

import pathlib

import pytest

from semjax.app import asking, build, config, evaluate, train
from semjax.app.errors import ConfigError
from semjax.evaluators import exam
from semjax.evaluators.answers import BLIND, GREY
from semjax.evaluators.regions import REGION_METRICS
from semjax.evaluators.shares import RATIOS

REGISTRY = build.default_registry()
SNR_DB = (-5.0, 20.0)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A run of no steps of the linear system."""
    scenes = {"source": "scenes", "size": 64}
    cfg = {"system": {"name": "linear", "cbr": 1 / 12}, "data": {"train": scenes}, "val": scenes}
    asked = {
        "data": {**scenes, "count": 12},
        "snr_db": SNR_DB,
        "metrics": ("psnr",),
        "draws": 2,
        "cost": False,
        "batch_size": 8,
    }
    folder = tmp_path_factory.mktemp("runs") / "run"
    cfg |= {"train": {"steps": 0}, "eval": asked}
    train.train(config.resolve(cfg, REGISTRY), workdir=folder, registry=REGISTRY)
    return folder


def test_answers_stand_beside_the_other_metrics(run, tmp_path, monkeypatch):
    monkeypatch.setattr(exam, "GUESSED_FROM", 100)
    found = evaluate.evaluate(run, registry=REGISTRY, output=tmp_path, overrides=[("eval.scenario", "drawn")])
    rows = {(row["system"], row["metric"], row["snr_db"]): row for row in found.rows}
    assert {metric for system, metric, _ in rows if system == "linear"} >= {"psnr", *RATIOS}
    for snr_db in SNR_DB:
        own = rows["linear", "answer", snr_db]
        assert (own["n_images"], own["n_draws"]) == (12, 2)
        assert own["ci_low"] <= own["mean"] <= own["ci_high"]
        for name in (BLIND, GREY):
            assert rows[name, "answer", snr_db]["cbr_total"] == 0
            assert {rows[name, metric, snr_db]["mean"] <= 1 for metric in RATIOS} == {True}
    assert rows["linear", "answer", 20.0]["mean"] > rows["linear", "answer", -5.0]["mean"]
    assert rows["linear", "answer", 20.0]["mean"] > rows[BLIND, "answer", 20.0]["mean"]
    assert rows[BLIND, "answer", 20.0]["mean"] == rows[BLIND, "answer", -5.0]["mean"]
    page = (tmp_path / "index.html").read_text()
    assert "Answers right, intent" in page
    assert BLIND in page


def test_what_matters_is_measured_apart(run, tmp_path, monkeypatch):
    monkeypatch.setattr(exam, "GUESSED_FROM", 100)
    options = [("eval.scenario", "drawn"), ("eval.data.truth", True), ("eval.metrics", ("psnr", *REGION_METRICS))]
    found = evaluate.evaluate(run, registry=REGISTRY, output=tmp_path, overrides=options)
    at = {row["metric"]: row for row in found.rows if row["system"] == "linear" and row["snr_db"] == 20.0}
    assert set(REGION_METRICS) <= set(at)
    assert at["psnr_low"]["n_images"] == 12
    assert 0 < at["psnr_high"]["n_images"] <= 12
    low, high = sorted((at["psnr_low"]["mean"], at["psnr_high"]["mean"]))
    assert low - 1 < at["psnr"]["mean"] < high + 1
    assert at["answer_intent"]["n_images"] == 12
    with pytest.raises(ConfigError, match=r"metrics by importance need labels, .* set eval\.scenario"):
        evaluate.evaluate(run, registry=REGISTRY, output=tmp_path, overrides=options[2:])


@pytest.mark.parametrize(
    ("override", "told"),
    [
        (("eval.scenario", "trafic"), r"eval\.scenario: scenes have no scenario 'trafic'; there are: rescue"),
        (("eval.data.crop", 32), r"questions are asked about whole scenes only"),
    ],
)
def test_what_cannot_be_asked(run, tmp_path, override, told):
    with pytest.raises(ConfigError, match=told):
        evaluate.evaluate(run, registry=REGISTRY, output=tmp_path, overrides=[("eval.scenario", "game"), override])


def test_pictures_without_scenarios(pictures):
    source = build.SOURCES["array"](path=str(pictures), key="val")
    cfg = config.resolve({"system": {"name": "linear", "cbr": 1 / 12}, "eval": {"scenario": "game"}}, REGISTRY)
    with pytest.raises(ConfigError, match="nothing is known of scenarios of these pictures"):
        asking.asking(cfg, source)
    silent = config.resolve({"system": {"name": "linear", "cbr": 1 / 12}}, REGISTRY)
    assert asking.asking(silent, source) == asking.Asking()
