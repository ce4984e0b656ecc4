"""The ideal link: nothing is lost, and capacity is paid."""

import jax.numpy as jnp
import numpy as np
import pytest

from semjax.channels import CHANNELS
from semjax.link.transport import ideal_link
from semjax.phy import capacity
from semjax.types import Bits

BITS = Bits(bits=jnp.ones((3, 8), jnp.uint8), length=jnp.array([8, 4, 0]))
SNR_DB = jnp.array([0.0, 10.0, 20.0])


def test_bits_arrive_and_cost_their_capacity():
    delivery = ideal_link(CHANNELS["awgn"]()).send(BITS, snr_db=SNR_DB)
    np.testing.assert_array_equal(delivery.bits.bits, BITS.bits)
    assert delivery.ok.all()
    np.testing.assert_allclose(delivery.uses, [8.0, 4 / np.log2(11), 0.0])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("rayleigh", capacity.ergodic_rayleigh),
        ("rayleigh_fast", capacity.ergodic_rayleigh),
        ("rician", lambda snr_db: capacity.ergodic_rician(snr_db, 6.0)),
    ],
)
def test_fading_pays_its_ergodic_capacity(name, expected):
    link = ideal_link(CHANNELS[name]())
    assert hash(link) == hash(ideal_link(CHANNELS[name]()))
    np.testing.assert_allclose(link.send(BITS, snr_db=SNR_DB).uses[:2], np.array([8, 4]) / expected(SNR_DB)[:2])


def test_without_capacity_only_nothing_is_free():
    uses = ideal_link(CHANNELS["rayleigh"]()).send(BITS, snr_db=np.full(3, -np.inf)).uses
    np.testing.assert_array_equal(uses, [np.inf, np.inf, 0.0])


def test_unknown_capacity_and_wrong_shapes_are_refused():
    with pytest.raises(ValueError, match="is not known"):
        ideal_link(CHANNELS["compat_batch_power"]())
    with pytest.raises(ValueError, match="3 bit strings"):
        ideal_link(CHANNELS["awgn"]()).send(BITS, snr_db=np.zeros(2))
