"""A student for few labelled pictures: it sees a picture through a frozen network that was trained on many others.

    picture ─► frozen MobileNet ─► φ = √[map of stride 16, map of stride 32 ↑2]      `PictureTower`, [b, h/16, w/16, d]
    v_t = A φ_t + B mean φ + C (y, x, y², x²)_t + c                                    `PictureStudent`
    logits_t = v_t of the scenario,  A = B = C = c = 0 at the start                  I = sigmoid(logits / T)

The mean is over all tokens of the picture, (y, x) the token's centre in [-1, 1]². The maps end in ReLU6: they are 0 or
more, and the root keeps the strongest features from drowning the others. T is the temperature of the losses
(`semjax.losses.distill`).

The tower's parameters are not the student's: they come in from outside, as those of a frozen network do, and its
features take the place of the latents y. Nothing of the tower is learned, and no gradient goes through it.

CHOICE: linear in what the tower sees. In cross-validation on the 148 labelled pictures of COCO a hidden layer gained
nothing, maps twice as fine little; a student of this kind that sees the latents of a linear transform alone explains
half as much.

Source: the student's role, arXiv 2509.07436 (SA-OOSC), abstract; the tower: arXiv 1704.04861.
"""

import dataclasses
import functools
import importlib.resources
import json
import os
import pathlib
import zipfile
from collections.abc import Callable, Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from semjax.encoders.mobilenet import MobileNetV1, load_mobilenet
from semjax.importance.base import ImportanceError, ImportanceOut
from semjax.types import Image, Public, Tree

STRIDE = 16
MOBILENET = "$SEMJAX_DATA/weights_mobilenet_v1_075/mobilenet_v1_0.75_224.npz"
"""Where the tower's weights usually are; they do not come with the package."""
SHIPPED = ("coco",)
"""Names of the students that come with the package."""
LAYERS = ("near", "whole", "place")
META = "meta"


