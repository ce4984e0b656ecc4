"""Pictures in ArrayRecord shards, and the writer of such shards.

A record is one line of JSON, a newline byte, and then the bytes of the picture's file as they are:

    {"id": 17, "name": "train/0017.png", "split": "train", "sha256": "9f...", "height": 321, "width": 481}\\n<bytes>

`id` (its place in the whole set) is needed; the other keys may be missing. The shards of a set follow each other by
name. Beside a shard may lie `SHARD.index.json` with the same lines and the shard's size and SHA-256; without it, or
where the size does not fit, the shard is read once from end to end when the source is made.
`python -m semjax.data records FOLDER OUT` writes both.
"""

import hashlib
import json
import os
import pathlib
import threading
from collections.abc import Sequence
from typing import Any

from semjax.data import images
from semjax.data.files import DataError, Entry, FolderSource, Record, located
from semjax.data.pack import split_of

SUFFIX, INDEX_SUFFIX = ".array_record", ".index.json"
COMMAND = "python -m semjax.data records FOLDER OUT"
READER_OPTIONS = "index_storage_option:in_memory,readahead_buffer_size:0"
WRITER_OPTIONS = "group_size:1"  # one record per block: read alone, decompressed alone


class RecordsSource:
    """Pictures of one split (or of all) of a set of ArrayRecord shards.

    Args:
      path: a folder of shards, one shard, or several of either.
      split: which records to read; None reads all.

    Raises:
      DataError: no shards, a shard or record that is not in the format, or a split there is not.
    """

    def __init__(self, path: str | os.PathLike[str] | Sequence[str], *, split: str | None = None):
        shards = _shards(path)
        self.title, self.split = shards[0].parent.name, split
        headers = [(shard, place, header) for shard in shards for place, header in enumerate(read_headers(shard))]
        splits = sorted({str(header.get("split")) for _, _, header in headers})
        if split is not None and split not in splits:
            raise DataError(f"{self.title}: no record is of split {split!r}; the splits are: {', '.join(splits)}")
        if len({header["id"] for _, _, header in headers}) < len(headers):
            raise DataError(f"{self.title}: several records have the same id; are these the shards of one set?")
        self.total = max(header["id"] for _, _, header in headers) + 1
        self._entries = [entry for entry in headers if split in (None, entry[2].get("split"))]
        self._open()

    def _open(self) -> None:
        self._readers: dict[pathlib.Path, Any] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, index: int) -> Record:
        entry, data = self.entry(index), self.read(index)
        if entry.sha256 and hashlib.sha256(data).hexdigest() != entry.sha256:
            raise DataError(f"{entry.name}: the bytes do not have the SHA-256 of the record; copy the shard again")
        return {"image": images.decode(data, name=entry.name), "id": self.place(index)}

    def place(self, index: int) -> int:
        """The id of picture `index`."""
        return self._entries[index][2]["id"]

    def entry(self, index: int) -> Entry:
        """What the header of picture `index` says."""
        shard, place, header = self._entries[index]
        size = (header["height"], header["width"]) if "height" in header and "width" in header else None
        name = f"{shard.name}:{header.get('name', place)}"
        return Entry(name=name, sha256=header.get("sha256"), size=size)

    def read(self, index: int) -> bytes:
        """The bytes of the picture's file.

        Raises:
          DataError: the shard cannot be read there.
        """
        shard, place, _ = self._entries[index]
        try:
            with self._lock:
                if shard not in self._readers:
                    self._readers[shard] = _reader(shard)
                reader = self._readers[shard]
            return _opened(reader.read([place])[0], shard, place)[1]
        except (RuntimeError, ValueError, IndexError, OSError) as error:
            if isinstance(error, DataError):
                raise
            raise DataError(f"{shard}: record {place} cannot be read ({error}); copy the shard again") from error

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k not in ("_readers", "_lock")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._open()


def _shards(path: str | os.PathLike[str] | Sequence[str]) -> list[pathlib.Path]:
    asked = [path] if isinstance(path, str | os.PathLike) else list(path)
    found: list[pathlib.Path] = []
    for each in map(located, asked):
        found += sorted(each.glob(f"*{SUFFIX}")) if each.is_dir() else [each] if each.is_file() else []
    if not found:
        raise DataError(
            f"no ArrayRecord shard (*{SUFFIX}) at {', '.join(map(repr, map(str, asked)))}; make some with `{COMMAND}`, "
            "then set --config.data.train.path=OUT (likewise val.path, eval.data.path)"
        )
    return found


