"""Pictures joined with labels: the right ones, in fixed shapes, or an error that says which store."""

import dataclasses
import pathlib
import pickle
from typing import Any

import numpy as np
import pytest
from made_up_records import MakeStore, make_record

from semjax.data.entries import digest_of, id_of, total_of, unwrapped
from semjax.data.loader import eval_batches
from semjax.store.join import TeacherJoin, Wanted
from semjax.store.layout import StoreError
from semjax.store.overrides import Override, Overrides, OverridesError, write_overrides
from semjax.store.record import Record, Status


class Pictures:
    """Ten grey pictures with ids from 100."""

    total = 200

    def __init__(self, count: int = 10, first: int = 100, bad: tuple[int, ...] = ()):
        self.count, self.first, self.bad = count, first, bad

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> dict[str, Any]:
        shape = (1, 1, 3) if index in self.bad else (8, 10, 3)
        masked = {"_mask": False} if index in self.bad else {}
        return {"image": np.full(shape, index / 10, np.float32), "id": self.first + index, **masked}

    def place(self, index: int) -> int:
        return self.first + index


def test_record_i_of_the_store_joins_picture_i(make_store: MakeStore) -> None:
    join = TeacherJoin(Pictures(), make_store())
    for index in (0, 7):
        joined, told = join[index], make_record(index)
        assert told.scenarios is not None
        assert told.regions is not None
        labels = joined["labels"]
        assert joined["id"] == told.id
        np.testing.assert_array_equal(joined["maps"]["ids"], told.regions.ids_map)
        np.testing.assert_array_equal(labels["boxes"], told.regions.boxes.astype(np.float32))
        np.testing.assert_array_equal(labels["status"], told.scenarios.status)
        np.testing.assert_array_equal(labels["weight"], [[1, 1, 1], [1, 1, 0]])
        expected = told.scenarios.importance.astype(np.float32) * labels["weight"]
        np.testing.assert_array_equal(labels["importance"], expected)
        assert {k: str(v.dtype) for k, v in labels.items()} == {
            "importance": "float32",
            "status": "uint8",
            "weight": "float32",
            "valid": "bool",
            "boxes": "float32",
        }


def test_padding_is_missing_with_weight_zero(make_store: MakeStore) -> None:
    labels = TeacherJoin(Pictures(), make_store(), wanted=Wanted(regions=5))[3]["labels"]
    assert labels["importance"].shape == (2, 5)
    assert (labels["status"][:, 3:] == Status.MISSING).all()
    assert not labels["weight"][:, 3:].any()
    assert not labels["valid"][3:].any()


def test_the_most_regions_of_any_picture_are_found(make_store: MakeStore) -> None:
    join = TeacherJoin(Pictures(), make_store(make=lambda i: make_record(i, regions=2 + (i == 8) * 4)))
    assert join.regions == 6
    assert join[0]["labels"]["valid"].tolist() == [True] * 2 + [False] * 4


def test_stores_complement_each_other_and_the_first_wins(make_store: MakeStore) -> None:
    def bare(index: int) -> Record:
        return dataclasses.replace(
            make_record(index, names=("clean", "count"), value=0.25), regions=None, features=None
        )

    second = make_store("second", names=("clean", "count"), make=bare)
    both = TeacherJoin(Pictures(), [make_store("first"), second])
    assert tuple(both.scenarios) == ("watch", "clean", "count")
    assert both[1]["labels"]["importance"][2].tolist() == [0.25, 0.25, 0]
    first_only = TeacherJoin(Pictures(), make_store("again"))
    np.testing.assert_array_equal(both[1]["labels"]["importance"][:2], first_only[1]["labels"]["importance"])
    turned = TeacherJoin(Pictures(), [second, make_store("third")])  # regions come from the store that has them
    assert turned[1]["labels"]["valid"].all()
    assert turned[1]["labels"]["importance"][0, 0] == 0.25


