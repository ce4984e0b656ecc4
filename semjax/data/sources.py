"""All sources of pictures by name, and the cache that wraps one.

`SOURCES[name](**settings)` makes a source; the settings are the arguments of the class.
"""

import bisect
import dataclasses
import functools
import hashlib
import itertools
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from semjax.data import images
from semjax.data.entries import id_of
from semjax.data.files import ArchiveSource, ArraySource, DataError, Entry, FolderSource, Record, Source
from semjax.data.label_noise import LabelNoise
from semjax.data.mixture import MixtureSource
from semjax.data.records_source import RecordsSource
from semjax.data.tfds_source import TfdsSource
from semjax.scenes.classes import region_classes
from semjax.scenes.render import RenderedScene, render
from semjax.scenes.scenarios import all_importance
from semjax.scenes.world import SPLITS, Scene, SceneConfig, sample_scene

__all__ = [
    "SOURCES",
    "ArchiveSource",
    "ArchivesSource",
    "ArraySource",
    "CachedSource",
    "DataError",
    "FolderSource",
    "MixtureSource",
    "Record",
    "RecordsSource",
    "ScenesSource",
    "Source",
    "TfdsSource",
]


PROBED = 3
"""Scenes drawn for a fingerprint."""


class ScenesSource:
    """Scenes of the procedural world, drawn when asked for: nothing to download.

    Scene i depends on (seed, split, i) and on nothing else. It is drawn on the CPU, so that it is the same whatever
    the run's accelerator.
    CHOICE: pictures are rounded to 8 bits, as those of any file are; a classical codec then sees the same picture.

    Args:
      size: pixels of each side.
      split: one of `semjax.scenes.world.SPLITS`.
      count: how many scenes there are.
      seed: of all of them.
      truth: whether records hold, as labels, the scene (the fields of `Scene` by name) and the `importance` of its
        regions under every scenario with `weight` and `valid`, as joined teachers give them, and their `classes`,
        indices into `scene_classes()`; as map `ids` the id map.
      settings: of `SceneConfig`, such as `objects_max=3`, and of `LabelNoise`, such as `wrong=0.2`. A configuration
        holds only those that it sets, so that runs begun before there was a setting can go on.

    Raises:
      DataError: a split, count, size or share that cannot be, or labels to be spoilt where there are none.
    """

    def __init__(
        self,
        *,
        size: int = 64,
        split: str = "train",
        count: int = 10_000,
        seed: int = 0,
        truth: bool = False,
        **settings: Any,
    ):
        if split not in SPLITS:
            raise DataError(f"scenes have no split {split!r}; their splits are: {', '.join(SPLITS)}")
        if count < 1 or size < 16:
            raise DataError(f"scenes need count >= 1 and size >= 16, got count={count}, size={size}")
        self.size, self.split, self.count, self.seed, self.truth = size, split, count, seed, truth
        spoilt = {field.name for field in dataclasses.fields(LabelNoise)} & settings.keys()
        self.noise = LabelNoise(**{name: settings.pop(name) for name in spoilt})
        if self.noise != LabelNoise() and not truth:
            raise DataError(
                f"scenes without labels have none to spoil: set truth=True beside {', '.join(sorted(spoilt))}"
            )
        self.config = SceneConfig(**settings)

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Record:
        scene, drawn = self.drawn(index)
        image = images.from_uint8(images.to_uint8(np.asarray(drawn.image)))
        place = range(self.count)[index]
        known = self._known(scene, drawn.ids, place) if self.truth else {}
        record: Any = {"image": image, "id": place, **known}
        return record

    def blank(self) -> dict[str, dict[str, np.ndarray]]:
        """Zeros in place of maps and labels, {} without `truth`."""
        if not self.truth:
            return {}
        known = self._known(self.scene(0), np.zeros((1, 1), np.uint8), 0)
        return jax.tree.map(np.zeros_like, known)

    def _known(self, scene: Scene, ids: Any, index: int) -> Any:
        fields = {field.name: np.asarray(getattr(scene, field.name)) for field in dataclasses.fields(scene)}
        with jax.default_device(_host()), jax.transfer_guard("allow"):
            truth = np.asarray(_judge()(scene), np.float32)
        valid = np.concatenate([[True], fields["present"]])
        importance, weight = self.noise(truth, valid, seed=self.seed, split=self.split, index=index)
        told = {"importance": importance, "weight": weight, "valid": valid, "classes": region_classes(scene)}
        return {"labels": {**fields, **told}, "maps": {"ids": np.asarray(ids)}}

    def entry(self, index: int) -> Entry:
        """The name and size of scene `index`."""
        return Entry(name=f"scene {self.split}[{range(self.count)[index]}]", size=(self.size, self.size))

    def fingerprint(self) -> str:
        """A SHA-256 that changes with the settings or with what the first scenes look like."""
        spoilt = (self.noise,) if self.noise else ()
        told = hashlib.sha256(repr((self.size, self.split, self.count, self.seed, self.config, *spoilt)).encode())
        for index in range(min(PROBED, self.count)):
            told.update(images.to_uint8(self[index]["image"]).tobytes())
        return told.hexdigest()

    def scene(self, index: int) -> Scene:
        """The graph of scene `index`, as numpy arrays."""
        return self.drawn(index)[0]

    def rendered(self, index: int) -> RenderedScene:
        """The picture (not rounded) and the id map of scene `index`, as numpy arrays."""
        return self.drawn(index)[1]

    def drawn(self, index: int) -> tuple[Scene, RenderedScene]:
        """Both: the graph of scene `index`, and its picture and id map."""
        # Allowed here although training loops forbid implicit transfers: this is the host making data.
        with jax.default_device(_host()), jax.transfer_guard("allow"):
            drawn = _drawer(self.config, self.split, self.size)(self.seed, range(self.count)[index])
            return jax.device_get(drawn)


