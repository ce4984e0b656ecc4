"""How much fits into a number of uses: exactly that much, for every scheme, policy and link."""

import pytest

from semjax.channels import AWGN, Fading
from semjax.link.coded import CodedLink
from semjax.link.filling import link_room, most_bits, room
from semjax.link.frames import MOST_BITS, plan
from semjax.link.policy import Fixed, TargetError
from semjax.link.schemes import FINE_LADDER, LADDER, Scheme
from semjax.link.transport import ideal_link
from semjax.phy.capacity import shannon
from semjax.phy.mcs import mcs


@pytest.mark.parametrize("uses", [1, 7, 60, 1000, 4096, 49_152, 147_456])
def test_one_bit_more_takes_more_uses(uses):
    for scheme in FINE_LADDER:
        bits = most_bits(uses, scheme)
        assert bits == 0 or plan(bits, scheme).uses <= uses
        assert bits == MOST_BITS or plan(bits + 1, scheme).uses > uses


def test_long_messages_use_nearly_all_of_what_they_may():
    for scheme in LADDER[5:]:
        bits = most_bits(98_304, scheme)
        assert 0.985 < bits / (98_304 * scheme.efficiency) <= 1
        assert plan(bits, scheme).uses > 0.999 * 98_304


@pytest.mark.parametrize("channel", [AWGN(), Fading()])
@pytest.mark.parametrize("snr_db", [-60.0, 1.0, 10.0, 40.0])
def test_what_a_policy_is_given_it_sends_in_those_uses(channel, snr_db):
    policy = TargetError()
    for uses in (50, 3000, 50_000):
        bits = room(policy, channel, uses=uses, snr_db=snr_db)
        if bits:
            assert plan(bits, policy.choose(channel, bits, snr_db)).uses <= uses
    assert room(policy, channel, uses=0, snr_db=snr_db) == 0


def test_more_snr_never_carries_less():
    carried = [room(TargetError(), AWGN(), uses=20_000, snr_db=float(snr)) for snr in range(-10, 31, 2)]
    assert carried == sorted(carried)
    assert carried[-1] > 50 * carried[0] > 0


def test_a_fixed_scheme_that_is_not_on_the_ladder_is_filled_as_well():
    scheme = Scheme(mcs=mcs("64qam", 3), repetitions=3)
    assert scheme not in FINE_LADDER
    bits = room(Fixed(scheme=scheme), AWGN(), uses=5000, snr_db=3.0)
    assert bits == most_bits(5000, scheme) > 0


def test_links_carry_what_they_say():
    ideal = ideal_link(AWGN())
    assert link_room(ideal, uses=1000, snr_db=7.0) == int(1000 * float(shannon(7.0)))
    coded = CodedLink(channel=AWGN())
    assert link_room(coded, uses=1000, snr_db=7.0) == room(coded.policy, AWGN(), uses=1000, snr_db=7.0)


def test_a_link_of_another_kind_is_named():
    class Pigeon:
        kind, terms = "pigeon", ""

        def send(self, bits, *, snr_db, keys=None, told_snr_db=None, announce=False):
            raise NotImplementedError

    with pytest.raises(ValueError, match="Pigeon: what fits into a number of uses is known of"):
        link_room(Pigeon(), uses=10, snr_db=0.0)
