"""Prepared tfds sets: our own builder, splits and their ids, values instead of files, and what is said when missing."""

import pathlib
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from semjax.data.__main__ import main
from semjax.data.entries import encoded, id_of, size_of
from semjax.data.files import DataError
from semjax.data.images import ImageError
from semjax.data.sources import ScenesSource
from semjax.data.tfds_source import TfdsSource

ROOT = pathlib.Path(__file__).parents[2]


def values_set(data_dir: pathlib.Path, dtype: Any = np.uint8) -> Any:
    """A set whose pictures are stored as values: 4 in train, 2 in val, 3 in test."""
    import tensorflow_datasets as tfds

    class ValuesSet(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        """Pictures of one value."""

        VERSION = tfds.core.Version("1.0.0")

        def _info(self) -> Any:
            features = {"image": tfds.features.Tensor(shape=(9, 8, 3), dtype=dtype), "label": tfds.features.Text()}
            made = tfds.features.FeaturesDict(features)
            return tfds.core.DatasetInfo(builder=self, features=made, disable_shuffling=True)

        def _split_generators(self, dl_manager: Any) -> Any:
            counts = {"train": 4, "val": 2, "test": 3}
            return {split: self._generate_examples(count) for split, count in counts.items()}

        def _generate_examples(self, count: int) -> Any:
            for i in range(count):
                yield i, {"image": np.full((9, 8, 3), 40 * i, dtype), "label": "none"}

    tfds.disable_progress_bar()
    return ValuesSet(data_dir=data_dir, file_format="array_record")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The data_dir of that set."""
    data_dir = tmp_path_factory.mktemp("values")
    values_set(data_dir).download_and_prepare()
    return str(data_dir)


def ids(source: TfdsSource) -> list[int]:
    return [source[i]["id"] for i in range(len(source))]


def test_our_own_builder_gives_the_scenes_bitwise(
    tmp_path: pathlib.Path, no_tensorflow: None, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["tfds-scenes", str(tmp_path), "--count=4", "--size=32", "--splits", "train"]
    assert main(command) == 0
    assert "prepared semjax_scenes/size32_count4 in" in capsys.readouterr().out
    prepared = TfdsSource("semjax_scenes/size32_count4", data_dir=str(tmp_path))
    drawn = ScenesSource(size=32, count=4)
    assert len(prepared) == 4
    for i in range(4):
        assert prepared[i]["image"].tobytes() == drawn[i]["image"].tobytes()
        assert prepared[i]["id"] == i
    assert size_of(prepared, 1) == (32, 32)
    assert main([*command[:2], "--size=8"]) == 2
    assert "size >= 16" in capsys.readouterr().err


def test_ids_do_not_depend_on_the_split(prepared: str) -> None:
    # In the order of their names: test 0-2, train 3-6, val 7-8.
    whole = {"test": [0, 1, 2], "train": [3, 4, 5, 6], "val": [7, 8]}
    for split, wanted in {**whole, "train[1:3]": [4, 5], "val+train[:50%]": [7, 8, 3, 4]}.items():
        source = TfdsSource("values_set", split=split, data_dir=prepared)
        assert ids(source) == [id_of(source, i) for i in range(len(source))] == wanted
        assert source.total == 9
    part, train = (TfdsSource("values_set", split=split, data_dir=prepared) for split in ("train[1:3]", "train"))
    np.testing.assert_array_equal(part[1]["image"], train[2]["image"])
    assert not np.array_equal(part[1]["image"], train[1]["image"])


def test_what_is_missing_is_said(prepared: str, tmp_path: pathlib.Path) -> None:
    with pytest.raises(DataError, match=r"(?s)cifar10 is not prepared.*download_and_prepare.*tfds-scenes"):
        TfdsSource("cifar10", data_dir=str(tmp_path))
    with pytest.raises(DataError, match=r"(?s)values_set/size9 is not prepared"):
        TfdsSource("values_set/size9", data_dir=prepared)
    with pytest.raises(DataError, match="split 'dev' cannot be read"):
        TfdsSource("values_set", split="dev", data_dir=prepared)
    with pytest.raises(DataError, match=r"no feature 'img'; set image_key to one of: image, label"):
        TfdsSource("values_set", data_dir=prepared, image_key="img")
    with pytest.raises(DataError, match=r"NOT_SET_HERE.*environment variable"):
        TfdsSource("values_set", data_dir="$NOT_SET_HERE")


def test_pictures_stored_as_values(prepared: str, tmp_path: pathlib.Path) -> None:
    source = TfdsSource("values_set", data_dir=prepared)
    np.testing.assert_array_equal(source[2]["image"], np.full((9, 8, 3), np.float32(80) / np.float32(255)))
    assert encoded(source, 2) is None
    assert size_of(source, 2) == (9, 8)
    values_set(tmp_path, np.float32).download_and_prepare()
    with pytest.raises(ImageError, match=r"values_set:train\[1\]: .*float32\[9, 8, 3\], expected uint8"):
        TfdsSource("values_set", data_dir=str(tmp_path))[1]


def test_a_format_that_needs_tensorflow_is_refused(tmp_path: pathlib.Path) -> None:
    values_set(tmp_path).download_and_prepare()
    for info in tmp_path.rglob("dataset_info.json"):
        info.write_text(info.read_text().replace("array_record", "tfrecord"))
    with pytest.raises(DataError, match=r"prepared as tfrecord.*file_format='array_record'"):
        TfdsSource("values_set", data_dir=str(tmp_path))


def test_a_damaged_set_is_named_when_read(tmp_path: pathlib.Path) -> None:
    values_set(tmp_path).download_and_prepare()
    for shard in tmp_path.rglob("*.array_record*"):
        data = shard.read_bytes()
        shard.write_bytes(bytes(len(data) // 2) + data[len(data) // 2 :])
    with pytest.raises(DataError, match=r"values_set.* cannot be read"):
        TfdsSource("values_set", data_dir=str(tmp_path))[1]


def test_the_data_floor_does_not_import_tfds() -> None:
    names = [p.stem for p in (ROOT / "semjax/data").glob("[!_]*.py") if p.stem != "scenes_builder"]
    code = f"import sys, {', '.join(f'semjax.data.{name}' for name in names)}, semjax.data.__main__; "
    code += "print([m for m in ('tensorflow_datasets', 'tensorflow', 'matplotlib') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
