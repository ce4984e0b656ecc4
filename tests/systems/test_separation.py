"""The separation baseline: what fits is sent, what is lost is concealed, and nothing else reaches the receiver."""

import dataclasses
import logging

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from semjax.app import build, config
from semjax.channels import AWGN, Fading
from semjax.codecs import CODECS, codec
from semjax.codecs.base import CodecError
from semjax.evaluators.base import chain, public_of
from semjax.link.choice import LINKS
from semjax.link.policy import Fixed
from semjax.link.schemes import Scheme
from semjax.link.transport import ideal_link
from semjax.phy.capacity import shannon
from semjax.phy.mcs import mcs
from semjax.systems import separation
from semjax.systems.separation import STREAM, Separation
from semjax.systems.validated import validation

COLOUR = (0.5, 0.25, 0.75)
SIZE = {"height": 48, "width": 40}


def system(name: str = "jpeg2000", **changes) -> Separation:
    parts = {"codec": codec(name), "channel": AWGN(), "cbr": 0.2, "links": ideal_link, "colour": COLOUR, **changes}
    return Separation(**parts)


def batch(count: int = 2) -> dict[str, np.ndarray]:
    ramp = np.linspace(0, 1, SIZE["width"])[None, None, :, None] * np.ones((count, SIZE["height"], 1, 3))
    ramp[:, ::8] *= 0.6
    return {"image": (ramp * np.asarray([1.0, 0.8, 0.5])).astype(np.float32), "id": np.arange(count)}


def received(made: Separation, *, snr_db: float = 10.0, rate: float = 1.0, seed: int = 0, channel=None):
    data = batch()
    public = public_of(data, snr_db=snr_db, rate=rate)
    line = chain(made, links=made.links)
    sent = line.encode({}, {}, image=jnp.asarray(data["image"]), public=public)
    where = {"channel": channel or made.channel, "key": jax.random.key(seed), "draw": 0, "ids": data["id"]}
    got = line.deliver(sent, **where, snr_db=public.snr_db)
    return data, got, np.asarray(line.decode({}, {}, received=got, public=public))


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(-10 * np.log10(np.mean((a - b) ** 2)))


