"""Building: parts by name with their options, parts from outside, shipped checkpoints there and back."""

import json
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from semjax.app import build, config, export
from semjax.app.errors import ConfigError, UserError
from semjax.app.train import train
from semjax.data.sources import CachedSource
from semjax.nn.modulate import SNRFiLM

REGISTRY = build.default_registry()


def test_parts_are_made_with_their_options_and_the_computing_type() -> None:
    cfg = config.resolve(
        {
            "system": {"name": "deepjscc", "cbr": 1 / 12, "prior": "natural"},
            "channel": {"name": "rayleigh", "csi": "pilots", "pilots": 4},
            "encoder": {"name": "conv", "widths": (4, 4, 4, 4), "modulation": "snr_film"},
            "phases": ({"name": "a", "snr_db": (1, 2), "channel": {"name": "awgn"}},),
        },
        REGISTRY,
    )
    parts = build.ConfiguredParts(registry=REGISTRY, dtype=jnp.bfloat16)
    assert parts.channel(cfg.channel) == REGISTRY.channels["rayleigh"](csi="pilots", pilots=4)
    encoder = parts.encoder(cfg.encoder)(features=3)
    assert (encoder.widths, encoder.modulation, encoder.dtype) == ((4, 4, 4, 4), SNRFiLM, jnp.bfloat16)
    (phase,) = parts.phases(cfg.phases)
    assert (phase.name, phase.snr_db, phase.channel) == ("a", (1.0, 2.0), REGISTRY.channels["awgn"]())
    assert [p.name for p in parts.phases(())] == ["train"]


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({"channel": {"name": "rayleigh", "csi": "pilots"}}, "channel: .*pilots"),
        ({"encoder": {"name": "conv", "modulation": "film"}}, "modulation 'film' is not known"),
        ({"system": {"name": "deepjscc", "cbr": 2.0, "prior": "natural"}}, "system: cbr"),
    ],
)
def test_a_refused_value_names_its_section(section: dict, said: str) -> None:
    least = {"system": {"name": "deepjscc", "cbr": 1 / 12, "prior": "natural"}}
    with pytest.raises(ConfigError, match=said):
        build.build(config.resolve({**least, **section}, REGISTRY), REGISTRY)


def test_an_unknown_option_of_a_part_with_open_options_is_named() -> None:
    cfg = config.resolve({"system": {"name": "linear", "cbr": 1 / 12}, "val": {"spilt": "test"}}, REGISTRY)
    with pytest.raises(ConfigError, match=r"unknown config key 'val\.spilt'; nearest: val\.split"):
        build.source(cfg.val, REGISTRY, path="val")


def test_sources_are_cached_where_asked(tiny) -> None:
    section = {"source": "array", "path": str(tiny.pictures), "key": "train", "crop": 8, "cache_mb": 1}
    cached = build.source(section, REGISTRY, path="data.train")
    assert isinstance(cached, CachedSource)
    assert (len(cached), cached.max_bytes) == (40, 1 << 20)
    assert not isinstance(build.source({**section, "cache_mb": 0}, REGISTRY, path="data.train"), CachedSource)


def test_a_registry_only_takes_kinds_it_has() -> None:
    with pytest.raises(ValueError, match="chanels"):
        REGISTRY.with_(chanels={})
    assert "awgn" in REGISTRY.with_(channels={"mine": REGISTRY.channels["awgn"]}).channels


@pytest.fixture(scope="module")
def finished(tiny_run, tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("finished") / "run"
    cfg = config.resolve(tiny_run.config, tiny_run.registry)
    train(cfg, workdir=folder, registry=tiny_run.registry, stop_after=2)
    return folder


@pytest.mark.parametrize(("dtype", "tolerance"), [("bfloat16", 2.0**-8), ("float32", 0.0)])
def test_export_and_load(finished: pathlib.Path, tiny, tmp_path: pathlib.Path, dtype: str, tolerance: float) -> None:
    size = export.export(finished, tmp_path / "out", registry=tiny.registry, dtype=dtype)
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["card.md", "config.json", "params.npz"]
    assert size == (tmp_path / "out" / "params.npz").stat().st_size
    there, here = (build.load(path, tiny.registry) for path in (finished, tmp_path / "out"))
    assert jax.tree.structure(there.variables) == jax.tree.structure(here.variables)
    for a, b in zip(jax.tree.leaves(there.variables), jax.tree.leaves(here.variables), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=tolerance)
    assert here.meta == {**there.meta, "stored_as": dtype}
    saved = json.loads((tmp_path / "out" / "config.json").read_text())
    assert saved["data"]["train"]["path"] == "pictures.npz"
    assert str(tiny.pictures.parent) not in (tmp_path / "out" / "card.md").read_text()


def test_export_refuses_a_full_place_and_a_large_model(finished: pathlib.Path, tiny, tmp_path, monkeypatch) -> None:
    (tmp_path / "note.txt").write_text("mine")
    with pytest.raises(UserError, match="not an empty directory"):
        export.export(finished, tmp_path, registry=tiny.registry, dtype="float32")
    monkeypatch.setattr(export, "MAX_BYTES", 1000)
    with pytest.raises(UserError, match="at most 8 MiB"):
        export.export(finished, tmp_path / "out", registry=tiny.registry, dtype="float32")
    assert not (tmp_path / "out").exists()


def test_load_refuses_what_is_no_checkpoint(finished: pathlib.Path, tiny, tmp_path: pathlib.Path) -> None:
    with pytest.raises(UserError, match=r"no config\.json"):
        build.load(tmp_path, tiny.registry)
    export.export(finished, tmp_path / "out", registry=tiny.registry, dtype="float32")
    changed = json.loads((tmp_path / "out" / "config.json").read_text())
    changed["system"]["features"] = 6
    (tmp_path / "out" / "config.json").write_text(json.dumps(changed))
    with pytest.raises(UserError, match="does not fit"):
        build.load(tmp_path / "out", tiny.registry)
