"""One picture under two scenarios: what is drawn, what was sent, which scenarios are shown, and what cannot be."""

import dataclasses
import json
import pathlib
import re
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from semjax.app import build, config, scenario_pictures
from semjax.app.errors import ConfigError, UserError
from semjax.bottlenecks.analog import SCALE_BITS
from semjax.bottlenecks.masked import VariableLength, rates_codec
from semjax.channels import AWGN
from semjax.data.loader import eval_batches
from semjax.data.sources import ArraySource, ScenesSource
from semjax.evaluators import scenario_figure
from semjax.evaluators.scenario_draw import SceneScenarios
from semjax.evaluators.scenario_figure import GAP, HEAD, LEFT, Page, draw
from semjax.evaluators.scenario_sending import Sending, SendingError, Truth, Way, sendings
from semjax.evaluators.sweep import Origin, Sweep
from semjax.importance.allocate import RateSet
from semjax.importance.maps import token_peaks
from semjax.link.side import FixedWidth
from semjax.link.transport import ideal_link
from semjax.systems.base import SystemTrainable
from semjax.training.checkpoint import flat

REGISTRY = build.default_registry()
NET = {"name": "residual_conv", "modulation": "none"}
SMALL = {"features": 24, "levels": (0, 4, 8, 16), "width": 8, "depth": 2}
DPI = 60
WAY = Way(channel=AWGN(), links=ideal_link, snr_db=10.0)


def configured(variant: str = "student", **sections: Any) -> Any:
    cfg = {
        "system": {"name": "sa_oosc", "variant": variant, **SMALL, **sections.pop("system", {})},
        "encoder": {**NET, "widths": (4, 4, 4, 4), "blocks": (0, 0, 0, 0)},
        "decoder": {**NET, "widths": (4, 4, 4, 4), "blocks": (0, 0, 0, 0)},
        "data": {"train": {"source": "scenes", "size": 64, "crop": 64, "truth": True, **sections.pop("train", {})}},
        "eval": {"data": {"source": "scenes", "size": 64, "split": "test", "count": 8}, "scenario": "drawn"},
    }
    return config.resolve(cfg, REGISTRY)


def loaded(variant: str = "student", **sections: Any) -> build.Loaded:
    """Without parameters: what is refused before anything is computed needs none."""
    cfg = configured(variant, **sections)
    return build.Loaded(cfg=cfg, trainable=build.build(cfg, REGISTRY), variables={}, meta={})


def scenes(**options: Any) -> ScenesSource:
    return ScenesSource(**{"size": 64, "split": "test", "count": 8, "truth": True, **options})


def row(name: str, colour: tuple[float, float, float], **more: Any) -> Sending:
    settings = {
        "scenario": name,
        "truth": Truth(importance=np.array([0.1, 1.0, 0.5]), known=np.array([True, True, False])),
        "importance": np.array([[0.0, 1.0], [0.0, 1.0]]),
        "dimensions": np.array([[0, 128], [8, 0]]),
        "received": np.broadcast_to(np.float32(colour), (24, 32, 3)),
        "cbr": {"analog": 0.03, "side": 0.002},
        "psnr": {"": 21.5, "low": 22.25},
    }
    return Sending(**{**settings, **more})


def page(*rows: Sending) -> Page:
    """A black picture of 24 x 32: its lower tokens are cut."""
    ids = np.zeros((24, 32), np.uint8)
    ids[4:12, 4:12], ids[4:12, 20:28] = 1, 2
    black = np.zeros((24, 32, 3), np.float32)
    return Page(title="a title", original=black, ids=ids, stride=16, variant="student", rows=rows)


