"""Tokens of variable length: a prefix of unit power, placed by the decoded map alone."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from semjax.bottlenecks.analog import AnalogLatents
from semjax.bottlenecks.masked import TokenPrefixes, VariableLength, rates_codec
from semjax.importance.allocate import QUICK, RateSet
from semjax.link.side import FixedWidth
from semjax.types import Public, Received, Signal

RATES = RateSet(levels=(0, 2, 4, 8, 12))
CODE = VariableLength(rates=RATES, stride=16, reference=1.3)
B, H, W, K = 4, 3, 5, 12
PUBLIC = Public(snr_db=jnp.full(B, 60.0), rate=jnp.ones(B), height=H * 16 - 3, width=W * 16)
pack, unpack = jax.jit(CODE.pack), jax.jit(CODE.unpack)
normalised = jax.jit(AnalogLatents.normalised)


def drawn(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Tokens of various loudness, and a random map of rates."""
    rng = np.random.default_rng(seed)
    tokens = rng.normal(size=(B, H, W, K)) * np.geomspace(0.1, 5, B)[:, None, None, None]
    return tokens.astype(np.float32), rng.integers(0, len(RATES.levels), (B, H, W)).astype(np.int32)


def mask(index: np.ndarray) -> np.ndarray:
    return (np.arange(K) < np.asarray(RATES.levels)[index][..., None]).astype(np.float32)


def clean(signal: Signal, **changed: object) -> Received:
    noise_var = np.full(signal.symbols.shape, 1e-6, np.float32)
    return dataclasses.replace(Received(symbols=signal.symbols, noise_var=noise_var, ints=signal.ints), **changed)


def maps() -> dict[str, np.ndarray]:
    even, one = np.ones((B, H, W), np.int32), np.zeros((B, H, W), np.int32)
    one[np.arange(B), 1, np.arange(B)] = 3
    return {"random": drawn(0)[1], "longest": 4 * even, "shortest": even, "one": one}


