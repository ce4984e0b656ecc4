"""Channels for bits: the rates they promise, and draws that depend on the picture's key alone."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import norm

from semjax.channels.bits import BIT_CHANNELS, BSC, UncodedBSC
from semjax.channels.erasure import BitErasure, BurstLoss, PacketLoss, happens
from semjax.contracts import BitChannel
from semjax.types import Bits

EVERY = (
    BSC(flip=0.3),
    UncodedBSC(),
    UncodedBSC(bits_per_use=2),
    BitErasure(probability=0.3),
    PacketLoss(packet_bits=7, loss=0.3),
    BurstLoss(packet_bits=7, loss=0.3, burst=4),
)
ERASING = EVERY[3:]


def keys(count: int, seed: int = 0):
    return jax.random.split(jax.random.key(seed), count)


def ones(count: int, room: int, length: int | None = None) -> Bits:
    used = room if length is None else length
    bits = np.zeros((count, room), np.uint8)
    bits[:, :used] = 1
    return Bits(bits=jnp.asarray(bits), length=jnp.full(count, used))


def send(channel, bits, snr_db=0.0, seed=0):
    count = bits.bits.shape[0]
    return channel(keys(count, seed), bits, jnp.full(count, snr_db))


def assert_rate(hits: np.ndarray, probability: float, independent: int | None = None) -> None:
    """Within five standard deviations of a binomial share."""
    spread = math.sqrt(probability * (1 - probability) / (independent or hits.size))
    assert abs(hits.mean() - probability) <= 5 * spread


@pytest.mark.parametrize("flip", [0.0, 0.01, 0.5, 1.0])
def test_flips_are_as_frequent_as_asked(flip):
    assert_rate(np.asarray(send(BSC(flip=flip), ones(64, 2000)).bits) == 0, flip)


@pytest.mark.parametrize("snr_db", [-5.0, 0.0, 4.0, 7.0])
@pytest.mark.parametrize("bits_per_use", [1, 2])
def test_uncoded_bits_follow_the_closed_form(snr_db, bits_per_use):
    channel = UncodedBSC(bits_per_use=bits_per_use)
    expected = norm.sf(math.sqrt(2 * 10 ** (snr_db / 10) / bits_per_use))
    np.testing.assert_allclose(channel.flip(jnp.array([snr_db])), expected, rtol=1e-4)
    assert_rate(np.asarray(send(channel, ones(64, 2000), snr_db).bits) == 0, expected)


def test_uncoded_bits_agree_with_symbols_over_noise():
    snr_db, count = 3.0, 400_000
    noise = jax.random.normal(jax.random.key(5), (2, count)) * math.sqrt(10 ** (-snr_db / 10) / 2)
    qpsk = (1 / math.sqrt(2) + noise) < 0
    bpsk = (1 + noise[0]) < 0
    assert_rate(np.asarray(qpsk), float(UncodedBSC(bits_per_use=2).flip(jnp.array([snr_db]))[0]))
    assert_rate(np.asarray(bpsk), float(UncodedBSC().flip(jnp.array([snr_db]))[0]))


def test_rare_events_are_as_rare_as_asked():
    # Float32 uniforms alone would make 1e-9 a hundred times as frequent; 2^-23 times the second draw is below it then.
    every = happens(keys(64), jnp.full(64, 1.0), 2000)
    assert np.asarray(every).all()
    common = np.asarray(happens(keys(64), jnp.full(64, 2.0**-12), 2000))
    assert_rate(common, 2.0**-12)
    assert not np.asarray(happens(keys(64), jnp.zeros(64), 2000)).any()


def test_uncoded_bits_at_the_extremes():
    np.testing.assert_allclose(UncodedBSC().flip(jnp.array([-jnp.inf, jnp.inf])), [0.5, 0.0], atol=1e-4)
    assert np.all(np.asarray(send(UncodedBSC(), ones(64, 2000), 40.0).bits) == 1)


def test_each_picture_has_its_own_snr():
    received = np.asarray(UncodedBSC()(keys(64), ones(64, 2000), jnp.tile(jnp.array([-30.0, 30.0]), 32)).bits)
    assert 0.4 < received[::2].mean() < 0.6
    assert received[1::2].all()


@pytest.mark.parametrize("probability", [0.0, 0.2, 1.0])
def test_bits_are_lost_as_often_as_asked(probability):
    assert_rate(np.asarray(send(BitErasure(probability=probability), ones(64, 2000)).bits) == 0, probability)


def test_packets_are_lost_whole():
    lost = np.asarray(PacketLoss(packet_bits=24, loss=0.25).erasures(keys(64), ones(64, 2000)))
    whole, last = lost[:, : 83 * 24].reshape(64, 83, 24), lost[:, 83 * 24 :]
    for packet in (whole, last):
        assert np.all(packet.all(axis=-1) == packet.any(axis=-1))
    assert_rate(whole[:, :, 0], 0.25)
    assert 0 < last[:, 0].sum() < 64


def test_bursts_have_the_rate_and_the_length_asked():
    channel = BurstLoss(packet_bits=1, loss=0.2, burst=5)
    lost = np.asarray(channel.erasures(keys(64), ones(64, 2000)))
    # Losses are correlated over about two bursts: count so many fewer independent ones.
    assert_rate(lost, 0.2, independent=lost.size // 10)
    assert_rate(lost[:, 0], 0.2)
    before, after = lost[:, :-1], lost[:, 1:]
    assert_rate(~after[before], 1 / 5)
    assert_rate(after[~before], 0.2 / (5 * 0.8))


def test_bursts_as_short_as_chance_makes_them_are_independent():
    lost = np.asarray(BurstLoss(packet_bits=1, loss=0.3, burst=1 / 0.7).erasures(keys(64), ones(64, 2000)))
    assert_rate(lost[:, 1:][lost[:, :-1]], 0.3)
    assert_rate(lost[:, 1:][~lost[:, :-1]], 0.3)
    assert not BurstLoss(packet_bits=1, loss=0, burst=1).erasures(keys(64), ones(64, 2000)).any()


@pytest.mark.parametrize("channel", ERASING, ids=repr)
def test_lost_bits_read_as_zero_and_are_told(channel):
    bits = ones(4, 500, 200)
    lost = np.asarray(channel.erasures(keys(4), bits))
    received = np.asarray(send(channel, bits).bits)
    np.testing.assert_array_equal(received, np.asarray(bits.bits) * ~lost)
    assert 0 < lost.sum() < lost[:, :200].size
    assert not lost[:, 200:].any()


@pytest.mark.parametrize("channel", EVERY, ids=repr)
def test_only_the_key_decides(channel):
    bits = ones(4, 500, 60)
    whole = send(channel, bits)
    np.testing.assert_array_equal(whole.bits, send(channel, bits).bits)
    assert np.any(np.asarray(whole.bits) != np.asarray(send(channel, bits, seed=1).bits))
    assert len({row.tobytes() for row in np.asarray(whole.bits)}) == 4
    alone = channel(keys(4)[2:3], ones(1, 500, 60), jnp.zeros(1))
    np.testing.assert_array_equal(alone.bits[0], whole.bits[2])


@pytest.mark.parametrize("channel", EVERY, ids=repr)
def test_room_behind_a_string_changes_nothing(channel):
    short, long = send(channel, ones(4, 61, 60)), send(channel, ones(4, 500, 60))
    np.testing.assert_array_equal(short.bits[:, :60], long.bits[:, :60])
    assert not np.asarray(long.bits[:, 60:]).any()
    np.testing.assert_array_equal(short.length, long.length)
    further = send(channel, ones(4, 500, 400))
    np.testing.assert_array_equal(short.bits[:, :60], further.bits[:, :60])


@pytest.mark.parametrize("channel", EVERY, ids=repr)
def test_runs_under_jit_and_hashes(channel):
    assert isinstance(channel, BitChannel)
    assert hash(channel) == hash(type(channel)(**vars(channel)))
    bits = ones(4, 500)
    compiled = jax.jit(channel)(keys(4), bits, jnp.zeros(4))
    np.testing.assert_array_equal(compiled.bits, send(channel, bits).bits)
    assert compiled.bits.dtype == jnp.uint8
    assert send(channel, ones(4, 0)).bits.shape == (4, 0)


@pytest.mark.parametrize("bad", [-0.1, 1.1, float("nan")])
def test_what_is_no_probability_is_refused(bad):
    for make in (
        lambda: BSC(flip=bad),
        lambda: BitErasure(probability=bad),
        lambda: PacketLoss(packet_bits=8, loss=bad),
        lambda: BurstLoss(packet_bits=8, loss=bad, burst=2),
    ):
        with pytest.raises(ValueError, match="allowed are 0 to"):
            make()


def test_what_is_no_packet_burst_or_modulation_is_refused():
    with pytest.raises(ValueError, match="packet_bits=0, allowed are 1"):
        PacketLoss(packet_bits=0, loss=0.1)
    with pytest.raises(ValueError, match=r"burst=1, allowed are 9\.0"):
        BurstLoss(packet_bits=8, loss=0.9, burst=1)
    with pytest.raises(ValueError, match="allowed are 1"):
        UncodedBSC(bits_per_use=4)


def test_channels_have_names():
    options = {
        "bsc": {"flip": 0.1},
        "uncoded_bsc": {},
        "bit_erasure": {"probability": 0.1},
        "packet_loss": {"packet_bits": 8, "loss": 0.1},
        "burst_loss": {"packet_bits": 8, "loss": 0.1, "burst": 2},
    }
    assert set(options) == set(BIT_CHANNELS)
    assert all(isinstance(BIT_CHANNELS[name](**kwargs), BitChannel) for name, kwargs in options.items())
