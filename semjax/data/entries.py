"""What is known of the pictures of any source: id, name, size, SHA-256; and where a picture really lies.

Sources that are made of others (a cache, a mixture, several archives) say by `inside(i) -> (source, index)` where they
have picture i from. The questions here go down that way to the source that reads it, and are answered without decoding
wherever the source can; a source that only has a length and pictures is asked for the pictures.
"""

import hashlib
from typing import Any

import numpy as np

from semjax.data import images
from semjax.data.files import DataError, Entry, Source

UNREADABLE = "unreadable"


def unwrapped(source: Source) -> Source:
    """The source inside wrappers that keep all pictures and their order (cache, guard)."""
    while getattr(source, "same_order", False):
        source = source.source  # type: ignore[attr-defined]
    return source


def leaf(source: Source, index: int) -> tuple[Source, int]:
    """The source that reads picture `index`, and the picture's index there."""
    while hasattr(source, "inside"):
        source, index = source.inside(index)  # type: ignore[attr-defined]
    return source, index


def total_of(source: Source) -> int:
    """How many ids a source has room for: the pictures of all its splits."""
    while not hasattr(source, "total") and hasattr(source, "source"):
        source = source.source  # type: ignore[attr-defined]
    return getattr(source, "total", len(source))


def id_of(source: Source, index: int) -> int:
    """The id of picture `index`, without reading it."""
    if hasattr(source, "place"):
        return source.place(index)  # type: ignore[attr-defined]
    if hasattr(source, "inside"):
        return id_of(*source.inside(index))  # type: ignore[attr-defined]
    return range(len(source))[index]


def blank_of(source: Source) -> dict[str, dict[str, np.ndarray]]:
    """What stands for the maps and labels of a picture that cannot be read; {} where the source gives none."""
    while not hasattr(source, "blank"):
        if hasattr(source, "parts"):
            source = source.parts[0].source  # type: ignore[attr-defined]
        elif hasattr(source, "source"):
            source = source.source  # type: ignore[attr-defined]
        else:
            return {}
    return source.blank()  # type: ignore[attr-defined]


def name_of(source: Source, index: int) -> str:
    """What errors call picture `index`."""
    return _entry(*leaf(source, index)).name


def encoded(source: Source, index: int) -> bytes | None:
    """The undecoded bytes of picture `index`; None if its source has none.

    Raises:
      DataError: they cannot be read.
    """
    reader, place = leaf(source, index)
    return reader.read(place) if hasattr(reader, "read") else None  # type: ignore[attr-defined]


def digest_of(source: Source, index: int) -> str:
    """The SHA-256 of picture `index`, in hex: of its encoded bytes, or of its values where it has none.

    A picture that cannot be read answers `UNREADABLE`.
    """
    reader, place = leaf(source, index)
    try:
        known = _entry(reader, place).sha256
        if known:
            return known
        data: Any = encoded(reader, place)
        return hashlib.sha256(reader[place]["image"].tobytes() if data is None else data).hexdigest()
    except (DataError, images.ImageError, OSError):
        return UNREADABLE


def size_of(source: Source, index: int) -> tuple[int, int] | None:
    """Height and width of picture `index`; of an encoded one only the header is decoded. None: it cannot be read."""
    reader, place = leaf(source, index)
    try:
        entry = _entry(reader, place)
        if entry.size:
            return entry.size
        data = encoded(reader, place)
        return reader[place]["image"].shape[:2] if data is None else images.size(data, name=entry.name)
    except (DataError, images.ImageError, OSError):
        return None


def _entry(reader: Source, index: int) -> Entry:
    if hasattr(reader, "entry"):
        return reader.entry(index)  # type: ignore[attr-defined]
    return Entry(name=f"{getattr(reader, 'title', '') or type(reader).__name__} picture {index}")
