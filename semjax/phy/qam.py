"""Gray-mapped modulation of 5G NR and its soft demodulation.

With b_0 b_1 ... the bits of one symbol, the maps of TS 38.211 clause 5.1 put the even bits on the real, the odd bits on
the imaginary part, each of them one and the same nested amplitude (here of the bits d_1 ... d_q of one dimension)

    a = (1 - 2 d_1) [2^{q-1} - (1 - 2 d_2) [2^{q-2} - ... [2 - (1 - 2 d_q)]]],   q = bits per symbol / 2,

scaled to E|s|^2 = 1. BPSK puts its one bit on both parts. A receiver that knows `received = gain * s + n`, with
n ~ CN(0, noise_var), projects on the gain, r = conj(gain) received, and compares the amplitudes of one dimension by

    mu(a) = (2 r a - |gain|^2 a^2) / noise_var

    exact    llr = ln sum_{a: d = 0} e^mu(a) - ln sum_{a: d = 1} e^mu(a)
    max-log  llr = max_{a: d = 0} mu(a) - max_{a: d = 1} mu(a)

so llr = ln p(0) - ln p(1). The sign of a max-log llr is that of the nearest point.
"""

import functools
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float, UInt8

from semjax.phy.crc import check_bits

MODULATIONS = {
    1: "BPSK (5.1.2)",
    2: "QPSK (5.1.3)",
    4: "16QAM (5.1.4)",
    6: "64QAM (5.1.5)",
    8: "256QAM (5.1.6)",
    10: "1024QAM (5.1.7)",
}
"""Bits per symbol → name and clause of TS 38.211."""

QUIETEST = 1e-20
"""A noise variance below this counts as this: llr stay finite for received magnitudes up to 1e15."""

Metrics = Sequence[Float[Array, "..."]]


@runtime_checkable
class Method(Protocol):
    """Joins the metrics of all amplitudes that agree in a bit into the metric of that bit's value."""

    def __call__(self, metrics: Metrics) -> Float[Array, "..."]:
        """Joins arrays of one shape, one per amplitude."""
        ...


def max_log(metrics: Metrics) -> Float[Array, "..."]:
    """Returns the largest metric."""
    return functools.reduce(jnp.maximum, metrics)


def exact(metrics: Metrics) -> Float[Array, "..."]:
    """Returns the logarithm of the summed exponentials."""
    top = max_log(metrics)
    return top + jnp.log(sum((jnp.exp(metric - top) for metric in metrics), start=jnp.zeros_like(top)))


def check_modulation(bits_per_symbol: int) -> None:
    """Refuses numbers of bits per symbol for which TS 38.211 has no map.

    Raises:
      ValueError: names the allowed ones and their clauses.
    """
    if bits_per_symbol not in MODULATIONS:
        allowed = ", ".join(f"{bits} = {name}" for bits, name in MODULATIONS.items())
        raise ValueError(f"bits_per_symbol={bits_per_symbol} has no map in TS 38.211; allowed, with clause: {allowed}")


def _amplitude(bits: Sequence[Array | np.ndarray], xp: type | object = jnp) -> Array | np.ndarray:
    """Evaluates the nested formula on the bits of one dimension, first bit first, at unit power over two dimensions."""
    value = xp.ones(bits[0].shape, np.float32)  # type: ignore[attr-defined]
    for level, bit in enumerate(reversed(bits[1:]), start=1):
        value = 2**level - (1 - 2.0 * bit) * value
    return (1 - 2.0 * bits[0]) * value * float(np.sqrt(1.5 / (4 ** len(bits) - 1)))


def amplitudes(bits_per_dimension: int) -> Float[np.ndarray, "v"]:
    """Returns the amplitudes of one real dimension, of mean square 1/2, by index.

    Args:
      bits_per_dimension: q = 1 to 5.

    Returns:
      `float64[2^q]`; the first of the dimension's bits is the most significant of the index.
    """
    index = np.arange(1 << bits_per_dimension)
    return np.asarray(_amplitude([index >> j & 1 for j in reversed(range(bits_per_dimension))], np), dtype=np.float64)


def constellation(bits_per_symbol: int) -> Complex[Array, "v"]:
    """Returns the points by index.

    Args:
      bits_per_symbol: 1, 2, 4, 6, 8 or 10.

    Returns:
      `complex64[2^bits_per_symbol]`; the first bit of a symbol is the most significant of the index.

    Raises:
      ValueError: unknown `bits_per_symbol`.
    """
    check_modulation(bits_per_symbol)
    index = jnp.arange(1 << bits_per_symbol)[:, None]
    return modulate((index >> jnp.arange(bits_per_symbol)[::-1] & 1).astype(jnp.uint8), bits_per_symbol)[:, 0]


