"""Configurations: files, variants, overrides, checks that name the full key, hashes, JSON and back."""

import pathlib

import pytest

from semjax.app import build, config
from semjax.app.defaults import BESIDE_THE_RUN, DEFAULTS
from semjax.app.errors import ConfigError

REGISTRY = build.default_registry()
LEAST = {"system": {"name": "deepjscc", "cbr": 1 / 12, "prior": "natural"}}


def resolve(*overrides: tuple[str, str], **sections) -> config.Config:
    return config.resolve({**LEAST, **sections}, REGISTRY, overrides)


def write(folder: pathlib.Path, text: str) -> str:
    (folder / "c.py").write_text(text)
    return str(folder / "c.py")


VARIED = """
VARIANTS = ("small", "large")
def get_config(arg="small"):
    return {"seed": {"small": 1, "large": 2}[arg]}
"""


def test_loads_a_file_and_its_variants(tmp_path: pathlib.Path) -> None:
    path = write(tmp_path, VARIED)
    assert config.load(f"{path}:large").seed == 2
    for spec in (f"{path}:huge", path):
        with pytest.raises(ConfigError, match=r"c\.py:small, .*c\.py:large"):
            config.load(spec)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = 1", "no get_config"),
        ("def get_config(:", "SyntaxError"),
        ("def get_config():\n  return 3", "must return a ConfigDict"),
        ("def get_config():\n  return {}['x']", "KeyError"),
    ],
)
def test_names_what_is_wrong_with_a_file(tmp_path: pathlib.Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        config.load(write(tmp_path, text))


def test_refuses_a_missing_file_and_a_variant_of_a_file_without(tmp_path: pathlib.Path) -> None:
    with pytest.raises(ConfigError, match="no file"):
        config.load(str(tmp_path / "none.py"))
    with pytest.raises(ConfigError, match="no variants"):
        config.load(write(tmp_path, "def get_config():\n  return {}") + ":quick")


def test_fills_in_every_key_and_every_option_of_the_parts() -> None:
    cfg = resolve()
    assert set(cfg) == set(DEFAULTS)
    assert cfg.encoder.to_dict() == {
        "name": "residual_conv",
        "widths": (32, 64, 96, 128),
        "blocks": (0, 1, 2, 2),
        "modulation": "none",
    }
    assert (cfg.data.train.split, cfg.val.split, cfg.eval.data.split) == ("train", "val", "test")


def test_overrides_win_and_take_the_type_of_the_key() -> None:
    cfg = resolve(("optim.lr", "1"), ("optim.clip", "2"), ("encoder.widths", "[8, 8, 8, 8]"), ("eval.snr_db", "(1, 2)"))
    assert (cfg.optim.lr, cfg.optim.clip, cfg.encoder.widths, cfg.eval.snr_db) == (1.0, 2.0, (8, 8, 8, 8), (1.0, 2.0))
    assert [type(v) for v in (cfg.optim.lr, cfg.optim.clip, cfg.eval.snr_db[0])] == [float, float, float]
    assert resolve(("optim.clip", "None")).optim.clip is None


def test_naming_another_part_drops_the_options_of_the_old_one() -> None:
    cfg = resolve(
        ("channel.k_factor_db", "3"),
        ("channel.name", "rician"),
        ("encoder.name", "conv"),
        encoder={"name": "residual_conv", "blocks": (0, 0, 0, 0)},
    )
    assert cfg.channel.to_dict() == {
        "name": "rician",
        "k_factor_db": 3.0,
        "equaliser": "mmse",
        "csi": "perfect",
        "pilots": None,
    }
    assert "blocks" not in cfg.encoder


@pytest.mark.parametrize(
    ("key", "value", "named", "nearest"),
    [
        ("optim.lrr", "1", "optim.lrr", "optim.lr"),
        ("optm.lr", "1", "optm.lr", "optim.lr"),
        ("encoder.width", "1", "encoder.width", "encoder.widths"),
        ("train.stpes", "1", "train.stpes", "train.steps"),
        ("eval.channels", "({'name': 'rayleigh', 'cis': 'perfect'},)", "eval.channels.0.cis", "eval.channels.0.csi"),
        ("phases", "({'name': 'a', 'weigths': {}},)", "phases.0.weigths", "phases.0.weights"),
        ("channel.name", "rayleih", "channel.name", "rayleigh"),
        ("system.name", "deepjsc", "system.name", "deepjscc"),
    ],
)
def test_an_unknown_key_is_named_in_full_with_the_nearest(key: str, value: str, named: str, nearest: str) -> None:
    with pytest.raises(ConfigError) as caught:
        resolve((key, value))
    assert named in str(caught.value)
    assert nearest in str(caught.value).partition("nearest:")[2]


def test_a_typo_in_the_file_itself_is_found() -> None:
    with pytest.raises(ConfigError, match=r"'optim\.wamrup'; nearest: optim\.warmup"):
        resolve(optim={"wamrup": 3})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("seed", "1.5"),
        ("optim.lr", "fast"),
        ("optim.lr", "True"),
        ("train.tensorboard", "1"),
        ("optim.clip", "'no'"),
        ("eval.snr_db", "3"),
        ("eval.snr_db", "(1, 'x')"),
        ("data", "3"),
        ("optim.schedule", "linear"),
        ("data.batch_size", "0"),
        ("train.steps", "-1"),
    ],
)
def test_a_value_of_the_wrong_kind_names_its_key(key: str, value: str) -> None:
    with pytest.raises(ConfigError, match=key):
        resolve((key, value))


