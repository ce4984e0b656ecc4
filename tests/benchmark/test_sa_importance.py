"""The benchmark: committed labels, baselines with their known scores, tables, and the command."""

import dataclasses
import doctest
import functools
import json
import pathlib
import re

import numpy as np
import pytest
from scipy.stats import spearmanr

from semjax.benchmark import baselines, coco_part, labels, predictions, sa_importance, scenes_part, scores
from semjax.benchmark.__main__ import main
from semjax.benchmark.objects import BenchmarkError
from semjax.evaluators import results

ROOT = pathlib.Path(__file__).parents[2]
COMMITTED = ROOT / "docs" / "results" / "sa_importance.json"
CARD = ROOT / "docs" / "sa_importance.md"


@functools.cache
def split(name: str) -> labels.Labels:
    return labels.load("coco", name)


@functools.cache
def fitted() -> dict[str, baselines.Predictor]:
    return baselines.fitted(split("train"), split("val"))


def unexplained(said: np.ndarray, true: np.ndarray) -> float:
    return float(np.sum((said - true) ** 2) / np.sum((true - true.mean()) ** 2))


def test_the_committed_labels_are_those_of_the_card() -> None:
    assert coco_part.fingerprint() == coco_part.FINGERPRINT
    card = CARD.read_text(encoding="utf-8")
    assert coco_part.FINGERPRINT in card
    for name, pictures, objects in (("train", 148, 849), ("val", 20, 122), ("test", 34, 226)):
        assert (len(split(name).names), len(split(name))) == (pictures, objects)
        assert re.search(rf"{name} (148 pictures, 849 objects|{pictures} and {objects})", card)
    every = labels.joined(*map(split, coco_part.SPLITS))
    assert every.importance.size == 5985
    assert len(set(every.names)) == 202
    assert not {*split("train").names} & {*split("test").names, *split("val").names}
    assert coco_part.FILE.stat().st_size < 300_000


def test_labels_are_levels_in_pictures() -> None:
    for name in coco_part.SPLITS:
        held = split(name)
        levels = 9 * held.importance
        np.testing.assert_allclose(levels, np.round(levels), atol=1e-12)
        assert levels.min() == 0
        assert levels.max() == 9
        assert ((held.area > 0) & (held.area <= 1)).all()
        assert ((held.centre >= 0) & (held.centre <= 1)).all()
        assert (np.diff(held.picture) >= 0).all()


def test_agreement_of_the_second_pass_is_that_of_the_card() -> None:
    every = labels.joined(*map(split, coco_part.SPLITS))
    twice = every.judged_twice
    first, second = 9 * every.importance[twice], 9 * every.second[twice]
    assert first.size == 1820
    assert len(set(every.picture[twice])) == 60
    assert spearmanr(first.ravel(), second.ravel())[0] == pytest.approx(0.88, abs=0.005)
    assert np.abs(first - second).mean() == pytest.approx(0.66, abs=0.005)
    agree = scores.important(first) == scores.important(second)
    assert agree.mean() == pytest.approx(0.919, abs=5e-4)
    assert agree[:, every.scenarios.index("home_care")].mean() == pytest.approx(0.797, abs=5e-4)


def test_explained_variance_of_the_tables() -> None:
    test = split("test")
    explained = {name: 1 - unexplained(predict(test), test.importance) for name, predict in fitted().items()}
    assert explained[baselines.CLASS] == pytest.approx(0.08, abs=0.01)
    assert explained[baselines.SCENARIO] == pytest.approx(0.08, abs=0.01)
    assert explained[baselines.TABLE] == pytest.approx(0.52, abs=0.01)
    assert explained[baselines.CONSTANT] <= 0


def test_tables_are_means_over_train_and_know_no_class_that_it_lacks() -> None:
    train, test = split("train"), split("test")
    said = {name: predict(test) for name, predict in fitted().items()}
    people = np.array(train.category) == "person"
    row = test.category.index("person")
    np.testing.assert_allclose(said[baselines.TABLE][row], train.importance[people].mean(axis=0), atol=1e-9)
    np.testing.assert_allclose(said[baselines.CLASS][row], train.importance[people].mean(), atol=1e-9)
    new = [i for i, name in enumerate(test.category) if name not in train.category]
    assert len(new) == 6
    np.testing.assert_allclose(said[baselines.TABLE][new], train.importance.mean(), atol=1e-9)
    np.testing.assert_allclose(said[baselines.SHRUNK][new], np.tile(train.importance.mean(axis=0), (6, 1)), atol=1e-9)


def test_baselines_never_read_what_they_predict() -> None:
    test = split("test")
    hidden = dataclasses.replace(test, importance=np.full_like(test.importance, np.nan))
    for name, predict in fitted().items():
        np.testing.assert_array_equal(predict(hidden), predict(test), err_msg=name)


def test_the_free_number_is_chosen_on_val() -> None:
    train, val = split("train"), split("val")

    def shifted(by: float) -> baselines.Predictor:
        return lambda held: held.importance + by

    chosen = baselines.best([shifted(0.3), shifted(-0.1), shifted(0.1)], val)
    np.testing.assert_array_equal(chosen(train), train.importance - 0.1)


