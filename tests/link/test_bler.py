"""Block error rates: the fit, what follows for fading, and whether the link does what its table says."""

import jax
import numpy as np
import pytest
from scipy import special

from semjax.channels import AWGN, CHANNELS, Fading
from semjax.channels.csi import PilotCSI
from semjax.channels.gains import Fast
from semjax.link import bler, measure
from semjax.link.bler import Curve, Table, block_error, effective_snr_db, fate, fit, measured
from semjax.link.frames import plan
from semjax.link.schemes import LADDER, LONG, RUNGS, STEPS_BETWEEN, Scheme, ladder
from semjax.phy.coded_capacity import Uniform
from semjax.phy.mcs import mcs

QPSK = Scheme(mcs=mcs("low_se", 12))
STEP = Table({(2, 449.0): {100: Curve(mu=1.0, sigma=1e-6)}})
"""Errors below 1 dB, none above."""


def test_the_fit_finds_the_curve_that_the_counts_come_from():
    true, snr_db = Curve(mu=3.0, sigma=0.4), np.arange(2.0, 4.5, 0.25)
    errors = np.random.default_rng(0).binomial(4000, true(snr_db))
    found = fit(snr_db, errors.tolist(), [4000] * snr_db.size)
    assert abs(found.mu - 3.0) < 0.02
    assert abs(found.sigma - 0.4) < 0.02
    with pytest.raises(ValueError, match="do not fall with the SNR"):
        fit([0.0, 1.0], [10, 20], [100, 100])


def test_between_block_lengths_curves_are_between():
    table = Table({(2, 449.0): {100: Curve(mu=2.0, sigma=1.0), 400: Curve(mu=1.0, sigma=0.5)}})
    between, beyond = table.curve(QPSK.mcs, 200), table.curve(QPSK.mcs, 8000)
    assert (between.mu, between.sigma) == pytest.approx((1.5, 0.75))
    assert (beyond.mu, beyond.sigma) == pytest.approx((1.0, 0.5))
    with pytest.raises(ValueError, match="no block error rates were measured for MCS"):
        table.curve(mcs("64qam", 20), 200)


@pytest.mark.parametrize(("rungs", "bits"), [(RUNGS, 400), ((*RUNGS, *STEPS_BETWEEN), 8448)])
def test_what_comes_with_the_package_covers_the_ladder_and_is_in_order(rungs, bits):
    found = []
    for rung in sorted(rungs, key=lambda mcs: mcs.efficiency):
        curve = measured().curve(rung, bits)
        assert measured().covers(rung, bits)
        low, high = Uniform(bits_per_symbol=rung.bits_per_symbol).bicm(np.array([curve.mu - 3, curve.mu]))
        assert low < rung.efficiency < high, f"{rung} is not within 3 dB of what its modulation allows"
        assert 0 < curve.sigma < 2
        found.append(curve.mu)
    assert found == sorted(found)


def test_the_limit_is_where_the_capacity_of_the_modulation_is_the_rate():
    capacity = Uniform(bits_per_symbol=QPSK.mcs.bits_per_symbol)
    assert float(capacity.bicm(measure.limit_db(QPSK.mcs))) == pytest.approx(QPSK.mcs.efficiency, abs=1e-6)


def test_the_rows_between_serve_long_messages_only():
    assert ladder(LONG - 1) == LADDER
    assert set(ladder(LONG)) == {*LADDER, *(Scheme(mcs=rung) for rung in STEPS_BETWEEN)}
    for rung in STEPS_BETWEEN:
        assert measured().covers(rung, plan(LONG, Scheme(mcs=rung)).block_bits)
        assert not measured().covers(rung, 400)
    assert not measured().covers(mcs("1024qam", 25), 8448)


@pytest.mark.parametrize("snr_db", [3.0, 12.0])
def test_block_fading_is_the_mean_over_gains(snr_db):
    gain = 10 ** (1.0 / 10) / 10 ** (snr_db / 10)  # the least |h|^2 that lifts the picture above 1 dB
    assert block_error(STEP, Fading(), QPSK, 84, snr_db) == pytest.approx(1 - np.exp(-gain), abs=0.01)
    rician = CHANNELS["rician"]()
    k = 10 ** (rician.gains.k_factor_db / 10)
    below = special.chndtr(2 * (k + 1) * gain, 2, 2 * k)
    assert block_error(STEP, rician, QPSK, 84, snr_db) == pytest.approx(below, abs=0.01)


