"""The separation baseline by itself: refused as something to train, measured as a run of no steps."""

import pathlib

import pytest

from semjax.app import build, config, evaluate, train
from semjax.app.dry_run import dry_run
from semjax.app.errors import ConfigError


@pytest.fixture
def asked(pictures: pathlib.Path) -> dict:
    array = {"source": "array", "path": str(pictures), "key": "val"}
    cfg = {
        "system": {"name": "separation_jpeg2000", "cbr": 1.0},
        "data": {"train": {**array, "crop": 16}},
        "val": array,
    }
    return {**cfg, "eval": {"data": array, "snr_db": (10.0,), "metrics": ("psnr", "outage"), "batch_size": 2}}


def test_there_is_nothing_to_train(asked, tmp_path):
    registry = build.default_registry()
    cfg = config.resolve({**asked, "train": {"steps": 3}}, registry)
    with pytest.raises(ConfigError, match=r"separation_jpeg2000 has nothing to train; set train\.steps to 0"):
        train.train(cfg, workdir=tmp_path / "run", registry=registry)
    assert "nothing to train" in dry_run(cfg, registry)


def test_a_run_of_no_steps_is_measured(asked, tmp_path):
    registry = build.default_registry()
    train.train(config.resolve({**asked, "train": {"steps": 0}}, registry), workdir=tmp_path / "run", registry=registry)
    found = evaluate.evaluate(tmp_path / "run", registry=registry)
    assert {(row["system"], row["variant"], row["metric"]) for row in found.rows} == {
        ("separation", "jpeg2000", "psnr"),
        ("separation", "jpeg2000", "outage"),
    }
    assert all(row["cbr_total"] == row["cbr_digital"] > 0.9 for row in found.rows)
