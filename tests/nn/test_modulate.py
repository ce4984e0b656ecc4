"""Modulation starts as the identity and then depends on each picture's own SNR and rate."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from semjax.nn.modulate import SNRFiLM, Unmodulated
from semjax.types import Public

X = jnp.asarray(np.random.default_rng(0).standard_normal((3, 4, 4, 6)).astype(np.float32))
PUBLIC = Public(snr_db=jnp.array([0.0, 10.0, 0.0]), rate=jnp.array([1.0, 1.0, 0.5]), height=4, width=4)


def test_film_starts_as_the_identity() -> None:
    y, _ = SNRFiLM(width=6).init_with_output(jax.random.key(0), X, PUBLIC)
    np.testing.assert_array_equal(y, X)


def test_film_depends_on_snr_and_on_rate_of_its_own_picture() -> None:
    film: Any = SNRFiLM(width=6)
    params = film.init(jax.random.key(0), X, PUBLIC)["params"]
    params["out"]["kernel"] = jax.random.normal(jax.random.key(1), params["out"]["kernel"].shape)
    same = jnp.broadcast_to(X[:1], X.shape)
    y = film.apply({"params": params}, same, PUBLIC)
    assert float(jnp.max(jnp.abs(y[0] - y[1]))) > 0.1
    assert float(jnp.max(jnp.abs(y[0] - y[2]))) > 0.1
    alone = film.apply({"params": params}, same[1:2], jax.tree.map(lambda v: v[1:2], PUBLIC))
    np.testing.assert_allclose(alone[0], y[1], rtol=1e-5, atol=1e-5)


def test_unmodulated_has_no_parameters() -> None:
    y, variables = Unmodulated(width=6).init_with_output(jax.random.key(0), X, PUBLIC)
    np.testing.assert_array_equal(y, X)
    assert not jax.tree.leaves(variables)
