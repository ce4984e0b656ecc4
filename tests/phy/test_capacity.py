"""Capacities against Monte Carlo, their limits and their order."""

import numpy as np
import pytest

from semjax.phy.capacity import ergodic_rayleigh, ergodic_rician, shannon

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
