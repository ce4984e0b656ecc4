"""`swinjscc`: starts at the linear code at every rate, sends what the token says, sizes, published parameter counts."""

import dataclasses
import functools
import json
import pathlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from semjax.channels import CHANNELS
from semjax.channels.awgn import AWGN
from semjax.channels.conformance import check_transmitter
from semjax.contracts import Phase
from semjax.decoders.swin import SwinDecoder
from semjax.encoders.swin import SwinEncoder
from semjax.metrics import METRICS
from semjax.nn.modulate import ModNet, ModNets, SNRFiLM
from semjax.systems.base import SystemTrainable, picture_keys, send
from semjax.systems.jscc import linear
from semjax.systems.swinjscc import swinjscc, swinjscc_public
from semjax.types import Batch, Public

GOLDEN = pathlib.Path(__file__).parent / "golden_swinjscc_params.json"
PHASES = (Phase(name="all"),)
TINY: dict[str, Any] = {"depths": (0, 0, 0, 2), "heads": (1, 1, 1, 2), "window": 2}
WIDTHS = (4, 4, 8, 8)


def tiny(**common: Any) -> SystemTrainable:
    encoder = functools.partial(SwinEncoder, widths=WIDTHS, modulation=SNRFiLM, **TINY)
    mirrored = {k: v[::-1] if isinstance(v, tuple) else v for k, v in TINY.items()}
    decoder = functools.partial(SwinDecoder, widths=WIDTHS[::-1], modulation=SNRFiLM, **mirrored)
    rates = {"cbr": 1 / 8, "min_cbr": 1 / 48, **common}
    return swinjscc(channel=AWGN(), phases=PHASES, encoder=encoder, decoder=decoder, **rates)


def published(name: str) -> SystemTrainable:
    widths, depths, heads, window, gate = {
        "base": ((128, 192, 256, 320), (2, 2, 6, 2), (4, 6, 8, 10), 8, ModNets),
        "cifar": ((128, 256), (2, 4), (4, 8), 2, ModNet),
    }[name]
    shape: dict[str, Any] = {"widths": widths, "depths": depths, "heads": heads}
    mirrored = {k: v[::-1] for k, v in shape.items()}
    encoder = functools.partial(SwinEncoder, **shape, window=window, gate=gate)
    decoder = functools.partial(SwinDecoder, **mirrored, window=window, gate=ModNet, last_kernel=1)
    nets: dict[str, Any] = {"encoder": encoder, "decoder": decoder}
    return swinjscc_public(cbr=1 / 6, min_cbr=1 / 48, channel=AWGN(), phases=PHASES, **nets)


def batch_of(sizes: tuple[int, int, int], *, rate: Any = 1.0, snr_db: float = 10.0) -> Batch:
    """Random pictures with a falling spectrum."""
    b, h, w = sizes
    noise = np.random.default_rng(0).normal(size=(b, h, w, 3)).cumsum(1).cumsum(2)
    image = jnp.asarray(0.5 + 0.1 * noise / noise.std(), jnp.float32)
    tokens = jnp.broadcast_to(jnp.asarray(rate, jnp.float32), (b,))
    public = Public(snr_db=jnp.full(b, snr_db, jnp.float32), rate=tokens, height=h, width=w)
    return Batch(image=image, public=public, id=jnp.arange(b), mask=jnp.ones(b, bool))


SIZES = (15, 32, 48)
RATES = np.tile([1 / 6, 1 / 3, 1 / 2, 2 / 3, 1.0], 3)
SYSTEM = tiny()


@functools.cache
def start() -> Any:
    return jax.jit(SYSTEM.init)(jax.random.key(0), batch_of(SIZES))[0]["codec"]


@functools.cache
def shaken() -> Any:
    """Parameters away from the start, so that every path has something to say."""
    shapes = jax.eval_shape(SYSTEM.init, jax.random.key(0), batch_of(SIZES))[0]["codec"]
    rng = np.random.default_rng(5)
    return jax.tree.map(lambda leaf: jnp.asarray(0.3 * rng.standard_normal(leaf.shape), jnp.float32), shapes)


ENDS = {name: jax.jit(function) for name, function in SYSTEM.predict_fns().items()}
SENT = jax.jit(send, static_argnums=0)


@functools.cache
def through(channel: str) -> Any:
    """(Parameters, batch) → what is sent, what arrives and the picture made of it; ends are compiled once."""

    def run(params: Any, batch: Batch) -> tuple[Any, Any, Any]:
        signal = ENDS["transmit"]({"params": params}, {}, batch.image, batch.public, {})
        keys = picture_keys(jax.random.key(1), 0, batch.id)
        received = SENT(CHANNELS[channel](), keys, signal, batch.public.snr_db)
        return signal, received, ENDS["receive"]({"params": params}, {}, received, batch.public)

    return run


@functools.cache
def floor(rate: float) -> dict[str, Any]:
    """The compiled ends of the linear code of a rate."""
    ends = linear(cbr=rate / 8, channel=AWGN(), phases=PHASES).predict_fns()
    return {name: jax.jit(function) for name, function in ends.items()}


@functools.cache
def receiver() -> Any:
    """The receiver alone: (received, public) → picture, from the decoder's parameters and nothing else."""
    params = {"params": {"decoder": shaken()["decoder"]}}
    return lambda received, public: ENDS["receive"](params, {}, received, public)


