"""Evaluation of a trained run: `python eval.py --checkpoint RUN [--config.eval.KEY=VALUE ...] [--output DIR]`.

The run's averaged weights are swept over `eval.channels`, `eval.snr_db` and `eval.rates` on the pictures of
`eval.data`, beside the systems without training named in `eval.baselines`, at the same cbr; and, where `eval.mismatch`
names SNRs, over channels that have another SNR than both ends were told. What comes out is a table on the terminal and
a folder with results.json, results.csv, cost.json, values per picture, figures, pictures, and an index.html that shows
them all.
"""

import argparse
import dataclasses
import functools
import logging
import pathlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tqdm import tqdm

from semjax.app import beside, build, config
from semjax.app.asking import Asking, asking, baselines
from semjax.app.beside import Entry
from semjax.app.errors import ConfigError, UserError, explained, guard
from semjax.app.lanes import Leg, lanes_of, legs
from semjax.app.links import check_sends, links_of
from semjax.contracts import Channel
from semjax.data.files import Source
from semjax.data.jpeg_traces import check_lossless
from semjax.data.loader import eval_batches
from semjax.evaluators import numbers, report, results
from semjax.evaluators.cost import cost
from semjax.evaluators.gallery import Gallery, shown_points
from semjax.evaluators.paired import GAIN_OVER, Measured, gains, unequal_rates
from semjax.evaluators.results import Row
from semjax.evaluators.sweep import Sweep

LOG = logging.getLogger(__name__)
SHOWN_PICTURES = 3
TERMINAL_METRICS = ("psnr", "ssim", "outage", "answer_intent", "answer_control")
QUIET_S, EVERY_S = 60.0, 60.0
"""Where there is no terminal, progress is told of only what takes longer than this, and only so often."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Evaluated:
    """What an evaluation gave: its rows, what the ends cost, and the page that shows them."""

    rows: list[Row]
    costs: list[Row]
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
    loaded = _loaded(checkpoint, registry)
    cfg: Any = config.resolve(loaded.cfg, registry, overrides)
    source = _pictures(cfg, registry)
    reencoded = check_lossless(source, allowed=cfg.eval.allow_reencoded, limit=cfg.eval.limit)
    entries = beside.entries(cfg, loaded, registry)
    lanes = lanes_of(cfg, registry, entries)
    gallery = _gallery(cfg, entries[0], lanes)
    with explained("eval"):
        ways = [leg for entry in entries for leg in legs(entry, lanes)]
        asked = asking(cfg, source, entries[0].trainable)
        sweeps = [_sweep(leg, cfg, source, gallery, told=_told(cfg, entries[0]), asked=asked) for leg in ways]
        make_folder(folder)
        found = _run(sweeps, ways, cfg, source)
    _write_pictures(found.systems, folder)
    rows = [*found.rows(), *baselines(asked.exam, found.systems[0])]
    facts = {**beside.provenance(entries[0].origin, cfg), **reencoded}
    title = f"{facts['System']} on {facts['Pictures']}"
    shown = {"samples": gallery.samples(), "costs": found.costs, "notes": found.notes()}
    index = report.write(rows, folder, title=title, provenance=facts, **shown)
    return Evaluated(rows=rows, costs=found.costs, index=index)


def _pictures(cfg: Any, registry: build.Registry) -> Source:
    source = build.source(cfg.eval.data, registry, path="eval.data")
    if not len(source):
        raise UserError("eval.data holds no picture; set --config.eval.data to a source that does")
    return source


def _loaded(checkpoint: pathlib.Path, registry: build.Registry) -> build.Loaded:
    loaded = build.load(checkpoint, registry)
    check_sends(loaded.trainable, loaded.cfg.system.name, instead="evaluate a system, which may use it")
    return loaded


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


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Told:
    """SNRs that both ends are told while the channel has others, and the rate token of that."""

    snr_db: tuple[float, ...]
    rate: float


def _told(cfg: Any, own: Entry) -> _Told:
    rate = cfg.eval.mismatch_rate
    rate = own.rates[-1] if rate is None else rate
    if rate not in own.rates:
        raise ConfigError(f"eval.mismatch_rate is {rate:g}; it must be one of eval.rates {own.rates}")
    return _Told(snr_db=tuple(beside.number(snr, "eval.mismatch") for snr in cfg.eval.mismatch), rate=rate)


def _gallery(cfg: Any, own: Entry, lanes: Mapping[str, Channel]) -> Gallery:
    points = shown_points(rates=own.rates, snr_db=cfg.eval.snr_db) if cfg.eval.snr_db else ()
    return Gallery(channel=next(iter(lanes)), points=points, pictures=SHOWN_PICTURES)


def _sweep(leg: Leg, cfg: Any, source: Source, gallery: Gallery, *, told: _Told, asked: Asking) -> Sweep:
    settings, entry = cfg.eval, leg.entry
    return Sweep(
        trainable=entry.trainable,
        channels=leg.lanes,
        snr_db=tuple(settings.snr_db),
        batches=functools.partial(_batches, cfg, source, asked),
        origin=entry.origin,
        rates=entry.rates,
        mismatch=told.snr_db if told.rate in entry.rates else (),
        mismatch_rate=told.rate,
        draws=settings.draws,
        metrics=tuple(settings.metrics),
        seed=settings.seed,
        links=links_of(cfg, entry.trainable),
        watch=gallery.watch(entry.origin.system),
        exam=asked.exam,
    )


def _batches(cfg: Any, source: Source, asked: Asking) -> Iterator[Mapping[str, Any]]:
    settings = cfg.eval
    crop, limit = settings.data.crop, settings.limit
    return asked.told(eval_batches(source, batch_size=settings.batch_size, crop=crop, limit=limit))


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Found:
    """What the systems gave, the run's first, and what their ends cost."""

    systems: list[Measured]
    costs: list[Row]

    def rows(self) -> list[Row]:
        """All rows, those of the gains over the baselines last."""
        own, *baselines = self.systems
        rows = [row for system in self.systems for row in system.rows]
        return rows + [row for baseline in baselines for row in gains(own, baseline)]

    def notes(self) -> list[str]:
        """The points at which a baseline did not spend what the system did."""
        own, *baselines = self.systems
        return [line for baseline in baselines for line in unequal_rates(own, baseline)]


