"""What a run left is loaded verified, newest or best, without touching the run's directory."""

import pathlib

import jax
import numpy as np
import pytest

from semjax.app import build, config
from semjax.app.errors import UserError
from semjax.training.best import Best
from semjax.training.checkpoint import CheckpointError, Checkpoints


@pytest.fixture(scope="module")
def run(tiny_run, tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A run of three checkpoints whose parameters are all 1, 2 and 3; the best is 2. Not to be changed for good."""
    folder = tmp_path_factory.mktemp("left") / "run"
    folder.mkdir()
    cfg = config.resolve(tiny_run.config, tiny_run.registry)
    (folder / "config.json").write_text(config.to_json(cfg))
    trainable = build.build(cfg, tiny_run.registry)
    params, collections = jax.eval_shape(trainable.init, jax.random.key(0), build.example_batch(cfg))
    with Checkpoints(folder / "ckpt") as store, Best(folder / "best") as best:
        for step, value in ((1, 20.0), (2, 22.0), (3, 21.0)):
            shapes = {"ema": params, "collections": collections}
            state = jax.tree.map(lambda x, s=step: jax.device_put(np.full(x.shape, s, x.dtype)), shapes)
            store.save(state, step=step, data_state={}, meta={"seed": 7})
            best.offer(state, step=step, value=value, meta={"seed": 7})
    return folder


def marks(loaded: build.Loaded) -> set[float]:
    return {float(x) for leaf in jax.tree.leaves(loaded.variables["params"]) for x in np.unique(leaf)}


def content(folder: pathlib.Path) -> dict[pathlib.Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_newest_or_best(tiny, run: pathlib.Path) -> None:
    before = content(run)
    newest, best = build.load(run, tiny.registry), build.load(run, tiny.registry, which="best")
    assert (marks(newest), newest.meta) == ({3.0}, {"seed": 7, "step": 3})
    assert (marks(best), best.meta) == ({2.0}, {"seed": 7, "step": 2, "value": 22.0})
    assert content(run) == before


def test_a_damaged_checkpoint_is_skipped_with_a_line(tiny, run: pathlib.Path, capsys) -> None:
    path = max((p for p in (run / "ckpt" / "3").rglob("*") if p.is_file()), key=lambda p: p.stat().st_size)
    good = path.read_bytes()
    path.write_bytes(good[:-100])
    try:
        before = content(run)
        loaded = build.load(run, tiny.registry)
        assert (marks(loaded), loaded.meta["step"]) == ({2.0}, 2)
        assert content(run) == before
    finally:
        path.write_bytes(good)
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "3 is bad: " in said
    assert "skipped" in said


def test_what_there_is_not(tiny, run: pathlib.Path, tmp_path: pathlib.Path) -> None:
    with pytest.raises(UserError, match="may be latest, best"):
        build.load(run, tiny.registry, which="newest")
    (tmp_path / "config.json").write_bytes((run / "config.json").read_bytes())
    with pytest.raises(UserError, match="no best/"):
        build.load(tmp_path, tiny.registry, which="best")
    (tmp_path / "ckpt").mkdir()
    with pytest.raises(CheckpointError, match="there is no checkpoint in"):
        build.load(tmp_path, tiny.registry)
