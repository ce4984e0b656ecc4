"""Runs that begin with the parameters of another: `train.start_from`, a run or a shipped checkpoint.

Of the other's averaged parameters those are taken whose path matches `train.start_parts` and that this run has, too;
optimiser, averages and counters begin fresh. So one phase can be trained once and shared by many runs.
"""

import dataclasses
import re
from typing import Any

import jax
import jax.numpy as jnp

from semjax.app import build
from semjax.app.build import Registry
from semjax.app.errors import ConfigError
from semjax.data.files import located
from semjax.training.checkpoint import flat
from semjax.training.state import State
from semjax.types import Tree


def warmed(state: State, cfg: Any, registry: Registry) -> State:
    """The fresh state with the parameters that `train.start_from` names, if it names any; averages start there, too.

    Raises:
      ConfigError: `start_parts` is no regular expression, nothing of the other run fits, or what is taken has another
        shape here.
      UserError: there is no such run.
    """
    if not cfg.train.start_from:
        return state
    other = build.load(located(cfg.train.start_from), registry)
    own = state.params["codec"]
    taken = _taken(flat(own), flat(other.variables["params"]), cfg.train.start_parts)
    if not taken:
        raise ConfigError(
            f"train.start_parts {cfg.train.start_parts!r}: no parameter of this run that {cfg.train.start_from} has, "
            f"too, matches it; this run has {', '.join(own)}"
        )
    codec = _laid_over(own, taken)
    return dataclasses.replace(
        state,
        params={**state.params, "codec": codec},
        ema={**state.ema, "codec": jax.tree.map(jnp.copy, codec)},
    )


def _taken(own: dict[str, Any], other: dict[str, Any], parts: str) -> dict[str, Any]:
    """The other's arrays by path, of those that both have and that match."""
    try:
        wanted = re.compile(parts)
    except re.error as error:
        raise ConfigError(f"train.start_parts {parts!r} is no regular expression: {error}") from error
    found = {path: leaf for path, leaf in other.items() if path in own and wanted.search(path)}
    for path, leaf in found.items():
        if leaf.shape != own[path].shape:
            raise ConfigError(
                f"train.start_from: {path} has shape {leaf.shape} there and {own[path].shape} here; leave it out by "
                "train.start_parts, or give both runs the same networks"
            )
    return found


def _laid_over(own: Tree, taken: dict[str, Any]) -> Tree:
    """`own` with the arrays that are taken, where and as its own were."""
    leaves = [
        jax.device_put(taken[path].astype(leaf.dtype), leaf.sharding) if path in taken else leaf
        for path, leaf in flat(own).items()
    ]
    return jax.tree.unflatten(jax.tree.structure(own), leaves)
