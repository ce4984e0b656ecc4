"""Shards and stores: bytes, random access, and every way in which a shard can be missing or damaged."""

import concurrent.futures
import dataclasses
import json
import pathlib
import pickle
import shutil
import socket
import statistics
import time

import numpy as np
import pytest
from made_up_records import MakeStore, make_record

from semjax.store import layout
from semjax.store.layout import StoreError
from semjax.store.packing import pack
from semjax.store.shards import Store, write_shard


def test_reads_every_record_at_random(make_store: MakeStore) -> None:
    store = Store(make_store(count=10, shards=3))
    assert len(store) == 10
    assert store.complete
    assert store.regions == 3
    for index in np.random.default_rng(0).permutation(10).tolist():
        assert pack(store[index]) == pack(make_record(index))
    assert pack(store[-1]) == pack(make_record(9))
    with pytest.raises(IndexError):
        store[10]


def test_same_records_give_the_same_bytes(make_store: MakeStore) -> None:
    first = {path.name: path.read_bytes() for path in make_store().iterdir()}
    shutil.rmtree(make_store())
    assert {path.name: path.read_bytes() for path in make_store().iterdir()} == first
    assert sorted(first) == sorted(
        [layout.ABOUT, *(f"part-0000{s}-of-00003{end}" for s in range(3) for end in (".arrayrecord", ".manifest.json"))]
    )


def test_no_file_tells_of_time_host_or_place(make_store: MakeStore) -> None:
    folder = make_store()
    told = b"".join(path.read_bytes() for path in folder.iterdir())
    assert socket.gethostname().encode() not in told
    assert str(folder).encode() not in told


def test_pickles_and_reads_from_many_threads(make_store: MakeStore) -> None:
    store = Store(make_store(count=40, shards=4))
    store[0]
    copy = pickle.loads(pickle.dumps(store))
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda i: copy[i].id, [*range(40), *range(40)]))
    assert found == [100 + i for i in range(40)] * 2


def test_a_record_reads_quickly(make_store: MakeStore) -> None:
    # The aim is 1 ms on a quiet machine (benchmarks/precompute.py); five allow for a busy one.
    store, seconds = Store(make_store(count=60, shards=2)), []
    store[0], store[59]
    for index in np.random.default_rng(0).integers(0, 60, 100).tolist():
        started = time.perf_counter()
        store[index]
        seconds.append(time.perf_counter() - started)
    assert statistics.median(seconds) < 5e-3


def part(folder: pathlib.Path, shard: int, end: str) -> pathlib.Path:
    return next(folder.glob(f"part-{shard:05d}-*{end}"))


def tear(folder: pathlib.Path) -> None:
    path = part(folder, 1, ".arrayrecord")
    path.write_bytes(path.read_bytes()[:-1000])


def forget_manifest(folder: pathlib.Path) -> None:
    part(folder, 1, ".json").unlink()


def lose_shard(folder: pathlib.Path) -> None:
    part(folder, 1, ".arrayrecord").unlink()


def cut_manifest(folder: pathlib.Path) -> None:
    path = part(folder, 1, ".json")
    path.write_text(path.read_text()[:40])


def other_manifest(folder: pathlib.Path) -> None:
    path = part(folder, 1, ".json")
    path.write_text(json.dumps({**json.loads(path.read_text()), "fingerprint": "0" * 64}))


def swap_manifest(folder: pathlib.Path) -> None:
    part(folder, 1, ".json").write_bytes(part(folder, 0, ".json").read_bytes())


@pytest.mark.parametrize(
    ("harm", "told", "damaged"),
    [
        (tear, "torn", True),
        (forget_manifest, "no manifest: it was not finished", False),
        (lose_shard, "gone though its manifest is there", True),
        (cut_manifest, "damaged", True),
        (other_manifest, "of another store: fingerprint 000000000000", True),
        (swap_manifest, "of pictures 0", True),
    ],
)
def test_faults_are_told_apart_and_say_what_to_run(make_store: MakeStore, harm, told: str, damaged: bool) -> None:
    folder = make_store()
    harm(folder)
    store = Store(folder)
    assert store.missing() == (1,)
    assert not store.complete
    assert told in store.faults()[0].text
    assert store.faults()[0].damaged == damaged
    assert pack(store[0]) == pack(make_record(0))  # the other shards can be read
    for read in (lambda: store[4], store.require_complete):
        with pytest.raises(StoreError, match=told) as caught:
            read()
        assert "python -m semjax.teachers run" in str(caught.value)
    own = layout.stretch(1, count=10, shards=3)
    write_shard(folder, store.about, 1, map(make_record, own))
    store.refresh()
    assert store.complete


