"""Range coding of integer streams: exact, as short as the prior promises, and unharmed by damage."""

import dataclasses
import itertools

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.ndimage import gaussian_filter

from semjax.contracts import SideCodec
from semjax.link.adaptive import UPPER_RIGHT, AdaptivePrior, ContextPrior, MixturePrior, SmoothPrior
from semjax.link.priors import PositionPrior, Prior, StaticPrior, measured
from semjax.link.range_coded import RangeCoded
from semjax.types import Bits

SHAPES = arrays.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=4).filter(lambda shape: shape[0] > 0)
LEARNING = (
    AdaptivePrior(),
    AdaptivePrior(start=1 / 64),
    ContextPrior(),
    ContextPrior(neighbours=(UPPER_RIGHT, (0, -2))),
    SmoothPrior(),
    MixturePrior(),
)


def zipf(alphabet: int, power: float = 1.0) -> tuple[float, ...]:
    weights = 1.0 / np.arange(1, alphabet + 1) ** power
    return tuple((weights / weights.sum()).tolist())


def smooth_maps(count: int, alphabet: int, side: int = 16) -> np.ndarray:
    noise = np.random.default_rng(0).normal(size=(count, side, side))
    field = gaussian_filter(noise, (0, 2, 2), mode="reflect")
    field /= field.std(axis=(1, 2), keepdims=True)
    return np.clip(np.floor(alphabet / 2 + field * alphabet / 5), 0, alphabet - 1).astype(np.int32)


def every_prior(alphabet: int) -> list[Prior]:
    tables = tuple(zipf(alphabet, power) for power in (0.5, 2.0))
    return [*LEARNING, StaticPrior(probabilities=zipf(alphabet)), PositionPrior(tables=tables)]


def random_bits(rng: np.random.Generator, rows: int, room: int) -> Bits:
    """Fair bits, all zeros, all ones or mostly ones, of any length, also of lengths that no row has."""
    ones = rng.choice([0.5, 0.0, 1.0, 0.97], size=(rows, 1))
    drawn = (rng.random((rows, room)) < ones).astype(np.uint8)
    return Bits(bits=jnp.asarray(drawn), length=jnp.asarray(rng.integers(-3, room + 40, rows), jnp.int32))


@st.composite
def streams(draw):
    alphabet = draw(st.integers(2, 40))
    return alphabet, draw(arrays.arrays(np.int32, SHAPES, elements=st.integers(0, alphabet - 1)))


@pytest.mark.parametrize("prior", LEARNING, ids=repr)
@settings(max_examples=12, deadline=None)
@given(stream=streams())
def test_round_trip_of_learning_priors(prior, stream):
    alphabet, array = stream
    codec = RangeCoded(alphabet=alphabet, prior=prior)
    bits = codec.pack(array)
    back = codec.unpack(bits, np.zeros_like(array))
    np.testing.assert_array_equal(back, array)
    assert back.dtype == array.dtype
    assert np.all(np.asarray(bits.length) < codec.cost_bits(array) + 1.01)


@settings(max_examples=25, deadline=None)
@given(stream=streams())
def test_round_trip_of_a_fixed_table(stream):
    alphabet, array = stream
    codec = RangeCoded(alphabet=alphabet, prior=StaticPrior(probabilities=zipf(alphabet, 3.0)))
    np.testing.assert_array_equal(codec.unpack(codec.pack(array), array), array)


def test_every_short_message_survives_the_trimming():
    for weights in ((0.5, 0.5), (0.9, 0.1), (0.999, 0.001), (0.0, 1.0)):
        codec = RangeCoded(alphabet=2, prior=StaticPrior(probabilities=weights))
        array = np.array(list(itertools.product((0, 1), repeat=7)))
        bits = codec.pack(array)
        np.testing.assert_array_equal(codec.unpack(bits, array), array)
        used = {bytes(row[:count]) for row, count in zip(np.asarray(bits.bits), np.asarray(bits.length), strict=True)}
        # Zeros behind a string change nothing, so strings must differ even when stripped of them.
        assert len({string.rstrip(b"\0") for string in used}) == len(array)


def test_carries_and_long_runs_survive_the_trimming():
    rng = np.random.default_rng(1)
    for power in (0.0, 1.0, 4.0, 9.0):
        codec = RangeCoded(alphabet=5, prior=StaticPrior(probabilities=zipf(5, power)))
        # The likeliest value lies at the lower end and the last one at the upper end of every interval.
        array = np.concatenate([rng.choice(5, p=zipf(5, power), size=(40, 60)), rng.choice([0, 4], size=(40, 60))])
        array[-1], array[-2] = 4, 0
        np.testing.assert_array_equal(codec.unpack(codec.pack(array), array), array)


