"""Questions about what arrived: counts per picture, shares, gains over the same questions, the two baselines."""

import dataclasses
import functools

import numpy as np
import pytest

from semjax.data import images
from semjax.evaluators import exam as exams
from semjax.evaluators.answers import BLIND, GREY, Asked
from semjax.evaluators.bootstrap import Pictures
from semjax.evaluators.exam import SceneExam
from semjax.evaluators.paired import Measured, gains
from semjax.evaluators.results import picture_name
from semjax.evaluators.scenario_draw import SceneScenarios
from semjax.evaluators.shares import RATIOS, share, share_gain
from semjax.metrics.answers import matches
from semjax.scenes.questions import role
from semjax.scenes.scenarios import importance, scenario_names
from semjax.teachers.albums import ScenesAlbum

COUNT = 40
NOISE = 0.5


@functools.cache
def album() -> ScenesAlbum:
    return ScenesAlbum(size=64, split="test", count=COUNT, seed=5)


@functools.cache
def exam(scenario: str = "drawn") -> SceneExam:
    return SceneExam(album(), scenarios=SceneScenarios(split="test", name=scenario))


def batch(*ids: int, real: int | None = None) -> dict:
    count = len(ids) if real is None else real
    return {"id": np.array(ids), "_mask": np.arange(len(ids)) < count}


def sent(*ids: int) -> np.ndarray:
    return np.stack([images.from_uint8(album().view(i).image) for i in ids])


@functools.cache
def noisy() -> tuple[np.ndarray, dict[str, np.ndarray]]:
    ids = tuple(range(COUNT))
    received = sent(*ids) + NOISE * np.random.default_rng(1).standard_normal((COUNT, 64, 64, 3))
    return received, exam().counts(received, batch(*ids))


def test_a_picture_that_arrives_whole_is_answered_as_it_was():
    ids = tuple(range(COUNT))
    found = exam().counts(sent(*ids), batch(*ids))
    assert set(found) == {*RATIOS, *RATIOS.values()}
    assert np.array_equal(found["match"], found["asked"])
    assert found["answer"].sum() > 0.95 * found["asked"].sum()
    assert [len(album().asked(i)) for i in ids] == found["asked"].tolist()
    mixed = found["asked"] - found["asked_intent"] - found["asked_control"]
    assert (mixed >= 0).all()
    assert mixed.sum() > 0


def test_counts_are_those_of_the_answers_one_by_one():
    """Against a twin that asks about every picture by itself and judges with `evaluators.answers`."""
    received, found = noisy()
    for i in range(6):
        view, asked = album().view(i), album().asked(i)
        scenario = exam().scenarios.of(i)
        values = importance(view.given["scene"], scenario)
        shown = np.rint(np.clip(received[i], 0, 1) * 255).astype(np.uint8)
        (told,) = exam().reader.answer([dataclasses.replace(view, image=shown)], [view.questions])
        (original,) = exam().reader.answer([view], [view.questions])
        judged = Asked(
            picture=[i] * len(asked),
            role=[role(question, values) for question in asked],
            kind=[question.kind for question in asked],
            text=[question.text for question in asked],
            truth=[question.answer for question in asked],
            original=original.texts,
        ).judge(told.texts)
        assert found["answer"][i] == judged.right.sum()
        assert found["match"][i] == judged.same.sum()
        for which in ("intent", "control"):
            assert found[f"answer_{which}"][i] == (judged.right & (judged.role == which)).sum()
            assert found[f"asked_{which}"][i] == (judged.role == which).sum()


def test_rows_that_only_fill_up_count_nothing():
    _, whole = noisy()
    received = noisy()[0][[3, 4, 4]]
    found = exam().counts(received, batch(3, 4, 4, real=2))
    for name, values in found.items():
        assert values.tolist() == [whole[name][3], whole[name][4], 0]


def test_noise_loses_answers_and_the_scenario_says_which_count():
    _, found = noisy()
    assert 0.4 * found["asked"].sum() < found["answer"].sum() < 0.97 * found["asked"].sum()
    roles = {
        name: exam(name).counts(sent(0, 1, 2), batch(0, 1, 2))["asked_intent"].tolist() for name in ("game", "survey")
    }
    assert roles["game"] != roles["survey"]
    assert {exam().scenarios.of(i) for i in range(200)} == set(range(8))
    assert exam("game").scenarios.of(7) == scenario_names().index("game")


def test_blind_and_grey_stand_far_below(monkeypatch):
    monkeypatch.setattr(exams, "GUESSED_FROM", 200)
    ids = np.arange(COUNT)
    received, found = noisy()
    free = exam().baselines(ids)
    assert set(free) == {BLIND, GREY}
    for values in free.values():
        assert np.array_equal(values["asked"], found["asked"])
        assert values["answer"].sum() < 0.5 * values["asked"].sum()
    assert free[GREY]["answer"].sum() < free[BLIND]["answer"].sum()
    grey = exam().counts(np.full_like(received, 128 / 255), batch(*ids.tolist()))
    assert np.array_equal(grey["answer"], free[GREY]["answer"])
    view, asked = album().view(2), album().asked(2)
    guessed = [exam()._guess(question.kind) for question in asked]
    right = matches([q.text for q in asked], guessed, [q.answer for q in asked], kinds=[q.kind for q in asked])
    assert free[BLIND]["answer"][2] == right.sum()
    assert view.id == 2


def test_shares_and_gains_over_the_same_questions():
    def of(*values: float) -> Pictures:
        return Pictures(ids=np.arange(len(values)), values=np.array(values, float))

    values = {"answer": of(3, 0, 6), "asked": of(4, 2, 6)}
    assert share(values, "answer").mean == pytest.approx(9 / 12)
    assert share(values, "answer").low < 9 / 12 < share(values, "answer").high
    backwards = Pictures(ids=np.array([2, 1, 0]), values=np.array([5.0, 1, 3]))
    gain = share_gain(values["answer"], backwards, values["asked"])
    assert gain.mean == pytest.approx((9 - 9) / 12)
    sure = share_gain(of(2, 2, 2), of(1, 1, 1), of(2, 2, 2))
    assert (sure.mean, sure.low, sure.high) == (0.5, 0.5, 0.5)
    assert np.isnan(share({"answer": of(0, 0), "asked": of(0, 0)}, "answer").mean)
    with pytest.raises(ValueError, match="same pictures"):
        share_gain(of(1, 1), of(1, 1, 1), of(1, 1))


def test_gains_in_rows_are_over_questions():
    row = {"channel": "awgn", "snr_db": 1.0, "told_snr_db": 1.0, "rate": 1.0, "system": "a", "variant": "default"}
    ids = np.arange(2)

    def measured(*right: float) -> Measured:
        where = {name: row[name] for name in ("channel", "snr_db", "told_snr_db", "rate")}
        values = {"answer": right, "asked": (8.0, 2.0)}
        pictures = {
            picture_name(**where, metric=name): Pictures(ids=ids, values=np.array(each))
            for name, each in values.items()
        }
        return Measured(rows=[{**row, "metric": "answer"}], pictures=pictures)

    (gain,) = gains(measured(6.0, 1.0), measured(4.0, 1.0))
    assert gain["metric"] == "answer_gain_over_a"
    assert gain["mean"] == pytest.approx(2 / 10)  # over questions, not the mean over pictures, 1/8


def test_an_unknown_scenario_is_refused():
    with pytest.raises(ValueError, match=r"no scenario 'trafic'; there are: rescue, .*, drawn"):
        SceneScenarios(split="test", name="trafic")
