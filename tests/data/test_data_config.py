"""Sources from configurations: what may be said, what it makes, and the message for what may not be said."""

import itertools
import pathlib
import pprint
from typing import Any

import numpy as np
import pytest

from semjax.app import build, config
from semjax.app import train as program
from semjax.app.build import default_registry
from semjax.app.errors import ConfigError
from semjax.data.loader import train_loader
from semjax.data.mixture import MixtureSource
from semjax.data.pack import pack
from semjax.data.records_source import write_records
from semjax.data.sources import CachedSource

REGISTRY = default_registry()
SYSTEM = {"name": "deepjscc", "cbr": 1 / 12}


def resolved(train: dict[str, Any] | None = None, **sections: Any) -> Any:
    return config.resolve({"system": SYSTEM, "data": {"train": train or {}}, **sections}, REGISTRY)


def mixture(*parts: Any, **others: Any) -> dict[str, Any]:
    return {"source": "mixture", "parts": parts, **others}


SCENES = {"source": "scenes", "size": 32, "count": 5}


def test_parts_are_completed_each_with_its_own_options() -> None:
    cfg = resolved(mixture({"source": "archive", "root": "A", "weight": 2}, SCENES))
    assert cfg.data.train.parts == (
        {"source": "archive", "weight": 2.0, "root": "A", "split": None, "name": "images"},
        {"source": "scenes", "weight": 1.0, "size": 32, "split": "train", "count": 5, "seed": 0, "truth": False},
    )
    assert config.from_json(config.to_json(cfg)) == cfg
    assert config.resolve(cfg, REGISTRY) == cfg
    watched = resolved(val=mixture(SCENES), eval={"data": mixture(SCENES, mixture(SCENES))})
    assert watched.val.parts[0]["split"] == "val"
    assert watched["eval"].data.parts[1]["parts"][0]["split"] == "test"


