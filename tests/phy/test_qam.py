"""Constellations against the formulas of TS 38.211, llr against brute force, error rates against their closed forms."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import norm

from semjax.channels import CHANNELS
from semjax.phy.qam import MODULATIONS, Method, amplitudes, constellation, demodulate, exact, hard, max_log, modulate

EVERY = pytest.mark.parametrize("q", [1, 2, 4, 6, 8, 10])
METHODS = pytest.mark.parametrize(("method", "join"), [(exact, logsumexp), (max_log, np.max)], ids=["exact", "max_log"])
RNG = np.random.default_rng(0)
SHAPE = (3, 20)  # of most arrays here: each further shape costs compilations

mapped = jax.jit(modulate, static_argnums=1)

# One dimension of clauses 5.1.3 to 5.1.7, of the signs 1 - 2b, as printed; and the divisor.
PRINTED = {
    2: (lambda a: a, 2),
    4: (lambda a, b: a * (2 - b), 10),
    6: (lambda a, b, c: a * (4 - b * (2 - c)), 42),
    8: (lambda a, b, c, d: a * (8 - b * (4 - c * (2 - d))), 170),
    10: (lambda a, b, c, d, e: a * (16 - b * (8 - c * (4 - d * (2 - e)))), 682),
}


def labels(q: int) -> np.ndarray:
    return np.arange(1 << q)[:, None] >> np.arange(q)[::-1] & 1


def standard(q: int) -> np.ndarray:
    """Points by label, from the printed formulas."""
    sign = 1 - 2 * labels(q)
    if q == 1:
        return sign[:, 0] * (1 + 1j) / np.sqrt(2)
    formula, divisor = PRINTED[q]
    return (formula(*sign[:, ::2].T) + 1j * formula(*sign[:, 1::2].T)) / np.sqrt(divisor)


@functools.cache
def points(q: int) -> np.ndarray:
    return np.asarray(jax.jit(constellation, static_argnums=0)(q), np.complex128)


def random_bits(*shape: int) -> jax.Array:
    return jnp.asarray(RNG.integers(0, 2, shape), jnp.uint8)


def noisy(*shape: int) -> np.ndarray:
    return (RNG.standard_normal(shape) + 1j * RNG.standard_normal(shape)) / np.sqrt(2)


@EVERY
def test_points_are_those_of_the_standard(q):
    np.testing.assert_allclose(points(q), standard(q), atol=1e-6)
    np.testing.assert_allclose(np.mean(np.abs(points(q)) ** 2), 1, rtol=1e-6)
    np.testing.assert_allclose(points(q).mean(), 0, atol=1e-6)
    if q > 1:
        np.testing.assert_allclose(amplitudes(q // 2), standard(q).real[labels(q)[:, 1::2].sum(axis=1) == 0], atol=1e-6)


def test_points_by_hand():
    def point(*bits):
        return complex(points(len(bits))[int("".join(map(str, bits)), 2)])

    assert point(0) == pytest.approx((1 + 1j) / 2**0.5)
    assert point(1) == pytest.approx((-1 - 1j) / 2**0.5)
    assert point(0, 1) == pytest.approx((1 - 1j) / 2**0.5)
    assert point(0, 0, 0, 0) == pytest.approx((1 + 1j) / 10**0.5)
    assert point(1, 0, 1, 1) == pytest.approx((-3 + 3j) / 10**0.5)
    assert point(0, 0, 0, 0, 0, 0) == pytest.approx((3 + 3j) / 42**0.5)
    assert point(0, 1, 1, 0, 0, 1) == pytest.approx((5 - 1j) / 42**0.5)
    assert point(*[0] * 8) == pytest.approx((5 + 5j) / 170**0.5)
    assert point(*[0] * 10) == pytest.approx((11 + 11j) / 682**0.5)


@EVERY
def test_neighbours_differ_in_one_bit(q):
    bits = labels(q)
    distance = np.abs(points(q)[:, None] - points(q)) + 10 * np.eye(1 << q)
    least = distance.min()
    first, second = np.nonzero(distance < least * 1.01)
    side = 2 ** (q // 2)
    assert first.size == (2 if q == 1 else 4 * side * (side - 1))
    assert np.all((bits[first] ^ bits[second]).sum(axis=1) == 1)


def brute_force(received, noise_var, gain, q, join):
    metric = -(np.abs(received[..., None] - gain[..., None] * standard(q)) ** 2) / noise_var[..., None]
    bits = labels(q)
    llr = [join(metric[..., bits[:, j] == 0], -1) - join(metric[..., bits[:, j] == 1], -1) for j in range(q)]
    return np.stack(llr, axis=-1).reshape(received.shape[0], -1)


@EVERY
@METHODS
def test_llr_by_brute_force(q, method, join):
    assert isinstance(method, Method)
    gain, noise_var, received = noisy(*SHAPE), 10 ** RNG.uniform(-2, 0.5, SHAPE), 1.5 * noisy(*SHAPE)
    for g in (gain, None)[: 2 if method is exact else 1]:
        expected = brute_force(received, noise_var, np.ones(SHAPE) if g is None else g, q, join)
        known = None if g is None else jnp.asarray(g, jnp.complex64)
        llr = demodulate(
            jnp.asarray(received, jnp.complex64), jnp.asarray(noise_var, jnp.float32), q, gain=known, method=method
        )
        # float32 rounds metrics that are much larger than their difference: up to |received|^2 / noise_var.
        np.testing.assert_allclose(llr, expected, rtol=1e-4, atol=2e-6 * np.max(np.abs(received) ** 2 / noise_var))


def error_rates(q: int, snr_db: float, tail) -> np.ndarray:
    """Of each bit of a symbol: the chance to land in the region of an amplitude with the other bit.

    `tail(d)` is the chance that the noise of one dimension, standard deviation 1 at snr 0, takes a point past a
    boundary at signed distance d.
    """
    scale = 10 ** (snr_db / 20) * np.sqrt(2)
    level = standard(2 * max(q // 2, 1)).real[labels(2 * max(q // 2, 1))[:, 1::2].sum(axis=1) == 0]
    level = level * (np.sqrt(2) if q == 1 else 1)
    order = np.argsort(level)
    bits, level = labels(max(q // 2, 1))[order], level[order] * scale
    edges = np.concatenate([[-np.inf], (level[1:] + level[:-1]) / 2, [np.inf]])
    past = tail(edges - level[:, None])
    lands = past[:, :-1] - past[:, 1:]
    rates = [(lands * (bits[:, None, j] != bits[:, j])).sum(axis=1).mean() for j in range(bits.shape[1])]
    return np.repeat(rates, 1 if q == 1 else 2)


def rayleigh_tail(distance):
    """E Q(|h| d) = (1 - d / sqrt(d^2 + 2)) / 2 for E|h|^2 = 1, and for d < 0 too."""
    finite = np.clip(distance, -1e9, 1e9)
    return (1 - finite / np.sqrt(finite**2 + 2)) / 2


def test_the_closed_form_has_the_cases_of_the_textbook():
    snr = 10**0.4
    np.testing.assert_allclose(error_rates(1, 4.0, norm.sf), norm.sf(np.sqrt(2 * snr)))
    np.testing.assert_allclose(error_rates(2, 4.0, norm.sf), norm.sf(np.sqrt(snr)))
    np.testing.assert_allclose(error_rates(1, 4.0, rayleigh_tail), (1 - np.sqrt(snr / (1 + snr))) / 2)
    # 16QAM, Cho and Yoon 2002: bits of sign and bits of magnitude.
    x = np.sqrt(snr / 5)
    sign = (norm.sf(x) + norm.sf(3 * x)) / 2
    size = (2 * norm.sf(x) + norm.sf(3 * x) - norm.sf(5 * x)) / 2
    np.testing.assert_allclose(error_rates(4, 4.0, norm.sf), [sign, sign, size, size])


@EVERY
@pytest.mark.parametrize(("name", "tail"), [("awgn", norm.sf), ("rayleigh_fast", rayleigh_tail)])
@pytest.mark.parametrize("symbols", [20_000, pytest.param(1_000_000, marks=pytest.mark.nightly)])
def test_error_rate_of_each_bit(q, name, tail, symbols):
    rows, snr_db = 4, 2.0 + 2 * q
    bits = random_bits(rows, symbols // rows * q)
    sent = mapped(bits, q)
    out = CHANNELS[name]()(
        jax.random.split(jax.random.key(q), rows), sent, jnp.ones(sent.shape), jnp.full(rows, snr_db)
    )
    gain = jnp.ones_like(sent) if out.csi is None else out.csi
    got = hard(demodulate(out.symbols, out.noise_var, q, gain=gain, method=max_log))
    wrong = (np.asarray(got) != np.asarray(bits)).reshape(-1, q).mean(axis=0)
    expected = error_rates(q, snr_db, tail)
    # 4.5 standard deviations of a binomial share, symbols being independent.
    assert np.all(np.abs(wrong - expected) < 4.5 * np.sqrt(expected * (1 - expected) / symbols))


@EVERY
def test_round_trip_without_noise(q):
    bits = random_bits(3, 20 * q)
    sent, gain = np.asarray(mapped(bits, q)), noisy(*SHAPE).astype(np.complex64) + 2
    exactly = demodulate(jnp.asarray(sent), jnp.zeros(SHAPE), q, method=exact)
    np.testing.assert_array_equal(hard(exactly), bits)
    faded = demodulate(jnp.asarray(gain * sent), jnp.full(SHAPE, 1e-4), q, gain=jnp.asarray(gain), method=max_log)
    np.testing.assert_array_equal(hard(faded), bits)


@pytest.mark.parametrize("method", [exact, max_log])
def test_faults_stay_in_their_symbols(method):
    nan = float("nan")
    received, noise_var, gain = noisy(*SHAPE), np.ones(SHAPE), noisy(*SHAPE)
    received[0, 1], noise_var[1, 2], gain[1, 5] = nan, nan, complex(0, nan)
    received, gain = jnp.asarray(received, jnp.complex64), jnp.asarray(gain, jnp.complex64)
    llr = demodulate(received, jnp.asarray(noise_var, jnp.float32), 4, gain=gain, method=method)
    broken = np.isnan(np.asarray(llr)).reshape(*SHAPE, 4)
    assert np.all(broken.all(axis=-1) == broken.any(axis=-1))
    assert list(zip(*np.nonzero(broken[:, :, 0]), strict=True)) == [(0, 1), (1, 2), (1, 5)]


@EVERY
def test_llr_at_the_extremes(q):
    huge = jnp.full(SHAPE, 1e15 - 1e15j, jnp.complex64)
    assert np.all(np.isfinite(demodulate(huge, jnp.zeros(SHAPE), q)))
    for method in (exact, max_log):
        lost = demodulate(huge, jnp.ones(SHAPE), q, gain=jnp.zeros(SHAPE, jnp.complex64), method=method)
        np.testing.assert_array_equal(lost, np.zeros((3, 20 * q)))


def test_a_tie_is_read_as_zero():
    np.testing.assert_array_equal(hard(jnp.array([-1.0, 0.0, 1.0])), [1, 0, 0])


def test_traced():
    bits = random_bits(3, 20 * 6)
    sent = modulate(bits, 6)
    np.testing.assert_allclose(mapped(bits, 6), sent, rtol=1e-6)
    llr = jax.jit(lambda y: demodulate(y, jnp.ones(SHAPE), 6))(sent)
    np.testing.assert_allclose(llr, demodulate(sent, jnp.ones(SHAPE), 6), atol=1e-5)
    assert llr.dtype == jnp.float32
    assert modulate(jnp.zeros((2, 0), jnp.uint8), 4).shape == (2, 0)


def test_errors_say_what_is_allowed():
    symbols = jnp.ones((1, 4), jnp.complex64)
    for wrong in (0, 3, 12):
        for call in (
            lambda q: modulate(jnp.zeros((1, 12), jnp.uint8), q),
            lambda q: demodulate(symbols, jnp.ones((1, 4)), q),
            constellation,
        ):
            with pytest.raises(ValueError, match=rf"bits_per_symbol={wrong} .*1 = BPSK.* 10 = 1024QAM \(5\.1\.7\)"):
                call(wrong)
    with pytest.raises(ValueError, match="7 bits per row do not fill symbols of 4 bits"):
        modulate(jnp.zeros((1, 7), jnp.uint8), 4)
    with pytest.raises(ValueError, match="range from 0 to 2"):
        modulate(jnp.array([[0, 2]], jnp.uint8), 2)
    assert list(MODULATIONS) == [1, 2, 4, 6, 8, 10]
