"""A repro bundle: one bad step in a folder, and `python -m semjax.app.bundle DIR`, which replays it.

`bundle-STEP/` holds the configuration, the batch, parameters and collections (or, where they are large, which
checkpoint has them), the step's metrics and the versions. The replay goes through the step in the order of the chain
and names what was not finite, first things first; it runs on one device, without accumulation.
"""

import argparse
import dataclasses
import json
import pathlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from semjax.app import build, config
from semjax.app.build import CONFIG_FILE, Registry, default_registry, to_batch
from semjax.app.config import Config
from semjax.app.errors import UserError, guard
from semjax.contracts import Phase, Trainable
from semjax.systems.base import draw_public, frozen_of, picture_keys
from semjax.training import log, skip
from semjax.training.checkpoint import abstract, flat
from semjax.training.reading import Reader
from semjax.training.state import State
from semjax.training.step import player_pass
from semjax.types import Batch, Tree

MOST_MB = 256
"""CHOICE: a larger state is not copied; the bundle then names the newest checkpoint."""

BATCH_FILE, STATE_FILE, FACTS_FILE, README = "batch.npz", "state.npz", "bundle.json", "README.txt"
WHAT_NOW = (
    "Step {step} was not finite. To see what was not, first things first:\n    python -m semjax.app.bundle {where}\n"
)
SHOWN = 8


def write(
    folder: pathlib.Path,
    *,
    cfg: Config,
    step: int,
    phase: str,
    record: Mapping[str, np.ndarray],
    state: State,
    metrics: Mapping[str, Any],
    checkpoint: pathlib.Path | None,
) -> pathlib.Path:
    """Writes `bundle-STEP` into the work directory `folder`; returns it.

    Args:
      folder, cfg: work directory and resolved configuration.
      step: number of the bad step, counted from 1.
      phase: name of its phase.
      record: the batch it was given, as the loader made it.
      state: with the parameters the step met, which it has not changed.
      metrics: figures to keep.
      checkpoint: the newest step directory, if there is one.
    """
    own = f"-of-process-{jax.process_index()}" if jax.process_count() > 1 else ""  # each has rows of its own
    where = folder / f"bundle-{step}{own}"
    where.mkdir(exist_ok=True)
    small = _save_state(where / STATE_FILE, state)
    _save(where / BATCH_FILE, record)
    facts = {
        "step": step,
        "phase": phase,
        "state": STATE_FILE if small else str(checkpoint and checkpoint.absolute()),
        "metrics": {name: repr(float(value)) for name, value in metrics.items()},
        **log.run_facts(config={}, config_hash=config.config_hash(cfg), seed=cfg.seed, sources={}),
    }
    (where / CONFIG_FILE).write_text(config.to_json(cfg), encoding="utf-8")
    (where / FACTS_FILE).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    (where / README).write_text(WHAT_NOW.format(step=step, where=where), encoding="utf-8")
    return where


def _save_state(path: pathlib.Path, state: State) -> bool:
    """Whether the parameters and collections were small enough, and on this process, to be written."""
    leaves = flat({"params": state.params, "collections": state.collections})
    here = all(leaf.is_fully_addressable for leaf in leaves.values())
    small = here and sum(leaf.nbytes for leaf in leaves.values()) <= MOST_MB << 20
    if small:
        _save(path, jax.device_get(leaves))
    return small


def _save(path: pathlib.Path, arrays: Mapping[str, Any]) -> None:
    np.savez(path, **arrays)  # pyright: ignore[reportArgumentType]


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Bundle:
    trainable: Trainable
    phase: Phase
    batch: Batch
    keys: Any
    params: dict[str, Tree]
    collections: Tree


def replay(folder: pathlib.Path, *, registry: Registry) -> list[str]:
    """Goes through a bundle's step.

    Args:
      folder: the bundle.
      registry: the parts its configuration names.

    Returns:
      A line for each thing that is not finite, in the order of the chain; none if all are finite.

    Raises:
      UserError: it is no bundle, or not one of these parts.
    """
    return list(_trace(_read(folder, registry)))