def _host() -> jax.Device:
    """The CPU, or the first device where the process was told to use no CPU."""
    try:
        return jax.local_devices(backend="cpu")[0]
    except RuntimeError:
        return jax.local_devices()[0]


@functools.cache
def _judge() -> Callable[[Scene], jax.Array]:
    return jax.jit(all_importance)


@functools.cache
def _drawer(cfg: SceneConfig, split: str, size: int) -> Callable[[int, int], tuple[Scene, RenderedScene]]:
    """One compiled renderer per kind of scene, shared by all sources of the process."""

    def draw(seed: jax.Array, index: jax.Array) -> tuple[Scene, RenderedScene]:
        scene = sample_scene(jax.random.fold_in(jax.random.key(seed), index), cfg, split)
        return scene, render(scene, size)

    return jax.jit(draw)


class ArchivesSource:
    """Several archives one after the other; ids count on from one whole archive to the next, whatever the split.

    Args:
      roots: the archives' folders.
      split: which entries to read of each; None reads all.

    Raises:
      DataError: no root, or one that is no archive.
    """

    def __init__(self, roots: Sequence[str], *, split: str | None = None):
        if isinstance(roots, str) or not roots:
            raise DataError(f"`roots` is a list of archive folders, got {roots!r}")
        self._parts = [ArchiveSource(root, split=split) for root in roots]
        self._starts = [0, *itertools.accumulate(len(part) for part in self._parts)]
        self._ids = [0, *itertools.accumulate(part.total for part in self._parts)]
        self.total, self.split = self._ids[-1], split
        self.title = " + ".join(part.title for part in self._parts)

    def __len__(self) -> int:
        return self._starts[-1]

    def __getitem__(self, index: int) -> Record:
        part, place = self.inside(index)
        return {"image": part[place]["image"], "id": self.place(index)}

    def inside(self, index: int) -> tuple[Source, int]:
        """The archive that has picture `index`, and the picture's index there."""
        which = self._which(index)
        return self._parts[which], range(len(self))[index] - self._starts[which]

    def place(self, index: int) -> int:
        """The id of picture `index`."""
        return self._ids[self._which(index)] + id_of(*self.inside(index))

    def _which(self, index: int) -> int:
        return bisect.bisect_right(self._starts, range(len(self))[index]) - 1


class CachedSource:
    """Keeps decoded pictures in memory as 8-bit values, so that a small set is decoded once.

    It never changes a picture: one that is not exactly 8 bits per value (16-bit grey, transparency) is not kept but
    decoded each time, and so is what no longer fits.

    Args:
      source: what to read from.
      max_bytes: room for decoded pixels (3 bytes each).
    """

    same_order = True

    def __init__(self, source: Source, *, max_bytes: int = 2 << 30):
        self.source = source
        self.max_bytes = max_bytes
        self.used_bytes = 0
        self._kept: dict[int, tuple[np.ndarray, dict[str, Any]]] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self.source)

    def inside(self, index: int) -> tuple[Source, int]:
        """Where picture `index` is from."""
        return self.source, index

    def __getitem__(self, index: int) -> Record:
        if index in self._kept:
            pixels, others = self._kept[index]
            whole: Any = {"image": images.from_uint8(pixels), **others}
            return whole
        record = self.source[index]
        pixels = images.to_uint8(record["image"])
        if np.array_equal(images.from_uint8(pixels), record["image"]):
            self._keep(index, pixels, {name: value for name, value in record.items() if name != "image"})
        return record

    def _keep(self, index: int, pixels: np.ndarray, others: dict[str, Any]) -> None:
        known = [*others.get("maps", {}).values(), *others.get("labels", {}).values()]
        size = pixels.nbytes + sum(array.nbytes for array in known)
        with self._lock:
            if index not in self._kept and self.used_bytes + size <= self.max_bytes:
                self._kept[index] = (pixels, others)
                self.used_bytes += size

    def __getstate__(self) -> dict[str, object]:
        # A lock does not pickle, and the pictures are cheaper to decode than to send.
        return {"source": self.source, "max_bytes": self.max_bytes}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__init__(**state)  # type: ignore[arg-type]


SOURCES: Mapping[str, Callable[..., Source]] = {
    "archive": ArchiveSource,
    "archives": ArchivesSource,
    "folder": FolderSource,
    "array": ArraySource,
    "scenes": ScenesSource,
    "tfds": TfdsSource,
    "records": RecordsSource,
    "mixture": MixtureSource,
}
"""Sources by the name in configurations; the parts of a mixture are made before it is."""
