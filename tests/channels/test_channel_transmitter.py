"""A right transmitter conforms; wrong ones are caught."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from semjax.channels import base
from semjax.channels.conformance import check_transmitter
from semjax.types import Public, Signal

IMAGE = jax.random.uniform(jax.random.key(0), (4, 8, 8, 3)) * jnp.array([0.2, 0.5, 1.0, 0.7])[:, None, None, None]
PUBLIC = Public(snr_db=jnp.full(4, 10.0), rate=jnp.array([1.0, 0.5, 0.25, 1.0]), height=8, width=8)
ROOM = 64


def latent(image):
    flat = (image - 0.5).reshape(image.shape[0], -1)[:, : 2 * ROOM]
    return (flat[:, :ROOM] + 1j * flat[:, ROOM:]).astype(jnp.complex64)


def prefix(public):
    return (jnp.arange(ROOM) < jnp.round(public.rate * ROOM)[:, None]).astype(jnp.float32)


def right(image, public):
    used = prefix(public)
    return Signal(symbols=base.normalize_power(latent(image), used), used=used, ints={"rate": public.rate > 0.5})


def batch_normalised(image, public):
    made = latent(image)
    made = (made - made.mean(0)) / jnp.sqrt(base.power(made - made.mean(0)).mean(0) + 1e-3)
    return Signal(symbols=base.normalize_power(made, prefix(public)), used=prefix(public))


def batch_power(image, public):
    made, used = latent(image) * prefix(public), prefix(public)
    return Signal(symbols=made * jnp.sqrt(used.sum() / base.power(made).sum()), used=used)


def scattered(image, public):
    used = prefix(public)[:, ::-1]
    return Signal(symbols=base.normalize_power(latent(image), used), used=used)


def leaking(image, public):
    return Signal(symbols=base.normalize_power(latent(image), jnp.ones((image.shape[0], ROOM))), used=prefix(public))


def unguarded(image, public):
    made, used = latent(image) * prefix(public), prefix(public)
    scale = jnp.sqrt(used.sum(1, keepdims=True) / base.power(made).sum(1, keepdims=True))
    return Signal(symbols=made * scale, used=used)


def order_dependent(image, public):
    return right(image * jnp.linspace(0.5, 1.0, image.shape[0])[:, None, None, None], public)


def test_right_transmitter_conforms():
    report = check_transmitter(right, IMAGE, PUBLIC)
    assert report.ok, str(report)


@pytest.mark.parametrize(
    ("wrong", "caught"),
    [
        (batch_normalised, "same in any batch"),
        (batch_power, "unit power per picture"),
        (batch_power, "same in any batch"),
        (scattered, "used symbols come first"),
        (leaking, "used symbols come first"),
        (unguarded, "flat pictures"),
        (order_dependent, "same in any order"),
    ],
)
def test_wrong_transmitters_are_caught(wrong, caught):
    report = check_transmitter(wrong, IMAGE, PUBLIC)
    assert caught in report.failed, str(report)


def test_one_picture_cannot_be_compared():
    with pytest.raises(ValueError, match="two pictures"):
        check_transmitter(right, IMAGE[:1], jax.tree.map(lambda leaf: leaf[:1], PUBLIC))


def test_report_names_the_transmitter():
    assert np.char.find(str(check_transmitter(right, IMAGE, PUBLIC)), "transmitter right") == 0