@pytest.mark.parametrize("channel", ["awgn", "rayleigh"])
def test_it_starts_at_the_linear_code_of_its_rate(channel: str) -> None:
    """Against `linear` built for each rate: same uses, same quality up to the noise drawn and the scale's rounding."""
    batch = batch_of(SIZES, rate=RATES)
    _, received, image = through(channel)(start(), batch)
    for i, rate in ((0, 1 / 6), (4, 1.0)):
        base = floor(rate)
        own = jax.tree.map(lambda x, i=i: x[i::5], batch)
        signal = base["transmit"]({"params": {}}, {}, own.image, own.public, {})
        arrived = SENT(CHANNELS[channel](), picture_keys(jax.random.key(1), 0, own.id), signal, own.public.snr_db)
        picture = base["receive"]({"params": {}}, {}, arrived, own.public)
        np.testing.assert_array_equal(received.uses["analog"][i::5], arrived.uses["analog"])
        ours, theirs = (float(jnp.mean(METRICS["psnr"](x, own.image))) for x in (image[i::5], picture))
        assert ours == pytest.approx(theirs, abs=0.5), rate


def test_a_token_says_how_much_is_sent_and_every_picture_may_have_its_own() -> None:
    batch = batch_of(SIZES, rate=RATES)
    signal, received, image = through("awgn")(shaken(), batch)
    np.testing.assert_allclose(received.uses["analog"] / (32 * 48 * 3), RATES / 8, rtol=1e-6)
    np.testing.assert_array_equal(jnp.sum(signal.used, axis=1), received.uses["analog"])
    turned = jax.tree.map(lambda x: jnp.roll(x, 3, axis=0), batch)
    np.testing.assert_allclose(jnp.roll(through("awgn")(shaken(), turned)[2], -3, axis=0), image, atol=2e-4)


def test_what_was_not_sent_cannot_be_seen() -> None:
    """The receiver's picture does not change with what the channel holds beyond the used prefix."""
    batch = batch_of(SIZES, rate=1 / 3)
    signal, received, image = through("awgn")(shaken(), batch)
    other = dataclasses.replace(received, symbols=jnp.where(signal.used == 1, received.symbols, 7.0 - 3.0j))
    np.testing.assert_allclose(receiver()(other, batch.public), image, atol=1e-4)


def test_receiver_isolation_and_tampering() -> None:
    batch = batch_of(SIZES, rate=0.5)
    _, received, image = through("awgn")(shaken(), batch)
    np.testing.assert_allclose(receiver()(received, batch.public), image, atol=1e-4)
    forged = dataclasses.replace(received, ints={"scale": received.ints["scale"] + 30})
    assert float(jnp.abs(receiver()(forged, batch.public) - image).max()) > 0.05


def test_transmitter_conforms() -> None:
    batch = batch_of(SIZES, rate=RATES)
    transmit = functools.partial(ENDS["transmit"], {"params": shaken()}, {})
    report = check_transmitter(lambda image, public: transmit(image, public, {}), batch.image, batch.public)
    assert report.ok, str(report)


def test_any_size_and_its_padding_is_counted() -> None:
    size = (17, 50)
    _, received, image = through("awgn")(shaken(), batch_of((1, *size), rate=0.5))
    assert image.shape == (1, *size, 3)
    assert bool(jnp.all(jnp.isfinite(image)))
    assert float(received.uses["analog"][0]) == 2 * 4 * 768 / 16


def test_both_ends_learn_from_the_start() -> None:
    batch = batch_of((2, 32, 32))

    def loss(codec: Any) -> Any:
        keys = picture_keys(jax.random.key(1), 0, batch.id)
        outputs, _ = SYSTEM.forward(codec, {}, {}, batch, keys, PHASES[0])
        return jnp.sum(SYSTEM.terms(outputs, batch, {})["log_mse"])

    grads = jax.jit(jax.grad(loss))(start())
    for end in ("encoder", "decoder"):
        assert max(float(jnp.abs(g).max()) for g in jax.tree.leaves(grads[end])) > 1e-6


@pytest.mark.parametrize(("name", "published_m"), [("base", 33.07), ("cifar", 13.7)])
def test_published_number_of_parameters(name: str, published_m: float) -> None:
    """Within 1 %: the published transmitter of two gates has no output layer of its own (320 x 320 on either side)."""
    params = jax.eval_shape(published(name).init, jax.random.key(0), batch_of((1, 32, 32)))[0]
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) / 1e6 == pytest.approx(published_m, rel=0.01)


@pytest.mark.parametrize("name", ["tiny", "base", "cifar"])
def test_golden_parameter_tree(name: str, request: pytest.FixtureRequest) -> None:
    """Parameter names and shapes are API. Regenerate with --update-golden and read the diff."""
    trainable = tiny() if name == "tiny" else published(name)
    params = jax.eval_shape(trainable.init, jax.random.key(0), batch_of((1, 32, 32)))[0]
    flat, _ = jax.tree_util.tree_flatten_with_path(params)
    tree = {jax.tree_util.keystr(path, simple=True, separator="/"): list(leaf.shape) for path, leaf in flat}
    golden = json.loads(GOLDEN.read_text()) if GOLDEN.exists() else {}
    if request.config.getoption("--update-golden"):
        golden[name] = tree
        GOLDEN.write_text(json.dumps(golden, indent=1, sort_keys=True) + "\n")
    assert golden[name] == tree


@pytest.mark.parametrize(
    ("rates", "said"),
    [
        ({"cbr": 1 / 8, "min_cbr": 1 / 4}, "must be between"),
        ({"cbr": 1 / 8, "min_cbr": 1e-4}, "must be between"),
        ({"cbr": 3 / 1536, "min_cbr": 1 / 768}, "even number"),
    ],
)
def test_rates_that_cannot_be_are_refused(rates: dict[str, float], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        tiny(**rates)
