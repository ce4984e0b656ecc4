"""The same twenty pictures through an archive, a folder, a prepared tfds set and records: bitwise the same batches."""

import itertools
import pathlib
import pickle
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from semjax.data.entries import name_of, size_of
from semjax.data.facts import source_facts
from semjax.data.files import ArchiveSource, FolderSource
from semjax.data.loader import eval_batches, train_loader
from semjax.data.pack import pack
from semjax.data.records_source import RecordsSource, write_records
from semjax.data.sources import CachedSource
from semjax.data.tfds_source import TfdsSource

WAYS = ("archive", "folder", "tfds", "records")


def prepare_tfds(folder: pathlib.Path, data_dir: pathlib.Path) -> str:
    """A builder of one's own, prepared offline; returns the name of the set."""
    import tensorflow_datasets as tfds

    class TwentyPictures(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        """The files as they are."""

        VERSION = tfds.core.Version("1.0.0")

        def _info(self) -> Any:
            features = tfds.features.FeaturesDict({"image": tfds.features.Image(shape=(None, None, 3))})
            return tfds.core.DatasetInfo(builder=self, features=features, disable_shuffling=True)

        def _split_generators(self, dl_manager: Any) -> Any:
            return {"train": self._generate_examples(folder / "train")}

        def _generate_examples(self, path: pathlib.Path) -> Iterator[Any]:
            for i, file in enumerate(sorted(path.iterdir())):
                yield i, {"image": file.read_bytes()}

    tfds.disable_progress_bar()
    builder = TwentyPictures(data_dir=data_dir, file_format="array_record")
    builder.download_and_prepare()
    return builder.name


@pytest.fixture
def ways(twenty: pathlib.Path, tmp_path: pathlib.Path, no_tensorflow: None) -> dict[str, Any]:
    """The four sources."""
    pack(twenty, tmp_path / "archive")
    write_records(twenty, tmp_path / "records", shards=3)
    name = prepare_tfds(twenty, tmp_path / "tfds")
    return {
        "archive": ArchiveSource(tmp_path / "archive", split="train"),
        "folder": FolderSource(twenty),
        "tfds": TfdsSource(name, split="train", data_dir=str(tmp_path / "tfds")),
        "records": RecordsSource(tmp_path / "records", split="train"),
    }


def batches(source: Any) -> list[dict[str, np.ndarray]]:
    """Six training batches, three after a resumption, and all evaluation batches, cropped and whole."""
    options = {"batch_size": 8, "crop": 16, "seed": 5}
    with train_loader(source, **options) as loader:
        found = list(itertools.islice(loader, 6))
        state = loader.get_state()
        assert loader.padded == 1
    with train_loader(source, **options) as loader:
        loader.set_state(state)
        found += itertools.islice(loader, 3)
    return [*found, *eval_batches(source, batch_size=4, crop=16), *eval_batches(source, batch_size=4)]


def test_the_same_batches_bitwise(ways: dict[str, Any]) -> None:
    wanted = batches(ways["archive"])
    assert len(wanted) > 14
    assert len({image.tobytes() for batch in wanted[:9] for image in batch["image"]}) > 60
    for way in ("folder", "tfds", "records"):
        found = batches(CachedSource(ways[way]) if way == "tfds" else ways[way])
        assert len(found) == len(wanted)
        for a, b in zip(wanted, found, strict=True):
            assert {k: (v.dtype, v.shape) for k, v in a.items()} == {k: (v.dtype, v.shape) for k, v in b.items()}
            assert all(a[key].tobytes() == b[key].tobytes() for key in a), way


def test_the_same_facts_names_sizes_and_pickles(ways: dict[str, Any]) -> None:
    facts = {way: source_facts(ways[way], crop=16) for way in WAYS}
    assert {way: facts[way]["kind"] for way in WAYS} == {way: way for way in WAYS}
    assert len({(f["count"], f["sha256"], f["padded"], f["dropped"]) for f in facts.values()}) == 1
    assert facts["tfds"]["padded"] == 1
    for way in WAYS:
        source, again = ways[way], pickle.loads(pickle.dumps(ways[way]))
        assert [size_of(source, i) for i in range(20)] == [source[i]["image"].shape[:2] for i in range(20)]
        assert again[7]["image"].tobytes() == source[7]["image"].tobytes()
        assert name_of(source, 3)
        with pytest.raises(IndexError):
            source[20]


def test_many_threads_read_what_one_reads(ways: dict[str, Any]) -> None:
    wanted = [ways["folder"][i]["image"].tobytes() for i in range(20)]
    order = [i * 7 % 20 for i in range(200)]
    for way in ("tfds", "records"):
        fresh = pickle.loads(pickle.dumps(ways[way]))
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(lambda i, source=fresh: source[i]["image"].tobytes(), order))
        assert found == [wanted[i] for i in order]
