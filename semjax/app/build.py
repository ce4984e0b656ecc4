"""From configuration to things: the registry of parts, the trainable of a run, and what a run left behind.

A system's builder is called as `builder(cfg, parts, **options)`: `parts` makes channels, networks and phases from their
sections of the configuration (`semjax.systems.base.Parts`), and the options are the builder's keyword-only parameters,
taken from section `system`.
"""

import dataclasses
import difflib
import functools
import inspect
import json
import pathlib
import re
from collections.abc import Callable, Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from semjax.app import config
from semjax.app.config import Config
from semjax.app.errors import ConfigError, UserError, explained
from semjax.app.joined import joined
from semjax.app.schema import MODULATIONS, Table, look_up, options_of
from semjax.channels import CHANNELS
from semjax.contracts import Channel, Phase, Trainable
from semjax.data.entries import blank_of
from semjax.data.files import Source
from semjax.data.loader import LABELS
from semjax.data.mixture import Part
from semjax.data.patches import PatchSource
from semjax.data.small import drop_small
from semjax.data.sources import SOURCES, CachedSource
from semjax.decoders import DECODERS
from semjax.encoders import ENCODERS
from semjax.systems import SYSTEMS
from semjax.systems.base import frozen_of
from semjax.teachers.reader_training import build_reader
from semjax.training.best import highest_first
from semjax.training.checkpoint import abstract, flat
from semjax.training.reading import Reader, newest_first
from semjax.types import Batch, Public, Tree

