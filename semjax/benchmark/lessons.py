"""What a student learns from and is asked about: the labelled objects of the photographs, as a frozen tower sees them.

    f_t = what the tower sees of token t,    share[r, t] = share of object r's pixels that lie in token t

A map over tokens, laid over the pixels, has the mean Σ_t share[r, t] · map_t within object r: that is the student's
score of the object. Pixels and masks are read from the folder of the data sets, labels from the benchmark's own file.
"""

import dataclasses
import functools
import hashlib
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jaxtyping import Float, Float32, Integer, UInt8

from semjax.benchmark import coco_part
from semjax.benchmark.labels import LEVELS
from semjax.benchmark.objects import BenchmarkError
from semjax.data.images import from_uint8
from semjax.encoders.mobilenet import WeightsError
from semjax.importance.picture_student import STRIDE, PictureTower, tower_params
from semjax.teachers.archives import AlbumError
from semjax.teachers.coco import CocoAlbum
from semjax.types import Tree

WEIGHTS = pathlib.PurePath("weights_mobilenet_v1_075", "mobilenet_v1_0.75_224.npz")
"""Place of the tower's weights in the folder of the data sets."""
Sight = Callable[[UInt8[np.ndarray, "h w 3"]], Float32[np.ndarray, "i j d"]]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Lesson:
    """One picture with its m labelled objects; s scenarios.

    Attributes:
      features: of each token.
      share: of each object's pixels, those in each token, by rows; every row sums to 1.
      target: importance of each object, in [0, 1].
    """

    features: Float32[np.ndarray, "i j d"]
    share: Float32[np.ndarray, "m n"]
    target: Float[np.ndarray, "m s"]


def shares(
    ids: Integer[np.ndarray, "h w"], regions: Sequence[int], *, stride: int = STRIDE
) -> Float32[np.ndarray, "m n"]:
    """Share of the pixels of each of some regions that lie in each token.

    Args:
      ids: region of each pixel.
      regions: which ones.
      stride: pixels per side of a token.

    Raises:
      BenchmarkError: a region without a pixel.

    >>> shares(np.array([[0, 1, 1, 1]]), [1], stride=2)
    array([[0.33333334, 0.6666667 ]], dtype=float32)
    """
    h, w = ids.shape
    i, j = -(-h // stride), -(-w // stride)
    token = np.arange(h)[:, None] // stride * j + np.arange(w) // stride
    counts = np.array([np.bincount(token[ids == region], minlength=i * j) for region in regions])
    total = counts.reshape(len(regions), i * j).sum(axis=1, keepdims=True)
    if not total.all():
        raise BenchmarkError(
            f"region {regions[int(np.argmin(total))]} has no pixel in its mask: copy the data set again"
        )
    return (counts / total).astype(np.float32)


def sight(tower: Tree) -> Sight:
    """What the tower with these parameters sees of a picture."""
    apply = _seeing()

    def see(image: np.ndarray) -> np.ndarray:
        h, w = image.shape[:2]
        # As the tower does, but here, so that few shapes are compiled.
        padded = np.pad(image, ((0, -h % (2 * STRIDE)), (0, -w % (2 * STRIDE)), (0, 0)), mode="edge")
        seen = apply({"params": tower}, from_uint8(padded)[None])
        return np.asarray(seen[0])[: -(-h // STRIDE), : -(-w // STRIDE)]

    return see


@functools.cache
def _seeing() -> Any:
    return jax.jit(PictureTower().apply)


def read_tower(path: pathlib.Path) -> tuple[Tree, str]:
    """The tower's parameters, and the SHA-256 of their file.

    Raises:
      BenchmarkError: no such file, or other weights.
    """
    try:
        return tower_params(path), hashlib.sha256(path.read_bytes()).hexdigest()
    except (WeightsError, OSError) as error:
        raise BenchmarkError(f"the tower's weights cannot be read: {error}") from error


def lessons(data: pathlib.Path, split: str, see: Sight) -> list[Lesson]:
    """The lessons of a split's pictures, in the order of the benchmark's labels.

    Args:
      data: the folder that holds `coco_vl` and `mllm_importance`.
      split: one of `coco_part.SPLITS`.
      see: `sight(...)`.

    Raises:
      BenchmarkError: pictures or masks that are missing, or not those that were labelled.
    """
    try:
        album = CocoAlbum(data, split)
    except (AlbumError, ValueError) as error:
        raise BenchmarkError(f"{error} (--data names the folder of the data sets)") from error
    place = {name: index for index, name in enumerate(album.names)}
    found = []
    for picture in coco_part.pictures(split):
        if picture.image not in place:
            raise BenchmarkError(f"{data} has no picture {picture.image} in split {split}: copy the data set again")
        view = album.view(place[picture.image])
        assert view.regions is not None
        region = {value: r for r, value in enumerate(view.given["mask_values"])}
        share = shares(view.regions.ids_map, [region[thing.mask_value] for thing in picture.objects])
        target = np.array([thing.levels for thing in picture.objects], np.float64) / LEVELS
        found.append(Lesson(features=see(view.image), share=share, target=target))
    return found