def test_panels_show_what_they_are_given(tmp_path, monkeypatch):
    monkeypatch.setattr(scenario_figure, "DPI", DPI)
    made = page(row("game", (1.0, 0.0, 0.0)), row("camp", (0.0, 0.0, 0.6)))
    draw(made, tmp_path / "figure.png")
    with Image.open(tmp_path / "figure.png") as opened:
        pixels = np.asarray(opened.convert("RGB")).astype(int)
    assert pixels.shape[:2] == (int(made.height * DPI), 10 * DPI)
    width, height = made.panel

    def at(line: int, column: int, right: float, down: float) -> np.ndarray:
        """The colour at a place of a panel, in shares of its sides."""
        y = HEAD + line * (height + scenario_figure.CAPTION) + down * height
        return pixels[int(DPI * y), int(DPI * (LEFT + column * (width + GAP) + right * width))]

    def edge(right: float) -> np.ndarray:
        """The brightest colours across a vertical outline of the first panel."""
        return np.max([at(0, 0, right + step / 200, 7 / 24) for step in range(-4, 5)], axis=0)

    assert edge(4 / 32)[0] > 2 * edge(4 / 32)[2], "the outline of what matters is red"
    assert edge(20 / 32).min() > 120, "that of what nothing is known of is white"
    assert at(0, 3, 0.5, 0.5) == pytest.approx([255, 0, 0], abs=2)
    assert at(1, 3, 0.5, 0.5) == pytest.approx([0, 0, 153], abs=2)
    assert at(0, 1, 0.9, 0.5)[0] > at(0, 1, 0.9, 0.5)[2], "importance 1 is red"
    assert at(0, 1, 0.1, 0.5)[0] < at(0, 1, 0.1, 0.5)[2], "importance 0 is blue"
    assert at(0, 2, 0.9, 0.1).sum() > at(0, 2, 0.1, 0.1).sum() + 150, "the longest token is the brightest"
    assert at(0, 4, 0.5, 0.5).sum() > at(1, 4, 0.5, 0.5).sum() + 100, "red is further from black than dark blue"


def test_the_same_rows_give_the_same_file_with_their_captions(tmp_path):
    made = page(row("game", (1.0, 0.0, 0.0)), row("camp", (0.0, 0.0, 0.6), truth=None, lost=("rates",)))
    for name in ("one", "two"):
        draw(made, tmp_path / f"{name}.svg")
    text = (tmp_path / "one.svg").read_text()
    assert text == (tmp_path / "two.svg").read_text()
    for part in ("a title", "game", "camp", "importance (student)", *(each.caption() for each in made.rows)):
        assert f"<!-- {part} -->" in text
    assert made.rows[1].caption() == "cbr 0.0320 (0.0300 analog, 0.0020 side); PSNR 21.50 dB, low 22.25 dB (rates lost)"
    with pytest.raises(ValueError, match=r"must end in \.png or \.svg"):
        draw(made, tmp_path / "figure.gif")


class Stub(nn.Module):
    """Sends tokens of 4 dimensions under scenario 0 and of 8 under others; shows the mean of what arrived."""

    bottleneck: VariableLength

    def transmit(self, image, public, given):
        index = jnp.broadcast_to(jnp.where(public.scenario == 0, 1, 2)[:, None, None], (image.shape[0], 2, 2))
        signal = self.bottleneck.pack(jnp.ones((*index.shape, 8)), index, public)
        return dataclasses.replace(signal, aux={"importance": index / 2.0})

    def receive(self, received, public):
        mean = received.symbols.real.mean(axis=-1)[:, None, None, None]
        return jnp.broadcast_to(mean, (len(mean), public.height, public.width, 3))


