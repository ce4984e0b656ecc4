"""Scored and JSON importance, and answers, from scripted stand-in models that misbehave in every way."""

import doctest
import itertools
import json
from collections.abc import Callable, Sequence
from typing import ClassVar

import numpy as np
import pytest

from semjax.store.record import Regions, Status
from semjax.teachers import answering, json_prompting, marks, prompting, scoring
from semjax.teachers.answering import MAX_ANSWER, RefusedError, cleaned
from semjax.teachers.base import Importance, Question, Scenario, Silent, View
from semjax.teachers.json_prompting import JsonImportance, read_levels
from semjax.teachers.marks import Marks, innermost
from semjax.teachers.scoring import ScoredImportance, moments

SCENARIOS = (Scenario(name="a", text="first use"), Scenario(name="b", text="second use"))
PLAIN = Marks(least_side=32, digit_px=10, least_radius=1.5)
OK, REPAIRED, FALLBACK, FAILED, MISSING = (int(status) for status in Status)


def make_view() -> View:
    """32 x 32: rest, two squares, a speck that no mark fits, an empty slot."""
    ids = np.zeros((32, 32), np.uint8)
    ids[2:14, 2:14], ids[16:30, 16:30], ids[0, 31] = 1, 2, 3
    regions = Regions(
        ids_map=ids,
        boxes=np.zeros((5, 4), np.float32),
        names=("rest", "ball", "car", "speck", ""),
        valid=np.array([True, True, True, True, False]),
    )
    return View(id=7, index=0, sha="", image=np.full((32, 32, 3), 90, np.uint8), regions=regions)


class ScriptedScorer:
    """Gives what `script(prompt)` gives."""

    model_id: ClassVar = {"name": "scripted"}

    def __init__(self, script: Callable[[str], object]):
        self.script, self.prompts = script, []

    def score(self, image: np.ndarray, prompt: str, candidates: Sequence[str]) -> np.ndarray:
        self.prompts.append(prompt)
        found = self.script(prompt)
        if isinstance(found, Exception):
            raise found
        return found  # type: ignore[return-value]


class ScriptedWriter:
    """Writes `texts[attempt]`, the last one from there on."""

    model_id: ClassVar = {"name": "scripted"}

    def __init__(self, *texts: object):
        self.texts, self.asked = texts, []

    def write(self, image: np.ndarray, prompt: str, *, attempt: int) -> str:
        self.asked.append((prompt, attempt))
        text = self.texts[min(attempt, len(self.texts) - 1)]
        if isinstance(text, Exception):
            raise text
        return text  # type: ignore[return-value]


def certain(digit: int) -> np.ndarray:
    return np.where(np.arange(10) == digit, 0.0, -np.inf)


def ask(teacher: Silent) -> Importance:
    (found,) = teacher.importance([make_view()], SCENARIOS)
    return found


def statuses(found: Importance) -> list[list[int]]:
    return found.status.tolist()


# --- scored


def test_a_certain_model_is_taken_at_its_word() -> None:
    scorer = ScriptedScorer(lambda prompt: certain(9 if "ball" in prompt else 3 if "no mark" in prompt else 0))
    found = ask(ScoredImportance(scorer, marks=PLAIN))
    np.testing.assert_allclose(found.score[0, :3], [1 / 3, 1, 0], atol=1e-7)
    np.testing.assert_allclose(found.std, 0, atol=1e-7)
    assert statuses(found) == [[OK, OK, OK, MISSING, MISSING]] * 2
    assert len(scorer.prompts) == 2 * 3 * 2
    assert sum("second use" in prompt for prompt in scorer.prompts) == 6
    assert all("Answer with one digit 0-9." in prompt for prompt in scorer.prompts)


def test_moments_are_those_of_the_mixture() -> None:
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.ones(10), size=2)
    drawn = np.concatenate([rng.choice(10, 200_000, p=each) for each in p])
    mean, std = moments(p)
    assert mean == pytest.approx(drawn.mean() / 9, abs=0.003)
    assert std == pytest.approx(drawn.std() / 9, abs=0.003)


def test_logits_need_not_be_normalised() -> None:
    rng = np.random.default_rng(1)
    logits = rng.normal(size=10)
    a = ask(ScoredImportance(ScriptedScorer(lambda prompt: logits), marks=PLAIN))
    b = ask(ScoredImportance(ScriptedScorer(lambda prompt: logits - 300.0), marks=PLAIN))
    expected = (np.exp(logits) / np.exp(logits).sum()) @ np.arange(10) / 9
    assert a.score[0, 0] == pytest.approx(expected, rel=1e-6)
    np.testing.assert_allclose(a.score, b.score, rtol=1e-6)


