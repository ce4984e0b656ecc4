"""Errors meant for people, and the guard that turns them into one message and an exit code.

    0 done · 2 something the user can put right · 3 a run that cannot go on · 42 preempted · 130 interrupted

After 42 and 130 the same command goes on where the run stopped; docs/reliability.md says what each fault leads to.
"""

import contextlib
import functools
import sys
from collections.abc import Callable, Iterator
from typing import ParamSpec

from semjax.data.files import DataError
from semjax.data.images import ImageError
from semjax.store.layout import StoreError
from semjax.store.overrides import OverridesError
from semjax.training.checkpoint import CheckpointError

EXIT_USER_ERROR, EXIT_FAILED, EXIT_PREEMPTED, EXIT_INTERRUPTED = 2, 3, 42, 130
Arguments = ParamSpec("Arguments")


class UserError(Exception):
    """Something the user can put right; the message says what was wrong, where, and what to do."""


class ConfigError(UserError):
    """A configuration file, key, value or flag that cannot be used."""


class RunError(Exception):
    """A run that cannot go on, through no fault of its command; the message says why and what was kept."""


@contextlib.contextmanager
def explained(where: str) -> Iterator[None]:
    """Makes a plain ValueError raised inside a ConfigError of the config key `where`."""
    try:
        yield
    except ValueError as error:
        if type(error) is not ValueError:  # a named error carries its own message
            raise
        raise ConfigError(f"{where}: {error}") from error


def guard(main: Callable[Arguments, int]) -> Callable[Arguments, int]:
    """Makes `main` answer an error meant for people with one message on stderr and exit code 2 or 3, no traceback.

    Args:
      main: a program; returns the exit code.

    Returns:
      The guarded `main`.
    """

    @functools.wraps(main)
    def guarded(*args: Arguments.args, **kwargs: Arguments.kwargs) -> int:
        try:
            return main(*args, **kwargs)
        except (UserError, DataError, ImageError, CheckpointError, StoreError, OverridesError) as error:
            print(f"error: {error}", file=sys.stderr)
            return EXIT_USER_ERROR
        except RunError as error:
            print(f"error: {error}", file=sys.stderr)
            return EXIT_FAILED

    return guarded