def test_a_row_says_what_was_sent_under_its_scenario():
    rates = RateSet(levels=(0, 4, 8))
    stub = SystemTrainable(
        name="stub",
        module=Stub(bottleneck=VariableLength(rates=rates, stride=16)),
        channel=AWGN(),
        PHASES=(),
        side_codecs={"rates": rates_codec(rates), "scale": FixedWidth(bits=SCALE_BITS)},
    )
    rng = np.random.default_rng(0)
    ids = np.zeros((3, 32, 32), np.uint8)
    ids[:, :8] = 1
    batch = {
        "image": np.repeat(rng.uniform(0, 1, (1, 32, 32, 3)).astype(np.float32), 3, axis=0),
        "id": np.full(3, 5, np.int32),
        "scenario": np.array([0, 2, 3], np.int32),
        "labels/importance": np.repeat(rng.uniform(0.6, 1, (1, 4, 2)).astype(np.float32) * [[[1, 0]]], 3, axis=0),
        "labels/weight": np.ones((3, 4, 2), np.float32),
        "labels/ids": ids,
    }
    rescue, camp, game = sendings(stub, {"params": {}}, batch, scenarios=("rescue", "camp", "game"), way=WAY)
    for each, dimensions in ((rescue, 4), (camp, 8), (game, 8)):
        assert np.array_equal(each.dimensions, np.full((2, 2), dimensions))
        assert each.cbr["analog"] == pytest.approx(4 * dimensions / 2 / (3 * 32 * 32))
        assert each.cbr["side"] > 0
        assert each.psnr.keys() == {"", "high", "low"}
    assert np.array_equal(rescue.importance, np.full((2, 2), 0.5))
    assert np.array_equal(camp.received, game.received), "the noise is not the same"
    assert np.array_equal(game.truth.importance, batch["labels/importance"][0, 3])
    unlabelled = {name: array for name, array in batch.items() if not name.startswith("labels/")}
    (one, _, _) = sendings(stub, {"params": {}}, unlabelled, scenarios=("rescue", "camp", "game"), way=WAY)
    assert (one.truth, [*one.psnr]) == (None, [""])
    silent = dataclasses.replace(stub, module=Silent(bottleneck=stub.module.bottleneck))
    with pytest.raises(SendingError, match="says nothing of the importance"):
        sendings(silent, {"params": {}}, batch, scenarios=("rescue", "camp", "game"), way=WAY)


class Silent(Stub):
    """Shares out symbols, and does not say why."""

    def transmit(self, image, public, given):
        return dataclasses.replace(super().transmit(image, public, given), aux={})


def test_the_scenarios_that_differ_most_in_what_is_shown_and_known():
    importance = np.array([[0.1, 0.2, 0.9, 0], [0.1, 0.8, 0.9, 1], [0.6, 0.2, 0.1, 0]], np.float32)
    batch = {"labels/importance": importance[None], "labels/weight": np.ones((1, 3, 4), np.float32)}
    batch["labels/ids"] = np.array([[[0, 1], [2, 2]]], np.uint8)
    assert scenario_pictures.most_different(batch, count=3) == (1, 2)
    batch["labels/weight"][0, 2] = 0  # nothing is known under the last one
    assert scenario_pictures.most_different(batch, count=3) == (0, 1)
    batch["labels/ids"][:] = 0
    assert scenario_pictures.most_different({}, count=5) == (0, 1)
    assert scenario_pictures.most_different(batch, count=1) == (0,)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"index": 8}, "--index=8: there is no such picture; eval.data has pictures 0 to 7"),
        ({"index": -1}, "--index=-1: there is no such picture"),
        ({"scenarios": ("game", "trafic")}, "no scenario 'trafic'; nearest is traffic; there are rescue, traffic"),
        ({"scenarios": ("game", "game")}, "game game: one is named twice"),
    ],
)
def test_what_there_is_not(asked, told):
    with pytest.raises(UserError, match=re.escape(told)):
        scenario_pictures.page_of(loaded(), scenes(), **{"index": 0, "way": WAY, **asked})


def test_a_student_is_not_shown_scenarios_that_it_did_not_learn(pictures):
    own = {"system": {"scenarios": 2}, "train": {"teachers": {"scenarios": ("driving", "parking")}}}
    student = loaded(**own)
    said = r"trained with driving, parking, and would take one for another: take pictures .*, or without labels"
    with pytest.raises(ConfigError, match=said):
        scenario_pictures.page_of(student, scenes(), index=0, way=WAY)
    bare = ArraySource(path=str(pictures), key="val")
    known = scenario_pictures.scenarios_known(student.cfg, bare, student.trainable)
    assert known.names == ("driving", "parking"), "pictures without labels are sent under what was learned"
    told = loaded("oracle", **own)
    assert isinstance(scenario_pictures.scenarios_known(told.cfg, scenes(), told.trainable), SceneScenarios)
    with pytest.raises(UserError, match="variant oracle is told what matters, and there are no labels"):
        scenario_pictures.page_of(told, bare, index=0, way=WAY)


