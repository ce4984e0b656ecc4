"""Completes a configuration with defaults and checks it: keys, types, parts and their options.

The keys a section may have are those of `semjax.app.defaults` and, where the section names a part, the options of that
part's constructor: its parameters with a plain default (number, text, truth value, None or a tuple of these), those
without a default that the program does not supply itself, and `modulation`, by its name in `MODULATIONS`. The options
of a system are the keyword-only parameters of its builder. A builder without any reads `cfg.system` as it likes, and a
constructor with `**options` checks these itself: there a section may have any key.
"""

import copy
import dataclasses
import difflib
import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

from semjax.app.defaults import CHOICES, DEFAULTS, OPTIONAL, PARTS, POSITIVE, SPLITS
from semjax.app.errors import ConfigError
from semjax.contracts import Phase
from semjax.nn.modulate import SNRFiLM, Unmodulated

SUPPLIED = {
    "systems": (),
    "encoders": ("features", "parent", "name"),
    "decoders": ("features", "parent", "name"),
    "channels": (),
    "sources": (),
}
"""Constructor parameters that are not the user's: the system and the program give them."""

MODULATIONS = {"none": Unmodulated, "snr_film": SNRFiLM}
"""How a network takes notice of SNR and rate, by the name in configurations."""

Table = Mapping[str, Callable[..., Any]]
_REQUIRED = inspect.Parameter.empty


class Tables(Protocol):
    """The registered parts, by kind and name."""

    @property
    def systems(self) -> Table: ...

    @property
    def channels(self) -> Table: ...

    @property
    def encoders(self) -> Table: ...

    @property
    def decoders(self) -> Table: ...

    @property
    def sources(self) -> Table: ...


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """What may be set of a part.

    Attributes:
      defaults: default per option; `inspect.Parameter.empty` = must be given.
      others: whether the part takes further options that its signature does not name.
    """

    defaults: dict[str, Any]
    others: bool


def options_of(part: Callable[..., Any], kind: str) -> Options:
    """The configurable options of a part's constructor, or of a system's builder."""
    parameters = inspect.signature(part).parameters
    named = {k: p for k, p in parameters.items() if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)}
    if kind == "systems":
        named = {k: p for k, p in named.items() if p.kind == p.KEYWORD_ONLY}
    found = {}
    for name, parameter in named.items():
        default = parameter.default
        if name == "modulation":
            found[name] = next((k for k, v in MODULATIONS.items() if v is default), "none")
        elif name not in SUPPLIED[kind] and (default is _REQUIRED or _is_plain(default)):
            found[name] = default
    variadic = any(p.kind == p.VAR_KEYWORD for p in parameters.values())
    return Options(defaults=found, others=variadic or (kind == "systems" and not found))


def _is_plain(value: Any) -> bool:
    if isinstance(value, tuple):
        return all(_is_plain(item) for item in value)
    return value is None or isinstance(value, bool | int | float | str)


def look_up(tables: Tables, kind: str, name: Any, *, path: str) -> Callable[..., Any]:
    """The part of that kind and name.

    Raises:
      ConfigError: there is none; the message has the nearest names.
    """
    table: Table = getattr(tables, kind)
    if name in table:
        return table[name]
    near = difflib.get_close_matches(str(name), list(table), n=3, cutoff=0.5) or sorted(table)
    raise ConfigError(f"{path}: {kind.removesuffix('s')} {name!r} is not known; nearest: {', '.join(near)}")


