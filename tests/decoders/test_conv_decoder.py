"""Shapes, parameter counts, zero starts and final functions of the convolutional decoders."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from semjax.decoders import DECODERS
from semjax.decoders.conv import ConvDecoder, ResidualConvDecoder
from semjax.encoders import ENCODERS
from semjax.nn.modulate import SNRFiLM
from semjax.types import Public

LATENTS = jnp.asarray(np.random.default_rng(0).standard_normal((2, 2, 3, 16)).astype(np.float32))
PUBLIC = Public(snr_db=jnp.full(2, 10.0), rate=jnp.ones(2), height=32, width=48)
KEY = jax.random.key(0)


def count(tree: object) -> int:
    return sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(tree))


@pytest.mark.parametrize("name", ["conv", "residual_conv"])
def test_pictures_have_the_stride_of_the_net(name: str) -> None:
    net = DECODERS[name](modulation=SNRFiLM)
    image = jax.eval_shape(lambda: net.init_with_output(KEY, LATENTS, PUBLIC)[0])
    assert image.shape == (2, 2 * net.stride, 3 * net.stride, 3)
    assert image.dtype == jnp.float32
    assert net.stride == ENCODERS[name](features=1).stride


def test_public_form_has_the_published_number_of_parameters() -> None:
    kernels = 25 * (16 * 32 + 2 * 32 * 32 + 32 * 16 + 16 * 3)
    shapes = jax.eval_shape(ConvDecoder().init, KEY, LATENTS, PUBLIC)["params"]
    assert count(shapes) == kernels + (3 * 32 + 16 + 3) + 4 == 78_119
    # The published total, 156,249, counts the slope that its four decoder layers share once.
    assert count(shapes) + 78_133 - 3 == 156_249


def test_residual_decoder_stays_small() -> None:
    shapes = jax.eval_shape(ResidualConvDecoder().init, KEY, LATENTS, PUBLIC)["params"]
    assert 0.75e6 < count(shapes) < 1.25e6


@pytest.mark.parametrize(("net", "start"), [(ConvDecoder, 0.5), (ResidualConvDecoder, 0.0)])
def test_zero_start(net: Any, start: float) -> None:
    decoder = net(widths=(4, 4, 4, 4), last_init=jax.nn.initializers.zeros)
    image, _ = jax.jit(decoder.init_with_output)(KEY, LATENTS, PUBLIC)
    np.testing.assert_allclose(image, start)


def test_final_function_is_the_last_thing() -> None:
    sizes = {"widths": (4, 4), "strides": (1, 2, 2)}
    plain: Any = ConvDecoder(**sizes, final=lambda x: x)
    squashed: Any = ConvDecoder(**sizes)
    image, variables = jax.jit(plain.init_with_output)(KEY, LATENTS, PUBLIC)
    np.testing.assert_allclose(jax.jit(squashed.apply)(variables, LATENTS, PUBLIC), jax.nn.sigmoid(image), rtol=1e-6)
    assert float(jnp.min(image)) < 0.0


def test_half_precision_keeps_parameters_and_picture_in_single() -> None:
    half: Any = ResidualConvDecoder(widths=(8, 8), blocks=(1, 0), dtype=jnp.bfloat16)
    image, variables = jax.eval_shape(half.init_with_output, KEY, LATENTS, PUBLIC)
    assert image.shape == (2, 8, 12, 3)
    assert {leaf.dtype for leaf in jax.tree.leaves((image, variables))} == {jnp.dtype("float32")}


def test_a_decoder_says_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match="one stride more"):
        jax.eval_shape(ConvDecoder(strides=(1, 2, 2)).init, KEY, LATENTS, PUBLIC)
