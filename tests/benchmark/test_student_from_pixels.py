"""The benchmark's student: its lessons, what fitting finds, the commands, and what its committed rows must show."""

import dataclasses
import doctest
import functools
import pathlib

import jax.numpy as jnp
import numpy as np
import pytest

from semjax.benchmark import baselines, coco_part, labels, lessons, student
from semjax.benchmark.__main__ import main
from semjax.benchmark.lessons import Lesson, shares
from semjax.benchmark.objects import BenchmarkError
from semjax.evaluators import results
from semjax.importance.maps import object_scores, pixels_of
from semjax.importance.picture_student import Student, load_student, save_student

COMMITTED = pathlib.Path(__file__).parents[2] / "docs" / "results" / "sa_importance.json"
NAME = "picture student"
D, S = 5, 2


@functools.cache
def taught(pictures: int = 12, seed: int = 0) -> tuple[Lesson, ...]:
    """Pictures of 4 x 5 tokens whose objects matter as a student says that could be learned."""
    rng = np.random.default_rng(seed)
    params = truth()
    made = []
    for _ in range(pictures):
        features = rng.random((4, 5, D)).astype(np.float32)
        share = rng.random((3, 20)).astype(np.float32) * (rng.random((3, 20)) < 0.3)
        share[:, 0] += 0.1
        share /= share.sum(axis=1, keepdims=True)
        lesson = Lesson(features=features, share=share, target=np.zeros((3, S)))
        made.append(dataclasses.replace(lesson, target=student.predict(params, [lesson])))
    return tuple(made)


@functools.cache
def truth() -> dict[str, dict[str, np.ndarray]]:
    rng = np.random.default_rng(5)
    shapes = {"near": (D, S), "whole": (D, S), "place": (4, S)}
    made = {name: {"kernel": 2 * rng.standard_normal(shape).astype(np.float32)} for name, shape in shapes.items()}
    made["place"]["bias"] = np.array([-1.0, 0.5], np.float32)
    return made


def test_a_score_is_the_mean_of_the_map_of_pixels_within_the_object() -> None:
    rng = np.random.default_rng(0)
    ids, tokens = rng.integers(0, 4, (37, 50)), rng.random((3, 4)).astype(np.float32)
    pixels = pixels_of(jnp.asarray(tokens)[None], stride=16, height=37, width=50)
    wanted = object_scores(pixels, jnp.asarray(ids)[None], 4).value[0]
    np.testing.assert_allclose(shares(ids, [3, 1]) @ tokens.ravel(), np.asarray(wanted)[[3, 1]], rtol=1e-5)
    with pytest.raises(BenchmarkError, match="region 9 has no pixel"):
        shares(ids, [1, 9])


def test_fitting_finds_what_the_labels_were_made_by() -> None:
    held_out = taught(pictures=4, seed=9)
    said = student.predict(student.fit(taught(), 1e-4), held_out)
    spread = np.concatenate([lesson.target for lesson in held_out]).var()
    assert student.error(said, held_out) < 0.02 * spread


def test_a_strong_penalty_leaves_the_mean_of_each_scenario() -> None:
    said = student.predict(student.fit(taught(), 1e6), taught())
    mean = np.concatenate([lesson.target for lesson in taught()]).mean(axis=0)
    np.testing.assert_allclose(said, np.broadcast_to(mean, said.shape), atol=0.01)


def test_the_same_lessons_make_the_same_student() -> None:
    first, second = student.fit(taught(), 0.3), student.fit(taught(), 0.3)
    for name, part in first.items():
        for leaf, values in part.items():
            np.testing.assert_array_equal(values, second[name][leaf])


def test_val_chooses_the_penalty() -> None:
    params, errors = student.chosen(taught(), taught(pictures=4, seed=9))
    assert set(errors) == set(student.RIDGES)
    best = student.fit(taught(), min(errors, key=errors.__getitem__))
    np.testing.assert_array_equal(params["near"]["kernel"], best["near"]["kernel"])
    assert min(errors.values()) < max(errors.values())


def committed(which: str) -> dict[tuple[str, str], tuple[float, float, float]]:
    rows = [row for row in results.read(COMMITTED) if (row["labels"], row["scenario"]) == (which, "all")]
    return {(row["system"], row["metric"]): (row["mean"], row["ci_low"], row["ci_high"]) for row in rows}


