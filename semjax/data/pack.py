"""Makes an archive (see `files.py`) from a folder of pictures.

The tar file is plain ustar without times or owners, so the same pictures always give the same bytes. Every picture is
decoded while packing: a bad file is found now, not in the middle of a run.
"""

import hashlib
import io
import json
import os
import pathlib
import tarfile

from semjax.data import images
from semjax.data.files import DataError, FolderSource

HEADER_BYTES = 512
UNSORTED = "all"


def pack(folder: str | os.PathLike[str], out: str | os.PathLike[str]) -> int:
    """Writes `out/images.tar` and `out/images.index.json`.

    The split of a picture is the name of the folder's subfolder it lies in ("train/a.png" is in split "train"), or
    "all" for pictures directly in the folder.

    Args:
      folder: the pictures, at any depth.
      out: folder to write to; made if missing.

    Returns:
      The number of pictures.

    Raises:
      DataError: no pictures, or an archive is already there.
      ImageError: a file that does not decode.
    """
    source = FolderSource(folder)
    tar_path, index_path = (pathlib.Path(out) / name for name in ("images.tar", "images.index.json"))
    if tar_path.exists() or index_path.exists():
        raise DataError(
            f"{out} already holds an archive; remove {tar_path.name} and {index_path.name}, or name another"
        )
    pathlib.Path(out).mkdir(parents=True, exist_ok=True)
    partial = tar_path.with_suffix(".partial")
    try:
        with tarfile.open(partial, "w", format=tarfile.USTAR_FORMAT) as tar:
            entries = [_add(tar, source.root, file) for file in source.files]
        partial.replace(tar_path)
    finally:
        partial.unlink(missing_ok=True)
    # The index comes last: an archive without one is not read.
    index_path.write_text(json.dumps(entries, indent=0) + "\n")
    return len(entries)


def split_of(file: str) -> str:
    """The split of a picture: the first folder of its path, or "all" if it lies in none."""
    folder, _, rest = file.partition("/")
    return folder if rest else UNSORTED


def _add(tar: tarfile.TarFile, root: pathlib.Path, file: str) -> dict[str, str | int]:
    data = (root / file).read_bytes()
    height, width, _ = images.decode(data, name=str(root / file)).shape
    info = tarfile.TarInfo(file)
    info.size = len(data)
    offset = tar.offset + HEADER_BYTES
    try:
        tar.addfile(info, io.BytesIO(data))
    except ValueError as error:
        raise DataError(f"{root / file}: its name does not fit into a ustar archive ({error}); rename it") from error
    return {
        "file": file,
        "offset": offset,
        "length": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "split": split_of(file),
        "width": width,
        "height": height,
    }