BAD_LOGITS = {
    "nan": np.full(10, np.nan),
    "one nan": np.array([0.0] * 9 + [np.nan]),
    "inf": np.array([0.0] * 9 + [np.inf]),
    "never": np.full(10, -np.inf),
    "short": np.zeros(9),
    "long": np.zeros(11),
    "flat": np.zeros((1, 10)),
    "none": None,
    "text": "7",
    "raises": RuntimeError("out of memory"),
    "raises nonsense": RuntimeError("\0\ud800"),
}


@pytest.mark.parametrize("bad", BAD_LOGITS)
def test_a_model_that_never_scores_has_failed_and_no_importance_is_made_up(bad: str) -> None:
    found = ask(ScoredImportance(ScriptedScorer(lambda prompt: BAD_LOGITS[bad]), marks=PLAIN))
    assert statuses(found) == [[FAILED, FAILED, FAILED, MISSING, MISSING]] * 2
    assert np.isfinite(found.score).all()
    assert found.raw.count("failed") == 12
    assert "\0" not in found.raw
    found.raw.encode()


def test_one_paraphrase_is_enough_but_marked() -> None:
    def script(prompt: str) -> np.ndarray:
        return BAD_LOGITS["nan"] if prompt.startswith("Use of") and "ball" in prompt else certain(6)

    found = ask(ScoredImportance(ScriptedScorer(script), marks=PLAIN))
    assert statuses(found)[0] == [OK, REPAIRED, OK, MISSING, MISSING]
    assert found.score[0, 1] == pytest.approx(6 / 9)


def test_an_interrupt_is_not_swallowed() -> None:
    def script(prompt: str) -> np.ndarray:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ask(ScoredImportance(ScriptedScorer(script), marks=PLAIN))


# --- JSON

GOOD = '{"0": 2, "1": 9, "2": 4}'


def test_json_as_it_should_be() -> None:
    writer = ScriptedWriter(GOOD)
    found = ask(JsonImportance(writer, marks=PLAIN))
    np.testing.assert_allclose(found.score[:, :3] * 9, [[2, 9, 4]] * 2, rtol=1e-6)
    assert statuses(found) == [[OK, OK, OK, MISSING, MISSING]] * 2
    assert [attempt for _, attempt in writer.asked] == [0, 0]
    assert "1: ball\n2: car" in writer.asked[0][0]
    assert "speck" not in writer.asked[0][0]
    assert GOOD in found.raw


@pytest.mark.parametrize(
    "text",
    [
        f"```json\n{GOOD}\n```",
        f"Certainly! {GOOD} I hope this helps.",
        "{'0': 2, '1': 9, '2': 4,}",
        '{"0": "2", "1": "9", "2": "4"}',
        '{"region 0": 2, "region 1": 9, "region 2": 4}',
        '{"regions": {"0": 2, "1": {"importance": 9}, "2": {"level": 4}}}',
        '[{"region": 0, "importance": 2}, {"region": 1, "importance": 9}, {"region": 2, "importance": 4}]',
        '{"0": 2, "1": 9, "2": 4, "note": "the ba',
    ],
)
def test_what_can_be_forgiven_is_read_and_marked(text: str) -> None:
    writer = ScriptedWriter(text)
    found = ask(JsonImportance(writer, marks=PLAIN))
    np.testing.assert_allclose(found.score[0, :3] * 9, [2, 9, 4], rtol=1e-6)
    assert statuses(found)[0][:3] == [REPAIRED] * 3
    assert len(writer.asked) == 2


def test_a_number_as_text_is_repaired_alone() -> None:
    found = ask(JsonImportance(ScriptedWriter('{"0": 2, "1": "9", "2": 4.5}'), marks=PLAIN))
    assert statuses(found)[0][:3] == [OK, REPAIRED, OK]
    assert found.score[0, 2] == pytest.approx(0.5)


NONSENSE = {
    "empty": "",
    "prose": "I am sorry, I cannot do that.",
    "half": '{"0": 2',
    "huge": "7 " * 200_000,
    "NUL": "\0" * 10,
    "surrogate": '{"0": \ud800}',
    "raises": TimeoutError("no answer"),
    "not a text": None,
    "bytes": b'{"0": 2}',
    "negative": '{"0": -1, "1": -9, "2": -4}',
    "out of range": '{"0": 10, "1": 99, "2": 1e9}',
    "very long number": '{"0": ' + "9" * 4000 + "}",
    "not numbers": '{"0": "high", "1": null, "2": true}',
    "nan": '{"0": NaN, "1": Infinity, "2": -Infinity}',
    "other regions": '{"7": 1, "8": 2, "4": 3, "3": 3}',
    "contradicts itself": '{"0": 1, "0": 2, "1": 3, "region 1": 4, "2": 5, "2": 6}',
}


