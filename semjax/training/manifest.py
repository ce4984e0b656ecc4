"""Manifests: what a finished step directory holds, written last and checked before anything in it is believed.

`manifest.json` lists size and SHA-256 of every other file below the directory. It is sealed: its key "seal" is the
SHA-256 of the rest in canonical form, so that damage to the list itself shows, and is not taken for a newer format.
"""

import hashlib
import json
import os
import pathlib
from collections.abc import Mapping
from typing import Any

import semjax

FORMAT = 1
"""Version of the layout of checkpoint directories; a directory of a higher one is refused."""
MANIFEST_FILE = "manifest.json"


class CheckpointError(ValueError):
    """A checkpoint that is not there, does not fit, is damaged or cannot be written; the good ones are as they were."""


def seal(facts: Mapping[str, Any]) -> str:
    """JSON of `facts` with a checksum of itself."""
    return json.dumps({**facts, "seal": _sum(facts)}, indent=1, sort_keys=True) + "\n"


def unseal(text: str) -> dict[str, Any]:
    """The facts of a sealed text.

    Raises:
      ValueError: it is not what was sealed.
    """
    facts = json.loads(text)
    if not isinstance(facts, dict) or facts.pop("seal", None) != _sum(facts):
        raise ValueError("it is damaged")
    return facts


def _sum(facts: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def check_format(facts: Mapping[str, Any], where: pathlib.Path) -> None:
    """Raises CheckpointError if `where`, whose sealed facts these are, is of a newer format than this version reads."""
    if facts.get("format", 0) > FORMAT:
        raise CheckpointError(
            f"{where} is of checkpoint format {facts['format']}, written by a newer version of semjax; this version "
            f"({semjax.__version__}) reads formats up to {FORMAT}: update semjax; nothing was changed"
        )


def write(folder: pathlib.Path, *, step: int) -> None:
    """Makes every file below `folder` durable, then writes its manifest, durable too.

    Args:
      folder: a complete step directory.
      step: the step it is of.
    """
    files = {}
    for path in sorted(folder.rglob("*")):
        if path.is_dir():
            sync(path)
        else:
            with path.open("rb") as file:
                files[path.relative_to(folder).as_posix()] = [_size(file), _digest(file)]
                os.fsync(file.fileno())
    write_durably(folder / MANIFEST_FILE, seal({"format": FORMAT, "step": step, "files": files}))


def fault(folder: pathlib.Path, *, step: int) -> str | None:
    """Why the step directory `folder` cannot be believed, None if it is exactly what was written.

    Args:
      folder: a step directory.
      step: the step it should be of.

    Raises:
      CheckpointError: it is of a newer format.
    """
    try:
        if not any(folder.iterdir()):
            return "it is empty"
        facts = unseal((folder / MANIFEST_FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return f"it has no {MANIFEST_FILE}, so it is not complete"
    except OSError as error:
        return f"it cannot be read ({error.strerror})"
    except ValueError:
        return f"{MANIFEST_FILE} is damaged"
    check_format(facts, folder)
    if facts["step"] != step:
        return f"{MANIFEST_FILE} is that of step {facts['step']}"
    told = (_file_fault(folder / name, size, digest) for name, (size, digest) in facts["files"].items())
    return next((f"{name} {said}" for name, said in zip(facts["files"], told, strict=True) if said), None)


def _file_fault(path: pathlib.Path, size: int, digest: str) -> str | None:
    try:
        with path.open("rb") as file:
            found = _size(file)
            if found != size:
                return f"has {found} bytes, not {size}"
            return None if _digest(file) == digest else "has another checksum than when it was written"
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"cannot be read ({error.strerror})"


def _size(file: Any) -> int:
    return os.fstat(file.fileno()).st_size


def _digest(file: Any) -> str:
    return hashlib.file_digest(file, "sha256").hexdigest()


def write_durably(path: pathlib.Path, text: str) -> None:
    """Writes a file in one go, so that after a power cut it is the old one or the new one."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with draft.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    sync(path.parent)


def sync(folder: pathlib.Path) -> None:
    """Makes the entries of a directory durable, where the file system can."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError:  # some network file systems refuse to sync a directory: theirs are durable already, or never
        pass
    finally:
        os.close(handle)