def test_committed_rows_beat_what_is_not_told_the_class() -> None:
    gains = committed("all, paired")
    for other in (baselines.CONSTANT, baselines.SCENARIO, baselines.AREA, baselines.CLASS):
        name = f"{NAME} - {other}"
        assert gains[name, "auc"][1] > 0
        assert gains[name, "r2"][1] > 0
        assert gains[name, "level_error"][2] < 0
        assert np.isnan(gains[name, "spearman"][0]) or gains[name, "spearman"][1] > 0


def test_committed_differences_are_those_of_the_scores() -> None:
    scores, gains = committed("all"), committed("all, paired")
    for metric in ("auc", "f1", "level_error", "r2", "spearman"):
        wanted = scores[NAME, metric][0] - scores[baselines.SHRUNK, metric][0]
        assert gains[f"{NAME} - {baselines.SHRUNK}", metric][0] == pytest.approx(wanted, abs=3e-6)


def test_commands_say_what_is_wrong(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = tmp_path / "other.npz"
    save_student(Student(params=truth(), scenarios=("a", "b"), tower="f0"), other)
    file, data = str(tmp_path / "said.jsonl"), ["--data", str(tmp_path)]
    for words, told in (
        (["train-student", *data, file], "the tower's weights cannot be read: no weights at"),
        (["predict", *data, file], "the tower's weights cannot be read: no weights at"),
        (["predict", *data, "--student", "nobody", file], "cannot be read as a student"),
        (["predict", *data, "--student", str(other), file], "knows the scenarios a, b; the photographs have driving"),
        (["sa-importance", "--against", "constant"], "compares --predictions FILE with one of: constant,"),
    ):
        assert main(words) == 2
        captured = capsys.readouterr()
        assert told in captured.err
        assert "Traceback" not in captured.err


def test_another_tower_is_refused(
    data_dir: pathlib.Path, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shipped = load_student("coco")
    changed = tmp_path / "changed.npz"
    save_student(dataclasses.replace(shipped, tower="0" * 64), changed)
    words = ["predict", "--data", str(data_dir), "--student", str(changed), str(tmp_path / "said.jsonl")]
    assert main(words) == 2
    assert "was trained on another tower" in capsys.readouterr().err


def test_lessons_are_in_the_order_of_the_labels(data_dir: pathlib.Path) -> None:
    held = labels.load("coco", "val")

    def see(image: np.ndarray) -> np.ndarray:
        return np.zeros((-(-image.shape[0] // 16), -(-image.shape[1] // 16), 1), np.float32)

    made = lessons.lessons(data_dir, "val", see)
    assert len(made) == len(held.names)
    np.testing.assert_array_equal(np.concatenate([lesson.target for lesson in made]), held.importance)
    np.testing.assert_array_equal(np.repeat(np.arange(len(made)), [len(lesson.share) for lesson in made]), held.picture)
    for lesson in made:
        assert lesson.share.shape[1] == lesson.features.shape[0] * lesson.features.shape[1]
        np.testing.assert_allclose(lesson.share.sum(axis=1), 1, atol=1e-5)


@pytest.mark.nightly
def test_the_shipped_student_gives_the_committed_rows(data_dir: pathlib.Path, tmp_path: pathlib.Path) -> None:
    said, out = tmp_path / "said.jsonl", tmp_path / "rows.json"
    assert main(["predict", "--data", str(data_dir), str(said)]) == 0
    assert main(["sa-importance", "--predictions", str(said), "--name", NAME, "--out", str(out)]) == 0
    found = {(row["labels"], row["scenario"], row["metric"]): row for row in results.read(out) if row["system"] == NAME}
    wanted = [row for row in results.read(COMMITTED) if row["system"] == NAME]
    assert len(found) == len(wanted) > 0
    for row in wanted:
        mine = found[row["labels"], row["scenario"], row["metric"]]
        assert mine["mean"] == pytest.approx(row["mean"], abs=5e-3, nan_ok=True)


@pytest.mark.nightly
def test_training_anew_gives_the_shipped_student(data_dir: pathlib.Path, tmp_path: pathlib.Path) -> None:
    out = tmp_path / "student.npz"
    assert main(["train-student", "--data", str(data_dir), str(out)]) == 0
    found, shipped = load_student(str(out)), load_student("coco")
    assert (found.tower, found.about, found.scenarios) == (shipped.tower, shipped.about, tuple(coco_part.scenarios()))
    for name, part in shipped.params.items():
        np.testing.assert_allclose(
            found.params[name]["kernel"], part["kernel"], atol=0.02 * np.abs(part["kernel"]).max()
        )


def test_examples() -> None:
    assert not doctest.testmod(lessons).failed