def test_scenarios_are_chosen_by_name_and_in_order(make_store: MakeStore) -> None:
    folder = make_store()
    whole = TeacherJoin(Pictures(), folder)[2]["labels"]
    turned = TeacherJoin(Pictures(), folder, wanted=Wanted(scenarios=("clean", "watch")))[2]["labels"]
    np.testing.assert_array_equal(turned["importance"], whole["importance"][::-1])
    for asked, told in ((("wach",), "nearest is watch"), (("watch", "watch"), "named twice")):
        with pytest.raises(StoreError, match=told):
            TeacherJoin(Pictures(), folder, wanted=Wanted(scenarios=asked))


def test_features_where_asked_for(make_store: MakeStore) -> None:
    wanted = Wanted(features=("image_emb", "region_emb"), regions=4)
    join = TeacherJoin(Pictures(), make_store(), wanted=wanted)
    told = make_record(6).features
    assert told is not None
    np.testing.assert_array_equal(join[6]["labels"]["image_emb"], told.image.astype(np.float32))
    assert join[6]["labels"]["region_emb"].shape == join.blank(8, 10)["labels"]["region_emb"].shape == (4, 4)
    with pytest.raises(StoreError, match="no features 'dense'"):
        TeacherJoin(Pictures(), make_store(), wanted=Wanted(features=("dense",)))


def test_classes_where_asked_for(make_store: MakeStore) -> None:
    def emptied(index: int) -> Record:
        record = make_record(index)
        assert record.regions is not None
        return dataclasses.replace(
            record, regions=dataclasses.replace(record.regions, valid=np.array([True, index != 5, True]))
        )

    wanted = Wanted(classes=("thing 2", "other", "thing 1"), regions=4)
    join = TeacherJoin(Pictures(bad=(4,)), make_store(make=emptied), wanted=wanted)
    assert join[6]["labels"]["classes"].tolist() == [3, 2, 0, 3]
    assert join[5]["labels"]["classes"].tolist() == [3, 3, 0, 3]
    assert join[4]["labels"]["classes"].tolist() == [3] * 4  # a picture that could not be read
    assert join[6]["labels"]["classes"].dtype == join.blank(8, 10)["labels"]["classes"].dtype == np.int32
    turned = TeacherJoin(Pictures(), join.stores[0].folder, wanted=Wanted(classes=("thing 1",)))
    assert (
        len({join.fingerprints, turned.fingerprints, TeacherJoin(Pictures(), join.stores[0].folder).fingerprints}) == 3
    )
    with pytest.raises(StoreError, match="class 'thing 1' is named twice among the 2 classes"):
        TeacherJoin(Pictures(), join.stores[0].folder, wanted=Wanted(classes=("thing 1", "thing 1")))


def test_blank_has_the_shapes_of_a_record(make_store: MakeStore) -> None:
    join = TeacherJoin(Pictures(bad=(4,)), make_store(), wanted=Wanted(features=("image_emb",)))
    blank, real = join.blank(8, 10), join[3]
    for part in ("labels", "maps"):
        shapes = {name: (v.shape, v.dtype) for name, v in real[part].items()}
        assert {name: (v.shape, v.dtype) for name, v in blank[part].items()} == shapes
    assert not blank["labels"]["weight"].any()
    masked = join[4]  # a picture that a guard inside has masked
    assert masked["maps"]["ids"].shape == (1, 1)
    assert not masked["labels"]["valid"].any()


def test_it_is_a_wrapper_as_the_others_are(make_store: MakeStore) -> None:
    source = Pictures()
    join = pickle.loads(pickle.dumps(TeacherJoin(source, make_store())))
    assert isinstance(unwrapped(join), Pictures)
    assert (len(join), total_of(join), id_of(join, 3)) == (10, 200, 103)
    assert [record["id"] for record in join.map_dataset()] == list(range(100, 110))
    assert sum(batch["_mask"].sum() for batch in eval_batches(join, batch_size=4)) == 10


def test_ids_that_do_not_match_name_both_and_the_store(make_store: MakeStore) -> None:
    folder = make_store()
    join = TeacherJoin(Pictures(first=300), folder)
    with pytest.raises(StoreError, match=r"picture 2 of the source has id 302, record 2 .* id 102") as caught:
        join[2]
    assert str(folder) in str(caught.value)


