"""`Annotations`: a teacher that repeats what an outside model, or a data set, has said of the very same pictures.

It reads `View.given` (the file `name`, and `mask_values` per region) and true answers of questions, and looks
at no pixel. A region without a label, and with it region 0, is `Status.MISSING`.
"""

import dataclasses
import json
from collections.abc import Mapping, Sequence

import numpy as np

from semjax.store.record import Regions, Status
from semjax.teachers.archives import digest_of
from semjax.teachers.base import Answers, CannotError, Importance, Json, Question, Scenario, Silent, View
from semjax.teachers.jsonl_line import HIGHEST, AnnotatedObject, Annotation


class AnnotationError(ValueError):
    """Annotations that do not fit the picture."""


class Annotations(Silent):
    """Importance, answers and captions from annotations.

    Importance is level / 9. Where a second pass labelled an object too, `std` is the sample standard deviation of the
    two, |first - second| / (9 √2); elsewhere 0. A question is answered as the picture's annotation answers it, else
    with its own truth, else with "".

    Args:
      annotations: by file name of the picture (`semjax.teachers.jsonl.read_annotations`); empty for a data set whose
        questions carry their answers.

    >>> Annotations({}).answer([View(id=0, index=0, sha="", image=np.zeros((1, 1, 3), np.uint8))],
    ...                        [[Question(text="How many cats?", kind="count", truth="2")]])[0].texts
    ('2',)
    """

    def __init__(self, annotations: Mapping[str, Annotation]):
        self._annotations = dict(annotations)
        # Where a line stands in its file changes no answer.
        told = [dataclasses.asdict(dataclasses.replace(each, line=0)) for _, each in sorted(annotations.items())]
        self._digest = digest_of(json.loads(json.dumps(told, default=dict)))

    @property
    def fingerprint(self) -> dict[str, Json]:
        """A digest of the annotations, and who made them."""
        annotators = sorted({each.annotator for each in self._annotations.values()})
        return {"kind": "annotations", "annotations": self._digest, "annotators": annotators}

    def importance(self, views: Sequence[View], scenarios: Sequence[Scenario]) -> list[Importance]:
        """What the annotations say of each region.

        Raises:
          AnnotationError: a picture without regions or mask values, an annotated object that is no region of its
            picture or has another class there, or a scenario that the annotations do not know.
        """
        return [self._importance(view, [scenario.name for scenario in scenarios]) for view in views]

    def answer(self, views: Sequence[View], questions: Sequence[Sequence[Question]]) -> list[Answers]:
        """The annotated answers; `logp` is 0, for an annotation has no probability."""
        found = []
        for view, asked in zip(views, questions, strict=True):
            annotation = self._of(view)
            known = {qa.question: qa.answer for qa in annotation.questions} if annotation else {}
            texts = tuple(known.get(question.text, question.truth or "") for question in asked)
            found.append(Answers(texts=texts, logp=np.zeros(len(asked), np.float32)))
        return found

    def caption(self, views: Sequence[View], masks: "Sequence[np.ndarray] | None" = None) -> list[str]:
        """The annotated captions, "" where there is none.

        Raises:
          CannotError: asked for the caption of a part of a picture.
        """
        if masks is not None:
            raise CannotError("annotations caption whole pictures only; leave `masks` out")
        found = [self._of(view) for view in views]
        return [annotation.caption if annotation else "" for annotation in found]

    def _of(self, view: View) -> Annotation | None:
        return self._annotations.get(view.given.get("name", ""))

    def _importance(self, view: View, scenarios: Sequence[str]) -> Importance:
        if view.regions is None or "mask_values" not in view.given:
            raise AnnotationError(f"picture {view.id} has no regions with mask values; annotations are found by those")
        score = np.zeros((len(scenarios), len(view.regions.names)), np.float32)
        std, status = np.zeros_like(score), np.full(score.shape, Status.MISSING, np.uint8)
        annotation = self._of(view)
        for thing in annotation.objects if annotation else ():
            region = _region(thing, view.regions, values=view.given["mask_values"], name=view.given["name"])
            for row, scenario in enumerate(scenarios):
                first, second = _levels(thing, scenario)
                score[row, region] = first / HIGHEST
                std[row, region] = abs(first - second) / HIGHEST / np.sqrt(2)
                status[row, region] = Status.OK
        return Importance(score=score, std=std, status=status)


def _region(thing: AnnotatedObject, regions: Regions, *, values: Sequence[int], name: str) -> int:
    if thing.mask_value not in values:
        raise AnnotationError(f"{name}: annotated {thing.category!r} has mask value {thing.mask_value}; no region has")
    region = list(values).index(thing.mask_value)
    if region and regions.names[region] != thing.category:
        raise AnnotationError(
            f"{name}: mask value {thing.mask_value} is annotated as {thing.category!r}, but the region there is "
            f"{regions.names[region]!r}; the annotations belong to other pictures"
        )
    return region


def _levels(thing: AnnotatedObject, scenario: str) -> tuple[int, int]:
    """First and second level; the second is the first where there was no second pass."""
    if scenario not in thing.importance:
        raise AnnotationError(f"no annotation for scenario {scenario!r}; there are: {', '.join(thing.importance)}")
    first = thing.importance[scenario]
    return first, (thing.second or thing.importance)[scenario]
