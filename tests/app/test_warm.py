"""Runs that begin with another's parameters."""

import jax
import numpy as np
import pytest

from semjax.app import build
from semjax.app.errors import ConfigError, UserError
from semjax.app.train import run
from semjax.training.checkpoint import flat

CFG = {
    "system": {"name": "deepjscc", "cbr": 1 / 12},
    "encoder": {"name": "conv", "widths": (4, 4, 4, 4)},
    "decoder": {"name": "conv", "widths": (4, 4, 4, 4)},
    "data": {"train": {"source": "scenes", "size": 32, "count": 8, "crop": 32}, "batch_size": 8},
    "optim": {"lr": 0.01, "ema_decay": 0.5},
}


def begun(workdir, *, seed: int = 1, steps: int = 0, **train):
    """The averaged parameters of a run."""
    found = run({**CFG, "seed": seed, "train": {"steps": steps, **train}}, workdir=workdir)
    for own, averaged in zip(*(jax.tree.leaves(t) for t in (found.state.params, found.state.ema)), strict=True):
        assert steps or np.array_equal(own, averaged)
    return jax.device_get(flat(found.state.ema["codec"]))


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    folder = tmp_path_factory.mktemp("first") / "run"
    return folder, begun(folder, steps=2)


def test_all_or_some_parameters_are_the_others(first, tmp_path):
    folder, trained = first
    fresh = begun(tmp_path / "fresh")
    whole = begun(tmp_path / "whole", start_from=str(folder))
    assert all(np.array_equal(whole[path], trained[path]) for path in trained)
    part = begun(tmp_path / "part", start_from=str(folder), start_parts="^encoder/")
    for path in trained:
        assert np.array_equal(part[path], (trained if path.startswith("encoder/") else fresh)[path]), path


def test_a_run_that_goes_on_keeps_its_own(first, tmp_path):
    folder, _ = first
    kept = begun(tmp_path / "kept", start_from=str(folder), steps=1)
    again = begun(tmp_path / "kept", start_from=str(folder), steps=1)
    assert all(np.array_equal(kept[path], again[path]) for path in kept)
    assert not all(np.array_equal(kept[path], first[1][path]) for path in kept)


@pytest.mark.parametrize(
    ("train", "error", "said"),
    [
        ({"start_from": "nowhere"}, UserError, "neither a run nor a checkpoint"),
        ({"start_parts": "("}, ConfigError, "no regular expression"),
        ({"start_parts": "^student"}, ConfigError, "no parameter of this run that .* has, too, matches"),
    ],
)
def test_what_cannot_be_begun_with(first, tmp_path, train, error, said):
    with pytest.raises(error, match=said):
        begun(tmp_path / "run", **{"start_from": str(first[0]), **train})


def test_other_shapes_are_named(first, tmp_path):
    other = {**CFG, "encoder": {"name": "conv", "widths": (4, 4, 4, 6)}}
    with pytest.raises(ConfigError, match=r"encoder/net/conv_3/bias has shape \(4,\) there and \(6,\) here"):
        run({**other, "train": {"steps": 0, "start_from": str(first[0])}}, workdir=tmp_path / "run")


def test_a_shipped_checkpoint_names_no_place(first, tmp_path):
    from semjax.app.export import export

    begun(tmp_path / "run", start_from=str(first[0]))
    export(tmp_path / "run", tmp_path / "out", registry=build.default_registry(), dtype="float32")
    cfg = build.load(tmp_path / "out", build.default_registry()).cfg
    assert cfg.train.start_from == "run"
