"""Stores of made-up labels."""

import pathlib
from collections.abc import Callable

import pytest
from made_up_records import NAMES, MakeStore, make_record

from semjax.store import layout
from semjax.store.layout import About
from semjax.store.record import Record
from semjax.store.shards import write_shard


@pytest.fixture
def make_store(tmp_path: pathlib.Path) -> MakeStore:
    """`make_store(name, count=..., shards=..., names=..., make=..., skip=...)`: the folder of a store."""

    def made(
        name: str = "teacher",
        *,
        count: int = 10,
        shards: int = 3,
        names: tuple[str, ...] = NAMES,
        make: Callable[[int], Record] | None = None,
        skip: tuple[int, ...] = (),
    ) -> pathlib.Path:
        about = About(fingerprint={"teacher": {"kind": name}}, scenarios=names, count=count, shards=shards)
        folder = tmp_path / name
        layout.write_about(folder, about)
        for shard in range(shards):
            if shard not in skip:
                own = layout.stretch(shard, count=count, shards=shards)
                write_shard(folder, about, shard, map(make or (lambda i: make_record(i, names=names)), own))
        return folder

    return made
