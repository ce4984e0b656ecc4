"""`MobileNet`: features and labels of a frozen network with real weights, when they are on disk.

A picture is resized (antialiased bilinear, Pillow) so that its shorter side has 256 pixels, and the centre 224 x 224 is
what the network sees. Features of a region are the mean of the last map, weighted by how much of each cell's square of
the picture the region covers; a region outside the centre crop has zeros. Pictures go through the network one by one:
what is said of one never depends on its neighbours in a batch.
"""

import functools
import hashlib
import json
import os
import pathlib
from collections.abc import Callable, Sequence

import jax
import numpy as np
from jaxtyping import Float32, Int, UInt8
from PIL import Image

from semjax.data.images import from_uint8
from semjax.encoders.mobilenet import MobileNetOut, MobileNetV1, WeightsError, load_mobilenet
from semjax.store.record import Regions
from semjax.teachers.base import Embedding, Json, Silent, View

FILE = "mobilenet_v1_0.75_224.npz"
LABELS = "metadata.json"
RESIZE, CROP = 256, 224
PREPROCESSING = f"short side {RESIZE}, Pillow bilinear with antialiasing; centre crop {CROP}; 2v - 1"


class MobileNet(Silent):
    """MobileNet v1 0.75 / 224.

    Args:
      path: the folder that holds `mobilenet_v1_0.75_224.npz` and, for `label_names`, `metadata.json`.

    Raises:
      WeightsError: no weights there, or other ones.
    """

    def __init__(self, path: str | os.PathLike[str]):
        self._folder = pathlib.Path(path)
        file = self._folder / FILE
        if not file.is_file():
            raise WeightsError(f"no {FILE} in {str(path)!r}; name the folder of the MobileNet weights")
        self._digest = hashlib.sha256(file.read_bytes()).hexdigest()
        self._variables = load_mobilenet(file, MobileNetV1())

    @property
    def fingerprint(self) -> dict[str, Json]:
        """The weights' digest and the preprocessing."""
        return {
            "kind": "mobilenet",
            "model": "mobilenet_v1_0.75_224",
            "weights": self._digest,
            "dtype": "float32",
            "preprocessing": PREPROCESSING,
        }

    def embed_image(self, views: Sequence[View], *, dense: bool = False) -> list[Embedding]:
        """Pooled features [768], those of each region, and with `dense` those of the 49 cells of the last map."""
        return [self._embedding(view, dense) for view in views]

    def logits(self, images: Sequence[UInt8[np.ndarray, "h w 3"]]) -> Float32[np.ndarray, "n 1000"]:
        """Class logits of pictures of any sizes, in the order of sorted WordNet ids."""
        return np.stack([self._seen(image).logits[0] for image in images])

    def labels(self, images: Sequence[UInt8[np.ndarray, "h w 3"]]) -> Int[np.ndarray, "n"]:
        """The most probable class of each picture."""
        return self.logits(images).argmax(axis=1)

    def label_agreement(
        self, a: Sequence[UInt8[np.ndarray, "h w 3"]], b: Sequence[UInt8[np.ndarray, "h w 3"]]
    ) -> float:
        """Share of places at which two sets of pictures have the same most probable class.

        Raises:
          ValueError: the sets are empty, or not equally many.
        """
        if len(a) != len(b) or not len(a):
            raise ValueError(f"label agreement needs as many pictures in both sets, got {len(a)} and {len(b)}")
        return float((self.labels(a) == self.labels(b)).mean())

    @functools.cached_property
    def label_names(self) -> tuple[str, ...]:
        """Names of the classes, from `metadata.json`.

        Raises:
          WeightsError: no such file, or not 1000 names in it.
        """
        path = self._folder / LABELS
        try:
            names = json.loads(path.read_text(encoding="utf-8"))["labels"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise WeightsError(f"{path} has no names of classes ({error!r}); put it beside the weights") from error
        if len(names) != MobileNetV1.classes:
            raise WeightsError(f"{path} names {len(names)} classes, expected {MobileNetV1.classes}")
        return tuple(names)

    def _seen(self, image: np.ndarray) -> MobileNetOut:
        out = _applied()(self._variables, from_uint8(cropped(image))[None])
        return MobileNetOut(*(np.asarray(part) for part in out))  # type: ignore[arg-type]

    def _embedding(self, view: View, dense: bool) -> Embedding:
        out = self._seen(view.image)
        features = np.asarray(out.map[0])
        cells = features.reshape(-1, features.shape[-1])
        regions = None
        if view.regions is not None:
            weight = coverage(view.regions, cells=features.shape[0])
            regions = (weight @ cells) / np.maximum(weight.sum(axis=1, keepdims=True), 1e-6)
        return Embedding(pooled=np.asarray(out.pooled[0]), regions=regions, dense=cells if dense else None)


@functools.cache
def _applied() -> Callable[..., MobileNetOut]:
    return jax.jit(MobileNetV1().apply)  # type: ignore[return-value]


def cropped(image: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "224 224 3"]:
    """What the network sees of a picture."""
    return _centre(Image.fromarray(image), Image.Resampling.BILINEAR)


def coverage(regions: Regions, *, cells: int) -> Float32[np.ndarray, "m n"]:
    """Share of each of cells² squares of the centre crop that each region covers."""
    ids = _centre(Image.fromarray(regions.ids_map), Image.Resampling.NEAREST)
    side = CROP // cells
    squares = ids.reshape(cells, side, cells, side).swapaxes(1, 2).reshape(cells * cells, side * side)
    counts = [np.bincount(square, minlength=256)[: len(regions.names)] for square in squares]
    return (np.stack(counts, axis=1) / side**2).astype(np.float32)


def _centre(image: Image.Image, resampling: Image.Resampling) -> np.ndarray:
    scale = RESIZE / min(image.size)
    width, height = (max(RESIZE, round(side * scale)) for side in image.size)
    left, top = (width - CROP) // 2, (height - CROP) // 2
    resized = image.resize((width, height), resampling)
    return np.asarray(resized.crop((left, top, left + CROP, top + CROP)))