CONFIG_FILE, CHECKPOINT_DIR, BEST_DIR, PARAMS_FILE = "config.json", "ckpt", "best", "params.npz"
STORES = {"latest": (CHECKPOINT_DIR, newest_first), "best": (BEST_DIR, highest_first)}
"""What `load` may be asked for: the directory, and the order in which its steps are tried."""
META_KEY = "meta"
TOWERS: Table = {"reader": build_reader}
"""What is trained as systems are, and sends nothing."""
LOADER_KEYS = ("crop", "flip", "small", "patches", "cache_mb", "teachers", "batch_size", "limit", "snr_db")
"""Keys of data sections that are not the source's."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Registry:
    """Every part that a configuration may name, by kind."""

    systems: Table
    channels: Table
    encoders: Table
    decoders: Table
    sources: Table

    def with_(self, **added: Table) -> "Registry":
        """This registry with more parts: `with_(systems={"mine": build}, channels={...})`.

        Raises:
          ValueError: a kind there is not.
        """
        kinds = [field.name for field in dataclasses.fields(self)]
        unknown = sorted(set(added) - set(kinds))
        if unknown:
            raise ValueError(f"there are no parts of kind {unknown}; the kinds are {', '.join(kinds)}")
        return dataclasses.replace(self, **{kind: {**getattr(self, kind), **parts} for kind, parts in added.items()})


def default_registry() -> Registry:
    """The parts of this package."""
    return Registry(
        systems={**SYSTEMS, **TOWERS}, channels=CHANNELS, encoders=ENCODERS, decoders=DECODERS, sources=SOURCES
    )


def make(part: Callable[..., Any], options: Mapping[str, Any], *, path: str, beside: tuple[str, ...] = ()) -> Any:
    """Calls a part's constructor; what it does not accept is an error of the section `path`.

    Args:
      part: the constructor.
      options: its arguments.
      path: dotted path of the section they come from.
      beside: keys of the section that are not the part's, for the error message.

    Raises:
      ConfigError: an unknown option of a part that checks its options itself, or a value it refuses.
    """
    try:
        with explained(path):
            return part(**options)
    except TypeError as error:
        found = re.search(r"unexpected keyword argument '(\w+)'", str(error))
        if not found:
            raise ConfigError(f"{path}: {error}") from error
        known = [*inspect.signature(part).parameters, *beside]
        near = difflib.get_close_matches(found[1], known, n=3, cutoff=0.5)
        hint = f"nearest: {', '.join(f'{path}.{name}' for name in near)}" if near else str(error)
        raise ConfigError(f"unknown config key {f'{path}.{found[1]}'!r}; {hint}") from error


def _options(section: Mapping[str, Any], *beside: str) -> dict[str, Any]:
    return {key: value for key, value in section.items() if key not in beside}


@dataclasses.dataclass(frozen=True, kw_only=True)
class ConfiguredParts:
    """Makes parts from their sections, for a system's builder.

    Attributes:
      registry: the parts.
      dtype: in which networks compute.
    """

    registry: Registry
    dtype: Any = jnp.float32

    def channel(self, cfg: Mapping[str, Any]) -> Channel:
        """The channel of a section {name, **options}."""
        part = look_up(self.registry, "channels", cfg["name"], path="channel.name")
        return make(part, _options(cfg, "name"), path="channel")

    def encoder(self, cfg: Mapping[str, Any]) -> Callable[..., nn.Module]:
        """A factory of the encoder of a section; it takes the fields that the system sets."""
        return self._network("encoders", cfg)

    def decoder(self, cfg: Mapping[str, Any]) -> Callable[..., nn.Module]:
        """A factory of the decoder of a section; it takes the fields that the system sets."""
        return self._network("decoders", cfg)

    def phases(self, cfg: Any) -> tuple[Phase, ...]:
        """The phases of a configuration; one over the whole run if it names none."""
        made = tuple(Phase(**{**dict(p), "channel": p["channel"] and self.channel(p["channel"])}) for p in cfg)
        return made or (Phase(name="train"),)

    def _network(self, kind: str, cfg: Mapping[str, Any]) -> Callable[..., nn.Module]:
        part = look_up(self.registry, kind, cfg["name"], path=f"{kind.removesuffix('s')}.name")
        options = _options(cfg, "name")
        if "modulation" in options:
            wanted = options["modulation"]
            if wanted not in MODULATIONS:
                raise ConfigError(f"modulation {wanted!r} is not known; it may be {', '.join(MODULATIONS)}")
            options["modulation"] = MODULATIONS[wanted]
        if "dtype" in inspect.signature(part).parameters:
            options["dtype"] = self.dtype
        return functools.partial(part, **options)


def build(cfg: Config, registry: Registry) -> Trainable:
    """The trainable of a resolved configuration.

    Raises:
      ConfigError: the system refuses its settings.
    """
    builder = look_up(registry, "systems", cfg.system.name, path="system.name")
    parts = ConfiguredParts(registry=registry, dtype=jnp.dtype(cfg.compute_dtype))
    options = {key: cfg.system[key] for key in options_of(builder, "systems").defaults}
    return make(functools.partial(builder, cfg, parts), options, path="system")


def source(section: Mapping[str, Any], registry: Registry, *, path: str) -> Source:
    """The data source of a section {source, **options}, with what its `teachers`, `small` and `patches` ask for.

    Raises:
      ConfigError: an option of the source that cannot be, or patches without a size.
      DataError: the pictures are not there.
    """
    made = _source(section, registry, path=path, beside=LOADER_KEYS)
    made = joined(made, section.get("teachers", {}), path=path)
    crop, patches = section.get("crop"), section.get("patches", 0)
    if patches and (patches < 0 or crop is None):
        raise ConfigError(f"{path}.patches is {patches}; it must not be negative, and needs {path}.crop as their size")
    if crop is not None and section.get("small") == "drop":
        made = drop_small(made, crop)
    if crop is not None and patches:
        made = PatchSource(made, size=crop, count=patches)
    room = section.get("cache_mb", 0) << 20
    return CachedSource(made, max_bytes=room) if room else made


def _source(section: Mapping[str, Any], registry: Registry, *, path: str, beside: tuple[str, ...]) -> Source:
    """A source, after its parts if it is a mixture."""
    part = look_up(registry, "sources", section["source"], path=f"{path}.source")
    options = _options(section, "source", *beside)
    if "parts" in options:
        options["parts"] = [
            Part(source=_source(p, registry, path=f"{path}.parts[{i}]", beside=("weight",)), weight=p["weight"])
            for i, p in enumerate(options["parts"])
        ]
    return make(part, options, path=path, beside=beside)


def example_batch(cfg: Config, rows: int = 1, *, like: Source | None = None) -> Batch:
    """Shapes of a training batch, as numpy zeros; with the maps and labels of the source `like`."""
    side = cfg.data.train.crop or 64
    record = {"image": np.zeros((rows, side, side, 3), np.float32), "id": np.arange(rows, dtype=np.int32)}
    known = blank_of(like) if like is not None else {}
    shapes = {name: label.shape for name, label in known.get("labels", {}).items()}
    shapes |= {name: (side, side, *pixels.shape[2:]) for name, pixels in known.get("maps", {}).items()}
    kinds = {name: array.dtype for arrays in known.values() for name, array in arrays.items()}
    labels = {f"{LABELS}{name}": np.zeros((rows, *shape), kinds[name]) for name, shape in shapes.items()}
    return to_batch({**record, **labels, "_mask": np.ones(rows, bool)})


def to_batch(record: Mapping[str, Any], *, snr_db: float = 10.0) -> Batch:
    """A loader's record as a `Batch` of numpy arrays, at full rate and one SNR (a training phase draws its own)."""
    b, h, w, _ = record["image"].shape
    level: Any = np.full(b, snr_db, np.float32)
    full: Any = np.ones(b, np.float32)
    public = Public(snr_db=level, rate=full, height=h, width=w)
    labels = {name.removeprefix(LABELS): array for name, array in record.items() if name.startswith(LABELS)}
    return Batch(image=record["image"], public=public, labels=labels, id=record["id"], mask=record["_mask"])