def test_the_whole_budget_is_spent_and_charged():
    data, got, image = received(system())
    uses = round(0.2 * 3 * SIZE["height"] * SIZE["width"])
    bits = 8 * (int(uses * float(shannon(10.0))) // 8)
    assert np.asarray(got.uses[f"digital/{STREAM}"]) == pytest.approx(bits / float(shannon(10.0)))
    assert 0.99 * uses < bits / float(shannon(10.0)) <= uses
    assert set(got.uses) == {"analog", f"digital/{STREAM}"}
    assert not np.asarray(got.uses["analog"]).any()
    assert psnr(image, data["image"]) > 30


def test_quality_rises_with_snr_and_rate():
    at = [psnr(image, data["image"]) for data, _, image in (received(system(), snr_db=s) for s in (-5.0, 5.0, 15.0))]
    assert at[0] < at[1] < at[2]
    half = received(system(), snr_db=5.0, rate=0.5)
    assert psnr(half[2], half[0]["image"]) < at[1]
    assert half[1].uses[f"digital/{STREAM}"][0] < 0.51 * received(system(), snr_db=5.0)[1].uses[f"digital/{STREAM}"][0]


def test_what_does_not_fit_is_the_mean_colour(caplog):
    with caplog.at_level(logging.WARNING):
        _, got, image = received(system("jpeg"), snr_db=-20.0)
    assert "a picture is lost at the transmitter" in caplog.text
    assert "codec jpeg 4:4:4" in caplog.text
    np.testing.assert_allclose(image, np.broadcast_to(np.rint(np.asarray(COLOUR) * 255) / 255, image.shape), atol=1e-6)
    assert (np.asarray(got.uses[f"digital/{STREAM}"]) > 0).all()


def test_a_codec_that_fails_on_a_picture_loses_that_picture_alone(caplog):
    class Moody:
        name, terms, settings = "moody", "", (1.0,)

        def compress(self, image, index):
            if image[0, 0, 0] == 0:
                raise CodecError("codec moody: not this one")
            return b"\0good"

        def decompress(self, payload, *, height, width):
            return np.full((height, width, 3), 9, np.uint8)

    made = system(codec=Moody())
    pictures = np.stack([np.zeros((8, 8, 3), np.float32), np.ones((8, 8, 3), np.float32)])
    rows = made._rows(pictures, np.full(2, 10.0, np.float32), np.ones(2, np.float32))
    shown = made._pictures(rows, np.ones(2, bool), height=8, width=8)
    assert "codec moody: not this one" in caplog.text
    assert (shown[0] == made.concealment(height=8, width=8)).all()
    assert (shown[1] == 9).all()


def test_codecs_are_not_called_back_from_a_compiled_program():
    """A callback there can wait for ever for its arguments, where the only core is to bring them and runs it."""
    host = chain(system(), links=ideal_link)
    other = chain(dataclasses.replace(system(), on_host=False), links=ideal_link)
    assert [hasattr(end, "lower") for end in (other.transmit, other.receive)] == [True, True]
    assert [hasattr(end, "lower") for end in (host.transmit, host.receive)] == [False, False]


def test_lost_messages_are_concealed_and_known_to_be_lost():
    link = LINKS["coded"](Fixed(scheme=Scheme(mcs=mcs("low_se", 12))))
    made = system(links=link)
    data, got, image = received(made, snr_db=3.0)
    assert np.asarray(got.ok[STREAM]).all()
    assert psnr(image, data["image"]) > 25
    public = public_of(data, snr_db=3.0, rate=1.0)
    lost = dataclasses.replace(got, ok={STREAM: jnp.asarray([True, False])})
    shown = np.asarray(chain(made, links=link).decode({}, {}, received=lost, public=public))
    np.testing.assert_array_equal(shown[0], image[0])
    assert np.unique(shown[1].reshape(-1, 3), axis=0).shape == (1, 3)
    ints = {STREAM: got.ints[STREAM].at[0, 40].add(1)}
    other = dataclasses.replace(got, ints=ints)
    assert (np.asarray(chain(made, links=link).decode({}, {}, received=other, public=public))[0] != image[0]).any()


def test_another_channel_has_another_budget():
    links = LINKS["coded"](Fixed(scheme=Scheme(mcs=mcs("low_se", 12))))
    assert system(links=links).budget(**SIZE, snr_db=1.0) == system(links=links).budget(**SIZE, snr_db=20.0)
    steady = system()
    assert steady.over(Fading()).budget(**SIZE, snr_db=5.0) < steady.budget(**SIZE, snr_db=5.0)
    assert steady.over(Fading()).over(AWGN()) == steady


@pytest.mark.parametrize("name", CODECS)
def test_every_codec_was_validated(name):
    quality = validation().quality[codec(name).name]
    assert list(quality.mean) == sorted(quality.mean)
    assert quality.mean[-1] > 35 > 15 > quality.lost
    assert all(0.3 < value < 0.6 for value in validation().colour)


def test_it_is_built_from_a_configuration_and_is_not_trained():
    registry = build.default_registry()
    cfg = config.resolve({"system": {"name": "separation_jpeg2000", "cbr": 0.1}}, registry)
    made = build.build(cfg, registry)
    assert (made.name, made.variant, made.cbr) == ("separation", "jpeg2000", 0.1)
    assert made.links(AWGN()).kind == "ideal"
    coded = {"system": {"name": "separation_jpeg", "cbr": 0.1}, "eval": {"side_link": "coded"}}
    assert build.build(config.resolve(coded, registry), registry).links(AWGN()).terms == "envelope"
    with pytest.raises(ValueError, match="cannot be trained"):
        made.forward({}, {}, {}, None, None, None)  # type: ignore[arg-type]


def test_a_missing_wheel_is_an_error_of_the_configuration(monkeypatch):
    from semjax.codecs.base import MissingWheel

    def gone(name):
        raise MissingWheel('pip install "semjax[codecs]"')

    monkeypatch.setattr(separation, "codec", gone)
    with pytest.raises(ValueError, match=r"semjax\[codecs\]"):
        separation.builder("hevc")(None, None, cbr=0.1)
