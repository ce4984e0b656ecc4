"""The envelope: the choice that the criterion asks for, and its limits."""

import numpy as np
import pytest

from semjax.channels import AWGN, Fading
from semjax.channels.gains import Fast, Rician
from semjax.link import bler
from semjax.link.coded import CodedLink
from semjax.link.envelope import Envelope, Quality, outage_rate
from semjax.link.filling import link_room, most_bits
from semjax.link.schemes import FINE_LADDER
from semjax.phy.capacity import shannon

QUALITY = Quality(bpp=(0.05, 0.2, 0.8, 3.2), mean=(24.0, 29.0, 34.0, 40.0), lost=13.0)
ENVELOPE = Envelope(quality=QUALITY, cbr=1 / 12, pixels=96 * 96)


def test_quality_is_read_between_and_beyond_its_points():
    assert QUALITY.at(0.4) == pytest.approx(31.5)
    assert QUALITY.at(10.0) == 40.0
    assert QUALITY.at(0.05) == pytest.approx(24.0)
    assert QUALITY.at(0.049) == 13.0
    with pytest.raises(ValueError, match="rates that rise"):
        Quality(bpp=(0.2, 0.1), mean=(1.0, 2.0), lost=0.0)


@pytest.mark.parametrize("channel", [AWGN(), Fading()])
@pytest.mark.parametrize("snr_db", [1.0, 7.0, 13.0])
def test_no_other_scheme_promises_more(channel, snr_db):
    best = ENVELOPE.choose(channel, 0, snr_db)
    promised = {scheme: ENVELOPE.expected(channel, scheme, snr_db) for scheme in FINE_LADDER}
    usable = [s for s in FINE_LADDER if bler.measured().covers(s.mcs, most_bits(768 * 3, s) + 24)]
    assert promised[best] == max(promised[scheme] for scheme in usable)


def test_it_climbs_with_the_snr():
    chosen = [ENVELOPE.choose(AWGN(), 0, float(snr)).efficiency for snr in range(-4, 26)]
    assert chosen == sorted(chosen)
    assert chosen[-1] > 10 * chosen[0]
    assert all(rate < shannon(float(snr)) for rate, snr in zip(chosen, range(-4, 26), strict=True))


def test_over_block_fading_it_is_more_careful():
    assert ENVELOPE.choose(Fading(), 0, 10.0).efficiency < ENVELOPE.choose(AWGN(), 0, 10.0).efficiency


def test_where_nothing_arrives_the_quality_is_that_of_lost_pictures():
    assert ENVELOPE.expected(AWGN(), FINE_LADDER[-1], 0.0) == pytest.approx(13.0, abs=1e-6)
    tiny = Envelope(quality=QUALITY, cbr=1 / 3000, pixels=100)
    assert tiny.expected(AWGN(), FINE_LADDER[0], 10.0) == 13.0


def test_the_coded_link_is_filled_with_it():
    uses = round(ENVELOPE.cbr * 3 * ENVELOPE.pixels)
    bits = link_room(CodedLink(channel=AWGN(), policy=ENVELOPE), uses=uses, snr_db=7.0)
    assert bits == most_bits(uses, ENVELOPE.choose(AWGN(), 0, 7.0))
    assert ENVELOPE.name(AWGN()) == "envelope"
    assert ENVELOPE.cautious() is ENVELOPE


def test_codes_that_achieve_capacity_choose_a_rate_likewise():
    best = outage_rate(QUALITY, Fading(), cbr=1 / 12, snr_db=10.0)
    assert best.lost == pytest.approx(1 - np.exp(-(2**best.rate - 1) / 10))
    for rate in (0.5 * best.rate, 1.5 * best.rate):
        lost = 1 - np.exp(-(2**rate - 1) / 10)
        other = (1 - lost) * QUALITY.at(rate / 4) + lost * QUALITY.lost
        assert other < (1 - best.lost) * QUALITY.at(best.rate / 4) + best.lost * QUALITY.lost
    steady = outage_rate(QUALITY, AWGN(), cbr=1 / 12, snr_db=10.0)
    assert steady.lost == 0
    assert 0.99 * shannon(10.0) < steady.rate <= shannon(10.0)
    sighted = outage_rate(QUALITY, Fading(gains=Rician(k_factor_db=10.0)), cbr=1 / 12, snr_db=10.0)
    assert best.rate < sighted.rate < steady.rate


def test_fast_fading_has_no_outage():
    with pytest.raises(ValueError, match="changes within a picture"):
        outage_rate(QUALITY, Fading(coherence=Fast()), cbr=0.1, snr_db=3.0)
