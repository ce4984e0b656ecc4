"""An evaluation refuses JPEG copies of small pictures, and says so in its report where it is told to measure them."""

import io
import json
import pathlib

import numpy as np
import pytest
from PIL import Image

from semjax.app import build, config, evaluate
from semjax.data.files import ArraySource, DataError
from semjax.data.jpeg_traces import check_lossless

CIFAR = "cifar10_lossless/cifar10_first4000_part.npz"


@pytest.fixture
def shipped(data_dir: pathlib.Path, tmp_path: pathlib.Path) -> pathlib.Path:
    """The linear system, to be measured on 24 small pictures that went through JPEG; `lossless` holds the originals."""
    pixels = ArraySource(data_dir / CIFAR, "x_val")._pixels[:24]
    copies = []
    for picture in pixels:
        buffer = io.BytesIO()
        Image.fromarray(picture).save(buffer, "JPEG", quality=90)
        copies.append(np.asarray(Image.open(buffer)))
    np.savez(tmp_path / "pictures.npz", lossless=pixels, copies=np.stack(copies))
    array = {"source": "array", "path": str(tmp_path / "pictures.npz"), "key": "copies"}
    asked = {"data": array, "snr_db": (10.0,), "metrics": ("psnr",), "batch_size": 12}
    cfg = {"system": {"name": "linear", "cbr": 1 / 12}, "data": {"train": {**array, "crop": 32}}, "eval": asked}
    resolved = config.resolve(cfg, build.default_registry())
    (tmp_path / build.CONFIG_FILE).write_text(config.to_json(resolved))
    np.savez(tmp_path / build.PARAMS_FILE, **{build.META_KEY: np.array(json.dumps({"step": 0}))})
    return tmp_path


def test_copies_are_refused_and_where_allowed_named(shipped: pathlib.Path) -> None:
    registry = build.default_registry()
    with pytest.raises(DataError, match="went through JPEG"):
        evaluate.evaluate(shipped, registry=registry)
    assert not (shipped / "report").exists()
    allowed = evaluate.evaluate(shipped, registry=registry, overrides=[("eval.allow_reencoded", "True")])
    assert "Pictures re-encoded" in allowed.index.read_text()
    assert check_lossless(ArraySource(shipped / "pictures.npz", "lossless"), allowed=False) == {}
