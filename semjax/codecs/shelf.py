"""A cache on disk of compressed pictures, one file per picture, codec and setting.

    folder / first two letters of the key / rest of the key - index

A file is the SHA-256 of key, index and record (32 bytes), then the record. Files are written under another name and
moved into place, so whoever reads finds a whole file or none, and of two processes that write the same one the last
wins. Nothing here raises for what is on the disk: a damaged file is dropped and told, and where the folder cannot be
used there is one warning and no cache.
"""

import contextlib
import hashlib
import logging
import os
import pathlib
import secrets

from semjax.codecs.base import Codec, Picture

DIGEST = hashlib.sha256().digest_size
EDITION = "semjax ladder 1"
"""Part of every key; another layout of records gets another one."""

log = logging.getLogger(__name__)


class Shelf:
    """A folder of records, checked by checksum."""

    def __init__(self, folder: pathlib.Path) -> None:
        """Opens a shelf.

        Args:
          folder: made when the first record is put; may be shared by processes.
        """
        self.folder = folder
        self._usable = True

    def get(self, key: str, index: int) -> bytes | None:
        """Finds a record; None where there is none, or only a damaged one, which is dropped."""
        path = self._path(key, index)
        try:
            found = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            self._give_up(error)
            return None
        digest, record = found[:DIGEST], found[DIGEST:]
        if digest == _digest(key, index, record):
            return record
        log.warning("shelf: %s is damaged (%d bytes): dropped, made again", path, len(found))
        with contextlib.suppress(OSError):
            path.unlink()
        return None

    def put(self, key: str, index: int, record: bytes) -> None:
        """Keeps a record."""
        if not self._usable:
            return
        path = self._path(key, index)
        draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            draft.write_bytes(_digest(key, index, record) + record)
            os.replace(draft, path)
        except OSError as error:
            with contextlib.suppress(OSError):
                draft.unlink()
            self._give_up(error)

    def _path(self, key: str, index: int) -> pathlib.Path:
        return self.folder / key[:2] / f"{key[2:]}-{index:03d}"

    def _give_up(self, error: OSError) -> None:
        if self._usable:
            log.warning("shelf: %s cannot be used (%s): compressed pictures are not kept", self.folder, error)
        self._usable = False


def ladder_key(codec: Codec, image: Picture) -> str:
    """What all records of one picture and codec have in common.

    Args:
      codec: its name and terms count, so another version of a library has other records.
      image: uint8[h, w, 3].

    Returns:
      64 hexadecimal digits.
    """
    told = "\0".join([EDITION, codec.name, codec.terms, repr(image.shape), ""])
    return hashlib.sha256(told.encode() + image.tobytes()).hexdigest()


def _digest(key: str, index: int, record: bytes) -> bytes:
    return hashlib.sha256(f"{key} {index}\0".encode() + record).digest()
