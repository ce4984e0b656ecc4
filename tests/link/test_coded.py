"""The coded link: what is sent arrives, is charged to the last use, and what is lost is known to be lost."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from semjax.channels import AWGN, Fading
from semjax.channels.csi import PilotCSI
from semjax.contracts import Channel
from semjax.link import blocks
from semjax.link.coded import CodedLink, send
from semjax.link.frames import plan
from semjax.link.policy import Fixed
from semjax.link.schemes import Scheme
from semjax.link.transport import LENGTH_BITS, Delivery, Transport
from semjax.phy.mcs import mcs
from semjax.types import Bits

QPSK = Scheme(mcs=mcs("low_se", 12))
LINK = CodedLink(channel=AWGN(), policy=Fixed(scheme=QPSK))
LENGTHS = (100, 0, 104, 90)


def messages(lengths: tuple[int, ...] = LENGTHS, *, room: int = 0) -> Bits:
    data = np.zeros((len(lengths), max(*lengths, room)), np.uint8)
    for row, length in enumerate(lengths):
        data[row, :length] = np.random.default_rng(row).integers(0, 2, length)
    return Bits(bits=jnp.asarray(data), length=jnp.asarray(lengths, jnp.int32))


def keys(count: int) -> jax.Array:
    return jax.vmap(lambda i: jax.random.fold_in(jax.random.key(3), i))(jnp.arange(count))


def deliver(link: CodedLink, bits: Bits, *, snr_db: float, announce: bool = False) -> Delivery:
    count = bits.length.shape[0]
    return link.send(bits, snr_db=np.full(count, snr_db, np.float32), keys=keys(count), announce=announce)


@pytest.mark.parametrize("announce", [False, True])
def test_messages_arrive_and_all_uses_are_charged(announce):
    bits = messages()
    arrived = deliver(LINK, bits, snr_db=8.0, announce=announce)
    assert isinstance(LINK, Transport)
    assert arrived.ok.all()
    np.testing.assert_array_equal(arrived.bits.bits, bits.bits)
    header = plan(LENGTH_BITS, QPSK).uses if announce else 0
    expected = [header + (plan(length, QPSK).uses if length else 0) for length in LENGTHS]
    np.testing.assert_array_equal(arrived.uses, expected)


def test_a_message_of_several_code_blocks_arrives_and_one_damaged_block_loses_all_of_it():
    scheme = Scheme(mcs=mcs("256qam", 26))
    bits = messages((20_000, 19_990))
    sent = plan(20_000, scheme)
    assert sent.frame.blocks == 3
    arrived = deliver(CodedLink(channel=Jammed(), policy=Fixed(scheme=scheme)), bits, snr_db=35.0)
    assert arrived.ok.tolist() == [True, False]
    np.testing.assert_array_equal(arrived.bits.bits[0], bits.bits[0])
    assert not np.any(arrived.bits.bits[1])


class Jammed(AWGN):
    """Spoils the last symbols of every second picture."""

    def __call__(self, keys, symbols, used, snr_db):
        count = jnp.sum(used, axis=1, keepdims=True)
        last = (jnp.arange(symbols.shape[1]) > count - 400) & (jnp.arange(symbols.shape[0])[:, None] % 2 == 1)
        return super().__call__(keys, jnp.where(last, -symbols, symbols), used, snr_db)


def test_below_capacity_messages_are_lost_and_said_to_be():
    arrived = deliver(LINK, messages(), snr_db=-12.0, announce=True)
    assert not arrived.ok.any()
    assert not np.any(arrived.bits.bits)
    assert np.all(arrived.uses > 0)


@pytest.mark.parametrize("channel", [AWGN(), Fading()])
def test_neither_batch_nor_room_changes_what_a_message_meets(channel: Channel):
    link, snr_db = CodedLink(channel=channel, policy=Fixed(scheme=QPSK)), 0.5 if isinstance(channel, AWGN) else 3.0
    lengths = (100, 104, 101, 97, 103, 102, 99, 98)
    together = deliver(link, messages(lengths, room=300), snr_db=snr_db)
    bits = messages(lengths)
    assert 0 < together.ok.sum() < 8
    for row in range(8):
        alone = link.send(
            Bits(bits=bits.bits[row : row + 1, :110], length=bits.length[row : row + 1]),
            snr_db=np.full(1, snr_db, np.float32),
            keys=keys(8)[row : row + 1],
        )
        assert alone.ok[0] == together.ok[row]


def test_pilots_are_charged():
    known = deliver(CodedLink(channel=Fading(), policy=Fixed(scheme=QPSK)), messages((100,)), snr_db=20.0)
    link = CodedLink(channel=Fading(csi=PilotCSI(pilots=5)), policy=Fixed(scheme=QPSK))
    assert deliver(link, messages((100,)), snr_db=20.0).uses[0] == known.uses[0] + 5


def test_send_takes_a_row_of_the_standards_tables():
    bits = messages((100,))
    arrived = send(keys(1), bits, mcs("low_se", 12), AWGN(), np.full(1, 8.0))
    assert arrived.ok[0]
    assert arrived.uses[0] == plan(100, QPSK).uses


@pytest.mark.parametrize("scheme", [QPSK, Scheme(mcs=mcs("256qam", 8)), Scheme(mcs=mcs("256qam", 22))])
def test_zeros_are_sent_at_unit_power(scheme):
    sent = plan(3000, scheme)
    length, uses = jnp.full(1, 3000), jnp.full(1, sent.uses)
    symbols = blocks.encode(sent.frame, jnp.zeros((1, 3000), jnp.uint8), length, uses)
    power = np.abs(np.asarray(symbols)[0]) ** 2
    assert not power[sent.uses :].any()
    # The spread of |s|^2 is 0 for QPSK and below 0.7 for all QAM.
    assert abs(power[: sent.uses].mean() - 1) < 1e-5 + 4 * power[: sent.uses].std() / sent.uses**0.5


def test_wrong_use_is_explained():
    bits = messages((100,))
    with pytest.raises(ValueError, match="keys are needed"):
        LINK.send(bits, snr_db=np.zeros(1))
    with pytest.raises(ValueError, match=r"1 messages, but snr_db of shape \(2,\)"):
        LINK.send(bits, snr_db=np.zeros(2), keys=keys(2))