def test_pictures_are_compared_by_their_hash_where_that_is_known(make_store: MakeStore) -> None:
    folder = make_store(make=lambda i: dataclasses.replace(make_record(i), image_sha=digest_of(Pictures(), i)))
    TeacherJoin(Pictures(), folder, picture_sha=digest_of)
    with pytest.raises(StoreError, match="picture 0 of the source has SHA-256"):
        TeacherJoin(Pictures(), make_store("other"), picture_sha=digest_of)


def test_incomplete_and_missing_stores_say_what_to_run(make_store: MakeStore, tmp_path: pathlib.Path) -> None:
    with pytest.raises(StoreError, match=r"(?s)1 of 3 shards .*run the command that made the store again"):
        TeacherJoin(Pictures(), make_store(skip=(2,)))
    with pytest.raises(StoreError, match=r"no teacher store .* make one: python -m semjax\.teachers run"):
        TeacherJoin(Pictures(), tmp_path / "nowhere")
    with pytest.raises(StoreError, match="no teacher store is named"):
        TeacherJoin(Pictures(), [])
    with pytest.raises(StoreError, match="the source has 9 pictures, the store"):
        TeacherJoin(Pictures(9), make_store("whole"))


def test_foreign_fingerprint_is_told_field_by_field(make_store: MakeStore) -> None:
    expected = {"teacher": {"kind": "teacher", "noise": 0.1}}
    with pytest.raises(StoreError, match=r"teacher\.noise: was absent and is 0\.1"):
        TeacherJoin(Pictures(), make_store(), wanted=Wanted(expected=expected))


def test_maps_that_do_not_fit_are_refused(make_store: MakeStore) -> None:
    with pytest.raises(StoreError, match="has 3 regions, and only 2 are joined"):
        TeacherJoin(Pictures(), make_store(), wanted=Wanted(regions=2))[0]

    def smaller(index: int) -> Record:
        record = make_record(index)
        assert record.regions is not None
        return dataclasses.replace(
            record, regions=dataclasses.replace(record.regions, ids_map=np.zeros((4, 4), np.uint8))
        )

    with pytest.raises(StoreError, match=r"picture 0 is \(8, 10\), its id map in the store \(4, 4\)"):
        TeacherJoin(Pictures(), make_store("small", make=smaller))[0]


def correction(index: int, **change: Any) -> Override:
    told = {"id": 100 + index, "image_sha": f"{index:064x}", "scenario": "clean", "region": 2, "importance": 0.75}
    return Override(**{**told, "verified_by": "A. Reader", **change})


def test_overrides_come_over_the_labels_and_the_last_wins(make_store: MakeStore) -> None:
    overrides = Overrides([correction(4, importance=0.5), correction(4), correction(5, region=0)])
    join = TeacherJoin(Pictures(), make_store(), overrides)
    labels = join[4]["labels"]  # this label had FAILED
    assert (labels["importance"][1, 2], labels["weight"][1, 2], labels["status"][1, 2]) == (0.75, 1, Status.OK)
    assert join[5]["labels"]["importance"][1, 0] == 0.75
    assert join.records(4)[0].scenarios.verified_by == "A. Reader"
    assert join.records(3)[0].scenarios.verified_by == ""
    untouched = TeacherJoin(Pictures(), make_store("plain"))
    np.testing.assert_array_equal(labels["importance"][0], untouched[4]["labels"]["importance"][0])


def test_overrides_may_be_named_by_their_file(make_store: MakeStore, tmp_path: pathlib.Path) -> None:
    write_overrides(tmp_path / "corrections.jsonl", [correction(4)])
    join = TeacherJoin(Pictures(), make_store(), tmp_path / "corrections.jsonl")
    assert join[4]["labels"]["importance"][1, 2] == 0.75


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"image_sha": "f" * 64}, "of another picture"),
        ({"scenario": "sweep"}, "no such scenario; its scenarios are: watch, clean"),
        ({"region": 3}, "regions 0 to 2"),
    ],
)
def test_overrides_of_something_else_are_refused(make_store: MakeStore, change: dict[str, Any], told: str) -> None:
    join = TeacherJoin(Pictures(), make_store(), Overrides([correction(4, **change)]))
    with pytest.raises(OverridesError, match=told):
        join[4]