@dataclasses.dataclass(frozen=True, kw_only=True)
class Loaded:
    """A trained system.

    Attributes:
      cfg: the resolved configuration it was trained with.
      trainable: the system.
      variables: what its predict functions apply: {"params": averaged parameters, **collections}.
      meta: facts (step, seed, config_hash).
    """

    cfg: Config
    trainable: Trainable
    variables: Tree
    meta: dict[str, Any]

    @functools.cached_property
    def frozen(self) -> dict[str, Tree]:
        """What the predict functions take as `frozen`; read when it is asked for, see `frozen_of`."""
        return frozen_of(self.trainable)


def load(path: str | pathlib.Path, registry: Registry, *, which: str = "latest") -> Loaded:
    """What a run left in its work directory, or a shipped checkpoint.

    Every file that is read of a run is verified; a bad checkpoint is skipped with a line on stderr. Nothing is changed
    there, so the run may be going on.

    Args:
      path: a folder with config.json and either `ckpt/` or `params.npz`.
      registry: the parts it is made of.
      which: of a run, "latest" or "best"; a shipped checkpoint is only one.

    Raises:
      UserError: it is neither, or has no best state; ConfigError, CheckpointError: it does not fit this version's
        parts, or no checkpoint of it can be believed.
    """
    folder = pathlib.Path(path)
    if not (folder / CONFIG_FILE).is_file():
        raise UserError(f"{folder} is neither a run nor a checkpoint: it has no {CONFIG_FILE}")
    cfg = config.resolve(config.from_json((folder / CONFIG_FILE).read_text(encoding="utf-8")), registry)
    trainable = build(cfg, registry)
    if (folder / PARAMS_FILE).is_file():
        return _shipped(folder, cfg, trainable)
    if which not in STORES:
        raise UserError(f"which={which!r} is not known; it may be {', '.join(STORES)}")
    name, order = STORES[which]
    if not (folder / name).is_dir():
        raise UserError(f"{folder} holds no checkpoint yet: no {name}/ and no {PARAMS_FILE}")
    params, collections = _shapes(cfg, trainable)
    reader = Reader(folder / name, order=order)
    part = reader.restore_part({"ema": {"codec": params["codec"]}, "collections": collections})
    facts = _options(reader.meta(), "leaves")
    variables = {"params": part["ema"]["codec"], **part["collections"]}
    return Loaded(cfg=cfg, trainable=trainable, variables=variables, meta=facts)


def _shapes(cfg: Config, trainable: Trainable) -> tuple[dict[str, Tree], Tree]:
    return abstract(jax.eval_shape(trainable.init, jax.random.key(0), example_batch(cfg)))


def _shipped(folder: pathlib.Path, cfg: Config, trainable: Trainable) -> Loaded:
    params, collections = _shapes(cfg, trainable)
    wanted = {"params": params["codec"], **collections}
    with np.load(folder / PARAMS_FILE) as file:
        arrays = {name: file[name] for name in file.files}
    facts = json.loads(str(arrays.pop(META_KEY)))
    for name in [n for n in arrays if n.endswith("@bfloat16")]:  # the format has no bfloat16: its bits are stored
        arrays[name.removesuffix("@bfloat16")] = arrays.pop(name).view(jnp.bfloat16)
    leaves = flat(wanted)
    wrong = sorted(set(leaves) ^ set(arrays)) or [n for n, leaf in leaves.items() if leaf.shape != arrays[n].shape]
    if wrong:
        raise UserError(f"{folder / PARAMS_FILE} does not fit its {CONFIG_FILE}: {', '.join(wrong[:5])}")
    values = [jnp.asarray(arrays[name].astype(leaf.dtype)) for name, leaf in leaves.items()]
    variables = jax.tree.unflatten(jax.tree.structure(wanted), values)
    return Loaded(cfg=cfg, trainable=trainable, variables=variables, meta=facts)
