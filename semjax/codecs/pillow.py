"""Files as Pillow writes and reads them."""

import io
from typing import Any

import numpy as np
import PIL
from PIL import Image, features

from semjax.codecs.base import MissingWheel, Picture


def write(image: Picture, kind: str, **options: Any) -> bytes:
    """Writes one picture.

    Args:
      image: uint8[h, w, 3].
      kind: Pillow's name of the file format.
      **options: of Pillow's `save` for that format.

    Returns:
      The whole file.
    """
    with io.BytesIO() as file:
        Image.fromarray(image).save(file, kind, **options)
        return file.getvalue()


def read(file: bytes, kind: str) -> Picture:
    """Reads one picture.

    Args:
      file: the whole file.
      kind: Pillow's name of the file format; no other is tried.

    Returns:
      uint8[h, w, 3].
    """
    with Image.open(io.BytesIO(file), formats=[kind]) as picture:
        return np.array(picture.convert("RGB"))


def library(feature: str, name: str) -> str:
    """Says which library of Pillow does the work.

    Args:
      feature: Pillow's name of it.
      name: its name in words.

    Returns:
      Name and version of the library and of Pillow.

    Raises:
      MissingWheel: this Pillow was built without it.
    """
    if not features.check(feature):
        raise MissingWheel(
            f"this Pillow {PIL.__version__} was built without {name}; the wheel has it: "
            "pip install --force-reinstall --only-binary pillow pillow"
        )
    return f"{name} {features.version(feature)} (Pillow {PIL.__version__})"
