"""Configurations: read a file, apply overrides, complete and check every key, and give the result a hash.

A configuration file is plain Python with `get_config(arg="") -> ml_collections.ConfigDict` and, if it has variants,
their names in `VARIANTS`; `PATH:VARIANT` names one. Resolving lays it over `semjax.app.defaults` and the constructor
options of the parts it names, so a mistyped key is an error wherever it was typed. The hash is the first 12 hex digits
of the SHA-256 of the canonical JSON (sorted keys, no spaces) of the resolved configuration.
"""

import ast
import difflib
import hashlib
import importlib.util
import inspect
import json
import pathlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ml_collections import ConfigDict

from semjax.app.defaults import BESIDE_THE_RUN, DEFAULTS
from semjax.app.errors import ConfigError
from semjax.app.schema import Tables, complete

Overrides = Sequence[tuple[str, str]]
"""Dotted key and the text of its value, as typed."""

Config = Any
"""A resolved configuration: a locked ConfigDict with every key (its attributes are beyond a type checker)."""


def load(spec: str) -> ConfigDict:
    """Runs the configuration file named by `PATH` or `PATH:VARIANT`; what it returns is not checked yet.

    Raises:
      ConfigError: no such file, not Python, no `get_config`, or no such variant.
    """
    path, variant = _split(spec)
    if not path.is_file():
        raise ConfigError(f"--config={spec}: there is no file {str(path)!r}")
    get_config, variants = _import(path)
    if variants and variant not in variants:
        asked = f"no variant {variant!r}" if variant else "no form without a variant"
        raise ConfigError(f"--config={spec}: {path} has {asked}; it has: {_variants(path, variants)}")
    try:
        takes_variant = bool(inspect.signature(get_config).parameters)
        made = get_config(variant) if takes_variant else get_config()
    except Exception as error:
        raise ConfigError(f"--config={spec}: get_config failed: {type(error).__name__}: {error}") from error
    if variant and not takes_variant:
        raise ConfigError(f"--config={spec}: {path} has no variants, but {variant!r} was asked for")
    if not isinstance(made, Mapping | ConfigDict):
        raise ConfigError(f"--config={spec}: get_config must return a ConfigDict, it returned {type(made).__name__}")
    return made if isinstance(made, ConfigDict) else ConfigDict(made)


def _split(spec: str) -> tuple[pathlib.Path, str]:
    if pathlib.Path(spec).is_file() or ":" not in spec:
        return pathlib.Path(spec), ""
    path, _, variant = spec.rpartition(":")
    return pathlib.Path(path), variant


def _import(path: pathlib.Path) -> tuple[Callable[..., Any], tuple[str, ...]]:
    found = importlib.util.spec_from_file_location(f"config_{path.stem}", path)
    if found is None or found.loader is None:
        raise ConfigError(f"{path} is not a Python file; a configuration is a .py file with get_config(arg)")
    module = importlib.util.module_from_spec(found)
    try:
        found.loader.exec_module(module)
    except Exception as error:
        raise ConfigError(f"{path} does not run: {type(error).__name__}: {error}") from error
    if not callable(getattr(module, "get_config", None)):
        raise ConfigError(f'{path} has no get_config; a configuration defines get_config(arg="") -> ConfigDict')
    return module.get_config, tuple(getattr(module, "VARIANTS", ()))


def _variants(path: pathlib.Path, variants: tuple[str, ...]) -> str:
    return ", ".join(f"{path}:{v}" if v else str(path) for v in variants)


