"""Shapes, parameter counts, zero starts and computing types of the convolutional encoders."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from semjax.encoders import ENCODERS
from semjax.encoders.conv import ConvEncoder, ResidualConvEncoder
from semjax.nn.modulate import SNRFiLM
from semjax.types import Public

IMAGE = jnp.asarray(np.random.default_rng(0).random((2, 32, 48, 3), dtype=np.float32))
PUBLIC = Public(snr_db=jnp.full(2, 10.0), rate=jnp.ones(2), height=32, width=48)
KEY = jax.random.key(0)


def count(tree: object) -> int:
    return sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(tree))


@pytest.mark.parametrize("name", ["conv", "residual_conv"])
def test_latents_have_the_stride_of_the_net(name: str) -> None:
    net = ENCODERS[name](features=10, modulation=SNRFiLM)
    z = jax.eval_shape(lambda: net.init_with_output(KEY, IMAGE, PUBLIC)[0])
    assert z.shape == (2, 32 // net.stride, 48 // net.stride, 10)
    assert z.dtype == jnp.float32


def test_public_form_has_the_published_number_of_parameters() -> None:
    kernels = 25 * (3 * 16 + 16 * 32 + 2 * 32 * 32 + 32 * 16)
    shapes = jax.eval_shape(ConvEncoder(features=16).init, KEY, IMAGE, PUBLIC)["params"]
    assert count(shapes) == kernels + (16 + 3 * 32 + 16) + 5 == 78_133
    assert set(shapes) == {f"{kind}_{i}" for kind in ("conv", "prelu") for i in range(5)}


def test_residual_encoder_stays_small() -> None:
    shapes = jax.eval_shape(ResidualConvEncoder(features=128).init, KEY, IMAGE, PUBLIC)["params"]
    assert 0.75e6 < count(shapes) < 1.25e6


@pytest.mark.parametrize(("net", "last"), [(ConvEncoder, "conv_4"), (ResidualConvEncoder, "last")])
def test_zero_start_and_gradient_out_of_it(net: Any, last: str) -> None:
    small = net(features=4, widths=(4, 4, 4, 4), last_init=jax.nn.initializers.zeros)
    encode = jax.jit(jax.value_and_grad(lambda v: jnp.sum(small.apply(v, IMAGE, PUBLIC) + 1.0)))
    variables = jax.jit(small.init)(KEY, IMAGE, PUBLIC)
    total, slopes = encode(variables)
    assert float(total) == 2 * (32 // small.stride) * (48 // small.stride) * 4
    assert float(jnp.max(jnp.abs(slopes["params"][last]["kernel"]))) > 0.0


def test_half_precision_keeps_parameters_and_latents_in_single() -> None:
    sizes = {"features": 4, "widths": (8, 8), "strides": (2, 2)}
    half: Any = ConvEncoder(**sizes, dtype=jnp.bfloat16)
    single: Any = ConvEncoder(**sizes)
    z, variables = jax.jit(half.init_with_output)(KEY, IMAGE, PUBLIC)
    assert {leaf.dtype for leaf in jax.tree.leaves((z, variables))} == {jnp.dtype("float32")}
    truth = jax.jit(single.apply)(variables, IMAGE, PUBLIC)
    error = float(jnp.sqrt(jnp.mean((z - truth) ** 2) / jnp.mean(truth**2)))
    assert 1e-4 < error < 0.05


@pytest.mark.parametrize(("net", "side"), [(ConvEncoder, 4), (ResidualConvEncoder, 16)])
def test_an_encoder_says_which_sides_it_needs(net: Any, side: int) -> None:
    with pytest.raises(ValueError, match=f"multiples of {side}"):
        jax.eval_shape(net(features=2).init, KEY, IMAGE[:, :30], PUBLIC)
