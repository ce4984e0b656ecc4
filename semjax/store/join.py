"""Pictures together with what teachers said of them: record i of a source beside record i of one or more stores.

A joined record is the source's own with

    labels  importance f32[s, m]   in [0, 1]; 0 where nothing was said
            status u8[s, m], weight f32[s, m]   of `Status`, and 1 or 0 (`label_weight`): a failed label has weight 0
            valid bool[m], boxes f32[m, 4]
            classes i32[m]   where asked for: indices into `Wanted.classes`; their number for any other class or none
            image_emb f32[p], region_emb f32[m, p]   where asked for
    maps    ids u8[h, w]   the region of each pixel

m is the same for all pictures; what a picture does not have is MISSING, with weight 0.
"""

import dataclasses
import difflib
import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np

from semjax.store import layout
from semjax.store.layout import StoreError
from semjax.store.overrides import Corrects, Overrides, read_overrides
from semjax.store.record import Record, Regions, Status, label_weight
from semjax.store.shards import Store

EMBEDDINGS = {"image_emb": "image", "region_emb": "regions"}
"""Features by the name in `labels`, and their field in a record."""


@runtime_checkable
class Pictures(Protocol):
    """A source of pictures; `semjax.data` has several."""

    def __len__(self) -> int:
        """The number of pictures."""
        ...

    def __getitem__(self, index: int) -> Any:
        """A dict with `image` float[h, w, 3] and `id`."""
        ...


@dataclasses.dataclass(frozen=True, kw_only=True)
class Wanted:
    """What of the stores is joined.

    Attributes:
      scenarios: their names, in the order of the rows; None = all, those of the first store first.
      regions: m; None = the most that a picture of the stores has.
      features: of `EMBEDDINGS`.
      classes: names whose places make the label `classes`; None = no such label.
      expected: the fingerprint that the first store must have; None = any.
    """

    scenarios: tuple[str, ...] | None = None
    regions: int | None = None
    features: tuple[str, ...] = ()
    classes: tuple[str, ...] | None = None
    expected: Mapping[str, Any] | None = None


