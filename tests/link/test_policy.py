"""Which scheme is chosen, and the same link as training sees it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from semjax.channels import AWGN, CHANNELS, Fading
from semjax.contracts import BitChannel
from semjax.link.bler import block_error, measured
from semjax.link.frames import plan
from semjax.link.policy import DEFAULT, Fixed, Policy, TargetError
from semjax.link.schemes import LADDER
from semjax.link.surrogate import surrogate
from semjax.phy.capacity import shannon
from semjax.types import Bits


@pytest.mark.parametrize("channel", [AWGN(), Fading()])
def test_more_snr_never_costs_more_and_the_target_is_met(channel):
    target = 0.01 if isinstance(channel, AWGN) else 0.1
    spent = []
    for snr_db in (-5.0, 1.0, 7.0, 13.0, 25.0):
        scheme = DEFAULT.choose(channel, 400, snr_db)
        assert block_error(measured(), channel, scheme, 400, snr_db) <= target
        spent.append(plan(400, scheme).uses)
    assert spent == sorted(spent, reverse=True)
    assert DEFAULT.name(channel) == f"bler <= {target:g}"


def test_the_choice_is_within_four_decibels_of_capacity_on_awgn():
    for snr_db in (1.0, 7.0, 13.0):
        efficiency = 2000 / plan(2000, DEFAULT.choose(AWGN(), 2000, snr_db)).uses
        assert shannon(snr_db - 4.0) < efficiency < shannon(snr_db)


def test_where_nothing_reaches_the_target_the_most_robust_scheme_is_taken():
    assert DEFAULT.choose(AWGN(), 400, -60.0) == LADDER[0]


def test_caution_costs_uses_and_a_fixed_scheme_stays():
    chosen, careful = (
        [policy.choose(AWGN(), 20, snr_db).efficiency for snr_db in range(12)]
        for policy in (DEFAULT, DEFAULT.cautious())
    )
    assert all(a <= b for a, b in zip(careful, chosen, strict=True))
    assert sum(careful) < 0.95 * sum(chosen)
    fixed = Fixed(scheme=LADDER[8])
    assert fixed.choose(CHANNELS["compat_batch_power"](), 20, 7.0) == LADDER[8] == fixed.cautious().scheme
    assert fixed.name(AWGN()) == LADDER[8].name
    assert isinstance(fixed, Policy)


@pytest.mark.parametrize("target", [0.0, 1.0, -0.1])
def test_other_targets_are_refused(target):
    with pytest.raises(ValueError, match="allowed is above 0 and below 1"):
        TargetError(target=target)


def test_the_surrogate_is_the_table_at_its_points_and_between_them_in_between():
    made = surrogate(Fading(), snr_db=(0.0, 3.0), bits=(100, 400))
    size, snr_db = round(float(np.exp(made.log_bits[1]))), 1.5
    scheme = DEFAULT.choose(Fading(), size, snr_db)
    at = (jnp.full(1, size), jnp.full(1, snr_db))
    np.testing.assert_allclose(made.loss(*at), block_error(measured(), Fading(), scheme, size, snr_db), rtol=1e-3)
    np.testing.assert_allclose(made.uses(*at), plan(size, scheme).uses, rtol=1e-3)
    between = float(made.uses(jnp.full(1, size), jnp.full(1, 1.7))[0])
    ends = [float(made.uses(jnp.full(1, size), jnp.full(1, snr))[0]) for snr in (1.5, 2.0)]
    assert min(ends) <= between <= max(ends)
    assert float(made.loss(jnp.zeros(1, jnp.int32), jnp.zeros(1))[0]) == 0
    with pytest.raises(ValueError, match="both are \\(least, largest\\)"):
        surrogate(AWGN(), snr_db=(3.0, 3.0), bits=(1, 2))


def test_whole_messages_drop_as_often_as_the_link_loses_them():
    made = surrogate(Fading(), snr_db=(0.0, 3.0), bits=(100, 400))
    assert isinstance(made, BitChannel)
    count = 4000
    bits = Bits(bits=jnp.ones((count, 300), jnp.uint8), length=jnp.full(count, 300, jnp.int32))
    sent = jax.jit(lambda *sending: made(*sending))(
        jax.random.split(jax.random.key(0), count), bits, jnp.full(count, 2.0)
    )
    left = np.asarray(sent.bits).sum(axis=1)
    assert set(left.tolist()) == {0, 300}
    loss = float(made.loss(bits.length[:1], jnp.full(1, 2.0))[0])
    assert abs((left == 0).mean() - loss) < 4.5 * np.sqrt(loss / count)