def shipped(folder: pathlib.Path, cfg: Any, **arrays: np.ndarray) -> pathlib.Path:
    """A checkpoint."""
    folder.mkdir()
    (folder / build.CONFIG_FILE).write_text(config.to_json(cfg))
    np.savez(folder / build.PARAMS_FILE, **{build.META_KEY: np.array(json.dumps({"step": 0}))}, **arrays)
    return folder


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        ([], "linear does not share out symbols by importance; name a checkpoint of sa_oosc"),
        (["--out", "figure.jpg"], "its name must end in .png or .svg"),
        (["--out", "run/config.json/a.png"], "its folder cannot be made (File exists)"),
        (["--checkpoint", "nowhere"], "neither a run nor a checkpoint"),
        (["--config.train.steps=1"], "may change only section eval, not train.steps"),
        (["--scenario", "game"], "unknown flag '--scenario'; did you mean --scenarios?"),
    ],
)
def test_bad_flags_are_one_message_and_exit_code_2(flags, told, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    shipped(tmp_path / "run", config.resolve({"system": {"name": "linear", "cbr": 1 / 12}}, REGISTRY))
    usual = ["--checkpoint", "run", "--snr_db", "7", "--out", "figure.png"]
    assert scenario_pictures.main([*usual, *flags]) == 2
    said = capsys.readouterr().err
    assert told in said
    assert said.count("\n") == 1
    assert not list(tmp_path.glob("figure.*"))


@pytest.mark.nightly
@pytest.mark.parametrize("variant", ["student", "oracle"])
def test_what_is_shown_is_what_an_evaluation_measures(variant, tmp_path, capsys):
    cfg = configured(variant)
    trainable = build.build(cfg, REGISTRY)
    source = build.source({**cfg.eval.data.to_dict(), "truth": True}, REGISTRY, path="eval.data")
    params, _ = jax.jit(trainable.init)(jax.random.key(0), build.example_batch(cfg, like=source))
    variables = {"params": params["codec"]}
    folder = shipped(tmp_path / "run", cfg, **{name: np.asarray(leaf) for name, leaf in flat(variables).items()})
    out = tmp_path / "new" / "figure.png"
    flags = ["--checkpoint", str(folder), "--index", "3", "--out", str(out), "--scenarios", "game", "camp"]
    assert scenario_pictures.main([*flags, "--snr_db", "10", "--rate", "0.5"]) == 0
    said = capsys.readouterr().out
    assert out.stat().st_size > 10_000
    made = build.Loaded(cfg=cfg, trainable=trainable, variables=variables, meta={})
    way = dataclasses.replace(WAY, rate=0.5)
    shown = scenario_pictures.page_of(made, source, index=3, scenarios=("game", "camp"), way=way)
    for each in shown.rows:
        assert f"{each.scenario}: {each.caption()}" in said
        draw_ = SceneScenarios(split="test", name=each.scenario)
        (batch,) = eval_batches([source[3]], batch_size=1)
        batch |= draw_.columns([3])
        sweep = Sweep(
            trainable=trainable,
            channels={"awgn": AWGN()},
            snr_db=(10.0,),
            batches=lambda batch=batch: iter([batch]),
            origin=Origin(system="sa_oosc"),
            rates=(0.5,),
            metrics=("psnr", "psnr_low"),
        )
        measured = {line["metric"]: line for line in sweep.run(variables, {})}
        assert each.psnr[""] == pytest.approx(measured["psnr"]["mean"], abs=1e-3)
        assert each.psnr["low"] == pytest.approx(measured["psnr_low"]["mean"], abs=1e-3)
        assert each.cbr["analog"] == pytest.approx(measured["psnr"]["cbr_analog"])
        assert each.cbr["side"] == pytest.approx(measured["psnr"]["cbr_side"])
        assert each.cbr["analog"] == pytest.approx(each.dimensions.sum() / 2 / (3 * 64 * 64))
        if variant == "oracle":
            true = jnp.asarray(each.truth.importance[shown.ids])[None]
            assert np.allclose(each.importance, token_peaks(true, 16)[0])