def complete(asked: Mapping[str, Any], tables: Tables) -> dict[str, Any]:
    """A full, checked configuration tree from a partial one.

    Raises:
      ConfigError: as `semjax.app.config.resolve`.
    """
    template = copy.deepcopy(DEFAULTS)
    for path in PARTS:
        _add_options(template, asked, tables, path)
    tree = _merge(template, asked, "", sorted(_paths(template)))
    for path in (path for path, (kind, _) in PARTS.items() if kind == "sources"):
        _complete_mixture(_get(tree, path), tables, path, split=SPLITS.get(path))
    tree["eval"]["channels"] = _parts(tree["eval"]["channels"], tables, "eval.channels")
    tree["phases"] = tuple(_phase(p, tables, f"phases.{i}") for i, p in enumerate(tree["phases"]))
    for path, choices in CHOICES.items():
        if _get(tree, path) not in choices:
            raise ConfigError(f"{path} is {_get(tree, path)!r}; it may be: {', '.join(choices)}")
    for path in POSITIVE:
        if not _get(tree, path) > 0:
            raise ConfigError(f"{path} is {_get(tree, path)!r}; it must be above zero")
    if tree["train"]["steps"] < 0:
        raise ConfigError(f"train.steps is {tree['train']['steps']}; it must not be negative")
    return tree


def _get(tree: Mapping[str, Any], path: str) -> Any:
    for key in path.split("."):
        tree = tree.get(key, {}) if isinstance(tree, Mapping) else {}
    return tree


def _add_options(template: dict[str, Any], asked: Mapping[str, Any], tables: Tables, path: str) -> None:
    kind, selector = PARTS[path]
    section, wanted = _get(template, path), _get(asked, path)
    if not isinstance(wanted, Mapping):
        raise ConfigError(f"{path} is {wanted!r}; it must be a section with the keys {', '.join(section)}")
    name = wanted.get(selector, section[selector])
    part = look_up(tables, kind, name, path=f"{path}.{selector}")
    for key, value in _part_template(part, wanted, kind=kind, path=path).items():
        section.setdefault(key, SPLITS[path] if key == "split" and value == "train" and path in SPLITS else value)


def _part_template(part: Callable[..., Any], wanted: Mapping[str, Any], *, kind: str, path: str) -> dict[str, Any]:
    """Default per option of a part; what is wanted itself where there is no default."""
    options = options_of(part, kind)
    template = dict(options.defaults)
    for name, default in options.defaults.items():
        if default is _REQUIRED:
            if name not in wanted:
                raise ConfigError(f"{path}.{name} must be set (--config.{path}.{name}=VALUE)")
            template[name] = wanted[name]
    extra = {k: v for k, v in wanted.items() if options.others and k not in template}
    return {**template, **extra}


def _merge(template: Mapping[str, Any], asked: Mapping[str, Any], path: str, known: list[str]) -> dict[str, Any]:
    merged = dict(template)
    for key, value in asked.items():
        full = f"{path}{key}"
        if key not in template:
            raise _unknown(full, value, known)
        default = template[key]
        if isinstance(default, Mapping):
            if not isinstance(value, Mapping):
                raise ConfigError(f"{full} is {value!r}; it must be a section with the keys {', '.join(default)}")
            merged[key] = _merge(default, value, f"{full}.", known)
        else:
            merged[key] = _fit(full, default, value)
    return merged


def _unknown(full: str, value: Any, known: list[str]) -> ConfigError:
    while isinstance(value, Mapping) and len(value) == 1:
        key, value = next(iter(value.items()))
        full = f"{full}.{key}"
    near = difflib.get_close_matches(full, known, n=3, cutoff=0.6)
    if not near:
        section = full.rpartition(".")[0]
        near = [k for k in known if k.rpartition(".")[0] == section] or sorted({k.partition(".")[0] for k in known})
    return ConfigError(f"unknown config key {full!r}; nearest: {', '.join(near)}")


def _paths(tree: Mapping[str, Any], path: str = "") -> Iterator[str]:
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from _paths(value, f"{path}{key}.")
        else:
            yield f"{path}{key}"


