"""A system is told only scenarios that it learned: on the host, by name or by number, for one picture or for many."""

import functools
import json

import jax
import numpy as np
import pytest

from semjax.app import asking, build, config, learned, transmit
from semjax.app.errors import ConfigError
from semjax.data import images
from semjax.data.sources import ScenesSource
from semjax.evaluators.scenario_draw import SceneScenarios, StoredScenarios
from semjax.importance.allocate import RateSet, check_budget
from semjax.scenes.scenarios import scenario_names
from semjax.training.checkpoint import flat

REGISTRY = build.default_registry()
SCENES = {"source": "scenes", "size": 64, "truth": True}
SMALL = {"features": 24, "levels": (0, 4, 8, 16), "width": 8, "depth": 0}
NET = {"name": "residual_conv", "modulation": "none", "widths": (4, 4, 4, 4), "blocks": (0, 0, 0, 0)}


def configured(variant: str = "student", **options):
    system = {"name": "sa_oosc", "variant": variant, **SMALL, **options}
    data = {"data": {"train": SCENES}, "eval": {"data": {**SCENES, "split": "test", "count": 4}}}
    return config.resolve({"system": system, "encoder": NET, "decoder": NET, **data}, REGISTRY)


@functools.cache
def trainable(variant: str = "student", **options):
    return build.build(configured(variant, **options), REGISTRY)


@pytest.mark.parametrize(
    ("variant", "name", "said"),
    [
        ("student", "trafic", r"--scenario: scenes have no scenario 'trafic'; there are: rescue, traffic, "),
        ("student", "", r"--scenario: what this system sends depends on the scenario.*; there are: rescue, traffic, "),
        ("student_text", "", r"--scenario: what this system sends depends on the scenario"),
        ("oracle", "game", r"the checkpoint's variant is told what matters in a picture"),
    ],
)
def test_a_single_picture_has_a_scenario_that_the_system_learned(variant, name, said):
    with pytest.raises(ConfigError, match=said):
        learned.public_scenario(configured(variant), trainable(variant), name, where="--scenario")


def test_scenarios_without_names_are_numbers():
    """Trained with stores whose scenarios the configuration does not name."""
    cfg, made = configured(scenarios=5), trainable(scenarios=5)
    told = learned.public_scenario(cfg, made, "4", where="--scenario")
    np.testing.assert_array_equal(told["scenario"], [4])
    for name, said in (("5", "unknown scenario 5: there are 5, numbered 0 to 4"), ("game", "number of one, 0 to 4")):
        with pytest.raises(ConfigError, match=said):
            learned.public_scenario(cfg, made, name, where="--scenario")
    with pytest.raises(ConfigError, match="knows no scenario; leave the flag away"):
        learned.public_scenario(cfg, object(), "4", where="--scenario")


def test_a_system_that_needs_no_scenario_is_asked_for_none():
    assert learned.public_scenario(configured("uniform"), trainable("uniform"), "", where="--scenario") == {}


def source(truth: bool = True) -> ScenesSource:
    return ScenesSource(size=64, split="test", count=4, truth=truth)


def evaluating(**changed):
    return config.resolve(configured(), REGISTRY, [(f"eval.{key}", value) for key, value in changed.items()])


def test_an_evaluation_tells_a_scenario_to_whoever_needs_one():
    with pytest.raises(ConfigError, match=r"eval\.scenario: what this system sends depends on the scenario"):
        asking.asking(evaluating(scenario=""), source(), trainable())
    with pytest.raises(ConfigError, match=r"eval\.scenario: scenes have no scenario 'trafic'; there are: rescue"):
        asking.asking(evaluating(scenario="trafic"), source(), trainable())
    with pytest.raises(ConfigError, match=r"eval\.data has no labels, and this variant is told them"):
        asking.asking(evaluating(scenario="drawn"), source(truth=False), trainable("oracle"))
    assert asking.asking(evaluating(scenario=""), source(), trainable("uniform")) == asking.Asking()
    assert asking.asking(evaluating(scenario="game"), source(), trainable()).rows == 8


def test_other_scenarios_than_those_of_the_training_are_refused():
    other = StoredScenarios(names=("driving", "cleaning"), name="driving")
    with pytest.raises(ConfigError, match="the scenarios driving, cleaning, but the system was trained with rescue, "):
        learned.check_evaluation(configured(), source(), trainable(), other)
    learned.check_evaluation(configured("uniform"), source(), trainable("uniform"), other)
    learned.check_evaluation(configured(), source(), trainable(), SceneScenarios(split="test", name="drawn"))


def test_a_number_beyond_the_systems_table_is_refused_where_the_batch_is_made():
    nine = StoredScenarios(names=tuple(f"scenario {i}" for i in range(9)), name="scenario 8")
    told = asking.Asking(scenarios=nine, rows=8).told(iter([{"id": np.arange(4)}]))
    with pytest.raises(ConfigError, match=r"eval\.scenario: unknown scenario 8: there are 8, numbered 0 to 7"):
        next(told)
    (batch,) = asking.Asking(scenarios=nine).told(iter([{"id": np.arange(4)}]))
    np.testing.assert_array_equal(batch["scenario"], 8)


@pytest.fixture
def command(tmp_path, capsys):
    """`transmit.py` on a shipped checkpoint and a picture; returns its exit code and its message."""
    (tmp_path / build.CONFIG_FILE).write_text(config.to_json(configured()))
    params, _ = jax.eval_shape(trainable().init, jax.random.key(0), build.example_batch(configured()))
    zeros = {name: np.zeros(leaf.shape, leaf.dtype) for name, leaf in flat({"params": params["codec"]}).items()}
    np.savez(tmp_path / build.PARAMS_FILE, **zeros, **{build.META_KEY: np.array(json.dumps({"step": 0}))})
    images.save_png(tmp_path / "in.png", np.full((32, 32, 3), 0.5, np.float32))

    def run(*flags: str) -> tuple[int, str]:
        told = (str(tmp_path / "in.png"), "--checkpoint", str(tmp_path), "--snr_db", "7", "--output", str(tmp_path))
        return transmit.main([*told, *flags]), capsys.readouterr().err

    return run


def test_transmit_wants_a_known_scenario(command, monkeypatch):
    code, said = command("--scenario", "trafic")
    assert code == 2
    assert "--scenario: scenes have no scenario 'trafic'; there are: rescue" in said
    assert said.count("\n") == 1

    class Encoded(Exception):
        pass

    def encode(*arguments, public, **told):
        raise Encoded(public)

    monkeypatch.setattr(transmit, "chain", lambda *_, **__: type("Chain", (), {"encode": staticmethod(encode)}))
    with pytest.raises(Encoded) as found:
        command("--scenario", "game")
    (known,) = found.value.args
    assert scenario_names()[int(known.scenario[0])] == "game"
    assert known.text.shape == (1, 32)


def test_transmit_says_of_which_picture_a_budget_cannot_be_met(command, monkeypatch):
    def encode(*arguments, **told):
        check_budget(500, n=4, rates=RateSet(levels=SMALL["levels"]))

    monkeypatch.setattr(transmit, "chain", lambda *_, **__: type("Chain", (), {"encode": staticmethod(encode)}))
    code, said = command("--scenario", "game")
    assert (code, said.count("\n")) == (2, 1)
    assert "in.png: a budget of 500 channel uses per picture cannot be met: 4 tokens of 4 to 16" in said
