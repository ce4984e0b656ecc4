"""Transposed convolution against its definition, its gradients against the plain rule, shuffles, residual block."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from semjax.nn.conv import (
    ConvTranspose,
    PReLU,
    ResidualBlock,
    depth_to_space,
    space_to_depth,
    strided_conv,
    transposed_conv,
)

RNG = np.random.default_rng(0)


def scattered(x: np.ndarray, kernel: np.ndarray, stride: int) -> np.ndarray:
    """The definition: every input pixel adds its kernel to a canvas from which the margins are cut."""
    b, h, w, _ = x.shape
    k, pad = kernel.shape[0], (kernel.shape[0] - 1) // 2
    canvas = np.zeros((b, stride * h + 2 * k, stride * w + 2 * k, kernel.shape[2]))
    for i in range(h):
        for j in range(w):
            stamp = np.einsum("bi,acoi->baco", x[:, i, j], kernel)
            canvas[:, stride * i : stride * i + k, stride * j : stride * j + k] += stamp
    return canvas[:, pad : pad + stride * h, pad : pad + stride * w]


def pair() -> list[np.ndarray]:
    return [RNG.standard_normal(s).astype(np.float32) for s in ((2, 4, 3, 5), (5, 5, 2, 5))]


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_transposed_conv_is_its_definition(stride: int) -> None:
    x, kernel = pair()
    y = transposed_conv(jnp.asarray(x), jnp.asarray(kernel), stride)
    assert y.shape == (2, 4 * stride, 3 * stride, 2)
    np.testing.assert_allclose(y, scattered(x, kernel, stride), atol=1e-5)


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_the_two_convolutions_are_each_others_transpose(stride: int) -> None:
    x, kernel = (jnp.asarray(a) for a in pair())
    u = jnp.asarray(RNG.standard_normal((2, 4 * stride, 3 * stride, 2)).astype(np.float32))
    left = jnp.vdot(strided_conv(u, kernel, stride), x)
    np.testing.assert_allclose(left, jnp.vdot(u, transposed_conv(x, kernel, stride)), rtol=1e-4)


@pytest.mark.parametrize("stride", [1, 2])
def test_gradients_are_the_plain_ones(stride: int) -> None:
    x, kernel = (jnp.asarray(a) for a in pair())
    u = jnp.asarray(RNG.standard_normal((2, 4 * stride, 3 * stride, 2)).astype(np.float32))
    numbers = ("NHWC", "HWIO", "NHWC")

    def plain_up(x: jax.Array, kernel: jax.Array) -> jax.Array:
        flipped = kernel[::-1, ::-1].transpose(0, 1, 3, 2)
        pads, dilated = [(2, 2 + stride - 1)] * 2, (stride, stride)
        return jax.lax.conv_general_dilated(x, flipped, (1, 1), pads, lhs_dilation=dilated, dimension_numbers=numbers)

    def plain_down(u: jax.Array, kernel: jax.Array) -> jax.Array:
        return jax.lax.conv_general_dilated(u, kernel, (stride, stride), [(2, 2)] * 2, dimension_numbers=numbers)

    for ours, plain, into, out in ((transposed_conv, plain_up, x, u), (strided_conv, plain_down, u, x)):
        y, pull = jax.vjp(lambda a, k, f=ours: f(a, k, stride), into, kernel)
        truth, plain_pull = jax.vjp(plain, into, kernel)
        np.testing.assert_allclose(y, truth, rtol=1e-5, atol=2e-5)
        for mine, plain_one in zip(pull(out), plain_pull(out), strict=True):
            np.testing.assert_allclose(mine, plain_one, rtol=1e-5, atol=2e-5)


def test_convolutions_refuse_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match="multiples of 2"):
        strided_conv(jnp.zeros((1, 5, 4, 3)), jnp.zeros((5, 5, 3, 2)), 2)
    with pytest.raises(ValueError, match="k, 3, cout"):
        strided_conv(jnp.zeros((1, 4, 4, 3)), jnp.zeros((5, 5, 2, 3)), 2)
    with pytest.raises(ValueError, match="odd"):
        transposed_conv(jnp.zeros((1, 4, 4, 3)), jnp.zeros((4, 4, 2, 3)), 2)
    with pytest.raises(ValueError, match="cout, 3"):
        transposed_conv(jnp.zeros((1, 4, 4, 3)), jnp.zeros((5, 5, 3, 2)), 2)


def test_conv_transpose_keeps_the_variance_and_computes_in_its_dtype() -> None:
    x = jnp.asarray(RNG.standard_normal((2, 16, 16, 24)).astype(np.float32))
    layer: Any = ConvTranspose(20, stride=2)
    y, variables = jax.jit(layer.init_with_output)(jax.random.key(0), x)
    assert y.shape == (2, 32, 32, 20)
    assert 1.0 < float(jnp.var(y)) < 3.0  # He: twice the input's
    half: Any = ConvTranspose(20, stride=2, dtype=jnp.bfloat16)
    assert jax.eval_shape(half.apply, variables, x).dtype == jnp.bfloat16
    assert {leaf.dtype for leaf in jax.tree.leaves(jax.eval_shape(half.init, jax.random.key(0), x))} == {
        jnp.dtype("float32")
    }


def test_space_to_depth_has_the_documented_order() -> None:
    x = RNG.standard_normal((2, 4, 6, 3)).astype(np.float32)
    y = space_to_depth(jnp.asarray(x), 2)
    assert y.shape == (2, 2, 3, 12)
    assert y[1, 1, 2, (1 * 2 + 0) * 3 + 2] == x[1, 1 * 2 + 1, 2 * 2 + 0, 2]
    np.testing.assert_array_equal(depth_to_space(y, 2), x)


def test_shuffles_refuse_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match="multiples of 2"):
        space_to_depth(jnp.zeros((1, 3, 4, 1)), 2)
    with pytest.raises(ValueError, match="multiple of 4"):
        depth_to_space(jnp.zeros((1, 2, 2, 6)), 2)


def test_residual_block_starts_as_the_identity_and_can_leave_it() -> None:
    x = jnp.asarray(RNG.standard_normal((1, 5, 5, 4)).astype(np.float32))
    block: Any = ResidualBlock(4)
    y, variables = jax.jit(block.init_with_output)(jax.random.key(0), x)
    np.testing.assert_array_equal(y, x)
    slope = jax.jit(jax.grad(lambda v: jnp.sum(block.apply(v, x) ** 2)))(variables)["params"]["conv_1"]["kernel"]
    assert float(jnp.max(jnp.abs(slope))) > 0.1


def test_prelu_bends_at_zero() -> None:
    y, variables = PReLU().init_with_output(jax.random.key(0), jnp.array([-2.0, 0.0, 3.0]))
    np.testing.assert_allclose(y, [-0.5, 0.0, 3.0])
    assert jax.tree.map(jnp.shape, variables) == {"params": {"negative_slope": ()}}
