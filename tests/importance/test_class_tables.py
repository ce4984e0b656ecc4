"""Class tables against loops over labels, what no label tells of, a round trip through a map; their files and fits."""

import doctest
import json
import pathlib

import jax
import numpy as np
import pytest

from semjax.data.sources import ScenesSource
from semjax.importance import class_tables, tables
from semjax.importance.base import ImportanceError
from semjax.importance.class_tables import ClassTables, fit, load_tables, save_tables
from semjax.importance.fit import fit_scenes, main
from semjax.importance.tables import fit_scenario_table, fit_table, table_map
from semjax.scenes.classes import region_classes, scene_classes
from semjax.scenes.graph import graph_of
from semjax.scenes.scenarios import scenario_names
from semjax.scenes.world import Scene

RNG = np.random.default_rng(1)
IMPORTANCE = RNG.random((6, 2, 4)).astype(np.float32)
CLASSES = RNG.integers(0, 3, (6, 4))
WEIGHT = (RNG.random((6, 2, 4)) < 0.7).astype(np.float32)


def labels_of(scenario: int | None, kind: int | None) -> list[float]:
    """All labels with weight of a scenario and a class; None = any."""
    return [
        float(IMPORTANCE[n, s, m])
        for n, s, m in np.ndindex(6, 2, 4)
        if WEIGHT[n, s, m] and scenario in (None, s) and kind in (None, CLASSES[n, m])
    ]


def test_tables_against_loops_and_unseen_classes_take_the_mean() -> None:
    table = fit_table(IMPORTANCE, CLASSES, WEIGHT, count=4)
    pairs = fit_scenario_table(IMPORTANCE, CLASSES, WEIGHT, count=4)
    assert table.dtype == pairs.dtype == np.float32
    for kind in range(3):
        assert table[kind] == pytest.approx(np.mean(labels_of(None, kind)), rel=1e-5)
        for s in range(2):
            assert pairs[s, kind] == pytest.approx(np.mean(labels_of(s, kind)), rel=1e-5)
    assert table[3] == pytest.approx(np.mean(labels_of(None, None)), rel=1e-5)
    assert [pairs[s, 3] for s in range(2)] == pytest.approx([np.mean(labels_of(s, None)) for s in range(2)], rel=1e-5)


def test_a_scenario_without_labels_takes_the_mean_of_all() -> None:
    silent = WEIGHT.copy()
    silent[:, 1] = 0
    pairs = fit_scenario_table(IMPORTANCE, CLASSES, silent, count=3)
    np.testing.assert_allclose(pairs[1], np.mean(labels_of(0, None)), rtol=1e-5)


def test_failed_labels_do_not_count_whatever_stands_there() -> None:
    spoilt = np.where(WEIGHT > 0, IMPORTANCE, np.nan).astype(np.float32)
    empty = CLASSES.copy()
    empty[WEIGHT.max(axis=1) == 0] = -1
    assert (empty == -1).any()
    np.testing.assert_array_equal(
        fit_table(spoilt, empty, WEIGHT, count=3), fit_table(IMPORTANCE, CLASSES, WEIGHT, count=3)
    )


def test_table_map_looks_up_each_pixels_class() -> None:
    table, pairs = np.arange(3, dtype=np.float32) / 4, np.arange(6, dtype=np.float32).reshape(2, 3) / 8
    ids = RNG.integers(0, 4, (2, 3, 5)).astype(np.uint8)
    classes, scenario = CLASSES[:2], np.array([1, 0])
    of_class = np.asarray(jax.jit(table_map)(table, classes, ids, scenario))
    of_pair = np.asarray(jax.jit(table_map)(pairs, classes, ids, scenario))
    for n, y, x in np.ndindex(2, 3, 5):
        kind = classes[n, ids[n, y, x]]
        assert of_class[n, y, x] == table[kind]
        assert of_pair[n, y, x] == pairs[scenario[n], kind]


