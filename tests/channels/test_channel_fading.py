"""Fading's parts against closed forms, h = 0, pilots, and the names in CHANNELS."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from semjax.channels import CHANNELS, EQUALISERS, base
from semjax.channels.compat import Blind
from semjax.channels.csi import PilotCSI
from semjax.channels.equalise import MMSE, NoEqualiser, ZeroForcing
from semjax.channels.fading import Fading
from semjax.channels.gains import Fast, Rayleigh, Rician
from semjax.contracts import Channel

KEYS = jax.random.split(jax.random.key(1), 8)
SENT = base.complex_normal(base.slot(KEYS, 9), (64,))
USED = jnp.ones(SENT.shape)
SNR_DB = jnp.linspace(-5.0, 20.0, 8)


def send(channel):
    return channel(KEYS, SENT, USED, SNR_DB)


@pytest.mark.parametrize("equaliser", [NoEqualiser(), ZeroForcing(), MMSE()])
def test_symbols_are_csi_times_sent_plus_noise_of_the_stated_variance(equaliser):
    gain, noise = SENT[::-1], base.complex_normal(base.slot(KEYS, 8), (64,))
    noise_var = jnp.full(SENT.shape, 0.3)
    out = equaliser(gain * SENT + jnp.sqrt(noise_var) * noise, gain, noise_var)
    csi = 1.0 if out.csi is None else out.csi
    whitened = (out.symbols - csi * SENT) / np.sqrt(out.noise_var)
    np.testing.assert_allclose(np.abs(whitened), np.abs(noise), rtol=1e-3)


def test_mmse_has_less_error_than_its_rivals():
    plain, forced, best = (send(Fading(equaliser=e)) for e in (NoEqualiser(), ZeroForcing(), MMSE()))
    error = [float(np.mean(np.abs(out.symbols - SENT) ** 2)) for out in (plain, forced, best)]
    assert error[2] < min(error[:2])


@pytest.mark.parametrize("equaliser", list(EQUALISERS.values()))
@pytest.mark.parametrize("snr_db", [-np.inf, 0.0, 100.0, np.inf])
def test_gain_zero_is_finite_with_finite_gradients(equaliser, snr_db):
    noise_var = base.noise_variance(jnp.full((8,), snr_db))[:, None] * jnp.ones(SENT.shape)

    def loss(symbols, gain, noise_var):
        out = equaliser(symbols, gain, noise_var)
        return jnp.sum(jnp.real(out.symbols)) + jnp.sum(out.noise_var)

    out = equaliser(SENT, 0 * SENT, noise_var)
    slopes = jax.grad(loss, argnums=(0, 1, 2))(SENT, 0 * SENT, noise_var)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves((out, slopes)))


def test_fading_is_never_cancelled_by_the_noise():
    """Whatever h, the noise under it is that of the transmit side."""
    zero = send(Fading(equaliser=NoEqualiser()).with_gain(0j)).symbols
    full = send(Fading(equaliser=NoEqualiser()).with_gain(1 + 0j)).symbols
    np.testing.assert_allclose(full - zero, SENT, atol=1e-5)


def test_pilots_are_counted_and_estimate_with_the_error_of_least_squares():
    keys = jax.random.split(jax.random.key(2), 1 << 14)
    gain = base.complex_normal(base.slot(keys, 5), (1,))
    estimate = PilotCSI(pilots=2).estimate(keys, gain, jnp.full((1 << 14,), 0.2))
    np.testing.assert_allclose(np.mean(np.abs(estimate - gain) ** 2), 0.2 / 2, rtol=0.05)
    out = send(CHANNELS["rayleigh"](csi="pilots", pilots=2, equaliser="none"))
    np.testing.assert_array_equal(out.uses["pilots"], 2.0)
    np.testing.assert_array_equal(out.uses["analog"], 64.0)
    assert out.csi is not None
    assert np.all(np.ptp(np.asarray(out.csi), axis=1) == 0)


def test_pilots_have_their_own_noise():
    perfect, pilots = Fading(), Fading(csi=PilotCSI(pilots=2), equaliser=NoEqualiser())
    np.testing.assert_array_equal(
        send(dataclasses.replace(perfect, equaliser=NoEqualiser())).symbols, send(pilots).symbols
    )


def test_rician_gains_lie_between_rayleigh_and_no_fading():
    weak, strong = (Rician(k_factor_db=k).draw(KEYS, 64) for k in (-60, 60))
    np.testing.assert_allclose(strong, 1, atol=0.01)
    np.testing.assert_allclose(weak, Rayleigh().draw(KEYS, 64), atol=0.01)


def test_spread_of_received_power():
    np.testing.assert_allclose(Rayleigh().law("block").power_spread_db(), 10 / np.log(10) * np.pi / 6**0.5, rtol=1e-3)
    assert Rician(k_factor_db=10).law("block").power_spread_db() < 2.1


def test_blind_compatibility_mode_says_nothing_of_the_gain():
    blind, told = (send(CHANNELS["compat_magnitude_fading"](csi=csi)) for csi in ("none", "perfect"))
    assert blind.csi is None
    assert np.all(np.asarray(told.csi).imag == 0)
    np.testing.assert_array_equal(blind.symbols, told.symbols)
    assert Blind() == Blind()


@pytest.mark.parametrize("name", list(CHANNELS))
def test_named_channels_are_channels_and_hashable(name):
    made = CHANNELS[name]()
    assert isinstance(made, Channel)
    assert {made: 1}[CHANNELS[name]()] == 1
    out = send(made)
    assert out.symbols.shape == out.noise_var.shape == SENT.shape
    np.testing.assert_array_equal(out.uses["analog"], 64.0)


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("rayleigh", {"equaliser": "wiener"}, "mmse, none, zero_forcing"),
        ("rayleigh", {"csi": "none"}, "perfect, pilots"),
        ("rayleigh", {"csi": "pilots"}, "number of pilot uses"),
        ("rayleigh", {"pilots": 4}, "csi='pilots'"),
        ("rayleigh", {"csi": "pilots", "pilots": 0}, "at least 1"),
        ("rician_fast", {"csi": "pilots", "pilots": 4}, "fast fading"),
        ("compat_magnitude_fading", {"csi": "pilots"}, "perfect, none"),
    ],
)
def test_options_that_make_no_sense_are_refused(name, options, words):
    with pytest.raises(ValueError, match=words):
        CHANNELS[name](**options)


def test_fast_fading_with_pilots_is_refused_at_construction():
    with pytest.raises(ValueError, match="fast fading"):
        Fading(coherence=Fast(), csi=PilotCSI(pilots=1))
