"""Sources of pictures that lie in files: an archive with an index, a folder, an array.

A source is random access: `len(source)` and `source[i] -> {"image": float32[h, w, 3] in [0, 1], "id": int}`. Records
are read and decoded when asked for. `id` is the place of the picture in the source's own full order, so it does not
change with the chosen split. Every source pickles, and may be read from many threads at once. What else a source may
say of itself is optional: `read(i)` gives the undecoded bytes of a picture, `entry(i)` what is known without reading
it, `place(i)` its id, `total` the number of pictures over all splits, `inside(i)` where a source that is made of others
has picture i from, `blank()` maps and labels of zeros, with maps of one pixel, for a picture that cannot be read
(`entries.py` asks for these).

An archive is a folder with `NAME.tar`, a plain ustar file, and `NAME.index.json`, a list with one entry per record:
`{"file", "offset", "length", "sha256", "split"}`; a reader seeks to `offset` and reads `length` bytes.
`python -m semjax.data pack FOLDER OUT` makes one (see `pack.py`).
"""

import dataclasses
import hashlib
import json
import os
import pathlib
from typing import Any, NotRequired, Protocol, TypedDict

import numpy as np

from semjax.data import images

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".avif", ".bmp", ".gif", ".jp2", ".pgm", ".ppm", ".tif", ".tiff")
PACK_COMMAND = "python -m semjax.data pack FOLDER OUT"
SET_ROOT = "--config.data.train.root=DIR (likewise val.root, eval.data.root)"


class DataError(ValueError):
    """Data that is missing or not as it should be; the message says what to run or to set."""


class Record(TypedDict):
    """One picture: `image` float32[h, w, 3] in [0, 1] and `id`, its place in the source's full order.

    What is known of it comes beside: `maps`, arrays [h, w, ...] of its pixels, which are cropped and flipped with it,
    and `labels`, arrays of the whole picture (places in them are not moved by a crop). Every record of a source has the
    same ones, of the same shapes. `_mask` False marks a picture that could not be read
    (`semjax/data/bad_records.py`); absent means True.
    """

    image: np.ndarray
    id: int
    maps: NotRequired[dict[str, np.ndarray]]
    labels: NotRequired[dict[str, np.ndarray]]
    _mask: NotRequired[bool]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Entry:
    """What a source knows of a picture without reading it.

    Attributes:
      name: what errors call it.
      sha256: of its encoded bytes, in hex; None = not known.
      size: height and width as decoded; None = not known.
    """

    name: str
    sha256: str | None = None
    size: tuple[int, int] | None = None


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
        entries = read_index(index)
        splits = sorted({str(entry.get("split")) for entry in entries})
        if split is not None and split not in splits:
            raise DataError(f"{index} has no split {split!r}; its splits are: {', '.join(splits)}")
        self.total = len(entries)
        self.title, self.split = folder.name, split
        self._entries = [(i, entry) for i, entry in enumerate(entries) if split in (None, entry.get("split"))]

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, index: int) -> Record:
        entry = self.entry(index)
        data = self.read(index)
        if hashlib.sha256(data).hexdigest() != entry.sha256:
            raise DataError(f"{entry.name}: the bytes do not have the SHA-256 of the index; copy the archive again")
        return {"image": images.decode(data, name=entry.name), "id": self.place(index)}

    def place(self, index: int) -> int:
        """The id of picture `index`."""
        return self._entries[index][0]

    def entry(self, index: int) -> Entry:
        """What the index says of picture `index`."""
        found = self._entries[index][1]
        size = (found["height"], found["width"]) if "height" in found and "width" in found else None
        return Entry(name=f"{self.tar}:{found['file']}", sha256=found["sha256"], size=size)

    @property
    def files(self) -> list[str]:
        """File name of each picture, in order."""
        return [entry["file"] for _, entry in self._entries]

    def read(self, index: int) -> bytes:
        """The bytes of record `index`, undecoded.

        Raises:
          DataError: the tar file is gone, or ends before the record does.
        """
        entry = self._entries[index][1]
        try:
            # Opened anew each time: nothing to share between threads or to leave out of a pickle.
            with self.tar.open("rb") as file:
                file.seek(entry["offset"])
                data = file.read(entry["length"])
        except OSError as error:
            raise gone(f"{self.tar}:{entry['file']}", error) from error
        if len(data) < entry["length"]:
            raise DataError(
                f"{self.tar}:{entry['file']}: the tar file ends before the record does ({len(data)} of "
                f"{entry['length']} bytes); copy the archive again, or make it again with `{PACK_COMMAND}`"
            )
        return data

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


def gone(name: str, error: OSError) -> DataError:
    """The error of a file that was there when the source was made and cannot be read now."""
    return DataError(f"{name} cannot be read any more ({error.strerror}); put the file back, or start again without it")


def read_index(path: pathlib.Path) -> list[dict[str, Any]]:
    """The entries of an archive's index.

    Raises:
      DataError: it is not one.
    """
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
        self.title = self.root.name
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
        place = range(len(self))[index]
        return {"image": images.decode(self.read(index), name=self.entry(index).name), "id": place}

    def entry(self, index: int) -> Entry:
        """The path of picture `index`."""
        return Entry(name=str(self.root / self.files[index]))

    def read(self, index: int) -> bytes:
        """The bytes of picture `index`, undecoded.

        Raises:
          DataError: the file has vanished or may not be read.
        """
        path = self.root / self.files[index]
        try:
            return path.read_bytes()
        except OSError as error:
            raise gone(str(path), error) from error


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
        self.title, self.split = located(path).stem, key

    def __len__(self) -> int:
        return len(self._pixels)

    def __getitem__(self, index: int) -> Record:
        return {"image": images.from_uint8(self._pixels[index]), "id": range(len(self))[index]}

    def entry(self, index: int) -> Entry:
        """The name, hash (of the raw values) and size of picture `index`."""
        pixels = self._pixels[index]
        digest = hashlib.sha256(pixels.tobytes()).hexdigest()
        return Entry(name=f"{self.title}:{self.split}[{index}]", sha256=digest, size=pixels.shape[:2])