def split_flags(rest: Sequence[str], known: Sequence[str]) -> list[tuple[str, str]]:
    """Reads what a parser left over as `--config.KEY=VALUE` (or `--config.KEY VALUE`) overrides.

    Args:
      rest: left-over words of the command line.
      known: flags the program has, for the error message.

    Raises:
      ConfigError: a word that is not such an override.
    """
    overrides, words = [], list(rest)
    while words:
        word = words.pop(0)
        if not word.startswith("--config."):
            near = difflib.get_close_matches(word.partition("=")[0], [*known, "--config.KEY"], n=1)
            hint = f"did you mean {near[0]}?" if near else f"flags: {', '.join(known)}, --config.KEY=VALUE"
            raise ConfigError(f"unknown flag {word!r}; {hint}")
        key, equals, text = word.removeprefix("--config.").partition("=")
        if not equals:
            if not words or words[0].startswith("--"):
                raise ConfigError(f"--config.{key} needs a value: --config.{key}=VALUE")
            text = words.pop(0)
        overrides.append((key, text))
    return overrides


def resolve(user: Mapping[str, Any] | ConfigDict, tables: Tables, overrides: Overrides = ()) -> Config:
    """Completes and checks a configuration.

    Args:
      user: what the file says; any subset of the keys.
      tables: the registered parts (a `semjax.app.build.Registry`).
      overrides: from the command line; they win. Naming another part drops the options of the one it replaces.

    Returns:
      A locked ConfigDict with every key there is.

    Raises:
      ConfigError: unknown key (with its dotted path and the nearest ones), wrong type, unknown part, missing option.
    """
    asked = user.to_dict() if isinstance(user, ConfigDict) else _plain(user)
    for key, text in sorted(overrides, key=lambda item: item[0].rpartition(".")[2] not in ("name", "source")):
        _set(asked, key, _value(text))
    return ConfigDict(complete(asked, tables)).lock()


def _value(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _set(tree: dict[str, Any], key: str, value: Any) -> None:
    *sections, last = key.split(".")
    for i, name in enumerate(sections):
        tree = tree.setdefault(name, {})
        if not isinstance(tree, dict):
            raise ConfigError(f"--config.{key}: {'.'.join(sections[: i + 1])} is a value, it has no keys")
    if last in ("name", "source") and tree.get(last, value) != value:
        tree.clear()
    tree[last] = value


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping | ConfigDict):
        return {str(key): _plain(item) for key, item in value.items()}
    return tuple(_plain(item) for item in value) if isinstance(value, list | tuple) else value


def to_json(cfg: Config) -> str:
    """A resolved configuration as JSON text."""
    return json.dumps(cfg.to_dict(), indent=2) + "\n"


def from_json(text: str) -> Config:
    """Inverse of `to_json`."""
    return ConfigDict(_plain(json.loads(text))).lock()


def config_hash(cfg: Config) -> str:
    """12 hex digits that name a resolved configuration."""
    return hashlib.sha256(json.dumps(cfg.to_dict(), sort_keys=True, separators=(",", ":")).encode()).hexdigest()[:12]


def training_part(cfg: Config) -> Config:
    """What the parameters depend on: all keys but those of `BESIDE_THE_RUN`."""
    tree = cfg.to_dict()
    for key in BESIDE_THE_RUN:
        *sections, last = key.split(".")
        section = tree
        for name in sections:
            section = section.get(name, {})
        section.pop(last, None)
    return ConfigDict(tree).lock()


def filled(old: Config) -> Config:
    """A configuration of an earlier version, with the keys it did not know yet at their defaults."""

    def over(defaults: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
        absent = {key: value for key, value in defaults.items() if key not in given}
        both = [key for key, value in given.items() if isinstance(value, Mapping) and key in defaults]
        return {**given, **absent, **{key: over(defaults[key], given[key]) for key in both}}

    return ConfigDict(_plain(over(DEFAULTS, old.to_dict()))).lock()


def differences(old: Config, new: Config) -> list[str]:
    """Lines "key: old → new" of the keys in which two configurations differ."""
    before, after = dict(_leaves(old.to_dict())), dict(_leaves(new.to_dict()))
    keys = [*before, *(key for key in after if key not in before)]
    pairs = [(key, before.get(key, "absent"), after.get(key, "absent")) for key in keys]
    return [f"{key}: {a!r} → {b!r}" for key, a, b in pairs if a != b]


def _leaves(tree: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, f"{path}{key}.")
        else:
            yield f"{path}{key}", value