class TeacherJoin:
    """A source that adds the teachers' labels to the pictures of another, in the same order.

    Several stores complement each other: of each field, and of each scenario, the first store that has it is heard.

    Args:
      source: the pictures.
      teacher_dirs: folders of complete stores on the same pictures.
      overrides: corrections of labels, or the file that they are in; they are laid over every store.
      wanted: what to join.
      picture_sha: `f(source, i)`, SHA-256 of picture i as in the records (`semjax.data.entries.digest_of`); if given,
        the first, the middle and the last picture are compared.

    Raises:
      StoreError: a store that is missing, incomplete or of other pictures, or has not what is wanted.
    """

    same_order = True

    def __init__(
        self,
        source: Pictures,
        teacher_dirs: "str | os.PathLike[str] | Sequence[str | os.PathLike[str]]",
        overrides: "Corrects | str | os.PathLike[str] | None" = None,
        *,
        wanted: Wanted | None = None,
        picture_sha: Callable[[Any, int], str] | None = None,
    ):
        folders = [teacher_dirs] if isinstance(teacher_dirs, str | os.PathLike) else list(teacher_dirs)
        if not folders:
            raise StoreError("no teacher store is named; name the folder of at least one")
        wanted = wanted or Wanted()
        read = isinstance(overrides, str | os.PathLike)
        self.source, self.overrides = source, Overrides(read_overrides(overrides)) if read else overrides
        self.stores = tuple(Store(folder) for folder in folders)
        for store in self.stores:
            _check_store(store, source)
        if wanted.expected is not None:
            layout.check_expected(self.stores[0].about, wanted.expected, self.stores[0].folder)
        self.scenarios = _chosen(self.stores, wanted.scenarios)
        self.regions = max(store.regions for store in self.stores) if wanted.regions is None else wanted.regions
        self._features = {name: _width(self.stores, name) for name in wanted.features}
        self._classes = _places(wanted.classes)
        if picture_sha is not None:
            self._compare_pictures(picture_sha)

    def __len__(self) -> int:
        return len(self.source)

    def inside(self, index: int) -> tuple[Pictures, int]:
        """Where picture `index` is from."""
        return self.source, index

    def records(self, index: int) -> tuple[Record, ...]:
        """What each store says of picture `index`, corrected."""
        found = (store[index] for store in self.stores)
        return tuple(found if self.overrides is None else map(self.overrides.apply, found))

    def __getitem__(self, index: int) -> dict[str, Any]:
        index = range(len(self))[index]
        picture, records = self.source[index], self.records(index)
        height, width = picture["image"].shape[:2]
        if not picture.get("_mask", True):
            return {**picture, **self.blank(height, width)}
        for store, record in zip(self.stores, records, strict=True):
            if record.id != picture["id"]:
                raise StoreError(
                    f"picture {index} of the source has id {picture['id']}, record {index} of the store in "
                    f"{store.folder} id {record.id}: they are not of the same pictures; {_OTHER}"
                )
        return {**picture, **self._joined(records, index, size=(height, width))}

    @property
    def fingerprints(self) -> tuple[str, ...]:
        """Of the stores, and of the corrections and of the names of classes, if any."""
        corrected = () if self.overrides is None else (self.overrides.digest,)
        named = () if self._classes is None else (hashlib.sha256(repr(tuple(self._classes)).encode()).hexdigest(),)
        return (*(store.about.digest for store in self.stores), *corrected, *named)

    def blank(self, height: int = 1, width: int = 1) -> dict[str, Any]:
        """Labels and maps for a picture of that size that could not be read: zeros, and no class."""
        s, m = len(self.scenarios), self.regions
        labels = {
            "importance": np.zeros((s, m), np.float32),
            "status": np.full((s, m), Status.MISSING, np.uint8),
            "weight": np.zeros((s, m), np.float32),
            "valid": np.zeros(m, bool),
            "boxes": np.zeros((m, 4), np.float32),
        }
        if self._classes is not None:
            labels["classes"] = np.full(m, len(self._classes), np.int32)
        for name, size in self._features.items():
            labels[name] = np.zeros((m, size) if EMBEDDINGS[name] == "regions" else size, np.float32)
        return {"labels": labels, "maps": {"ids": np.zeros((height, width), np.uint8)}}

    def map_dataset(self) -> Any:
        """The joined records as a `grain.MapDataset`."""
        import grain  # here, because it takes a while and most users read through a loader of their own

        return grain.MapDataset.source(self)

    def _joined(self, records: Sequence[Record], index: int, *, size: tuple[int, int]) -> dict[str, Any]:
        joined = self.blank(*size)
        labels, where = joined["labels"], f"picture {index}"
        regions = next((record.regions for record in records if record.regions is not None), None)
        if regions is not None:
            joined["maps"]["ids"] = self._ids(regions, where, size)
            m = len(regions.valid)
            labels["valid"][:m], labels["boxes"][:m] = regions.valid, regions.boxes
            if self._classes is not None:
                other = len(self._classes)
                named = [self._classes.get(name, other) for name in regions.names]
                labels["classes"][:m] = np.where(regions.valid, named, other)
        for row, (store, name) in enumerate(self.scenarios.items()):
            self._label(labels, row, records[name], scenario=store, where=where)
        labels["weight"] = label_weight(labels["status"])
        for name in self._features:
            self._embed(labels[name], records, name)
        return joined

    def _label(self, labels: dict[str, Any], row: int, record: Record, *, scenario: str, where: str) -> None:
        told = record.scenarios
        if told is None or scenario not in told.names:
            return
        own = told.names.index(scenario)
        m = told.importance.shape[1]
        self._check_fits(m, where)
        said = told.status[own] < Status.FAILED
        labels["importance"][row, :m] = np.where(said, told.importance[own], 0)
        labels["status"][row, :m] = told.status[own]

    def _ids(self, regions: Regions, where: str, size: tuple[int, int]) -> np.ndarray:
        if regions.ids_map.shape != size:
            raise StoreError(f"{where} is {size}, its id map in the store {regions.ids_map.shape}; {_OTHER}")
        self._check_fits(max(len(regions.valid), int(regions.ids_map.max(initial=0)) + 1), where)
        return regions.ids_map

    def _check_fits(self, regions: int, where: str) -> None:
        if regions > self.regions:
            raise StoreError(f"{where} has {regions} regions, and only {self.regions} are joined; ask for more regions")

    def _embed(self, into: np.ndarray, records: Sequence[Record], name: str) -> None:
        found = (getattr(record.features, EMBEDDINGS[name], None) for record in records)
        values = next((each for each in found if each is not None), None)
        if values is not None:
            into[tuple(slice(n) for n in values.shape)] = values

    def _compare_pictures(self, picture_sha: Callable[[Any, int], str]) -> None:
        for index in sorted({0, len(self) // 2, len(self) - 1}):
            own = picture_sha(self.source, index)
            for store in self.stores:
                told = store[index].image_sha
                if told != own:
                    raise StoreError(
                        f"picture {index} of the source has SHA-256 {own[:12]}..., in the store in {store.folder} "
                        f"{told[:12]}...: they are not of the same pictures; {_OTHER}"
                    )


_OTHER = "name the store of these pictures, or make one (python -m semjax.teachers run ...)"


def _check_store(store: Store, source: Pictures) -> None:
    store.require_complete()
    if len(store) != len(source):
        raise StoreError(
            f"the source has {len(source)} pictures, the store in {store.folder} {len(store)}: they are not of the "
            f"same pictures; {_OTHER}"
        )


def _chosen(stores: Sequence[Store], asked: tuple[str, ...] | None) -> dict[str, int]:
    """The scenarios by name, and which store is heard on each."""
    known: dict[str, int] = {}
    for which, store in enumerate(stores):
        for name in store.scenarios:
            known.setdefault(name, which)
    for name in asked or ():
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"; nearest is {near[0]}" if near else ""
            raise StoreError(f"no store knows scenario {name!r}{hint}; they know: {', '.join(known) or 'none'}")
    if asked is not None and len(set(asked)) < len(asked):
        raise StoreError(f"a scenario is named twice: {', '.join(asked)}")
    return known if asked is None else {name: known[name] for name in asked}


def _places(names: tuple[str, ...] | None) -> dict[str, int] | None:
    """Classes by name, and their places."""
    if names is None:
        return None
    places = {name: place for place, name in enumerate(names)}
    if len(places) < len(names):
        twice = next(name for place, name in enumerate(names) if places[name] != place)
        raise StoreError(f"class {twice!r} is named twice among the {len(names)} classes to be joined; name each once")
    return places


def _width(stores: Sequence[Store], name: str) -> int:
    """The length of an embedding."""
    if name not in EMBEDDINGS:
        raise StoreError(f"there are no features {name!r}; there are: {', '.join(EMBEDDINGS)}")
    for store in stores:
        found = (store[i].features for i in range(min(len(store), 100)))
        first = next((getattr(f, EMBEDDINGS[name]) for f in found if f is not None), None)
        if first is not None:
            return first.shape[-1]
    raise StoreError(f"no store has features {name!r}; make one with a teacher that embeds pictures")
