"""Which scenario a picture has in an evaluation: by its id alone, in words of its split."""

import numpy as np
import pytest

from semjax.evaluators.scenario_draw import DRAWN, TEXT_LENGTH, SceneScenarios, StoredScenarios
from semjax.scenes.scenarios import scenario_names, text_of
from semjax.scenes.words import text_of_tokens, tokens


def test_scenes_have_a_scenario_of_their_own_or_the_named_one():
    drawn = SceneScenarios(split="test", name=DRAWN)
    ids = list(range(200))
    columns = drawn.columns(ids)
    assert columns["scenario"].tolist() == [drawn.of(i) for i in ids]
    assert set(columns["scenario"].tolist()) == set(range(8))
    assert drawn.columns([7, 3])["scenario"].tolist() == [drawn.of(7), drawn.of(3)]
    named = SceneScenarios(split="test", name="camp")
    assert set(named.columns(ids[:20])["scenario"].tolist()) == {scenario_names().index("camp")}
    assert (
        SceneScenarios(split="test", name=DRAWN, seed=1).columns(ids)["scenario"].tolist()
        != columns["scenario"].tolist()
    )


@pytest.mark.parametrize(("split", "wordings"), [("test", range(4)), ("unseen_scenario", range(4, 6))])
def test_texts_are_wordings_of_the_split(split, wordings):
    columns = SceneScenarios(split=split, name=DRAWN).columns(range(60))
    assert columns["text"].shape == (60, TEXT_LENGTH)
    seen = set()
    for scenario, text in zip(columns["scenario"], columns["text"], strict=True):
        known = {i: tokens(text_of(int(scenario), i), TEXT_LENGTH).tolist() for i in wordings}
        (found,) = [i for i, each in known.items() if each == text.tolist()]
        seen.add(found)
        assert text_of_tokens(text)
    assert seen == set(wordings)


def test_stored_scenarios_are_rows():
    drawn = StoredScenarios(names=("driving", "sports", "security"), name=DRAWN)
    rows = drawn.columns(range(300))["scenario"]
    assert set(rows.tolist()) == {0, 1, 2}
    assert np.bincount(rows).min() > 60
    assert StoredScenarios(names=("driving", "sports"), name="sports").columns([5])["scenario"].tolist() == [1]
    assert set(drawn.columns([1])) == {"scenario"}


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match=r"scenes have no scenario 'trafic'; there are: rescue, .*, drawn"):
        SceneScenarios(split="test", name="trafic")
    with pytest.raises(ValueError, match=r"the teacher stores know no scenario 'game'; there are: driving, drawn"):
        StoredScenarios(names=("driving",), name="game")
