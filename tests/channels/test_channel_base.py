"""The power rule, the noise and its variance."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semjax.channels import base

KEYS = jax.random.split(jax.random.key(0), 8)
ROOM = 64


def prefix(lengths):
    """Two pictures of each length."""
    return (jnp.arange(ROOM) < jnp.array(2 * lengths)[:, None]).astype(jnp.float32)


def test_complex_normal_is_circular_and_of_unit_variance():
    drawn = np.asarray(base.complex_normal(KEYS, (1 << 16,)))
    np.testing.assert_allclose(np.mean(np.abs(drawn) ** 2, axis=1), 1, atol=0.03)
    np.testing.assert_allclose(np.mean(drawn.real**2, axis=1), 0.5, atol=0.02)
    assert np.max(np.abs(np.mean(drawn**2, axis=1))) < 0.03


def test_complex_normal_belongs_to_its_own_key():
    drawn = base.complex_normal(KEYS, (ROOM,))
    np.testing.assert_array_equal(base.complex_normal(KEYS[2:3], (ROOM,))[0], drawn[2])
    assert np.unique(np.asarray(drawn)).size == drawn.size


def test_noise_variance_in_numbers_and_at_the_ends():
    snr_db = jnp.array([0.0, 10.0, -3.0103, 100.0, jnp.inf, -jnp.inf])
    np.testing.assert_allclose(base.noise_variance(snr_db), [1, 0.1, 2, 1e-10, 1e-10, 1e10], rtol=1e-4)
    slope = jax.vmap(jax.grad(lambda x: base.noise_variance(x[None])[0]))(snr_db)
    assert np.isfinite(slope).all()
    np.testing.assert_allclose(slope[0], -np.log(10) / 10, rtol=1e-5)


@pytest.mark.parametrize("scale", [1e-10, 1.0, 1e25])
def test_every_picture_gets_unit_power_over_its_used_symbols(scale):
    used = prefix([64, 7, 1, 20])
    symbols = base.complex_normal(KEYS, (ROOM,)) * jnp.logspace(-1, 1, 8)[:, None] * scale
    sent = np.asarray(base.normalize_power(symbols, used))
    np.testing.assert_allclose(np.sum(np.abs(sent) ** 2, axis=1), used.sum(1), rtol=1e-5)
    assert np.all(sent[np.asarray(used) == 0] == 0)


def test_silence_and_emptiness_stay_finite_with_finite_gradients():
    used = prefix([64, 0, 0, 5])
    symbols = base.complex_normal(KEYS, (ROOM,)) * jnp.array(2 * [[0.0], [1.0], [0.0], [1e-30]])

    def loss(symbols, used):
        return jnp.sum(jnp.real(base.normalize_power(symbols, used)) ** 2 + jnp.imag(symbols))

    sent = base.normalize_power(symbols, used)
    assert np.all(np.abs(sent) < 1e-12)
    assert all(np.isfinite(slope).all() for slope in jax.grad(loss, argnums=(0, 1))(symbols, used))


def test_gradient_of_the_power_rule_is_the_finite_difference():
    used, symbols = prefix([5, 8, 3, 64]), base.complex_normal(KEYS, (ROOM,))
    weight = base.complex_normal(base.slot(KEYS, 1), (ROOM,))
    step = base.complex_normal(base.slot(KEYS, 2), (ROOM,))

    def along(t):
        return jnp.sum(jnp.real(base.normalize_power(symbols + t * step, used) * weight))

    numeric = (along(1e-2) - along(-1e-2)) / 2e-2
    np.testing.assert_allclose(jax.grad(along)(0.0), numeric, rtol=1e-2)


@settings(max_examples=20, deadline=None)
@given(st.floats(1e-12, 1e12), st.integers(0, 8))
def test_power_rule_ignores_the_scale(scale, length):
    used, symbols = prefix([length, 8, 1, 64]), base.complex_normal(KEYS, (ROOM,))
    np.testing.assert_allclose(
        base.normalize_power(scale * symbols, used), base.normalize_power(symbols, used), rtol=1e-4, atol=1e-6
    )