def test_no_shorter_string_would_do():
    codec = RangeCoded(alphabet=3, prior=StaticPrior(probabilities=(0.5, 0.3, 0.2)))
    array = np.array(list(itertools.product(range(3), repeat=3)))
    lengths = np.asarray(codec.pack(array).length)
    for value, length in zip(array, lengths, strict=True):
        room = max(int(length) - 1, 0)
        shorter = np.array(list(itertools.product((0, 1), repeat=room)), np.uint8).reshape(2**room, room)
        bits = Bits(bits=jnp.asarray(shorter), length=jnp.full(len(shorter), room))
        told = codec.unpack(bits, np.zeros((len(shorter), 3), np.int32))
        assert length == 0 or not (told == value).all(axis=1).any()


def test_a_fixed_table_costs_what_it_says():
    table = np.array([0.7, 0.2, 0.1])
    codec = RangeCoded(alphabet=3, prior=StaticPrior(probabilities=(7.0, 2.0, 1.0)))
    array = np.random.default_rng(2).choice(3, p=table, size=(4, 300))
    np.testing.assert_allclose(codec.cost_bits(array), -np.log2(table)[array].sum(axis=1), rtol=1e-4)


def test_counting_costs_the_closed_form():
    array = np.random.default_rng(3).integers(0, 4, (2, 50))
    expected = []
    for row in array:
        counts = np.full(4, 0.5)
        cost = 0.0
        for value in row:
            cost -= np.log2(counts[value] / counts.sum())
            counts[value] += 1
        expected.append(cost)
    np.testing.assert_allclose(RangeCoded(alphabet=4).cost_bits(array), expected, rtol=1e-12)


def test_a_mixture_costs_little_more_than_its_best_part():
    parts = (AdaptivePrior(), ContextPrior(), SmoothPrior())
    maps = np.concatenate([smooth_maps(2, 8), np.random.default_rng(4).integers(0, 8, (2, 16, 16))])
    costs = np.array([RangeCoded(alphabet=8, prior=part).cost_bits(maps) for part in parts])
    mixed = RangeCoded(alphabet=8, prior=MixturePrior(parts=parts)).cost_bits(maps)
    assert np.all(mixed <= costs.min(axis=0) + np.log2(3) + 1e-6)


def test_neighbours_pay_on_smooth_maps():
    maps = smooth_maps(4, 16)
    alone, beside = (RangeCoded(alphabet=16, prior=prior) for prior in (AdaptivePrior(), SmoothPrior()))
    assert np.asarray(beside.pack(maps).length).sum() < 0.65 * np.asarray(alone.pack(maps).length).sum()


@pytest.mark.parametrize("prior", every_prior(16), ids=lambda prior: type(prior).__name__)
def test_real_length_is_within_two_percent_of_the_ideal(prior):
    rng = np.random.default_rng(5)
    maps = np.concatenate([smooth_maps(2, 16), rng.integers(0, 16, (2, 16, 16)), np.full((1, 16, 16), 7)])
    codec = RangeCoded(alphabet=16, prior=prior)
    assert np.all(np.asarray(codec.pack(maps).length) <= 1.02 * codec.cost_bits(maps) + 1)


def test_position_tables_repeat_over_tokens():
    prior = PositionPrior(tables=((1.0, 0.0), (0.0, 1.0)))
    codec = RangeCoded(alphabet=2, prior=prior)
    likely = np.tile([0, 1], (1, 500)).reshape(1, 500, 2)
    assert codec.cost_bits(likely)[0] < 0.01
    assert codec.pack(likely).length[0] <= 1
    assert codec.cost_bits(1 - likely)[0] == pytest.approx(1000 * 20, rel=1e-3)
    np.testing.assert_array_equal(codec.unpack(codec.pack(1 - likely), likely), 1 - likely)


def test_measured_tables():
    np.testing.assert_allclose(measured(np.array([0, 0, 2]), 4), np.array([2.5, 0.5, 1.5, 0.5]) / 5)
    with pytest.raises(ValueError, match="0 to 3"):
        measured(np.array([4]), 4)


