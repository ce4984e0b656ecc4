"""What a run writes about itself in its work directory: config.json, run.json and the log."""

import json
import pathlib
from collections.abc import Mapping
from typing import Any

import jax

from semjax.app import config
from semjax.app.build import CONFIG_FILE
from semjax.app.config import Config
from semjax.app.errors import UserError, explained
from semjax.data.facts import check_same_source
from semjax.training import log as logs

RUN_FILE = "run.json"


def check_sources(folder: pathlib.Path, facts: Mapping[str, Mapping[str, Any]]) -> None:
    """Makes sure that a run goes on with the training pictures that its run.json names, if that can be read.

    Raises:
      DataError: pictures were added, removed or changed.
    """
    try:
        old = json.loads((folder / RUN_FILE).read_text(encoding="utf-8"))["sources"]["data.train"]
    except (OSError, ValueError, KeyError, TypeError):
        logs.warn(f"{folder / RUN_FILE} cannot be read: whether the pictures are still the same was not checked")
        return
    check_same_source(old, facts["data.train"], where="data.train")


def open_log(cfg: Config, folder: pathlib.Path, *, first: int, sources: Mapping[str, Mapping[str, Any]]) -> logs.Silent:
    """Writes config.json and run.json and opens the log; in all processes but the first, nothing.

    Args:
      cfg: the resolved configuration.
      folder: the work directory.
      first: steps done already.
      sources: facts of each data source, by section.

    Raises:
      UserError: the files cannot be written.
    """
    if jax.process_index():
        return logs.Silent()
    facts = logs.run_facts(config=cfg.to_dict(), config_hash=config.config_hash(cfg), seed=cfg.seed, sources=sources)
    try:
        logs.replace(folder / CONFIG_FILE, config.to_json(cfg))
        logs.replace(folder / RUN_FILE, json.dumps({"first_step": first, **facts}, indent=2) + "\n")
    except OSError as error:
        raise UserError(f"{folder} cannot be written to ({error.strerror}); make room, or name another one") from error
    with explained("train.tensorboard"):
        sinks = [logs.TensorBoard(folder)] if cfg.train.tensorboard else []
    return logs.RunLog(
        folder, first_step=first, total_steps=cfg.train.steps, batch_size=cfg.data.batch_size, sinks=sinks
    )
