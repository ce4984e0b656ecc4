"""Latents to symbols and back."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from semjax.bottlenecks.analog import SCALE_RANGE_DB, Analog, FixedRate, ScaledAnalog
from semjax.types import Public, Received


def received(signal, csi=None):
    return Received(
        symbols=signal.symbols if csi is None else signal.symbols * csi,
        noise_var=jnp.full(signal.symbols.shape, 1e-6),
        csi=csi,
        ints=signal.ints,
    )


def public(b, h, w):
    return Public(snr_db=jnp.full(b, 60.0), rate=jnp.ones(b), height=h, width=w)


@pytest.mark.parametrize("features", [3, 4])
def test_pairs_round_trip_also_for_odd_counts(features):
    latents = np.random.default_rng(0).normal(size=(2, 3, 3, features)).astype(np.float32)
    symbols = FixedRate().symbols(latents)
    assert symbols.shape == (2, -(-9 * features // 2))
    np.testing.assert_array_equal(FixedRate().reals(symbols.real, symbols.imag, (3, 3, features)), latents)


def test_latents_come_back_up_to_the_known_scale():
    latents = np.random.default_rng(0).normal(size=(3, 2, 2, 6)).astype(np.float32)
    latents *= np.array([0.1, 1.0, 7.0], np.float32)[:, None, None, None]
    bottleneck = ScaledAnalog(stride=16, features=6, reference=np.sqrt(2.0))
    signal = bottleneck.pack(jnp.asarray(latents), public(3, 32, 32))
    np.testing.assert_allclose(jnp.mean(jnp.abs(signal.symbols) ** 2, 1), 1.0, atol=1e-5)
    back = bottleneck.unpack(received(signal), public(3, 32, 32))
    step_db = (SCALE_RANGE_DB[1] - SCALE_RANGE_DB[0]) / 255
    rms = np.sqrt((latents**2).mean((1, 2, 3)) * 2)
    assert np.all(np.abs(20 * np.log10(back.scale / rms)) <= step_db / 2 + 1e-3)
    # What the receiver rebuilds errs by the quantiser's half step at most.
    np.testing.assert_allclose(back.values * back.scale[:, None, None, None], latents, rtol=0.02, atol=1e-4)


def test_fading_phase_is_removed_and_h_zero_is_finite():
    latents = np.random.default_rng(0).normal(size=(2, 2, 2, 4)).astype(np.float32)
    bottleneck = Analog(stride=16, features=4)
    signal = bottleneck.pack(jnp.asarray(latents), public(2, 32, 32))
    turn = jnp.asarray([[0.5 * np.exp(2j)], [2.0 * np.exp(-1j)]], jnp.complex64) * jnp.ones((1, 8))
    plain = bottleneck.unpack(received(signal), public(2, 32, 32))
    faded = bottleneck.unpack(received(signal, turn), public(2, 32, 32))
    np.testing.assert_allclose(faded.gain[:, 0, 0, 0], [0.5, 2.0], rtol=1e-5)
    np.testing.assert_allclose(faded.normalised(), plain.values, rtol=1e-3, atol=1e-4)

    def energy(h):
        seen = Received(symbols=signal.symbols, noise_var=jnp.ones(signal.symbols.shape), csi=h * jnp.ones((2, 8)))
        return jnp.sum(bottleneck.unpack(seen, public(2, 32, 32)).normalised() ** 2)

    value, slope = jax.value_and_grad(energy)(jnp.zeros((), jnp.complex64))
    assert np.isfinite(value)
    assert np.isfinite(slope)


def test_effective_snr_is_the_channels_own_over_awgn():
    latents = jnp.ones((2, 1, 1, 4))
    bottleneck = Analog(stride=16, features=4)
    signal = bottleneck.pack(latents, public(2, 16, 16))
    seen = Received(symbols=signal.symbols, noise_var=jnp.full(signal.symbols.shape, 10**-0.7))
    np.testing.assert_allclose(bottleneck.unpack(seen, public(2, 16, 16)).effective_snr_db(), 7.0, atol=1e-4)


def test_a_lost_scale_is_taken_to_be_that_of_a_typical_picture():
    bottleneck = ScaledAnalog(stride=16, features=4, reference=2.0)
    signal = bottleneck.pack(jnp.full((2, 2, 2, 4), 3.0), public(2, 32, 32))
    seen = dataclasses.replace(received(signal), ok={"scale": jnp.array([True, False])})
    scale = bottleneck.unpack(seen, public(2, 32, 32)).scale
    np.testing.assert_allclose(scale, [3.0 * np.sqrt(2.0), 2.0], rtol=0.02)
