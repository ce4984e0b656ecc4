"""Fits class tables on labels and writes them, for `semjax.importance.class_tables.load_tables`.

    python -m semjax.importance.fit --scenes OUT.json --count 4000
    python -m semjax.importance.fit --stores STORE ... OUT.json

`--scenes` takes the exact importance of scenes 0 to count - 1 of split train. `--stores` takes what teachers said in
complete stores of a training split; the classes are the names of regions in the stores, in alphabetical order. As in
`TeacherJoin`, stores of the same pictures complement each other: of each picture and scenario the first store that has
it is heard.
"""

import argparse
import collections
import dataclasses
import functools
import sys
from collections.abc import Callable, Mapping, Sequence

import jax
import numpy as np

from semjax.importance.class_tables import ClassTables, fit, save_tables
from semjax.scenes.classes import region_classes, scene_classes
from semjax.scenes.scenarios import all_importance, scenario_names
from semjax.scenes.world import Scene, SceneConfig, sample_scene
from semjax.store.layout import StoreError
from semjax.store.record import Record, Regions, label_weight
from semjax.store.shards import Store

AT_ONCE = 500
"""Scenes drawn at a time: one shape, so that it is compiled once."""


def fit_scenes(count: int, seed: int = 0) -> ClassTables:
    """The tables of the exact importance of scenes, those of `ScenesSource(split="train", seed=seed)`.

    Args:
      count: how many scenes.
      seed: of the source.

    Raises:
      ValueError: a count below 1.
    """
    if count < 1:
        raise ValueError(f"--count {count}: at least one scene is needed")
    drawn = [_drawer()(seed, np.arange(first, first + AT_ONCE)) for first in range(0, count, AT_ONCE)]
    scenes, importance = jax.tree.map(lambda *parts: np.concatenate(parts)[:count], *map(jax.device_get, drawn))
    valid = np.concatenate([np.ones((count, 1), bool), scenes.present], axis=1)
    return fit(
        importance,
        region_classes(scenes),
        np.broadcast_to(valid[:, None], importance.shape).astype(np.float32),
        names=scene_classes(),
        scenarios=scenario_names(),
        about=f"exact importance of {count} scenes of split train, seed {seed}",
    )


@functools.cache
def _drawer() -> Callable[[int, np.ndarray], tuple[Scene, jax.Array]]:
    def draw(seed: jax.Array, index: jax.Array) -> tuple[Scene, jax.Array]:
        scene = sample_scene(jax.random.fold_in(jax.random.key(seed), index), SceneConfig(), "train")
        return scene, all_importance(scene)

    return jax.jit(jax.vmap(draw, in_axes=(None, 0)))


@dataclasses.dataclass(kw_only=True)
class _Heard:
    """What stores say of one picture.

    Attributes:
      names: class of each region ("" = empty slot).
      labels: importance and weight of each region, by scenario.
    """

    names: list[str] = dataclasses.field(default_factory=list)
    labels: dict[str, tuple[np.ndarray, np.ndarray]] = dataclasses.field(default_factory=dict)

    def hear(self, record: Record) -> None:
        """Adds what another record of the picture says."""
        if record.regions is not None and not self.names:
            self.names = _names(record.regions)
        told = record.scenarios
        for name, score, status in () if told is None else zip(told.names, told.importance, told.status, strict=True):
            self.labels.setdefault(name, (score, label_weight(status)))


def _names(regions: Regions) -> list[str]:
    return [name if valid else "" for name, valid in zip(regions.names, regions.valid, strict=True)]


def fit_stores(stores: Sequence[Store]) -> ClassTables:
    """The tables of what teachers said; see the module's docstring.

    Args:
      stores: of pictures to train on.

    Raises:
      StoreError: a store that is not complete, or labels of regions that no store names.
      ImportanceError: no label at all.
    """
    pictures: dict[str, _Heard] = collections.defaultdict(_Heard)
    for store in stores:
        store.require_complete()
        for index in range(len(store)):
            record = store[index]
            pictures[record.image_sha].hear(record)
    names = sorted({name for heard in pictures.values() for name in heard.names} - {""})
    scenarios = list(dict.fromkeys(name for store in stores for name in store.scenarios))
    return fit(
        *_arrays(pictures, names, scenarios),
        names=names,
        scenarios=scenarios,
        about=f"{len(pictures)} pictures of stores {', '.join(store.folder.resolve().name for store in stores)}",
    )


def _arrays(
    pictures: Mapping[str, _Heard], names: Sequence[str], scenarios: Sequence[str]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """importance float32[n, s, m], classes int32[n, m], weight float32[n, s, m]."""
    place = {name: i for i, name in enumerate(names)}
    m = max([1, *(len(heard.names) for heard in pictures.values())])
    importance = np.zeros((len(pictures), len(scenarios), m), np.float32)
    weight = np.zeros_like(importance)
    classes = np.full((len(pictures), m), len(names), np.int32)
    for n, (sha, heard) in enumerate(pictures.items()):
        classes[n, : len(heard.names)] = [place.get(name, len(names)) for name in heard.names]
        for name, (score, sure) in heard.labels.items():
            if len(score) > len(heard.names) and sure.any():
                raise StoreError(
                    f"picture {sha[:12]}... has labels of {len(score)} regions, and the stores name "
                    f"{len(heard.names)}; add a store of the same pictures that has their regions"
                )
            row = scenarios.index(name)
            importance[n, row, : len(score)], weight[n, row, : len(score)] = np.where(sure > 0, score, 0), sure
    return importance, classes, weight


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m semjax.importance.fit",
        description=__doc__,
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    kind = parser.add_mutually_exclusive_group(required=True)
    kind.add_argument("--scenes", action="store_true", help="fit on scenes")
    kind.add_argument("--stores", action="store_true", help="fit on teacher stores")
    parser.add_argument("paths", nargs="+", metavar="PATH", help="folders of the stores, then the file to write")
    parser.add_argument("--count", type=int, default=4000, help="of scenes (default 4000)")
    parser.add_argument("--seed", type=int, default=0, help="of scenes (default 0)")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status: 0 done, 2 something the user can put right."""
    parser = _parser()
    flags = parser.parse_args(argv)
    *folders, out = flags.paths
    if bool(folders) != flags.stores:
        parser.error("--scenes takes one file to write; --stores takes folders of stores, then the file to write")
    try:
        tables = fit_stores([Store(folder) for folder in folders]) if folders else fit_scenes(flags.count, flags.seed)
        save_tables(tables, out)
    except (ValueError, OSError) as error:
        told = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) and error.filename else error
        print(f"error: {told}", file=sys.stderr)
        return 2
    print(f"wrote {len(tables.names)} classes and {len(tables.scenarios)} scenarios to {out}: {tables.about}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
