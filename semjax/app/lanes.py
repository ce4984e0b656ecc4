"""What an evaluation runs over: channels by name, and each system over those that it can be sent over as it is."""

import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from semjax.app import build
from semjax.app.beside import Entry
from semjax.app.errors import ConfigError
from semjax.app.links import check_link, fitted, links_of
from semjax.contracts import Channel


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


def lanes_of(cfg: Any, registry: build.Registry, entries: Sequence[Entry]) -> dict[str, Channel]:
    """The channels, which can carry every system's digital streams."""
    found = channels(cfg, registry)
    for entry, (name, channel) in itertools.product(entries, found.items()):
        check_link(entry.trainable, name, channel, links_of(cfg, entry.trainable))
    return found


@dataclasses.dataclass(frozen=True, kw_only=True)
class Leg:
    """A system over the channels that it can be sent over as it is."""

    entry: Entry
    lanes: Mapping[str, Channel]


def legs(entry: Entry, lanes: Mapping[str, Channel]) -> Iterator[Leg]:
    """One for all channels; where a system makes its message to the channel's measure (it has `over`), one for each."""
    if not hasattr(entry.trainable, "over"):
        yield Leg(entry=entry, lanes=lanes)
        return
    for name, channel in lanes.items():
        yield Leg(entry=dataclasses.replace(entry, trainable=fitted(entry.trainable, channel)), lanes={name: channel})
