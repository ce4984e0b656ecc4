"""Which trainings benchmarks/sa_oosc_runs.py does, and in which order."""

import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))

from sa_oosc_runs import asked, every  # noqa: E402


def names(*wanted: str, out: pathlib.Path) -> list[str]:
    return [run.name for run in asked(wanted, every(), out=out)]


def test_a_run_comes_after_what_it_begins_with(tmp_path: pathlib.Path) -> None:
    assert names("student_0", out=tmp_path) == ["sa_oosc_transform", "sa_oosc_b_student_0", "sa_oosc_student_0"]
    assert names("no_warm_start_0", out=tmp_path) == ["sa_oosc_b_no_warm_start_0", "sa_oosc_no_warm_start_0"]
    everything = names(out=tmp_path)
    assert len(everything) == len(set(everything)) == 1 + 3 + 15


def test_what_is_shipped_is_not_trained_again(tmp_path: pathlib.Path) -> None:
    for name in ("transform", "student_0"):
        (tmp_path / f"sa_oosc_{name}").mkdir()
    assert names("student_0", out=tmp_path) == []
    assert names("student_1", "static_0", out=tmp_path) == [
        *("sa_oosc_b_student_1", "sa_oosc_student_1", "sa_oosc_static_0")
    ]
    assert names(out=ROOT / "checkpoints") == []


def test_an_unknown_run_is_named() -> None:
    with pytest.raises(SystemExit, match="there is no run sa_oosc_best_0; there are: sa_oosc_transform"):
        names("best_0", out=ROOT / "checkpoints")
