"""What checks answer, against formulas in double precision."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from semjax.phy.check_rules import CHECK_RULES, CheckRule, MinSum, SumProduct

RNG = np.random.default_rng(0)


def told(spread: float, degree: int = 7) -> np.ndarray:
    return RNG.normal(0, spread, (degree, 5, 40)).astype(np.float32)


def others(values: np.ndarray, join) -> np.ndarray:
    """Joins all messages but one's own, for each edge."""
    return np.stack([join(np.delete(values, edge, axis=0)) for edge in range(values.shape[0])])


@pytest.mark.parametrize("degree", [2, 3, 19])
def test_sum_product_is_the_tanh_rule(degree):
    messages = told(4.0, degree)
    expected = others(messages.astype(np.float64), lambda v: 2 * np.arctanh(np.prod(np.tanh(v / 2), axis=0)))
    found = np.asarray(jax.jit(SumProduct())(jnp.asarray(messages)))
    quiet = np.abs(expected) < 8
    # phi(8) = 7e-4 is told from 1 in float32 to about 2e-4 of it; louder answers are worse, and may be.
    np.testing.assert_allclose(found[quiet], expected[quiet], rtol=2e-3, atol=1e-6)
    np.testing.assert_allclose(found, expected, atol=1.0)
    assert quiet.mean() > 0.7


def test_sum_product_at_the_extremes():
    answer = jax.jit(SumProduct())
    found = np.asarray(answer(jnp.asarray(np.reshape([20.0, -20.0, 0.0, 20.0], (4, 1, 1)), jnp.float32)))[:, 0, 0]
    np.testing.assert_allclose(found[[0, 1, 3]], 0, atol=1e-6)  # nothing known of one other bit
    assert found[2] < -14
    assert np.all(np.isfinite(np.asarray(answer(jnp.full((4, 1, 1), 1e30)))))


@pytest.mark.parametrize(("scale", "offset"), [(1.0, 0.0), (1.0, 0.5), (0.75, 0.0), (0.8, 0.3)])
@pytest.mark.parametrize("ties", [False, True])
def test_min_sum_is_the_least_of_the_others(scale, offset, ties):
    messages = np.round(told(1.5)) if ties else told(4.0)  # rounded, two or three are often equal, or zero

    def answer(values):
        sign = np.prod(np.where(values < 0, -1, 1), axis=0)
        return sign * np.maximum(scale * np.min(np.abs(values), axis=0) - offset, 0)

    found = jax.jit(MinSum(scale=scale, offset=offset))(jnp.asarray(messages))
    np.testing.assert_allclose(found, others(messages.astype(np.float64), answer), rtol=1e-6, atol=1e-6)


def test_rules_have_names():
    assert list(CHECK_RULES) == ["sum_product", "min_sum", "offset_min_sum", "normalised_min_sum"]
    assert all(isinstance(rule, CheckRule) and hash(rule) is not None for rule in CHECK_RULES.values())
    assert CHECK_RULES["offset_min_sum"] == MinSum(offset=0.5)
    assert CHECK_RULES["normalised_min_sum"] == MinSum(scale=0.75)
