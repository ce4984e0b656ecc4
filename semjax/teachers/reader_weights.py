"""The shipped weights of readers, inside the package so that an installed one has them.

| file                | seed | for                                                               |
|---------------------|------|-------------------------------------------------------------------|
| reader_scenes.npz   | 0    | evaluating and labelling: `Reader.default()`                      |
| reader_scenes_b.npz | 1    | losses and checks: who learns from one reader is judged by another |

They are the `params.npz` of `python -m semjax.app.export`: arrays by path, bfloat16 as its 16 bits under a name that
ends in "@bfloat16", and the facts of the run as `meta`. `reader_scenes.md` is their card.
"""

import dataclasses
import hashlib
import importlib.resources
import json
import pathlib
import zipfile
from typing import Any

import jax.numpy as jnp
import numpy as np

from semjax.encoders.crop_reader import CropReader
from semjax.types import Tree

SHIPPED = ("reader_scenes", "reader_scenes_b")
BFLOAT16 = "@bfloat16"
META = "meta"


class WeightsError(ValueError):
    """A file that holds no weights of a reader."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Weights:
    """Weights of a reader.

    Attributes:
      variables: {"params": ...}, float32.
      module: the network they fit.
      digest: SHA-256, in hex, of names and values.
      facts: of the run that made them.
    """

    variables: Tree
    module: CropReader
    digest: str
    facts: dict[str, Any]


def shipped(name: str) -> Weights:
    """The weights of one of `SHIPPED`.

    Raises:
      WeightsError: no such name.
    """
    if name not in SHIPPED:
        raise WeightsError(f"there are no shipped weights {name!r}; there are {', '.join(SHIPPED)}")
    with importlib.resources.as_file(importlib.resources.files("semjax.teachers") / f"{name}.npz") as path:
        return load(path)


def load(path: str | pathlib.Path) -> Weights:
    """The weights in a file.

    Raises:
      WeightsError: the file is missing, is no .npz, or holds other arrays than a reader's.
    """
    try:
        with pathlib.Path(path).open("rb") as raw, zipfile.ZipFile(raw), np.load(raw) as file:
            arrays = {name: file[name] for name in file.files}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise WeightsError(f"{path} cannot be read as weights of a reader: {error}") from error
    facts = json.loads(str(arrays.pop(META))) if META in arrays else {}
    told = hashlib.sha256()
    params: dict[str, dict[str, Any]] = {}
    for name in sorted(arrays):
        array = arrays[name]
        told.update(f"{name} {array.dtype} {array.shape} ".encode() + array.tobytes())
        values = array.view(jnp.bfloat16) if name.endswith(BFLOAT16) else array
        layer, leaf = _place(name.removesuffix(BFLOAT16), path)
        params.setdefault(layer, {})[leaf] = jnp.asarray(values.astype(np.float32))
    return Weights(variables={"params": params}, module=_module(params, path), digest=told.hexdigest(), facts=facts)


def _place(name: str, path: Any) -> tuple[str, str]:
    parts = name.split("/")
    if len(parts) != 3 or parts[0] != "params":
        raise WeightsError(f"{path} holds {name!r}, which is no array of a reader (params/LAYER/kernel or bias)")
    return parts[1], parts[2]


def _module(params: dict[str, dict[str, Any]], path: Any) -> CropReader:
    """The network of these widths, after checking that everything of it is there."""
    wanted = ("crop", "embed", "scene", "shape", "colour", "texture", "something", "background")
    if sorted(params) != sorted(wanted) or any(sorted(layer) != ["bias", "kernel"] for layer in params.values()):
        raise WeightsError(f"{path} holds layers {', '.join(sorted(params))}; a reader has {', '.join(sorted(wanted))}")
    width, embed, scene = (params[layer]["bias"].shape[0] for layer in ("crop", "embed", "scene"))
    return CropReader(width=width, embed=embed, scene_width=scene)
