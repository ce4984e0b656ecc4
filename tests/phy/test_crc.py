"""Check bits against a bit-serial twin, published check values, and the errors that theory says are found."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from semjax.phy.crc import CRC, CRC11, CRC16, CRC24A, CRC24B, CRCS, check_bits

RNG = np.random.default_rng(0)
# TS 38.212 clause 5.1: exponents of the generator polynomials.
EXPONENTS = {
    "CRC24A": (24, 23, 18, 17, 14, 11, 10, 7, 6, 5, 4, 3, 1, 0),
    "CRC24B": (24, 23, 6, 5, 1, 0),
    "CRC16": (16, 12, 5, 0),
    "CRC11": (11, 10, 9, 5, 0),
}
ALL = pytest.mark.parametrize("crc", list(CRCS.values()), ids=list(CRCS))


def long_division(bits, exponents):
    """Divides on paper: subtracts the generator wherever a leading one is left."""
    degree = exponents[0]
    row = np.concatenate([bits, np.zeros(degree, np.uint8)])
    for start in np.arange(len(bits)):
        if row[start]:
            row[start + degree - np.array(exponents)] ^= 1
    return row[len(bits) :]


def random_bits(*shape):
    return RNG.integers(0, 2, shape, dtype=np.uint8)


@ALL
def test_polynomial_is_that_of_the_standard(crc):
    assert crc.polynomial == sum(1 << exponent for exponent in EXPONENTS[crc.name])
    assert crc.length == EXPONENTS[crc.name][0]


@ALL
@pytest.mark.parametrize("room", [1, 10, 40, 8448 + 24])
def test_twin(crc, room):
    bits = random_bits(3, room)
    expected = np.stack([long_division(row, EXPONENTS[crc.name]) for row in bits])
    np.testing.assert_array_equal(crc.remainder(jnp.asarray(bits)), expected)
    np.testing.assert_array_equal(crc.append(jnp.asarray(bits)), np.concatenate([bits, expected], axis=1))


@pytest.mark.parametrize(("crc", "value"), [(CRC24A, 0xCDE703), (CRC24B, 0x23EF52), (CRC16, 0x31C3)])
def test_published_check_values(crc, value):
    # The "check" entries for "123456789" of CRC-24/LTE-A, CRC-24/LTE-B and CRC-16/XMODEM in the RevEng catalogue.
    bits = np.unpackbits(np.frombuffer(b"123456789", np.uint8))[None]
    checks = crc.remainder(jnp.asarray(bits))[0]
    assert int("".join(map(str, np.asarray(checks))), 2) == value


@ALL
def test_rows_of_many_lengths(crc):
    room = 90
    lengths = np.arange(room + 1)
    bits = random_bits(room + 1, room)
    expected = np.stack([long_division(row[:n], EXPONENTS[crc.name]) for row, n in zip(bits, lengths, strict=True)])
    np.testing.assert_array_equal(crc.remainder(jnp.asarray(bits), jnp.asarray(lengths)), expected)
    whole = np.asarray(crc.append(jnp.asarray(bits), jnp.asarray(lengths)))
    for row, sent, n, checks in zip(whole, bits, lengths, expected, strict=True):
        np.testing.assert_array_equal(row[: n + crc.length], np.concatenate([sent[:n], checks]))
        assert not row[n + crc.length :].any()
    # What lies beyond a row's length is ignored.
    beyond = np.where(np.arange(whole.shape[1]) >= (lengths + crc.length)[:, None], 1, whole).astype(np.uint8)
    assert crc.check(jnp.asarray(beyond), jnp.asarray(lengths + crc.length)).all()
    flipped = whole ^ (np.arange(whole.shape[1]) == lengths[:, None]).astype(np.uint8)
    assert not crc.check(jnp.asarray(flipped), jnp.asarray(lengths + crc.length)).any()


def test_a_transport_block_of_many_code_blocks():
    room = 400_000
    bits = random_bits(2, room)
    lengths = jnp.array([room - 1, 2976])
    checks = CRC24A.remainder(jnp.asarray(bits), lengths)
    np.testing.assert_array_equal(checks[1], long_division(bits[1, :2976], EXPONENTS["CRC24A"]))
    shifted = np.concatenate([np.zeros((1, 1), np.uint8), bits[:1, : room - 1]], axis=1)
    np.testing.assert_array_equal(checks[0], CRC24A.remainder(jnp.asarray(shifted))[0])


@ALL
def test_every_single_double_and_burst_error_is_found(crc):
    room = 60
    sent = np.asarray(crc.append(jnp.asarray(random_bits(1, room))))
    total = sent.shape[1]
    single = np.eye(total, dtype=np.uint8)
    first, second = np.triu_indices(total, 1)
    bursts = np.zeros((400, total), np.uint8)
    for burst in bursts:
        width = RNG.integers(1, crc.length + 1)
        start = RNG.integers(0, total - width + 1)
        burst[start : start + width] = RNG.integers(0, 2, width)
        burst[[start, start + width - 1]] = 1
    errors = np.concatenate([single, single[first] ^ single[second], bursts])
    assert crc.check(jnp.asarray(sent)).all()
    assert not crc.check(jnp.asarray(sent ^ errors)).any()
    # The generator itself, anywhere, is the shortest error that is not found.
    hidden = np.zeros((1, total), np.uint8)
    hidden[0, 7 + crc.length - np.array(EXPONENTS[crc.name])] = 1
    assert crc.check(jnp.asarray(sent ^ hidden)).all()


def test_linear_and_traced():
    left, right = random_bits(4, 99), random_bits(4, 99)
    remainder = jax.jit(CRC24B.remainder)
    both = remainder(jnp.asarray(left)) ^ remainder(jnp.asarray(right))
    np.testing.assert_array_equal(remainder(jnp.asarray(left ^ right)), both)
    assert not remainder(jnp.zeros((4, 99), jnp.uint8)).any()
    assert jax.jit(CRC11.append)(jnp.asarray(left), jnp.array([0, 1, 50, 99])).shape == (4, 110)
    assert hash(CRC24A) != hash(CRC24B)


def test_errors_say_what_is_allowed():
    with pytest.raises(ValueError, match="range from 0 to 2"):
        CRC16.remainder(jnp.array([[0, 1, 2]], jnp.uint8))
    with pytest.raises(ValueError, match="between 0 and the room of 3"):
        CRC16.remainder(jnp.zeros((1, 3), jnp.uint8), jnp.array([4]))
    with pytest.raises(ValueError, match="16 check bits"):
        CRC16.check(jnp.zeros((1, 3), jnp.uint8))
    with pytest.raises(ValueError, match="constant term"):
        CRC(name="even", polynomial=0b110)
    with pytest.raises(ValueError, match="float32"):
        check_bits(np.zeros(3, np.float32))
    check_bits(np.zeros((2, 0), np.uint8))
    check_bits(np.ones(2, np.bool_))
