"""How long what is sent is, and how few programs all lengths need."""

import pytest

from semjax.link.frames import MOST_BITS, plan
from semjax.link.schemes import LADDER, Scheme
from semjax.phy.mcs import mcs

HALF = Scheme(mcs=mcs("low_se", 12))


@pytest.mark.parametrize("scheme", LADDER)
@pytest.mark.parametrize("length", [1, 8, 100, 3824, 3825, 30_000])
def test_the_code_rate_is_that_of_the_scheme_with_all_checks_counted(length, scheme):
    sent = plan(length, scheme)
    crc = 16 if length <= 3824 else 24
    inner = 24 * sent.frame.blocks if sent.frame.blocks > 1 else 0
    information = length + crc + inner + sent.padding
    assert information == sent.block_bits * sent.frame.blocks
    assert information / scheme.efficiency <= sent.uses < information / scheme.efficiency + 1
    assert sent.uses <= sent.frame.room <= (1.25 if length >= 100 else 1.5) * sent.uses + 1
    assert sent.frame.information >= sent.block_bits


def test_an_octave_of_lengths_needs_few_programs():
    frames = {plan(length, HALF).frame for length in range(1000, 2000)}
    assert len(frames) <= 9


def test_repetition_costs_what_it_says():
    once, again = plan(300, HALF), plan(300, Scheme(mcs=HALF.mcs, repetitions=4))
    assert abs(again.uses - 4 * once.uses) < 4
    assert Scheme(mcs=HALF.mcs, repetitions=4).name == "qpsk 449/1024 x4"
    with pytest.raises(ValueError, match="repetitions=0"):
        Scheme(mcs=HALF.mcs, repetitions=0)


def test_the_ladder_rises():
    efficiencies = [scheme.efficiency for scheme in LADDER]
    assert efficiencies == sorted(efficiencies)


@pytest.mark.parametrize("length", [0, -1, MOST_BITS + 1])
def test_other_lengths_are_refused(length):
    with pytest.raises(ValueError, match=f"allowed are 1 to {MOST_BITS}"):
        plan(length, HALF)
