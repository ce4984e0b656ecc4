"""Errors meant for people, and the guard that turns them into one message and exit code 2."""

import contextlib
import functools
import sys
from collections.abc import Callable, Iterator
from typing import ParamSpec

from semjax.data.files import DataError
from semjax.data.images import ImageError
from semjax.training.checkpoint import CheckpointError

EXIT_USER_ERROR = 2
Arguments = ParamSpec("Arguments")


class UserError(Exception):
    """Something the user can put right; the message says what was wrong, where, and what to do."""


class ConfigError(UserError):
    """A configuration file, key, value or flag that cannot be used."""


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
    """Makes `main` answer a user's error with one message on stderr and exit code 2, without a traceback.

    Args:
      main: a program; returns the exit code.

    Returns:
      The guarded `main`.
    """

    @functools.wraps(main)
    def guarded(*args: Arguments.args, **kwargs: Arguments.kwargs) -> int:
        try:
            return main(*args, **kwargs)
        except (UserError, DataError, ImageError, CheckpointError) as error:
            print(f"error: {error}", file=sys.stderr)
            return EXIT_USER_ERROR

    return guarded
