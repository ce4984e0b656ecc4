"""One picture sent under two scenarios by one SA-OOSC, as a figure for a document:

    python -m semjax.app.scenario_pictures --checkpoint RUN --snr_db 7 --out FILE.png [--split test] [--index 3]
        [--scenarios NAME NAME] [--rate 0.5] [--channel rayleigh] [--config.eval.KEY=VALUE ...]

The picture is one of the checkpoint's `eval.data`, which flags may change as those of eval.py do: scenes, or pictures
with teacher stores; of others the importance is not known and not drawn. Drawn (`semjax.evaluators.scenario_figure`)
and printed is what one pass through the evaluation chain gave: its first channel draw under `eval.seed`, over the
digital link `eval.side_link`. Variants that are told the truth are told it here, too.

CHOICE: a picture meets the same noise and fading under all its scenarios, so that only the scenario differs.
CHOICE: unless they are named, the scenarios are the two that differ most in importance, on average over the regions
that the picture shows; not over pixels, or the background alone would decide. Without labels they are the first two.
"""

import argparse
import dataclasses
import difflib
import itertools
import pathlib
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from semjax.app import build, config, learned
from semjax.app.asking import scenarios_of
from semjax.app.beside import checked_rates
from semjax.app.errors import ConfigError, UserError, explained, guard
from semjax.app.joined import joined_of
from semjax.app.links import check_link, check_sends, links_of
from semjax.channels import CHANNELS
from semjax.data.entries import name_of, unwrapped
from semjax.data.files import Source
from semjax.data.loader import eval_batches
from semjax.data.sources import ScenesSource
from semjax.evaluators.canvas import FiguresMissing
from semjax.evaluators.scenario_draw import DRAWN, SceneScenarios, StoredScenarios
from semjax.evaluators.scenario_figure import FORMATS, Page, checked_matplotlib, draw
from semjax.evaluators.scenario_sending import LABELS, SendingError, Way, lengths_of, sendings
from semjax.importance.base import ImportanceError


def page_of(
    loaded: build.Loaded, source: Source, *, index: int, scenarios: Sequence[str] = (), way: Way, where: str = ""
) -> Page:
    """Sends picture `index` under each scenario.

    Args:
      loaded: a trained SA-OOSC; section `eval` of its configuration is what is asked for.
      source: the pictures of `eval.data`.
      index: of the picture.
      scenarios: their names; none = the two that differ most.
      way: how it travels.
      where: the same in words, for the title.

    Raises:
      UserError: no such picture or scenario, or a system and pictures that do not go together.
    """
    cfg, trainable = loaded.cfg, loaded.trainable
    if not 0 <= index < len(source):
        raise UserError(f"--index={index}: there is no such picture; eval.data has pictures 0 to {len(source) - 1}")
    known = scenarios_known(cfg, source, trainable)
    _check_names(scenarios, names := learned.names_of(known))
    record: Any = [source[index]]
    one = next(eval_batches(record, batch_size=1, crop=cfg.eval.data.crop))
    chosen = tuple(scenarios) or tuple(names[i] for i in most_different(one, count=len(names)))
    batch = _under(known, one, chosen)
    try:
        with explained(f"--rate={way.rate:g}"):
            rows = sendings(trainable, loaded.variables, batch, scenarios=chosen, way=way, frozen=loaded.frozen)
    except (SendingError, ImportanceError) as error:
        raise UserError(f"--checkpoint, eval.data: {error}") from error
    variant, name = getattr(trainable, "variant", "default"), name_of(source, index)
    return Page(
        title=f"{cfg.system.name} ({variant}), {re.split('[/:]', name)[-1]}: {where}",  # no folder
        original=one["image"][0],
        ids=one["labels/ids"][0] if "labels/ids" in one else None,
        stride=lengths_of(trainable).stride,
        variant=variant,
        rows=rows,
    )


def _under(known: Any, one: Mapping[str, np.ndarray], names: Sequence[str]) -> dict[str, Any]:
    """The picture of a batch of one, in a row for each scenario."""
    told = [dataclasses.replace(known, name=name).columns(one["id"].tolist()) for name in names]
    public = {column: np.concatenate([each[column] for each in told]) for column in told[0]}
    return {**{name: np.repeat(array, len(names), axis=0) for name, array in one.items()}, **public}


def scenarios_known(cfg: Any, source: Source, trainable: Any) -> SceneScenarios | StoredScenarios:
    """The scenarios of the pictures: those of their labels, or, where there are none, those that the system learned.

    Raises:
      ConfigError: labels of other scenarios than those that a student learned, or nothing is known of scenarios.
    """
    known = learned.learned_scenarios(cfg, trainable)
    labelled = joined_of(source) is not None or isinstance(unwrapped(source), ScenesSource)
    if not labelled and known is not None:
        return known
    found: Any = scenarios_of(cfg, source)
    learned.check_same(cfg, trainable, found, where="eval.data", instead=", or without labels")
    return found


