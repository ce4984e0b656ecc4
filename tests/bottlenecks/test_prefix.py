"""The rate token's layout: a prefix by feature pairs, exact on the way back."""

import jax.numpy as jnp
import numpy as np
import pytest

from semjax.bottlenecks.analog import Analog, ScaledAnalog
from semjax.bottlenecks.prefix import PrefixRate
from semjax.types import Public, Received

LATENTS = jnp.asarray(np.random.default_rng(0).normal(size=(3, 2, 4, 6)), jnp.float32)


def public(rate: list[float]) -> Public:
    return Public(snr_db=jnp.full(3, 60.0), rate=jnp.asarray(rate, jnp.float32), height=32, width=64)


def test_round_trip_and_order() -> None:
    symbols = PrefixRate().symbols(LATENTS)
    assert symbols.shape == (3, 24)
    np.testing.assert_array_equal(symbols[:, 0], LATENTS[:, 0, 0, 0] + 1j * LATENTS[:, 0, 0, 1])
    np.testing.assert_array_equal(symbols[:, 8], LATENTS[:, 0, 0, 2] + 1j * LATENTS[:, 0, 0, 3])
    np.testing.assert_array_equal(PrefixRate().reals(symbols.real, symbols.imag, (2, 4, 6)), LATENTS)


@pytest.mark.parametrize(("token", "pairs"), [(1.0, 3), (2 / 3, 2), (0.34, 1), (0.01, 1), (2.0, 3), (-1.0, 1)])
def test_pairs_of_a_token(token: float, pairs: int) -> None:
    used = PrefixRate().used(jnp.asarray([token]), (2, 4, 6))
    np.testing.assert_array_equal(used[0], np.arange(24) < 8 * pairs)


def test_power_and_scale_are_those_of_what_is_sent() -> None:
    """The rms that is sent, times what arrives, is what was to be sent; the rest is marked, zero and without gain."""
    bottleneck = ScaledAnalog(stride=16, features=6, layout=PrefixRate())
    known = public([1 / 3, 2 / 3, 1.0])
    signal = bottleneck.pack(LATENTS * jnp.asarray([1.0, 0.2, 3.0])[:, None, None, None], known)
    np.testing.assert_allclose(jnp.sum(jnp.abs(signal.symbols) ** 2, 1), jnp.sum(signal.used, 1), rtol=1e-5)
    seen = Received(symbols=signal.symbols + 5.0, noise_var=jnp.full(signal.symbols.shape, 1e-6), ints=signal.ints)
    seen = Received(
        symbols=jnp.where(signal.used == 1, signal.symbols, seen.symbols), noise_var=seen.noise_var, ints=signal.ints
    )
    back = bottleneck.unpack(seen, known)
    expected = LATENTS * jnp.asarray([1.0, 0.2, 3.0])[:, None, None, None] * back.sent
    np.testing.assert_allclose(back.values * back.scale[:, None, None, None], expected, rtol=0.02, atol=1e-4)
    np.testing.assert_array_equal(back.sent[:, 0, 0], [[1, 1, 0, 0, 0, 0], [1, 1, 1, 1, 0, 0], [1] * 6])
    np.testing.assert_array_equal(back.gain, back.sent)
    np.testing.assert_allclose(back.effective_snr_db(), 60.0, atol=1e-3)


def test_odd_features_are_refused() -> None:
    with pytest.raises(ValueError, match="must be even"):
        Analog(stride=16, features=3, layout=PrefixRate()).pack(jnp.zeros((1, 2, 2, 3)), public([1.0]))
