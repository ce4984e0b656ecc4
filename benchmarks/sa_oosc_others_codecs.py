"""Picture codecs in the SA-OOSC benchmark: what they make of scenes, which one is taken, and how its bytes are sent.

    val scenes ─► mean PSNR over bytes, of each codec ─► for each condition a codec and a scheme
    test scene ─► finest setting that fits into 1/48 of its values ─► link ─► picture, or the mean colour if it was lost

The system is `semjax.systems.separation`. Over the coded link modulation and code rate are those of
`semjax.link.envelope`, and the codec is the one of the best expected PSNR there; over the ideal link, which takes as
many bits as the capacity, it is the one of the best PSNR at so many bits.

CHOICE: PSNR of whole pictures chooses, on scenes, not on the natural pictures that come with the package.
"""

import dataclasses
import functools
import hashlib
import pathlib
from collections.abc import Iterator, Mapping

import jax
import jax.numpy as jnp
import numpy as np
from sa_oosc_ends import Arrays, measured
from sa_oosc_models import SEED, SIZE, Condition, Model, Shown, joined, shown
from sa_oosc_tokens import TARGET

from semjax.codecs import codec
from semjax.codecs.base import CodecError, MissingWheel
from semjax.codecs.ladder import Ladder
from semjax.codecs.shelf import Shelf
from semjax.evaluators.base import chain, public_of
from semjax.link.choice import LINKS
from semjax.link.envelope import Envelope, Quality
from semjax.link.filling import link_room
from semjax.link.rate import rates
from semjax.systems.separation import STREAM, Separation

