"""The command of the SA-OOSC benchmark: pieces that are kept, files that documents can show, a real checkpoint."""

import dataclasses
import importlib.util
import json
import pathlib
import sys
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest

ROOT = pathlib.Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))

import sa_oosc  # noqa: E402
import sa_oosc_maps  # noqa: E402
import sa_oosc_others  # noqa: E402
import sa_oosc_parts  # noqa: E402
import sa_oosc_work  # noqa: E402
from sa_oosc_ends import Ends, transmitted  # noqa: E402
from sa_oosc_models import SEED, Condition, Model, shown  # noqa: E402
from sa_oosc_parts import CENTRE, MAIN  # noqa: E402
from sa_oosc_tokens import TARGET, Calibration  # noqa: E402
from sa_oosc_work import Bench, Task  # noqa: E402
from test_benchmark_sa_oosc import FADED, PICTURES, values  # noqa: E402

from semjax.app import build, config  # noqa: E402
from semjax.app.export import stored  # noqa: E402
from semjax.evaluators import results  # noqa: E402
from semjax.evaluators.answers import BLIND, GREY  # noqa: E402
from semjax.evaluators.markdown import render  # noqa: E402
from semjax.evaluators.sweep import Origin, Sweep  # noqa: E402

STEPS = {"student": 2.0, "static": 1.5, "uniform_weighted": 1.0, "uniform": 0.5}
SPOILT = {"noisy": 1.4, "noisy_zero": 1.2}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Case:
    """A folder of checkpoints, and the pieces that were made of them."""

    folder: pathlib.Path
    made: list[tuple[str, str]]

    def run(self, *flags: str) -> int:
        places = [f"--{name}={self.folder / name}" for name in ("checkpoints", "results", "work")]
        return sa_oosc.main([*places, f"--pictures={PICTURES}", "--val=8", "--jobs=1", *flags])

    def written(self) -> dict[str, str]:
        return {path.name: path.read_text() for path in (self.folder / "results").iterdir()}

    def table(self, name: str, words: str) -> list[str]:
        return render(f"results/sa_oosc_{name}.json {words}", root=self.folder).splitlines()


