"""SwinJSCC against a twin in torch: what both ends make of a picture, in the published form and on the linear code.

The golden file holds random twins' weights (int8, in units of 1/256), pictures of their own SNR and rate, and the
twins' latents, symbols and pictures; the grids are filled up and their windows moved. Regenerate it, with torch, by
`python benchmarks/torch_swinjscc.py --golden tests/systems/golden_torch_swinjscc.npz`. The sizes and operation counts
of `benchmarks/networks.py` are held against the configurations and against XLA's count.
"""

import dataclasses
import functools
import importlib.util
import pathlib
import sys
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from semjax.app import config
from semjax.app.build import default_registry
from semjax.bottlenecks.prefix import PrefixRate
from semjax.channels.awgn import AWGN
from semjax.channels.base import noise_variance
from semjax.contracts import Phase
from semjax.decoders.swin import SwinDecoder
from semjax.encoders.swin import SwinEncoder
from semjax.nn.modulate import ModNet, ModNets, SNRFiLM
from semjax.systems.base import SystemTrainable, picture_keys
from semjax.systems.swinjscc import swinjscc, swinjscc_public
from semjax.types import Batch, Public, Received

ROOT = pathlib.Path(__file__).parents[2]
GOLDEN = dict(np.load(pathlib.Path(__file__).with_name("golden_torch_swinjscc.npz")))
PHASE = Phase(name="only")
QUICKLY = {"xla_backend_optimization_level": 0}
"""The compiler's own time is most of the test's."""

Net = Callable[..., Any]


def ends(*, modulation: Net | None = None, gates: tuple[Net, Net] | None = None, **shape: Any) -> dict[str, Any]:
    """An encoder and its mirror, modulated by stages or with gates of their own."""
    window, back = shape.pop("window"), {key: value[::-1] for key, value in shape.items()}
    parts: tuple[dict[str, Any], ...] = ({"modulation": modulation}, {"modulation": modulation})
    if gates:
        parts = ({"gate": gates[0]}, {"gate": gates[1], "last_kernel": 1})
    encoder = functools.partial(SwinEncoder, **shape, window=window, **parts[0])
    return {"encoder": encoder, "decoder": functools.partial(SwinDecoder, **back, window=window, **parts[1])}


def public_form(*, cbr: float, gates: tuple[Net, Net] = (ModNets, ModNet), **shape: Any) -> SystemTrainable:
    common: dict[str, Any] = {"cbr": cbr, "min_cbr": cbr / 3, "channel": AWGN(), "phases": (PHASE,)}
    return swinjscc_public(**common, **ends(gates=gates, **shape))


def coded_form(*, cbr: float, **shape: Any) -> SystemTrainable:
    common: dict[str, Any] = {"cbr": cbr, "min_cbr": cbr / 3, "channel": AWGN(), "phases": (PHASE,)}
    return swinjscc(**common, **ends(modulation=SNRFiLM, **shape))


TINY = {
    "public": public_form(cbr=1 / 16, widths=(6, 8), depths=(0, 2), heads=(1, 2), window=4),
    "coded": coded_form(cbr=1 / 48, widths=(4, 4, 8, 8), depths=(0, 0, 2, 0), heads=(1, 1, 2, 1), window=3),
}


def converted(name: str) -> dict[str, Any]:
    """The twin's parameters under this package's names."""
    tree: dict[str, Any] = {}
    levels, start = GOLDEN[f"{name} weights"].astype(np.float32), 0
    for line in GOLDEN[f"{name} names"]:
        key, *sides = line.split()
        shape = tuple(map(int, sides))
        value = levels[start : (start := start + int(np.prod(shape)))].reshape(shape) / 256
        *path, last = key.replace("last.conv", "last").split(".")
        if last == "weight":
            last = "scale" if value.ndim == 1 else "kernel"
            value = value.transpose(2, 3, 1, 0) if value.ndim == 4 else value.T
        node = functools.reduce(lambda node, part: node.setdefault(part, {}), path, tree)
        node[last] = value
    return tree