def _run(sweeps: Sequence[Sweep], ways: Sequence[Leg], cfg: Any, source: Source) -> _Found:
    """What every system gave and costs, with a line of progress; rates and channels of one system are joined."""
    count = len(source) if cfg.eval.limit is None else min(cfg.eval.limit, len(source))
    total = count * sum(sweep.points_per_picture for sweep in sweeps)
    delay, every = (0.0, 0.1) if sys.stderr.isatty() else (QUIET_S, EVERY_S)
    found: dict[tuple[str, str], Measured] = {}
    costs: list[Row] = []
    with tqdm(total=total, unit="picture", delay=delay, mininterval=every) as bar:
        for sweep, leg in zip(sweeps, ways, strict=True):
            entry = leg.entry
            bar.set_postfix_str(entry.origin.system, refresh=False)
            watched = dataclasses.replace(sweep, progress=bar.update)
            part = watched.measure(entry.variables, entry.frozen)
            place = (entry.origin.system, entry.origin.variant)
            first = next(iter(leg.lanes)) == next(iter(ways[0].lanes))
            found[place] = found[place].joined(part) if place in found else part
            given = hasattr(entry.trainable, "given_of")  # truth costs nothing, and says nothing of what a system costs
            if cfg.eval.cost and first and not given and entry.rates[-1] == ways[0].entry.rates[-1]:
                costs += _cost(watched, entry, cfg, source)
    return _Found(systems=list(found.values()), costs=costs)


def _cost(sweep: Sweep, entry: Entry, cfg: Any, source: Source) -> list[Row]:
    """What both ends of a system cost at its highest rate, on the first pictures."""
    batch, channel = next(iter(sweep.batches())), next(iter(sweep.channels.values()))
    rows = cost(
        sweep.chain,
        entry.variables,
        entry.frozen,
        batch=batch,
        channel=channel,
        snr_db=cfg.eval.snr_db[0],
        rate=entry.rates[-1],
    )
    origin = {
        name: getattr(entry.origin, name) for name in ("system", "variant", "checkpoint", "commit", "config_hash")
    }
    return [{**origin, **row} for row in rows]


def _write_pictures(measured: Sequence[Measured], folder: pathlib.Path) -> None:
    for found in measured:
        system, variant = found.rows[0]["system"], found.rows[0]["variant"]
        name = system if variant == "default" else f"{system}_{variant}"
        results.write_pictures(found.pictures, folder / f"pictures_{name}.npz")


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
    for text in _texts(found):
        print(text, end="\n\n")
    print(f"report: {found.index}")
    return 0


def _texts(found: Evaluated) -> Iterator[str]:
    """What a terminal is shown."""
    for (metric,) in results.distinct(found.rows, "metric"):
        if metric.partition(GAIN_OVER)[0] in TERMINAL_METRICS:
            yield numbers.text_table(found.rows, metric)
    yield from filter(None, (numbers.text_mismatch(found.rows), numbers.text_cost(found.costs)))
