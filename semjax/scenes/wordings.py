"""The eight scenarios in words: six wordings each, of which the last two are held out.

All wordings of a scenario tell the same rule (see `scenarios`). A held-out wording says it in words that the scenario's
other wordings use, newly combined; split `unseen_scenario` has the held-out wordings, every other split the others.
"""

import dataclasses

TRAINING_WORDINGS = 4


@dataclasses.dataclass(frozen=True, kw_only=True)
class SceneScenario:
    """A scenario by name, and its wordings: `TRAINING_WORDINGS` usual ones, then two held out."""

    name: str
    wordings: tuple[str, ...]


SCENARIOS = (
    SceneScenario(
        name="rescue",
        wordings=(
            "help the rescue team: find each medkit first, then flares and buoys, then what is close to a medkit",
            "search for medkits; next come flares and buoys, and last the things close to a medkit",
            "we need medkits most; a flare or a buoy helps, and things close to a medkit may help too",
            "rescue work: medkits matter most, flares and buoys next, things close to a medkit a little",
            "rescue team: medkits come first, next flares and buoys, last what is close to a medkit",
            "help the team find medkits first, then a flare or a buoy, and things close to a medkit a little",
        ),
    ),
    SceneScenario(
        name="traffic",
        wordings=(
            "watch the traffic: cars first, then signs; on a road also balls and the road itself",
            "drive with care: look for cars and next for signs, and on a road for balls and for the road",
            "cars matter most for the driver, signs next; if there is a road, the road and balls matter too",
            "traffic report: each car, then each sign, and where there is a road also the road and each ball",
            "look for cars first and signs next; where there is a road, watch the road and balls too",
            "report for the driver: cars matter most, then each sign, and on a road balls and the road itself",
        ),
    ),
    SceneScenario(
        name="camp",
        wordings=(
            "set up the camp: tents matter, on grass crates too, then what is close to a tent, other crates a little",
            "show the camp with its tents; if the ground is grass also the crates, then what is close to a tent; "
            "other crates a little",
            "find the tents, and the crates when they are on grass; things close to a tent come after, "
            "and a little also the other crates",
            "camp inspection: every tent, every crate on grass, after that things close to a tent; "
            "other crates matter a little",
            "show every tent, and on grass the crates too; after that come things close to a tent, "
            "other crates a little",
            "camp: the tents matter, crates too if the ground is grass, then things close to a tent, "
            "and a little the other crates",
        ),
    ),
    SceneScenario(
        name="game",
        wordings=(
            "follow the game: keep the ball in view, and all that is close to a ball",
            "the ball is the game; after it comes what is close to a ball",
            "play: look for balls, then for the things close to a ball",
            "show the match with each ball and the things that are close to a ball",
            "follow the match: look for balls, and show all things that are close to a ball",
            "the game: each ball, then what is close to a ball",
        ),
    ),
    SceneScenario(
        name="hazard",
        wordings=(
            "hazard check: anything red or orange is a warning, yellow is a lesser one",
            "warning colours: red and orange mean danger, yellow means care",
            "find danger: red or orange things first, yellow things second",
            "look out for red and orange; yellow things come second",
            "danger check: look out for anything red or orange first, yellow second",
            "find warning colours: red and orange things, yellow is lesser",
        ),
    ),
    SceneScenario(
        name="inventory",
        wordings=(
            "inventory of patterns: striped things first, dotted things second, no plain ones",
            "list what is striped, and after that what is dotted",
            "marked goods only: stripes are most wanted, dots less",
            "sort by pattern: stripes come first and dots after, plain goods do not matter",
            "list marked goods: striped first, dotted after that, no plain ones",
            "sort things by pattern: stripes are wanted most, dots come second, plain do not matter",
        ),
    ),
    SceneScenario(
        name="approach",
        wordings=(
            "we move in from below: the lowest thing is nearest to us, then what is close to it",
            "avoid the obstacle: the thing lowest in the picture, and things close to it",
            "what do we meet first? the lowest thing, and next the things close to that one",
            "approach: watch the nearest thing, which is the lowest one, and what is close to it",
            "avoid what we meet first: the lowest thing in the picture, then the things close to it",
            "watch the lowest thing, which is nearest to us, and next what is close to that one",
        ),
    ),
    SceneScenario(
        name="survey",
        wordings=(
            "survey the ground: grass, road or brick matters most, then signs, the sky a little",
            "map the land: show the ground first, next the signs on it, and little of the sky",
            "the background matters most if it is ground, a little if it is sky; of the things only the signs count, "
            "after the ground",
            "look at the ground behind the things; signs matter next, the sky a little, other things do not",
            "map the background: show grass, road or brick first, next the signs, and little of the sky",
            "survey the land behind the things: ground most, then signs, the sky a little",
        ),
    ),
)