def _reader(shard: pathlib.Path) -> Any:
    # Imported here: only users of this source need it.
    from array_record.python import array_record_module  # type: ignore[attr-defined]

    if shard.stat().st_size < 1 << 16:  # the format's own minimum; its reader takes the rest for an empty shard
        raise DataError(f"{shard}: the shard is cut short; copy it again, or make it again with `{COMMAND}`")
    return array_record_module.ArrayRecordReader(str(shard), READER_OPTIONS)


def _opened(record: bytes, shard: pathlib.Path, place: int) -> tuple[dict[str, Any], bytes]:
    """Header and picture of a record."""
    line, _, data = record.partition(b"\n")
    try:
        header = json.loads(line)
        if isinstance(header["id"], int) and 0 <= header["id"] < 2**31:
            return header, data
    except (ValueError, KeyError, TypeError):
        pass
    raise DataError(
        f"{shard}: record {place} does not begin with a line of JSON with a whole number `id`; make the shards with "
        f"`{COMMAND}`"
    )


def read_headers(shard: pathlib.Path) -> list[dict[str, Any]]:
    """The headers of a shard's records, from its index if that fits, else from the shard.

    Raises:
      DataError: it is not such a shard, or holds no record.
    """
    index = shard.with_name(shard.name + INDEX_SUFFIX)
    try:
        told = json.loads(index.read_bytes())
        if told["bytes"] == shard.stat().st_size and told["records"]:
            return told["records"]
    except (OSError, ValueError, KeyError, TypeError):
        pass  # no index, or one of another shard: the shard itself knows
    try:
        reader = _reader(shard)
        records = reader.read_all() if reader.num_records() else []
    except RuntimeError as error:
        raise DataError(f"{shard} is not a whole ArrayRecord file ({error}); copy it again") from error
    if not records:
        raise DataError(f"{shard} holds no record that can be read; copy it again, or make it again with `{COMMAND}`")
    return [_opened(record, shard, place)[0] for place, record in enumerate(records)]


def write_records(folder: str | os.PathLike[str], out: str | os.PathLike[str], *, shards: int = 1) -> int:
    """Writes the pictures under a folder as `out/pictures-00000-of-0000N.array_record` and their indices.

    Pictures are decoded while they are written, so a bad file is found now. They keep their order; shard s holds the
    s-th of `shards` equal stretches. A shard appears under its name only when it is whole.

    Args:
      folder: the pictures, at any depth; the first subfolder is the split, as for `pack`.
      out: folder to write to; made if missing.
      shards: how many.

    Returns:
      The number of pictures.

    Raises:
      DataError: no pictures, more shards than pictures, or shards that are already there.
      ImageError: a file that does not decode.
    """
    source, target = FolderSource(folder), pathlib.Path(out)
    if not 1 <= shards <= len(source):
        raise DataError(f"--shards={shards} must be between 1 and the number of pictures, {len(source)}")
    if any(target.glob(f"*{SUFFIX}")):
        raise DataError(f"{out} already holds shards; remove them, or name another folder")
    target.mkdir(parents=True, exist_ok=True)
    bounds = [len(source) * s // shards for s in range(shards + 1)]
    names = [target / f"pictures-{s:05d}-of-{shards:05d}{SUFFIX}" for s in range(shards)]
    partials = [name.with_suffix(".partial") for name in names]
    try:
        indices = [_write(source, range(*bounds[s : s + 2]), partials[s]) for s in range(shards)]
        for name, partial, index in zip(names, partials, indices, strict=True):
            name.with_name(name.name + INDEX_SUFFIX).write_text(json.dumps(index, indent=0) + "\n")
            partial.replace(name)
    finally:
        for partial in partials:
            partial.unlink(missing_ok=True)
    return len(source)


def _write(source: FolderSource, indices: range, path: pathlib.Path) -> dict[str, Any]:
    """Writes one shard; returns its index."""
    from array_record.python import array_record_module  # type: ignore[attr-defined]

    writer = array_record_module.ArrayRecordWriter(str(path), WRITER_OPTIONS)
    headers = []
    try:
        for i in indices:
            data, file = source.read(i), source.files[i]
            height, width, _ = images.decode(data, name=source.entry(i).name).shape
            digest = hashlib.sha256(data).hexdigest()
            header = {"id": i, "name": file, "split": split_of(file), "sha256": digest}
            headers.append({**header, "height": height, "width": width})
            writer.write(json.dumps(headers[-1]).encode() + b"\n" + data)
    finally:
        writer.close()
    whole = path.read_bytes()
    return {"bytes": len(whole), "sha256": hashlib.sha256(whole).hexdigest(), "records": headers}
