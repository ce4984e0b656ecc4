"""The pictures benchmark: windows, pairs, tokens that meet a cbr, rows that resample pictures, and the command."""

import dataclasses
import json
import pathlib
import sys
from typing import Any

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))

import sa_oosc_pictures  # noqa: E402
import sa_oosc_pictures_work  # noqa: E402
from sa_oosc_models import SIZE  # noqa: E402
from sa_oosc_pictures_albums import ALBUMS, Album, cut, pairs_of, scenarios_with_both  # noqa: E402
from sa_oosc_pictures_ends import FULL, OTHER, SHARES, Masks, beside_other, mean_cbr, met, steps_off  # noqa: E402
from sa_oosc_pictures_rows import compared, gain_rows, level_rows, pooled_pairs  # noqa: E402
from sa_oosc_pictures_work import CENTRE, TARGETS, Bench, Task, jobs_of, tasks  # noqa: E402
from sa_oosc_rows import Point  # noqa: E402
from sa_oosc_tokens import spent  # noqa: E402
from test_benchmark_sa_oosc import model  # noqa: E402

from semjax.evaluators import results  # noqa: E402
from semjax.evaluators.markdown import render  # noqa: E402

STEPS = {"student": 2.0, "static": 1.5, "uniform_weighted": 1.0}
SMALL = Album(name="coco", dataset="d", teacher="t", scenarios=("a", "b", "c"), windows=((4, 6), (6, 4)))


