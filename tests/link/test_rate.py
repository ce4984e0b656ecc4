"""The accountant."""

import numpy as np
import pytest

from semjax.link.rate import bpp, rates


def test_every_use_is_counted_once_and_where_it_belongs():
    uses = {
        "analog": np.array([96.0, 0.0]),
        "digital/indices": np.array([10.0, 20.0]),
        "side/rates": np.array([6.0, 6.0]),
        "side/prompt": np.array([3.0, 0.0]),
        "pilots": np.array([4, 4]),
    }
    counted = rates(uses, height=16, width=8)
    pixels = 16 * 8 * 3
    np.testing.assert_allclose(counted.cbr_analog, [96 / pixels, 0])
    np.testing.assert_allclose(counted.cbr_digital, [10 / pixels, 20 / pixels])
    np.testing.assert_allclose(counted.cbr_side, [13 / pixels, 10 / pixels])
    np.testing.assert_allclose(counted.cbr_total, sum(uses.values()) / pixels)


def test_what_was_not_spent_is_zero():
    counted = rates({"digital/picture": np.array([5.0])}, height=2, width=2)
    assert counted.cbr_analog == counted.cbr_side == 0
    np.testing.assert_allclose(counted.cbr_total, 5 / 12)


@pytest.mark.parametrize("key", ["symbols", "digital", "side/", "analogue", "side", "pilot"])
def test_unknown_kinds_are_refused(key):
    with pytest.raises(ValueError, match="cannot be accounted"):
        rates({"analog": np.ones(1), key: np.ones(1)}, height=2, width=2)


@pytest.mark.parametrize(
    "uses", [{}, {"analog": np.ones(2), "pilots": np.ones(3)}, {"analog": np.ones((2, 2))}, {"analog": 3.0}]
)
def test_counts_must_be_per_picture(uses):
    with pytest.raises(ValueError, match="one count per picture"):
        rates(uses, height=2, width=2)


@pytest.mark.parametrize("count", [-1.0, np.nan, np.inf])
def test_impossible_counts_are_refused(count):
    with pytest.raises(ValueError, match="negative or not finite"):
        rates({"analog": np.array([1.0, count])}, height=2, width=2)


def test_bits_per_pixel_and_sizes():
    np.testing.assert_allclose(bpp(np.array([64, 0]), height=4, width=8), [2, 0])
    with pytest.raises(ValueError, match="true size"):
        bpp(np.ones(1), height=0, width=8)