def most_different(batch: Mapping[str, np.ndarray], *, count: int) -> tuple[int, ...]:
    """The two of `count` scenarios whose importance of the regions in a batch's first picture differs most."""
    pairs = list(itertools.combinations(range(count), 2))
    if not pairs or any(name not in batch for name in LABELS):
        return tuple(range(min(count, 2)))
    shown = np.unique(batch["labels/ids"][0])
    importance, weight = (batch[f"labels/{name}"][0][:, shown] for name in ("importance", "weight"))

    def apart(pair: tuple[int, int]) -> float:
        a, b = pair
        both = (weight[a] > 0) & (weight[b] > 0)
        return float(np.abs(importance[a] - importance[b])[both].mean()) if both.any() else -1.0

    return max(pairs, key=apart)


def _check_names(asked: Sequence[str], known: Sequence[str]) -> None:
    for name in asked:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"; nearest is {near[0]}" if near else ""
            raise UserError(f"--scenarios: there is no scenario {name!r}{hint}; there are {', '.join(known)}")
    if len(set(asked)) < len(asked):
        raise UserError(f"--scenarios {' '.join(asked)}: one is named twice")


def _loaded(flags: argparse.Namespace, overrides: config.Overrides) -> build.Loaded:
    """The system, with what flags change of section `eval`."""
    elsewhere = [key for key, _ in overrides if not key.startswith("eval.")]
    if elsewhere:
        raise ConfigError(f"pictures may change only section eval, not {', '.join(elsewhere)}; train again for that")
    registry = build.default_registry()
    loaded = build.load(flags.checkpoint, registry)
    check_sends(loaded.trainable, loaded.cfg.system.name, instead="name a checkpoint of sa_oosc")
    try:
        lengths_of(loaded.trainable)
    except SendingError as error:
        raise UserError(f"{flags.checkpoint}: {error}") from error
    split = [("eval.data.split", flags.split)] if flags.split else []
    cfg = config.resolve(loaded.cfg, registry, [*overrides, *split, ("eval.scenario", DRAWN)])
    if cfg.eval.data.source == "scenes" and not cfg.eval.data.teachers.stores:
        cfg = config.resolve(cfg, registry, [("eval.data.truth", "True")])
    return dataclasses.replace(loaded, cfg=cfg)


def _way(flags: argparse.Namespace, loaded: build.Loaded) -> Way:
    if flags.channel not in CHANNELS:
        raise UserError(f"--channel={flags.channel}: there is no such channel; there are {', '.join(CHANNELS)}")
    channel, links = CHANNELS[flags.channel](), links_of(loaded.cfg, loaded.trainable)
    check_link(loaded.trainable, flags.channel, channel, links)
    checked_rates((flags.rate,), loaded.trainable, where="--rate")
    return Way(channel=channel, links=links, snr_db=flags.snr_db, rate=flags.rate, seed=loaded.cfg.eval.seed)


def _check_out(path: pathlib.Path) -> None:
    """Makes sure, before anything is computed, that a figure can be drawn there; makes its folder."""
    if path.suffix not in FORMATS:
        raise UserError(f"--out={path}: its name must end in {' or '.join(FORMATS)}")
    try:
        checked_matplotlib()
        path.parent.mkdir(parents=True, exist_ok=True)
    except FiguresMissing as error:
        raise UserError(str(error)) from error
    except OSError as error:
        raise UserError(f"--out={path}: its folder cannot be made ({error.strerror}); name another") from error


def _parser() -> argparse.ArgumentParser:
    prog = "python -m semjax.app.scenario_pictures"
    parser = argparse.ArgumentParser(prog=prog, description="One picture under two scenarios.", allow_abbrev=False)
    parser.add_argument("--checkpoint", required=True, metavar="RUN", type=pathlib.Path, help="a run or a checkpoint")
    parser.add_argument("--snr_db", required=True, type=float, help="average Es/N0 per complex use, in dB")
    parser.add_argument("--out", required=True, metavar="FILE", type=pathlib.Path, help=f"ends in {', '.join(FORMATS)}")
    parser.add_argument("--split", default="", help="of eval.data (default: as the checkpoint has it)")
    parser.add_argument("--index", default=0, type=int, help="which picture of it (default 0)")
    parser.add_argument("--scenarios", default=(), nargs="+", metavar="NAME", help="default: two that differ most")
    parser.add_argument("--rate", default=1.0, type=float, help="fraction of the full rate (default 1)")
    parser.add_argument("--channel", default="awgn", help=f"one of {', '.join(CHANNELS)}")
    return parser


@guard
def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = _parser()
    flags, rest = parser.parse_known_args(argv)
    known = [f"--{name}" for name in vars(flags)]
    overrides = config.split_flags(rest, known)
    _check_out(flags.out)
    loaded = _loaded(flags, overrides)
    way = _way(flags, loaded)
    source = build.source(loaded.cfg.eval.data, build.default_registry(), path="eval.data")
    where = f"{flags.channel}, {flags.snr_db:g} dB, rate {flags.rate:g}, {loaded.cfg.eval.side_link} side link"
    page = page_of(loaded, source, index=flags.index, scenarios=flags.scenarios, way=way, where=where)
    try:
        draw(page, flags.out)
    except OSError as error:
        raise UserError(f"--out={flags.out} cannot be written ({error.strerror}); name another file") from error
    print(page.title)
    for row in page.rows:
        print(f"  {row.scenario}: {row.caption()}")
    print(f"written: {flags.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