def record(picture: int, height: int, width: int) -> dict[str, Any]:
    """Background left, region 1 on the right, region 2 in the last column; scenario c has labels of neither."""
    ids = np.zeros((height, width), np.uint8)
    ids[:, width // 2 :], ids[:, -1] = 1, 2
    labels = {
        "importance": np.array([[0.1, 0.9, 0.2], [0.1, 0.3, 0.9], [0.1, 0.9, 0.9]], np.float32),
        "weight": np.array([[1, 1, 1], [1, 1, 1], [0, 1, 1]], np.float32),
    }
    image = np.linspace(0, 1, height * width * 3, dtype=np.float32).reshape(height, width, 3)
    return {"image": image, "id": picture, "labels": labels, "maps": {"ids": ids}}


def test_the_largest_window_that_fits_is_cut_from_the_middle() -> None:
    whole = record(0, 6, 10)
    found = cut(whole, SMALL.windows)
    assert found is not None
    assert np.array_equal(found["image"], whole["image"][1:5, 2:8])
    assert np.array_equal(found["maps"]["ids"], whole["maps"]["ids"][1:5, 2:8])
    upright = cut(record(0, 9, 5), SMALL.windows)
    assert upright is not None
    assert upright["image"].shape == (6, 4, 3)
    assert cut(record(0, 3, 20), SMALL.windows) is None
    assert cut(whole, ()) is whole


def test_a_pair_shows_what_matters_and_what_does_not() -> None:
    assert scenarios_with_both(record(0, 4, 6)) == [0, 1]
    assert scenarios_with_both(cut(record(0, 4, 8), SMALL.windows) or {}) == [0]  # the last column is cut off


def test_pairs_know_what_is_sent_for_them() -> None:
    pairs = pairs_of([record(7, 4, 6), record(8, 6, 4), record(9, 4, 8), record(5, 3, 3)], SMALL)
    ids, scenarios = pairs.column("id").tolist(), pairs.column("scenario").tolist()
    assert sorted(zip(ids, scenarios, strict=True)) == [(7, 0), (7, 1), (8, 0), (8, 1), (9, 0)]
    once = pairs.column("id", once=True)
    assert sorted(once) == [7, 8, 9]
    assert once[pairs.sending(once=True)].tolist() == ids
    assert pairs.sending(once=False).tolist() == [0, 1, 2, 3, 4]
    for batch in pairs.batches():
        assert batch["_mask"].tolist() == sorted(batch["_mask"], reverse=True)
        assert batch["image"].dtype == np.float32
        assert "labels/scenario" not in batch
    with pytest.raises(ValueError, match="no picture of d"):
        pairs_of([record(5, 3, 3)], SMALL)


def test_a_store_that_is_not_there_is_named(tmp_path: pathlib.Path) -> None:
    with pytest.raises(ValueError, match=r"no store of annotations.*docs/teachers.md"):
        ALBUMS[0].store(tmp_path, "val")


def test_a_share_meets_the_target_between_those_tried() -> None:
    totals = [0.01, 0.02, 0.035, 0.05]
    assert np.interp(met(FULL, SHARES, totals), SHARES, totals) == pytest.approx(FULL)
    with pytest.raises(ValueError, match=r"cannot be met in budget mode.*0.05000 to 0.09000"):
        met(FULL, SHARES, [0.05, 0.06, 0.07, 0.09])


def test_pairs_cost_what_the_other_benchmark_counts() -> None:
    bits = {"rates": np.array([300, 400]), "scale": np.array([8, 8])}
    told = {"uses": np.array([900.0, 1000.0]), "values": np.full(2, 3 * SIZE**2)}
    told |= {f"bits/{name}": lengths for name, lengths in bits.items()}
    expected = spent(told["uses"], bits, CENTRE, constant=frozenset({"scale"})).cbr_total.mean()
    assert mean_cbr(told, CENTRE, constant=frozenset({"scale"})) == pytest.approx(expected)


def test_the_distance_from_a_budget_is_in_steps() -> None:
    off = steps_off(np.array([50.0, 58.0]), token=0.5, values=2496, step=8)
    assert off == pytest.approx([0.25, -0.75])
    with pytest.raises(ValueError, match="more than 0 uses"):
        steps_off(np.ones(1), token=1.0, values=1, step=0)


def test_only_pixels_that_matter_under_one_scenario_alone_are_compared() -> None:
    grey = np.full((2, 2, 3), 128 / 255, np.float32)
    left, right = np.array([[1, 0], [1, 0]], bool), np.array([[0, 1], [0, 1]], bool)
    good_left = grey + np.where(left, 1, 10)[..., None].astype(np.float32) / 255
    good_right = grey + np.where(right, 1, 20)[..., None].astype(np.float32) / 255
    alone = Masks(target=grey, high=left, low=right)
    masks = [alone, Masks(target=grey, high=right, low=left), alone]
    found = beside_other(np.array([1, 1, 2]), [good_left, good_right, grey], masks)
    assert found[:2] == pytest.approx([20 * np.log10(20), 20 * np.log10(10)], abs=1e-4)
    assert np.isnan(found[2])


def piece(level: float, *, pictures: int = 12, rows: int = 3) -> dict[str, np.ndarray]:
    """Every picture of one system lies `level` dB above what it lies at in all, under each of `rows` scenarios."""
    ids = np.repeat(np.arange(pictures), rows)
    base = np.repeat(np.random.default_rng(0).normal(25, 3, pictures), rows) + level
    scenario = np.tile(np.arange(rows), pictures)
    gain = np.where(scenario == 0, np.nan, level)
    quality = {"psnr": base, "psnr_high": base + 0.1 * scenario, "psnr_low": base - 1, "iw_psnr": base, OTHER: gain}
    cbr = {"cbr_analog": 0.95, "cbr_digital": 0.0, "cbr_side": 0.05, "cbr_total": 1.0}
    spent = {name: np.full(len(ids), FULL * part) for name, part in cbr.items()}
    off = {"steps_off": np.linspace(-0.1, 0.9, len(ids)), "step_uses": np.full(len(ids), 8.0)}
    return {"id": ids, "scenario": scenario, **quality, "ssim_high": base / 40, "outage": 0 * base, **spent, **off}


def point(variant: str, **options: Any) -> Point:
    arrays = piece(STEPS[variant], **options)
    return Point(model=model(variant), split="test", condition=CENTRE, token=0.9, arrays=arrays)


def test_scenarios_of_a_picture_do_not_count_as_pictures() -> None:
    single, many = piece(0.0, rows=1), piece(0.0, rows=5)
    alone, together = (pooled_pairs([told["id"]], [told["psnr"]]).interval for told in (single, many))
    assert (together.mean, together.low, together.high) == pytest.approx((alone.mean, alone.low, alone.high))


def test_rows_are_of_pairs_and_gains_of_the_same_pairs() -> None:
    about = {"dataset": "coco_vl", "cbr_target": "1/24"}
    rows = {row["metric"]: row for row in level_rows([point("student")], **about)}
    assert set(rows) == {"psnr_high", "psnr_low", "psnr", "iw_psnr", "ssim_high", OTHER}
    assert (rows["psnr"]["n_images"], rows["psnr"]["n_pairs"], rows["psnr"]["scenario"]) == (12, 36, "all")
    assert (rows[OTHER]["n_images"], rows[OTHER]["n_pairs"]) == (12, 24)
    assert rows[OTHER]["mean"] == pytest.approx(2.0)
    assert rows["psnr"]["dataset"] == "coco_vl"
    (gain,) = gain_rows([point("student")], [point("static")], ("psnr_high",), **about)
    assert gain["metric"] == "psnr_high_gain_over_sa_oosc_static"
    assert (gain["ci_low"], gain["mean"], gain["ci_high"]) == pytest.approx((0.5, 0.5, 0.5))
    with pytest.raises(ValueError, match="not measured on the same pairs"):
        [*gain_rows([point("student")], [point("static", rows=2)])]


def test_each_variant_is_compared_with_those_below_it() -> None:
    assert compared(["student", "static", "uniform_weighted"]) == [
        *(("student", "static"), ("student", "uniform_weighted"), ("static", "uniform_weighted"))
    ]
    assert ("student_pixels", "student") in compared(["student", "student_pixels"])


@dataclasses.dataclass(frozen=True, kw_only=True)
class Case:
    """Checkpoints and stores that hold nothing, and what was made of them."""

    folder: pathlib.Path
    made: list[tuple[str, str]]

    def run(self, *flags: str) -> int:
        places = [f"--{name}={self.folder / name}" for name in ("checkpoints", "stores", "results", "work")]
        return sa_oosc_pictures.main([*places, "--jobs=1", *flags])

    def table(self, name: str, words: str) -> list[str]:
        return render(f"results/sa_oosc_{name}.json {words}", root=self.folder).splitlines()


@pytest.fixture
def case(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Case:
    names = [f"{album.name}_{variant}" for album in ALBUMS for variant in STEPS]
    for name in (*names, "student"):
        folder = tmp_path / "checkpoints" / f"sa_oosc_{name}_0"
        folder.mkdir(parents=True)
        (folder / "config.json").write_text(json.dumps({"name": name}))
        np.savez(folder / "params.npz", meta=np.array(json.dumps({"config_hash": name})))
    for album in ALBUMS:
        for split in ("val", "test"):
            (tmp_path / "stores" / album.name / split / f"{album.teacher}-0").mkdir(parents=True)
    made = Case(folder=tmp_path, made=[])

    def transmitted(ends: Any, pairs: Any, *, condition: Any, token: float) -> dict[str, np.ndarray]:
        made.made.append((ends.model.name, str(condition)))
        told = piece(STEPS[ends.model.variant])
        return {**told, "cbr_total": told["cbr_total"] * (0.5 if token < 0.5 else 1)}

    def budgeted(ends: Any, batches: Any, *, token: float) -> dict[str, np.ndarray]:
        return {name: piece(0.0)[name] for name in ("id", "steps_off", "step_uses")}

    monkeypatch.setattr(sa_oosc_pictures_work, "ends_of", lambda job: job)
    monkeypatch.setattr(sa_oosc_pictures_work, "shown", lambda split, count: None)
    monkeypatch.setattr(sa_oosc_pictures_work, "transmitted", transmitted)
    monkeypatch.setattr(sa_oosc_pictures_work, "budgeted", budgeted)
    monkeypatch.setattr(Bench, "pairs", lambda self, job, split: None)
    monkeypatch.setattr(Bench, "calibrate", calibrate)
    return made


def calibrate(self: Bench, job: Any, ends: Any) -> None:
    """Tokens in the place of those found on val; of one condition none."""
    told = {str(task): {"token": TARGETS[task.target] / FULL * 0.9} for task in tasks()}
    if job.model.variant == "static":
        told[str(Task(condition=CENTRE, target="1/48"))] = {"token": None, "why": "static cannot be met"}
    path = self._folder(job) / "tokens.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"facts": self._facts(job), "tokens": told}))


def test_documents_can_show_what_the_command_writes(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    assert case.run() == 0
    told = capsys.readouterr().out
    assert told.count("static cannot be met") == 2
    assert "% off" not in told
    words = "rows=variant cols=dataset snr_db=7 channel=awgn side_link=ideal scenario=all interval=ends cbr_target=1/24"
    table = case.table("pictures", f"{words} metric=psnr_high")
    assert [line.split(" | ")[0] for line in table[2:5]] == ["| student", "| static", "| uniform_weighted"]
    gain = case.table("pictures", f"{words} metric=psnr_high_gain_over_sa_oosc_uniform_weighted")
    assert gain[2] == "| student | 1.00 [1.00, 1.00] | 1.00 [1.00, 1.00] |"
    where = "rows=scenario cols=variant dataset=camvid metric=psnr_high cbr_target=1/24 channel=awgn side_link=ideal"
    assert len(case.table("pictures", f"{where} snr_db=7")) == 2 + 4 + 2
    budget = case.table("budget", "rows=dataset,variant,rate values=max_steps_off,mean_steps_off,max_steps_above")
    assert len(budget) == 2 + 2 * (3 * 2 - 1) + 2 + 2
    assert "| scenes | student | 1 | 0.90 | " in "\n".join(budget)


def test_nothing_is_made_twice_and_a_new_checkpoint_anew(case: Case) -> None:
    few = ("--albums", "camvid", "--only", "student", "uniform_weighted")
    assert case.run(*few) == 0
    count = len([*tasks()])
    assert len(case.made) == 2 * count
    assert case.run(*few) == 0
    assert len(case.made) == 2 * count
    folder = case.folder / "checkpoints" / "sa_oosc_camvid_student_0"
    (folder / "config.json").write_text('{"name": "another"}')
    assert case.run(*few) == 0
    assert case.made[2 * count :] == case.made[:count]
    (case.folder / "results" / "sa_oosc_pictures.json").unlink()
    assert case.run("--albums", "scenes") == 0
    assert not (case.folder / "results" / "sa_oosc_pictures.json").exists()
    assert len(results.read(case.folder / "results" / "sa_oosc_budget.json")) == 2


def test_checkpoints_are_found_by_album_and_variant(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    found = jobs_of(case.folder / "checkpoints", ["camvid", "coco"], only=["static", "student"])
    assert [job.model.name.removeprefix("sa_oosc_") for job in found] == [
        *("camvid_student_0", "camvid_static_0", "coco_student_0", "coco_static_0")
    ]
    assert case.run("--only", "oracle") == 2
    assert "no checkpoint sa_oosc_coco_VARIANT_SEED" in capsys.readouterr().err