@pytest.mark.parametrize("bad", NONSENSE)
def test_nonsense_is_retried_and_then_fails(bad: str) -> None:
    writer = ScriptedWriter(NONSENSE[bad])
    found = ask(JsonImportance(writer, marks=PLAIN))
    assert statuses(found) == [[FAILED, FAILED, FAILED, MISSING, MISSING]] * 2
    assert [attempt for _, attempt in writer.asked] == [0, 1, 2] * 2
    assert len(found.raw) < 6 * 5000
    assert "\0" not in found.raw
    found.raw.encode()


@pytest.mark.parametrize("bad", NONSENSE)
def test_right_on_the_second_try(bad: str) -> None:
    writer = ScriptedWriter(NONSENSE[bad], GOOD)
    found = ask(JsonImportance(writer, marks=PLAIN))
    np.testing.assert_allclose(found.score[0, :3] * 9, [2, 9, 4], rtol=1e-6)
    assert statuses(found)[0] == [REPAIRED, REPAIRED, REPAIRED, MISSING, MISSING]
    assert [attempt for _, attempt in writer.asked] == [0, 1] * 2


def test_regions_are_kept_from_the_attempt_that_gave_them() -> None:
    writer = ScriptedWriter('{"0": 2, "1": 9, "2": -4}', '{"0": 8, "1": 8}', '{"2": 4}')
    found = ask(JsonImportance(writer, marks=PLAIN))
    np.testing.assert_allclose(found.score[0, :3] * 9, [2, 9, 4], rtol=1e-6)
    assert statuses(found)[0] == [OK, OK, REPAIRED, MISSING, MISSING]


def test_what_is_missing_comes_from_the_second_teacher() -> None:
    half = ScriptedScorer(lambda prompt: certain(5) if "ball" in prompt else BAD_LOGITS["nan"])
    writer = ScriptedWriter('{"0": 2}')
    found = ask(JsonImportance(writer, fallback=ScoredImportance(half, marks=PLAIN), marks=PLAIN))
    assert statuses(found) == [[OK, FALLBACK, FAILED, MISSING, MISSING]] * 2
    np.testing.assert_allclose(found.score[0, :2] * 9, [2, 5], rtol=1e-6)


def test_a_second_teacher_that_raises_helps_nobody() -> None:
    found = ask(JsonImportance(ScriptedWriter("no"), fallback=Silent(), marks=PLAIN))
    assert statuses(found)[0][:3] == [FAILED] * 3
    assert "fallback failed: CannotError" in found.raw


def test_retries_are_counted() -> None:
    for retries in (0, 4):
        writer = ScriptedWriter("no")
        ask(JsonImportance(writer, retries=retries, marks=PLAIN))
        assert len(writer.asked) == 2 * (1 + retries)


def test_levels_of_json_that_is_no_object_of_levels() -> None:
    assert read_levels("[]") == {}
    assert read_levels("[1, 2]") == {}
    assert read_levels('{"1": {"importance": [7]}}') == {}
    assert read_levels('{"-1": 7}') == {}


# --- answers

QUESTIONS = (
    Question(text="Is it {red}?", kind="yes_no"),
    Question(text="How many?", kind="count"),
    Question(text="What?", kind="open"),
)


@pytest.mark.parametrize(
    ("text", "answer"),
    [("  A red car. \n", "A red car"), ("\n\nyes\nbecause", "yes"), ("naïve café", "naïve café"), ("3.5", "3.5")],
)
def test_an_answer_is_trimmed(text: str, answer: str) -> None:
    assert cleaned(text) == answer


