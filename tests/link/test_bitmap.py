"""Bitmaps: exact, never longer than the bits themselves and one, short for regions."""

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from semjax.contracts import SideCodec
from semjax.link.adaptive import AdaptivePrior
from semjax.link.bitmap import Bitmap
from semjax.types import Bits

SHAPES = arrays.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=6).filter(lambda shape: shape[0] > 0)


@settings(max_examples=30, deadline=None)
@given(arrays.arrays(bool, SHAPES))
def test_round_trip_in_no_more_than_the_bits_and_one(array):
    codec = Bitmap()
    bits = codec.pack(array)
    back = codec.unpack(bits, np.zeros_like(array))
    np.testing.assert_array_equal(back, array)
    assert back.dtype == array.dtype
    assert np.all(np.asarray(bits.length) <= array[0].size + 1)


def test_integers_are_as_good_as_truth_values():
    array = np.random.default_rng(0).integers(0, 2, (3, 5, 7)).astype(np.int32)
    bits = Bitmap().pack(array)
    np.testing.assert_array_equal(bits.length, Bitmap().pack(array.astype(bool)).length)
    np.testing.assert_array_equal(Bitmap().unpack(bits, array), array)


def test_regions_cost_less_than_scattered_bits():
    regions = np.zeros((2, 16, 16), bool)
    regions[0, 3:9, 5:14] = regions[1, 10:16, 0:6] = True
    rng = np.random.default_rng(1)
    scattered = np.stack([rng.permutation(region.reshape(-1)).reshape(16, 16) for region in regions])
    inside, outside = (np.asarray(Bitmap().pack(maps).length) for maps in (regions, scattered))
    share = regions.mean(axis=(1, 2))
    entropy = -256 * (share * np.log2(share) + (1 - share) * np.log2(1 - share))
    assert np.all(inside < 0.6 * entropy)
    assert np.all(outside < entropy + 12)
    np.testing.assert_array_equal(Bitmap().unpack(Bitmap().pack(regions), regions), regions)


def test_fair_bits_are_sent_as_they_are():
    array = np.random.default_rng(2).random((4, 200)) < 0.5
    bits = Bitmap(prior=AdaptivePrior()).pack(array)
    np.testing.assert_array_equal(bits.length, 201)
    np.testing.assert_array_equal(bits.bits[:, 1:], array)


@settings(max_examples=30, deadline=None)
@given(arrays.arrays(np.uint8, st.tuples(st.just(3), st.integers(0, 40))), st.integers(-3, 60))
def test_damage_gives_bits(damaged, length):
    like = np.zeros((3, 4, 5), np.int32)
    back = Bitmap().unpack(Bits(bits=jnp.asarray(damaged), length=jnp.array([length, 5, 0])), like)
    assert back.shape == like.shape
    assert set(np.unique(back)) <= {0, 1}
    assert not back[2].any()


@pytest.mark.parametrize("rows", [1500, pytest.param(30_000, marks=pytest.mark.nightly)])
def test_random_streams_give_bits(rows):
    drawn = np.random.default_rng(3).integers(0, 2, (rows, 30)).astype(np.uint8)
    bits = Bits(bits=jnp.asarray(drawn), length=jnp.asarray(np.arange(rows) % 31))
    assert set(np.unique(Bitmap(prior=AdaptivePrior()).unpack(bits, np.zeros((rows, 3, 4), np.int8)))) <= {0, 1}


def test_what_is_no_bitmap_is_refused():
    with pytest.raises(ValueError, match="Bitmap holds 0 to 1, got 2 in row 1"):
        Bitmap().pack(np.array([[0, 1], [2, 0]]))
    with pytest.raises(ValueError, match="float"):
        Bitmap().pack(np.zeros((1, 2)))
    with pytest.raises(ValueError, match="shape"):
        Bitmap().unpack(Bitmap().pack(np.zeros((1, 2), bool)), np.zeros((2, 2), bool))


def test_is_a_side_codec():
    assert isinstance(Bitmap(), SideCodec)
    assert hash(Bitmap()) == hash(Bitmap())
