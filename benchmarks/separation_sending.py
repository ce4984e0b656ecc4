"""Really sends each picture of a point once: compressed, through the coded link, decoded from what arrived."""

import dataclasses
import zlib
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from separation_ladders import Picture
from separation_points import Point

from semjax.codecs import codec
from semjax.codecs.shelf import Shelf
from semjax.link.choice import Links
from semjax.link.coded import CodedLink
from semjax.link.policy import Fixed
from semjax.link.rows import read_rows, write_rows
from semjax.systems.base import picture_keys, slot_keys
from semjax.systems.separation import Separation
from semjax.systems.validated import validation


@dataclasses.dataclass(frozen=True, kw_only=True)
class Seen:
    """What arrived, per picture: the MSE in [0, 1] units of what is shown, and whether the message was lost."""

    mse: np.ndarray
    lost: np.ndarray


def sent_once(name: str, point: Point, shown: Sequence[Picture], *, shelf: Shelf, seed: int) -> Seen:
    """Sends every picture once, with a key of its own for each codec, channel and picture.

    Raises:
      SystemExit: a message that passed its CRCs is not the one that was sent.
    """
    assert point.scheme is not None
    link = CodedLink(channel=point.channel, policy=Fixed(scheme=point.scheme))
    links: Links = lambda channel: link  # noqa: E731
    system = Separation(
        codec=codec(name),
        channel=point.channel,
        cbr=point.cbr,
        links=links,
        colour=validation().colour,
        shelf=shelf,
    )
    messages = [system.message(picture, point.budget) for picture in shown]
    bits = write_rows([np.unpackbits(np.frombuffer(message, np.uint8)) for message in messages])
    ids = jnp.arange(len(shown), dtype=jnp.uint32)
    base = jax.random.fold_in(jax.random.key(seed), np.uint32(zlib.crc32(f"{name} {point.channel_name}".encode())))
    keys = slot_keys(picture_keys(base, 0, ids), 1)
    arrived = link.send(bits, snr_db=np.full(len(shown), point.snr_db, np.float32), keys=keys)
    rows = read_rows(arrived.bits, like=np.zeros((len(shown), 1)), codec="sent_once")
    mse = []
    for picture, message, row, ok in zip(shown, messages, rows, arrived.ok, strict=True):
        heard = np.packbits(row).tobytes()
        if ok and heard != message:
            raise SystemExit(f"{name}: a message that passed its CRCs is not right ({point})")
        height, width, _ = picture.shape
        size = {"height": height, "width": width}
        found = system.picture(heard, **size) if ok else system.concealment(**size)
        mse.append(np.mean((found / 255 - picture / 255) ** 2))
    return Seen(mse=np.asarray(mse), lost=~arrived.ok)
