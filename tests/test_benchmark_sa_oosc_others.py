"""The part `others` of the SA-OOSC benchmark: what spends the target, which codec is taken, and what rows say."""

import dataclasses
import json
import pathlib
import sys

import numpy as np
import pytest
from PIL import Image

ROOT = pathlib.Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))

import sa_oosc_others  # noqa: E402
import sa_oosc_others_codecs  # noqa: E402
from sa_oosc_models import SIZE, Model, Shown, shown  # noqa: E402
from sa_oosc_others import USES, in_turn, learned, others_files, others_first, others_tasks, over, turns  # noqa: E402
from sa_oosc_others_codecs import BUDGETS, Coder, best, mean_colour, quality  # noqa: E402
from sa_oosc_parts import CENTRE, MAIN  # noqa: E402
from sa_oosc_rows import GAINS  # noqa: E402
from sa_oosc_tokens import TARGET, charged  # noqa: E402
from sa_oosc_work import Bench, Task  # noqa: E402
from test_benchmark_sa_oosc import CODED, FADED, PICTURES, points, values  # noqa: E402

from semjax.bottlenecks.analog import SCALE_BITS  # noqa: E402
from semjax.codecs.ladder import Ladder  # noqa: E402
from semjax.evaluators import results  # noqa: E402
from semjax.evaluators.paired import EQUAL_RATES  # noqa: E402

SYSTEMS = {
    "deepjscc": {"name": "deepjscc", "cbr": 1 / 48},
    "swinjscc": {"name": "swinjscc", "cbr": 1 / 24, "min_cbr": 1 / 96},
}
LEVELS = {"student": 3.0, "uniform": 2.0, "deepjscc": 1.0, "swinjscc": 1.5}


@pytest.fixture
def checkpoints(tmp_path: pathlib.Path) -> list[Model]:
    """SA-OOSC's checkpoints beside those of the other systems; nothing of them is read but their configurations."""
    named = {f"{name}_scenes_0": system for name, system in SYSTEMS.items()}
    for name, system in {"sa_oosc_student_0": {}, "sa_oosc_uniform_0": {}, **named}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text(json.dumps({"system": system}))
        np.savez(tmp_path / name / "params.npz", meta=np.array(json.dumps({"config_hash": name})))
    return [
        Model(folder=tmp_path / f"sa_oosc_{variant}_0", variant=variant, seed=0) for variant in ("student", "uniform")
    ]


def reached(*psnr: float) -> dict[str, np.ndarray]:
    """A piece of a codec that reaches this on two pictures."""
    return {
        "id": np.arange(2),
        "psnr": np.stack([psnr, psnr]),
        "hidden": np.full(2, 14.0),
        "colour": np.array([0.4, 0.5, 0.6]),
    }


COARSE, FINE = (
    np.linspace(19.0, 26.0, len(BUDGETS)),
    np.where(np.arange(len(BUDGETS)) < 4, 14.0, 26.0 + np.arange(len(BUDGETS))),
)
"""A codec that fits everywhere, and a better one that fits into larger messages only."""


def test_the_target_is_met_where_it_can_be(checkpoints: list[Model]) -> None:
    deep, swin = learned(checkpoints)
    assert (deep.name, swin.name) == ("deepjscc_scenes_0", "swinjscc_scenes_0")
    for condition in MAIN:
        taken = turns(swin, condition)
        tokens, shares = ([getattr(turn, name) for turn in taken] for name in ("token", "share"))
        assert sum(shares) == pytest.approx(1)
        assert [32 * token % 1 for token in tokens] == [0.0] * len(tokens)
        analog = sum(token * share for token, share in zip(tokens, shares, strict=True)) / 24
        total = analog + charged(condition, SCALE_BITS, announce=False) / USES
        assert total == pytest.approx(TARGET, rel=EQUAL_RATES + 1e-9)
        assert [turn.token for turn in turns(deep, condition)] == [1.0]
    assert [turn.token for turn in turns(swin, CENTRE)] == [0.5]
    assert len(turns(swin, CODED)) == 2


def test_pictures_take_turns() -> None:
    found = in_turn([{"id": np.arange(1000), "uses": np.full(1000, spent)} for spent in (960.0, 1024.0)], 0.67)
    assert np.array_equal(found["id"], np.arange(1000))
    assert found["uses"].mean() == pytest.approx(960 + 0.67 * 64, abs=0.1)
    assert 0.6 < (found["uses"][:100] > 1000).mean() < 0.74


def test_the_codec_is_chosen_for_each_condition() -> None:
    folder = pathlib.Path("work")
    tried = {
        Coder(folder=folder / name, variant=name, seed=0): reached(*psnr)
        for name, psnr in (("jpeg2000", COARSE), ("webp", FINE))
    }
    assert quality(reached(*COARSE)).at(8 * BUDGETS[0] / SIZE**2) == pytest.approx(19.0)
    poor, good = dataclasses.replace(CENTRE, snr_db=-3.0), dataclasses.replace(CENTRE, snr_db=13.0)
    assert [best(tried, where).variant for where in (poor, good, FADED)] == ["jpeg2000", "webp", "jpeg2000"]
    chosen = best(tried, dataclasses.replace(good, link="coded"))
    assert chosen.terms.startswith("envelope, 64qam")
    assert chosen.colour == (0.4, 0.5, 0.6)
    assert chosen.digest not in (best(tried, good).digest, best(tried, FADED).digest)
    for condition in MAIN:
        system = best(tried, condition).system
        bits = 8 * system.budget(height=SIZE, width=SIZE, snr_db=condition.snr_db)
        assert BUDGETS[0] <= bits / 8 <= BUDGETS[-1]


