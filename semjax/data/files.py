"""Sources of pictures that lie in files: an archive with an index, a folder, an array.

A source is random access: `len(source)` and `source[i] -> {"image": float32[h, w, 3] in [0, 1], "id": int}`. Records
are read and decoded when asked for. `id` is the place of the picture in the source's own full order, so it does not
change with the chosen split. Every source pickles, and may be read from many threads at once.

An archive is a folder with `NAME.tar`, a plain ustar file, and `NAME.index.json`, a list with one entry per record:
`{"file", "offset", "length", "sha256", "split"}`; a reader seeks to `offset` and reads `length` bytes.
`python -m semjax.data pack FOLDER OUT` makes one (see `pack.py`).
"""

import hashlib
import json
import os
import pathlib
from typing import Any, Protocol, TypedDict

import numpy as np

from semjax.data import images

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".avif", ".bmp", ".gif", ".jp2", ".pgm", ".ppm", ".tif", ".tiff")
PACK_COMMAND = "python -m semjax.data pack FOLDER OUT"
SET_ROOT = "--config.data.train.root=DIR (likewise val.root, eval.data.root)"


class DataError(ValueError):
    """Data that is missing or not as it should be; the message says what to run or to set."""


class Record(TypedDict):
    """One picture: `image` float32[h, w, 3] in [0, 1] and `id`, its place in the source's full order."""

    image: np.ndarray
    id: int


class Source(Protocol):
    """Random access to pictures."""

    def __len__(self) -> int:
        """The number of pictures."""
        ...

    def __getitem__(self, index: int) -> Record:
        """Reads and decodes picture `index`."""
        ...


def located(path: str | os.PathLike[str]) -> pathlib.Path:
    """The path with `$NAME` and `~` filled in, so that a configuration need hold nobody's folders.

    Raises:
      DataError: an environment variable in it is not set.
    """
    filled = os.path.expanduser(os.path.expandvars(path))
    if "$" in str(filled):
        raise DataError(f"{str(path)!r} names an environment variable that is not set; set it, or set {SET_ROOT}")
    return pathlib.Path(filled)


class ArchiveSource:
    """Pictures of one split (or of all) of an archive.

    Args:
      root: folder that holds `NAME.tar` and `NAME.index.json`.
      split: which entries to read; None reads all.
      name: NAME.

    Raises:
      DataError: no such archive, an unreadable index, or a split it does not have.
    """

    def __init__(self, root: str | os.PathLike[str], *, split: str | None = None, name: str = "images"):
        folder = located(root)
        self.tar = folder / f"{name}.tar"
        index = folder / f"{name}.index.json"
        if not root or not self.tar.is_file() or not index.is_file():
            raise DataError(
                f"no archive at {str(root)!r} (looked for {self.tar.name} and {index.name} in it); make one with "
                f"`{PACK_COMMAND}`, then set {SET_ROOT} to OUT"
            )
        entries = _read_index(index)
        splits = sorted({str(entry.get("split")) for entry in entries})
        if split is not None and split not in splits:
            raise DataError(f"{index} has no split {split!r}; its splits are: {', '.join(splits)}")
        self.total = len(entries)
        self._entries = [(i, entry) for i, entry in enumerate(entries) if split in (None, entry.get("split"))]

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, index: int) -> Record:
        place, entry = self._entries[index]
        return {"image": images.decode(self.read(index), name=f"{self.tar}:{entry['file']}"), "id": place}

    @property
    def files(self) -> list[str]:
        """File name of each picture, in order."""
        return [entry["file"] for _, entry in self._entries]

    def read(self, index: int) -> bytes:
        """The bytes of record `index`, undecoded."""
        # Opened anew each time: nothing to share between threads or to leave out of a pickle.
        with self.tar.open("rb") as file:
            file.seek(self._entries[index][1]["offset"])
            return file.read(self._entries[index][1]["length"])

    def verify(self) -> None:
        """Reads every record and compares its SHA-256 with the index.

        Raises:
          DataError: some differ; the message names the first of them.
        """
        bad = [
            entry["file"]
            for i, (_, entry) in enumerate(self._entries)
            if hashlib.sha256(self.read(i)).hexdigest() != entry["sha256"]
        ]
        if bad:
            raise DataError(
                f"{self.tar}: {len(bad)} of {len(self)} records do not have the SHA-256 of the index: "
                f"{', '.join(bad[:5])}; copy the archive again, or make it again with `{PACK_COMMAND}`"
            )


def _read_index(path: pathlib.Path) -> list[dict[str, Any]]:
    try:
        entries = json.loads(path.read_bytes())
    except ValueError as error:
        raise DataError(f"{path} is not JSON ({error}); make the archive again with `{PACK_COMMAND}`") from error
    needed = {"file", "offset", "length", "sha256"}
    if not isinstance(entries, list) or not entries or any(needed - set(entry) for entry in entries):
        raise DataError(
            f"{path} is not a list of records with {', '.join(sorted(needed))}; make the archive again with "
            f"`{PACK_COMMAND}`"
        )
    return entries


class FolderSource:
    """The pictures under a folder, at any depth, sorted by their path in it.

    Args:
      root: the folder.

    Raises:
      DataError: no such folder, or no picture in it.
    """

    def __init__(self, root: str | os.PathLike[str]):
        self.root = located(root)
        if not root or not self.root.is_dir():
            raise DataError(f"no folder of pictures at {str(root)!r}; set {SET_ROOT} to one")
        found = [path.relative_to(self.root) for path in self.root.rglob("*") if path.suffix.lower() in SUFFIXES]
        self.files = sorted(path.as_posix() for path in found)
        if not self.files:
            raise DataError(
                f"the folder {str(root)!r} holds no picture (looked for {' '.join(SUFFIXES)}, at any depth); "
                f"set {SET_ROOT} to one that does"
            )

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> Record:
        path = self.root / self.files[index]
        return {"image": images.decode(path.read_bytes(), name=str(path)), "id": range(len(self))[index]}


class ArraySource:
    """Raw pictures in one array of an `.npz` file.

    Args:
      path: the file.
      key: name of the uint8[n, h, w, 3] array in it.

    Raises:
      DataError: no such file or key, or an array of another kind.
    """

    def __init__(self, path: str | os.PathLike[str], key: str):
        if not path or not located(path).is_file():
            raise DataError(f"no .npz file at {str(path)!r}; set --config.data.train.path=FILE to one")
        with np.load(located(path)) as arrays:
            if key not in arrays:
                raise DataError(f"{path} has no array {key!r}; its arrays are: {', '.join(sorted(arrays))}")
            self._pixels = arrays[key]
        if self._pixels.dtype != np.uint8 or self._pixels.ndim != 4 or self._pixels.shape[-1] != 3:
            raise DataError(
                f"{path}: array {key!r} is {self._pixels.dtype}{list(self._pixels.shape)}, expected uint8[n, h, w, 3]"
            )

    def __len__(self) -> int:
        return len(self._pixels)

    def __getitem__(self, index: int) -> Record:
        return {"image": images.from_uint8(self._pixels[index]), "id": range(len(self))[index]}