def test_changed_bytes_are_found_by_their_hash(make_store: MakeStore) -> None:
    folder = make_store()
    path = part(folder, 2, ".arrayrecord")
    data = bytearray(path.read_bytes())
    data[70_000] ^= 1
    path.write_bytes(data)
    store = Store(folder)
    assert store.complete  # size and manifest are right
    fault = layout.changed(folder, store.about, 2)
    assert fault is not None
    assert "SHA-256" in fault.text
    assert layout.changed(folder, store.about, 1) is None


def test_an_error_among_the_records_leaves_nothing(make_store: MakeStore) -> None:
    folder = make_store(skip=(1,))

    def records():
        yield make_record(3)
        raise KeyboardInterrupt

    before = sorted(path.name for path in folder.iterdir())
    with pytest.raises(KeyboardInterrupt):
        write_shard(folder, Store(folder).about, 1, records())
    assert sorted(path.name for path in folder.iterdir()) == before


def test_records_of_other_pictures_are_refused(make_store: MakeStore) -> None:
    folder = make_store(skip=(1,))
    with pytest.raises(StoreError, match="shard 1 is of pictures"):
        write_shard(folder, Store(folder).about, 1, map(make_record, range(3)))


def test_leftovers_of_dead_processes_are_swept_and_those_of_others_kept(tmp_path: pathlib.Path) -> None:
    stem, host = layout.shard_path(tmp_path, 1, 3).name, socket.gethostname()
    dead = tmp_path / f"{stem}.{host}-4194999.partial"  # above the highest process number there is
    kept = [tmp_path / f"{stem}.{host}-1.partial", tmp_path / f"{stem}.elsewhere-4194999.partial"]
    kept.append(tmp_path / dead.name.replace("00001-of", "00002-of"))
    for path in (dead, *kept):
        path.touch()
    layout.sweep(tmp_path, 1, 3)
    assert sorted(tmp_path.iterdir()) == sorted(kept)


def test_no_store_names_those_beside_it(make_store: MakeStore) -> None:
    folder = make_store("oracle-1")
    with pytest.raises(StoreError, match=r"no teacher store .* beside it are: oracle-1; make one"):
        Store(folder.with_name("oracle-2"))


def test_edited_teacher_json_is_refused(make_store: MakeStore) -> None:
    path = make_store() / layout.ABOUT
    path.write_text(path.read_text().replace('"kind": "teacher"', '"kind": "better"'))
    with pytest.raises(StoreError, match="was edited"):
        Store(path.parent)
    path.write_text("{")
    with pytest.raises(StoreError, match="damaged"):
        Store(path.parent)


def test_another_store_in_the_folder_is_told_field_by_field(make_store: MakeStore) -> None:
    folder = make_store()
    about = Store(folder).about
    other = dataclasses.replace(about, fingerprint={"teacher": {"kind": "reader", "dtype": "int8"}})
    with pytest.raises(StoreError, match=r'teacher\.dtype: was absent and is "int8"\n  teacher\.kind: was "teacher"'):
        layout.write_about(folder, other)
    with pytest.raises(StoreError, match="holds 10 pictures in 3 shards, not 10 in 4"):
        layout.write_about(folder, dataclasses.replace(about, shards=4))


@pytest.mark.parametrize("name", ["", "../up", "a/b", "nul\0", ".hidden", "x" * 200])
def test_names_that_are_no_folder_are_refused(name: str) -> None:
    with pytest.raises(StoreError, match="the name of a dataset"):
        layout.store_folder("root", dataset=name, split="train", teacher="oracle", fp="0" * 64)


def test_every_picture_is_in_the_shard_that_a_store_looks_in(make_store: MakeStore) -> None:
    store = Store(make_store(count=11, shards=4))
    for count in (1, 2, 7, 10, 11):
        for shards in range(1, count + 1):
            store.about = dataclasses.replace(store.about, count=count, shards=shards)
            found = [s for s in range(shards) for _ in layout.stretch(s, count=count, shards=shards)]
            assert [store.shard_of(i) for i in range(count)] == found
