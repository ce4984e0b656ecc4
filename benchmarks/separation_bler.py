"""How many transport blocks the separation benchmark's link loses: counted for each scheme, channel and SNR.

Blocks of random bits are sent by the coded link itself, with all that a picture's message meets. Counted are, over
AWGN, 1,000 whole messages of a picture at the smallest cbr, C code blocks each; over block fading, where the gain
decides, 2,000 blocks of at most 8,424 bits, what one code block of base graph 1 carries. For a message of C' code
blocks of the same scheme at the same SNR,

    no fading      p' = 1 - (1 - p)^(C' / C)              code blocks meet independent noise
    block fading   p' = p BLER'(snr) / BLER(snr)          one gain for all; BLER as the link's table predicts both

Counts are kept in a file, so that each is made once.
"""

import dataclasses
import datetime
import json
import pathlib
from collections.abc import Iterable
from typing import Any

import jax
import numpy as np
from separation_points import CBRS, Point

from semjax.link import bler
from semjax.link.coded import CodedLink
from semjax.link.filling import most_bits
from semjax.link.frames import plan
from semjax.link.policy import Fixed
from semjax.training.log import git_state
from semjax.types import Bits

BLOCKS = {"awgn": 1000, "rayleigh": 2000}
ONE_BLOCK = 8424 // 8
"""Bytes of the blocks counted over block fading."""
AT_ONCE = 16
SEED = 5_001
"""Of these counts alone; the schemes were chosen with other noise."""


class Counts:
    """Lost transport blocks by channel, scheme, length and SNR, in a file.

    Args:
      path: the file.
    """

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path
        rows = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
        self._rows: dict[tuple[Any, ...], dict[str, Any]] = {_place(row): row for row in rows}

    def lost(self, point: Point) -> float:
        """The share of a point's messages that is lost.

        Raises:
          KeyError: its scheme has not been counted at this SNR over this channel.
        """
        row = self._rows[_place(_wanted(counted(point)))]
        share, bits = row["lost"] / row["blocks"], 8 * point.budget
        assert point.scheme is not None
        if point.channel_name == "awgn":
            return 1 - (1 - share) ** (plan(bits, point.scheme).frame.blocks / row["code_blocks"])
        predicted = [
            bler.block_error(bler.measured(), point.channel, point.scheme, size, point.snr_db)
            for size in (bits, row["message_bits"])
        ]
        return min(1.0, share * predicted[0] / predicted[1])

    def missing(self, points: Iterable[Point]) -> list[Point]:
        """What must be counted for these points and has not been yet, each once."""
        wanted = {_place(_wanted(short)): short for short in map(counted, points)}
        return [short for place, short in wanted.items() if place not in self._rows]

    def measure(self, point: Point) -> dict[str, Any]:
        """Counts at a point and keeps what was found."""
        wanted = _wanted(point)
        self._rows[_place(wanted)] = {**wanted, **count(point, blocks=BLOCKS[point.channel_name]), **_origin()}
        self._save()
        return self._rows[_place(wanted)]

    def _save(self) -> None:
        rows = sorted(self._rows.values(), key=lambda r: (r["channel"], r["snr_db"], r["message_bits"], r["scheme"]))
        part = self.path.with_suffix(".part")
        part.write_text("[\n" + ",\n".join("  " + json.dumps(row) for row in rows) + "\n]\n", encoding="utf-8")
        part.replace(self.path)


def counted(point: Point) -> Point:
    """What is counted for a point: shorter messages of the same scheme."""
    assert point.scheme is not None
    uses = round(min(CBRS) / point.cbr * point.uses)
    budget = most_bits(uses, point.scheme) // 8
    if point.channel_name != "awgn":
        budget = min(budget, ONE_BLOCK)
    return dataclasses.replace(point, cbr=min(CBRS), uses=uses, budget=budget)


def count(point: Point, *, blocks: int) -> dict[str, Any]:
    """Sends random messages and counts the lost ones; also those that pass their CRCs and are wrong."""
    assert point.scheme is not None
    link = CodedLink(channel=point.channel, policy=Fixed(scheme=point.scheme))
    rng, size, lost, wrong = np.random.default_rng(SEED), 8 * point.budget, 0, 0
    for start in range(0, blocks, AT_ONCE):
        b = min(AT_ONCE, blocks - start)
        data = rng.integers(0, 2, (b, size), dtype=np.uint8)
        keys = jax.random.split(jax.random.fold_in(jax.random.key(SEED), start), b)
        snr = np.full(b, point.snr_db, np.float32)
        sent = link.send(Bits(bits=data, length=np.full(b, size, np.int32)), snr_db=snr, keys=keys)  # type: ignore[arg-type]
        lost += int(np.sum(~sent.ok))
        wrong += int(np.sum(np.any(np.asarray(sent.bits.bits) != data, axis=1) & sent.ok))
    return {"blocks": blocks, "lost": lost, "undetected": wrong}


def _wanted(point: Point) -> dict[str, Any]:
    assert point.scheme is not None
    bits = 8 * point.budget
    return {
        "channel": point.channel_name,
        "snr_db": point.snr_db,
        "scheme": point.scheme.name,
        "message_bits": bits,
        "uses": plan(bits, point.scheme).uses,
        "code_blocks": plan(bits, point.scheme).frame.blocks,
    }


def _place(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in ("channel", "snr_db", "scheme", "message_bits"))


def _origin() -> dict[str, Any]:
    git = git_state()
    commit = (git["commit"] or "")[:12] + ("+" if git["dirty"] else "")
    return {"seed": SEED, "commit": commit, "date": datetime.date.today().isoformat()}