class PictureTower(nn.Module):
    """What a frozen network sees of each token of 16 x 16 pixels.

    Attributes:
      net: image [b, h, w, 3] → `MobileNetOut`, whose maps have strides 16 and 32.
    """

    net: nn.Module = dataclasses.field(default_factory=MobileNetV1)

    def __call__(self, image: Image, public: Public | None = None) -> Float[Array, "b i j d"]:
        """Features of pictures of any size; i = ⌈h / 16⌉, j = ⌈w / 16⌉."""
        del public
        h, w = image.shape[1:3]
        # To whole cells of the coarser map, so that both maps lie over the same pixels.
        rows, columns = ((0, -side % (2 * STRIDE)) for side in (h, w))
        out: Any = self.net(jnp.pad(image, ((0, 0), rows, columns, (0, 0)), mode="edge"))
        last = jax.image.resize(out.map, (*out.middle.shape[:3], out.map.shape[-1]), "linear")
        seen = jax.lax.stop_gradient(jnp.concatenate([out.middle, last], axis=-1))
        return jnp.sqrt(seen)[:, : -(-h // STRIDE), : -(-w // STRIDE)]


def tower_params(path: str | os.PathLike[str]) -> Tree:
    """Parameters of `PictureTower()` from a file of MobileNet weights (`load_mobilenet`).

    Raises:
      WeightsError: no such file, or other weights.
    """
    return {"net": load_mobilenet(path, MobileNetV1())["params"]}


class PictureStudent(nn.Module):
    """Says which tokens matter under a scenario, from the features of `PictureTower`.

    Attributes:
      scenarios: how many there are.
      start: a student to begin as, by its name in `SHIPPED` or its file; "" = importance 1/2 everywhere.
      temperature: T, that of the losses.
    """

    scenarios: int
    start: str = ""
    temperature: float = 2.0

    @nn.compact
    def __call__(self, y: Float[Array, "b i j d"], public: Public, given: Mapping[str, Array]) -> ImportanceOut:
        """Importance of the tokens, whose features `y` are the tower's; `given` is not read.

        Raises:
          ImportanceError: `public` names no scenarios, or `start` is a student of other features or scenarios.
        """
        del given
        if public.scenario is None:
            raise ImportanceError("Public.scenario is None: this student needs each picture's scenario id")
        y = y.astype(jnp.float32)
        v = self._layer("near")(y) + self._layer("whole")(jnp.mean(y, axis=(1, 2), keepdims=True))
        v = v + self._layer("place", bias=True)(jnp.asarray(places(*y.shape[1:3])))
        known = jnp.where(public.scenario < 0, self.scenarios, public.scenario)[:, None, None, None]
        logits = jnp.take_along_axis(v, known, axis=-1, mode="fill", fill_value=jnp.nan)[..., 0]
        return ImportanceOut(importance=nn.sigmoid(logits / self.temperature), logits=logits)

    def _layer(self, name: str, *, bias: bool = False) -> nn.Dense:
        kernel, offset = (_begins(self.start, name, leaf) for leaf in ("kernel", "bias"))
        return nn.Dense(self.scenarios, use_bias=bias, kernel_init=kernel, bias_init=offset, name=name)


def places(i: int, j: int) -> Float[np.ndarray, "i j 4"]:
    """Down, right, and their squares, of the centres of i x j tokens; down and right go from -1 to 1."""
    down, right = ((np.arange(n, dtype=np.float32) + 0.5) / n * 2 - 1 for n in (i, j))
    grid = np.stack(np.meshgrid(down, right, indexing="ij"), axis=-1)
    return np.concatenate([grid, grid**2], axis=-1)


def _begins(start: str, layer: str, leaf: str) -> Callable[..., Array]:
    """An initialiser: zeros, or that array of the student `start`."""

    def begin(key: Array, shape: tuple[int, ...], dtype: Any = jnp.float32) -> Array:
        del key
        if not start:
            return jnp.zeros(shape, dtype)
        student = load_student(start)
        values = student.params[layer][leaf]
        if values.shape != tuple(shape):
            raise ImportanceError(
                f"the student {start!r} has {layer}/{leaf} of shape {values.shape}, and {tuple(shape)} is needed: it "
                f"knows {len(student.scenarios)} scenarios ({', '.join(student.scenarios)}) and features of its tower"
            )
        return jnp.asarray(values, dtype)

    return begin


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Student:
    """A trained `PictureStudent`.

    Attributes:
      params: its parameters, float32.
      scenarios: names of the scenarios, in the order of their numbers.
      tower: SHA-256, in hex, of the file of the tower's weights.
      about: what it was trained on, in words.
    """

    params: Mapping[str, Mapping[str, np.ndarray]]
    scenarios: tuple[str, ...]
    tower: str
    about: str = ""


def save_student(student: Student, path: str | os.PathLike[str]) -> None:
    """Writes a student as npz; `load_student` gives back the same.

    Raises:
      OSError: the file cannot be written.
    """
    arrays = {f"{layer}/{leaf}": array for layer, part in student.params.items() for leaf, array in part.items()}
    facts = {"scenarios": student.scenarios, "tower": student.tower, "about": student.about}
    told: Any = {META: np.array(json.dumps(facts)), **arrays}
    with pathlib.Path(path).open("wb") as file:
        np.savez(file, **told)


@functools.lru_cache(maxsize=4)
def load_student(name_or_path: str) -> Student:
    """Reads a student: one of `SHIPPED`, or a file.

    Raises:
      ImportanceError: there is no such file, or it holds no student.
    """
    shipped = importlib.resources.files("semjax.importance") / f"student_{name_or_path}.npz"
    place: Any = shipped if name_or_path in SHIPPED else pathlib.Path(name_or_path)
    try:
        with place.open("rb") as raw, np.load(raw) as file:
            arrays = {name: file[name] for name in file.files}
        facts = json.loads(str(arrays.pop(META)))
        params = {layer: {leaf: arrays.pop(f"{layer}/{leaf}") for leaf in _leaves(layer)} for layer in LAYERS}
        told = {"scenarios": tuple(facts["scenarios"]), "tower": facts["tower"], "about": facts["about"]}
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise ImportanceError(
            f"{name_or_path!r} cannot be read as a student ({error}); name one of {', '.join(SHIPPED)}, or a file made "
            "with: python -m semjax.benchmark train-student"
        ) from error
    return Student(params=params, **told)


def _leaves(layer: str) -> tuple[str, ...]:
    return ("kernel", "bias") if layer == "place" else ("kernel",)