def test_a_codec_is_measured_on_pictures(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    smooth = np.asarray(Image.linear_gradient("L").resize((SIZE, SIZE)).convert("RGB"))
    noise = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), np.uint8)
    image, mask = np.stack([smooth, noise, noise]), np.array([True, True, False])
    drawn = Shown(split="val", batches=[{"image": image, "id": np.arange(3), "_mask": mask}], exam=None)  # type: ignore[arg-type]
    assert mean_colour(drawn) == pytest.approx(np.stack([smooth, noise]).mean(axis=(0, 1, 2)) / 255)
    monkeypatch.setattr(sa_oosc_others_codecs, "shown", lambda split, count: drawn)
    found = Coder(folder=tmp_path / "separation_webp", variant="webp", seed=0).fitted(drawn)
    assert found["id"].tolist() == [0, 1]
    psnr, hidden = found["psnr"], found["hidden"]
    assert (psnr[0, -1] > 30, psnr[0, -1] > hidden[0]) == (True, True)
    assert np.all(np.diff(psnr[0]) >= -0.5)
    assert psnr[1, 0] == pytest.approx(hidden[1])


def test_rows_of_all_systems_and_gains_at_equal_cbr(
    checkpoints: list[Model], tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(work=tmp_path / "work", pictures=PICTURES, val=8)
    coder = Coder(folder=bench.work / "separation_jpeg2000", variant="jpeg2000", seed=0)

    def piece(self: Bench, model: Model, task: Task) -> dict[str, np.ndarray]:
        if task.what == "fitted":
            return reached(*COARSE)
        spent = 1 / 48 if task.token is None or task.what == "separated" else task.token * SYSTEMS[model.variant]["cbr"]
        side = charged(task.condition, SCALE_BITS, announce=False) / USES if model.variant in SYSTEMS else 0.0
        level = values(LEVELS.get(model.variant, 0.0), count=task.count - 4 * (task.what == "separated"))
        return {**level, "cbr_total": np.full(len(level["id"]), spent + side)}

    places = (CENTRE, CODED, dataclasses.replace(CODED, snr_db=1.0), FADED)
    monkeypatch.setattr(sa_oosc_others, "MAIN", places)
    monkeypatch.setattr(sa_oosc_others, "coders", lambda work: [coder])
    monkeypatch.setattr(Bench, "piece", piece)
    monkeypatch.setattr(Bench, "calibrated", lambda self, model, condition: {"token": 0.5, "trained": [0.25, 1.0]})
    assert [one for one, _ in others_first(checkpoints, bench)] == [coder]
    wanted = [*others_tasks(checkpoints, bench)]
    assert len(wanted) == len(set(wanted)) > 4 * len(places)
    (file,) = others_files(checkpoints, bench)
    path = results.save(file.rows, tmp_path / "others.json", fields=file.fields)
    rows = results.read(path)
    at = {(r["system"], r["metric"], r["side_link"], r["channel"], r["snr_db"], r["variant"]): r for r in rows}
    assert len(at) == len(rows)
    assert {system for system, *_ in at} == {"sa_oosc", "deepjscc", "swinjscc", "separation"}
    place = ("ideal", "awgn", 7.0)
    gain = at["sa_oosc", "psnr_gain_over_separation", *place, "student"]
    assert (gain["mean"], gain["n_images"]) == (pytest.approx(3.0), PICTURES - 4)
    assert at["sa_oosc", "psnr_gain_over_deepjscc", *place, "uniform"]["mean"] == pytest.approx(1.0)
    one = at["separation", "psnr", *place, "jpeg2000"]
    assert (one["link_terms"], one["seed"], "OpenJPEG" in one["checkpoint"]) == ("capacity", 0, True)
    assert at["separation", "outage", "coded", "awgn", 7.0, "jpeg2000"]["link_terms"].startswith("envelope, ")
    over_deep = {k[2:5] for k in at if k[1] == "psnr_gain_over_deepjscc"}
    assert over_deep == {place}
    assert len({k[2:5] for k in at if k[1] == "psnr_gain_over_swinjscc"}) == len(places)
    assert at["swinjscc", "psnr", "coded", "awgn", 7.0, "default"]["cbr_total"] == pytest.approx(TARGET, rel=0.01)


def test_no_gain_is_told_at_another_cbr() -> None:
    own, other = points("student", 2.0)[0], points("uniform", 1.0)[0]
    for factor, count in ((1.005, len(GAINS)), (1.02, 0)):
        arrays = {**other.arrays, "cbr_total": np.full(PICTURES, factor * TARGET)}
        assert len([*over(own, dataclasses.replace(other, arrays=arrays))]) == count


@pytest.mark.nightly
def test_what_is_sent_over_the_ideal_link_is_what_the_codec_makes(tmp_path: pathlib.Path) -> None:
    coder = Coder(folder=tmp_path / "separation_jpeg2000", variant="jpeg2000", seed=0)
    chosen = best({coder: reached(*COARSE)}, CENTRE)
    pictures = shown("val", 2)
    found = chosen.sent(pictures)
    assert found["cbr_total"] == pytest.approx(TARGET, rel=EQUAL_RATES)
    assert found["cbr_total"] == pytest.approx(found["cbr_digital"])
    assert found["outage"].tolist() == [0.0, 0.0]
    budget = chosen.system.budget(height=SIZE, width=SIZE, snr_db=CENTRE.snr_db)
    ladders = [Ladder(codec=chosen.system.codec, image=image) for image in pictures.batches[0]["image"]]
    rungs = [ladder.largest(budget - 1) for ladder in ladders]
    assert found["psnr"] == pytest.approx([-10 * np.log10(rung.mse) for rung in rungs if rung], abs=1e-3)
    assert np.all(found["answer_intent"] <= found["asked_intent"])
