"""The dry run describes the run: configuration, every parameter, counts that can be checked by hand, memory."""

import pathlib
import re

import pytest

from semjax.app import build, config
from semjax.app import train as program
from semjax.app.dry_run import dry_run

PIXELS, FEATURES = 192, 8


def number(text: str, label: str) -> float:
    found = re.search(rf"{re.escape(label)}\s+([\d,.]+)", text)
    assert found, f"{label!r} is not in the dry run"
    return float(found[1].replace(",", ""))


def test_counts_parameters_flops_and_memory(tiny) -> None:
    cfg = config.resolve(tiny.config, tiny.registry, [("optim.rules", "(('encoder', None), ('.*', 0.5))")])
    text = dry_run(cfg, tiny.registry)
    assert config.to_json(cfg) in text
    encoder, decoder = PIXELS * FEATURES + FEATURES, FEATURES * PIXELS + PIXELS
    assert number(text, "total") == encoder + decoder
    assert re.search(r"codec/encoder/kernel\s+192x8\s+1,536\s+frozen by 'encoder'", text)
    assert re.search(r"codec/decoder/bias\s+192\s+192\s+x 0.5 by", text)
    assert "one picture of 16x16: 16 analog channel uses (cbr 0.02083)" in text
    products = 2 * 4 * PIXELS * FEATURES
    assert products <= number(text, "transmit") < 2 * products
    assert products <= number(text, "receive") < 2 * products
    assert number(text, "parameters   ") == round((encoder + decoder) * 4 / 2**20, 2)
    assert number(text, "optimiser") >= 2 * number(text, "parameters   ")
    assert number(text, "step, intermediate") > 0


def test_the_flag_prints_it_and_writes_nothing(tiny, tmp_path: pathlib.Path, capsys, monkeypatch) -> None:
    monkeypatch.setattr(program, "default_registry", lambda: tiny.registry)
    (tmp_path / "tiny.py").write_text(f"def get_config():\n    return {tiny.config!r}\n")
    code = program.main([f"--config={tmp_path / 'tiny.py'}", f"--workdir={tmp_path / 'run'}", "--dry_run"])
    assert code == 0
    assert "memory in MiB" in capsys.readouterr().out
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("variant", ["student_text", "static_scenario"])
def test_a_system_is_told_a_scenario_its_words_and_the_truth(variant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    net = {"name": "residual_conv", "modulation": "none", "widths": (4, 4, 4, 4), "blocks": (0, 0, 0, 0)}
    small = {"features": 24, "levels": (0, 4, 8, 16), "width": 8, "depth": 0}
    cfg = {"system": {"name": "sa_oosc", "variant": variant, **small}, "encoder": net, "decoder": net}
    registry = build.default_registry()
    cfg["data"] = {"train": {"source": "scenes", "size": 32, "crop": 32}}
    monkeypatch.setattr("semjax.app.dry_run._memory", lambda *_: ())  # it is the same for all
    text = dry_run(config.resolve(cfg, registry), registry)
    assert "one picture of 32x32: 32 analog channel uses" in text
    assert number(text, "transmit") > 0
    assert number(text, "receive") > 0
