"""Gains over block Rayleigh fading by the SNR at which a picture arrives, which the SNR of a row only is on average.

The rows are of the pieces of the part `main`. Every picture is drawn its fading again, by the key under which it was
sent: it arrives at the power of the symbols by that of the noise, both behind the equaliser.
"""

import dataclasses
from collections.abc import Iterator, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int
from sa_oosc_models import SEED, Condition
from sa_oosc_parts import MAIN, File, Models, asked_points
from sa_oosc_rows import Point, alone_and_pooled, common, gains, row
from sa_oosc_work import Bench

from semjax.evaluators.paired import GAIN_OVER
from semjax.evaluators.results import FIELDS, Row
from semjax.systems.base import picture_keys, send
from semjax.types import Signal

EDGE_DB = 0.0
"""The least SNR that any phase trains."""
BELOW, ABOVE = f"below {EDGE_DB:g} dB", f"{EDGE_DB:g} dB and more"
METRIC = "psnr_high"
COMPARED = (("student", "static"), ("student", "uniform_weighted"), ("uniform_weighted", "uniform"))


def received_snr_db(condition: Condition, ids: Int[np.ndarray, "p"]) -> Float[np.ndarray, "p"]:
    """At which SNR each picture arrives, in dB; its fading is the same for all its symbols."""
    places = jnp.asarray(ids.astype(np.uint32))
    one = Signal(symbols=jnp.ones((len(ids), 1), jnp.complex64), used=jnp.ones((len(ids), 1)))
    keys = picture_keys(jax.random.key(SEED), jnp.uint32(0), places)
    came = send(condition.analog, keys, one, jnp.full(len(ids), condition.snr_db))
    gain = 1.0 if came.csi is None else np.abs(np.asarray(came.csi)[:, 0])
    return np.asarray(20 * np.log10(gain) - 10 * np.log10(np.asarray(came.noise_var)[:, 0]))


def received_files(models: Models, bench: Bench) -> Iterator[File]:
    """sa_oosc_received.json."""
    rows: list[Row] = []
    for condition in MAIN:
        found = asked_points(models, condition, bench) if condition.channel == "rayleigh" else {}
        for a, b in COMPARED:
            if a in found and b in found:
                rows += split_rows(*common(found[a], found[b]), condition=condition)
    yield File(name="received", rows=rows, fields=("received", *FIELDS))


def split_rows(a: Sequence[Point], b: Sequence[Point], *, condition: Condition) -> Iterator[Row]:
    """The gain of a over b, seed by seed and pooled, of pictures that arrive below and above the edge."""
    for own, base in zip(alone_and_pooled(a), alone_and_pooled(b), strict=True):
        for name in (BELOW, ABOVE):
            here, there = ([_only(point, condition, name) for point in points] for points in (own, base))
            if all(point.has(METRIC) for point in (*here, *there)):
                found = gains(here, there, METRIC).interval
                about = row(here, f"{METRIC}{GAIN_OVER}sa_oosc_{base[0].model.variant}", found)
                yield {**about, "received": name}


def _only(point: Point, condition: Condition, name: str) -> Point:
    below = received_snr_db(condition, point.arrays["id"]) < EDGE_DB
    here = below if name == BELOW else ~below
    return dataclasses.replace(point, arrays={key: values[here] for key, values in point.arrays.items()})
