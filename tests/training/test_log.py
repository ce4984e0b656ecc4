"""The log: one line per logged step, continued after a crash, and a full account of the run."""

import json
import math
import pathlib
import sys
import types
from collections.abc import Mapping

import jax
import pytest

from semjax.training import log


def make(folder: pathlib.Path, first_step: int = 0, **options) -> log.RunLog:
    return log.RunLog(folder, first_step=first_step, total_steps=10, batch_size=8, **options)


def test_writes_a_line_per_step(tmp_path: pathlib.Path) -> None:
    run = make(tmp_path)
    run.write(1, {"loss": 0.5, "bad": math.nan})
    run.write(2, {"loss": 0.25})
    run.close()
    first, second = log.read(tmp_path)
    assert (first["step"], first["loss"], first["bad"]) == (1, 0.5, None)
    assert (second["step"], second["loss"]) == (2, 0.25)
    assert second["wall_s"] >= first["wall_s"]


def test_speed_leaves_out_the_first_step_and_what_is_beside_training(tmp_path, monkeypatch) -> None:
    clock = iter([0.0, 0.0, 100.0, 100.0, 102.0, 104.0, 110.0, 110.0, 112.0])  # made, made, then as they come below
    monkeypatch.setattr(log, "time", types.SimpleNamespace(monotonic=lambda: next(clock)))
    run = make(tmp_path)
    run.progress(1)  # 100 s of compiling
    run.progress(3)
    run.write(3, {})  # two steps of eight in 4 s
    run.write(3, {"val_psnr": 20.0})  # 6 s of looking
    run.progress(4)
    run.write(4, {})  # one step in 2 s
    run.close()
    assert [line.get("images_per_s") for line in log.read(tmp_path)] == [4.0, None, 4.0]


def test_continuing_drops_lost_work_and_broken_lines(tmp_path: pathlib.Path) -> None:
    run = make(tmp_path)
    for step in range(1, 6):
        run.write(step, {"loss": float(step)})
    run.close()
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 6, "lo')
    run = make(tmp_path, first_step=3)
    run.write(4, {"loss": 40.0})
    run.close()
    assert [(line["step"], line["loss"]) for line in log.read(tmp_path)] == [(1, 1.0), (2, 2.0), (3, 3.0), (4, 40.0)]


def test_says_where_it_is_when_nobody_watches(tmp_path, capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "QUIET_EVERY_S", 0.0)
    run = make(tmp_path)
    run.write(5, {"loss": 0.125})
    run.progress(4)
    run.progress(5)
    run.close()
    said = capsys.readouterr().err
    assert "step 5/10" in said
    assert "loss 0.125" in said
    assert "left" in said


class Recorder:
    """A sink that remembers."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, dict[str, float]]] = []
        self.closed = False

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        self.seen.append((step, dict(values)))

    def close(self) -> None:
        self.closed = True


def test_sinks_get_the_scalars(tmp_path: pathlib.Path) -> None:
    sink = Recorder()
    run = make(tmp_path, sinks=[sink])
    run.write(1, {"loss": 0.5})
    run.close()
    assert sink.seen == [(1, {"loss": 0.5})]
    assert sink.closed


def test_tensorboard_without_its_package_says_what_to_install(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(ValueError, match="pip install"):
        log.TensorBoard(tmp_path)


def test_run_facts_are_json_and_complete() -> None:
    facts = log.run_facts(config={"seed": 3}, config_hash="abc", seed=3, sources={"train": {"count": 5}})
    again = json.loads(json.dumps(facts))
    assert again["versions"]["jax"] == jax.__version__
    assert len(again["devices"]) == len(jax.devices())
    assert again["sources"] == {"train": {"count": 5}}
    assert set(again["git"]) == {"commit", "dirty"}
