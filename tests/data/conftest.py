"""Twenty pictures of many kinds in a folder, and a process in which TensorFlow cannot be imported."""

import pathlib
import sys
from typing import Any

import numpy as np
import pytest
from PIL import Image

KINDS = ("RGB.png", "RGB.jpg", "L.png", "RGBA.png", "RGB.webp", "I;16.png", "P.png")


class WithoutTensorFlow:
    """A finder of modules that does not find TensorFlow."""

    def __init__(self, finder: Any):
        self._finder = finder

    def __getattr__(self, name: str) -> Any:
        return getattr(self._finder, name)

    def find_spec(self, name: str, *rest: Any) -> Any:
        return None if name.partition(".")[0] == "tensorflow" else self._finder.find_spec(name, *rest)


@pytest.fixture
def no_tensorflow(monkeypatch: pytest.MonkeyPatch) -> None:
    """`import tensorflow` fails, as where it is not installed."""
    assert "tensorflow" not in sys.modules
    monkeypatch.setattr(sys, "meta_path", [WithoutTensorFlow(finder) for finder in sys.meta_path])
    with pytest.raises(ModuleNotFoundError):
        import tensorflow  # type: ignore[import-not-found]  # noqa: F401


@pytest.fixture(scope="session")
def twenty(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Pictures of 20 sizes, one of them smaller than a crop of 16, in a subfolder `train`."""
    folder = tmp_path_factory.mktemp("twenty")
    (folder / "train").mkdir()
    rng = np.random.default_rng(20)
    for i in range(20):
        mode, suffix = KINDS[i % len(KINDS)].split(".")
        height, width = (12, 30) if i == 11 else (17 + i % 5, 16 + i % 7)
        pixels = rng.integers(0, 256, (height, width, {"RGBA": 4, "L": 1, "I;16": 1}.get(mode, 3)), np.uint8)
        picture = Image.fromarray(pixels.squeeze())
        if mode == "I;16":
            picture = Image.fromarray(pixels[..., 0].astype(np.uint16) * 200)
        if mode == "P":
            picture = picture.convert("P")
        picture.save(folder / "train" / f"p{i:02d}.{suffix}")
    return folder
