"""`JsonImportance`: importance from a model that only writes, asked for JSON.

Per scenario one prompt lists the marked regions and asks for {"number": level}. The text is read by
`semjax.teachers.tolerant`; a level counts if it is a number from 0 to 9 (in quotes it counts as repaired). Regions
without one are asked for again, with the next attempt number, until `retries` are used up; the first level that counts
is kept. What is still missing is taken from a second teacher, or has failed:

    first attempt, JSON as it should be        OK
    later attempt, or something was forgiven   REPAIRED
    the second teacher's                       FALLBACK
    neither                                    FAILED
    not asked (too small, empty slot)          MISSING
"""

import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from semjax.store.record import Regions, Status, label_weight
from semjax.teachers.answering import ANSWER_PROMPT, written_answers, written_caption
from semjax.teachers.base import Answers, Importance, Json, Question, Scenario, Silent, Teacher, View
from semjax.teachers.marks import Marks
from semjax.teachers.prompting import Writer, asked_regions, marks_fingerprint, regions_of, storable
from semjax.teachers.tolerant import read_json

HIGHEST = 9
PROMPT = (
    "The picture is sent over a narrow channel for this use: {scenario}. Some regions carry numbered marks:\n"
    "{regions}\n"
    "How much does the receiver need each region, as it appears here? 0 = not at all, 9 = nothing can replace it.\n"
    "Answer with JSON only: an object with every number above as a key and the level 0-9 as its value."
)
REST = 'everything that has no mark, as number "0"'
CAPTION_PROMPT = "Describe what can be seen in one sentence. Parts in plain grey are hidden; do not speak of them."
_LEVEL_KEYS = ("importance", "level", "score", "value")
_REGION_KEYS = ("region", "number", "id", "mark")


@dataclasses.dataclass(frozen=True)
class JsonImportance(Silent):
    """The way to ask a model that shows no probabilities.

    Args:
      writer: the model.
      fallback: a teacher whose importance stands in for what is still missing; None = that has failed.
      retries: how often to ask again, at most.
      prompt: template with the fields {scenario} and {regions}.
      answer_prompt: template with the field {question}.
      caption_prompt: as it is.
      marks: how regions are shown.
    """

    writer: Writer
    fallback: Teacher | None = dataclasses.field(default=None, kw_only=True)
    retries: int = dataclasses.field(default=2, kw_only=True)
    prompt: str = dataclasses.field(default=PROMPT, kw_only=True)
    answer_prompt: str = dataclasses.field(default=ANSWER_PROMPT, kw_only=True)
    caption_prompt: str = dataclasses.field(default=CAPTION_PROMPT, kw_only=True)
    marks: Marks = dataclasses.field(default=Marks(), kw_only=True)

    @property
    def fingerprint(self) -> dict[str, Json]:
        """The model, the texts, the retries, the marks, and the second teacher's."""
        return {
            "kind": "json",
            "model": dict(self.writer.model_id),
            "prompt": self.prompt,
            "rest": REST,
            "answer_prompt": self.answer_prompt,
            "caption_prompt": self.caption_prompt,
            "retries": self.retries,
            "marks": marks_fingerprint(self.marks),
            "fallback": None if self.fallback is None else dict(self.fallback.fingerprint),
        }

    def importance(self, views: Sequence[View], scenarios: Sequence[Scenario]) -> list[Importance]:
        """One prompt per scenario, and as many again as it takes."""
        return [self._importance(view, scenarios) for view in views]

    def answer(self, views: Sequence[View], questions: Sequence[Sequence[Question]]) -> list[Answers]:
        """What the model writes; see `semjax.teachers.answering` for what counts as an answer."""
        return [
            written_answers(self.writer, view, asked, prompt=self.answer_prompt)
            for view, asked in zip(views, questions, strict=True)
        ]

    def caption(self, views: Sequence[View], masks: "Sequence[np.ndarray] | None" = None) -> list[str]:
        """What the model writes about each picture; what is outside a mask is hidden under grey."""
        shown = [None] * len(views) if masks is None else masks
        return [
            written_caption(self.writer, view, mask, prompt=self.caption_prompt)
            for view, mask in zip(views, shown, strict=True)
        ]

    def _importance(self, view: View, scenarios: Sequence[Scenario]) -> Importance:
        regions = regions_of(view)
        asked = asked_regions(self.marks, regions)
        shown = self.marks.draw(view.image, regions)
        score = np.zeros((len(scenarios), len(regions.names)), np.float32)
        std, status, raw = np.zeros_like(score), np.full(score.shape, Status.MISSING, np.uint8), []
        for row, scenario in enumerate(scenarios):
            prompt = self.prompt.format(scenario=scenario.text, regions=_listed(regions, asked))
            found = self._ask(shown, prompt, asked=asked, raw=raw, name=scenario.name)
            for region in asked:
                level, status[row, region] = found.get(region, (0.0, Status.FAILED))
                score[row, region] = level / HIGHEST
        if self.fallback is not None and (status == Status.FAILED).any():
            _fill(self.fallback, view, scenarios, score=score, std=std, status=status, raw=raw)
        return Importance(score=score, std=std, status=status, raw="\n".join(raw))

    def _ask(
        self, image: np.ndarray, prompt: str, *, asked: Sequence[int], raw: list[str], name: str
    ) -> dict[int, tuple[float, Status]]:
        """Level and status of the regions that were answered; appends what the model said to `raw`."""
        found: dict[int, tuple[float, Status]] = {}
        for attempt in range(1 + self.retries):
            try:
                text = self.writer.write(image, prompt, attempt=attempt)
                raw.append(f"[{name} {attempt}] {storable(text)}")
                levels = read_levels(text)
            except Exception as error:  # whatever an outside model raises: it has not answered
                raw.append(f"[{name} {attempt} failed: {type(error).__name__}: {storable(str(error))[:200]}]")
                continue
            for region, (level, as_it_should_be) in levels.items():
                status = Status.OK if as_it_should_be and attempt == 0 else Status.REPAIRED
                if region in asked:
                    found.setdefault(region, (level, status))
            if len(found) == len(asked):
                break
        return found


