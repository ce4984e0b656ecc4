"""Infinite SNRs, dead channels and silent transmitters: every system stays finite, values and gradients."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from semjax.app import build, config
from semjax.bottlenecks.linear import COEFFICIENTS, PATCH, inverse_block_transform, load_prior
from semjax.channels import EQUALISERS
from semjax.channels.awgn import AWGN
from semjax.channels.fading import Fading
from semjax.contracts import Channel, Phase
from semjax.systems.base import picture_keys
from semjax.types import Batch, ChannelOut, Public

SIDE = 32
SNRS = (np.inf, -np.inf, 10.0)
DEAD = tuple(dataclasses.replace(Fading(), equaliser=part).with_gain(0j) for part in EQUALISERS.values())
CONV = {"name": "residual_conv", "modulation": "snr_film", "widths": (4, 4, 4, 4), "blocks": (0, 0, 0, 1)}
SWIN = {"name": "swin", "modulation": "snr_film", "widths": (4, 4, 4, 8), "depths": (0, 0, 0, 2), "window": 2}
SMALL = {"features": 24, "levels": (0, 4, 8, 16), "width": 8, "depth": 2}
HEADS = {"heads": (1, 1, 1, 1)}


def mirrored(net: dict[str, Any]) -> dict[str, Any]:
    """The decoder of an encoder's settings."""
    return {key: value[::-1] if isinstance(value, tuple) else value for key, value in net.items()}


def both_ends(net: dict[str, Any]) -> dict[str, Any]:
    return {"encoder": net, "decoder": mirrored(net)}


TINY: dict[str, dict[str, Any]] = {
    "linear": {"system": {"cbr": 1 / 12}},
    "deepjscc": {"system": {"cbr": 1 / 12}, **both_ends(CONV)},
    "deepjscc_public": {
        "system": {"cbr": 1 / 12},
        "encoder": {"name": "conv_public"},
        "decoder": {"name": "conv_public"},
    },
    "sa_oosc": {"system": SMALL, **both_ends({**CONV, "modulation": "none"})},
    "swinjscc": {"system": {"cbr": 1 / 8}, **both_ends({**SWIN, **HEADS})},
    "swinjscc_public": {"system": {"cbr": 1 / 8}, **both_ends({**SWIN, **HEADS, "modulation": "none"})},
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Patchwork:
    """A channel of several: equal shares of the batch go through each, so that one program sees them all."""

    parts: tuple[Channel, ...]

    def __call__(self, keys: Any, symbols: Any, used: Any, snr_db: Any) -> ChannelOut:
        share = len(snr_db) // len(self.parts)
        outs = []
        for i, part in enumerate(self.parts):
            rows = slice(i * share, (i + 1) * share)
            out = part(keys[rows], symbols[rows], used[rows], snr_db[rows])
            csi = jnp.ones_like(out.symbols) if out.csi is None else out.csi
            outs.append(dataclasses.replace(out, csi=csi, uses={"analog": out.uses["analog"]}))
        return jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *outs)


def pictures() -> np.ndarray:
    """Noise, black, white, far outside the range, and one whose every coefficient is the linear code's mean."""
    noise = np.random.default_rng(0).random((SIDE, SIDE, 3), np.float32)
    blocks = np.broadcast_to(load_prior("natural").mean, (1, SIDE // PATCH, SIDE // PATCH, COEFFICIENTS))
    mean = np.asarray(inverse_block_transform(jnp.asarray(blocks)))[0]
    return np.stack([noise, 0 * noise, 0 * noise + 1, 1e4 * noise, mean])


def extremes(parts: int) -> Batch:
    """Every picture at every SNR, as often as there are channels; rate tokens outside their range among them."""
    image = np.tile(np.repeat(pictures(), len(SNRS), axis=0), (parts, 1, 1, 1))
    rows = len(image)
    snr_db: Any = np.resize(np.float32(SNRS), rows)
    rate: Any = np.resize(np.float32([1.0, 0.3, 0.0, 2.0]), rows)
    public = Public(snr_db=snr_db, rate=rate, height=SIDE, width=SIDE)
    numbers: Any = np.arange(rows, dtype=np.int32)
    mask: Any = np.ones(rows, bool)
    return Batch(image=image, public=public, labels=judged(rows), id=numbers, mask=mask)


def judged(rows: int) -> dict[str, Any]:
    """Labels of two regions under eight scenarios: nothing matters, all does, one does, nothing is known."""
    importance = np.resize(np.float32([[0, 0], [1, 1], [0.1, 1], [0, 1]]), (rows, 2))
    weight = np.resize(np.float32([[1, 1], [1, 1], [1, 1], [0, 0]]), (rows, 2))
    each = {"importance": importance, "weight": weight}
    labels: dict[str, Any] = {name: np.repeat(values[:, None], 8, axis=1) for name, values in each.items()}
    return {**labels, "ids": np.tile(np.arange(SIDE, dtype=np.uint8) // (SIDE // 2), (rows, SIDE, 1))}


def trainable(name: str) -> Any:
    registry = build.default_registry()
    cfg = {**TINY[name], "system": {"name": name, **TINY[name]["system"]}}
    return build.build(config.resolve(cfg, registry), registry)


SLOW = ("deepjscc_public", "sa_oosc", "swinjscc", "swinjscc_public")
TRAINED = [name for name in build.SYSTEMS if not name.startswith("separation_")]


@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.nightly] * (n in SLOW)) for n in TRAINED])
def test_everything_stays_finite(name: str) -> None:
    parts = (AWGN(), *DEAD)
    system, batch = trainable(name), jax.tree.map(jnp.asarray, extremes(len(parts)))
    phase = Phase(name="all", channel=Patchwork(parts=parts))
    keys = picture_keys(jax.random.key(0), 0, jnp.asarray(batch.id))

    def loss(params: Any, image: Any, collections: Any) -> Any:
        own = dataclasses.replace(batch, image=image)
        outputs, changed = system.forward(params, collections, {}, own, keys, phase)
        terms = system.terms(outputs, own, {})
        return sum(jnp.sum(term) for term in terms.values()), (outputs, terms, changed)

    quick = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}
    measure = jax.jit(jax.value_and_grad(loss, argnums=(0, 1), has_aux=True), compiler_options=quick)
    shapes, collections = jax.eval_shape(system.init, jax.random.key(0), batch)
    rng = np.random.default_rng(0)
    for size in (0.1, 0.0):  # with all weights zero some systems have nothing to send
        params = jax.tree.map(lambda leaf: jnp.asarray(size * rng.normal(size=leaf.shape), leaf.dtype), shapes)  # noqa: B023
        found = measure(params["codec"], batch.image, jax.tree.map(lambda leaf: jnp.zeros(leaf.shape), collections))
        bad = [
            jax.tree_util.keystr(path)
            for path, leaf in jax.tree_util.tree_leaves_with_path(found)
            if not np.isfinite(np.asarray(leaf)).all()
        ]
        assert not bad


def test_there_is_a_dead_channel_of_every_equaliser() -> None:
    batch = extremes(1)
    keys = picture_keys(jax.random.key(0), 0, jnp.asarray(batch.id))
    symbols = jnp.ones((len(batch.id), 4), jnp.complex64)
    assert len(DEAD) == 3
    for channel in DEAD:
        out = channel(keys, symbols, jnp.ones(symbols.shape), jnp.full(len(batch.id), 10.0))
        other = channel(keys, 1j * symbols, jnp.ones(symbols.shape), jnp.full(len(batch.id), 10.0))
        np.testing.assert_array_equal(out.symbols, other.symbols)
