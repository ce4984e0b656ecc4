"""CamVid regions and rules on drawn label maps."""

import doctest
import itertools

import numpy as np
import pytest

from semjax.store.record import Status
from semjax.teachers import boxes, camvid_rules
from semjax.teachers.archives import AlbumError
from semjax.teachers.base import View
from semjax.teachers.camvid import CLASSES, MAX_REGIONS, MIN_SHARE, SCENARIOS, THINGS, UNLABELLED, regions_of
from semjax.teachers.camvid_rules import RULE_TEXT, RULES, Facts, RuleAnnotations, facts_of, level

SKY, ROAD, PAVEMENT = CLASSES.index("sky"), CLASSES.index("road"), CLASSES.index("pavement")
CAR, PEDESTRIAN, SIGN = CLASSES.index("car"), CLASSES.index("pedestrian"), CLASSES.index("sign")


def street() -> np.ndarray:
    """100 x 200: sky, a road with pavement on its right, and on them a car and two pedestrians."""
    labels = np.full((100, 200), SKY, np.uint8)
    labels[50:, :140], labels[50:, 140:] = ROAD, PAVEMENT
    labels[45:75, 80:120] = CAR
    labels[48:60, 20:26] = PEDESTRIAN
    labels[48:60, 170:176] = PEDESTRIAN
    labels[0:2, 0:2] = UNLABELLED
    labels[10, 10] = SIGN
    return labels


def make_view(labels: np.ndarray) -> View:
    return View(id=0, index=0, sha="", image=np.zeros((*labels.shape, 3), np.uint8), regions=regions_of(labels))


def test_regions_are_stuff_then_instances_by_size() -> None:
    labels = street()
    regions = regions_of(labels)
    assert regions.names == ("rest", "sky", "road", "pavement", "car", "pedestrian", "pedestrian")
    # A sign of one pixel is no instance, and joins the rest with what is unlabelled.
    assert MIN_SHARE * labels.size > 1
    assert (regions.ids_map == 0).sum() == 5
    for region, name in enumerate(regions.names[1:], start=1):
        assert (labels[regions.ids_map == region] == CLASSES.index(name)).all()
    np.testing.assert_allclose(regions.boxes[4], [0.45, 0.4, 0.75, 0.6])
    assert regions.ids_map[50, 22] == 5
    assert regions.ids_map[50, 172] == 6


def test_never_more_regions_than_allowed_and_the_largest_stay() -> None:
    labels = np.full((200, 200), SKY, np.uint8)
    spots = list(itertools.product(range(0, 190, 20), range(0, 190, 20)))
    for i, (row, column) in enumerate(spots):
        labels[row : row + 5, column : column + 5 + i % 7] = CAR
    regions = regions_of(labels)
    assert len(regions.names) == MAX_REGIONS
    areas = np.bincount(regions.ids_map.ravel())[2:]
    assert (np.diff(areas) <= 0).all()
    assert areas[0] == 55


def test_touching_by_a_corner_is_one_instance() -> None:
    labels = np.full((40, 40), ROAD, np.uint8)
    labels[5:10, 5:10] = labels[10:15, 10:15] = CAR
    assert regions_of(labels).names == ("rest", "road", "car")


def test_a_label_that_is_no_class_is_refused() -> None:
    with pytest.raises(AlbumError, match=r"the map of a\.webp has the label 12, no class"):
        regions_of(np.full((4, 4), 12, np.uint8), "the map of a.webp")


def test_facts() -> None:
    regions = regions_of(street())
    car, left, right = (facts_of(regions, region) for region in (4, 5, 6))
    assert (car.ground, left.ground, right.ground) == ("road", "road", "pavement")
    assert car.near
    assert car.ahead
    assert not left.ahead
    assert not left.near
    assert not left.far
    assert facts_of(regions, 2).ground == ""


def test_the_same_class_differs_by_context_and_scenario() -> None:
    (found,) = RuleAnnotations().importance([make_view(street())], SCENARIOS)
    levels = np.rint(found.score * 9).astype(int).tolist()
    assert levels == [
        [0, 0, 8, 3, 9, 8, 5],  # driving
        [0, 0, 5, 7, 7, 9, 8],  # pedestrian_safety
        [0, 0, 9, 8, 3, 1, 1],  # road_maintenance
    ]
    assert found.status[:, 0].tolist() == [Status.MISSING] * 3
    assert (found.status[:, 1:] == Status.OK).all()


def test_every_class_has_a_level_in_every_scenario() -> None:
    assert set(RULES) == {scenario.name for scenario in SCENARIOS}
    for scenario, rules in RULES.items():
        named = {name for rule in rules for name in rule.names}
        assert named <= set(CLASSES)
        assert set(THINGS) <= named
        seen = set()
        for name, height, across, ground in itertools.product(
            CLASSES, (0.05, 0.15, 0.3), (0.1, 0.5), ("road", "pavement", "sky", "")
        ):
            facts = Facts(name=name, height=height, across=across, ground=ground)
            found = level(facts, scenario)
            assert 0 <= found <= 9
            seen.add(next(r for r in rules if not r.names or (name in r.names and r.fits(facts))).text)
        assert seen == {rule.text for rule in rules}, "a rule that nothing can reach"


def test_the_text_says_every_rule() -> None:
    assert RuleAnnotations().fingerprint["rules"] == RULE_TEXT
    for rules in RULES.values():
        assert all(rule.text in RULE_TEXT for rule in rules)
    assert "9: pedestrian or bicyclist, on the road and ahead" in RULE_TEXT


def test_what_cannot_be_judged_is_refused() -> None:
    with pytest.raises(ValueError, match="no CamVid rules for the scenario 'sports'"):
        level(Facts(name="car", height=0.1, across=0.5, ground="road"), "sports")
    with pytest.raises(ValueError, match="picture 4 has no regions"):
        RuleAnnotations().importance([View(id=4, index=0, sha="", image=np.zeros((2, 2, 3), np.uint8))], SCENARIOS)


def test_examples() -> None:
    assert not doctest.testmod(camvid_rules).failed + doctest.testmod(boxes).failed
