"""The soak's comparison sees a single bit, and its disturbances do what they say."""

import pathlib
import random

import numpy as np
import pytest

from semjax.app import soak, storm


def state(**changes: np.ndarray) -> dict[str, np.ndarray]:
    return {"a": np.zeros(3, np.float32), "b": np.full(2, np.nan, np.float32), "c": np.arange(4), **changes}


def test_equal_is_bitwise_equal() -> None:
    assert soak.differing(state(), state()) == []


@pytest.mark.parametrize(
    ("path", "other"),
    [
        ("a", np.float32([0, 0, -0.0])),
        ("a", np.zeros(3, np.float64)),
        ("a", np.zeros((3, 1), np.float32)),
        ("b", np.float32([np.nan, -np.nan])),
        ("c", np.array([0, 1, 2, 7])),
        ("d", np.zeros(1)),
    ],
)
def test_whatever_differs_is_named(path: str, other: np.ndarray) -> None:
    assert soak.differing(state(), state(**{path: other})) == [path]
    assert soak.differing(state(**{path: other}), state()) == [path]


def test_each_damage_changes_a_file_as_it_says(tmp_path: pathlib.Path) -> None:
    rng, path, data = random.Random(0), tmp_path / "file", bytes(range(256))
    path.write_bytes(data)
    storm.flip_a_bit(path, rng)
    flipped = np.frombuffer(path.read_bytes(), np.uint8) ^ np.frombuffer(data, np.uint8)
    assert [int(byte).bit_count() for byte in flipped if byte] == [1]
    path.write_bytes(data)
    storm.truncate(path, rng)
    left = path.read_bytes()
    assert len(left) < 256
    assert data.startswith(left)
    path.write_bytes(data)
    storm.add_garbage(path, rng)
    assert path.read_bytes().startswith(data)
    assert path.stat().st_size > 256
    storm.delete(path, rng)
    assert not path.exists()


def test_the_last_good_checkpoint_is_never_damaged(tmp_path: pathlib.Path) -> None:
    weather = storm.Storm(command=(), workdir=tmp_path, says=tmp_path, rng=random.Random(0), rest_s=0.0)
    flip = next(kind for kind in storm.KINDS if kind.checkpoint is storm.delete)
    for step in (10, 20):
        folder = tmp_path / "ckpt" / str(step)
        folder.mkdir(parents=True)
        (folder / "manifest.json").write_text("{}")
        weather._damage(flip)
    assert (tmp_path / "ckpt" / "10" / "manifest.json").exists()
    assert not (tmp_path / "ckpt" / "20" / "manifest.json").exists()
