"""The finest setting that fits, within a budget that is always kept."""

import numpy as np
import pytest

from semjax.codecs import CODECS, codec
from semjax.codecs.base import CodecError
from semjax.codecs.ladder import DoesNotFit, Ladder, decode, encode
from semjax.codecs.padding import pad, unpad

IMAGE = np.full((4, 5, 3), 200, np.uint8)


def test_a_rung_is_made_once_and_measured(fake):
    counting = fake(sizes=(10, 20, 30))
    ladder = Ladder(codec=counting, image=IMAGE)
    assert ladder.rung(0) is ladder.rung(0)
    assert counting.compressed == [0]
    assert ladder.rung(0).mse == pytest.approx((2 / 255) ** 2)
    assert ladder.rung(2).mse == 0
    np.testing.assert_array_equal(ladder.picture(ladder.rung(1)), IMAGE - 1)


@pytest.mark.parametrize(("budget", "index"), [(9, None), (10, 0), (19, 0), (20, 1), (59, 4), (60, 5), (999, 5)])
def test_the_finest_that_fits(fake, budget, index):
    ladder = Ladder(codec=fake(sizes=(10, 20, 30, 40, 50, 60)), image=IMAGE)
    rung = ladder.largest(budget)
    assert (rung and rung.index) == index


def test_the_finest_is_found_where_sizes_do_not_rise(fake):
    sizes = (10, 20, 30, 45, 44, 39, 60, 70)
    assert Ladder(codec=fake(sizes=sizes), image=IMAGE).largest(40).index == 5
    assert Ladder(codec=fake(sizes=(30, 31, 20, 60, 70)), image=IMAGE).largest(25).index == 2


def test_against_all_settings(picture):
    made = codec("jpeg420")
    ladder = Ladder(codec=made, image=picture)
    sizes = np.array([len(ladder.rung(index).payload) for index in range(len(made.settings))])
    for budget in range(int(sizes.min()), int(sizes.max()) + 5, 7):
        fitting = np.flatnonzero(sizes <= budget)
        assert Ladder(codec=made, image=picture).largest(budget).index == fitting.max()
        assert Ladder(codec=made, image=picture).largest(int(sizes.min()) - 1) is None


@pytest.mark.parametrize("name", CODECS)
def test_budgets_are_kept_and_filled(name, picture):
    made = codec(name)
    for budget in (600, 1200):
        data = encode(made, picture, budget)
        assert len(data) == budget
        payload = unpad(data)
        assert 0.85 * budget < len(payload) < budget
        shown = decode(made, data, height=44, width=61)
        np.testing.assert_array_equal(shown, made.decompress(payload, height=44, width=61))


def test_what_does_not_fit_is_told(fake):
    told = "codec fake: the smallest payload of a picture of 4 x 5 pixels has 10 bytes and needs 11, the budget is 10"
    with pytest.raises(DoesNotFit, match=told):
        encode(fake(sizes=(10, 20)), IMAGE, 10)
    assert encode(fake(sizes=(10, 20)), IMAGE, 11) == bytes([0] + [200] * 9 + [1])
    with pytest.raises(DoesNotFit):
        encode(fake(sizes=(10, 20)), IMAGE, 0)


@pytest.mark.parametrize("payload", [b"", b"\0", b"\x01", b"a\x01\0\0", b"\0\0\x01\x01", bytes(range(256))])
def test_padding(payload):
    for room in (1, 2, 50):
        data = pad(payload, len(payload) + room)
        assert len(data) == len(payload) + room
        assert unpad(data) == payload
    with pytest.raises(ValueError, match=f"payload of {len(payload)} bytes and the mark do not fit in {len(payload)}"):
        pad(payload, len(payload))


def test_data_without_a_mark(fake):
    for data in (b"", bytes(9), b"abc", b"abc\x02\0"):
        with pytest.raises(CodecError, match=f"no mark 0x01 .* {len(data)} bytes"):
            unpad(data)
    with pytest.raises(CodecError):
        decode(fake(sizes=(10,)), bytes(40), height=4, width=5)
