"""Pictures of one split of an archive, with the id map of each that lies in a second archive beside it.

`images.tar` and `images.index.json` hold the pictures (see `semjax.data.files`), `MASKS.tar` and `MASKS.index.json`
8-bit grey PNG files of the same sizes, whose index names the picture that each belongs to (`"image"`).
"""

import functools
import hashlib
import io
import json
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from semjax.data.files import ArchiveSource, DataError, located, read_index
from semjax.data.images import to_uint8
from semjax.teachers.base import View

ROOT_VARIABLE = "SEMJAX_DATA"


class AlbumError(ValueError):
    """A data set that is missing or not as it should be; the message says what to set."""


def data_folder(root: str | os.PathLike[str], name: str) -> pathlib.Path:
    """The folder `name` under `root`.

    Raises:
      AlbumError: there is none.
    """
    try:
        folder = located(root) / name
    except DataError:
        raise AlbumError(f"{root!s} names a variable that is not set; set it, or give --root DIR") from None
    if not str(root) or not folder.is_dir():
        raise AlbumError(
            f"no folder {name!r} under {str(root)!r}; set {ROOT_VARIABLE}, or --root, to the folder that holds {name}"
        )
    return folder


def read_json(path: pathlib.Path) -> Any:
    """The content of a JSON file.

    Raises:
      AlbumError: no such file, or not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise AlbumError(f"{path} cannot be read ({error.strerror}); set {ROOT_VARIABLE} or --root anew") from error
    except ValueError as error:
        raise AlbumError(f"{path} is not JSON ({error}); copy the data set again") from error


def digest_of(facts: Any) -> str:
    """SHA-256, in hex, of the canonical JSON of `facts`."""
    told = json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(told.encode()).hexdigest()


class Pictures:
    """The pictures of one split of the archive in `folder`.

    Args:
      folder: holds `images.tar` and `images.index.json`.
      split: which entries.

    Raises:
      AlbumError: no archive, or it has no such split.
    """

    def __init__(self, folder: pathlib.Path, split: str):
        index = folder / "images.index.json"
        splits = sorted({str(entry.get("split")) for entry in _entries(index)})
        if split not in splits:
            raise AlbumError(f"{index} has no split {split!r}; give --split one of: {', '.join(splits)}")
        self.source = _source(folder, "images", split)

    def __len__(self) -> int:
        return len(self.source)

    def file(self, index: int) -> str:
        """File name of picture `index`."""
        return self.source.files[index]

    def sha(self, index: int) -> str:
        """SHA-256 of its encoded bytes, as the archive's index has it."""
        return self.source.entry(index).sha256 or ""

    def place(self, index: int) -> int:
        """Its id: its place among the pictures of all splits."""
        return self.source.place(index)

    def image(self, index: int) -> UInt8[np.ndarray, "h w 3"]:
        """Its pixels."""
        return to_uint8(self.source[index]["image"])


class Masks:
    """The id maps of `pictures`, from the archive `name` in `folder`.

    Raises:
      AlbumError: no archive, or a picture without exactly one map.
    """

    def __init__(self, folder: pathlib.Path, name: str, pictures: Pictures):
        entries = _entries(folder / f"{name}.index.json")
        self.source = _source(folder, name, None)
        owners = [str(entry.get("image")) for entry in entries]
        place = {owner: i for i, owner in enumerate(owners)}
        files = [pictures.file(i) for i in range(len(pictures))]
        wrong = [file for file in files if owners.count(file) != 1]
        if wrong:
            raise AlbumError(
                f"{folder / name}.index.json does not name exactly one map for {wrong[0]} ({len(wrong)} such); "
                "the two indexes do not match: copy the data set again"
            )
        self._places = [place[file] for file in files]

    def sha(self, index: int) -> str:
        """SHA-256 of the encoded map of picture `index`."""
        return self.source.entry(self._places[index]).sha256 or ""

    def map(self, index: int, size: Sequence[int]) -> UInt8[np.ndarray, "h w"]:
        """The map of picture `index`, whose height and width are `size`.

        Raises:
          AlbumError: other bytes than the index says, not 8-bit grey, or of another size.
        """
        place = self._places[index]
        name, data = self.source.entry(place).name, self.source.read(place)
        if hashlib.sha256(data).hexdigest() != self.sha(index):
            raise AlbumError(f"{name}: the bytes do not have the SHA-256 of the index; copy the data set again")
        with Image.open(io.BytesIO(data)) as opened:
            mode, values = opened.mode, np.array(opened)
        if mode != "L" or values.shape != tuple(size):
            raise AlbumError(
                f"{name} is a picture of mode {mode}, {values.shape}, expected 8-bit grey of {tuple(size)}; "
                "copy the data set again"
            )
        return values


def by_file(records: Sequence[Mapping[str, Any]], *, key: str, files: Sequence[str], where: str) -> list[Mapping]:
    """The record of each of `files`, by its `key`.

    Raises:
      AlbumError: a file without a record.
    """
    found = {record[key]: record for record in records}
    lost = [file for file in files if file not in found]
    if lost:
        raise AlbumError(f"{where} says nothing of {lost[0]} ({len(lost)} such pictures); copy the data set again")
    return [found[file] for file in files]


def _entries(index: pathlib.Path) -> list[dict[str, Any]]:
    if not index.is_file():
        raise AlbumError(f"no {index.name} in {str(index.parent)!r}; set {ROOT_VARIABLE} or --root anew")
    try:
        return read_index(index)
    except DataError as error:
        raise AlbumError(str(error)) from error


def _source(folder: pathlib.Path, name: str, split: str | None) -> ArchiveSource:
    try:
        return ArchiveSource(folder, split=split, name=name)
    except DataError as error:
        raise AlbumError(f"no {name}.tar in {str(folder)!r}; copy the data set again") from error


class ArchiveAlbum:
    """What albums of archived pictures share; a subclass says by `_facts(i)` what else its digest depends on.

    Args:
      pictures: of one split.
      split: which one.
    """

    dataset = ""
    rule: tuple[Any, ...] = ()
    """What the whole album's regions depend on."""

    def __init__(self, pictures: Pictures, split: str):
        self.split, self._pictures = split, pictures

    def __len__(self) -> int:
        return len(self._pictures)

    def _facts(self, index: int) -> list[Any]:
        return []

    @property
    def names(self) -> list[str]:
        """The file name of each picture."""
        return [self._pictures.file(i) for i in range(len(self))]

    @property
    def digest(self) -> str:
        """Changes with the pictures and with all that is known of them."""
        return self._digest

    @functools.cached_property
    def _digest(self) -> str:
        told = [[self._pictures.file(i), self._pictures.sha(i), self._facts(i)] for i in range(len(self))]
        return digest_of([self.dataset, self.split, list(self.rule), told])

    def _view(self, index: int, **known: Any) -> View:
        """Picture `index` with what is known of it; its file name is added to `given`."""
        known["given"] = {"name": self._pictures.file(index), **known.get("given", {})}
        return View(id=self._pictures.place(index), index=index, sha=self._pictures.sha(index), **known)