def test_pilots_and_repetition_move_the_curve():
    pilots = Fading(csi=PilotCSI(pilots=4))
    assert fate(pilots).loss_db == pytest.approx(10 * np.log10(1.25))
    table = Table({(2, 449.0): {100: Curve(mu=1.0, sigma=0.5)}})
    twice = Scheme(mcs=QPSK.mcs, repetitions=2)
    moved = block_error(table, AWGN(), twice, 84, 0.5)
    assert moved == pytest.approx(block_error(table, AWGN(), QPSK, 84, 0.5 + 10 * np.log10(2)))


def test_fast_fading_costs_what_mutual_information_says():
    fast = fate(Fading(coherence=Fast()))
    loss = [snr - effective_snr_db(fast, snr, 2) for snr in (-10.0, 0.0, 5.0)]
    assert 0 < loss[0] < 0.5  # at low SNR only energy counts
    assert loss == sorted(loss)
    assert effective_snr_db(fate(AWGN()), 3.0, 2) == pytest.approx(3.0, abs=0.01)


def test_several_code_blocks_fail_more_often_than_one():
    table = Table({(8, 885.0): {8000: Curve(mu=25.0, sigma=1.0)}})
    scheme = Scheme(mcs=mcs("256qam", 25))
    assert plan(30_000, scheme).frame.blocks == 4
    alone = block_error(table, AWGN(), scheme, 8000, 26.0)
    assert block_error(table, AWGN(), scheme, 30_000, 26.0) == pytest.approx(1 - (1 - alone) ** 4)


def test_a_channel_without_a_law_is_named():
    class Own:
        def __call__(self, keys, symbols, used, snr_db):
            return AWGN()(keys, symbols, used, snr_db)

    with pytest.raises(ValueError, match="does not state the law of its gain"):
        block_error(STEP, Own(), QPSK, 84, 3.0)


@pytest.mark.parametrize("scheme", [QPSK])
def test_the_link_loses_what_its_table_says(scheme):
    size, blocks = 84, 512
    curve = measured().curve(scheme.mcs, plan(size, scheme).block_bits)
    snr_db = curve.mu + curve.sigma  # 16 % are lost there
    count = measure.program(plan(size, scheme), size)
    lost = count(jax.random.key(99), snr_db, blocks)
    expected = float(curve(snr_db))
    # Between measured lengths the table interpolates, so a factor of 1.5 is left beside 4.5 standard deviations.
    spread = 4.5 * np.sqrt(blocks * expected)
    assert expected * blocks / 1.5 - spread < lost < expected * blocks * 1.5 + spread


@pytest.mark.nightly
@pytest.mark.parametrize("scheme", LADDER[3::5])
@pytest.mark.parametrize("size", [84, 1000])
def test_the_link_loses_what_its_table_says_everywhere(scheme, size):
    curve = bler.measured().curve(scheme.mcs, plan(size, scheme).block_bits)
    snr_db = curve.mu + curve.sigma - 10 * np.log10(scheme.repetitions)
    lost = measure.program(plan(size, scheme), size)(jax.random.key(99), snr_db, 1024)
    expected = 1024 * float(special.ndtr(-1.0))
    assert expected / 1.8 - 4.5 * expected**0.5 < lost < expected * 1.8 + 4.5 * expected**0.5


@pytest.mark.nightly
@pytest.mark.parametrize("size", [60, 72, 100, 140, 240, 330, 450])
def test_between_measured_lengths_the_table_is_off_by_less_than_a_decibel(size):
    scheme = Scheme(mcs=mcs("256qam", 18))
    curve = measured().curve(scheme.mcs, plan(size, scheme).block_bits)
    lost = measure.program(plan(size, scheme), size)(jax.random.key(99), curve.mu + curve.sigma, 2048)
    off_db = curve.sigma * (1 + special.ndtri(lost / 2048))
    assert abs(off_db) < 1.0
