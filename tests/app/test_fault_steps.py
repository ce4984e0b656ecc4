"""Steps that are not finite: skipped, counted, gone back from once, and in the end handed over as a bundle."""

import json
import pathlib

import jax
import numpy as np
import pytest

from semjax.app import bundle, config, keeper
from semjax.app import train as program
from semjax.app.errors import EXIT_FAILED, RunError, UserError, guard
from semjax.data.sources import ArraySource
from semjax.training import log
from semjax.training.skip import LAG

pytestmark = pytest.mark.usefixtures("steps_made_once")
CLOCKS = ("wall_s", "images_per_s")


def go(tiny, folder: pathlib.Path, **options) -> program.Result:
    cfg = config.resolve(tiny.config, tiny.registry)
    return program.train(cfg, workdir=folder, registry=tiny.registry, **options)


def metrics(folder: pathlib.Path) -> list[dict]:
    return [{k: v for k, v in line.items() if k not in CLOCKS} for line in log.read(folder)]


def bits(tree) -> list[bytes]:
    return [np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(tree)]


def poison(monkeypatch: pytest.MonkeyPatch, *steps: int) -> None:
    """Puts a NaN into one picture of the batches of these steps."""
    read = keeper.Keeper.read

    def poisoned(self, state, *, done: int):
        record = read(self, state, done=done)
        if done + 1 in steps:
            record["image"][3, 5, 5, 1] = np.nan
        return record

    monkeypatch.setattr(keeper.Keeper, "read", poisoned)


class OneBad(ArraySource):
    """An array of pictures, of which the one of id 7 is not a number."""

    def __getitem__(self, index: int):
        record = super().__getitem__(index)
        return {**record, "image": record["image"] * np.float32(np.nan)} if record["id"] == 7 else record


def test_a_picture_that_is_nan_costs_its_steps_and_nothing_else(tiny, tmp_path: pathlib.Path) -> None:
    tiny.config["data"]["train"].update(source="one_bad", cache_mb=0)
    registry = tiny.registry.with_(sources={"one_bad": OneBad})
    run = program.run(tiny.config, workdir=tmp_path / "run", registry=registry)
    lines = metrics(tmp_path / "run")
    skipped = [line["skipped"] for line in lines]
    assert 0 < sum(skipped) < 6
    assert [line["skipped_total"] for line in lines] == list(np.cumsum(skipped))
    assert all((line["loss"] is None) == bool(line["skipped"]) for line in lines)
    assert run.finished
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(jax.device_get((run.state.params, run.state.ema))))


def test_resuming_is_bitwise_also_around_skipped_steps(tiny, tmp_path, monkeypatch) -> None:
    poison(monkeypatch, 2, 4)
    tiny.config["train"]["max_skipped"] = 2
    straight = go(tiny, tmp_path / "straight")
    for stop in (2, 3):
        go(tiny, tmp_path / f"cut{stop}", stop_after=stop)
        cut = go(tiny, tmp_path / f"cut{stop}")
        assert bits(cut.state) == bits(straight.state)
        assert metrics(tmp_path / f"cut{stop}") == metrics(straight.workdir)


@pytest.fixture
def long(tiny):
    """Thirty steps, a checkpoint every third; three skipped steps in a row are too many."""
    tiny.config.update(phases=())
    tiny.config["train"].update(steps=30, log_every=10, checkpoint_every=3, keep=20, max_skipped=3)
    return tiny


def test_too_many_in_a_row_lead_back_to_the_newest_checkpoint_once(long, tmp_path, monkeypatch, capsys) -> None:
    poison(monkeypatch, *range(8, 16))
    result = go(long, tmp_path / "run")
    said = capsys.readouterr().err
    assert f"{3 + LAG} steps in a row, up to step 14, were not finite" in said
    assert "are again those of step 6" in said
    assert result.finished
    assert metrics(tmp_path / "run")[-1]["skipped_total"] == 8
    saved = sorted(int(path.name) for path in (tmp_path / "run" / "ckpt").iterdir() if path.name.isdigit())
    assert saved == [3, 6, 14, 16, 18, 21, 24, 27, 30]  # none while steps were skipped: those due at 9 and 15 are late
    # Step 7 is undone: what was made of the first six batches has gone on with those from the sixteenth.
    assert int(result.state.step) == 30
    assert int(result.state.opt["codec"][1].count) == 6 + 15
    go(long, tmp_path / "cut", stop_after=18)
    assert bits(go(long, tmp_path / "cut").state) == bits(result.state)


def test_the_second_time_the_run_ends_with_a_bundle_that_replays(long, tmp_path, monkeypatch, capsys) -> None:
    poison(monkeypatch, *range(8, 16), *range(20, 30))
    with pytest.raises(RunError, match="after going back to a checkpoint once") as caught:
        go(long, tmp_path / "run")
    folder = tmp_path / "run" / "bundle-26"
    assert str(folder) in str(caught.value)
    assert {path.name for path in folder.iterdir()} == {
        *("README.txt", "batch.npz", "bundle.json", "config.json", "state.npz"),
    }
    facts = json.loads((folder / "bundle.json").read_text())
    assert (facts["step"], facts["phase"], facts["seed"]) == (26, "train", 0)
    assert {"versions", "git", "devices", "metrics"} <= set(facts)
    with np.load(folder / "batch.npz") as batch:
        bad = int(batch["id"][3])
    lines = bundle.replay(folder, registry=long.registry)
    assert lines[0] == f"batch image: not finite for the pictures of id {bad}"
    assert any(line.startswith("term mse") and line.endswith(f"id {bad}") for line in lines)
    assert any(line.startswith("gradient of codec/encoder/kernel") for line in lines)
    assert not any(line.startswith("parameter") for line in lines)
    monkeypatch.setattr(bundle, "default_registry", lambda: long.registry)
    assert bundle.main([str(folder)]) == 0
    assert capsys.readouterr().out.startswith("first: batch image")


def test_a_bundle_of_a_large_state_names_the_checkpoint_instead(long, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(bundle, "MOST_MB", 0)
    poison(monkeypatch, *range(8, 16), *range(20, 30))
    with pytest.raises(RunError):
        go(long, tmp_path / "run")
    folder = tmp_path / "run" / "bundle-26"
    assert not (folder / "state.npz").exists()
    assert json.loads((folder / "bundle.json").read_text())["state"] == str(tmp_path / "run" / "ckpt" / "18")
    assert bundle.replay(folder, registry=long.registry)[0].startswith("batch image")


def test_without_a_checkpoint_to_go_back_to_the_program_answers_3(long, tmp_path, monkeypatch, capsys) -> None:
    poison(monkeypatch, *range(1, 30))
    assert guard(lambda: go(long, tmp_path / "run").exit_code)() == EXIT_FAILED == 3
    said = capsys.readouterr().err
    assert "and there is no checkpoint to go back to" in said
    assert f"bundle-{3 + LAG}" in said
    assert "Traceback" not in said


def test_a_folder_that_is_no_bundle_is_refused(tiny, tmp_path: pathlib.Path) -> None:
    with pytest.raises(UserError, match="name a bundle-STEP folder"):
        bundle.replay(tmp_path, registry=tiny.registry)
