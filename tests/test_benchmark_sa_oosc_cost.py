"""The cost benchmark's opponent: a matrix per rate and token, and our system where all matrices are alike."""

import dataclasses
import functools
import pathlib
import sys

import jax
import jax.numpy as jnp
import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "benchmarks"))

import sa_oosc_cost
from per_rate import PerRateDecoder, PerRateDense, PerRateEncoder, per_rate
from sa_oosc_cost import PER_RATE, SHARED, Job, measured

from semjax.app import build, config
from semjax.bottlenecks.analog import AnalogLatents
from semjax.types import Public

B, H, W, LEVELS, WIDTH = 2, 2, 3, (0, 4, 8, 16), 8
INDEX = jnp.asarray([[[0, 1, 2], [3, 3, 1]], [[2, 0, 3], [1, 2, 0]]])
SENT = jnp.asarray(np.arange(16) < np.asarray(LEVELS)[np.asarray(INDEX)][..., None], jnp.float32)
PUBLIC = Public(snr_db=jnp.asarray([3.0, 12.0]), rate=jnp.asarray([0.5, 1.0]), height=16 * H, width=16 * W)


@functools.cache
def systems():
    """Ours in small, and with a matrix per rate."""
    registry, net = build.default_registry(), {"name": "residual_conv", "modulation": "none"}
    cfg = {
        "system": {"name": "sa_oosc", "features": 24, "levels": LEVELS, "width": WIDTH, "depth": 0},
        "encoder": {**net, "widths": (4, 4, 4, 4), "blocks": (0, 0, 0, 0)},
        "decoder": {**net, "widths": (4, 4, 4, 4), "blocks": (0, 0, 0, 0)},
    }
    ours = build.build(config.resolve(cfg, registry), registry)
    return ours, per_rate(ours)


def drawn(part, *inputs):
    """Parameters away from their zero start; shapes alone are asked of the part."""
    shapes, rng = jax.eval_shape(part.init, jax.random.key(0), *inputs), np.random.default_rng(0)
    return jax.tree.map(lambda leaf: jnp.asarray(0.3 * rng.normal(size=leaf.shape), jnp.float32), shapes)["params"]


def alike(layer, kernel):
    """A layer with the same matrix and bias at every level."""
    return {"kernel": jnp.stack([kernel] * len(LEVELS)), "bias": jnp.stack([layer["bias"]] * len(LEVELS))}


def outcome(part, params, *inputs):
    return jax.jit(part.apply)({"params": params}, *inputs)


@functools.cache
def latents():
    rng = np.random.default_rng(1)
    values, gain = (jnp.asarray(rng.normal(size=SENT.shape), jnp.float32) * SENT for _ in range(2))
    noise_var = jnp.full(SENT.shape, 0.05)
    return AnalogLatents(values=values, gain=jnp.abs(gain), noise_var=noise_var, scale=jnp.ones(B), sent=SENT)


def test_the_plugged_parts_are_the_only_difference():
    ours, other = systems()
    assert isinstance(other.module.coder, PerRateEncoder)
    assert isinstance(other.module.restorer, PerRateDecoder)
    same = other.module.clone(coder=ours.module.coder, restorer=ours.module.restorer)
    assert dataclasses.replace(other, module=same) == ours


def test_equal_matrices_make_the_shared_map_at_the_transmitter():
    ours, other = (system.module.coder for system in systems())
    inputs = (jnp.asarray(np.random.default_rng(2).normal(size=(B, H, W, 24)), jnp.float32), INDEX, PUBLIC)
    params = drawn(ours, *inputs)
    expected = outcome(ours, params, *inputs)
    tokens = outcome(other, {**params, "last": alike(params["last"], params["last"]["kernel"])}, *inputs)
    np.testing.assert_allclose(tokens, expected, rtol=1e-5, atol=1e-4)
    assert float(jnp.std(expected)) > 0.1


def test_equal_matrices_make_the_shared_map_at_the_receiver():
    """Ours reads which dimensions were sent: to it, that is the rate token."""
    ours, other = (system.module.restorer for system in systems())
    params = drawn(ours, latents(), PUBLIC)
    values, sent = jnp.split(params["in"]["kernel"], 2)
    prefixes = np.arange(16) < np.asarray(LEVELS)[:, None]
    own = {**params, "in": alike(params["in"], values), "rate": {"embedding": prefixes @ sent}}
    expected = outcome(ours, params, latents(), PUBLIC)
    np.testing.assert_allclose(outcome(other, own, latents(), PUBLIC), expected, rtol=1e-4, atol=1e-3)
    assert float(jnp.std(expected)) > 0.1


def test_parameters_have_a_matrix_per_rate():
    _, other = systems()
    inputs = (jnp.zeros((B, H, W, 24)), INDEX, PUBLIC)
    coder = jax.eval_shape(other.module.coder.init, jax.random.key(0), *inputs)["params"]
    assert coder["last"]["kernel"].shape == (4, WIDTH, 16)
    restorer = jax.eval_shape(other.module.restorer.init, jax.random.key(0), latents(), PUBLIC)["params"]
    assert restorer["in"]["kernel"].shape == (4, 16, WIDTH)
    assert restorer["in"]["bias"].shape == restorer["rate"]["embedding"].shape == (4, WIDTH)


def test_each_token_meets_the_matrix_of_its_own_rate():
    layer, rng = PerRateDense(len(LEVELS), 5), np.random.default_rng(3)
    x = rng.normal(size=(B, H, W, WIDTH)).astype(np.float32)
    params = drawn(layer, x, INDEX)
    expected = np.zeros((B, H, W, 5))
    for place, level in np.ndenumerate(np.asarray(INDEX)):
        expected[place] = x[place] @ params["kernel"][level] + params["bias"][level]
    np.testing.assert_allclose(outcome(layer, params, x, INDEX), expected, rtol=1e-4, atol=1e-5)


def test_the_receiver_reads_rates_off_what_was_sent():
    restorer = systems()[1].module.restorer
    np.testing.assert_array_equal(restorer.index(latents()), INDEX)
    lost = dataclasses.replace(latents(), sent=jnp.zeros_like(SENT))
    np.testing.assert_array_equal(restorer.index(lost), 0)


def test_ratios_are_taken_within_a_repetition(monkeypatch):
    warm, turns = (0.1, 0.2), ((1.0, 3.0), (2.0, 4.0), (1.0, 5.0))
    clock = iter([*warm, *(value for turn in turns for value in turn)])
    monkeypatch.setattr(sa_oosc_cost, "seconds", lambda run, calls: next(clock))
    facts = {SHARED: {"temp_mb": 2.0}, PER_RATE: {"temp_mb": 5.0}}
    sides = {form: Job(run=lambda: None, facts=own) for form, own in facts.items()}
    found = measured(sides, repeats=3, pictures=2)
    assert (found[SHARED]["ms"], found[SHARED]["pictures_per_s"], found[PER_RATE]["ms"]) == (500, 2, 2000)
    assert (found[SHARED]["time_ratio"], found[PER_RATE]["time_ratio"]) == (1, 3)
    assert (found[PER_RATE]["time_ratio_low"], found[PER_RATE]["time_ratio_high"]) == (2, 5)
    assert (found[PER_RATE]["temp_ratio"], found[PER_RATE]["calls_per_repetition"]) == (2.5, 2)
