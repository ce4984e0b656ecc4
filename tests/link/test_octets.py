"""Strings of bytes: exact, counted to the bit, compressed only where it pays."""

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from semjax.contracts import SideCodec
from semjax.link.octets import Deflate, Octets, from_bytes, to_bytes
from semjax.types import Bits

PHRASES = b"a blue circle left of a red square on a green background"
STRINGS = st.lists(st.binary(max_size=30), min_size=1, max_size=4)
CODECS = (
    Octets(max_length=30),
    Octets(max_length=30, compression=Deflate()),
    Octets(max_length=30, compression=Deflate(dictionary=PHRASES)),
)


@pytest.mark.parametrize("codec", CODECS, ids=repr)
@settings(max_examples=25, deadline=None)
@given(strings=STRINGS)
def test_round_trip(codec, strings):
    array = from_bytes(strings, max_length=30)
    assert to_bytes(array) == strings
    bits = codec.pack(array)
    back = codec.unpack(bits, np.zeros_like(array))
    np.testing.assert_array_equal(back, array)
    assert back.dtype == array.dtype
    flag = 0 if codec.compression is None else 1
    assert np.all(np.asarray(bits.length) <= np.array([8 * len(string) + flag for string in strings]))


def test_bytes_cost_eight_bits_most_significant_first():
    bits = Octets(max_length=4).pack(from_bytes([b"\x81", b""], max_length=4))
    np.testing.assert_array_equal(bits.length, [8, 0])
    np.testing.assert_array_equal(bits.bits[0], [1, 0, 0, 0, 0, 0, 0, 1])


def test_a_known_dictionary_shortens_what_it_contains():
    array = from_bytes([b"a red square on a green background"], max_length=80)
    raw, alone, told = (
        int(Octets(max_length=80, compression=how).pack(array).length[0])
        for how in (None, Deflate(), Deflate(dictionary=PHRASES))
    )
    assert told < 0.3 * raw
    assert told < alone <= raw + 1


def test_large_strings_round_trip():
    rng = np.random.default_rng(0)
    strings = [rng.integers(0, 4, 20_000).astype(np.uint8).tobytes(), bytes(20_000), rng.bytes(20_000)]
    array = from_bytes(strings, max_length=20_000)
    codec = Octets(max_length=20_000, compression=Deflate())
    bits = codec.pack(array)
    assert to_bytes(codec.unpack(bits, array)) == strings
    assert bits.length[2] == 8 * 20_000 + 1


def check_octets(back: np.ndarray) -> None:
    assert back.min(initial=0) >= -1
    assert back.max(initial=0) <= 255
    to_bytes(back)  # refuses a byte behind a -1


@pytest.mark.parametrize("codec", CODECS, ids=repr)
@settings(max_examples=25, deadline=None)
@given(damaged=arrays.arrays(np.uint8, st.tuples(st.just(2), st.integers(0, 90))), length=st.integers(-3, 120))
def test_damage_gives_octets(codec, damaged, length):
    like = np.zeros((2, 7), np.int32)
    back = codec.unpack(Bits(bits=jnp.asarray(damaged), length=jnp.array([length, 5])), like)
    assert back.shape == like.shape
    check_octets(back)


@pytest.mark.parametrize("trials", [2000, pytest.param(50_000, marks=pytest.mark.nightly)])
def test_flipped_bits_of_compressed_strings(trials):
    rng = np.random.default_rng(1)
    codec = Octets(max_length=60, compression=Deflate(dictionary=PHRASES))
    array = from_bytes([PHRASES[:40] + b"!"], max_length=60)
    sent = codec.pack(array)
    assert sent.bits[0, 0] == 1
    room = sent.bits.shape[1]
    damaged = np.asarray(sent.bits) ^ (rng.random((trials, room)) < 0.03).astype(np.uint8)
    bits = Bits(bits=jnp.asarray(damaged), length=jnp.asarray(rng.integers(0, room + 1, trials)))
    check_octets(codec.unpack(bits, np.zeros((trials, 60), np.int16)))


def test_a_small_stream_cannot_grow_without_bound():
    bomb = Deflate().compress(bytes(10_000_000))
    assert Deflate().decompress(bomb, limit=100) == bytes(100)
    assert Deflate().decompress(bomb, limit=0) == b""


def test_what_came_before_the_damage_is_kept():
    packed = Deflate().compress(bytes(range(200)) * 3)
    assert (bytes(range(200)) * 3).startswith(Deflate().decompress(packed[:150], limit=600))
    assert len(Deflate().decompress(packed[:150], limit=600)) > 50


def test_what_is_no_string_is_refused():
    with pytest.raises(ValueError, match="string 1 has 5 bytes, allowed are 0 to 4"):
        from_bytes([b"", b"12345"], max_length=4)
    with pytest.raises(ValueError, match="string 0 has 5 bytes, allowed are 0 to 4"):
        Octets(max_length=4).pack(from_bytes([b"12345"], max_length=5))
    with pytest.raises(ValueError, match="row 1 has a byte behind a -1"):
        Octets(max_length=4).pack(np.array([[1, 2], [-1, 2]]))
    with pytest.raises(ValueError, match="-1 to 255, got 256 in row 0"):
        Octets(max_length=4).pack(np.array([[256]]))
    with pytest.raises(ValueError, match="float"):
        Octets(max_length=4).pack(np.zeros((1, 1)))
    with pytest.raises(ValueError, match="uint8 cannot hold -1 to 255"):
        Octets(max_length=1).unpack(Octets(max_length=1).pack(np.array([[7]])), np.zeros((1, 1), np.uint8))
    with pytest.raises(ValueError, match="max_length=-1"):
        Octets(max_length=-1)


def test_is_a_side_codec():
    for codec in CODECS:
        assert isinstance(codec, SideCodec)
        assert isinstance(hash(codec), int)
