"""Peaks of a signal against closed forms: constant modulus, one peak, and the exponential law of a Gaussian signal."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from semjax.metrics import SIGNAL_METRICS

COMPILED = {name: jax.jit(metric) for name, metric in SIGNAL_METRICS.items()}
papr_db, power_p999_db = COMPILED["papr_db"], COMPILED["power_p999_db"]


@pytest.mark.parametrize("name", sorted(SIGNAL_METRICS))
def test_a_constant_modulus_has_no_peak(name: str) -> None:
    angles = jnp.asarray(np.random.default_rng(0).uniform(0, 2 * np.pi, (3, 64)), jnp.float32)
    found = COMPILED[name](3.0 * jnp.exp(1j * angles), jnp.ones((3, 64)))
    np.testing.assert_allclose(found, 0.0, atol=1e-4)


def test_one_symbol_alone_is_the_peak_and_unused_ones_do_not_count() -> None:
    symbols = jnp.zeros((2, 8), jnp.complex64).at[:, 1].set(1j)
    used = jnp.stack([jnp.ones(8), jnp.arange(8.0) < 4])
    np.testing.assert_allclose(papr_db(symbols, used), 10 * np.log10([8, 4]), atol=1e-4)


def test_the_power_of_a_gaussian_signal_is_exponential() -> None:
    parts = jax.random.normal(jax.random.key(0), (2, 1, 100_000))
    symbols, used = jax.lax.complex(parts[0], parts[1]), jnp.ones((1, 100_000))
    assert float(power_p999_db(symbols, used)[0]) == pytest.approx(10 * np.log10(np.log(1000)), abs=0.3)
    assert float(papr_db(symbols, used)[0]) > 10.0
    half = used.at[:, 50_000:].set(0)
    np.testing.assert_allclose(power_p999_db(symbols * half, half), power_p999_db(symbols, used), atol=0.4)


def test_no_power_has_no_ratio() -> None:
    nothing = jnp.zeros((1, 4), jnp.complex64)
    for metric in COMPILED.values():
        assert bool(jnp.isnan(metric(nothing, jnp.ones((1, 4))))[0])
        assert bool(jnp.isnan(metric(nothing + 1, jnp.zeros((1, 4))))[0])
