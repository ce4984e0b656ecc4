"""Separate source and channel coding: a picture codec over the digital link.

    image ─► codec: finest setting that fits ─► bytes, padded ─► 5G NR LDPC, QAM ─► channel
                          ▲                                                            │
             bits that fit into K uses                image^ ◄─ codec ◄─ bytes, ok ◄───┘
             (both ends: K, SNR, channel)             or the mean colour, if they were lost

| symbol | here |
|---|---|
| K | `round(rate * cbr * 3 h w)` channel uses, the same for every picture of a size |
| message | as many whole bytes as the link carries in K uses (`semjax.link.filling`) |
| MCS | over the coded link by the envelope (`semjax.link.envelope`), chosen on validation pictures |

Everything that is sent is charged: CRCs, filled-up code blocks, the padding behind a compressed picture. What is not:
the size of the picture, and headers that are the same for all pictures of a size (`semjax.codecs` says which). If no
setting fits, the transmitter sends zeros, and the receiver, who finds no picture in them, shows the mean colour, too.

CHOICE: the mean colour of the training pictures rather than grey or black; it is what minimises the error of a receiver
that knows nothing, and no published baseline says what it shows.
"""

import dataclasses
import functools
import logging
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int16, UInt8

from semjax.codecs import codec
from semjax.codecs.base import Codec, CodecError, MissingWheel
from semjax.codecs.ladder import DoesNotFit, decode, encode
from semjax.codecs.shelf import Shelf
from semjax.contracts import Channel, Phase, SideCodec
from semjax.link.choice import LINKS, Links
from semjax.link.envelope import Envelope
from semjax.link.filling import link_room
from semjax.link.octets import END, Octets
from semjax.systems.base import Parts
from semjax.systems.validated import validation
from semjax.types import Batch, Image, Keys, Outputs, PerImage, Public, Received, Signal, Tree

