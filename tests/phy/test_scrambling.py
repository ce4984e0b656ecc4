"""The scrambling sequence against the recurrences of TS 38.211 5.2.1, bit by bit."""

import numpy as np
import pytest

from semjax.phy.scrambling import sequence


def literal(length: int, c_init: int) -> list[int]:
    x1, x2 = [1] + [0] * 30, [c_init >> i & 1 for i in range(31)]
    for n in range(1600 + length):
        x1.append(x1[n + 3] ^ x1[n])
        x2.append(x2[n + 3] ^ x2[n + 2] ^ x2[n + 1] ^ x2[n])
    return [x1[n + 1600] ^ x2[n + 1600] for n in range(length)]


@pytest.mark.parametrize("c_init", [0, 1, 12_345, (1 << 31) - 1])
@pytest.mark.parametrize("length", [1, 27, 500])
def test_sequence(length, c_init):
    np.testing.assert_array_equal(sequence(length, c_init), literal(length, c_init))


def test_a_shorter_sequence_is_the_beginning_of_a_longer_one_and_half_of_it_are_ones():
    long = sequence(100_000, 7)
    np.testing.assert_array_equal(sequence(1000, 7), long[:1000])
    assert abs(long.mean() - 0.5) < 4.5 * 0.5 / 100_000**0.5


@pytest.mark.parametrize("c_init", [-1, 1 << 31])
def test_other_seeds_are_refused(c_init):
    with pytest.raises(ValueError, match="allowed are 0 to 2147483647"):
        sequence(10, c_init)
