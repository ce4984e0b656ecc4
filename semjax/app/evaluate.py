"""Evaluation of a trained run: `python eval.py --checkpoint RUN [--config.eval.KEY=VALUE ...] [--output DIR]`.

The run's averaged weights are swept over `eval.channels` and `eval.snr_db` on the pictures of `eval.data`, beside the
systems without training named in `eval.baselines`, at the same cbr. What comes out is a table on the terminal and a
folder with results.json, results.csv, values per picture, figures, pictures, and an index.html that shows them all.
"""

import argparse
import dataclasses
import datetime
import itertools
import logging
import pathlib
import platform
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import jax
from tqdm import tqdm

import semjax
from semjax.app import build, config
from semjax.app.errors import ConfigError, UserError, explained, guard
from semjax.app.schema import look_up, options_of
from semjax.contracts import Channel, Trainable
from semjax.data.files import Source
from semjax.data.loader import eval_batches
from semjax.evaluators import report, results
from semjax.evaluators.paired import GAIN_OVER, Measured, gains
from semjax.evaluators.results import Row
from semjax.evaluators.samples import samples
from semjax.evaluators.sweep import Done, Origin, Sweep
from semjax.link import transport
from semjax.training.log import git_state
from semjax.types import Tree

SHOWN_PICTURES = 3
SHOWN_SNRS = 4
TERMINAL_METRICS = ("psnr", "ssim")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Entry:
    """A system to be measured, and what its rows say of its origin."""

    trainable: Trainable
    variables: Tree
    origin: Origin


@dataclasses.dataclass(frozen=True, kw_only=True)
class Evaluated:
    """What an evaluation gave: its rows, and the page that shows them."""

    rows: list[Row]
    index: pathlib.Path


def evaluate(
    checkpoint: pathlib.Path,
    *,
    registry: build.Registry,
    output: pathlib.Path | None = None,
    overrides: config.Overrides = (),
) -> Evaluated:
    """Evaluates a run and writes the report.

    Args:
      checkpoint: work directory of a run, or folder of a shipped checkpoint.
      registry: the parts it is made of.
      output: folder of the report; `report` in `checkpoint` if None.
      overrides: of the run's configuration, in section `eval`.

    Raises:
      UserError: nothing to evaluate, an override elsewhere, no pictures, an output that is not a folder.
    """
    folder = output if output is not None else checkpoint / "report"
    _only_evaluation(overrides)
    loaded = build.load(checkpoint, registry)
    cfg: Any = config.resolve(loaded.cfg, registry, overrides)
    source = build.source(cfg.eval.data, registry, path="eval.data")
    if not len(source):
        raise UserError("eval.data holds no picture; set --config.eval.data to a source that does")
    entries = _entries(cfg, loaded, registry)
    lanes = channels(cfg, registry)
    for entry, (name, channel) in itertools.product(entries, lanes.items()):
        check_link(entry.trainable, name, channel)
    with explained("eval"):
        sweeps = [_sweep(entry, cfg, source, lanes, folder) for entry in entries]
        make_folder(folder)
        measured = [_run(sweep, entry, cfg, source) for entry, sweep in zip(entries, sweeps, strict=True)]
    rows = [row for found in measured for row in found.rows]
    rows += [row for baseline in measured[1:] for row in gains(measured[0], baseline)]
    grid = [sample for entry in entries for sample in _samples(entry, cfg, source, lanes)]
    facts = _provenance(entries[0].origin, cfg)
    title = f"{facts['System']} on {facts['Pictures']}"
    index = report.write(rows, folder, title=title, provenance=facts, samples=grid)
    return Evaluated(rows=rows, index=index)


def _only_evaluation(overrides: config.Overrides) -> None:
    elsewhere = [key for key, _ in overrides if not key.startswith("eval.")]
    if elsewhere:
        raise ConfigError(
            f"an evaluation may change only section eval, not {', '.join(elsewhere)}; train again for that"
        )