def test_table_map_shows_what_there_is_not() -> None:
    ids, classes = np.array([[[0, 1]]], np.uint8), np.array([[0, -1]])
    told = np.asarray(table_map(np.ones(3, np.float32), classes, ids, np.array([0])))
    np.testing.assert_array_equal(np.isnan(told), [[[False, True]]])
    pairs = np.ones((2, 3), np.float32)
    assert np.isnan(np.asarray(table_map(pairs, classes, ids, np.array([2])))).all()


def test_refusals() -> None:
    with pytest.raises(ImportanceError, match=r"\(6, 2, 4\).*\(6, 3\)"):
        fit_table(IMPORTANCE, CLASSES[:, :3], WEIGHT, count=3)
    with pytest.raises(ImportanceError, match="class 2 is none of 0 to 1"):
        fit_scenario_table(IMPORTANCE, CLASSES, WEIGHT, count=2)
    with pytest.raises(ImportanceError, match="no label"):
        fit_table(IMPORTANCE, CLASSES, 0 * WEIGHT, count=3)
    with pytest.raises(ImportanceError, match=r"\(1, 1, 3\)"):
        table_map(np.ones((1, 1, 3), np.float32), CLASSES, np.zeros((6, 1, 1), int), np.zeros(6, int))


def test_examples() -> None:
    for module in (tables, class_tables):
        result = doctest.testmod(module)
        assert result.attempted >= 1
        assert result.failed == 0


def fitted() -> ClassTables:
    """Tables of two of the three classes; the third has labels too, and is any other class."""
    return fit(IMPORTANCE, CLASSES, WEIGHT, names=("cup", "plate"), scenarios=("watch", "clean"), about="made up")


def test_the_last_column_is_the_mean_of_all_labels_even_where_other_classes_have_some() -> None:
    told, pairs = fitted(), fit_scenario_table(IMPORTANCE, CLASSES, WEIGHT, count=3)
    assert (CLASSES[WEIGHT.any(axis=1)] == 2).any()
    np.testing.assert_array_equal(told.static[:2], fit_table(IMPORTANCE, CLASSES, WEIGHT, count=3)[:2])
    np.testing.assert_array_equal(told.by_scenario[:, :2], pairs[:, :2])
    assert told.static[2] == pytest.approx(np.mean(labels_of(None, None)), rel=1e-5)
    assert told.by_scenario[:, 2] == pytest.approx([np.mean(labels_of(s, None)) for s in range(2)], rel=1e-5)
    np.testing.assert_array_equal(told.under(("clean", "watch")), told.by_scenario[::-1])
    with pytest.raises(ImportanceError, match="no scenario 'wach'; nearest is watch"):
        told.under(("wach",))


def test_a_file_gives_back_the_same_values(tmp_path: pathlib.Path) -> None:
    told = fitted()
    save_tables(told, tmp_path / "mine.json")
    again = load_tables(tmp_path / "mine.json")
    assert (again.names, again.scenarios, again.about) == (told.names, told.scenarios, "made up")
    for name in ("static", "by_scenario"):
        assert getattr(again, name).dtype == np.float32
        np.testing.assert_array_equal(getattr(again, name), getattr(told, name))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"names": ["cup", "cup"]}, "class 'cup' stands twice"),
        ({"scenarios": ["watch", "watch"]}, "scenario 'watch' stands twice"),
        ({"names": "cup"}, "names must be a list of texts"),
        ({"static": [0.1, 0.2]}, r"\(3,\) and \(2, 3\), not \(2,\)"),
        ({"static": [0.1, 0.2, 1.5]}, "between 0 and 1"),
        ({"static": [0.1, None, 0.2]}, "between 0 and 1"),
        ({"by_scenario": [[0.1], [0.1, 0.2, 0.3]]}, "a list of such lists"),
        ({"more": 1}, "with the fields about, names, scenarios"),
    ],
)
def test_damaged_files_are_refused(tmp_path: pathlib.Path, change: dict, told: str) -> None:
    file = tmp_path / "mine.json"
    save_tables(fitted(), file)
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(ImportanceError, match=rf"mine\.json holds no class tables: .*{told}"):
        load_tables(file)