@pytest.mark.parametrize("text", ["", " \n ", ".", "x" * (MAX_ANSWER + 1), "a\0b", "\ud800", None, 3])
def test_what_is_no_answer_is_refused(text: object, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(RefusedError):
        cleaned(text)
    (answers,) = JsonImportance(ScriptedWriter(text)).answer([make_view()], [QUESTIONS])
    assert answers.texts == ("", "", "")
    assert answers.logp.tolist() == [0, 0, 0]
    assert len(caplog.records) == 3
    assert "picture 7, question 'What?' is left without an answer" in caplog.text


def test_written_answers_carry_the_question() -> None:
    writer = ScriptedWriter("yes")
    (answers,) = JsonImportance(writer).answer([make_view()], [QUESTIONS[:1]])
    assert answers.texts == ("yes",)
    assert writer.asked[0][0].startswith("Is it {red}? Answer")


def test_captions_are_of_what_is_not_hidden() -> None:
    class Looking:
        model_id: ClassVar = {"name": "looking"}

        def write(self, image: np.ndarray, prompt: str, *, attempt: int) -> str:
            return f" {(image == 90).all(axis=-1).sum()} pixels\n of 90 \n"

    view, mask = make_view(), np.zeros((32, 32), bool)
    mask[:4, :5] = True
    assert JsonImportance(Looking()).caption([view]) == ["1024 pixels of 90"]
    assert JsonImportance(Looking()).caption([view], [mask]) == ["20 pixels of 90"]


@pytest.mark.parametrize("text", ["", " \n", "x" * 1001, "a\0b", None, RuntimeError("out of memory")])
def test_what_is_no_caption_is_refused(text: object, caplog: pytest.LogCaptureFixture) -> None:
    assert JsonImportance(ScriptedWriter(text)).caption([make_view()]) == [""]
    assert "picture 7 is left without a caption" in caplog.text


def test_scored_answers_are_the_most_probable() -> None:
    def script(prompt: str) -> np.ndarray:
        return np.log([0.1, 0.3]) if "red" in prompt else certain(4)

    (answers,) = ScoredImportance(ScriptedScorer(script)).answer([make_view()], [QUESTIONS])
    assert answers.texts == ("no", "4", "")
    np.testing.assert_allclose(answers.logp, [np.log(0.75), 0, 0], rtol=1e-6)


@pytest.mark.parametrize("bad", BAD_LOGITS)
def test_scored_answers_of_a_broken_model_are_empty(bad: str) -> None:
    scorer = ScriptedScorer(lambda prompt: BAD_LOGITS[bad])
    (answers,) = ScoredImportance(scorer).answer([make_view()], [QUESTIONS])
    assert answers.texts == ("", "", "")
    assert answers.logp.tolist() == [0, 0, 0]


# --- fingerprints, marks


def test_everything_that_changes_answers_is_in_the_fingerprint() -> None:
    scorer, other, writer = ScriptedScorer(lambda p: None), ScriptedScorer(lambda p: None), ScriptedWriter("")
    other.model_id = {"name": "other"}
    made = [
        ScoredImportance(scorer),
        ScoredImportance(other),
        ScoredImportance(scorer, paraphrases=("{scenario} {region}",)),
        ScoredImportance(scorer, candidates={"count": ("1", "2")}),
        ScoredImportance(scorer, marks=PLAIN),
        JsonImportance(writer),
        JsonImportance(writer, retries=1),
        JsonImportance(writer, prompt="{scenario} {regions}"),
        JsonImportance(writer, answer_prompt="{question}"),
        JsonImportance(writer, caption_prompt="What?"),
        JsonImportance(writer, marks=PLAIN),
        JsonImportance(writer, fallback=ScoredImportance(scorer)),
        JsonImportance(writer, fallback=ScoredImportance(other)),
    ]
    told = [json.dumps(teacher.fingerprint, sort_keys=True) for teacher in made]
    assert len(set(told)) == len(made)
    assert scoring.PARAPHRASES[0] in made[0].fingerprint["paraphrases"]
    assert made[0].can == {"importance", "answer"}
    assert made[5].can == {"importance", "answer", "caption"}


def test_pictures_without_regions_are_refused() -> None:
    view = View(id=3, index=0, sha="", image=np.zeros((8, 8, 3), np.uint8))
    for teacher in (ScoredImportance(ScriptedScorer(certain)), JsonImportance(ScriptedWriter(GOOD))):
        with pytest.raises(ValueError, match="picture 3 has no regions"):
            teacher.importance([view], SCENARIOS)


def test_marks_lie_inside_their_regions() -> None:
    view = make_view()
    assert view.regions is not None
    assert PLAIN.markable(view.regions) == (1, 2)
    for region in (1, 2):
        row, column, distance = innermost(view.regions.ids_map == region)
        assert view.regions.ids_map[row, column] == region
        assert distance == pytest.approx(min(12, 14) / 2 if region == 1 else 7)
    shown = Marks(least_side=100).draw(view.image, view.regions)
    assert shown.shape == (128, 128, 3)
    changed = (shown != 90).any(axis=-1)
    ids = np.kron(view.regions.ids_map, np.ones((4, 4), np.uint8))
    assert changed[ids == 1].mean() > 0.1
    assert not changed[ids == 0].any()
    np.testing.assert_array_equal(shown, Marks(least_side=100).draw(view.image, view.regions))
    np.testing.assert_array_equal(view.image, 90)


def test_a_picture_without_rest_is_not_asked_for_it() -> None:
    view = make_view()
    assert view.regions is not None
    full = Regions(
        ids_map=np.maximum(view.regions.ids_map, 1), boxes=view.regions.boxes, names=view.regions.names,
        valid=view.regions.valid,
    )  # fmt: skip
    assert prompting.asked_regions(PLAIN, full) == (1, 2)
    assert prompting.asked_regions(PLAIN, view.regions) == (0, 1, 2)


def test_examples() -> None:
    modules = (answering, json_prompting, marks, prompting, scoring)
    assert sum(itertools.chain.from_iterable(doctest.testmod(module)[:1] for module in modules)) == 0