NAME = "separation"
CANDIDATES = ("jpeg2000", "webp", "avif", "hevc", "jpegxl")
BUDGETS = (48, 64, 90, 128, 180, 256, 360, 512, 600)
"""Bytes of a message: what 1,024 uses carry at 1 to 13 dB, and a little more on both sides."""
COLOURED = 256
"""Training scenes whose mean colour is shown instead of a lost picture."""
EDITION = 1
"""Goes up when the same codec would give other values."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Coder(Model):
    """A codec in the place of a checkpoint: `folder` keeps what it has compressed, `variant` is its key in `CODECS`."""

    @functools.cached_property
    def digest(self) -> str:
        """Changes with the codec's library and settings: 12 hex digits."""
        told = f"{EDITION} {codec(self.variant).terms} {BUDGETS} {TARGET}"
        return hashlib.sha256(told.encode()).hexdigest()[:12]

    @property
    def config_hash(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        """None: it was not trained."""
        return ""

    @property
    def shelf(self) -> Shelf:
        """Keeps compressed pictures."""
        return Shelf(self.folder / "shelf")

    def fitted(self, pictures: Shown) -> Arrays:
        """What the codec makes of pictures.

        Returns:
          "psnr" [p, budgets] in each of `BUDGETS`, that of the mean colour where a picture does not fit; "hidden" [p],
          that of the mean colour; "colour" [3], RGB in [0, 1]; "id".
        """
        colour = mean_colour(shown("train", COLOURED))
        shades = np.rint(colour * 255)
        parts: list[dict[str, np.ndarray]] = []
        for batch in pictures.batches:
            for image, own in zip(batch["image"][batch["_mask"]], batch["id"][batch["_mask"]], strict=True):
                hidden = _psnr(float(np.mean((image - shades) ** 2)) / 255**2)
                psnr = [*self._reached(image, hidden)]
                parts.append({"id": np.asarray(own), "hidden": np.asarray(hidden), "psnr": np.asarray(psnr)})
        return {name: np.stack([part[name] for part in parts]) for name in parts[0]} | {"colour": colour}

    def _reached(self, image: np.ndarray, hidden: float) -> Iterator[float]:
        ladder = Ladder(codec=codec(self.variant), image=image, shelf=self.shelf)
        for budget in BUDGETS:
            try:
                rung = ladder.largest(budget - 1)  # one byte marks the end
            except CodecError:
                rung = None
            yield hidden if rung is None else _psnr(rung.mse)


def coders(work: pathlib.Path) -> list[Coder]:
    """The candidates whose libraries are there; what they compress is kept in `work`."""
    return [Coder(folder=work / f"{NAME}_{name}", variant=name, seed=SEED) for name in CANDIDATES if _there(name)]


def mean_colour(pictures: Shown) -> np.ndarray:
    """Mean over pictures and pixels, RGB in [0, 1]."""
    means = [batch["image"][batch["_mask"]].mean(axis=(0, 1, 2)) for batch in pictures.batches]
    return np.average(means, axis=0, weights=[batch["_mask"].sum() for batch in pictures.batches]) / 255


def quality(piece: Mapping[str, np.ndarray]) -> Quality:
    """The curve that a piece of `Coder.fitted` holds."""
    bpp = tuple(8 * budget / SIZE**2 for budget in BUDGETS)
    return Quality(bpp=bpp, mean=tuple(piece["psnr"].mean(axis=0).tolist()), lost=float(piece["hidden"].mean()))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Separated(Coder):
    """A codec at one condition.

    Attributes:
      condition: over what it sends.
      quality: of the codec, on val.
      colour: what is shown instead of a lost picture, RGB in [0, 1].
    """

    condition: Condition
    quality: Quality
    colour: tuple[float, float, float]

    @functools.cached_property
    def digest(self) -> str:
        """Changes with the codec, and with what schemes are chosen by."""
        told = f"{super().digest} {self.condition} {self.quality} {self.colour}"
        return hashlib.sha256(told.encode()).hexdigest()[:12]

    @property
    def policy(self) -> Envelope:
        """Chooses modulation and code rate."""
        return Envelope(quality=self.quality, cbr=TARGET, pixels=SIZE**2)

    @property
    def system(self) -> Separation:
        """The system."""
        return Separation(
            codec=codec(self.variant),
            channel=self.condition.analog,
            cbr=TARGET,
            links=LINKS[self.condition.link](self.policy),
            colour=self.colour,
            shelf=self.shelf,
        )

    @property
    def terms(self) -> str:
        """On which terms its bits travel, as result rows name it."""
        channel, snr_db = self.condition.analog, self.condition.snr_db
        name = self.system.links(channel).terms
        return name if self.condition.link == "ideal" else f"{name}, {self.policy.choose(channel, 0, snr_db).name}"

    @functools.cached_property
    def expected(self) -> float:
        """The mean PSNR in dB that it should reach on val, lost pictures included."""
        channel, snr_db = self.condition.analog, self.condition.snr_db
        if self.condition.link == "coded":
            return self.policy.expected(channel, self.policy.choose(channel, 0, snr_db), snr_db)
        bits = link_room(self.system.links(channel), uses=round(TARGET * 3 * SIZE**2), snr_db=snr_db)
        return float(self.quality.at(bits // 8 * 8 / SIZE**2))

    def sent(self, pictures: Shown) -> Arrays:
        """Sends every picture once and asks a reader; what `sa_oosc_ends.transmitted` says of a checkpoint.

        "outage" is the share of pictures that did not fit or were lost.
        """
        made, key = chain(self.system, links=self.system.links), jax.random.key(SEED)
        parts, masks = [], []
        for batch in pictures:
            public = public_of(batch, snr_db=self.condition.snr_db, rate=1.0)
            sent = made.encode({}, {}, image=jnp.asarray(batch["image"]), public=public)
            arrived = made.deliver(
                sent, channel=self.condition.analog, key=key, draw=0, ids=batch["id"], snr_db=public.snr_db
            )
            image = made.decode({}, {}, received=arrived, public=public)
            spent = rates(arrived.uses, height=public.height, width=public.width)
            told = measured(image, batch, spent=spent, exam=pictures.exam)
            empty = ~np.asarray(sent.bits[STREAM].bits).any(axis=1)
            parts.append({**told, "outage": (empty | ~np.asarray(arrived.ok[STREAM])).astype(float)})
            masks.append(batch["_mask"])
        return joined(parts, masks)


def best(tried: Mapping[Coder, Mapping[str, np.ndarray]], condition: Condition) -> Separated:
    """The codec that serves a condition best on val.

    Args:
      tried: the piece of each candidate, see `Coder.fitted`.
      condition: over what is sent.
    """
    candidates = []
    for one, piece in tried.items():
        red, green, blue = piece["colour"].tolist()
        about = {"folder": one.folder, "variant": one.variant, "seed": one.seed, "condition": condition}
        candidates.append(Separated(**about, quality=quality(piece), colour=(red, green, blue)))
    return max(candidates, key=lambda candidate: candidate.expected)


def _there(name: str) -> bool:
    try:
        codec(name)
    except MissingWheel:
        return False
    return True


def _psnr(mse: float) -> float:
    return float(-10 * np.log10(max(mse, 1e-10)))