def fuzz(trials: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for alphabet, shape in ((2, (40,)), (6, (4, 4)), (17, (6, 2))):
        like = np.zeros((trials, *shape), np.int16)
        for prior in every_prior(alphabet):
            back = RangeCoded(alphabet=alphabet, prior=prior).unpack(random_bits(rng, trials, 90), like)
            assert back.shape == like.shape
            assert back.min() >= 0
            assert back.max() < alphabet


def test_random_streams_give_values_in_range():
    fuzz(100, seed=0)  # times 24: 2,400 streams


@pytest.mark.nightly
@pytest.mark.parametrize("seed", range(1, 5))
def test_many_random_streams_give_values_in_range(seed):
    fuzz(3000, seed=seed)


def test_flipped_missing_and_extra_bits():
    array = smooth_maps(1, 8, side=5)
    codec = RangeCoded(alphabet=8, prior=MixturePrior())
    sent = codec.pack(array)
    bits, length = np.asarray(sent.bits), int(sent.length[0])
    flipped = Bits(bits=jnp.asarray(bits ^ np.eye(length, dtype=np.uint8)), length=jnp.full(length, length))
    cut = Bits(bits=jnp.asarray(np.repeat(bits, length, axis=0)), length=jnp.arange(length))
    for damaged in (flipped, cut):
        back = codec.unpack(damaged, np.zeros((length, 5, 5), np.int32))
        assert back.min() >= 0
        assert back.max() < 8
    assert (codec.unpack(flipped, np.zeros((length, 5, 5), np.int32)) != array).any(axis=(1, 2)).all()
    longer = Bits(bits=jnp.asarray(np.pad(bits, ((0, 0), (0, 9)))), length=sent.length + 9)
    np.testing.assert_array_equal(codec.unpack(longer, array), array)


@pytest.mark.parametrize("value", [-1, 16, 1000])
def test_values_out_of_range_are_named(value):
    with pytest.raises(ValueError, match=rf"0 to 15, got {value} in row 1"):
        RangeCoded(alphabet=16).pack(np.array([[3, 4], [5, value]]))


@pytest.mark.parametrize("value", [0.5, np.nan])
def test_what_is_no_integer_is_refused(value):
    with pytest.raises(ValueError, match="float"):
        RangeCoded(alphabet=16).pack(np.array([[value]]))


def test_what_cannot_be_coded_is_refused():
    with pytest.raises(ValueError, match="2 to 4096"):
        RangeCoded(alphabet=1)
    bits = RangeCoded(alphabet=300).pack(np.array([[200]]))
    with pytest.raises(ValueError, match="uint8 cannot hold 0 to 299"):
        RangeCoded(alphabet=300).unpack(bits, np.zeros((1, 1), np.uint8))
    with pytest.raises(ValueError, match="float32"):
        RangeCoded(alphabet=300).unpack(bits, np.zeros((1, 1), np.float32))
    with pytest.raises(ValueError, match="shape"):
        RangeCoded(alphabet=300).unpack(bits, np.zeros((2, 1), np.int32))


def test_priors_that_do_not_fit_are_refused():
    array = np.zeros((1, 3), np.int32)
    with pytest.raises(ValueError, match="alphabet of 4"):
        RangeCoded(alphabet=4, prior=StaticPrior(probabilities=(0.5, 0.5))).pack(array)
    with pytest.raises(ValueError, match="multiple of 2"):
        RangeCoded(alphabet=2, prior=PositionPrior(tables=((0.5, 0.5), (0.5, 0.5)))).pack(array)
    with pytest.raises(ValueError, match="alphabet of 3"):
        RangeCoded(alphabet=3, prior=PositionPrior(tables=((0.5, 0.5),))).pack(array)
    for bad in ((0.5, -0.1), (0.5, float("nan")), (0.0, 0.0), ()):
        with pytest.raises(ValueError, match="finite, not negative"):
            StaticPrior(probabilities=bad)
    with pytest.raises(ValueError, match="equal"):
        PositionPrior(tables=((0.5, 0.5), (1.0,)))
    with pytest.raises(ValueError, match="above 0"):
        AdaptivePrior(start=0.0)
    with pytest.raises(ValueError, match="coded after"):
        ContextPrior(neighbours=((0, 1),))
    with pytest.raises(ValueError, match="at least one"):
        MixturePrior(parts=())


def test_is_a_side_codec():
    for prior in every_prior(8):
        codec = RangeCoded(alphabet=8, prior=prior)
        assert isinstance(codec, SideCodec)
        assert hash(codec) == hash(dataclasses.replace(codec))
        assert isinstance(prior, Prior)