def modulate(bits: UInt8[Array, "b n"], bits_per_symbol: int) -> Complex[Array, "b k"]:
    """Maps bits to symbols of unit mean power.

    Args:
      bits: 0 and 1; where traced, values are not checked.
      bits_per_symbol: 1, 2, 4, 6, 8 or 10.

    Returns:
      `complex64[b, n / bits_per_symbol]`.

    Raises:
      ValueError: unknown `bits_per_symbol`, n not a multiple of it, or concrete values other than 0 and 1.

    Reference:
      TS 38.211, clauses 5.1.2 to 5.1.7.
    """
    check_modulation(bits_per_symbol)
    check_bits(bits)
    if bits.shape[1] % bits_per_symbol:
        raise ValueError(
            f"{bits.shape[1]} bits per row do not fill symbols of {bits_per_symbol} bits; pad to a multiple"
        )
    columns = [bits[:, start::bits_per_symbol].astype(jnp.float32) for start in range(bits_per_symbol)]
    return jax.lax.complex(_amplitude(columns[::2]), _amplitude(columns[1::2] or columns))


def _groups(bits_per_dimension: int) -> Float[np.ndarray, "levels q 2 1"]:
    """Amplitudes with bit j at value d, `[:, j, d]`."""
    level, index = amplitudes(bits_per_dimension), np.arange(1 << bits_per_dimension)
    bit = [index >> j & 1 for j in reversed(range(bits_per_dimension))]
    grouped = np.asarray([[level[b == 0], level[b == 1]] for b in bit], np.float32)
    return np.moveaxis(grouped, -1, 0)[..., None]


@functools.partial(jax.jit, static_argnames=("bits_per_symbol", "method"))
def _demodulate(
    received: Complex[Array, "b k"],
    noise_var: Float[Array, "b k"],
    gain: Complex[Array, "b k"] | None,
    *,
    bits_per_symbol: int,
    method: Method,
) -> Float[Array, "b n"]:
    noise_var = jnp.maximum(noise_var, QUIETEST)
    seen = received if gain is None else received * jnp.conj(gain)
    strength = jnp.ones_like(noise_var) if gain is None else jnp.real(gain) ** 2 + jnp.imag(gain) ** 2
    parts = [seen.real + seen.imag] if bits_per_symbol == 1 else [seen.real, seen.imag]
    # The symbols are the last axis throughout, [b, dimension, bit, value, k], and the amplitudes are a Python loop: so
    # every backend fuses the whole into one elementwise pass and holds no array over the amplitudes.
    slope = (2 * jnp.stack(parts, axis=1) / noise_var[:, None])[:, :, None, None]
    curve = (strength / noise_var)[:, None, None, None]
    groups = _groups((bits_per_symbol + 1) // 2)
    metric = method([slope * level - curve * level**2 for level in groups])
    llr = metric[:, :, :, 0] - metric[:, :, :, 1]
    return llr.transpose(0, 3, 2, 1).reshape(received.shape[0], -1)


def demodulate(
    received: Complex[Array, "b k"],
    noise_var: Float[Array, "b k"],
    bits_per_symbol: int,
    *,
    gain: Complex[Array, "b k"] | None = None,
    method: Method = exact,
) -> Float[Array, "b n"]:
    """Returns the log-likelihood ratio of every bit, for equally likely bits.

    Args:
      received: `gain * s + n` with `n ~ CN(0, noise_var)`.
      noise_var: noise variance per complex use; below 1e-20 it counts as that.
      bits_per_symbol: 1, 2, 4, 6, 8 or 10.
      gain: what the receiver knows of the gain (`ChannelOut.csi`); None means 1. Where it is 0 the llr are 0.
      method: `exact` or `max_log`.

    Returns:
      `ln p(0) - ln p(1)`, `float32[b, k * bits_per_symbol]`: not clipped, and finite for received symbols of
      magnitude up to 1e15 and gains around 1. A received symbol, gain or noise variance that is NaN makes the llr of
      its symbol NaN and no others: a fault stays visible.

    Raises:
      ValueError: unknown `bits_per_symbol`.
    """
    check_modulation(bits_per_symbol)
    return _demodulate(received, noise_var, gain, bits_per_symbol=bits_per_symbol, method=method)


def hard(llr: Float[Array, "..."]) -> UInt8[Array, "..."]:
    """Returns the likelier bits; a tie, `llr = 0`, is read as 0."""
    return (llr < 0).astype(jnp.uint8)