@pytest.mark.parametrize("name", maps())
def test_round_trip_prefix_and_power(name: str) -> None:
    """What is sent comes back at its place, up to the quantised scale; the rest is zero, without gain and marked."""
    (tokens, _), index = drawn(1), maps()[name]
    signal, sent = pack(tokens, index, PUBLIC), mask(index)
    count = np.asarray(RATES.levels)[index].sum((1, 2)) / 2
    assert signal.symbols.shape == (B, H * W * K // 2)
    np.testing.assert_array_equal(signal.used, np.arange(H * W * K // 2) < count[:, None])
    np.testing.assert_allclose(np.sum(np.abs(signal.symbols) ** 2, 1), count, rtol=1e-5)
    back = unpack(clean(signal), PUBLIC)
    np.testing.assert_array_equal(back.sent, sent)
    np.testing.assert_array_equal(back.gain, sent)
    back = jax.device_get(back)
    assert not np.any(np.asarray(back.values)[sent == 0])
    np.testing.assert_allclose(back.values * back.scale[:, None, None, None], tokens * sent, rtol=0.02, atol=1e-4)


def test_symbols_go_token_after_token() -> None:
    tokens, index = drawn(2)
    values, sent = np.asarray(tokens)[1], mask(index)[1]
    listed = np.concatenate([values[i, j][sent[i, j] == 1] for i in range(H) for j in range(W)])
    pairs = listed[0::2] + 1j * listed[1::2]
    expected = pairs / np.sqrt(np.mean(np.abs(pairs) ** 2))
    np.testing.assert_allclose(pack(tokens, index, PUBLIC).symbols[1, : len(pairs)], expected, rtol=1e-5)


def test_layout_is_undone_over_the_whole_grid() -> None:
    tokens, index = drawn(3)

    @jax.jit
    def there_and_back(tokens: jax.Array, index: jax.Array) -> jax.Array:
        layout = TokenPrefixes(lengths=RATES.dimensions(index))
        symbols = layout.symbols(tokens)
        return layout.reals(symbols.real, symbols.imag, (H, W, K))

    np.testing.assert_array_equal(there_and_back(tokens, index), tokens)


def test_fading_and_noise_go_back_with_their_symbols() -> None:
    tokens, index = drawn(4)
    signal = pack(tokens, index, PUBLIC)
    rng, symbols = np.random.default_rng(4), np.asarray(signal.symbols)
    csi = rng.uniform(0.5, 2, symbols.shape) * np.exp(1j * rng.uniform(0, 6, symbols.shape))
    csi, noise_var = csi.astype(np.complex64), rng.uniform(0.1, 1, symbols.shape).astype(np.float32)
    faded = clean(signal, symbols=symbols * csi, csi=csi, noise_var=noise_var)
    back, plain, sent = unpack(faded, PUBLIC), unpack(clean(signal), PUBLIC), mask(index)
    np.testing.assert_allclose(back.values, back.gain * plain.values, rtol=1e-4, atol=1e-6)
    for picture in range(B):
        there = sent[picture] == 1
        twin = np.repeat(np.abs(csi[picture]), 2)[: there.sum()]
        np.testing.assert_allclose(np.asarray(back.gain)[picture][there], twin, rtol=1e-5)
        twin = np.repeat(noise_var[picture] / 2, 2)[: there.sum()]
        np.testing.assert_allclose(np.asarray(back.noise_var)[picture][there], twin, rtol=1e-6)
    assert np.all(back.noise_var > 0)
    assert np.all(np.isfinite(normalised(back)))


def test_what_lies_beyond_the_prefix_is_not_read() -> None:
    tokens, index = drawn(5)
    signal = pack(tokens, index, PUBLIC)
    noisy = clean(signal, symbols=np.where(signal.used, signal.symbols, np.complex64(7.0 - 3.0j)))
    np.testing.assert_array_equal(unpack(noisy, PUBLIC).values, unpack(clean(signal), PUBLIC).values)


def test_the_receiver_follows_the_decoded_map() -> None:
    tokens, index = drawn(6)
    signal = pack(tokens, index, PUBLIC)
    honest = unpack(clean(signal), PUBLIC)
    forged = unpack(clean(signal, ints={**signal.ints, "rates": index[:, ::-1]}), PUBLIC)
    np.testing.assert_array_equal(forged.sent, mask(index[:, ::-1]))
    assert np.all(np.any(forged.values != honest.values, axis=(1, 2, 3)))
    louder = unpack(clean(signal, ints={**signal.ints, "scale": np.asarray(signal.ints["scale"]) + 20}), PUBLIC)
    assert np.all(louder.scale > honest.scale)


def test_without_the_map_nothing_was_sent() -> None:
    """Lost as a whole, or, where indices are known one by one, in one token; the other pictures are untouched."""
    tokens, index = drawn(7)
    signal = pack(tokens, index, PUBLIC)
    honest = unpack(clean(signal), PUBLIC)
    whole, single = np.asarray([True, False, True, False]), np.ones((B, H, W), bool)
    single[[1, 3], [2, 0], [2, 0]] = False
    for ok in (whole, single):
        back = unpack(clean(signal, ok={"rates": ok, "scale": whole}), PUBLIC)
        for got, expected in zip(jax.tree.leaves(back), jax.tree.leaves(honest), strict=True):
            np.testing.assert_array_equal(np.asarray(got)[::2], np.asarray(expected)[::2])
            assert np.all(np.isfinite(got))
        for silent in (back.values, back.gain, back.sent, normalised(back)):
            assert not np.any(silent[1::2])
        np.testing.assert_allclose(back.scale[1::2], CODE.reference, rtol=1e-6)


def test_side_streams_and_their_estimates() -> None:
    tokens, index = drawn(8)
    signal = pack(tokens, index, PUBLIC)
    np.testing.assert_array_equal(signal.ints["rates"], index)
    np.testing.assert_allclose(signal.est_bits["rates"], H * W * np.log2(5), rtol=1e-6)
    np.testing.assert_array_equal(signal.est_bits["scale"], 8.0)
    given = pack(tokens, index, PUBLIC, rates_bits=np.arange(4, dtype=np.float32)).est_bits["rates"]
    np.testing.assert_array_equal(given, np.arange(4))
    silent = pack(tokens, index * 0, PUBLIC)
    assert not np.any(silent.symbols)
    np.testing.assert_array_equal(silent.ints["scale"], 0)


@pytest.mark.parametrize("rates", [RATES, QUICK, RateSet()])
def test_streams_survive_real_coding(rates: RateSet) -> None:
    index = np.random.default_rng(9).integers(0, len(rates.levels), (B, H, W)).astype(np.int32)
    index[0], index[1] = 0, len(rates.levels) - 1
    bits = rates_codec(rates).pack(index)
    np.testing.assert_array_equal(rates_codec(rates).unpack(bits, np.zeros_like(index)), index)
    assert bits.length[0] < H * W
    scale = np.asarray(pack(*drawn(9), PUBLIC).ints["scale"])
    np.testing.assert_array_equal(FixedWidth().unpack(FixedWidth().pack(scale), np.zeros_like(scale)), scale)


def test_gradients_reach_what_is_sent_and_nothing_else() -> None:
    tokens, index = drawn(10)

    def loss(tokens: jax.Array) -> jax.Array:
        back = unpack(clean(pack(tokens, index, PUBLIC)), PUBLIC)
        return jnp.sum(jnp.sin(back.values + jnp.arange(K)))

    slopes = np.asarray(jax.jit(jax.grad(loss))(tokens))
    np.testing.assert_array_equal(slopes[mask(index) == 0], 0.0)
    assert np.all(slopes[mask(index) == 1] != 0)


def test_one_picture_is_its_row_and_lengths_compile_once() -> None:
    traced = []

    @jax.jit
    def both_ends(tokens: jax.Array, index: jax.Array, public: Public) -> tuple[Signal, AnalogLatents]:
        traced.append(index.shape)
        signal = pack(tokens, index, public)
        return signal, unpack(clean(signal), public)

    (tokens, index), (_, other) = drawn(11), drawn(12)
    batch = both_ends(tokens, index, PUBLIC)
    assert not np.array_equal(both_ends(tokens, other, PUBLIC)[0].used, batch[0].used)
    assert len(traced) == 1
    single = jax.vmap(lambda *one: jax.tree.map(lambda x: x[0], both_ends(*jax.tree.map(lambda x: x[None], one))))
    for got, expected in zip(jax.tree.leaves(single(tokens, index, PUBLIC)), jax.tree.leaves(batch), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("features", "side"), [(10, W), (K, W + 1)])
def test_shapes_that_do_not_fit(features: int, side: int) -> None:
    with pytest.raises(ValueError, match="must have 12 features"):
        CODE.pack(jnp.zeros((B, H, W, features)), jnp.zeros((B, H, side), jnp.int32), PUBLIC)