def _read(folder: pathlib.Path, registry: Registry) -> _Bundle:
    try:
        facts = json.loads((folder / FACTS_FILE).read_text(encoding="utf-8"))
        saved = config.from_json((folder / CONFIG_FILE).read_text(encoding="utf-8"))
        with np.load(folder / BATCH_FILE) as arrays:
            batch = jax.tree.map(jnp.asarray, to_batch(dict(arrays)))
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"{folder} is not a bundle that can be read ({error}); name a bundle-STEP folder") from error
    cfg = config.resolve(saved, registry)
    trainable = build.build(cfg, registry)
    shapes = dict(zip(("params", "collections"), jax.eval_shape(trainable.init, jax.random.key(0), batch), strict=True))
    if facts["state"] == STATE_FILE:
        with np.load(folder / STATE_FILE) as arrays:
            leaves = [jnp.asarray(arrays[name]) for name in flat(shapes)]
        tree = jax.tree.unflatten(jax.tree.structure(shapes), leaves)
    else:
        tree = Reader(pathlib.Path(facts["state"]).parent).restore_part(abstract(shapes))
    phase = next(phase for phase in trainable.PHASES if phase.name == facts["phase"])
    keys = picture_keys(jax.random.key(cfg.seed), facts["step"] - 1, jnp.asarray(batch.id))
    batch = dataclasses.replace(skip.real_rows(batch), public=draw_public(batch.public, keys, phase))
    return _Bundle(trainable=trainable, phase=phase, batch=batch, keys=keys, **tree)


def _trace(b: _Bundle) -> Iterator[str]:
    yield from _bad("batch", {"image": b.batch.image, "public": b.batch.public}, b.batch)
    yield from _bad("parameter", b.params, None)
    yield from _bad("collection", b.collections, None)

    @jax.jit
    def chain(params: Tree, frozen: Tree) -> tuple[Any, Any, Any]:
        others = {name: tree for name, tree in b.params.items() if name != "codec" and name in b.phase.players}
        seen = {**frozen, **others}
        outputs, _ = b.trainable.forward(params["codec"], b.collections, seen, b.batch, b.keys, b.phase)
        grads, *_ = player_pass(b.trainable, b.phase)(params, b.collections, frozen, b.batch, b.keys)
        own = {}
        if "critic" in b.phase.players:
            own = b.trainable.critic_terms(params["critic"], outputs, b.batch, seen, b.keys)
        terms = {**b.trainable.terms(outputs, b.batch, seen), **own}
        links = {
            "symbols": outputs.signal.symbols,
            "received": outputs.received.symbols,
            "noise_var": outputs.received.noise_var,
            "image": outputs.image,
        }
        return links, terms, grads

    links, terms, grads = chain(b.params, frozen_of(b.trainable))
    yield from _bad("chain", links, b.batch)
    yield from _bad("term", terms, b.batch)
    yield from _bad("gradient of", grads, None)


def _bad(kind: str, tree: Tree, batch: Batch | None) -> Iterator[str]:
    """Lines about the leaves of `tree` that are not finite; of which pictures, where rows are those of a batch."""
    for name, leaf in flat(tree).items():
        values = np.asarray(leaf)
        broken = ~np.isfinite(values)
        if batch is None or not values.ndim:
            if broken.any():
                yield f"{kind} {name}: {int(broken.sum())} of {values.size} values are not finite"
            continue
        rows = broken.reshape(len(values), -1).any(axis=1) & np.asarray(batch.mask)
        if rows.any():
            ids = [int(i) for i in np.asarray(batch.id)[rows]]
            more = f" and {len(ids) - SHOWN} more" if len(ids) > SHOWN else ""
            yield f"{kind} {name}: not finite for the pictures of id {', '.join(map(str, ids[:SHOWN]))}{more}"


@guard
def main(argv: Sequence[str] | None = None) -> int:
    """The command line; 0 if the step is not finite here either, 1 if it is."""
    parser = argparse.ArgumentParser(prog="python -m semjax.app.bundle", description="Replays a bad step.")
    parser.add_argument("folder", type=pathlib.Path, metavar="DIR", help="a bundle-STEP folder of a work directory")
    lines = replay(parser.parse_args(argv).folder, registry=default_registry())
    if not lines:
        print("everything in this step is finite here")
        return 1
    print("\n".join([f"first: {lines[0]}", *lines[1:]]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
