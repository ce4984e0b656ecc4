"""Is a transmitter what this package calls a transmitter?

For every picture by itself: unit power over its used symbols, used symbols first, silence after them, and nothing that
depends on the other pictures of the batch.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Complex, Float

from semjax.channels.report import Finding, Report
from semjax.types import Image, Public, Signal

Transmit = Callable[[Image, Public], Signal]

TOLERANCE = 1e-3
"""Relative; compiled for another batch size, a network differs in its last bits."""


def _rows(tree: Public, rows: list[int]) -> Public:
    return jax.tree.map(lambda leaf: leaf[np.array(rows)], tree)


def _apart(one: Signal, other: Signal) -> float:
    """Returns the largest relative difference of symbols, prefixes and integer streams."""
    first, second = np.asarray(one.symbols), np.asarray(other.symbols)
    scale = max(float(np.sqrt(np.mean(np.abs(first) ** 2))), 1e-12)
    worst = [float(np.max(np.abs(first - second), initial=0.0)) / scale]
    worst.append(float(np.max(np.abs(np.asarray(one.used) - np.asarray(other.used)), initial=0.0)))
    worst += [float(np.mean(np.asarray(one.ints[name]) != np.asarray(other.ints[name]))) for name in one.ints]
    return float(np.max(worst))


def _power(symbols: Complex[np.ndarray, "b k"], used: Float[np.ndarray, "b k"]) -> Finding:
    sending = np.sum(used, axis=1) > 0
    power = np.sum(np.abs(symbols) ** 2 * used, axis=1)[sending] / np.sum(used, axis=1)[sending]
    worst = float(np.max(np.abs(power - 1), initial=0.0))
    return Finding(
        name="unit power per picture",
        ok=worst < TOLERANCE,
        measured=f"power of the pictures {np.array2string(power, precision=3)}",
        expected=f"1 within {TOLERANCE} over the used symbols of every picture",
        explanation="use channels.base.normalize_power; power averaged over the batch is lent between pictures.",
    )


def _prefix(symbols: Complex[np.ndarray, "b k"], used: Float[np.ndarray, "b k"]) -> Finding:
    ordered = bool(np.all(np.isin(used, (0.0, 1.0))) and np.all(np.diff(used, axis=1) <= 0))
    leaked = float(np.max(np.abs(symbols * (1 - used)), initial=0.0))
    return Finding(
        name="used symbols come first",
        ok=ordered and leaked == 0.0,
        measured=f"used is a prefix of ones: {ordered}, largest symbol beyond {leaked:.1e}",
        expected="ones, then zeros, and silence where used is 0",
        explanation="the receiver is told the number of symbols, not their places; what is not counted is not sent.",
    )


def _alike(name: str, apart: float) -> Finding:
    return Finding(
        name=name,
        ok=apart < TOLERANCE,
        measured=f"{apart:.1e} apart",
        expected=f"below {TOLERANCE}, relative",
        explanation="a picture's signal does not depend on its neighbours: no batch statistics, no batch power.",
    )


def _finite(signal: Signal) -> Bool[np.ndarray, ""]:
    leaves = [np.asarray(leaf) for leaf in (signal.symbols, signal.used, *signal.ints.values())]
    return np.array(all(np.isfinite(leaf).all() for leaf in leaves))


def _flat(transmit: Transmit, image: Float[Array, "b h w 3"], public: Public) -> Finding:
    levels = jnp.array([0.0, 1.0, 0.5])[:, None, None, None]
    flat = jnp.broadcast_to(levels, (3, *image.shape[1:])).astype(image.dtype)
    signal = jax.device_get(transmit(flat, _rows(public, [0, 0, 0])))
    symbols, used = np.asarray(signal.symbols), np.asarray(signal.used)
    finite = bool(_finite(signal))
    power = np.sum(np.abs(symbols) ** 2, axis=1) / np.maximum(np.sum(used, axis=1), 1)
    return Finding(
        name="flat pictures",
        ok=finite and bool(np.all(power < 1 + TOLERANCE)),
        measured=f"black, white, grey: finite: {finite}, power {np.array2string(power, precision=3)}",
        expected="finite, power at most 1",
        explanation="a picture without contrast can give an all-zero latent; dividing by its power gives NaN.",
    )


def check_transmitter(transmit: Transmit, image: Float[Array, "b h w 3"], public: Public) -> Report:
    """Examines a transmitter.

    Args:
      transmit: image and Public to Signal, e.g. a system's transmit with its parameters bound.
      image: at least two different pictures.
      public: what both ends know, one row per picture.

    Returns:
      The findings.

    Raises:
      ValueError: if there are fewer than two pictures.
    """
    count = image.shape[0]
    if count < 2:
        raise ValueError(f"check_transmitter needs at least two pictures to compare, got image of shape {image.shape}")
    signal = jax.device_get(transmit(image, public))
    symbols, used = np.asarray(signal.symbols), np.asarray(signal.used)
    singles = [
        _apart(_rows_of(signal, [row]), jax.device_get(transmit(image[row : row + 1], _rows(public, [row]))))
        for row in (0, count - 1)
    ]
    alone = float(np.max(singles))
    turned = list(range(count))[::-1]
    swapped = _apart(_rows_of(signal, turned), jax.device_get(transmit(image[::-1], _rows(public, turned))))
    findings = [
        _power(symbols, used),
        _prefix(symbols, used),
        _alike("same in any batch", alone),
        _alike("same in any order", swapped),
        _flat(transmit, image, public),
    ]
    return Report(subject=f"transmitter {getattr(transmit, '__name__', transmit)}", findings=tuple(findings))


def _rows_of(signal: Signal, rows: list[int]) -> Signal:
    index = np.array(rows)
    return Signal(
        symbols=signal.symbols[index],
        used=signal.used[index],
        ints={name: stream[index] for name, stream in signal.ints.items()},
    )