def test_files_that_are_none_are_refused(tmp_path: pathlib.Path) -> None:
    (tmp_path / "text.json").write_text("{")
    with pytest.raises(ImportanceError, match=r"text\.json holds no class tables"):
        load_tables(tmp_path / "text.json")
    with pytest.raises(ImportanceError, match=r"'scene' cannot be read .* name one of scenes, coco, camvid, or"):
        load_tables("scene")


def test_regions_of_scenes_have_the_classes_that_their_graph_names() -> None:
    n, names = 5, scene_classes()
    blank = {"centre": np.zeros((n, 2), np.float32), "radius": np.zeros(n, np.float32), "seed": np.array(0, np.uint32)}
    scene = Scene(
        shape=np.array([4, 0, 6, 7, 1]),  # ring and star are held out of train
        present=np.array([True, True, True, False, False]),
        background=np.array(3),
        colour=np.zeros(n, int),
        texture=np.zeros(n, int),
        **blank,
    )
    classes, graph = region_classes(scene), graph_of(scene)
    assert classes.dtype == np.int32
    assert [names[c] for c in classes[:4]] == [graph.background, *(thing.name for thing in graph.things)]
    assert classes[4:].tolist() == [len(names)] * 2
    batch = jax.tree.map(lambda leaf: np.stack([leaf, leaf]), scene)
    np.testing.assert_array_equal(region_classes(batch), [classes, classes])


def test_scenes_are_fitted_as_the_source_labels_them() -> None:
    source = ScenesSource(size=16, count=3, truth=True)
    labels = [source[i]["labels"] for i in range(len(source))]
    stacked = (np.stack([each[name] for each in labels]) for name in ("importance", "classes", "weight"))
    expected, made = fit(*stacked, names=scene_classes(), scenarios=scenario_names()), fit_scenes(3)
    np.testing.assert_array_equal(made.static, expected.static)
    np.testing.assert_array_equal(made.by_scenario, expected.by_scenario)


def test_packaged_tables_agree_with_other_scenes_within_sampling_error() -> None:
    packaged, other = load_tables("scenes"), fit_scenes(500, seed=1)
    assert (packaged.names, packaged.scenarios) == (scene_classes(), scenario_names())
    # Labels deviate by at most 0.45, and the 500 scenes have at least 250 objects of a class: five standard errors.
    np.testing.assert_allclose(other.by_scenario, packaged.by_scenario, atol=5 * 0.45 / 250**0.5)
    # Over 8 scenarios, nearly independent for one object, the error is nearly 8**0.5 times less.
    np.testing.assert_allclose(other.static, packaged.static, atol=5 * 0.45 / (4 * 250) ** 0.5)
    rescue, game = packaged.under(("rescue", "game"))
    assert rescue[packaged.names.index("medkit")] == game[packaged.names.index("ball")] == 1
    for unseen in ("brick", "buoy", "flare"):
        place = packaged.names.index(unseen)
        assert packaged.static[place] == packaged.static[-1]
        np.testing.assert_array_equal(packaged.by_scenario[:, place], packaged.by_scenario[:, -1])


@pytest.mark.nightly
def test_the_command_makes_the_packaged_tables_again(tmp_path: pathlib.Path) -> None:
    packaged = load_tables("scenes")
    assert main(["--scenes", str(tmp_path / "again.json")]) == 0
    again = load_tables(tmp_path / "again.json")
    assert again.about == packaged.about
    np.testing.assert_allclose(again.static, packaged.static, rtol=1e-6)
    np.testing.assert_allclose(again.by_scenario, packaged.by_scenario, rtol=1e-6)


def test_the_command_says_what_is_wrong(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path / "out.json")
    assert main(["--scenes", out, "--count", "0"]) == 2
    assert "--count 0: at least one scene" in capsys.readouterr().err
    assert main(["--stores", str(tmp_path / "nowhere"), out]) == 2
    assert "python -m semjax.teachers run" in capsys.readouterr().err
    assert main(["--scenes", str(tmp_path / "none" / "out.json"), "--count", "1"]) == 2
    assert "out.json: No such file" in capsys.readouterr().err
    for mixed in (["--scenes", "store", out], ["--stores", out]):
        with pytest.raises(SystemExit) as caught:
            main(mixed)
        assert caught.value.code == 2
