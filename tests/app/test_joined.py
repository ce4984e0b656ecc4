"""A configuration that names teacher stores: labels in the batch, mistakes named, a run that insists on its store."""

import pathlib
import shutil

import numpy as np
import pytest

from semjax.app import build, config, train
from semjax.app.dry_run import dry_run
from semjax.app.errors import ConfigError
from semjax.data.facts import source_facts
from semjax.data.loader import train_loader
from semjax.data.sources import ScenesSource
from semjax.importance import fit
from semjax.importance.class_tables import load_tables
from semjax.scenes.classes import region_classes
from semjax.store.join import TeacherJoin
from semjax.store.overrides import Override, write_overrides
from semjax.store.shards import Store
from semjax.teachers.albums import ScenesAlbum
from semjax.teachers.oracle import Oracle
from semjax.teachers.precompute import precompute

REGISTRY = build.default_registry()
COUNT = 12


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    album = ScenesAlbum(size=32, split="train", count=COUNT)
    return precompute(album, Oracle(), tmp_path_factory.mktemp("stores"), shards=2).folder


def asked(store: pathlib.Path, **teachers: object) -> dict:
    scenes = {"source": "scenes", "size": 32, "count": COUNT, "crop": 16}
    section = {**scenes, "teachers": {"stores": (str(store),), **teachers}}
    return {"system": {"name": "deepjscc", "cbr": 1 / 12}, "data": {"train": section, "batch_size": 8}}


def source(store: pathlib.Path, **teachers: object):
    cfg = config.resolve(asked(store, **teachers), REGISTRY)
    return build.source(cfg.data.train, REGISTRY, path="data.train")


def test_batches_hold_what_the_teacher_said(store):
    made = source(store, scenarios=("traffic", "rescue"))
    with train_loader(made, batch_size=COUNT, crop=16, seed=3) as loader:
        batch = build.to_batch(next(loader))
    assert batch.labels["importance"].shape == (COUNT, 2, 6)
    assert batch.labels["ids"].shape == (COUNT, 16, 16)
    for row, picture in enumerate(batch.id):
        told = Store(store)[int(picture)].scenarios
        rows = [told.names.index(name) for name in ("traffic", "rescue")]
        assert np.array_equal(batch.labels["importance"][row], np.float32(told.importance[rows]))
    example = build.example_batch(config.resolve(asked(store), REGISTRY), 4, like=source(store))
    assert example.labels["importance"].shape == (4, 8, 6)


def test_corrections_and_regions(store, tmp_path, monkeypatch):
    record = Store(store)[5]
    lines = [Override(id=5, image_sha=record.image_sha, scenario="game", region=1, importance=0.5, verified_by="N. N.")]
    write_overrides(tmp_path / "overrides.jsonl", lines)
    monkeypatch.setenv("CORRECTED", str(tmp_path))
    made = source(store, scenarios=("game",), overrides="$CORRECTED/overrides.jsonl", regions=9)
    assert made[5]["labels"]["importance"].shape == (1, 9)
    assert made[5]["labels"]["importance"][0, 1] == 0.5
    facts, plain = source_facts(made), source_facts(source(store))
    assert plain["stores"] == [Store(store).about.digest]
    assert facts["stores"][:1] == plain["stores"] != facts["stores"]
    assert "stores" not in source_facts(made.source.source)


def test_classes_are_numbered_as_the_tables_say(store, tmp_path, monkeypatch):
    scenes = ScenesSource(size=32, count=COUNT)
    made = source(store, classes="scenes")
    assert np.array_equal(made[3]["labels"]["classes"], region_classes(scenes.scene(3)))
    assert fit.main(["--stores", str(store), str(tmp_path / "mine.json")]) == 0
    monkeypatch.setenv("TABLES", str(tmp_path))
    names = (*load_tables(tmp_path / "mine.json").names, "")
    with train_loader(source(store, classes="$TABLES/mine.json"), batch_size=COUNT, crop=16, seed=3) as loader:
        batch = build.to_batch(next(loader))
    for row, picture in enumerate(batch.id):
        assert [names[c] for c in batch.labels["classes"][row]] == list(Store(store)[int(picture)].regions.names)


def test_a_run_goes_on_with_its_store_only(store, tmp_path):
    here = tmp_path / "store"
    cfg = config.resolve({**asked(here), "system": {"name": "linear", "cbr": 1 / 12}, "train": {"steps": 0}}, REGISTRY)
    noisy = Oracle(noise=0.5)
    other = precompute(ScenesAlbum(size=32, split="train", count=COUNT), noisy, tmp_path / "others", shards=2).folder

    def begin_or_go_on_with(folder: pathlib.Path) -> train.Result:
        shutil.rmtree(here, ignore_errors=True)
        shutil.copytree(folder, here)
        return train.train(cfg, workdir=tmp_path / "run", registry=REGISTRY)

    assert begin_or_go_on_with(store).finished
    with pytest.raises(ValueError, match=r"data\.train stores was .* and is"):
        begin_or_go_on_with(other)
    assert begin_or_go_on_with(store).finished


def test_a_dry_run_reads_what_labels_there_are(store):
    asked_for = {**asked(store), "system": {"name": "linear", "cbr": 1 / 12}}
    assert "channel uses" in dry_run(config.resolve(asked_for, REGISTRY), REGISTRY)


@pytest.mark.parametrize(
    ("teachers", "told"),
    [
        ({"scenarios": ("trafic",)}, r"no store knows scenario 'trafic'; nearest is traffic"),
        ({"stores": ("nowhere",)}, r"nowhere.*python -m semjax\.teachers run"),
        ({"regions": 2}, r"6 regions, and only 2 are joined"),
        ({"overrides": "nowhere.jsonl"}, r"nowhere\.jsonl cannot be read"),
        ({"classes": "nowhere.json"}, r"data\.train\.teachers\.classes: class tables 'nowhere\.json' cannot be read"),
    ],
)
def test_mistakes_are_named(store, teachers, told):
    with pytest.raises((ValueError, ConfigError), match=told):
        source(store, **teachers)[0]


def test_another_set_of_pictures_is_refused(store):
    cfg = asked(store)
    cfg["data"]["train"]["seed"] = 1
    resolved = config.resolve(cfg, REGISTRY)
    with pytest.raises(ValueError, match="not of the same pictures"):
        build.source(resolved.data.train, REGISTRY, path="data.train")
    assert isinstance(source(store).source, TeacherJoin)
