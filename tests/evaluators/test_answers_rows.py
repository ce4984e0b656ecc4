"""Rows of answered questions, and intervals that keep a picture's questions together."""

import numpy as np
import pytest

from semjax.evaluators import resampled
from semjax.evaluators.answers import BLIND, GREY, Asked, Judged, answered, margin
from semjax.evaluators.bootstrap import Interval, mean_interval
from semjax.metrics.answers import BlindGuess

ASKED = Asked(
    picture=(0, 0, 0, 4, 4),
    role=("intent", "control", "mixed", "intent", "control"),
    kind=("count", "exist", "colour", "where", "exist"),
    text=("How many?", "Is there?", "What colour?", "Where?", "Is there?"),
    truth=("2", "yes", "red", "left", "no"),
    original=("2", "yes", "blue", "right", "no"),
)


def judged(right: np.ndarray, picture: np.ndarray) -> Judged:
    n = len(right)
    return Judged(picture=picture, role=np.full(n, "intent"), kind=np.full(n, "count"), right=right, same=right)


def test_rows_of_a_system_and_its_baselines() -> None:
    guess = BlindGuess(by_kind={"exist": "yes", "count": "2"})
    systems = {
        "received": ASKED.judge(("two", "no", "blue", "right", "no")),
        BLIND: ASKED.judge([guess(kind) for kind in ASKED.kind]),
        GREY: ASKED.judge([""] * 5),
    }
    rows = answered(systems, about={"snr_db": 5.0})
    found = {(row["system"], row["metric"]): row for row in rows}
    assert {row["snr_db"] for row in rows} == {5.0}
    assert len(rows) == 18
    means = {key: row["mean"] for key, row in found.items()}
    assert [means["received", m] for m in ("answer_intent", "answer_control", "answer")] == [0.5, 0.5, 0.4]
    assert [means["received", m] for m in ("match_intent", "match_control", "match")] == [1.0, 0.5, 0.8]
    assert [means[BLIND, m] for m in ("answer_intent", "answer_control", "answer")] == [0.5, 0.5, 0.4]
    assert means[GREY, "match"] == 0.0
    assert found["received", "answer_intent"]["n_questions"] == found["received", "answer_intent"]["n_images"] == 2
    assert found["received", "answer"]["n_questions"] == 5
    assert all(row["ci_low"] <= row["mean"] <= row["ci_high"] for row in rows)


def test_a_share_of_no_questions_is_not_a_number() -> None:
    rows = answered({"x": judged(np.array([True, False]), np.array([1, 2]))}, about={})
    (row,) = [row for row in rows if row["metric"] == "answer_control"]
    assert np.isnan([row["mean"], row["ci_low"], row["ci_high"]]).all()
    assert row["n_images"] == row["n_questions"] == 0


def test_more_questions_on_the_same_pictures_do_not_narrow_the_interval() -> None:
    right = np.random.default_rng(0).random(60) < 0.6
    once = answered({"x": judged(right, np.arange(60))}, about={})[0]
    often = answered({"x": judged(np.repeat(right, 50), np.repeat(np.arange(60), 50))}, about={})[0]
    assert (once["ci_low"], once["ci_high"]) == (often["ci_low"], often["ci_high"])
    # 1.96 standard errors of a share of 60, twice.
    width = 2 * 1.96 * np.sqrt(right.mean() * (1 - right.mean()) / 60)
    np.testing.assert_allclose(once["ci_high"] - once["ci_low"], width, rtol=0.12)


def test_the_ratio_of_equal_pictures_has_the_interval_of_their_mean() -> None:
    values = np.random.default_rng(1).random(80)
    found = resampled.ratio_interval(values, np.ones(80), picture=np.arange(80) * 3)
    twin = mean_interval(values)
    np.testing.assert_allclose([found.mean], [twin.mean], rtol=1e-12)
    np.testing.assert_allclose([found.low, found.high], [twin.low, twin.high], atol=0.01)


def test_the_statistic_is_a_ratio_of_sums_not_a_mean_of_ratios() -> None:
    found = resampled.ratio_interval(np.array([1.0, 0.0, 0.0, 0.0]), np.ones(4), picture=np.array([0, 1, 1, 1]))
    assert (found.mean, found.low, found.high) == (0.25, 0.0, 1.0)


def test_every_resample_has_as_many_pictures() -> None:
    drawn = resampled.multiplicities(7)
    assert (drawn.sum(axis=1) == 7).all()
    assert len(np.unique(drawn, axis=0)) > 100
    with pytest.raises(ValueError, match="at least one picture"):
        resampled.multiplicities(0)


def test_margin_is_paired() -> None:
    right = np.random.default_rng(2).random(400) < 0.5
    picture = np.repeat(np.arange(100), 4)
    assert margin(judged(right, picture), judged(right, picture)) == Interval(mean=0.0, low=0.0, high=0.0)
    found = margin(judged(np.ones(400, bool), picture), judged(right, picture))
    assert found.mean == pytest.approx(1 - right.mean())
    assert found.low < found.mean < found.high
    with pytest.raises(ValueError, match="the same questions on both sides"):
        margin(judged(right, picture), judged(right, picture[::-1].copy()))


def test_bad_input() -> None:
    with pytest.raises(ValueError, match="one value per question"):
        judged(np.ones(3, bool), np.arange(2))
    with pytest.raises(ValueError, match=r"roles are intent, control, mixed, got \['boss'\]"):
        Judged(
            picture=np.arange(1),
            role=np.array(["boss"]),
            kind=np.array(["x"]),
            right=np.ones(1, bool),
            same=np.ones(1, bool),
        )
    with pytest.raises(ValueError, match="5 questions, 1 and 5 answers"):
        ASKED.judge(["2"])
