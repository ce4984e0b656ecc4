"""One picture sent once under several scenarios, with what the transmitter made of each: importance and lengths.

The rows of a batch are the same picture, of one id, so all of them meet the same noise and fading. A sweep keeps
nothing of the transmitter; here the signal is looked into, and then goes through the rest of the same chain.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Integer

from semjax.bottlenecks.masked import VariableLength
from semjax.contracts import Channel, Trainable
from semjax.evaluators.base import chain, public_of
from semjax.evaluators.regions import NEEDED, mattering, region_scores
from semjax.link.rate import Rates, rates
from semjax.link.transport import Transport
from semjax.metrics import METRICS
from semjax.types import Image, Public, Received, Signal, Tree

PARTS = ("psnr_high", "psnr_low")
LABELS = tuple(name for name in NEEDED if name.startswith("labels/"))
Labelled = Mapping[str, Any]
"""A batch of the loader, with "scenario" and, where there is one, "text"."""


class SendingError(ValueError):
    """A system or pictures that cannot be shown under scenarios; the message says why."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Truth:
    """What matters in a picture under one scenario.

    Attributes:
      importance: of each region, in [0, 1].
      known: whether its label says anything.
    """

    importance: Float[np.ndarray, "m"]
    known: Bool[np.ndarray, "m"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sending:
    """A picture sent under one scenario.

    Attributes:
      scenario: its name.
      truth: what matters under it; None = not known.
      importance: of each token, as the system has it, in [0, 1].
      dimensions: real dimensions that each token sends.
      received: what arrived, not clipped.
      cbr: channel uses per picture value, by kind.
      psnr: in dB, of the whole picture (""), and of its "high" and "low" part, where it has one.
      lost: integer streams that did not arrive.
    """

    scenario: str
    truth: Truth | None
    importance: Float[np.ndarray, "i j"]
    dimensions: Integer[np.ndarray, "i j"]
    received: Float[np.ndarray, "h w 3"]
    cbr: dict[str, float]
    psnr: dict[str, float]
    lost: tuple[str, ...] = ()

    def caption(self) -> str:
        """What it cost and how good it is, in one line."""
        cost = ", ".join(f"{value:.4f} {kind}" for kind, value in self.cbr.items())
        quality = ", ".join(f"{part} {value:.2f} dB".lstrip() for part, value in self.psnr.items())
        lost = f" ({', '.join(self.lost)} lost)" if self.lost else ""
        return f"cbr {sum(self.cbr.values()):.4f} ({cost}); PSNR {quality}{lost}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Way:
    """How pictures travel.

    Attributes:
      channel: the channel.
      links: the digital link over a channel.
      snr_db: average Es/N0 per complex use, in dB.
      rate: the rate token.
      seed: of noise and fading; the draw is that of an evaluation's first.
    """

    channel: Channel
    links: Callable[[Channel], Transport]
    snr_db: float
    rate: float = 1.0
    seed: int = 0


def lengths_of(trainable: Trainable) -> VariableLength:
    """The part of a system that turns rate indices into lengths.

    Raises:
      SendingError: the system has none.
    """
    found = getattr(getattr(trainable, "module", None), "bottleneck", None)
    if not isinstance(found, VariableLength):
        name = getattr(trainable, "name", "the system")
        raise SendingError(f"{name} does not share out symbols by importance; name a checkpoint of sa_oosc")
    return found


def sendings(
    trainable: Trainable,
    variables: Tree,
    batch: Labelled,
    *,
    scenarios: Sequence[str],
    way: Way,
    frozen: Tree | None = None,
) -> list[Sending]:
    """Sends each row of a batch once.

    Args:
      trainable: an SA-OOSC.
      variables: what its predict functions apply.
      batch: one picture in every row, with the numbers of the scenarios as "scenario".
      scenarios: their names.
      way: how it travels.
      frozen: frozen parameters, as the predict functions take them; None = there are none.

    Raises:
      SendingError: no importance in what is sent, or a variant that is told labels which the batch has not.
      ValueError: a rate at which the system's budget cannot be met.
    """
    lengths, frozen = lengths_of(trainable), frozen or {}
    public = public_of(batch, snr_db=way.snr_db, rate=way.rate)
    image, given = jnp.asarray(batch["image"]), _given(trainable, batch, public)
    signal = jax.jit(trainable.predict_fns()["transmit"])(variables, frozen, image, public, given)
    importance = np.asarray(signal.aux.get("importance", np.nan))
    if not np.isfinite(importance).all():
        raise SendingError("the system says nothing of the importance of this picture under these scenarios")
    known = {"image": image, "public": public, "ids": batch["id"], "way": way, "frozen": frozen}
    received, restored = _delivered(trainable, variables, signal, **known)
    dimensions = np.asarray(lengths.rates.dimensions(signal.ints["rates"]))
    return _told(scenarios, batch, received=received, restored=restored, importance=importance, dimensions=dimensions)


def _told(
    scenarios: Sequence[str],
    batch: Labelled,
    *,
    received: Received,
    restored: Image,
    importance: np.ndarray,
    dimensions: np.ndarray,
) -> list[Sending]:
    """What is told of each row."""
    image = jnp.asarray(batch["image"])
    spent, scores = rates(received.uses, height=image.shape[1], width=image.shape[2]), _scores(restored, image, batch)
    return [
        Sending(
            scenario=name,
            truth=_truth(batch, i),
            importance=importance[i],
            dimensions=dimensions[i],
            received=np.asarray(restored[i]),
            cbr=_cbr(spent, i),
            psnr={part: float(values[i]) for part, values in scores.items() if np.isfinite(values[i])},
            lost=tuple(stream for stream, ok in received.ok.items() if not np.all(ok[i])),
        )
        for i, name in enumerate(scenarios)
    ]


def _given(trainable: Any, batch: Labelled, public: Public) -> dict[str, Array]:
    """The truth that a variant reads; {} for one that reads none."""
    given_of = getattr(trainable, "given_of", None)
    if given_of is None:
        return {}
    if not _labelled(batch):
        raise SendingError(
            f"variant {trainable.variant} is told what matters, and there are no labels of this picture; take scenes, "
            "or set eval.data.teachers.stores"
        )
    labels = {name.removeprefix("labels/"): jnp.asarray(a) for name, a in batch.items() if name.startswith("labels/")}
    try:
        return given_of(labels, public)
    except ValueError as error:
        raise SendingError(str(error)) from error


def _labelled(batch: Labelled) -> bool:
    return all(name in batch for name in LABELS)


def _delivered(
    trainable: Trainable,
    variables: Tree,
    signal: Signal,
    *,
    image: Image,
    public: Public,
    ids: np.ndarray,
    way: Way,
    frozen: Tree,
) -> tuple[Received, Image]:
    """What the receiver has of a signal, and the picture that it makes of it."""
    compiled = dataclasses.replace(chain(trainable, links=way.links), transmit=lambda *told: signal)
    sent = compiled.encode(variables, frozen, image=image, public=public)
    key = jax.random.key(way.seed)
    received = compiled.deliver(sent, channel=way.channel, key=key, draw=0, ids=ids, snr_db=public.snr_db)
    return received, compiled.decode(variables, frozen, received=received, public=public)


def _scores(restored: Image, image: Image, batch: Labelled) -> dict[str, np.ndarray]:
    scores = {"": np.asarray(METRICS["psnr"](restored, image))}
    if _labelled(batch):
        parts = region_scores(restored, image, mattering(batch), PARTS)
        scores |= {name.removeprefix("psnr_"): values for name, values in parts.items()}
    return scores


def _truth(batch: Labelled, i: int) -> Truth | None:
    if not _labelled(batch):
        return None
    row = int(batch["scenario"][i])
    return Truth(importance=batch["labels/importance"][i, row], known=batch["labels/weight"][i, row] > 0)


def _cbr(spent: Rates, i: int) -> dict[str, float]:
    return {"analog": float(spent.cbr_analog[i]), "side": float(spent.cbr_side[i])}