def test_an_option_of_a_system_is_checked_like_any_other() -> None:
    with pytest.raises(ConfigError, match=r"'system\.pior'; nearest: system\.prior"):
        resolve(("system.pior", "natural"))


def test_a_key_below_a_value_is_refused() -> None:
    with pytest.raises(ConfigError, match="seed is"):
        resolve(("seed.low", "3"))
    with pytest.raises(ConfigError, match=r"data\.batch_size is a value"):
        resolve(("data.batch_size.low", "3"), data={"batch_size": 8})


def test_an_option_that_must_be_given_is_asked_for() -> None:
    with pytest.raises(ConfigError, match=r"val\.root must be set"):
        resolve(val={"source": "folder"})


def test_flags() -> None:
    known = ["--config", "--workdir"]
    assert config.split_flags(["--config.a.b=1", "--config.c", "x y"], known) == [("a.b", "1"), ("c", "x y")]
    with pytest.raises(ConfigError, match="did you mean --workdir"):
        config.split_flags(["--workdri=x"], known)
    with pytest.raises(ConfigError, match="needs a value"):
        config.split_flags(["--config.a"], known)


def test_json_and_back_keeps_everything_and_the_hash() -> None:
    cfg = resolve(phases=({"name": "a", "channel": {"name": "rayleigh"}, "weights": {"mse": 2}},))
    again = config.from_json(config.to_json(cfg))
    assert again.to_dict() == cfg.to_dict()
    assert config.resolve(again, REGISTRY).to_dict() == cfg.to_dict()
    assert config.config_hash(again) == config.config_hash(cfg)
    assert len(config.config_hash(cfg)) == 12
    assert config.config_hash(resolve(("seed", "1"))) != config.config_hash(resolve())


def test_the_training_part_leaves_out_what_changes_no_parameter() -> None:
    beside = resolve(("eval.draws", "9"), ("train.keep", "1"), ("mesh.fsdp", "2"), ("train.log_every", "7"))
    parts = [config.training_part(cfg) for cfg in (resolve(), beside, resolve(("optim.lr", "0.5")))]
    assert config.differences(parts[0], parts[1]) == []
    assert config.differences(parts[0], parts[2]) == ["optim.lr: 0.001 → 0.5"]
    assert set(BESIDE_THE_RUN) >= {"eval", "val", "mesh"}
