"""The chain over the coded link: what is charged, what is lost, and what the rows say."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from semjax.channels import AWGN, Fading
from semjax.evaluators.base import chain, public_of
from semjax.link.coded import CodedLink
from semjax.link.frames import plan
from semjax.link.policy import Fixed
from semjax.link.range_coded import RangeCoded
from semjax.link.schemes import Scheme
from semjax.link.side import FixedWidth
from semjax.link.transport import LENGTH_BITS, Delivery, ideal_link
from semjax.phy import capacity
from semjax.phy.mcs import mcs
from semjax.types import Bits, Image, Public, Received, Signal

QPSK = Scheme(mcs=mcs("low_se", 12))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Level:
    """Sends the brightness of a picture as one integer, and one symbol."""

    codec: Any
    payload_streams: tuple[str, ...] = ()

    @property
    def side_codecs(self) -> dict[str, Any]:
        return {"level": self.codec} if self.codec else {}

    def predict_fns(self) -> dict[str, Any]:
        return {"transmit": self.transmit, "receive": lambda variables, frozen, received, public: received.symbols}

    def transmit(self, variables: Any, frozen: Any, image: Image, public: Public, given: Any) -> Signal:
        ones = jnp.ones((image.shape[0], 1))
        level = jnp.round(jnp.mean(image, axis=(1, 2, 3)) * 7).astype(jnp.int32)[:, None]
        return Signal(symbols=ones.astype(jnp.complex64), used=ones, ints={"level": level} if self.codec else {})


def delivered(codec: Any, links: Any, *, snr_db: float, told_snr_db: float | None = None) -> Received:
    image = np.linspace(0.3, 1, 3, dtype=np.float32)[:, None, None, None] * np.ones((3, 8, 8, 3), np.float32)
    compiled, ids = chain(Level(codec=codec), links=links), np.arange(3, dtype=np.int32)
    public = public_of({"image": image}, snr_db=snr_db, rate=1.0)
    sent = compiled.encode({}, {}, image=jnp.asarray(image), public=public)
    told = None if told_snr_db is None else jnp.full(3, told_snr_db)
    return compiled.deliver(
        sent, channel=AWGN(), key=jax.random.key(0), draw=0, ids=ids, snr_db=public.snr_db, told_snr_db=told
    )


def coded(channel: Any) -> CodedLink:
    return CodedLink(channel=channel, policy=Fixed(scheme=QPSK))


def test_a_stream_of_constant_length_is_sent_as_one_transport_block() -> None:
    received = delivered(FixedWidth(bits=3), coded, snr_db=9.0)
    np.testing.assert_array_equal(received.ints["level"][:, 0], [2, 5, 7])
    assert np.all(received.ok["level"])
    np.testing.assert_array_equal(received.uses["side/level"], plan(3, QPSK).uses)


class Inverted(FixedWidth):
    """Reads 7 from zeros."""

    def pack(self, array: np.ndarray) -> Bits:
        return super().pack(7 - array)

    def unpack(self, bits: Bits, like: np.ndarray) -> np.ndarray:
        return 7 - super().unpack(bits, like)


@pytest.mark.parametrize("codec", [FixedWidth(bits=3), Inverted(bits=3)])
def test_what_is_lost_is_zero_and_not_ok_and_still_charged(codec: Any) -> None:
    received = delivered(codec, coded, snr_db=-30.0)
    assert not np.any(received.ok["level"])
    assert not np.any(received.ints["level"])
    assert np.all(received.uses["side/level"] >= plan(1, QPSK).uses)


def test_the_length_of_a_variable_string_is_charged_on_every_link() -> None:
    codec = RangeCoded(alphabet=8)
    ideal, real = (delivered(codec, links, snr_db=9.0) for links in (ideal_link, coded))
    length = np.asarray(codec.pack(np.array([[2], [5], [7]])).length)
    expected = (length + LENGTH_BITS) / capacity.shannon(np.array(9.0))
    np.testing.assert_allclose(ideal.uses["side/level"], expected, rtol=1e-6)
    header = plan(LENGTH_BITS, QPSK).uses
    np.testing.assert_array_equal(real.uses["side/level"], [header + plan(int(a), QPSK).uses for a in length])
    np.testing.assert_array_equal(real.ints["level"][:, 0], [2, 5, 7])


def test_the_link_is_told_what_both_ends_were_told() -> None:
    heard = {}

    @dataclasses.dataclass(frozen=True)
    class Listening:
        kind: str = "ideal"
        terms: str = ""

        def send(self, bits: Bits, **told: Any) -> Delivery:
            heard.update(told)
            return Delivery(bits=bits, ok=np.ones(3, bool), uses=np.zeros(3))

    delivered(FixedWidth(bits=3), lambda channel: Listening(), snr_db=4.0, told_snr_db=10.0)
    np.testing.assert_array_equal(heard["snr_db"], 4.0)
    np.testing.assert_array_equal(heard["told_snr_db"], 10.0)
    assert heard["announce"] is False


@pytest.mark.parametrize(
    ("codec", "links", "said"),
    [
        (None, None, ("none", "")),
        (FixedWidth(bits=3), ideal_link, ("ideal", "capacity")),
        (FixedWidth(bits=3), coded, ("coded", "qpsk 449/1024")),
        (FixedWidth(bits=3), lambda channel: CodedLink(channel=channel), ("coded", "bler <= 0.1")),
    ],
)
def test_rows_name_the_link_and_its_terms(codec: Any, links: Any, said: tuple[str, str]) -> None:
    assert chain(Level(codec=codec), links=links).side_link(Fading()) == said
