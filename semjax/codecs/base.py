"""What a picture codec is, what its file format does for it, and what goes wrong.

    picture ─► Codec.compress ─► payload ─► Codec.decompress ─► picture^

A payload is one byte that tells the index of the setting, followed by a body without the headers that both ends know.
What both ends know is the codec, its parameters and the size of the picture; nothing else.
"""

import importlib
from types import ModuleType
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import UInt8

Picture = UInt8[np.ndarray, "h w 3"]
"""One RGB picture of 8 bits per sample."""

EXTRA = 'pip install "semjax[codecs]"'


class CodecError(ValueError):
    """A codec failed on one picture or payload; the message names codec, size of the picture, setting and cause."""


class DoesNotFit(ValueError):
    """Not even the coarsest setting of a codec fits in the bytes allowed."""


class MissingWheel(ImportError):
    """A codec needs a library that is not installed; the message says how to get it."""


@runtime_checkable
class Codec(Protocol):
    """Compresses one picture at one of several settings."""

    @property
    def name(self) -> str:
        """As result rows name it."""
        ...

    @property
    def terms(self) -> str:
        """Library, version and parameters in words, for result rows."""
        ...

    @property
    def settings(self) -> tuple[float, ...]:
        """What the library is told, from the coarsest to the finest; at most 256."""
        ...

    def compress(self, image: Picture, index: int) -> bytes:
        """Returns the payload of a picture at `settings[index]`.

        Raises:
          CodecError: the library failed, or wrote headers that the receiver cannot know.
        """
        ...

    def decompress(self, payload: bytes, *, height: int, width: int) -> Picture:
        """Returns the picture of `height` by `width` pixels.

        Raises:
          CodecError: for a payload that cannot be decoded. A damaged one may also give a wrong picture of that size.
        """
        ...


@runtime_checkable
class FileFormat(Protocol):
    """Files as a library writes and reads them, and what of them is worth sending. Hashable.

    `blank` is a file of the same format: the black picture of the same size at the same setting, which both ends make.
    """

    def write(self, image: Picture, setting: float) -> bytes:
        """Returns a whole file."""
        ...

    def read(self, file: bytes) -> Picture:
        """Returns the picture in a whole file."""
        ...

    def strip(self, file: bytes) -> bytes:
        """Returns what of a file the receiver cannot know."""
        ...

    def restore(self, body: bytes, blank: bytes) -> bytes:
        """Returns the file of which `strip` left `body`."""
        ...


def load_wheel(module: str, *, wheel: str, codec: str) -> ModuleType:
    """Imports an optional library when it is needed.

    Args:
      module: the name to import.
      wheel: the name to install.
      codec: who needs it, named in the error.

    Returns:
      The module.

    Raises:
      MissingWheel: it is not installed, or does not load.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingWheel(f"codec {codec} needs the wheel {wheel} ({error}). Install it with: {EXTRA}") from error
