"""LDPC code blocks there and back, clean and noisy, and what the interface refuses."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from semjax.phy.belief import DECODERS, FAST, Decoder
from semjax.phy.check_rules import CHECK_RULES
from semjax.phy.ldpc import LDPCCode
from semjax.phy.schedules import SCHEDULES

WORDS = 16
HURRIED = {"xla_backend_optimization_level": 0}  # compilation is most of the work here
CODE = LDPCCode(k=20, n=28, bits_per_symbol=2)  # few checks: quick to compile
COMBINATIONS = {
    f"{rule}-{schedule}": Decoder(rule=CHECK_RULES[rule], schedule=SCHEDULES[schedule], early_stop=True)
    for rule in CHECK_RULES
    for schedule in SCHEDULES
}
QUICK = "normalised_min_sum-flooding"
CODES = [
    LDPCCode(k=1, n=4),  # at n = 2 the punctured bits keep it from being decoded
    LDPCCode(k=11, n=13),  # at n = 12 two messages share a code word
    LDPCCode(k=20, n=96, bits_per_symbol=6),
    LDPCCode(k=20, n=900, bits_per_symbol=10),  # five times around
    LDPCCode(k=20, n=160, rv=1),
    LDPCCode(k=20, n=180, rv=2),
    LDPCCode(k=20, n=100, bits_per_symbol=4, rv=3),
    LDPCCode(k=60, n=90, base_graph=1),
    LDPCCode(k=45, n=150, base_graph=1, bits_per_symbol=2),
    LDPCCode(k=300, n=400, bits_per_symbol=8),
    LDPCCode(k=640, n=2000),
    LDPCCode(k=4000, n=4800, bits_per_symbol=8),
    LDPCCode(k=8448, n=10_000),
]


@functools.cache
def settler(code: LDPCCode, decoder: Decoder):
    """Bits and whether the checks hold."""

    def settle(llr):
        settled = code.settle(llr, decoder=decoder)
        return settled.bits.reshape(llr.shape[0], -1)[:, : code.k].astype(jnp.uint8), settled.satisfied

    return jax.jit(settle, compiler_options=HURRIED)


@functools.cache
def sent(code: LDPCCode, count: int = WORDS) -> tuple[np.ndarray, np.ndarray]:
    """Random information bits, and the signs of their coded bits."""
    bits = np.random.default_rng(code.k).integers(0, 2, (count, code.k), np.uint8)
    encode = jax.jit(code.encode, compiler_options=HURRIED)
    return bits, 1.0 - 2.0 * np.asarray(encode(jnp.asarray(bits)))


@functools.cache
def received(code: LDPCCode, ebn0_db: float, count: int = WORDS) -> tuple[np.ndarray, np.ndarray]:
    """Random information bits, and the llr of their coded bits sent antipodally over AWGN."""
    bits, signs = sent(code, count)
    variance = 10 ** (-ebn0_db / 10) / (2 * code.k / code.n)
    noise = np.random.default_rng(code.n).normal(0, np.sqrt(variance), signs.shape)
    return bits, (2 * (signs + noise) / variance).astype(np.float32)


def assert_round_trip(code: LDPCCode, decoder: Decoder) -> None:
    bits, signs = sent(code)
    found, satisfied = settler(code, decoder)(jnp.asarray(4 * signs, jnp.float32))
    np.testing.assert_array_equal(found, bits)
    assert np.all(satisfied)


@pytest.mark.parametrize("name", list(DECODERS))
def test_round_trip(name):
    assert_round_trip(CODE, DECODERS[name])


@pytest.mark.parametrize("name", [pytest.param(c, marks=[pytest.mark.nightly] * (c != QUICK)) for c in COMBINATIONS])
def test_round_trip_of_every_rule_and_schedule(name):
    assert_round_trip(CODE, COMBINATIONS[name])


@pytest.mark.nightly
@pytest.mark.parametrize("code", CODES, ids=repr)
@pytest.mark.parametrize("name", list(DECODERS))
def test_round_trip_of_many_codes(code, name):
    assert_round_trip(code, DECODERS[name])


def test_compiled_and_not_compiled_agree():
    bits, llr = received(CODE, 2.0)
    coded = CODE.encode(jnp.asarray(bits))
    np.testing.assert_array_equal(coded, np.asarray(jax.jit(CODE.encode)(jnp.asarray(bits))))
    assert coded.dtype == jnp.uint8
    decoder = COMBINATIONS[QUICK]
    found = CODE.decode(jnp.asarray(llr), decoder=decoder)
    assert found.dtype == jnp.uint8
    np.testing.assert_array_equal(found, settler(CODE, decoder)(jnp.asarray(llr))[0])
    assert np.any(np.asarray(found) != bits)  # else any decoder would do
    assert np.any(np.all(np.asarray(found) == bits, axis=1))


@pytest.mark.parametrize("decoder", [FAST, COMBINATIONS[QUICK]], ids=["fast", "flooding"])
def test_a_word_does_not_depend_on_its_neighbours(decoder):
    decode = settler(CODE, decoder)
    _, llr = received(CODE, 2.0)
    whole, satisfied = decode(jnp.asarray(llr))
    assert 0 < np.asarray(satisfied).sum() < WORDS
    for neighbours in (50 * sent(CODE)[1], np.random.default_rng(1).normal(size=llr.shape)):  # all easy; all hopeless
        mixed = np.where(np.arange(WORDS)[:, None] % 2, neighbours, llr)
        found, settled = decode(jnp.asarray(mixed, jnp.float32))
        np.testing.assert_array_equal(found[::2], whole[::2])
        np.testing.assert_array_equal(settled[::2], satisfied[::2])
    order = np.roll(np.arange(WORDS), 5)
    np.testing.assert_array_equal(decode(jnp.asarray(llr[order]))[0], whole[order])


class Restless:
    """A schedule that turns all bits over with every sweep, and says in sweep i + 1 that word i held before."""

    def start(self, llr, sweeper):
        return 0, jnp.ones_like(llr)

    def sweep(self, state, llr, sweeper):
        return (state[0] + 1, -state[1]), jnp.arange(llr.shape[2]) == state[0]

    def totals(self, state, sweeper):
        return state[1]


def test_a_settled_word_keeps_its_bits_and_others_go_on():
    def decode(early_stop, iterations, group):
        decoder = Decoder(schedule=Restless(), early_stop=early_stop, group=group)
        return np.asarray(decoder(jnp.ones((6, 3, 2)), (), iterations).bits)[:, 0, 0].tolist()

    assert decode(True, 4, 6) == [0, 1, 0, 1, 0, 0]
    assert decode(True, 3, 6) == [0, 1, 0, 1, 1, 1]
    assert decode(True, 9, 4) == [0, 1, 0, 1, 0, 1]  # in two groups
    assert decode(False, 3, 6) == [1] * 6


@pytest.mark.parametrize("name", list(DECODERS))
def test_satisfied_words_are_code_words(name):
    _, llr = received(CODE, 1.0)
    found, satisfied = settler(CODE, DECODERS[name])(jnp.asarray(llr))
    hard = np.asarray(jax.jit(CODE.encode)(found))
    agreement = np.mean((1.0 - 2.0 * hard) * np.sign(llr), axis=1)
    assert np.any(satisfied)
    assert not np.all(satisfied)
    # Decoded words lie close to what was received.
    assert np.all(agreement[np.asarray(satisfied)] > 0.3)


@pytest.mark.parametrize("name", list(DECODERS))
def test_certain_and_unknown_bits(name):
    bits, signs = sent(CODE)
    decode = settler(CODE, DECODERS[name])
    np.testing.assert_array_equal(decode(jnp.asarray(np.inf * signs, jnp.float32))[0], bits)
    _, llr = received(CODE, 4.0)
    broken, blank = llr.copy(), llr.copy()
    broken[:, 3], blank[:, 3] = np.nan, 0
    np.testing.assert_array_equal(decode(jnp.asarray(broken))[0], decode(jnp.asarray(blank))[0])


@pytest.mark.nightly
@pytest.mark.parametrize("name", list(DECODERS))
def test_infinities_that_disagree_on_a_repeated_bit_do_no_harm(name):
    code = LDPCCode(k=20, n=400)
    bits, signs = sent(code)
    llr = np.inf * signs * np.where(np.arange(code.n) == 0, -1, 1)
    np.testing.assert_array_equal(settler(code, DECODERS[name])(jnp.asarray(llr, jnp.float32))[0], bits)


@pytest.mark.parametrize("name", list(DECODERS))
@pytest.mark.parametrize("blocks", [100, pytest.param(3000, marks=pytest.mark.nightly)])
def test_block_error_rate_falls_off_a_cliff(name, blocks):
    code = LDPCCode(k=512, n=1024)
    sets = [received(code, ebn0_db, blocks) for ebn0_db in (0.0, 2.5)]
    found, _ = settler(code, DECODERS[name])(jnp.asarray(np.concatenate([llr for _, llr in sets])))
    wrong = np.any(np.asarray(found) != np.concatenate([bits for bits, _ in sets]), axis=1)
    assert wrong[:blocks].mean() > 0.5
    assert wrong[blocks:].mean() < 0.01


def test_lengths_that_there_are_not_are_refused():
    def refused(match, **kwargs):
        with pytest.raises(ValueError, match=match):
            LDPCCode(**kwargs)

    refused("k=0, n=10; both must be at least 1", k=0, n=10)
    refused("k=10, n=0; both must be at least 1", k=10, n=0)
    refused(r"code rate 0\.960; at most 0\.95 can be decoded, so n >= 102", k=96, n=100)
    refused(r"base graph 1 .*carries 1 to 8448 bits; longer messages are segmented", k=8449, n=20_000)
    refused(r"base graph 2 .*carries 1 to 3840 bits", k=3841, n=20_000)
    refused(r"base graph 2 .*carries 1 to 3840 bits", k=3841, n=6000, base_graph=2)
    refused("n=101 does not fill symbols of 2 bits", k=50, n=101, bits_per_symbol=2)
    refused("at least 1 bit per symbol, got 0", k=50, n=100, bits_per_symbol=0)
    refused("redundancy version 4 is not one of 0, 1, 2, 3", k=50, n=100, rv=4)
    refused("base_graph=3; there are 1 and 2", k=50, n=100, base_graph=3)
    assert LDPCCode(k=95, n=100).k == 95
    assert LDPCCode(k=96, n=102).k == 96


def test_bits_that_are_none_are_refused():
    with pytest.raises(ValueError, match=r"bits of shape \(2, 19\), expected \[b, 20\]"):
        CODE.encode(jnp.zeros((2, 19), jnp.uint8))
    with pytest.raises(ValueError, match="bits must be 0 or 1, got 7 in row 1"):
        CODE.encode(jnp.zeros((3, 20), jnp.uint8).at[1, 4].set(7))


def test_values_that_are_none_are_refused():
    with pytest.raises(ValueError, match=r"llr of shape \(2, 27\), but n=28"):
        CODE.decode(jnp.zeros((2, 27)))
    with pytest.raises(ValueError, match=r"NaN in row 2 of \(4, 28\); pass 0"):
        CODE.decode(jnp.zeros((4, 28)).at[2:, 5].set(jnp.nan))
    for iterations in (0, -1):
        with pytest.raises(ValueError, match=f"iterations={iterations}; at least 1"):
            CODE.decode(jnp.zeros((2, 28)), iterations)


def test_the_standard_chooses_the_graph():
    assert [LDPCCode(k=k, n=n).graph.number for k, n in ((292, 310), (293, 310), (293, 500), (1000, 4000))] == [
        2,
        1,
        2,
        2,
    ]
    assert LDPCCode(k=293, n=500, base_graph=1).graph.number == 1
    assert hash(CODE) == hash(LDPCCode(k=20, n=28, bits_per_symbol=2))