@pytest.mark.parametrize("name", TINY)
def test_both_ends_reproduce_the_twin(name: str) -> None:
    module = TINY[name].module
    own = {key.removeprefix(f"{name} "): value for key, value in GOLDEN.items() if key.startswith(f"{name} ")}
    image = own["image"] / np.float32(255)
    public = Public(snr_db=own["snr_db"], rate=own["rate"], height=image.shape[1], width=image.shape[2])

    def both(module: Any, image: Any, public: Public, symbols: Any, ints: Any) -> Any:
        noise_var = jnp.broadcast_to(noise_variance(public.snr_db)[:, None], symbols.shape)
        received = Received(symbols=symbols, noise_var=noise_var, ints=ints)
        return module.encoder(image, public), module.transmit(image, public, {}), module.receive(received, public)

    symbols = PrefixRate().symbols(jnp.asarray(own["received"]))
    ints = {"scale": own["scale"].astype(np.int32)} if "scale" in own else {}
    run = jax.jit(functools.partial(module.apply, method=both), compiler_options=QUICKLY)
    latents, signal, picture = run({"params": converted(name)}, image, public, symbols, ints)
    np.testing.assert_allclose(latents, own["latents"], atol=1e-4)
    np.testing.assert_allclose(signal.symbols, PrefixRate().symbols(jnp.asarray(own["sent"])), atol=1e-4)
    np.testing.assert_array_equal(signal.ints.get("scale", ()), own.get("scale", ()))
    np.testing.assert_allclose(picture, own["picture"], atol=1e-4)


@functools.cache
def networks() -> Any:
    """`benchmarks/networks.py`, which is no part of the package."""
    found = importlib.util.spec_from_file_location("networks", ROOT / "benchmarks" / "networks.py")
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    sys.modules[found.name] = module  # dataclasses look their module up
    found.loader.exec_module(module)
    return module


SHALLOW: dict[str, tuple[Callable[..., SystemTrainable], dict[str, Any]]] = {
    "swin_cifar": (functools.partial(public_form, cbr=1 / 6, gates=(ModNet, ModNet)), {"depths": (0, 2), "window": 3}),
    "swin_small": (functools.partial(coded_form, cbr=1 / 8), {"depths": (0, 0, 0, 2), "side": 64}),
}
"""Forms with fewer blocks, quickly lowered; a window of 3 leaves grids to be filled up."""


@pytest.mark.parametrize("job", ["inference", pytest.param("step", marks=pytest.mark.nightly)])
@pytest.mark.parametrize("name", SHALLOW)
def test_operations_are_those_that_xla_counts(name: str, job: str) -> None:
    """Within 10 %: the count leaves out what is not a product."""
    make, changes = SHALLOW[name]
    net = dataclasses.replace(networks().COMPARISONS[name].network, **changes)
    shape = {key: getattr(net, key) for key in ("widths", "depths", "heads", "window")}
    system, one = make(**shape), jnp.ones(1)
    public = Public(snr_db=one, rate=one, height=net.side, width=net.side)
    image = jnp.zeros((1, net.side, net.side, 3))
    batch = Batch(image=image, public=public, id=jnp.arange(1), mask=jnp.ones(1, bool))
    params = jax.eval_shape(system.init, jax.random.key(0), batch)[0]["codec"]

    def loss(params: Any, batch: Batch) -> Any:
        keys = picture_keys(jax.random.key(0), 0, batch.id)
        outputs, _ = system.forward(params, {}, {}, batch, keys, PHASE)
        return jnp.mean(system.terms(outputs, batch, {})["mse"])

    function = jax.grad(loss) if job == "step" else loss
    counted = (jax.jit(function).lower(params, batch).cost_analysis() or {})["flops"]
    ours = sum(p.flops * (p.passes if job == "step" else 1) for p in net.products())
    assert ours == pytest.approx(counted, rel=0.1)


@pytest.mark.parametrize("name", SHALLOW)
def test_benchmarks_have_the_sizes_of_their_configuration(name: str) -> None:
    comparison = networks().COMPARISONS[name]
    cfg = config.resolve(config.load(str(ROOT / comparison.config)), default_registry())
    net, stride = comparison.network, 2 ** len(comparison.network.widths)
    for key in ("widths", "depths", "heads", "window"):
        assert cfg.encoder[key] == getattr(net, key), key
    assert cfg.data.train.crop == net.side
    assert round(cfg.system.cbr * 2 * 3 * stride**2) == net.features
