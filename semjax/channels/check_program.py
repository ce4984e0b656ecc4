"""Checks of the channel as a program: keys, devices, batch size, extremes, counted uses, hashing."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from semjax.channels.probe import AMPLITUDES, Evidence, qpsk
from semjax.channels.report import Finding
from semjax.contracts import Channel
from semjax.types import ChannelOut, PerImage, Symbols, Tree

LENGTH = 64

ROUNDING = 1e-5
"""A vectorised exponential or power may round its last bit differently in an array of another size."""

Compiler = Callable[[Callable[..., Any]], Callable[..., Any]]


def _reply(channel: Channel, keys: jax.Array, symbols: Symbols, snr_db: PerImage) -> ChannelOut:
    return channel(keys, symbols, jnp.ones(symbols.shape, jnp.float32), snr_db)


def _apart(one: Tree, other: Tree) -> float:
    """Returns the largest difference of two outputs, relative to the typical size of each array."""
    pairs = zip(jax.tree.leaves(jax.device_get(one)), jax.tree.leaves(jax.device_get(other)), strict=True)
    worst = [np.max(np.abs(a - b)) / max(float(np.sqrt(np.mean(np.abs(a) ** 2))), 1e-30) for a, b in pairs]
    return float(np.max(worst))


def _difference(apart: float) -> str:
    return "identical bits" if apart == 0 else f"{apart:.1e} apart"


def _finite(tree: Tree) -> bool:
    return all(bool(np.isfinite(leaf).all()) for leaf in jax.tree.leaves(jax.device_get(tree)))


def _keys(channel: Channel, key: jax.Array, compiler: Compiler) -> list[Finding]:
    devices = np.array(jax.devices())
    count = -(-8 // devices.size) * devices.size
    symbols = jnp.resize(jnp.array(AMPLITUDES), (count, 1)) * qpsk(key, (count, LENGTH))
    inputs = (jax.random.split(key, count), symbols, jnp.linspace(-5.0, 20.0, count))
    send = compiler(lambda keys, symbols, snr_db: _reply(channel, keys, symbols, snr_db))
    together = send(*inputs)
    spread = send(*jax.device_put(inputs, NamedSharding(Mesh(devices, ("data",)), PartitionSpec("data"))))
    alone = send(*(array[3:4] for array in inputs))
    again, scattered = _apart(together, send(*inputs)), _apart(together, spread)
    lonely = _apart(jax.tree.map(lambda leaf: leaf[3:4], together), alone)
    return [
        Finding(
            name="same on all devices",
            ok=again == 0 and scattered < ROUNDING,
            measured=f"sent again: {_difference(again)}; spread over {devices.size} devices: {_difference(scattered)}"
            + (" (only one device is here: nothing was spread)" if devices.size == 1 else ""),
            expected=f"identical bits when sent again, at most {ROUNDING} apart when spread",
            explanation="the same keys give the same noise on any number of devices: no hidden state, no global draw.",
        ),
        Finding(
            name="same in any batch",
            ok=lonely < ROUNDING,
            measured=f"one picture alone and in a batch of {count}: {_difference(lonely)}",
            expected=f"at most {ROUNDING} apart",
            explanation="what happens to a picture depends on its own key and symbols, never on the rest of the batch.",
        ),
    ]


def _extremes(channel: Channel, key: jax.Array, compiler: Compiler) -> list[Finding]:
    snr_db = jnp.tile(jnp.array([-jnp.inf, -100.0, 100.0, jnp.inf]), 2)
    keys = jax.random.split(key, snr_db.shape[0])
    symbols = qpsk(key, (4, LENGTH))
    symbols = jnp.concatenate([symbols, 0 * symbols])
    channels: dict[str, Channel] = {"": channel}
    with_gain: Any = getattr(channel, "with_gain", None)
    if with_gain is not None:
        channels[" and h = 0"] = with_gain(0j)
    values, gradients = True, True
    for examined in channels.values():

        def total(symbols: jax.Array, snr_db: jax.Array, examined: Channel = examined) -> tuple[jax.Array, ChannelOut]:
            out = _reply(examined, keys, symbols, snr_db)
            csi = jnp.zeros(()) if out.csi is None else out.csi
            return sum(
                (jnp.sum(jnp.real(x) + jnp.imag(x)) for x in (out.symbols, out.noise_var, csi)), jnp.zeros(())
            ), out

        slopes, out = compiler(jax.grad(total, argnums=(0, 1), has_aux=True))(symbols, snr_db)
        values, gradients = values and _finite(out), gradients and _finite(slopes)
    return [
        Finding(
            name="finite at extremes",
            ok=values and gradients,
            measured=f"values finite: {values}, gradients finite: {gradients}, "
            f"at -inf, -100, 100, inf dB, for signals and silence{''.join(channels)}",
            expected="finite values and gradients",
            explanation="clip the SNR and guard every division; a square in a denominator leaves float32 early.",
        )
    ]


def _uses(seen: Evidence) -> Finding:
    uses, sent = seen.wide.uses, np.sum(seen.wide.used, axis=-1)
    counted = "analog" in uses and np.array_equal(uses["analog"], sent)
    known = set(uses) <= {"analog", "pilots"}
    return Finding(
        name="uses are counted",
        ok=bool(counted and known),
        measured=", ".join(f"{name}: {np.mean(count):g} per picture" for name, count in uses.items()) or "nothing",
        expected=f"analog: {np.mean(sent):g} per picture, and pilots if there are any",
        explanation="whoever spends channel uses counts them: analog is the sum of `used` per picture.",
    )


def _hashable(channel: Channel) -> Finding:
    try:
        text, ok = f"hash {hash(channel)}", True
        if dataclasses.is_dataclass(channel):
            ok = hash(dataclasses.replace(channel)) == hash(channel) and dataclasses.replace(channel) == channel
    except TypeError as error:
        text, ok = str(error), False
    return Finding(
        name="hashable",
        ok=ok,
        measured=text,
        expected="a hash, the same for equal channels",
        explanation="a compiled sweep is keyed by its channel: use a frozen dataclass of scalars.",
    )


def program_findings(channel: Channel, *, seen: Evidence, seed: int, compiler: Compiler) -> list[Finding]:
    """Runs every check of the channel as a program."""
    key = jax.random.fold_in(jax.random.key(seed), 7)
    return [*_keys(channel, key, compiler), *_extremes(channel, key, compiler), _uses(seen), _hashable(channel)]
