"""The evaluation chain: what may cross, what is charged, which keys are used, and how often it is compiled."""

import collections
import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from semjax.channels import AWGN, Fading, base
from semjax.contracts import Channel
from semjax.evaluators.base import chain, public_of
from semjax.link.side import FixedWidth
from semjax.link.transport import ideal_link
from semjax.phy import capacity
from semjax.systems.base import picture_keys, slot_keys
from semjax.types import ChannelOut, Image, Public, Received, Signal

TRACED: collections.Counter[str] = collections.Counter()
"""How often each part was traced, which is how often it was compiled."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Counted:
    """AWGN that counts its compilations."""

    name: str = "counted"

    def __call__(self, keys: Any, symbols: Any, used: Any, snr_db: Any) -> ChannelOut:
        TRACED[self.name] += 1
        return AWGN()(keys, symbols, used, snr_db)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Toy:
    """Sends the upper half of a picture as analog symbols and 3 bits of brightness; the rest is secret."""

    side_codecs: Mapping[str, Any] = dataclasses.field(default_factory=lambda: {"level": FixedWidth(bits=3)})
    payload_streams: tuple[str, ...] = ()

    def predict_fns(self) -> dict[str, Callable[..., Any]]:
        return {"transmit": self.transmit, "receive": self.receive}

    def transmit(self, variables: Any, frozen: Any, image: Image, public: Public, given: Any) -> Signal:
        TRACED["transmit"] += 1
        assert given == {}
        values = image[:, : public.height // 2].reshape(image.shape[0], -1, 2) - 0.5
        symbols = jax.lax.complex(values[..., 0], values[..., 1]) * variables["gain"]
        level = jnp.round(jnp.mean(image, axis=(1, 2, 3)) * 7).astype(jnp.int32)
        secret = {"level": image.mean(axis=(1, 2, 3))}
        return Signal(
            symbols=symbols,
            used=jnp.ones(symbols.shape),
            ints={"level": level},
            relaxed=secret,
            est_bits=secret,
            aux=secret,
        )

    def receive(self, variables: Any, frozen: Any, received: Received, public: Public) -> Image:
        TRACED["receive"] += 1
        assert received.relaxed == {}
        assert received.uses == {}
        b, symbols = received.symbols.shape[0], received.symbols / variables["gain"]
        values = jnp.stack([symbols.real, symbols.imag], axis=-1) + 0.5
        upper = values.reshape(b, public.height // 2, public.width, 3)
        lower = jnp.broadcast_to((received.ints["level"] / 7)[:, None, None, None], upper.shape)
        return jnp.concatenate([upper, lower], axis=1)


VARIABLES = {"gain": jnp.float32(2.0)}


def batch_of(count: int, *, side: int = 8, first_id: int = 0) -> dict[str, np.ndarray]:
    ids = np.arange(first_id, first_id + count, dtype=np.int32)
    pictures = [np.random.default_rng(i).uniform(0, 1, (side, side, 3)) for i in ids]
    return {"image": np.stack(pictures).astype(np.float32), "id": ids, "_mask": np.ones(count, bool)}


def deliver(toy: Any, batch: Mapping[str, np.ndarray], *, channel: Channel, snr_db: float, draw: int = 0) -> Received:
    compiled, public = chain(toy, links=ideal_link), public_of(batch, snr_db=snr_db, rate=1.0)
    sent = compiled.encode(VARIABLES, {}, image=jnp.asarray(batch["image"]), public=public)
    return compiled.deliver(
        sent, channel=channel, key=jax.random.key(0), draw=draw, ids=batch["id"], snr_db=public.snr_db
    )


def test_integers_arrive_through_real_bits_and_are_charged_at_capacity() -> None:
    batch = batch_of(3)
    received = deliver(Toy(), batch, channel=AWGN(), snr_db=10.0)
    np.testing.assert_array_equal(received.ints["level"], np.round(batch["image"].mean(axis=(1, 2, 3)) * 7))
    assert received.ok["level"].shape == (3,)
    assert set(received.uses) == {"analog", "side/level"}
    np.testing.assert_allclose(received.uses["analog"], 4 * 8 * 3 / 2)
    np.testing.assert_allclose(received.uses["side/level"], 3 / capacity.shannon(np.array(10.0)), rtol=1e-6)


def test_a_stream_that_the_system_declares_as_content_is_digital_and_not_side_information() -> None:
    received = deliver(Toy(payload_streams=("level",)), batch_of(1), channel=AWGN(), snr_db=10.0)
    assert set(received.uses) == {"analog", "digital/level"}


def test_a_stream_without_a_codec_cannot_pass_uncharged() -> None:
    with pytest.raises(ValueError, match=r"integer streams \['level'\] without a side codec"):
        deliver(Toy(side_codecs={}), batch_of(1), channel=AWGN(), snr_db=10.0)


def test_the_codec_sees_no_values_but_the_bits() -> None:
    class Peeking(FixedWidth):
        def unpack(self, bits: Any, like: np.ndarray) -> np.ndarray:
            assert not like.any()
            return super().unpack(bits, like)

    received = deliver(Toy(side_codecs={"level": Peeking(bits=3)}), batch_of(2), channel=AWGN(), snr_db=10.0)
    assert np.asarray(received.ints["level"]).all()


def test_noise_is_that_of_the_pictures_own_key_in_slot_0() -> None:
    batch = batch_of(2, first_id=5)
    received = deliver(Toy(), batch, channel=AWGN(), snr_db=3.0, draw=2)
    keys = slot_keys(picture_keys(jax.random.key(0), 2, jnp.array([5, 6])), 0)
    values = batch["image"][:, :4].reshape(2, -1, 2) - 0.5
    sent = (values[..., 0] + 1j * values[..., 1]) * 2.0
    expected = base.add_noise(keys, jnp.asarray(sent, jnp.complex64), base.noise_variance(jnp.full(2, 3.0))[:, None])
    np.testing.assert_allclose(received.symbols, expected, atol=1e-5)


@pytest.mark.parametrize("channel", [AWGN(), Fading()])
def test_what_a_picture_meets_depends_on_neither_batch_nor_draws_of_others(channel: Channel) -> None:
    together = deliver(Toy(), batch_of(4), channel=channel, snr_db=5.0)
    alone = deliver(Toy(), batch_of(1, first_id=2), channel=channel, snr_db=5.0)
    np.testing.assert_allclose(together.symbols[2], alone.symbols[0], atol=1e-5)
    other = deliver(Toy(), batch_of(4), channel=channel, snr_db=5.0, draw=1)
    assert np.abs(np.asarray(other.symbols - together.symbols)).max(axis=1).min() > 0.1


def test_one_compilation_per_shape_and_channel_whatever_the_snr_and_draw() -> None:
    compiled, key = chain(Toy(), links=lambda channel: ideal_link(AWGN())), jax.random.key(0)
    lanes = (Counted(name="first"), Counted(name="second"))
    TRACED.clear()
    for batch in (batch_of(2), batch_of(2, side=16)):
        for snr_db in (0.0, 5.0, 10.0):
            public = public_of(batch, snr_db=snr_db, rate=1.0)
            sent = compiled.encode(VARIABLES, {}, image=jnp.asarray(batch["image"]), public=public)
            for channel in lanes:
                for draw in (0, 1):
                    received = compiled.deliver(
                        sent, channel=channel, key=key, draw=draw, ids=batch["id"], snr_db=public.snr_db
                    )
                    compiled.decode(VARIABLES, {}, received=received, public=public)
    assert TRACED == {"transmit": 2, "receive": 2, "first": 2, "second": 2}
