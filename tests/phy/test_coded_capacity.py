"""What modulations and short codes can reach: published limits, Monte Carlo over whole symbols, and order."""

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import norm

from semjax.phy import qam
from semjax.phy.capacity import shannon
from semjax.phy.coded_capacity import GAUSSIAN, Gaussian, Inputs, Uniform, minimum_snr_db, normal_approximation

EVERY = [Uniform(bits_per_symbol=q) for q in (1, 2, 4, 6, 8, 10)]
SNR_DB = np.linspace(-20, 50, 15)
UNIFORM = pytest.mark.parametrize("inputs", EVERY, ids=lambda inputs: str(inputs.bits_per_symbol))


def drawn(inputs: Uniform, snr_db: float, count: int):
    """Information densities of symbols and of each of their bits, of random symbols in complex noise."""
    rng, q = np.random.default_rng(inputs.bits_per_symbol), inputs.bits_per_symbol
    points = np.asarray(qam.constellation(q), np.complex128)
    sent = rng.integers(0, 1 << q, count)
    noise = (rng.standard_normal(count) + 1j * rng.standard_normal(count)) * np.sqrt(10 ** (-snr_db / 10) / 2)
    metric = -(np.abs((points[sent] + noise)[:, None] - points) ** 2) * 10 ** (snr_db / 10)
    own = np.take_along_axis(metric, sent[:, None], axis=1)[:, 0]
    whole = logsumexp(metric, axis=1)
    density = q + (own - whole) / np.log(2)
    same = [(sent[:, None] ^ np.arange(1 << q)) >> j & 1 == 0 for j in range(q)]
    bits = sum(1 + (logsumexp(np.where(s, metric, -np.inf), axis=1) - whole) / np.log(2) for s in same)
    return density, bits


@pytest.mark.parametrize(
    ("q", "snr_db", "count"), [(1, -2, 20_000), (2, 3, 20_000), (4, 0, 20_000), (6, 9, 8_000), (8, 18, 1_500)]
)
def test_capacities_and_dispersion_by_monte_carlo(q, snr_db, count):
    inputs = Uniform(bits_per_symbol=q)
    density, bits = drawn(inputs, snr_db, count)
    # Five standard errors each.
    assert abs(inputs.capacity(snr_db) - density.mean()) < 5 * density.std() / np.sqrt(count)
    assert abs(inputs.bicm(snr_db) - bits.mean()) < 5 * bits.std() / np.sqrt(count)
    squares = (density - density.mean()) ** 2
    assert abs(inputs.dispersion(snr_db) - squares.mean()) < 5 * squares.std() / np.sqrt(count)


@pytest.mark.parametrize(("rate", "ebn0_db"), [(1 / 3, -0.495), (1 / 2, 0.187), (3 / 4, 1.626)])
def test_published_limits_of_binary_signals(rate, ebn0_db):
    # The well-known Eb/N0 limits of the binary-input AWGN channel.
    snr_db = ebn0_db + 10 * np.log10(rate)
    np.testing.assert_allclose(Uniform(bits_per_symbol=1).capacity(snr_db), rate, atol=1e-4)
    np.testing.assert_allclose(Uniform(bits_per_symbol=2).capacity(snr_db + 10 * np.log10(2)), 2 * rate, atol=2e-4)


@UNIFORM
def test_limits(inputs):
    q = inputs.bits_per_symbol
    assert inputs.limit == q
    assert isinstance(inputs, Inputs)
    np.testing.assert_allclose(inputs.capacity(np.array([60.0, np.inf])), q, atol=1e-9)
    np.testing.assert_allclose(inputs.dispersion(np.array([60.0, np.inf])), 0, atol=1e-9)
    # C = snr / ln 2 at low snr, and V = 2 C / ln 2.
    np.testing.assert_allclose(inputs.capacity(-40.0), 1e-4 / np.log(2), rtol=2e-4)
    np.testing.assert_allclose(inputs.dispersion(-40.0), 2e-4 / np.log(2) ** 2, rtol=1e-3)
    np.testing.assert_allclose(inputs.capacity(-np.inf), 0, atol=1e-12)
    assert inputs.capacity(np.zeros((2, 3))).shape == (2, 3)


@UNIFORM
def test_order(inputs):
    capacity, bicm = inputs.capacity(SNR_DB), inputs.bicm(SNR_DB)
    assert np.all(capacity < shannon(SNR_DB))
    assert np.all(np.diff(capacity) > -1e-12)
    assert np.all(bicm < capacity + 1e-12)
    if inputs.bits_per_symbol <= 2:
        np.testing.assert_allclose(bicm, capacity, atol=1e-12)
    else:
        assert np.max(capacity - bicm) > 0.01


