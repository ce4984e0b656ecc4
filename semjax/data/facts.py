"""What a source holds, as facts to be written down; and the check that a resumed run still has the same pictures.

The content hash of a source is the SHA-256 of its pictures' hashes in their order, where a picture's hash is the
SHA-256 of its encoded bytes: the same files give the same hash from an archive, a folder, records or a prepared tfds
set. An archive and records have these hashes in their index; a folder and a tfds set are read once from end to end.
Arrays are hashed by their values, scenes by their settings and their first pictures, and a mixture by its parts.
"""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from semjax.data.entries import digest_of, size_of, unwrapped
from semjax.data.files import DataError, Source
from semjax.data.mixture import MixtureSource
from semjax.data.patches import PatchSource
from semjax.data.sources import SOURCES

COMPARED = ("count", "sha256", "stores")


def source_facts(source: Source, *, crop: int | None = None) -> dict[str, Any]:
    """Facts of a source, for run.json.

    Args:
      source: any source, with or without a cache or guard around it.
      crop: side of the training crop in pixels; None leaves out `padded`.

    Returns:
      {"kind", "name", "split", "count", "sha256", "dropped"}, with `crop` also "padded" (how many pictures are smaller
      than that), where teachers were joined "stores" (fingerprints), of a mixture "parts", the same facts of each
      part with its "weight", and of fixed patches "patches", how many there are per picture. Values are plain.
    """
    core = unwrapped(source)
    if isinstance(core, MixtureSource):
        parts = [{"weight": part.weight, **source_facts(part.source, crop=crop)} for part in core.parts]
        summed = {key: sum(part[key] for part in parts) for key in ("dropped", "padded") if key in parts[0]}
        digest = _hash(part["sha256"] for part in parts)
        return {**_facts(core), "sha256": digest, **summed, "parts": parts}
    if isinstance(core, PatchSource):
        return {**source_facts(core.source, crop=crop), "patches": core.count}
    small = {} if crop is None else {"padded": sum(_smaller(size_of(core, i), crop) for i in range(len(core)))}
    facts = {**_facts(core), "sha256": _content(core), "dropped": getattr(core, "dropped", 0), **small}
    return {**facts, **_teachers(source)}


def check_same_source(old: Mapping[str, Any] | None, new: Mapping[str, Any], *, where: str = "data.train") -> None:
    """Makes sure that a run goes on with the pictures it began with.

    Args:
      old: facts of the run's start, as `source_facts` gave them; keys it lacks are not compared, None checks nothing.
      new: facts of the source now.
      where: the configuration section, for the message.

    Raises:
      DataError: pictures were added, removed or changed; the message says which facts differ.
    """
    lines = list(_differences(dict(old or {}), new, where))
    if lines:
        raise DataError(
            f"the pictures of {where} are not those the run began with: {'; '.join(lines)}. Put the same files back to "
            "go on, or start anew in another work directory; nothing was changed"
        )


def _differences(old: Mapping[str, Any], new: Mapping[str, Any], where: str) -> Iterable[str]:
    before, now = old.get("parts"), new.get("parts")
    if before and now and len(before) == len(now):
        for i, (a, b) in enumerate(zip(before, now, strict=True)):
            yield from _differences(a, b, f"{where}.parts[{i}]")
        return
    for key in COMPARED:
        if key in old and old[key] != new.get(key):
            yield f"{where} {key} was {_short(old[key])} and is {_short(new.get(key))}"


def _short(value: Any) -> str:
    return f"{value[:12]}..." if isinstance(value, str) and len(value) > 12 else str(value)


def _facts(core: Source) -> dict[str, Any]:
    inner = getattr(core, "source", core)
    kinds = [name for name, made in SOURCES.items() if type(inner) is made]
    return {
        "kind": kinds[0] if kinds else type(inner).__name__,
        "name": getattr(inner, "title", ""),
        "split": getattr(inner, "split", None),
        "count": len(core),
    }


def _teachers(source: Source) -> dict[str, Any]:
    """The fingerprints of the stores that the pictures are joined with."""
    inner: Any = source
    while inner is not None and not hasattr(inner, "fingerprints"):
        inner = getattr(inner, "source", None)
    return {} if inner is None else {"stores": list(inner.fingerprints)}


def _content(core: Source) -> str:
    if hasattr(core, "fingerprint"):
        return core.fingerprint()  # type: ignore[attr-defined]
    return _hash(digest_of(core, i) for i in range(len(core)))


def _hash(digests: Iterable[str]) -> str:
    made = hashlib.sha256()
    for digest in digests:
        made.update(f"{digest}\n".encode())
    return made.hexdigest()


def _smaller(size: tuple[int, int] | None, crop: int) -> bool:
    return size is not None and min(size) < crop