def read_levels(text: str) -> dict[int, tuple[float, bool]]:
    """Levels by number of the region, and whether each stood there as it should.

    Also understood: {"1": {"importance": 7}}, [{"region": 1, "importance": 7}], {"regions": ...}, keys as "region 1".

    Raises:
      NonsenseError: no JSON in the text.

    >>> read_levels('{"1": 7, "2": "3", "3": -1}')
    {1: (7.0, True), 2: (3.0, False)}
    """
    reading = read_json(text)
    pairs = _pairs(reading.value)
    plain = not reading.repairs and isinstance(reading.value, dict) and pairs == list(reading.value.items())
    levels: dict[int, tuple[float, bool]] = {}
    unclear = set()
    for key, value in pairs:
        region, level = _region(key), _level(value)
        if region is None or level is None:
            continue
        if region in levels and levels[region][0] != level:
            unclear.add(region)
        right = plain and isinstance(value, int | float) and str(key) == str(region)
        levels[region] = (level, right)
    return {region: level for region, level in levels.items() if region not in unclear}


def _pairs(value: Any) -> list[tuple[Any, Any]]:
    """(key, value) entries that may be regions and levels."""
    if isinstance(value, dict):
        inner = list(value.values())
        if len(inner) == 1 and isinstance(inner[0], dict | list) and _region(next(iter(value))) is None:
            return _pairs(inner[0])
        return list(value.items())
    entries = [each for each in value if isinstance(each, dict)]
    return [(next((each[k] for k in _REGION_KEYS if k in each), None), each) for each in entries]


def _region(key: Any) -> int | None:
    """The number in a key such as "3", 3, "#3" or "region 3"."""
    found = re.fullmatch(r"\D*(\d{1,3})\D*", str(key))
    return int(found.group(1)) if found and "-" not in str(key) else None


def _level(value: Any) -> float | None:
    """A level from 0 to 9, or None for anything else."""
    if isinstance(value, Mapping):
        value = next((value[key] for key in _LEVEL_KEYS if key in value), None)
    if isinstance(value, str) and re.fullmatch(r"\s*\d(\.\d+)?\s*", value):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value <= HIGHEST else None


def _listed(regions: Regions, asked: Sequence[int]) -> str:
    return "\n".join(f"{region}: {regions.names[region] if region else REST}" for region in asked)


def _fill(
    teacher: Teacher,
    view: View,
    scenarios: Sequence[Scenario],
    *,
    score: np.ndarray,
    std: np.ndarray,
    status: np.ndarray,
    raw: list[str],
) -> None:
    """Puts the second teacher's labels where the first has failed and the second has not."""
    try:
        (second,) = teacher.importance([view], scenarios)
    except Exception as error:
        raw.append(f"[fallback failed: {type(error).__name__}: {storable(str(error))[:200]}]")
        return
    taken = (status == Status.FAILED) & (label_weight(second.status) > 0)
    score[taken], std[taken], status[taken] = second.score[taken], second.std[taken], Status.FALLBACK
    raw.append(f"[fallback] {storable(second.raw)}")
