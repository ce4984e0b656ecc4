"""The oracle and its album: labels that are the truth, or wrong and failed as often as asked."""

import functools
import pathlib
import pickle

import numpy as np
import pytest

from semjax.data.entries import digest_of
from semjax.data.files import ArraySource, DataError
from semjax.scenes.decoys import MOST_COVERED, covered
from semjax.scenes.programs import answer
from semjax.scenes.questions import parse
from semjax.scenes.scenarios import LEVELS, SCENARIOS, all_importance
from semjax.store.join import TeacherJoin
from semjax.store.record import Status
from semjax.teachers.albums import PicturesAlbum, ScenesAlbum
from semjax.teachers.base import Question, View
from semjax.teachers.oracle import Oracle, OracleError
from semjax.teachers.precompute import precompute

COUNT = 40


@functools.cache
def album() -> ScenesAlbum:
    return ScenesAlbum(size=32, split="test", count=COUNT, seed=3)


@functools.cache
def views() -> list[View]:
    return [album().view(index) for index in range(COUNT)]


def test_importance_is_that_of_the_scene() -> None:
    for view, said in zip(views()[:5], Oracle().importance(views()[:5], album().scenarios), strict=True):
        np.testing.assert_array_equal(said.score, np.asarray(all_importance(view.given["scene"])))
        assert (said.status == Status.OK).all()


def test_scenarios_are_asked_in_any_order_and_share() -> None:
    turned = album().scenarios[::-2]
    some = Oracle(noise=0.3, failures=0.1).importance(views()[:3], turned)
    whole = Oracle(noise=0.3, failures=0.1).importance(views()[:3], album().scenarios)
    for part, all_rows in zip(some, whole, strict=True):
        np.testing.assert_array_equal(part.score, all_rows.score[::-2])
        np.testing.assert_array_equal(part.status, all_rows.status[::-2])


def test_noise_and_failures_are_as_often_as_asked_and_depend_on_the_picture_alone() -> None:
    oracle = Oracle(noise=0.2, failures=0.1, seed=1)
    exact = np.stack([said.score for said in Oracle().importance(views(), album().scenarios)])
    said = oracle.importance(views(), album().scenarios)
    present = np.stack([view.regions.valid for view in views() if view.regions])[:, None].repeat(len(SCENARIOS), 1)
    moved = (np.stack([each.score for each in said]) != exact)[present]
    failed = (np.stack([each.status for each in said]) == Status.FAILED)[present]
    # Shares of n labels lie within four standard errors of what was asked for.
    for share, found in ((0.2, moved), (0.1, failed)):
        assert abs(found.mean() - share) < 4 * np.sqrt(share * (1 - share) / found.size)
    assert {round(float(v), 2) for each in said for v in each.score[:, 0]} <= set(LEVELS)
    alone = oracle.importance(views()[7:8], album().scenarios)[0]
    np.testing.assert_array_equal(alone.score, said[7].score)
    other = Oracle(noise=0.2, failures=0.1, seed=2).importance(views()[7:8], album().scenarios)[0]
    assert not np.array_equal(other.status, said[7].status) or not np.array_equal(other.score, said[7].score)


def test_answers_are_those_of_the_programs() -> None:
    asked = [view.questions for view in views()]
    for view, said in zip(views(), Oracle().answer(views(), asked), strict=True):
        assert said.texts == tuple(answer(view.given["graph"], parse(question.text)) for question in view.questions)
        assert not said.logp.any()


def test_captions_name_what_is_there_or_in_the_mask() -> None:
    view = views()[0]
    assert view.regions is not None
    whole = Oracle().caption([view])[0]
    names = {name for name, valid in zip(view.regions.names, view.regions.valid, strict=True) if valid}
    assert all(name in whole for name in names)
    only_first = Oracle().caption([view], [view.regions.ids_map == 1])[0]
    assert view.regions.names[1] in only_first
    assert len(only_first) < len(whole)