def _fit(path: str, default: Any, value: Any) -> Any:
    """`value` in the type of the key; whole numbers become floats where a float is wanted."""
    wanted = OPTIONAL.get(path, type(default))
    if value is None and (path in OPTIONAL or default is None):
        return None
    if wanted is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if wanted in (tuple, list) and isinstance(value, tuple | list):
        floats = bool(default) and all(isinstance(item, float) for item in default)
        return tuple(_fit(f"{path}.{i}", 0.0, item) if floats else _tuples(item) for i, item in enumerate(value))
    is_bool = isinstance(value, bool)
    if wanted is type(None) or (isinstance(value, wanted) and (wanted is bool or not is_bool)):
        return _tuples(value)
    raise ConfigError(f"{path} is {value!r}, a {type(value).__name__}; it must be a {wanted.__name__}")


def _tuples(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _tuples(item) for key, item in value.items()}
    return tuple(_tuples(item) for item in value) if isinstance(value, list | tuple) else value


def _complete_mixture(section: dict[str, Any], tables: Tables, path: str, *, split: str | None) -> None:
    """Completes, in place, the parts of a section whose source has an option `parts`: sections with a weight each."""
    if "parts" in options_of(look_up(tables, "sources", section["source"], path=f"{path}.source"), "sources").defaults:
        parts = section["parts"]
        if not isinstance(parts, tuple) or not parts:
            raise ConfigError(f'{path}.parts is {parts!r}; it must be one or more of {{"source": ..., "weight": 1.0}}')
        section["parts"] = tuple(_source(p, tables, f"{path}.parts[{i}]", split=split) for i, p in enumerate(parts))


def _source(value: Any, tables: Tables, path: str, *, split: str | None) -> dict[str, Any]:
    """One part of a mixture: a source, its options, and its weight."""
    if not isinstance(value, Mapping) or "source" not in value:
        raise ConfigError(f'{path} is {value!r}; it must be {{"source": ..., "weight": 1.0, options}}')
    part = look_up(tables, "sources", value["source"], path=f"{path}.source")
    template = {**_part_template(part, value, kind="sources", path=path), "source": "", "weight": 1.0}
    if split and template.get("split") == "train":
        template["split"] = split
    section = _merge(template, value, f"{path}.", [f"{path}.{key}" for key in template])
    if not 0 < section["weight"] < float("inf"):
        raise ConfigError(f"{path}.weight is {section['weight']}; it must be finite and above zero")
    _complete_mixture(section, tables, path, split=split)
    return section


def _parts(values: Any, tables: Tables, path: str) -> tuple[dict[str, Any], ...]:
    return tuple(_channel(value, tables, f"{path}.{i}") for i, value in enumerate(values))


def _channel(value: Any, tables: Tables, path: str) -> dict[str, Any]:
    if not isinstance(value, Mapping) or "name" not in value:
        raise ConfigError(f'{path} is {value!r}; it must be a part: {{"name": ..., options}}')
    part = look_up(tables, "channels", value["name"], path=f"{path}.name")
    template = {"name": value["name"], **_part_template(part, value, kind="channels", path=path)}
    return _merge(template, value, f"{path}.", [f"{path}.{key}" for key in template])


def _phase(value: Any, tables: Tables, path: str) -> dict[str, Any]:
    fields = {f.name: f for f in dataclasses.fields(Phase)}
    if not isinstance(value, Mapping) or "name" not in value:
        raise ConfigError(f'{path} is {value!r}; it must be {{"name": ..., {", ".join(list(fields)[1:])}}}')
    for key, item in value.items():
        if key not in fields:
            raise _unknown(f"{path}.{key}", item, [f"{path}.{name}" for name in fields])
    made = Phase(**{str(key): _tuples(item) for key, item in value.items() if key != "channel"})
    phase = {name: getattr(made, name) for name in fields}
    for name in ("fraction", "trainable", "snr_db", "rate", "players", "lr_scale"):
        phase[name] = _fit(f"{path}.{name}", fields[name].default, phase[name])
    phase["weights"] = {str(term): float(weight) for term, weight in dict(made.weights).items()}
    channel = value.get("channel")
    phase["channel"] = None if channel is None else _channel(channel, tables, f"{path}.channel")
    return phase