def make_folder(folder: pathlib.Path) -> None:
    """Makes the folder that output goes to.

    Raises:
      UserError: that cannot be done.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{folder} cannot hold output ({error.strerror}); name a folder with --output=DIR") from error


def check_link(trainable: Trainable, name: str, channel: Channel) -> None:
    """Makes sure that the digital streams of a system, if it has any, can be carried over a channel.

    Raises:
      UserError: the capacity of the channel is not known.
    """
    if trainable.side_codecs:
        try:
            transport.ideal_link(channel)
        except ValueError as error:
            raise UserError(
                f"channel {name}: the system sends {', '.join(sorted(trainable.side_codecs))} digitally, and the "
                "capacity of this channel is not known; take another channel"
            ) from error


def channels(cfg: Any, registry: build.Registry) -> dict[str, Channel]:
    """The channels of `cfg.eval` by name; where a name comes twice, the options that differ are added to it."""
    parts = build.ConfiguredParts(registry=registry)
    sections: list[Mapping[str, Any]] = [dict(section) for section in cfg.eval.channels]
    made = {}
    for section in sections:
        alike = [other for other in sections if other["name"] == section["name"]]
        differ = [key for key in section if len({str(other[key]) for other in alike}) > 1]
        made[" ".join([section["name"], *(f"{key}={section[key]}" for key in differ)])] = parts.channel(section)
    if not made:
        raise ConfigError('eval.channels is empty; name at least one, such as ({"name": "awgn"},)')
    return made


def _sweep(entry: Entry, cfg: Any, source: Source, lanes: Mapping[str, Channel], folder: pathlib.Path) -> Sweep:
    asked = cfg.eval
    return Sweep(
        trainable=entry.trainable,
        channels=lanes,
        snr_db=tuple(asked.snr_db),
        batches=lambda: eval_batches(source, batch_size=asked.batch_size, crop=asked.data.crop, limit=asked.limit),
        origin=entry.origin,
        draws=asked.draws,
        metrics=tuple(asked.metrics),
        seed=asked.seed,
        per_picture=folder / f"pictures_{entry.origin.system}.npz",
    )


def _run(sweep: Sweep, entry: Entry, cfg: Any, source: Source) -> Measured:
    """The rows of a sweep and its values per picture, with a line of progress on a terminal."""
    count = len(source) if cfg.eval.limit is None else min(cfg.eval.limit, len(source))
    with tqdm(total=count * len(sweep.snr_db), unit="picture", disable=not sys.stderr.isatty()) as bar:

        def advance(done: Done) -> None:
            bar.set_postfix_str(f"{entry.origin.system} {done.snr_db:g} dB", refresh=False)
            bar.update(done.pictures)

        rows = list(dataclasses.replace(sweep, progress=advance).run(entry.variables, {}))
    assert sweep.per_picture is not None  # every sweep of an evaluation keeps them
    return Measured(rows=rows, pictures=results.read_pictures(sweep.per_picture))


def _samples(entry: Entry, cfg: Any, source: Source, lanes: Mapping[str, Channel]) -> list[report.Sample]:
    """The first pictures over the first channel, at a few SNRs from the lowest to the highest."""
    label, channel = next(iter(lanes.items()))
    snrs = sorted(cfg.eval.snr_db)
    steps = min(SHOWN_SNRS, len(snrs))
    shown = sorted({snrs[round(i * (len(snrs) - 1) / max(steps - 1, 1))] for i in range(steps)})
    limit = min(SHOWN_PICTURES, len(source), cfg.eval.limit or len(source))
    return [
        sample
        for batch in eval_batches(source, batch_size=1, crop=cfg.eval.data.crop, limit=limit)
        for sample in samples(
            entry.trainable,
            entry.variables,
            {},
            batch=batch,
            channel=channel,
            snr_db=shown,
            name=f"{entry.origin.system} over {label}",
            seed=cfg.eval.seed,
        )
    ]


def _origin(cfg: Any, loaded: build.Loaded) -> Origin:
    data, git = cfg.eval.data, git_state()
    place = next((pathlib.Path(str(data[key])) for key in ("root", "path") if data.get(key)), None)
    step = loaded.meta.get("step")
    return Origin(
        **_named(loaded.trainable, loaded.cfg),
        checkpoint="" if step is None else f"step {step}",
        commit=(git["commit"] or "")[:12] + ("+" if git["dirty"] else ""),
        config_hash=loaded.meta.get("config_hash") or config.config_hash(loaded.cfg),
        dataset=place.stem if place else data.source,
        split=str(data.get("split") or ""),
    )


def _entries(cfg: Any, loaded: build.Loaded, registry: build.Registry) -> list[Entry]:
    """The run's system, and the baselines beside it."""
    own = Entry(trainable=loaded.trainable, variables=loaded.variables, origin=_origin(cfg, loaded))
    names = [name for name in cfg.eval.baselines if name != own.origin.system]
    return [own, *(_baseline(name, cfg, registry, beside=own.origin) for name in names)]


def _baseline(name: str, cfg: Any, registry: build.Registry, *, beside: Origin) -> Entry:
    """A system without training, with those of the run's system options that it has too (the cbr above all)."""
    builder = look_up(registry, "systems", name, path="eval.baselines")
    known = options_of(builder, "systems")
    shared = {k: v for k, v in cfg.system.items() if k != "name" and (known.others or k in known.defaults)}
    own: Any = config.resolve({**cfg.to_dict(), "system": {"name": name, **shared}}, registry)
    trainable = build.build(own, registry)
    params, collections = trainable.init(jax.random.key(own.seed), build.example_batch(own))
    if jax.tree.leaves(params):
        raise ConfigError(f"eval.baselines: {name} has parameters to train; a baseline may have none")
    origin = dataclasses.replace(beside, **_named(trainable, own), checkpoint="", config_hash=config.config_hash(own))
    return Entry(trainable=trainable, variables={"params": params["codec"], **collections}, origin=origin)


def _named(trainable: Trainable, cfg: Any) -> dict[str, str]:
    return {
        "system": getattr(trainable, "name", cfg.system.name),
        "variant": getattr(trainable, "variant", "default"),
    }


def _provenance(origin: Origin, cfg: Any) -> dict[str, str]:
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


@guard
def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="eval.py", description="Evaluates a trained system.", allow_abbrev=False)
    parser.add_argument("--checkpoint", required=True, metavar="RUN", type=pathlib.Path, help="a run or a checkpoint")
    parser.add_argument("--output", metavar="DIR", type=pathlib.Path, help="of the report (default: RUN/report)")
    flags, rest = parser.parse_known_args(argv)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    found = evaluate(
        flags.checkpoint,
        registry=build.default_registry(),
        output=flags.output,
        overrides=config.split_flags(rest, ["--checkpoint", "--output"]),
    )
    for (metric,) in results.distinct(found.rows, "metric"):
        if metric.partition(GAIN_OVER)[0] in TERMINAL_METRICS:
            print(report.text_table(found.rows, metric), end="\n\n")
    print(f"report: {found.index}")
    return 0
