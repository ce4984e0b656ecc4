"""`linear` and `deepjscc`: figures, start at the linear code, what the receiver may see, sizes, golden trees."""

import dataclasses
import functools
import json
import pathlib
import types
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from semjax.channels import CHANNELS
from semjax.channels.awgn import AWGN
from semjax.channels.conformance import check_transmitter
from semjax.contracts import Phase
from semjax.data.sources import ArchiveSource
from semjax.decoders.conv import ConvDecoder, ResidualConvDecoder
from semjax.encoders.conv import ConvEncoder, ResidualConvEncoder
from semjax.metrics import METRICS
from semjax.nn.conv import Identity
from semjax.nn.modulate import SNRFiLM
from semjax.parallel.mesh import make_mesh, shard_batch
from semjax.systems.base import SystemTrainable, picture_keys, send
from semjax.systems.jscc import deepjscc, deepjscc_public, linear
from semjax.training.optim import adamw
from semjax.training.state import init_state
from semjax.training.step import make_step
from semjax.types import Batch, Public, Signal

GOLDEN = pathlib.Path(__file__).parent / "golden_jscc_params.json"
PHASES = (Phase(name="all"),)
SMALL: dict[str, Any] = {"widths": (4, 4, 4, 4), "blocks": (0, 0, 0, 1)}


def wide(**common: Any) -> SystemTrainable:
    encoder = functools.partial(ResidualConvEncoder, modulation=SNRFiLM, **SMALL)
    decoder = functools.partial(ResidualConvDecoder, modulation=SNRFiLM, **SMALL)
    return deepjscc(channel=AWGN(), phases=PHASES, encoder=encoder, decoder=decoder, **common)


def fine(**common: Any) -> SystemTrainable:
    encoder = functools.partial(ConvEncoder, final=Identity)
    decoder = functools.partial(ConvDecoder, final=Identity())
    return deepjscc(channel=AWGN(), phases=PHASES, encoder=encoder, decoder=decoder, **common)


def floor(**common: Any) -> SystemTrainable:
    return linear(channel=AWGN(), phases=PHASES, **common)


def public_form(**common: Any) -> SystemTrainable:
    return deepjscc_public(channel=AWGN(), phases=PHASES, encoder=ConvEncoder, decoder=ConvDecoder, **common)


def half(**common: Any) -> SystemTrainable:
    nets = {"encoder": ResidualConvEncoder, "decoder": ResidualConvDecoder}
    halves: dict[str, Any] = {k: functools.partial(net, dtype=jnp.bfloat16, **SMALL) for k, net in nets.items()}
    return deepjscc(channel=AWGN(), phases=PHASES, **halves, **common)


BUILDERS = {"linear": floor, "deepjscc": wide, "deepjscc_fine": fine, "deepjscc_public": public_form}


def batch_of(image: np.ndarray, snr_db: float = 10.0) -> Batch:
    b, h, w, _ = image.shape
    public = Public(snr_db=jnp.full(b, snr_db, jnp.float32), rate=jnp.ones(b), height=h, width=w)
    return Batch(image=jnp.asarray(image), public=public, id=jnp.arange(b), mask=jnp.ones(b, bool))


def pictures(b: int, h: int, w: int) -> np.ndarray:
    """Smooth random pictures, so that a transform code has something to gain."""
    noise = np.random.default_rng(0).normal(size=(b, h, w, 3))
    kernel = np.exp(-0.5 * (np.minimum(np.arange(h), h - np.arange(h)) / 3) ** 2)
    row = np.exp(-0.5 * (np.minimum(np.arange(w), w - np.arange(w)) / 3) ** 2)
    spectrum = np.fft.fft2(noise, axes=(1, 2)) * np.fft.fft2(np.outer(kernel, row))[None, :, :, None]
    smooth = np.fft.ifft2(spectrum, axes=(1, 2)).real
    return np.clip(0.5 + 0.15 * smooth / smooth.std(), 0, 1).astype(np.float32)


SIZES = (3, 32, 48)
CBR = 1 / 12


@functools.cache
def made(name: str, cbr: float = CBR) -> SystemTrainable:
    return {**BUILDERS, "half": half}[name](cbr=cbr)


@functools.cache
def params_of(name: str) -> Any:
    """Of the start; the size of pictures does not change them."""
    return fresh(made(name), batch_of(pictures(*SIZES)))


@functools.cache
def transmitter(name: str, cbr: float = CBR) -> Any:
    """Compiled once for all tests: (parameters, batch) → what is sent."""
    transmit = made(name, cbr).predict_fns()["transmit"]
    return jax.jit(lambda params, batch: transmit({"params": params}, {}, batch.image, batch.public, {}))


@functools.cache
def receiver(name: str, cbr: float = CBR) -> Any:
    """Compiled once for all tests: (parameters, what arrived, what is public) → the picture."""
    receive = made(name, cbr).predict_fns()["receive"]
    return jax.jit(lambda params, received, public: receive({"params": params}, {}, received, public))


sent = jax.jit(send, static_argnums=0)


