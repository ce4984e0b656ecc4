"""CamVid importance by rule, from the true classes in their context.

Each region is described by facts: class, height of its box and of the box's lower edge, place of its centre across the
picture (all as shares of the picture), and the ground that it stands on, which is the class that most pixels just below
it have. Under each scenario the first rule of `RULES` that fits the facts gives the level 0 to 9, and the importance is
level / 9. The rules are written down as data, so that the text that goes into a data card is made from what is applied.

Labels of this teacher are not human judgement: they are these rules, applied to true classes.
"""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import UInt8

from semjax.store.record import Regions, Status
from semjax.teachers.base import Importance, Json, Scenario, Silent, View

PEOPLE = ("pedestrian", "bicyclist")
NEAR, FAR = 0.2, 0.08
"""A thing is near if its box is at least NEAR of the picture high, far if it is less than FAR high."""
AHEAD = (0.3, 0.7)
"""A thing is ahead if its centre lies between these shares of the width."""
BELOW = 6
"""Rows below each column of a region in which its ground is looked for."""
GROUNDS = ("road", "pavement")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Facts:
    """What the rules know of a region; heights and places are shares of the picture."""

    name: str
    height: float
    across: float
    ground: str

    @property
    def near(self) -> bool:
        """Its box is at least `NEAR` of the picture high."""
        return self.height >= NEAR

    @property
    def far(self) -> bool:
        """Its box is less than `FAR` of the picture high."""
        return self.height < FAR

    @property
    def ahead(self) -> bool:
        """Its centre lies in the middle of the picture."""
        return AHEAD[0] <= self.across <= AHEAD[1]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rule:
    """A level 0 to 9 for the regions of some classes that fit a test."""

    level: int
    names: tuple[str, ...]
    when: str
    fits: Callable[[Facts], bool]

    @property
    def text(self) -> str:
        """The rule in words."""
        return f"{self.level}: {' or '.join(self.names) or 'anything else'}{', ' * bool(self.when)}{self.when}"


def _rule(level: int, names: str, when: str = "", fits: Callable[[Facts], bool] = lambda facts: True) -> Rule:
    return Rule(level=level, names=tuple(names.split()), when=when, fits=fits)


RULES: dict[str, tuple[Rule, ...]] = {
    "driving": (
        _rule(9, "pedestrian bicyclist", "on the road and ahead", lambda f: f.ground == "road" and f.ahead),
        _rule(8, "pedestrian bicyclist", "on the road", lambda f: f.ground == "road"),
        _rule(7, "pedestrian bicyclist", "near", lambda f: f.near),
        _rule(5, "pedestrian bicyclist", "not far", lambda f: not f.far),
        _rule(3, "pedestrian bicyclist"),
        _rule(9, "car", "near and ahead", lambda f: f.near and f.ahead),
        _rule(7, "car", "ahead", lambda f: f.ahead),
        _rule(6, "car", "near", lambda f: f.near),
        _rule(4, "car", "not far", lambda f: not f.far),
        _rule(2, "car"),
        _rule(6, "sign", "not far", lambda f: not f.far),
        _rule(4, "sign"),
        _rule(8, "road"),
        _rule(3, "pavement"),
        _rule(2, "pole fence", "not far", lambda f: not f.far),
        _rule(1, "pole fence building tree"),
        _rule(0, ""),
    ),
    "pedestrian_safety": (
        _rule(9, "pedestrian bicyclist", "on the road", lambda f: f.ground == "road"),
        _rule(8, "pedestrian bicyclist", "not far", lambda f: not f.far),
        _rule(6, "pedestrian bicyclist"),
        _rule(8, "car", "near and standing on the pavement", lambda f: f.near and f.ground == "pavement"),
        _rule(7, "car", "near", lambda f: f.near),
        _rule(5, "car", "not far", lambda f: not f.far),
        _rule(2, "car"),
        _rule(7, "pavement"),
        _rule(5, "road"),
        _rule(4, "sign", "not far", lambda f: not f.far),
        _rule(3, "sign fence"),
        _rule(2, "pole", "standing on the pavement", lambda f: f.ground == "pavement"),
        _rule(1, "pole building tree"),
        _rule(0, ""),
    ),
    "road_maintenance": (
        _rule(9, "road"),
        _rule(8, "pavement"),
        _rule(8, "sign", "not far", lambda f: not f.far),
        _rule(6, "sign"),
        _rule(7, "pole", f"at least {NEAR / 2} high", lambda f: f.height >= NEAR / 2),
        _rule(4, "pole"),
        _rule(6, "fence"),
        _rule(4, "tree", "ahead", lambda f: f.ahead),
        _rule(3, "tree"),
        _rule(2, "building"),
        _rule(3, "car", "near (it hides the surface)", lambda f: f.near),
        _rule(1, "car"),
        _rule(1, "pedestrian bicyclist"),
        _rule(0, ""),
    ),
}
RULE_TEXT = "\n".join(
    [
        "Importance = level / 9; the level is that of the first rule that fits. Heights and places are those of the "
        f"region's box, as shares of the picture: near = at least {NEAR} high; far = less than {FAR} high; ahead = "
        f"centre between {AHEAD[0]} and {AHEAD[1]} of the width. On the road or pavement = of the classes up to "
        f"{BELOW} rows below the region (itself left out), that one is the most frequent.",
        *(f"[{name}]\n" + "\n".join(rule.text for rule in rules) for name, rules in RULES.items()),
    ]
)
"""The rules in words, for a data card; part of the fingerprint."""