def test_a_file_of_predictions_is_scored_beside_the_committed_baselines(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine, out = tmp_path / "mine.jsonl", tmp_path / "rows.json"
    assert main(["sa-importance", "--write_baseline", baselines.TABLE, str(mine)]) == 0
    assert main(["sa-importance", "--predictions", str(mine), "--out", str(out), "--markdown"]) == 0
    shown = capsys.readouterr().out
    key = ("system", "split", "labels", "scenario", "metric")
    rows = {tuple(row[k] for k in key): row for row in results.read(out)}
    committed = {tuple(row[k] for k in key): row for row in results.read(COMMITTED)}
    for place, row in committed.items():
        if not place[0].startswith("picture student"):  # predictions of its own (test_student_from_pixels)
            for field in ("mean", "ci_low", "ci_high", "n_images", "n_objects", "fingerprint"):
                assert rows[place][field] == pytest.approx(row[field], abs=2e-6, nan_ok=True), (place, field)
    for place, row in rows.items():
        if place[0] == "mine":
            assert row["mean"] == pytest.approx(rows[(baselines.TABLE, *place[1:])]["mean"], abs=1e-5)
    assert re.search(r"^\| mine \| 0\.90 \[0\.86, 0\.93\] \|", shown, re.MULTILINE)
    assert {place[0] for place in rows} == {*baselines.NAMES, baselines.SECOND, "mine"}


def test_the_ceiling_over_all_splits_is_the_committed_one() -> None:
    found = {(row["scenario"], row["metric"]): row["mean"] for row in sa_importance.ceiling("coco")}
    committed = [row for row in results.read(COMMITTED) if row["split"] == "train+val+test"]
    assert found == {(row["scenario"], row["metric"]): pytest.approx(row["mean"], abs=2e-6) for row in committed}
    assert found["all", "spearman"] == pytest.approx(0.88, abs=0.005)
    assert not sa_importance.ceiling("scenes")


def test_unscaled_predictions_are_only_ranked() -> None:
    test = split("test")
    scaled = scores.scored(test.importance, test.where(np.ones(len(test), bool)), about={})
    ranked = scores.scored(1e-13 * test.importance - 3e-13, test, about={}, metrics=scores.ORDER_METRICS)
    for a, b in zip(scaled, ranked, strict=True):
        if a["metric"] in scores.ORDER_METRICS:
            assert a["mean"] == pytest.approx(b["mean"]) == pytest.approx(1.0)
        else:
            assert np.isnan(b["mean"])
    with pytest.raises(ValueError, match=r"shape \(226, 4\) for labels of shape \(226, 5\)"):
        scores.scored(test.importance[:, :4], test, about={})


def test_python_of_the_card_runs(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", CARD.read_text(encoding="utf-8"), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "sa_importance.md", "exec"), {})
    said, scale = predictions.read(tmp_path / "mine.jsonl", split("test"))
    assert scale == 9
    np.testing.assert_allclose(said[:, 0], 0.2 + 0.5 * split("test").area, atol=1e-6)


def test_examples() -> None:
    assert not doctest.testmod(labels).failed


def test_unknown_parts_and_splits() -> None:
    with pytest.raises(BenchmarkError, match="no part 'imagenet'; its parts are: coco, scenes"):
        labels.load("imagenet", "test")
    with pytest.raises(BenchmarkError, match="part coco has no split 'unseen_class'; its splits are: train, val, test"):
        labels.load("coco", "unseen_class")


def test_building_gives_the_committed_bytes(data_dir: pathlib.Path, tmp_path: pathlib.Path) -> None:
    out = tmp_path / "labels.jsonl"
    assert main(["build", "--data", str(data_dir), "--out", str(out)]) == 0
    assert out.read_bytes() == coco_part.FILE.read_bytes()


def test_building_from_elsewhere_is_an_error(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["build", "--data", str(tmp_path)]) == 2
    assert re.match(r"error: .*scenarios\.json cannot be read \(No such file", capsys.readouterr().err)


def test_first_scenes_have_the_committed_labels() -> None:
    drawn = scenes_part.first("train", scenes_part.FIRST)
    assert scenes_part.fingerprint(drawn) == scenes_part.FINGERPRINTS["train"]
    held = labels.gathered(tuple(drawn), part="scenes", split="train")
    assert held.importance.max() == 1
    background = held.object_index == 0
    assert background.sum() == scenes_part.FIRST
    np.testing.assert_array_equal(held.centre[background], 0.5)
    np.testing.assert_allclose(np.bincount(held.picture, weights=held.area), 1.0)
    assert (held.area[~background] > 0.01).all()


def test_other_scenes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scenes_part, "SEED", 1)
    monkeypatch.setattr(scenes_part, "COUNTS", {"train": scenes_part.FIRST})
    with pytest.raises(BenchmarkError, match="are not those of the benchmark"):
        scenes_part.pictures("train")


@pytest.mark.nightly
@pytest.mark.parametrize("name", scenes_part.SPLITS)
def test_all_scenes_are_those_of_the_benchmark(name: str) -> None:
    assert len(labels.load("scenes", name).names) == scenes_part.COUNTS[name]


@pytest.mark.nightly
def test_the_committed_table_of_the_scenes(tmp_path: pathlib.Path) -> None:
    out = tmp_path / "rows.json"
    assert main(["sa-importance", "--part", "scenes", "--out", str(out)]) == 0
    found, committed = (
        json.loads(path.read_text(encoding="utf-8")) for path in (out, COMMITTED.with_name("sa_importance_scenes.json"))
    )
    for mine, theirs in zip(found, committed, strict=True):
        numbers = ("mean", "ci_low", "ci_high")
        assert mine == {**theirs, "commit": mine["commit"], **{n: mine[n] for n in numbers}}
        # A pixel on an outline may move the area of an object, and with it one baseline, a little.
        told = [np.nan if row[n] is None else row[n] for n in numbers for row in (mine, theirs)]
        np.testing.assert_allclose(told[::2], told[1::2], atol=1e-3)
