"""The work directory of a run: config.json, run.json, metrics.jsonl, ckpt/.

A directory is a run's own or it is refused: nothing foreign is ever written into, and a checkpoint is only continued
with the configuration it was made with.
"""

import json
import pathlib
import tempfile

from semjax.app import config
from semjax.app.build import CHECKPOINT_DIR, CONFIG_FILE, PARAMS_FILE
from semjax.app.config import Config
from semjax.app.errors import UserError

SHOWN_DIFFERENCES = 5


def claim(workdir: str | pathlib.Path, cfg: Config) -> pathlib.Path:
    """Makes sure that a run of `cfg` may use `workdir`, before anything is computed or written.

    Args:
      workdir: made if absent.
      cfg: the resolved configuration.

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
        with tempfile.TemporaryFile(dir=folder):
            pass
        entries = sorted(entry.name for entry in folder.iterdir() if not entry.name.startswith(f".{CONFIG_FILE}"))
    except OSError as error:
        raise UserError(
            f"--workdir={workdir} cannot be written to ({error.strerror}); name another directory"
        ) from error
    if entries:
        _check_same_run(folder, entries, cfg)
    return folder


def _check_same_run(folder: pathlib.Path, entries: list[str], cfg: Config) -> None:
    old = _config_of(folder)
    if old is None or PARAMS_FILE in entries:
        shown = ", ".join(entries[:SHOWN_DIFFERENCES])
        raise UserError(
            f"--workdir={folder} is not empty and not a run of this program ({shown}); name another directory"
        )
    changed = config.differences(config.training_part(old), config.training_part(cfg))
    steps = [entry for entry in (folder / CHECKPOINT_DIR).glob("*") if entry.name.isdigit()]
    if changed and steps:
        more = f" (and {len(changed) - SHOWN_DIFFERENCES} more)" if len(changed) > SHOWN_DIFFERENCES else ""
        lines = "".join(f"\n  {line}" for line in changed[:SHOWN_DIFFERENCES])
        raise UserError(
            f"{folder} holds checkpoints of another configuration (there → asked for):{lines}{more}\n"
            "give the same configuration to continue that run, or another --workdir to start anew; nothing was changed"
        )


def _config_of(folder: pathlib.Path) -> Config | None:
    """The configuration in a run's directory; None if it is not one."""
    try:
        found = config.from_json((folder / CONFIG_FILE).read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError, UnicodeDecodeError, ValueError, TypeError):
        return None
    return found if {"system", "data", "train"} <= set(found) else None
