"""Block error rates of the link's code blocks: measured on AWGN, and what follows from them for other channels.

For each modulation, code rate and block length the measured rates of a few SNRs are joined by a straight line of
probits,

    BLER(snr_db) = Phi((mu - snr_db) / sigma),                 mu, sigma by weighted least squares

between block lengths mu and sigma are interpolated over log K'. From that, with g = |h|^2 of the channel's law:

    no fading      BLER(snr_db)
    block fading   E_g BLER(snr_db + 10 log10 g)
    fast fading    BLER(snr_eff),   I(snr_eff) = E_g I(snr_db + 10 log10 g),   I the BICM capacity of the modulation
    pilots         as if the noise were 1 + 1 / p times as strong
    repetition     r times the energy per bit: snr_db + 10 log10 r
    C code blocks  1 - (1 - BLER)^C

The file is made by `python -m semjax.link measure`; its rows hold the counts.
Source: Brueninghaus et al., "Link performance models for system level simulations of broadband radio access systems",
PIMRC 2005 (effective SNR by mutual information).
"""

import dataclasses
import functools
import importlib.resources
import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy import special

from semjax.channels.awgn import AWGN
from semjax.channels.law import NO_FADING, Law
from semjax.contracts import Channel
from semjax.link.frames import plan
from semjax.link.schemes import Scheme
from semjax.phy.coded_capacity import Uniform
from semjax.phy.mcs import MCS

