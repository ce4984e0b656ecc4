"""Makes a shipped checkpoint of a run: `python -m semjax.app.export RUN OUT [--dtype bfloat16|float32]`.

OUT gets config.json (without the places of the training data), params.npz (averaged parameters and collections, flat by
path; bfloat16 as its 16 bits, the name ending in "@bfloat16") and card.md. `semjax.app.build.load` reads it back.
"""

import argparse
import json
import pathlib
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from semjax.app import build, config
from semjax.app.config import Config
from semjax.app.errors import UserError, guard
from semjax.training.checkpoint import flat
from semjax.types import Tree

MAX_BYTES = 8 << 20
PLACES = ("root", "roots", "path", "start_from")
DTYPES = ("bfloat16", "float32")
LICENCE = "\n**Licence.** That of the code, which draws the training pictures.\n"
RESEARCH = ("bsds500", "imagenet_sample", "coco_vl", "camvid")
RESEARCH_LICENCE = "\n**Licence.** The weights are for non-commercial research only: so are some training pictures.\n"
"""Archives some of whose pictures are for non-commercial research only, and what is said of weights that saw them."""
EVALUATE = "\nEvaluate: `python eval.py --checkpoint {name}`\n"


def export(workdir: str | pathlib.Path, out: str | pathlib.Path, *, registry: build.Registry, dtype: str) -> int:
    """Writes the shipped form of a run.

    Args:
      workdir: of the run.
      out: made; must be absent or empty.
      registry: the parts.
      dtype: in which parameters are stored, "bfloat16" or "float32".

    Returns:
      Bytes of params.npz.

    Raises:
      UserError: no such run, `out` is in use, or the parameters take more than 8 MiB.
    """
    folder = pathlib.Path(out)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder} exists and is not an empty directory; name another")
    loaded = build.load(workdir, registry)
    arrays: dict[str, Any] = stored(loaded.variables, dtype)
    size = sum(array.nbytes for array in arrays.values())
    if size > MAX_BYTES:
        raise UserError(
            f"the parameters take {size / 2**20:.1f} MiB as {dtype}; a shipped checkpoint has at most 8 MiB"
        )
    folder.mkdir(parents=True, exist_ok=True)
    cfg = _without_places(loaded.cfg)
    facts = {**loaded.meta, "stored_as": dtype}
    np.savez(folder / build.PARAMS_FILE, **{build.META_KEY: np.array(json.dumps(facts))}, **arrays)
    (folder / build.CONFIG_FILE).write_text(config.to_json(cfg), encoding="utf-8")
    card = _card(folder.name, cfg, facts, count=sum(array.size for array in arrays.values()))
    (folder / "card.md").write_text(card, encoding="utf-8")
    return (folder / build.PARAMS_FILE).stat().st_size


def stored(variables: Tree, dtype: str) -> dict[str, np.ndarray]:
    """Arrays of the variables by path, floating ones in `dtype`; bfloat16 as uint16 under "PATH@bfloat16"."""
    arrays = {}
    for path, leaf in flat(jax.device_get(variables)).items():
        if not jnp.issubdtype(leaf.dtype, jnp.floating):
            arrays[path] = np.asarray(leaf)
        elif dtype == "bfloat16":
            arrays[f"{path}@bfloat16"] = np.asarray(leaf, jnp.bfloat16).view(np.uint16)
        else:
            arrays[path] = np.asarray(leaf, dtype)
    return arrays


def _without_places(cfg: Config) -> Config:
    """The configuration with only the last part of every place of data, unless it begins with a variable ($NAME)."""

    def short(value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(short(item) for item in value)
        return value if value is None or value.startswith("$") else pathlib.PurePath(value).name

    def walk(tree: dict[str, Any]) -> dict[str, Any]:
        return {
            key: walk(value) if isinstance(value, dict) else short(value) if key in PLACES else value
            for key, value in tree.items()
        }

    return ConfigDict(walk(cfg.to_dict())).lock()


def _card(name: str, cfg: Config, facts: dict[str, Any], *, count: int) -> str:
    phases = "; ".join(f"{p['name']}: SNR {p['snr_db'][0]:g} to {p['snr_db'][1]:g} dB" for p in cfg.phases)
    return f"""# {name}

| | |
|---|---|
{_what(cfg)}
| phases | {phases or "the system's own"} |
| training pictures | {_pictures(cfg.data.train)} |
| steps, batch, seed | {facts.get("step")}, {cfg.data.batch_size}, {cfg.seed} |
| parameters | {count:,}, averaged, stored as {facts["stored_as"]} |
| configuration | {facts.get("config_hash")} (config.json) |
{"" if cfg.system.name in build.TOWERS else EVALUATE.format(name=name)}{licence(cfg)}"""


def licence(cfg: Config) -> str:
    """A line where that is clear: of weights that saw nothing but drawn scenes, or archives that are known."""
    train = cfg.data.train
    roots = (train.get("root"), *(train.get("roots") or ()))
    if any(pathlib.PurePath(root or "").name in RESEARCH for root in roots):
        return RESEARCH_LICENCE
    return LICENCE if train.source == "scenes" else ""


def _what(cfg: Config) -> str:
    """The lines on what was trained: a system over a channel, or a network that sends nothing."""
    if cfg.system.name in build.TOWERS:
        return f"| network | {cfg.system.name} |"
    options = [f"{key} {cfg.system[key]}" for key in ("variant", "cbr", "eta") if cfg.system.get(key)]
    system = f"| system | {', '.join([cfg.system.name, *options])} |"
    return f"{system}\n| channel in training | {cfg.channel.name} |"


def _pictures(section: Mapping[str, Any]) -> str:
    """What a data section asks for, in words; of a mixture each part."""
    parts = " + ".join(f"({_pictures(part)})" for part in section.get("parts", ()))
    plain = {key: value for key, value in section.items() if key not in ("cache_mb", "parts", "teachers")}
    if section.get("teachers", {}).get("stores"):
        plain["teachers"] = ", ".join(pathlib.PurePath(store).name for store in section["teachers"]["stores"])
    told = ", ".join(f"{key} {value}" for key, value in plain.items())
    return f"{told}: {parts}" if parts else told


@guard
def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m semjax.app.export", description="Makes a shipped checkpoint.")
    parser.add_argument("run", help="work directory of a run")
    parser.add_argument("out", help="directory to make")
    parser.add_argument("--dtype", choices=DTYPES, default=DTYPES[0])
    flags = parser.parse_args(argv)
    size = export(flags.run, flags.out, registry=build.default_registry(), dtype=flags.dtype)
    print(f"{flags.out}: {size / 2**20:.2f} MiB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