def chain(
    name: str, batch: Batch, *, channel: Any = None, params: Any = None, cbr: float = CBR
) -> tuple[Signal, Any, Any]:
    """What is sent, what arrives and the picture made of it."""
    params = params_of(name) if params is None else params
    signal = transmitter(name, cbr)(params, batch)
    keys = picture_keys(jax.random.key(1), 0, batch.id)
    received = sent(channel or AWGN(), keys, signal, batch.public.snr_db)
    return signal, received, receiver(name, cbr)(params, received, batch.public)


def fresh(trainable: SystemTrainable, batch: Batch) -> Any:
    return jax.jit(trainable.init)(jax.random.key(0), batch)[0]["codec"]


@pytest.fixture(scope="module")
def kodak(data_dir: pathlib.Path) -> list[np.ndarray]:
    """The 24 pictures, those of one shape together."""
    source = ArchiveSource(data_dir / "kodak24", split="test")
    shapes: dict[tuple[int, ...], list[np.ndarray]] = {}
    for i in range(len(source)):
        image = source[i]["image"]
        shapes.setdefault(image.shape, []).append(image)
    return [np.stack(group) for group in shapes.values()]


@pytest.mark.parametrize(
    ("cbr", "snr_db", "expected"),
    [(1 / 24, 10, 26.7), (1 / 12, 10, 29.1), (1 / 8, 10, 30.8), (1 / 12, 1, 23.3), (1 / 12, 13, 30.7)],
)
@pytest.mark.usefixtures("full_speed")
def test_linear_on_kodak(cbr: float, snr_db: float, expected: float, kodak: list[np.ndarray]) -> None:
    """The published design's figures, within 0.3 dB, over all 24 pictures."""

    def score(batch: Batch) -> Any:
        return METRICS["psnr"](chain("linear", batch, params={}, cbr=cbr)[2], batch.image)

    values = np.concatenate([score(batch_of(group, snr_db)) for group in kodak])
    assert len(values) == 24
    assert float(values.mean()) == pytest.approx(expected, abs=0.3)


@pytest.mark.parametrize("name", ["deepjscc", "deepjscc_fine"])
@pytest.mark.parametrize("channel", ["awgn", "rayleigh"])
def test_deepjscc_starts_at_linear(name: str, channel: str) -> None:
    batch, air = batch_of(pictures(*SIZES)), CHANNELS[channel]()
    start = METRICS["psnr"](chain(name, batch, channel=air)[2], batch.image)
    base = METRICS["psnr"](chain("linear", batch, channel=air)[2], batch.image)
    np.testing.assert_allclose(start, base, atol=0.05)


@pytest.mark.parametrize("name", ["deepjscc", "deepjscc_fine"])
def test_both_ends_learn_from_the_start(name: str) -> None:
    """The zero last layers get a gradient at step 0, on both ends."""
    trainable, batch, params = made(name), batch_of(pictures(2, 32, 32)), params_of(name)

    def loss(codec: Any) -> Any:
        keys = picture_keys(jax.random.key(1), 0, batch.id)
        return jnp.sum(trainable.terms(trainable.forward(codec, {}, {}, batch, keys, PHASES[0])[0], batch, {})["mse"])

    grads = jax.jit(jax.grad(loss))(params)
    for end in ("encoder", "decoder"):
        assert max(float(jnp.abs(g).max()) for g in jax.tree.leaves(grads[end])) > 1e-6


@pytest.mark.parametrize("name", list(BUILDERS))
def test_receiver_isolation(name: str) -> None:
    """The receiver works from decoder parameters, what was received and what is public."""
    batch = batch_of(pictures(*SIZES))
    _, received, image = chain(name, batch)
    alone = {k: v for k, v in params_of(name).items() if k == "decoder"}
    again = receiver(name)(alone, received, batch.public)
    np.testing.assert_allclose(image, again, atol=1e-5)


@pytest.mark.parametrize("name", ["linear", "deepjscc"])
def test_tampering_with_the_scale_changes_the_picture(name: str) -> None:
    batch = batch_of(pictures(*SIZES))
    _, received, image = chain(name, batch)
    forged = dataclasses.replace(received, ints={"scale": received.ints["scale"] + 30})
    other = receiver(name)(params_of(name), forged, batch.public)
    assert float(jnp.abs(other - image).max()) > 0.05


@pytest.mark.parametrize("name", list(BUILDERS))
def test_transmitters_conform(name: str) -> None:
    """Unit power per picture, whatever else is in the batch."""
    batch = batch_of(pictures(*SIZES))

    def transmit(image: Any, public: Public) -> Signal:
        return transmitter(name)(params_of(name), dataclasses.replace(batch, image=image, public=public))

    report = check_transmitter(transmit, batch.image, batch.public)
    assert report.ok, str(report)