SPLT = {"source": "archive", "root": "A", "splt": "train"}
WRONG = {
    "a key of a part": (
        mixture(SCENES, SPLT),
        r"'data\.train\.parts\[1\]\.splt'; nearest: data\.train\.parts\[1\]\.split",
    ),
    "a key of an inner part": (
        mixture(mixture(SPLT)),
        r"'data\.train\.parts\[0\]\.parts\[0\]\.splt'; nearest: .*\.split",
    ),
    "no parts": (mixture(), r"data\.train\.parts is \(\); it must be one or more"),
    "parts not given": ({"source": "mixture"}, r"data\.train\.parts must be set"),
    "a part that is none": (mixture("scenes"), r"data\.train\.parts\[0\] is 'scenes'; it must be \{\"source\""),
    "an unknown source": (mixture({"source": "scene"}), r"data\.train\.parts\[0\]\.source: source 'scene' .*scenes"),
    "weight zero": (mixture({**SCENES, "weight": 0}), r"data\.train\.parts\[0\]\.weight is 0\.0; it must be finite"),
    "weight below zero": (mixture({**SCENES, "weight": -1.0}), r"parts\[0\]\.weight is -1\.0; it must be finite"),
    "weight nan": (
        mixture(SCENES, {**SCENES, "weight": float("nan")}),
        r"parts\[1\]\.weight is nan; it must be finite",
    ),
    "weight no number": (mixture({**SCENES, "weight": "2"}), r"parts\[0\]\.weight is '2', a str; it must be a float"),
    "a missing option": (mixture({"source": "folder"}), r"data\.train\.parts\[0\]\.root must be set"),
    "small": ({"small": "crop"}, r"data\.train\.small is 'crop'; it may be: pad, drop"),
    "flip": ({"flip": "both"}, r"data\.train\.flip is 'both'; it may be: horizontal, none"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_mistake_is_told_with_its_path(kind: str) -> None:
    section, message = WRONG[kind]
    with pytest.raises(ConfigError, match=message):
        resolved(section)


def test_the_program_answers_with_one_message(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XLA_FLAGS", "")
    cases = [
        (mixture(SCENES, {**SCENES, "cont": 3}), "unknown config key 'data.train.parts[1].cont'"),
        (
            mixture({**SCENES, "weight": 3.14159265}, {**SCENES, "weight": 2.7182818}, {**SCENES, "weight": 1.4142}),
            "ratio",
        ),
        (mixture({"source": "folder", "root": str(tmp_path / "none")}), "no folder of pictures"),
        ({"source": "tfds", "dataset": "own", "data_dir": str(tmp_path)}, "own is not prepared in"),
        ({"source": "records", "path": str(tmp_path / "none")}, "no ArrayRecord shard"),
    ]
    for train, words in cases:
        (tmp_path / "c.py").write_text(
            f"def get_config():\n    return {pprint.pformat({'system': SYSTEM, 'data': {'train': train}})}\n"
        )
        assert program.main([f"--config={tmp_path / 'c.py'}", f"--workdir={tmp_path / 'run'}"]) == 2
        said = capsys.readouterr().err
        assert words in said
        assert said.count("error:") == 1
        assert "Traceback" not in said


def test_sources_are_made_as_the_section_says(twenty: pathlib.Path, tmp_path: pathlib.Path) -> None:
    pack(twenty, tmp_path / "a")
    write_records(twenty, tmp_path / "r")
    archive = {"source": "archive", "root": str(tmp_path / "a"), "weight": 3.0}
    records = {"source": "records", "path": str(tmp_path / "r")}
    cfg = resolved(mixture(archive, records, crop=16, small="drop", cache_mb=1))
    made: Any = build.source(cfg.data.train, REGISTRY, path="data.train")
    assert isinstance(made, CachedSource)
    assert isinstance(made.source, MixtureSource)
    assert made.source.turns == (3, 1)
    assert len(made) == 38  # p11 is left out of both
    with train_loader(made, batch_size=4, crop=16, seed=0, flip=cfg.data.train.flip) as loader:
        ids = np.concatenate([batch["id"] for batch in itertools.islice(loader, 10)])
    assert ((ids < 20).sum(), (ids >= 20).sum()) == (30, 10)
    assert not set(ids.tolist()) & {11, 31}


def test_val_and_eval_may_take_fixed_patches(twenty: pathlib.Path) -> None:
    folder = {"source": "folder", "root": str(twenty), "crop": 16, "patches": 3}
    cfg = resolved(val=folder, eval={"data": {**folder, "small": "drop"}})
    assert len(build.source(cfg.val, REGISTRY, path="val")) == 60
    dropped = build.source(cfg["eval"].data, REGISTRY, path="eval.data")
    assert len(dropped) == 57
    assert {dropped[i]["image"].shape for i in range(57)} == {(16, 16, 3)}
    for section, path in (
        ({**folder, "crop": None}, "val.patches is 3"),
        ({**folder, "patches": -1}, "val.patches is -1"),
    ):
        wrong = resolved(val=section)
        with pytest.raises(ConfigError, match=f"{path}.*needs val.crop"):
            build.source(wrong.val, REGISTRY, path="val")


def test_defaults_are_the_behaviour_there_was() -> None:
    cfg = resolved()
    assert (cfg.data.train.flip, cfg.data.train.small, cfg.data.max_bad_rate) == ("horizontal", "pad", 0.01)
    assert (cfg.val.patches, cfg.val.small, cfg["eval"].data.patches) == (0, "pad", 0)
    assert cfg["eval"].allow_reencoded is False


def test_a_set_may_move_but_not_change() -> None:
    tfds = {"source": "tfds", "dataset": "own", "data_dir": "A"}
    moved, other = resolved({**tfds, "data_dir": "B"}), resolved({**tfds, "dataset": "other"})
    first = config.training_part(resolved(tfds))
    assert config.differences(first, config.training_part(moved)) == []
    assert config.differences(first, config.training_part(other)) == ["data.train.dataset: 'own' → 'other'"]
