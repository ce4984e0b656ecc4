"""Pictures joined with what teachers said of them, as the `teachers` section of a data section asks.

    "teachers": {"stores": ("FOLDER", ...), "scenarios": ("driving", ...), "overrides": "FILE", "regions": 0,
                 "classes": ""}

`stores` are folders that `python -m semjax.teachers` made; none joins nothing. `scenarios` are the rows of the labels,
in that order (none named = all), `overrides` a file of corrections, `regions` the columns (0 = the most that a picture
of the stores has). `classes` are class tables, by their packaged name or their file, whose names number the classes of
the regions in a further label; "" makes none. Folders and files may be given with `$NAME` and `~`.
"""

from collections.abc import Mapping
from typing import Any

from semjax.app.errors import ConfigError, explained
from semjax.data.entries import digest_of
from semjax.data.files import Source, located
from semjax.importance.base import ImportanceError
from semjax.importance.class_tables import load_tables
from semjax.store.join import TeacherJoin, Wanted
from semjax.store.overrides import Overrides, read_overrides


def joined(source: Source, teachers: Mapping[str, Any], *, path: str) -> Source:
    """The source with the labels of its teachers, or as it is if no store is named.

    Args:
      source: the pictures.
      teachers: the section.
      path: dotted path of the data section, for error messages.

    Raises:
      StoreError, OverridesError: stores or corrections that are not there, damaged or of other pictures.
      ConfigError: class tables that are not there or damaged.
    """
    if not teachers.get("stores"):
        return source
    with explained(f"{path}.teachers"):
        corrections = teachers["overrides"]
        wanted = Wanted(
            scenarios=tuple(teachers["scenarios"]) or None,
            regions=teachers["regions"] or None,
            classes=_classes(teachers.get("classes", ""), path=f"{path}.teachers.classes"),
        )
        made: Any = TeacherJoin(
            source,
            [located(folder) for folder in teachers["stores"]],
            Overrides(read_overrides(located(corrections))) if corrections else None,
            wanted=wanted,
            picture_sha=digest_of,
        )
    return made


def _classes(name: str, *, path: str) -> tuple[str, ...] | None:
    try:
        return load_tables(located(name)).names if name else None
    except ImportanceError as error:
        raise ConfigError(f"{path}: {error}") from error


def joined_of(source: Source) -> TeacherJoin | None:
    """The join inside a source, if there is one."""
    inner: Any = source
    while inner is not None and not isinstance(inner, TeacherJoin):
        inner = getattr(inner, "source", None)
    return inner
