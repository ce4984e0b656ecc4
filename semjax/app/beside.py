"""What an evaluation measures: a run's system, and beside it the systems without training, at the same rates.

A system of many rates has an attribute `rates`, the least and the largest rate token it serves. One without has a fixed
rate: it takes no notice of the token, so it is measured at 1 only. Beside a system of many rates, a baseline of fixed
rate is therefore built once per token, with cbr = token * the system's cbr, and its rows carry that token.
"""

import dataclasses
import datetime
import logging
import pathlib
import platform
from typing import Any

import jax

import semjax
from semjax.app import build, config
from semjax.app.errors import ConfigError
from semjax.app.schema import look_up, options_of
from semjax.contracts import Trainable
from semjax.evaluators.references import CROPPED
from semjax.evaluators.sweep import Origin
from semjax.training.log import git_state
from semjax.types import Tree

LOG = logging.getLogger(__name__)
SLACK = 1e-3
"""By how much a rate token may miss the ends of a range that is itself a ratio of two rates, as 0.1667 for 1/6."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Entry:
    """A system to be measured, at which rate tokens, and what its rows say of its origin."""

    trainable: Trainable
    variables: Tree
    origin: Origin
    rates: tuple[float, ...]
    frozen: Tree = dataclasses.field(default_factory=dict)


def entries(cfg: Any, loaded: build.Loaded, registry: build.Registry) -> list[Entry]:
    """The run's system, and the baselines beside it.

    Args:
      cfg: the configuration, with the evaluation's changes.
      loaded: the run.
      registry: the parts.

    Raises:
      ConfigError: rates that the system does not serve, or a baseline that cannot be one.
    """
    rates = checked_rates(cfg.eval.rates, loaded.trainable)
    known = {"trainable": loaded.trainable, "variables": loaded.variables, "frozen": loaded.frozen}
    own = Entry(**known, origin=_origin(cfg, loaded), rates=rates)
    names = [name for name in cfg.eval.baselines if name != own.origin.system]
    if names and cfg.system.get("cbr") == 0:
        LOG.warning(
            "eval.baselines: %s left out: cbr 0 of the system means that each picture spends what it needs, so there "
            "is no rate at which a baseline could stand beside it",
            ", ".join(names),
        )
        names = []
    return [own, *(entry for name in names for entry in _baselines(name, cfg, registry, own=own))]


def checked_rates(tokens: Any, trainable: Trainable, *, where: str = "eval.rates") -> tuple[float, ...]:
    """The rate tokens asked for, ascending.

    Raises:
      ConfigError: there is none, or one that the system does not serve.
    """
    rates = tuple(sorted({number(token, where) for token in tokens}))
    served = getattr(trainable, "rates", None)
    low, high = served or (1.0, 1.0)
    outside = [f"{token:g}" for token in rates if not low * (1 - SLACK) <= token <= high * (1 + SLACK)]
    if outside or not rates:
        name = getattr(trainable, "name", "the system")
        range_ = f"rate tokens from {low:.4g} to {high:.4g}" if served else "one rate only, so (1.0,) is all it can be"
        raise ConfigError(f"{where} holds {', '.join(outside) or 'nothing'}; {name} serves {range_}")
    return rates


def number(value: Any, path: str) -> float:
    """A number out of a tuple of the configuration.

    Raises:
      ConfigError: it is none.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ConfigError(f"{path} holds {value!r}; it must hold numbers")
    return float(value)


def provenance(origin: Origin, cfg: Any) -> dict[str, str]:
    """Facts about an evaluation that its page shows as they are."""
    devices = jax.devices()
    return {
        "System": origin.system if origin.variant == "default" else f"{origin.system} ({origin.variant})",
        "Checkpoint": origin.checkpoint or "shipped",
        "Commit": origin.commit or "installed package",
        "Configuration": origin.config_hash,
        "Pictures": f"{origin.dataset} {origin.split}".strip(),
        "Seed of the channel draws": str(cfg.eval.seed),
        "Date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "Machine": f"{len(devices)} x {devices[0].device_kind}, {platform.system()} {platform.machine()}",
        "Software": f"semjax {semjax.__version__}, jax {jax.__version__}, Python {platform.python_version()}",
    }


def _baselines(name: str, cfg: Any, registry: build.Registry, *, own: Entry) -> list[Entry]:
    """A system without training with the run's rates: one entry if it serves them all, else one per rate."""
    first = _baseline(name, cfg, registry, own=own, rate=own.rates[-1])
    if getattr(first.trainable, "rates", None):
        return [dataclasses.replace(_baseline(name, cfg, registry, own=own, rate=1.0), rates=own.rates)]
    return [*(_baseline(name, cfg, registry, own=own, rate=token) for token in own.rates[:-1]), first]


def _baseline(name: str, cfg: Any, registry: build.Registry, *, own: Entry, rate: float) -> Entry:
    """A system without training at one rate, with those of the run's system options that it has too."""
    builder = look_up(registry, "systems", name, path="eval.baselines")
    known = options_of(builder, "systems")
    shared = {k: v for k, v in cfg.system.items() if k != "name" and (known.others or k in known.defaults)}
    if rate != 1.0:
        if "cbr" not in shared:
            raise ConfigError(f"eval.baselines: {name} shares no option cbr, so it has no form at rate token {rate:g}")
        shared["cbr"] *= rate
    made: Any = config.resolve({**cfg.to_dict(), "system": {"name": name, **shared}}, registry)
    trainable = build.build(made, registry)
    params, collections = trainable.init(jax.random.key(made.seed), build.example_batch(made))
    if jax.tree.leaves(params):
        raise ConfigError(f"eval.baselines: {name} has parameters to train; a baseline may have none")
    origin = dataclasses.replace(
        own.origin, **_named(trainable, made), checkpoint="", config_hash=config.config_hash(made)
    )
    variables = {"params": params["codec"], **collections}
    return Entry(trainable=trainable, variables=variables, origin=origin, rates=(rate,))


def _origin(cfg: Any, loaded: build.Loaded) -> Origin:
    data, git = cfg.eval.data, git_state()
    step = loaded.meta.get("step")
    return Origin(
        **_named(loaded.trainable, loaded.cfg),
        checkpoint="" if step is None else f"step {step}",
        commit=(git["commit"] or "")[:12] + ("+" if git["dirty"] else ""),
        config_hash=loaded.meta.get("config_hash") or config.config_hash(loaded.cfg),
        dataset=_dataset(data),
        split=" ".join([str(data.get("split") or ""), *_cut(data)]).strip(),
    )


def _dataset(data: Any) -> str:
    """The set of pictures as rows name it: its own name, or that of its folder or file."""
    places = [data.get(key) for key in ("root", "path") if data.get(key)]
    if places:
        first = places[0] if isinstance(places[0], str) else places[0][0]
        return pathlib.Path(first).stem
    return str(data.get("dataset") or data.source)


def _cut(data: Any) -> list[str]:
    """How pictures were cut, in words of the split: with them it is not the set that others report on."""
    patches = data.get("patches")
    return [f"{CROPPED} {data.crop}", *([f"patches {patches}"] if patches else [])] if data.crop else []


def _named(trainable: Trainable, cfg: Any) -> dict[str, str]:
    return {
        "system": getattr(trainable, "name", cfg.system.name),
        "variant": getattr(trainable, "variant", "default"),
    }
