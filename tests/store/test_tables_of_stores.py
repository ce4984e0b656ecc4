"""Class tables fitted on stores: names of regions, failed labels, stores that complement each other."""

import dataclasses
import pathlib

import numpy as np
import pytest
from made_up_records import MakeStore, make_record

from semjax.importance.fit import fit_stores, main
from semjax.store.layout import StoreError
from semjax.store.record import Record
from semjax.store.shards import Store


def bare(index: int) -> Record:
    """Labels of a further scenario, without regions."""
    return dataclasses.replace(make_record(index, names=("clean", "count"), value=0.25), regions=None)


def test_tables_of_a_store_against_its_records(make_store: MakeStore) -> None:
    folder = make_store(make=lambda i: make_record(i, regions=2 + i % 2))  # the last region failed under "clean"
    made = fit_stores([Store(folder)])
    assert (made.names, made.scenarios) == (("thing 0", "thing 1", "thing 2"), ("watch", "clean"))
    told = [make_record(i, regions=2 + i % 2).scenarios.importance.astype(np.float32) for i in range(10)]
    watched = np.concatenate([each[0] for each in told])
    clean = np.concatenate([each[1, :-1] for each in told])
    assert made.by_scenario[0, 0] == pytest.approx(np.mean([each[0, 0] for each in told]))
    assert made.by_scenario[1, 1] == pytest.approx(np.mean([each[1, 1] for each in told[1::2]]))
    assert made.by_scenario[1, 2] == made.by_scenario[1, 3] == pytest.approx(np.mean(clean))
    assert made.static[2] == pytest.approx(np.mean([each[0, 2] for each in told[1::2]]))
    assert made.static[3] == pytest.approx(np.mean(np.concatenate([watched, clean])))
    assert made.about == "10 pictures of stores teacher"


def test_stores_of_the_same_pictures_complement_each_other(make_store: MakeStore) -> None:
    first, second = make_store("first"), make_store("second", names=("clean", "count"), make=bare)
    alone, both = fit_stores([Store(first)]), fit_stores([Store(first), Store(second)])
    assert both.scenarios == ("watch", "clean", "count")
    np.testing.assert_array_equal(both.by_scenario[:2], alone.by_scenario)
    np.testing.assert_array_equal(both.by_scenario[2], np.float32(0.25))
    turned = fit_stores([Store(second), Store(first)])
    np.testing.assert_array_equal(turned.under(("clean",)), np.float32([[0.25] * 4]))
    with pytest.raises(StoreError, match="labels of 3 regions, and the stores name 0; add a store"):
        fit_stores([Store(second)])


def test_stores_of_other_pictures_add_their_labels(make_store: MakeStore) -> None:
    further = make_store("further", make=lambda i: dataclasses.replace(make_record(i), image_sha=f"{i + 10:064x}"))
    once, twice = (fit_stores([Store(f) for f in folders]) for folders in ([make_store()], [make_store("a"), further]))
    np.testing.assert_allclose(once.static, twice.static, rtol=1e-6)
    assert twice.about.startswith("20 pictures")


def test_a_store_that_is_not_whole_is_refused(
    make_store: MakeStore, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--stores", str(make_store(skip=(1,))), str(tmp_path / "out.json")]) == 2
    assert "1 of 3 shards" in capsys.readouterr().err
    assert not (tmp_path / "out.json").exists()