@pytest.fixture
def case(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Case:
    """Checkpoints whose ends and calibration are replaced by made-up ones."""
    for name in [*(f"{variant}_{seed}" for variant in STEPS for seed in range(2)), *(f"{name}_0" for name in SPOILT)]:
        folder = tmp_path / "checkpoints" / f"sa_oosc_{name}"
        folder.mkdir(parents=True)
        (folder / "config.json").write_text(json.dumps({"name": name}))
        np.savez(folder / "params.npz", meta=np.array(json.dumps({"config_hash": name})))
    made = Case(folder=tmp_path, made=[])

    def piece(ends: Model, task: Task, token: float) -> dict[str, np.ndarray]:
        made.made.append((ends.name, str(task)))
        if task.what in ("sent", "asked"):
            level = {**STEPS, **SPOILT}[ends.variant] + 0.01 * ends.seed + 5 * (task.token or 0)
            cbr = {"cbr_total": np.full(task.count, (task.token or 1) / 32)}
            return values(level, seed=ends.seed, count=task.count) | cbr
        return {"id": np.arange(task.count), **OTHERS[task.what](task.count)}

    monkeypatch.setattr(sa_oosc_work, "_ends", lambda one: one)
    monkeypatch.setattr(sa_oosc_work, "MAKERS", dict.fromkeys(sa_oosc_work.MAKERS, piece))
    for part in (sa_oosc_parts, sa_oosc_maps):
        monkeypatch.setattr(part, "WIDE_SNRS_DB", (1.0, 7.0))
    monkeypatch.setattr(sa_oosc_others, "coders", lambda work: [])
    monkeypatch.setattr(sa_oosc_work, "shown", lambda split, count: None)
    monkeypatch.setattr(Calibration, "token", lambda self, condition: FOUND)
    return made


def unsent(count: int) -> dict[str, np.ndarray]:
    names = [f"{metric}{end}" for metric in ("asked", "answer", "match") for end in ("", "_intent", "_control")]
    return {f"{who}/{name}": np.full(count, 2.0) for who in (BLIND, GREY) for name in names}


def coded(count: int) -> dict[str, np.ndarray]:
    index = np.random.default_rng(0).integers(0, 16, (count, 8, 8))
    bits = {
        "bits/rates": np.arange(count) + 90,
        "bits/scale": np.full(count, 8),
        "ideal/rates": np.arange(count) + 90.5,
    }
    return {"uses": np.full(count, 1500.0), "index": index, **bits}


def scored(count: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    truth = rng.choice([0.1, 0.6, 1.0], (count, 6))
    near = truth + rng.normal(0, 0.3, truth.shape)
    tokens = {name: rng.random((count, 8, 8)) for name in ("importance", "length")}
    return {"score": near, "spent": near, "truth": truth, "there": truth > 0, **tokens}


OTHERS: dict[str, Callable[[int], dict[str, np.ndarray]]] = {"unsent": unsent, "coded": coded, "scored": scored}
FOUND = {"token": 0.5, "trained": [0.25, 1.0]}


def test_nothing_is_made_twice(case: Case) -> None:
    few = ("--parts", "main", "held_out", "importance", "--only", "student", "uniform_weighted", "--seeds", "0")
    assert case.run(*few) == 0
    before, count = case.written(), len(case.made)
    assert count == len(set(case.made)) == 2 * (len(MAIN) + 4 + 2) + 1
    assert case.run(*few) == 0
    assert (case.written(), len(case.made)) == (before, count)


def test_documents_can_show_what_the_command_writes(case: Case) -> None:
    assert case.run() == 0
    names = ["scenes", "tokens", "received", "ablations", "held_out", "rates", "bd", "side", "maps", "importance"]
    assert set(case.written()) == {f"sa_oosc_{name}.json" for name in [*names, "others"]}
    table, at = case.table, "channel=awgn side_link=ideal"
    found = table("scenes", f"rows=variant cols=snr_db metric=psnr_high {at} seed=all interval=ends")
    assert [line.split(" | ")[0] for line in found[2:6]] == [f"| {variant}" for variant in STEPS]
    gain = "metric=psnr_high_gain_over_sa_oosc_static variant=student"
    arrived = "rows=side_link,received cols=snr_db metric=psnr_high_gain_over_sa_oosc_static seed=all interval=ends"
    assert len(table("received", arrived)) == 2 + 4 + 2
    assert table("scenes", f"check=signs {gain}")[0].startswith(
        "At all 12 places the gain is above 0 in each of 2 seeds"
    )
    assert len(table("scenes", f"rows=seed cols=snr_db {gain} {at}")) == 2 + 3 + 2
    answers = "rows=system,variant cols=metric snr_db=7 channel=awgn side_link=none"
    assert "| grey picture | default | 1.00 |" in "\n".join(table("scenes", answers))
    assert len(table("rates", "rows=variant,rate cols=snr_db metric=psnr_high")) == 2 + 8 + 2
    assert table("bd", "rows=variant cols=snr_db digits=1 interval=ends")[2].startswith("| student | -")
    shares = "rows=channel,side_link,snr_db cols=rate variant=student metric=side_share digits=3"
    assert len(table("side", shares)) == 2 + 12 + 2
    assert len(table("maps", "rows=variant,rate cols=metric digits=1")) == 2 + 8 + 2
    assert len(table("importance", "rows=variant cols=metric seed=all")) == 2 + 4 + 2
    gains = "rows=variant cols=snr_db metric=psnr_high_gain_over_sa_oosc_noisy_zero"
    found = table("ablations", gains)
    assert [line.split(" | ")[:2] for line in found[2:4]] == [["| student", "0.80"], ["| noisy", "0.20"]]
    kept_gain = "metric=kept_psnr_high_gain_over_sa_oosc_uniform_weighted"
    assert len(table("held_out", f"rows=variant cols=split {kept_gain} seed=all interval=ends")) == 2 + 2 + 2
    assert len(table("tokens", f"rows=checkpoint cols=snr_db value=off digits=4 {at}")) == 2 + 8 + 2


def test_a_run_goes_on_and_a_new_checkpoint_is_measured_anew(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    make, only = Bench.make, ("--parts", "main", "--only", "student")

    def stops(self: Bench, one: Model, task: Task, ends: Any) -> None:
        if len(case.made) == 5:
            raise KeyboardInterrupt
        make(self, one, task, ends)

    monkeypatch.setattr(Bench, "make", stops)
    with pytest.raises(KeyboardInterrupt):
        case.run(*only)
    monkeypatch.setattr(Bench, "make", make)
    assert case.run(*only) == 0
    whole = 2 * len(MAIN) + 1
    assert len(case.made) == len(set(case.made)) == whole
    (case.folder / "checkpoints" / "sa_oosc_student_1" / "config.json").write_text('{"variant": "another"}')
    assert case.run(*only) == 0
    assert {name for name, _ in case.made[whole:]} == {"sa_oosc_student_1"}
    assert len(case.made) == whole + len(MAIN)


def test_a_budget_out_of_reach_is_left_out_and_said(
    case: Case, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ideal = dataclasses.replace(FADED, link="ideal")

    def token(self: Any, condition: Condition) -> dict[str, Any]:
        if self.ends.seed == 0 and condition in (FADED, ideal):
            raise ValueError(f"{condition}: a cbr of 0.03125 cannot be met")
        return FOUND

    monkeypatch.setattr(Calibration, "token", token)
    assert case.run("--parts", "main", "--only", "student") == 0
    rows = results.read(case.folder / "results" / "sa_oosc_scenes.json")
    seeds = {place: {r["seed"] for r in rows if r["system"] == "sa_oosc" and at(r) == place} for place in map(at, rows)}
    assert seeds[at({**vars(ideal), "side_link": "ideal"})] == {1}
    assert seeds[at({**vars(CENTRE), "side_link": "ideal"})] == {0, 1, -1}
    assert "rayleigh_coded_1dB: a cbr of 0.03125 cannot be met" in capsys.readouterr().out


def at(row: dict[str, Any]) -> tuple[Any, ...]:
    return row["channel"], row["side_link"], row["snr_db"]


def test_what_cannot_be_is_said_in_a_line(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    assert case.run("--only", "roi") == 2
    assert capsys.readouterr().err.startswith("error: ")


@pytest.fixture
def real(tmp_path: pathlib.Path) -> Model:
    """A checkpoint of the oracle as it is before training."""
    spec = importlib.util.spec_from_file_location("sa_oosc_config", ROOT / "configs" / "sa_oosc.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    registry = build.default_registry()
    cfg: Any = config.resolve(module.get_config("quick"), registry, [("system.variant", "oracle")])
    params, collections = build.build(cfg, registry).init(jax.random.key(0), build.example_batch(cfg))
    folder = tmp_path / "sa_oosc_oracle_0"
    folder.mkdir()
    (folder / build.CONFIG_FILE).write_text(config.to_json(cfg))
    arrays: dict[str, Any] = stored({"params": params["codec"], **collections}, "float32")
    np.savez(folder / build.PARAMS_FILE, **{build.META_KEY: np.array(json.dumps({"config_hash": "h"}))}, **arrays)
    return Model(folder=folder, variant="oracle", seed=0)


@pytest.mark.nightly
def test_pieces_are_what_a_sweep_measures_and_spend_what_was_asked_for(real: Model, tmp_path: pathlib.Path) -> None:
    ends, pictures = Ends(real), shown("val", 6)
    found = Calibration(ends=ends, pictures=pictures, more=pictures).token(CENTRE)
    arrays = transmitted(ends, pictures, condition=CENTRE, token=found["token"], asks=True)
    assert arrays["cbr_total"].mean() == pytest.approx(TARGET, rel=0.02)
    sweep = Sweep(
        trainable=ends.trainable,
        channels={"awgn": CENTRE.analog},
        snr_db=(CENTRE.snr_db,),
        batches=lambda: iter(pictures),
        origin=Origin(system="sa_oosc"),
        rates=(found["token"],),
        metrics=("psnr", "psnr_high", "psnr_low", "iw_psnr", "ssim_high"),
        seed=SEED,
        exam=pictures.exam,
    )
    rows = {row["metric"]: row for row in sweep.run(ends.variables, {})}
    for metric in sweep.metrics:
        assert np.nanmean(arrays[metric]) == pytest.approx(rows[metric]["mean"], abs=1e-4)
    assert arrays["cbr_total"].mean() == pytest.approx(rows["psnr"]["cbr_total"])
    asked = arrays["answer_intent"].sum() / arrays["asked_intent"].sum()
    assert asked == pytest.approx(rows["answer_intent"]["mean"])