def test_what_it_does_not_know_is_refused() -> None:
    view = View(id=5, index=0, sha="", image=np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(OracleError, match="picture 5 is no scene"):
        Oracle().importance([view], album().scenarios)
    with pytest.raises(OracleError, match="nobody knows"):
        Oracle().answer([view], [[Question(text="why?", kind="open")]])
    with pytest.raises(OracleError, match=r"noise=2 must be a share"):
        Oracle(noise=2)


def test_regions_are_where_the_id_map_has_them() -> None:
    for view in views():
        regions = view.regions
        assert regions is not None
        assert regions.names[0] == view.given["graph"].background
        for region in np.unique(regions.ids_map)[1:]:
            assert regions.valid[region]
            rows, columns = np.nonzero(regions.ids_map == region)
            top, left, bottom, right = regions.boxes[region] * 32
            assert top - 1 <= rows.min()
            assert rows.max() <= bottom
            assert left - 1 <= columns.min()
            assert columns.max() <= right
        assert [name == "" for name in regions.names] == (~regions.valid).tolist()


def test_proposals_are_boxes_and_decoys_in_an_order_that_does_not_tell() -> None:
    true_first = 0
    for view in views():
        assert view.regions is not None
        assert view.proposals is not None
        boxes = view.regions.boxes[1:][view.regions.valid[1:]]
        is_true = (view.proposals[:, None] == boxes).all(-1).any(1)
        assert is_true.sum() == len(boxes)
        for box in view.proposals[~is_true]:
            masks = (view.regions.ids_map == r for r in np.flatnonzero(view.regions.valid[1:]) + 1)
            assert all(covered(box[None], mask)[0] <= MOST_COVERED for mask in masks)
        true_first += bool(is_true[0])
    assert 8 <= true_first <= 32  # of 40; a fair coin is outside once in 50,000


def test_same_settings_give_the_same_album_and_others_another_digest() -> None:
    again = pickle.loads(pickle.dumps(ScenesAlbum(size=32, split="test", count=COUNT, seed=3)))
    assert again.digest == album().digest
    np.testing.assert_array_equal(again.view(9).proposals, views()[9].proposals)
    assert again.view(9).questions == views()[9].questions
    assert views()[9].sha == digest_of(album().source, 9)
    for change in ({"seed": 4}, {"count": 41}, {"questions": lambda graph, seed: ()}):
        other = ScenesAlbum(**{"size": 32, "split": "test", "count": COUNT, "seed": 3, **change})
        assert other.digest != album().digest
    held_out = ScenesAlbum(split="unseen_scenario")
    assert [s.name for s in held_out.scenarios] == [s.name for s in album().scenarios]
    assert all(a.text != b.text for a, b in zip(held_out.scenarios, album().scenarios, strict=True))
    with pytest.raises(DataError, match="no split"):
        ScenesAlbum(split="trian")


def test_scenes_join_their_own_store_and_no_other(tmp_path: pathlib.Path) -> None:
    folder = precompute(album(), Oracle(), tmp_path, shards=2, batch=7, progress=lambda done: None).folder
    join = TeacherJoin(album().source, folder, picture_sha=digest_of)
    for index in (0, 31):
        labels = join[index]["labels"]
        np.testing.assert_allclose(labels["importance"], all_importance(views()[index].given["scene"]), atol=1e-3)
        np.testing.assert_array_equal(labels["weight"], np.tile(labels["valid"], (len(SCENARIOS), 1)))
    other = ScenesAlbum(size=32, split="test", count=COUNT, seed=4)
    with pytest.raises(ValueError, match="they are not of the same pictures"):
        TeacherJoin(other.source, folder, picture_sha=digest_of)


def test_an_album_of_any_pictures(tmp_path: pathlib.Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, 5, 6, 3)).astype(np.uint8)
    np.savez(tmp_path / "some.npz", test=pixels)
    pictures = PicturesAlbum(ArraySource(tmp_path / "some.npz", "test"), "some", "test")
    view = pictures.view(2)
    np.testing.assert_array_equal(view.image, pixels[2])
    assert (view.id, view.regions, view.questions, len(pictures)) == (2, None, (), 3)
    assert view.sha == digest_of(pictures.source, 2)
    assert pictures.names[2] == view.given["name"]
    pixels[1, 0, 0, 0] ^= 1
    np.savez(tmp_path / "other.npz", test=pixels)
    assert PicturesAlbum(ArraySource(tmp_path / "other.npz", "test"), "some", "test").digest != pictures.digest