LOG = logging.getLogger(__name__)
STREAM = "picture"
BYTES_PER_USE = 2
"""Room for a message: no link here carries more than 16 bits per use."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Separation:
    """A `Trainable` without parameters: it is measured, never trained.

    Attributes:
      codec: the picture codec.
      channel: the channel that both ends reckon with; `over` gives the system for another one.
      cbr: channel uses per picture value at rate token 1.
      links: the digital link over a channel.
      colour: what is shown instead of a lost picture, RGB in [0, 1].
      shelf: keeps compressed pictures from one run to the next, if given.
    """

    codec: Codec
    channel: Channel
    cbr: float
    links: Links
    colour: tuple[float, float, float]
    shelf: Shelf | None = None
    name: str = "separation"
    rates: tuple[float, float] = (0.0, 1.0)
    PHASES: tuple[Phase, ...] = ()
    payload_streams: tuple[str, ...] = (STREAM,)
    on_host: bool = True

    @property
    def variant(self) -> str:
        """The codec, as result rows name it."""
        return self.codec.name

    @property
    def side_codecs(self) -> Mapping[str, SideCodec]:
        """Bytes as they are; how many there are, both ends know."""
        return {STREAM: Octets(max_length=np.iinfo(np.int32).max, agreed=True)}

    def over(self, channel: Channel) -> "Separation":
        """The same system for another channel: what fits into its uses depends on it."""
        return dataclasses.replace(self, channel=channel)

    def budget(self, *, height: int, width: int, snr_db: float, rate: float = 1.0) -> int:
        """Bytes of a message.

        Args:
          height: of the picture.
          width: of the picture.
          snr_db: average Es/N0 per complex use in dB.
          rate: rate token.
        """
        uses = round(rate * self.cbr * 3 * height * width)
        return link_room(self.links(self.channel), uses=uses, snr_db=snr_db) // 8

    def message(self, image: UInt8[np.ndarray, "h w 3"], budget: int) -> bytes:
        """A picture in exactly `budget` bytes; zeros where it does not fit or the codec fails, which is logged."""
        try:
            return encode(self.codec, image, budget, shelf=self.shelf)
        except (DoesNotFit, CodecError) as error:
            LOG.warning("a picture is lost at the transmitter: %s", error)
            return bytes(budget)

    def picture(self, message: bytes, *, height: int, width: int) -> UInt8[np.ndarray, "h w 3"]:
        """The picture in a message; the mean colour where there is none."""
        try:
            return decode(self.codec, message, height=height, width=width)
        except CodecError:
            return self.concealment(height=height, width=width)

    def concealment(self, *, height: int, width: int) -> UInt8[np.ndarray, "h w 3"]:
        """What is shown instead of a lost picture."""
        return np.broadcast_to(np.rint(np.asarray(self.colour) * 255).astype(np.uint8), (height, width, 3)).copy()

    def init(self, key: Array, batch: Batch) -> tuple[dict[str, Tree], Tree]:
        """There are no parameters."""
        return {"codec": {}}, {}

    def forward(
        self, params: Tree, collections: Tree, frozen: Tree, batch: Batch, keys: Keys, phase: Phase
    ) -> tuple[Outputs, Tree]:
        """Refuses: a classical codec has no gradient.

        Raises:
          ValueError: always.
        """
        raise ValueError("separation cannot be trained; measure it beside a system: eval.baselines")

    def terms(self, outputs: Outputs, batch: Batch, frozen: Tree) -> dict[str, PerImage]:
        """None: it is not trained."""
        return {}

    def critic_terms(
        self, params: Tree, outputs: Outputs, batch: Batch, frozen: Tree, keys: Keys
    ) -> dict[str, PerImage]:
        """None: it is not trained."""
        return {}

    def stats(self, outputs: Outputs) -> dict[str, Float[Array, ""]]:
        """None: it is not trained."""
        return {}

    def predict_fns(self) -> dict[str, Callable[..., Any]]:
        """Both ends; the codec runs on the host."""

        def transmit(variables: Tree, frozen: Tree, image: Image, public: Public, given: dict[str, Array]) -> Signal:
            b, h, w, _ = image.shape
            shape = jax.ShapeDtypeStruct((b, BYTES_PER_USE * round(self.cbr * 3 * h * w)), jnp.int16)
            rows = jax.pure_callback(self._rows, shape, image, public.snr_db, public.rate)
            return Signal(symbols=jnp.zeros((b, 0), jnp.complex64), used=jnp.zeros((b, 0)), ints={STREAM: rows})

        def receive(variables: Tree, frozen: Tree, received: Received, public: Public) -> Image:
            rows, ok = received.ints[STREAM], received.ok[STREAM]
            size = {"height": public.height, "width": public.width}
            shape = jax.ShapeDtypeStruct((rows.shape[0], *size.values(), 3), jnp.uint8)
            shown = jax.pure_callback(functools.partial(self._pictures, **size), shape, rows, ok)
            return shown.astype(jnp.float32) / 255

        return {"transmit": transmit, "receive": receive}

    def _rows(
        self, image: Float[np.ndarray, "b h w 3"], snr_db: Float[np.ndarray, "b"], rate: Float[np.ndarray, "b"]
    ) -> Int16[np.ndarray, "b m"]:
        pictures = np.rint(np.clip(np.asarray(image), 0, 1) * 255).astype(np.uint8)
        _, h, w, _ = pictures.shape
        found = np.full((pictures.shape[0], BYTES_PER_USE * round(self.cbr * 3 * h * w)), END, np.int16)
        for row, picture, snr, token in zip(found, pictures, np.asarray(snr_db), np.asarray(rate), strict=True):
            budget = self.budget(height=h, width=w, snr_db=float(snr), rate=float(token))
            row[:budget] = np.frombuffer(self.message(picture, budget), np.uint8)
        return found

    def _pictures(
        self, rows: Int16[np.ndarray, "b m"], ok: Bool[np.ndarray, "b"], *, height: int, width: int
    ) -> UInt8[np.ndarray, "b h w 3"]:
        found = [self.concealment(height=height, width=width)] * len(rows)
        for i, (row, arrived) in enumerate(zip(np.asarray(rows), np.asarray(ok), strict=True)):
            if arrived:
                message = row[: np.sum(row >= 0)].astype(np.uint8).tobytes()
                found[i] = self.picture(message, height=height, width=width)
        return np.stack(found)


def builder(name: str) -> Callable[..., Separation]:
    """The builder of the baseline with one codec of `semjax.codecs.CODECS`."""

    def build(cfg: Any, parts: Parts, *, cbr: float) -> Separation:
        """From a run's config: section `channel`, option `cbr`, and the link of `eval.side_link`."""
        try:
            chosen, known = codec(name), validation()
        except MissingWheel as error:
            raise ValueError(str(error)) from error
        policy = Envelope(quality=known.quality[chosen.name], cbr=cbr)
        links = LINKS[cfg.eval.side_link](policy)
        return Separation(codec=chosen, channel=parts.channel(cfg.channel), cbr=cbr, links=links, colour=known.colour)

    return build