TABLE = "bler_table.json"
LEVELS_DB = np.arange(-60.0, 20.25, 0.25)
"""Edges of the levels of |h|^2 that a fading channel is averaged over."""
SNRS_DB = np.arange(-40.0, 60.5, 0.5)
"""Where BICM capacities are tabulated."""
FEWEST = 0.5
"""Errors that an error-free measurement counts as in a fit."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Curve:
    """Block error rate over Es/N0 in dB: `Phi((mu - snr_db) / sigma)`."""

    mu: float
    sigma: float

    def __call__(self, snr_db: Float[np.ndarray, "..."] | float) -> Float[np.ndarray, "..."]:
        """Returns block error rates."""
        return np.asarray(special.ndtr((self.mu - np.asarray(snr_db, np.float64)) / self.sigma))


def fit(snr_db: Iterable[float], errors: Iterable[int], blocks: Iterable[int]) -> Curve:
    """Joins measured block error rates.

    Args:
      snr_db: Es/N0, at least two.
      errors: block errors at each.
      blocks: blocks sent at each.

    Raises:
      ValueError: if the rates do not fall with the SNR.
    """
    snr, wrong, sent = (np.asarray(list(values), np.float64) for values in (snr_db, errors, blocks))
    rate = np.clip(wrong, FEWEST, sent - FEWEST) / sent
    probit = special.ndtri(rate)
    # The variance of a probit is that of the rate over the squared slope of Phi.
    weight = np.sqrt(sent * np.exp(-(probit**2)) / (rate * (1 - rate)))
    slope, offset = np.polyfit(snr, probit, 1, w=weight)
    if not slope < 0:
        raise ValueError(f"block error rates {rate} at {snr} dB do not fall with the SNR; measure over a wider range")
    return Curve(mu=float(-offset / slope), sigma=float(-1 / slope))


@dataclasses.dataclass(frozen=True)
class Table:
    """Fitted curves by modulation, code rate and block length."""

    curves: Mapping[tuple[int, float], Mapping[int, Curve]]

    def covers(self, mcs: MCS, block_bits: int) -> bool:
        """Whether a scheme was measured, and with code blocks at most this long."""
        sizes = self.curves.get((mcs.bits_per_symbol, mcs.code_rate_1024))
        return bool(sizes) and min(sizes) <= block_bits

    def curve(self, mcs: MCS, block_bits: float | int) -> Curve:
        """The curve of one scheme without repetition, for one block length K'.

        Raises:
          ValueError: if the scheme has not been measured.
        """
        sizes = self.curves.get((mcs.bits_per_symbol, mcs.code_rate_1024))
        if not sizes:
            raise ValueError(
                f"no block error rates were measured for {mcs}; take one of semjax.link.schemes.RUNGS, or measure it "
                "(python -m semjax.link measure)"
            )
        known = sorted(sizes)
        at = [math.log(size) for size in known]
        mu, sigma = (np.interp(math.log(block_bits), at, [getattr(sizes[k], name) for k in known]) for name in FIELDS)
        return Curve(mu=float(mu), sigma=float(sigma))


FIELDS = ("mu", "sigma")


def table_of(rows: Iterable[Mapping[str, Any]]) -> Table:
    """Fits the rows of a measurement; see `semjax.link.measure`."""
    curves: dict[tuple[int, float], dict[int, Curve]] = {}
    for row in rows:
        if len(row["snr_db"]) < 2:
            continue  # a block so short at a rate so high that it never arrives
        key = (int(row["bits_per_symbol"]), float(row["code_rate_1024"]))
        curves.setdefault(key, {})[int(row["block_bits"])] = fit(row["snr_db"], row["errors"], row["blocks"])
    return Table(curves)


@functools.cache
def measured() -> Table:
    """The table that comes with the package."""
    path = importlib.resources.files("semjax.link") / TABLE
    return table_of(json.loads(path.read_text(encoding="utf-8"))["rows"])


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fate:
    """What a link's policy knows of a channel.

    Attributes:
      coherence: "constant", "block" or "fast".
      share: probability of each level of |h|^2.
      level_db: the levels.
      loss_db: what imperfect knowledge of the gain costs.
    """

    coherence: str
    share: Float[np.ndarray, "q"]
    level_db: Float[np.ndarray, "q"]
    loss_db: float


def law_of(channel: Channel) -> Law:
    """The law of a channel's gain.

    Raises:
      ValueError: if the channel states none.
    """
    if isinstance(channel, AWGN):
        return NO_FADING
    law = getattr(channel, "law", None)
    if not isinstance(law, Law):
        raise ValueError(
            f"{channel} does not state the law of its gain, so no scheme can be chosen for it: give it an attribute "
            "`law` (semjax.channels.law.Law), or fix the scheme"
        )
    return law


@functools.lru_cache(maxsize=64)
def fate(channel: Channel) -> Fate:
    """Describes a channel; see `law_of` for what it raises."""
    law = law_of(channel)
    pilots = getattr(getattr(channel, "csi", None), "uses", 0)
    loss = 10 * math.log10(1 + 1 / pilots) if pilots else 0.0
    if law.coherence == "constant":
        return Fate(coherence="constant", share=np.ones(1), level_db=np.zeros(1), loss_db=loss)
    mass = np.diff(law.power_cdf(10 ** (LEVELS_DB / 10)))
    mass[0] += float(law.power_cdf(10 ** (LEVELS_DB[:1] / 10))[0])
    level = (LEVELS_DB[1:] + LEVELS_DB[:-1]) / 2
    return Fate(coherence=law.coherence, share=mass / mass.sum(), level_db=level, loss_db=loss)


@functools.lru_cache(maxsize=16)
def _information(bits_per_symbol: int) -> Float[np.ndarray, "s"]:
    return np.maximum.accumulate(Uniform(bits_per_symbol=bits_per_symbol).bicm(SNRS_DB))


def effective_snr_db(where: Fate, snr_db: float, bits_per_symbol: int) -> float:
    """The SNR on AWGN at which a code sees the same mutual information as under fast fading at average `snr_db`."""
    information = _information(bits_per_symbol)
    mean = float(where.share @ np.interp(snr_db + where.level_db, SNRS_DB, information))
    rising = np.concatenate([[True], np.diff(information) > 1e-12])
    return float(np.interp(mean, information[rising], SNRS_DB[rising]))


def block_error(table: Table, channel: Channel, scheme: Scheme, bits: int, snr_db: float) -> float:
    """Predicts the probability that a message is lost.

    Args:
      table: measured curves.
      channel: the channel.
      scheme: modulation, code rate, repetitions.
      bits: length of the message.
      snr_db: average Es/N0 per complex use in dB.

    Raises:
      ValueError: see `law_of`, `Table.curve`, `semjax.link.frames.plan`.
    """
    sent, where = plan(bits, scheme), fate(channel)
    curve = table.curve(scheme.mcs, sent.block_bits)
    level = snr_db - where.loss_db + 10 * math.log10(scheme.repetitions)
    if where.coherence == "fast":
        level = effective_snr_db(where, snr_db - where.loss_db, scheme.mcs.bits_per_symbol)
        level += 10 * math.log10(scheme.repetitions)
        return float(1 - (1 - curve(level)) ** sent.frame.blocks)
    lost = 1 - (1 - curve(level + where.level_db)) ** sent.frame.blocks
    return float(where.share @ lost)