def facts_of(regions: Regions, region: int) -> Facts:
    """What the rules know of one region."""
    top, left, bottom, right = (float(value) for value in regions.boxes[region])
    return Facts(
        name=regions.names[region],
        height=bottom - top,
        across=(left + right) / 2,
        ground=_ground(regions, region),
    )


def _ground(regions: Regions, region: int) -> str:
    """Class that most pixels up to `BELOW` rows below the region have; "" where it ends at the picture's edge."""
    inside = regions.ids_map == region
    below = np.zeros_like(inside)
    for shift in range(1, BELOW + 1):
        below[shift:] |= inside[:-shift]
    # Rest (region 0: unlabelled pixels) is no ground.
    counted = np.bincount(regions.ids_map[below & ~inside & (regions.ids_map > 0)], minlength=len(regions.names))
    if not counted.any():
        return ""
    totals = dict.fromkeys(regions.names, 0)
    for other, count in enumerate(counted):
        totals[regions.names[other]] += int(count)
    return max(sorted(totals), key=lambda name: totals[name])


def level(facts: Facts, scenario: str) -> int:
    """The level 0 to 9 of a region under a scenario.

    Raises:
      ValueError: a scenario without rules.
    """
    if scenario not in RULES:
        raise ValueError(f"no CamVid rules for the scenario {scenario!r}; there are rules for: {', '.join(RULES)}")
    fitting = (rule for rule in RULES[scenario] if not rule.names or (facts.name in rule.names and rule.fits(facts)))
    return next(fitting).level


class RuleAnnotations(Silent):
    """The teacher of these rules; it reads `View.regions`, whose names must be CamVid's classes, and nothing else.

    Region 0 and empty slots are `Status.MISSING`. It takes no argument.

    >>> sorted(RuleAnnotations().can)
    ['importance']
    """

    @property
    def fingerprint(self) -> dict[str, Json]:
        """The rules in words."""
        return {"kind": "camvid_rules", "rules": RULE_TEXT}

    def importance(self, views: Sequence[View], scenarios: Sequence[Scenario]) -> list[Importance]:
        """Level / 9 of the first rule that fits; scenarios are known by name."""
        return [self._judged(view, [scenario.name for scenario in scenarios]) for view in views]

    def _judged(self, view: View, scenarios: Sequence[str]) -> Importance:
        if view.regions is None:
            raise ValueError(f"picture {view.id} has no regions; CamVid rules judge regions")
        regions = view.regions
        score = np.zeros((len(scenarios), len(regions.names)), np.float32)
        status: UInt8[np.ndarray, "s m"] = np.full(score.shape, Status.MISSING, np.uint8)
        for region in range(1, len(regions.names)):
            if regions.valid[region]:
                facts = facts_of(regions, region)
                score[:, region] = [level(facts, scenario) / 9 for scenario in scenarios]
                status[:, region] = Status.OK
        return Importance(score=score, std=np.zeros_like(score), status=status)
