"""Both ends of a checkpoint in budget mode: what is sent of real pictures, tokens that meet a cbr, and what arrives.

The checkpoint's own mean rate gives way to `system.cbr` = `FULL`: each picture spends the share `token` of that budget,

    uses <= FULL token 3 h w < uses + one step of one token     for a picture of h x w pixels,

whatever it holds and whatever matters. Its map of lengths comes on top. With u(t) and b(t) the uses and the bits of a
pair at token t, averaged over the pairs of val, a target is met by the t with (u(t) + charge(b(t))) / (3 h w) = target;
four shares of the target are tried, and between them lies a straight line.

CHOICE: a picture meets the same noise and the same fading under all its scenarios, so that only the scenario differs.
CHOICE: what a variant that knows no scenario sends is sent once, and scored under each scenario of the picture.
"""

import dataclasses
import functools
import itertools
import pathlib
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float
from sa_oosc_ends import ANY_SNR_DB, MAP, REGIONAL, Arrays, Ends
from sa_oosc_models import SEED, Condition, Model, joined, links
from sa_oosc_pictures_albums import Pairs
from sa_oosc_tokens import charged

from semjax.app import build, config
from semjax.evaluators.base import public_of
from semjax.evaluators.regions import HIGH, mattering, region_scores
from semjax.importance.allocate import RateSet
from semjax.link.rate import rates
from semjax.metrics import METRICS
from semjax.metrics.peak import MAX_PSNR_DB
from semjax.types import PerImage

FULL = 1 / 24
"""Budget of analog uses per value at token 1: the larger target, of which the map takes a part."""
SHARES = (0.25, 0.5, 0.75, 1.0)
"""Shares of a target that the analog part is tried with."""
ALIKE = ("static", "uniform", "uniform_weighted", "roi")
"""Variants of which the transmitter does not know the scenario."""
OTHER = "psnr_high_gain_over_other_scenario"
"""What pixels that matter under the scenario, and not under another one, gain by being sent under the first."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class BudgetModel(Model):
    """A checkpoint that is used in budget mode, whatever it was trained with.

    Attributes:
      changes: of its configuration, beside the budget.
    """

    changes: tuple[tuple[str, str], ...] = ()

    def load(self) -> build.Loaded:
        """The trained system with the budget `FULL`."""
        return _loaded(self.folder, self.changes)


@functools.lru_cache(maxsize=2)
def _loaded(folder: pathlib.Path, changes: tuple[tuple[str, str], ...]) -> build.Loaded:
    registry = build.default_registry()
    loaded = build.load(folder, registry)
    cfg = config.resolve(loaded.cfg, registry, [("system.cbr", repr(FULL)), *changes])
    return dataclasses.replace(loaded, cfg=cfg, trainable=build.build(cfg, registry))


class BudgetEnds(Ends):
    """Both ends of a checkpoint in budget mode.

    Args:
      model: the checkpoint.
    """

    def __init__(self, model: BudgetModel):
        super().__init__(model)
        self.cfg = model.load().cfg
        self.rates: RateSet = self.trainable.module.bottleneck.rates  # type: ignore[attr-defined]
        self.once = getattr(self.trainable, "variant", "") in ALIKE

    @property
    def largest_step(self) -> float:
        """Channel uses of the largest step between two lengths."""
        return max(b - a for a, b in itertools.pairwise(self.rates.levels)) / 2

    @property
    def constant(self) -> frozenset[str]:
        """Streams of which the receiver knows the length."""
        return frozenset(name for name, codec in self.codecs.items() if codec.constant_length)


def steps_off(uses: Float[np.ndarray, "p"], *, token: float, values: Any, step: float) -> Float[np.ndarray, "p"]:
    """How far pictures of so many values are from their budget, in steps of so many uses; positive: not spent.

    Raises:
      ValueError: no step.
    """
    if not step > 0:
        raise ValueError(f"a distance is measured in steps of more than 0 uses, got {step}")
    return (FULL * float(np.float32(token)) * np.asarray(values, np.float64) - uses) / step


def tried(ends: BudgetEnds, pairs: Pairs, *, token: float) -> Arrays:
    """Of each pair at a token: "uses" of the analog part, "values" of the picture, "bits/STREAM" of each stream."""
    parts, masks = [], []
    for batch in pairs.batches(once=ends.once):
        sent, public = ends.sent(batch, token=token, snr_db=ANY_SNR_DB)
        bits = {f"bits/{name}": np.asarray(packed.length) for name, packed in sent.bits.items()}
        values = np.full(len(batch["id"]), 3 * public.height * public.width)
        parts.append({"uses": np.asarray(jnp.sum(sent.used, axis=-1)), "values": values, **bits})
        masks.append(batch["_mask"])
    place = pairs.sending(once=ends.once)
    return {name: array[place] for name, array in joined(parts, masks).items()}


def mean_cbr(told: Arrays, condition: Condition, *, constant: frozenset[str]) -> float:
    """The mean cbr of pairs, with what the link charges for their side streams."""
    uses = told["uses"].astype(np.float64)
    for name, lengths in told.items():
        if name.startswith("bits/"):
            announce = name.removeprefix("bits/") not in constant
            uses = uses + np.array([_charged(condition, bits, announce=announce) for bits in lengths.tolist()])
    return float(np.mean(uses / told["values"]))


_charged = functools.lru_cache(maxsize=1 << 16)(charged)


def met(target: float, shares: Sequence[float], totals: Sequence[float]) -> float:
    """The share of a target, spent by the analog part, at which all together meets it.

    Args:
      target: a cbr.
      shares: that were tried, rising.
      totals: the cbr at each.

    Raises:
      ValueError: it does not lie between them.
    """
    if not totals[0] <= target <= totals[-1]:
        raise ValueError(
            f"a cbr of {target:.5f} cannot be met in budget mode: with {shares[0]:g} to {shares[-1]:g} of it for the "
            f"analog part {totals[0]:.5f} to {totals[-1]:.5f} are spent"
        )
    return float(np.interp(target, totals, shares))


def transmitted(ends: BudgetEnds, pairs: Pairs, *, condition: Condition, token: float) -> Arrays:
    """Sends every pair over the real chain.

    Returns:
      One value per pair by metric, "cbr_KIND" and "steps_off" among them; NaN where a pair has none; "id", "scenario".
    """
    arrived, restored = _arrived(ends, pairs, condition=condition, token=token)
    place = pairs.sending(once=ends.once)
    parts, masks, masked = [], [], []
    first = 0
    for batch in pairs.batches():
        count, rows = int(batch["_mask"].sum()), len(batch["id"])
        which = place[first + np.minimum(np.arange(rows), count - 1)]
        image, target = jnp.asarray(np.stack([restored[i] for i in which])), jnp.asarray(batch["image"])
        matters = mattering(batch)
        found = {name: batch[name] for name in ("id", "scenario")} | {"psnr": np.asarray(_psnr(image, target))}
        parts.append(found | region_scores(image, target, matters, REGIONAL))
        masks.append(batch["_mask"])
        masked += _masks(matters, batch["image"], count)
        first += count
    scores = joined(parts, masks) | {name: array[place] for name, array in arrived.items()}
    return scores if ends.once else scores | {OTHER: beside_other(scores["id"], restored, masked)}


def _arrived(
    ends: BudgetEnds, pairs: Pairs, *, condition: Condition, token: float
) -> tuple[Arrays, list[Float[np.ndarray, "h w 3"]]]:
    """What each sending cost, and the picture that arrived."""
    over = dataclasses.replace(ends.chain, links=links(condition.link))
    key, parts, masks, restored = jax.random.key(SEED), [], [], []
    for batch in pairs.batches(once=ends.once):
        sent, public = ends.sent(batch, token=token, snr_db=condition.snr_db)
        came = over.deliver(sent, channel=condition.analog, key=key, draw=0, ids=batch["id"], snr_db=public.snr_db)
        image = np.asarray(over.decode(ends.variables, ends.frozen, received=came, public=public))
        spent = rates(came.uses, height=public.height, width=public.width)
        found = {field.name: getattr(spent, field.name) for field in dataclasses.fields(spent)}
        uses, values = np.asarray(came.uses["analog"], np.float64), 3 * public.height * public.width
        found["steps_off"] = steps_off(uses, token=token, values=values, step=ends.largest_step)
        found["step_uses"] = np.full(len(uses), ends.largest_step)
        found["outage"] = 1.0 - np.asarray(came.ok[MAP])
        parts.append(found)
        masks.append(batch["_mask"])
        restored += [*image[batch["_mask"]]]
    return joined(parts, masks), restored


_psnr = jax.jit(METRICS["psnr"])


@dataclasses.dataclass(frozen=True, kw_only=True)
class Masks:
    """A picture, its pixels that matter under the pair's scenario, and those of which it is known that they do not."""

    target: Float[np.ndarray, "h w 3"]
    high: Bool[np.ndarray, "h w"]
    low: Bool[np.ndarray, "h w"]


