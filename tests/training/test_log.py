"""The log: one line per logged step, continued after a crash, and a full account of the run."""

import json
import math
import pathlib
import sys
import types
from collections.abc import Mapping

import jax
import pytest

from semjax.training import log, progress


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
    for module in (log, progress):
        monkeypatch.setattr(module, "time", types.SimpleNamespace(monotonic=lambda: next(clock)))
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
    monkeypatch.setattr(progress, "QUIET_EVERY_S", 0.0)
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


def full_disk(monkeypatch: pytest.MonkeyPatch, name: str) -> list[bool]:
    """A switch: while its last entry is true, files of that name cannot be opened."""
    switch, opened = [True], pathlib.Path.open

    def opening(path: pathlib.Path, *arguments, **options):
        if path.name == name and switch[-1]:
            raise OSError(28, "No space left on device")
        return opened(path, *arguments, **options)

    monkeypatch.setattr(pathlib.Path, "open", opening)
    return switch


def test_lines_wait_for_a_full_disk_and_nothing_is_raised(tmp_path, monkeypatch, capsys) -> None:
    switch = full_disk(monkeypatch, "metrics.jsonl")
    run = make(tmp_path)
    run.write(1, {"loss": 1.0})
    run.write(2, {"loss": 2.0})
    assert not (tmp_path / "metrics.jsonl").exists()
    switch.append(False)
    run.write(3, {"loss": 3.0})
    assert [line["loss"] for line in log.read(tmp_path)] == [1.0, 2.0, 3.0]
    switch.append(True)
    run.write(4, {"loss": 4.0})
    switch.append(False)
    run.close()
    assert [line["loss"] for line in log.read(tmp_path)] == [1.0, 2.0, 3.0, 4.0]
    assert capsys.readouterr().err.count("No space left on device") == 1


def test_a_line_that_was_only_half_written_is_taken_back(tmp_path, monkeypatch) -> None:
    """The disk becomes full in the middle of a line."""
    run = make(tmp_path)
    run.write(1, {"loss": 1.0})
    opened = pathlib.Path.open

    class Half:
        def __init__(self, file) -> None:
            self.file, self.left = file, 10

        def __enter__(self):
            return self

        def __exit__(self, *error: object) -> None:
            self.file.close()

        def tell(self) -> int:
            return self.file.tell()

        def write(self, data: bytes) -> int:
            if not self.left:
                raise OSError(28, "No space left on device")
            written, self.left = self.file.write(data[: self.left]), 0
            return written

    monkeypatch.setattr(pathlib.Path, "open", lambda path, *a, **o: Half(opened(path, *a, **o)))
    run.write(2, {"loss": 2.0})
    monkeypatch.undo()
    assert (tmp_path / "metrics.jsonl").read_text().endswith("}\n")
    run.write(3, {"loss": 3.0})
    run.close()
    assert [line["loss"] for line in log.read(tmp_path)] == [1.0, 2.0, 3.0]


def test_a_sink_that_keeps_failing_is_left_alone(tmp_path, capsys) -> None:
    class Broken(Recorder):
        def scalars(self, step: int, values: Mapping[str, float]) -> None:
            super().scalars(step, values)
            if step != 2:
                raise RuntimeError("the events file is gone")

    broken, good = Broken(), Recorder()
    run = make(tmp_path, sinks=[broken, good])
    for step in range(1, 9):
        run.write(step, {"loss": 1.0})
    run.close()
    assert [step for step, _ in broken.seen] == [1, 2, 3, 4, 5]  # step 2 worked; three in a row did not
    assert len(good.seen) == 8
    assert capsys.readouterr().err.count("the events file is gone") == 1


@pytest.mark.parametrize("value", [None, "0.5 dB", [1.0, 2.0], {"a": 1}, object()])
def test_what_is_no_number_is_null(tmp_path, value, capsys) -> None:
    run = make(tmp_path)
    run.write(1, {"loss": 0.5, f"bad_{type(value).__name__}": value})
    run.close()
    (line,) = log.read(tmp_path)
    assert line["loss"] == 0.5
    assert line[f"bad_{type(value).__name__}"] is None
    assert "which is no number; it says null" in capsys.readouterr().err


def test_bytes_that_are_no_text_are_dropped(tmp_path: pathlib.Path) -> None:
    run = make(tmp_path)
    run.write(1, {"loss": 1.0})
    run.close()
    with (tmp_path / "metrics.jsonl").open("ab") as file:
        file.write(b"\xff\xfe\x00 no text")
    assert len(log.read(tmp_path)) == 1
    run = make(tmp_path, first_step=1)
    run.write(2, {"loss": 2.0})
    run.close()
    assert [line["step"] for line in log.read(tmp_path)] == [1, 2]
