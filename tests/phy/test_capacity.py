"""Capacities against Monte Carlo, their limits and their order."""

import numpy as np
import pytest

from semjax.phy.capacity import ergodic_rayleigh, ergodic_rician, outage_rate_rayleigh, outage_rayleigh, shannon

SNR_DB = np.linspace(-40, 60, 101)
RNG = np.random.default_rng(0)
SCATTERED = (RNG.standard_normal(400_000) + 1j * RNG.standard_normal(400_000)) / np.sqrt(2)


@pytest.mark.parametrize("snr_db", [-20.0, 0.0, 10.0, 30.0])
def test_ergodic_capacities_are_the_mean_over_gains(snr_db):
    def monte_carlo(gain):
        return np.mean(np.log2(1 + 10 ** (snr_db / 10) * np.abs(gain) ** 2))

    np.testing.assert_allclose(ergodic_rayleigh(snr_db), monte_carlo(SCATTERED), rtol=0.01)
    k_factor = 10**0.6
    rician = (np.sqrt(k_factor) + SCATTERED) / np.sqrt(k_factor + 1)
    np.testing.assert_allclose(ergodic_rician(snr_db, 6), monte_carlo(rician), rtol=0.01)


def test_capacities_rise_and_fading_costs():
    for capacity in (shannon, ergodic_rayleigh, lambda snr_db: ergodic_rician(snr_db, 6.0)):
        assert np.all(np.diff(capacity(SNR_DB)) > 0)
    assert np.all(ergodic_rayleigh(SNR_DB) < ergodic_rician(SNR_DB, 6.0))
    assert np.all(ergodic_rician(SNR_DB, 6.0) < shannon(SNR_DB))


def test_limits():
    np.testing.assert_allclose(shannon(np.array([0.0, 10 * np.log10(3), -np.inf])), [1, 2, 0])
    # At low SNR every capacity is snr / ln 2; at high SNR Rayleigh loses Euler's constant.
    np.testing.assert_allclose(ergodic_rayleigh(-60.0), 1e-6 / np.log(2), rtol=1e-5)
    np.testing.assert_allclose(shannon(90.0) - ergodic_rayleigh(90.0), np.euler_gamma / np.log(2), rtol=1e-6)
    assert float(ergodic_rayleigh(-np.inf)) == 0.0
    assert np.isposinf(ergodic_rayleigh(np.inf))


def test_rician_runs_from_rayleigh_to_no_fading():
    np.testing.assert_allclose(ergodic_rician(SNR_DB, -60), ergodic_rayleigh(SNR_DB), atol=3e-4)
    np.testing.assert_allclose(ergodic_rician(SNR_DB, 60), shannon(SNR_DB), atol=3e-4)


def test_the_two_branches_of_the_closed_form_meet():
    # x = 1 / snr = 50 where they meet.
    at = -10 * np.log10(50)
    below, above = ergodic_rayleigh(at - 1e-7), ergodic_rayleigh(at + 1e-7)
    np.testing.assert_allclose(below, above, rtol=1e-7)
    assert ergodic_rayleigh(np.zeros((2, 3))).shape == (2, 3)


@pytest.mark.parametrize("snr_db", [-5.0, 10.0])
@pytest.mark.parametrize("rate", [0.1, 1.0, 3.0])
def test_outage_is_the_share_of_gains_that_do_not_carry_the_rate(snr_db, rate):
    share = np.mean(np.log2(1 + 10 ** (snr_db / 10) * np.abs(SCATTERED) ** 2) < rate)
    outage = float(outage_rayleigh(snr_db, rate))
    # 4.5 standard deviations of a binomial share.
    assert abs(share - outage) < 4.5 * np.sqrt(outage * (1 - outage) / SCATTERED.size) + 1e-9


def test_outage_by_hand():
    np.testing.assert_allclose(outage_rayleigh(0.0, 1.0), 1 - np.exp(-1))
    np.testing.assert_allclose(outage_rayleigh(10.0, np.arange(3)), [0, 1 - np.exp(-0.1), 1 - np.exp(-0.3)])
    np.testing.assert_allclose(outage_rayleigh(200.0, 1.0), 1e-20, rtol=1e-9)  # no cancellation
    np.testing.assert_array_equal(outage_rayleigh(-np.inf, np.array([0.0, 0.1])), [0, 1])
    np.testing.assert_array_equal(outage_rayleigh(np.inf, 3.0), 0)
    assert outage_rayleigh(np.zeros((2, 1)), np.ones(3)).shape == (2, 3)


def test_outage_rate_inverts():
    rates = np.array([1e-3, 0.5, 2.0, 4.0])
    for snr_db in (0.0, 10.0, 25.0):
        np.testing.assert_allclose(outage_rate_rayleigh(snr_db, outage_rayleigh(snr_db, rates)), rates, rtol=1e-9)
    # At 1 % outage a gain of -ln 0.99 is left.
    np.testing.assert_allclose(outage_rate_rayleigh(20.0, 0.01), np.log2(1 - 100 * np.log(0.99)))
    np.testing.assert_array_equal(outage_rate_rayleigh(20.0, 0.0), 0)


def test_errors_say_what_is_allowed():
    with pytest.raises(ValueError, match=r"not negative, but its least value is -0\.5"):
        outage_rayleigh(0.0, np.array([1.0, -0.5]))
    for wrong in (-0.1, 1.0):
        with pytest.raises(ValueError, match="from 0 to below 1, but it ranges from"):
            outage_rate_rayleigh(0.0, np.array([0.5, wrong]))