def _masks(matters: Any, target: np.ndarray, count: int) -> list[Masks]:
    importance, known = np.asarray(matters.importance), np.asarray(matters.weight) > 0
    high = known & (importance >= HIGH)
    return [Masks(target=target[i], high=high[i], low=known[i] & ~high[i]) for i in range(count)]


def beside_other(
    ids: np.ndarray, restored: Sequence[Float[np.ndarray, "h w 3"]], masks: Sequence[Masks]
) -> Float[np.ndarray, "p"]:
    """Of each pair, the mean of `OTHER` over the picture's other scenarios; NaN where none has such pixels."""
    found = np.full(len(ids), np.nan)
    for i, own in enumerate(masks):
        others = [j for j in np.flatnonzero(ids == ids[i]) if j != i and (own.high & masks[j].low).any()]
        gains = [
            _psnr_of(restored[i], own.target, own.high & masks[j].low)
            - _psnr_of(restored[j], own.target, own.high & masks[j].low)
            for j in others
        ]
        found[i] = np.mean(gains) if gains else np.nan
    return found


def _psnr_of(image: np.ndarray, target: np.ndarray, mask: np.ndarray) -> float:
    """PSNR of the pixels under a mask, rounded to 8 bits as `semjax.metrics` does."""
    near = np.round(np.clip(image[mask], 0, 1) * 255) - np.round(target[mask] * 255)
    mse = float(np.mean(np.square(near))) / 255**2
    return min(MAX_PSNR_DB, -10 * np.log10(mse)) if mse else MAX_PSNR_DB


def budgeted(ends: BudgetEnds, batches: Any, *, token: float) -> Arrays:
    """Of pictures of batches under their scenarios: "id", "steps_off" and "step_uses"; nothing is coded."""
    parts, masks = [], []
    for batch in batches:
        public = public_of(batch, snr_db=ANY_SNR_DB, rate=token)
        image, given = jnp.asarray(batch["image"]), ends.given(batch, public)
        signal = ends.chain.transmit(ends.variables, ends.frozen, image, public, given)
        uses: PerImage = jnp.sum(signal.used, axis=-1)
        values = 3 * public.height * public.width
        off = steps_off(np.asarray(uses, np.float64), token=token, values=values, step=ends.largest_step)
        parts.append({"id": batch["id"], "steps_off": off, "step_uses": np.full(len(off), ends.largest_step)})
        masks.append(batch["_mask"])
    return joined(parts, masks)
