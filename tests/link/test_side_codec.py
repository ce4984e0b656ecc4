"""Fixed-width coding of integer streams."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from semjax.contracts import SideCodec
from semjax.link.side import FixedWidth
from semjax.types import Bits

SHAPES = arrays.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=4)


@st.composite
def streams(draw):
    width = draw(st.integers(1, 31))
    return width, draw(arrays.arrays(np.int32, SHAPES, elements=st.integers(0, 2**width - 1)))


@settings(max_examples=40, deadline=None)
@given(streams())
def test_round_trip(stream):
    width, array = stream
    codec = FixedWidth(bits=width)
    bits = codec.pack(array)
    assert bits.bits.shape == (array.shape[0], width * array[0].size)
    np.testing.assert_array_equal(bits.length, width * array[0].size)
    back = codec.unpack(bits, np.zeros_like(array))
    np.testing.assert_array_equal(back, array)
    assert back.dtype == array.dtype


def test_most_significant_bit_first():
    np.testing.assert_array_equal(FixedWidth(bits=4).pack(np.array([[1, 12]])).bits, [[0, 0, 0, 1, 1, 1, 0, 0]])


def test_truth_values_take_one_bit():
    keymap = np.array([[True, False], [False, False]])
    bits = FixedWidth(bits=1).pack(keymap)
    np.testing.assert_array_equal(FixedWidth(bits=1).unpack(bits, keymap), keymap)


@settings(max_examples=40, deadline=None)
@given(arrays.arrays(np.uint8, st.tuples(st.just(2), st.integers(0, 40))), st.integers(-3, 60))
def test_damage_gives_values_in_range(damaged, length):
    like = np.zeros((2, 3), np.int32)
    bits = Bits(bits=jnp.asarray(damaged), length=jnp.array([length, 5]))
    back = FixedWidth(bits=6).unpack(bits, like)
    assert back.shape == like.shape
    assert back.min() >= 0
    assert back.max() < 64


def test_missing_bits_read_as_zero():
    codec, array = FixedWidth(bits=8), np.array([[255, 255]])
    short = dataclasses.replace(codec.pack(array), length=jnp.array([4]))
    np.testing.assert_array_equal(codec.unpack(short, array), [[0xF0, 0]])


@pytest.mark.parametrize("value", [-1, 256, 1000])
def test_values_out_of_range_are_named(value):
    with pytest.raises(ValueError, match=rf"0 to 255, got {value} in row 1"):
        FixedWidth(bits=8).pack(np.array([[3, 4], [5, value]]))


def test_what_cannot_be_coded_is_refused():
    with pytest.raises(ValueError, match="float"):
        FixedWidth().pack(np.ones((1, 2)))
    with pytest.raises(ValueError, match="1 to 31"):
        FixedWidth(bits=32)
    bits = FixedWidth(bits=8).pack(np.array([[200]]))
    with pytest.raises(ValueError, match="int8 cannot hold"):
        FixedWidth(bits=8).unpack(bits, np.zeros((1, 1), np.int8))
    with pytest.raises(ValueError, match="shape"):
        FixedWidth(bits=8).unpack(bits, np.zeros((2, 1), np.int32))


def test_is_a_side_codec():
    assert isinstance(FixedWidth(), SideCodec)
    assert hash(FixedWidth(bits=3)) == hash(FixedWidth(bits=3))
