"""The teacher of annotations: levels, second passes, missing regions, answers, captions, and what does not fit."""

import doctest
from dataclasses import replace

import numpy as np
import pytest

from semjax.store.record import Regions, Status
from semjax.teachers import annotations, kinds
from semjax.teachers.annotations import AnnotationError, Annotations
from semjax.teachers.base import CannotError, Question, Scenario, View
from semjax.teachers.jsonl_line import AnnotatedObject, AnnotatedQuestion, Annotation
from semjax.teachers.kinds import kind_of

SCENARIOS = (Scenario(name="watch", text="watch"), Scenario(name="drive", text="drive"))
NAMES = ("rest", "cat", "cat", "tree")
CAT = AnnotatedObject(
    index=1, mask_value=5, category="cat", importance={"watch": 9, "drive": 0}, second={"watch": 7, "drive": 0}
)
TREE = AnnotatedObject(index=2, mask_value=9, category="tree", importance={"watch": 3, "drive": 6})
LINE = Annotation(
    line=1,
    image="a.jpg",
    split="test",
    annotator="A",
    confidence=8,
    objects=(TREE, CAT),
    caption="A cat by a tree.",
    background={},
    questions=(AnnotatedQuestion(question="How many cats?", answer="2"),),
)


def make_view(name: str = "a.jpg") -> View:
    regions = Regions(
        ids_map=np.array([[0, 1], [2, 3]], np.uint8), boxes=np.zeros((4, 4), np.float32), names=NAMES,
        valid=np.ones(4, bool),
    )  # fmt: skip
    given = {"name": name, "mask_values": (0, 4, 5, 9)}
    return View(id=0, index=0, sha="", image=np.zeros((2, 2, 3), np.uint8), regions=regions, given=given)


def test_levels_find_their_regions_by_mask_value() -> None:
    (found,) = Annotations({"a.jpg": LINE}).importance([make_view()], SCENARIOS)
    np.testing.assert_allclose(found.score * 9, [[0, 0, 9, 3], [0, 0, 0, 6]], rtol=1e-6)
    missing, ok = int(Status.MISSING), int(Status.OK)
    assert found.status.tolist() == [[missing, missing, ok, ok]] * 2
    np.testing.assert_allclose(found.std * 9, [[0, 0, np.std([9, 7], ddof=1), 0], [0] * 4], rtol=1e-6)


def test_scenarios_come_as_asked() -> None:
    (found,) = Annotations({"a.jpg": LINE}).importance([make_view()], SCENARIOS[::-1])
    np.testing.assert_allclose(found.score * 9, [[0, 0, 0, 6], [0, 0, 9, 3]], rtol=1e-6)


def test_a_picture_without_annotation_is_missing_throughout() -> None:
    (found,) = Annotations({"a.jpg": LINE}).importance([make_view("b.jpg")], SCENARIOS)
    assert (found.status == Status.MISSING).all()
    assert Annotations({"a.jpg": LINE}).caption([make_view("b.jpg"), make_view()]) == ["", "A cat by a tree."]


def test_annotated_rest() -> None:
    rest = AnnotatedObject(index=0, mask_value=0, category="background", importance={"watch": 1, "drive": 2})
    (found,) = Annotations({"a.jpg": replace(LINE, objects=(rest,))}).importance([make_view()], SCENARIOS)
    assert found.status[:, 0].tolist() == [0, 0]
    np.testing.assert_allclose(found.score[:, 0] * 9, [1, 2], rtol=1e-6)


def test_answers_come_from_the_annotation_then_from_the_truth() -> None:
    asked = [
        Question(text="How many cats?", kind="count", truth="3"),
        Question(text="What is it?", kind="open", truth="cat"),
        Question(text="Why?", kind="open"),
    ]
    (found,) = Annotations({"a.jpg": LINE}).answer([make_view()], [asked])
    assert found.texts == ("2", "cat", "")
    assert found.logp.tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (replace(LINE, objects=(replace(CAT, mask_value=77),)), "a.jpg: annotated 'cat' has mask value 77"),
        (replace(LINE, objects=(replace(CAT, category="dog"),)), "annotated as 'dog', but the region there is 'cat'"),
        (replace(LINE, objects=(replace(CAT, importance={"watch": 1}),)), "no annotation for scenario 'drive'"),
    ],
)
def test_what_does_not_fit_is_refused(line: Annotation, message: str) -> None:
    with pytest.raises(AnnotationError, match=message):
        Annotations({"a.jpg": line}).importance([make_view()], SCENARIOS)


def test_pictures_without_mask_values_and_parts_are_refused() -> None:
    teacher = Annotations({"a.jpg": LINE})
    with pytest.raises(AnnotationError, match="no regions with mask values"):
        teacher.importance([replace(make_view(), given={"name": "a.jpg"})], SCENARIOS)
    with pytest.raises(CannotError, match="whole pictures"):
        teacher.caption([make_view()], [np.ones((2, 2), bool)])
    assert teacher.can == {"importance", "answer", "caption"}


def test_the_fingerprint_follows_what_is_said_and_not_where_it_stands() -> None:
    first = Annotations({"a.jpg": LINE, "b.jpg": replace(LINE, image="b.jpg", annotator="B")}).fingerprint
    moved = Annotations({"b.jpg": replace(LINE, image="b.jpg", annotator="B", line=1), "a.jpg": replace(LINE, line=9)})
    assert first == moved.fingerprint
    assert first["annotators"] == ["A", "B"]
    changed = replace(LINE, objects=(TREE, replace(CAT, importance={"watch": 8, "drive": 0})))
    assert Annotations({"a.jpg": changed}).fingerprint != Annotations({"a.jpg": LINE}).fingerprint


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("how many beds are there", "count"),
        ("What number of cats is there?", "count"),
        ("Where is the smaller giraffe?", "where"),
        ("Is the couch on the left or the right side of the image?", "open"),
        ("On which side is the couch?", "where"),
        ("Is the cup left or right of the plate?", "where"),
        ("Is the giraffe standing?", "yes_no"),
        ("Isn't it red?", "yes_no"),
        ("Is it red or blue?", "open"),
        ("what is on the bed", "open"),
        ("", "open"),
    ],
)
def test_kinds_by_the_stated_rule(question: str, kind: str) -> None:
    assert kind_of(question) == kind


def test_examples() -> None:
    assert not doctest.testmod(annotations).failed + doctest.testmod(kinds).failed