def test_bpsk_is_half_of_qpsk_and_larger_modulations_carry_more():
    bpsk, qpsk = EVERY[:2]
    np.testing.assert_allclose(2 * bpsk.capacity(SNR_DB), qpsk.capacity(SNR_DB + 10 * np.log10(2)), atol=1e-9)
    np.testing.assert_allclose(2 * bpsk.dispersion(SNR_DB), qpsk.dispersion(SNR_DB + 10 * np.log10(2)), atol=1e-9)
    capacities = np.stack([inputs.capacity(np.arange(0.0, 31.0)) for inputs in EVERY])
    assert np.all(np.diff(capacities, axis=0) > -1e-6)


def test_gaussian_symbols():
    snr = 10 ** (SNR_DB / 10)
    np.testing.assert_allclose(GAUSSIAN.dispersion(SNR_DB), snr * (snr + 2) / (snr + 1) ** 2 * np.log2(np.e) ** 2)
    np.testing.assert_allclose(GAUSSIAN.capacity(SNR_DB), np.log2(1 + snr))
    assert isinstance(GAUSSIAN, Inputs)
    assert Gaussian() == GAUSSIAN


def test_normal_approximation_by_hand():
    # 0 dB: C = 1, V = 3/4 log2(e)^2.
    by_hand = 1 - np.sqrt(0.75 / 500) * np.log2(np.e) * norm.isf(1e-3) + np.log2(1000) / 1000
    np.testing.assert_allclose(normal_approximation(0.0, uses=500, block_error=1e-3), by_hand)
    qpsk, bpsk = EVERY[1], EVERY[0]
    # A BPSK use is half of a QPSK use, so twice as many carry the same bits.
    twice = 2 * normal_approximation(0.0, uses=1000, block_error=1e-3, inputs=bpsk)
    np.testing.assert_allclose(
        twice, normal_approximation(10 * np.log10(2), uses=500, block_error=1e-3, inputs=qpsk), rtol=1e-9
    )


@pytest.mark.parametrize("inputs", [GAUSSIAN, EVERY[0], EVERY[2]], ids=repr)
def test_normal_approximation_rises_to_the_capacity(inputs):
    def rate(snr_db=3.0, uses=500, block_error=1e-3):
        return normal_approximation(snr_db, uses=uses, block_error=block_error, inputs=inputs)

    assert np.all(np.diff(rate(np.linspace(-10, 8, 19))) > 0)
    assert np.all(np.diff([rate(block_error=e) for e in (1e-6, 1e-3, 0.1)]) > 0)
    lengths = [float(rate(uses=n)) for n in (100, 1000, 10_000, 10**8)]
    assert np.all(np.diff(lengths) > 0)
    np.testing.assert_allclose(lengths[-1], inputs.capacity(3.0), rtol=1e-3)
    assert rate(snr_db=-40.0, uses=10) >= 0
    assert rate(snr_db=60.0, block_error=0.9) <= inputs.limit


@pytest.mark.parametrize(("inputs", "rate"), [(GAUSSIAN, 1.0), (GAUSSIAN, 6.0), (EVERY[0], 0.5), (EVERY[2], 2.5)])
def test_minimum_snr_inverts(inputs, rate):
    snr_db = minimum_snr_db(rate, uses=512, block_error=1e-3, inputs=inputs)
    granted = normal_approximation(np.array([snr_db - 0.01, snr_db]), uses=512, block_error=1e-3, inputs=inputs)
    assert granted[0] < rate <= granted[1] < rate + 1e-5


def test_errors_say_what_is_allowed():
    with pytest.raises(ValueError, match=r"bits_per_symbol=3 .*16QAM"):
        Uniform(bits_per_symbol=3)
    for uses, block_error in ((0, 0.1), (10, 0.0), (10, 1.0)):
        with pytest.raises(ValueError, match=f"but uses={uses} and block_error={block_error}"):
            normal_approximation(0.0, uses=uses, block_error=block_error)
    for rate in (0.0, 2.0):
        with pytest.raises(ValueError, match=rf"below 2\.0 bits per complex use.*but is {rate}"):
            minimum_snr_db(rate, uses=100, block_error=0.1, inputs=EVERY[1])
    for rate in (1e-3, 100.0):
        with pytest.raises(ValueError, match="is not crossed between -40 and 80 dB"):
            minimum_snr_db(rate, uses=10, block_error=0.4)