@pytest.mark.parametrize("size", [(1, 1), (17, 33), (48, 16)])
@pytest.mark.parametrize("name", list(BUILDERS))
def test_any_size_and_its_padding_is_counted(name: str, size: tuple[int, int]) -> None:
    h, w = size
    signal, received, image = chain(name, batch_of(pictures(1, h, w)))
    stride = 4 if name == "deepjscc_public" else 16
    padded = -(-h // stride) * stride * (-(-w // stride)) * stride
    assert image.shape == (1, h, w, 3)
    assert bool(jnp.all(jnp.isfinite(image)))
    assert float(received.uses["analog"][0]) == signal.symbols.shape[1] == np.ceil(padded * 3 / 12)


@pytest.mark.parametrize(
    ("name", "many"), [("deepjscc_fine", 2), pytest.param("deepjscc", 8, marks=pytest.mark.nightly)]
)
def test_training_is_the_same_on_one_and_on_many_devices(name: str, many: int) -> None:
    """Same pictures, same keys: the parameters agree to 1e-5 after two steps, over a fading channel."""
    batch = jax.tree.map(np.asarray, batch_of(pictures(8, 32, 32)))
    trainable = dataclasses.replace(made(name), channel=CHANNELS["rayleigh"]())
    optimizer = adamw(schedule=lambda _: jnp.asarray(1e-3), clip=1.0)
    start: Any = types.SimpleNamespace(init=lambda *_: ({"codec": jax.tree.map(jnp.copy, params_of(name))}, {}))
    ends = []
    for devices in (jax.devices()[:1], jax.devices()[:many]):
        mesh = make_mesh({}, devices)
        state = init_state(start, optimizer, jax.random.key(0), batch)
        step = make_step(trainable, PHASES[0], optimizer=optimizer, mesh=mesh)
        for _ in range(2):
            state, metrics = step(state, {}, shard_batch(mesh, batch), jax.random.key(1))
        ends.append((state.params, float(metrics["loss"])))
    assert ends[0][1] == pytest.approx(ends[1][1], abs=1e-5)
    for a, b in zip(*(jax.tree.leaves(params) for params, _ in ends), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_bfloat16_networks_keep_channel_and_loss_in_float32() -> None:
    """Parameters, symbols and pictures are float32; the start is still the linear code."""
    batch = batch_of(pictures(*SIZES))
    signal, received, image = chain("half", batch)
    assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(params_of("half")))
    assert (signal.symbols.dtype, received.symbols.dtype, image.dtype) == (jnp.complex64, jnp.complex64, jnp.float32)
    start = METRICS["psnr"](image, batch.image)
    base = METRICS["psnr"](chain("linear", batch)[2], batch.image)
    np.testing.assert_allclose(start, base, atol=0.05)


def test_extreme_snr_and_flat_pictures_stay_finite() -> None:
    image = np.stack([np.zeros((16, 16, 3)), np.ones((16, 16, 3)), np.full((16, 16, 3), 0.5)]).astype(np.float32)
    params = params_of("deepjscc")

    @jax.jit
    @jax.value_and_grad
    def loss(codec: Any, batch: Batch) -> Any:
        return jnp.mean((chain("deepjscc", batch, channel=CHANNELS["rayleigh"](), params=codec)[2] - batch.image) ** 2)

    for snr_db in (-np.inf, -60.0, 60.0, np.inf):
        value, grads = loss(params, batch_of(image, snr_db))
        assert np.isfinite(value), snr_db
        assert all(np.isfinite(g).all() for g in jax.tree.leaves(grads)), snr_db


def test_rates_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="outside what a linear code can send"):
        floor(cbr=0.7)
    with pytest.raises(ValueError, match="cannot share out evenly"):
        fine(cbr=3 / 1536)
    with pytest.raises(ValueError, match="less than one latent"):
        public_form(cbr=1e-4)
    with pytest.raises(ValueError, match="fit_prior"):
        fresh(linear(cbr=1 / 12, channel=AWGN(), phases=PHASES, prior="nowhere"), batch_of(pictures(1, 16, 16)))


def test_public_form_has_the_published_size() -> None:
    """156 k parameters at k/n = 1/6: 5 + 5 layers of 16-32-32-32-16 channels, kernels of 5, one slope per PReLU."""
    params, _ = jax.eval_shape(public_form(cbr=1 / 6).init, jax.random.key(0), batch_of(pictures(1, 32, 32)))
    assert 150_000 < sum(x.size for x in jax.tree.leaves(params)) < 160_000


@pytest.mark.parametrize("name", list(BUILDERS))
def test_golden_parameter_tree(name: str, request: pytest.FixtureRequest) -> None:
    """Parameter names and shapes are API. Regenerate with --update-golden and read the diff."""
    params = jax.eval_shape(BUILDERS[name](cbr=1 / 12).init, jax.random.key(0), batch_of(pictures(1, 32, 32)))[0]
    flat, _ = jax.tree_util.tree_flatten_with_path(params)
    tree = {jax.tree_util.keystr(path, simple=True, separator="/"): list(leaf.shape) for path, leaf in flat}
    golden = json.loads(GOLDEN.read_text()) if GOLDEN.exists() else {}
    if request.config.getoption("--update-golden"):
        GOLDEN.write_text(json.dumps({**golden, name: tree}, indent=1, sort_keys=True) + "\n")
        golden[name] = tree
    assert golden[name] == tree
