"""The work directory of a run: config.json, run.json, metrics.jsonl, ckpt/, best/, and run.lock while it runs.

A directory is a run's own or it is refused: nothing foreign is ever written into, and a checkpoint is only continued
with the configuration it was made with.
"""

import json
import pathlib
import tempfile

from semjax.app import config
from semjax.app.build import BEST_DIR, CHECKPOINT_DIR, CONFIG_FILE, PARAMS_FILE
from semjax.app.config import Config
from semjax.app.errors import ConfigError, UserError
from semjax.app.lock import LOCK_FILE
from semjax.app.schema import Tables
from semjax.training.shelf import Shelf

SHOWN_DIFFERENCES = 5
PASSING = (LOCK_FILE, f".{LOCK_FILE}", f".{CONFIG_FILE}")
"""How the names of entries begin that say nothing of whose the directory is."""


def claim(workdir: str | pathlib.Path, cfg: Config, tables: Tables | None = None) -> pathlib.Path:
    """Makes sure that a run of `cfg` may use `workdir`, before anything is computed or written.

    Args:
      workdir: made if absent.
      cfg: the resolved configuration.
      tables: the registered parts; options that a run of an earlier version did not know are then at their defaults.

    Returns:
      The directory, absolute.

    Raises:
      UserError: it is a file, cannot be written to, holds something else, or the checkpoints of another configuration.
    """
    folder = pathlib.Path(workdir).absolute()
    if folder.exists() and not folder.is_dir():
        raise UserError(f"--workdir={workdir} is a file; name a directory")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"0")  # a full disk still makes empty files
        entries = sorted(entry.name for entry in folder.iterdir() if not entry.name.startswith(PASSING))
    except OSError as error:
        raise UserError(
            f"--workdir={workdir} cannot be written to ({error.strerror}); name another directory"
        ) from error
    if entries:
        _check_same_run(folder, entries, cfg, tables)
    return folder


def _check_same_run(folder: pathlib.Path, entries: list[str], cfg: Config, tables: Tables | None) -> None:
    old = _config_of(folder)
    if old is None or PARAMS_FILE in entries:
        shown = ", ".join(entries[:SHOWN_DIFFERENCES])
        raise UserError(
            f"--workdir={folder} is not empty and not a run of this program ({shown}); name another directory"
        )
    for name in (CHECKPOINT_DIR, BEST_DIR):
        if name in entries and not (folder / name).is_dir():
            raise UserError(f"{folder / name} is to be a directory and is not; move it away or name another --workdir")
    changed = config.differences(config.training_part(_today(old, tables)), config.training_part(cfg))
    steps = [Shelf(directory=folder / name).all() for name in (CHECKPOINT_DIR, BEST_DIR)]
    if changed and any(steps):
        more = f" (and {len(changed) - SHOWN_DIFFERENCES} more)" if len(changed) > SHOWN_DIFFERENCES else ""
        lines = "".join(f"\n  {line}" for line in changed[:SHOWN_DIFFERENCES])
        raise UserError(
            f"{folder} holds checkpoints of another configuration (there → asked for):{lines}{more}\n"
            "give the same configuration to continue that run, or another --workdir to start anew; nothing was changed"
        )


def _today(old: Config, tables: Tables | None) -> Config:
    """A configuration of an earlier version with what it did not know at its default, options of parts included."""
    known = config.filled(old)
    try:
        return config.resolve(known, tables) if tables is not None else known
    except ConfigError:  # it has what there is no longer
        return known


def _config_of(folder: pathlib.Path) -> Config | None:
    """The configuration in a run's directory; None if it is not one."""
    try:
        found = config.from_json((folder / CONFIG_FILE).read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError, UnicodeDecodeError, ValueError, TypeError):
        return None
    return found if {"system", "data", "train"} <= set(found) else None
