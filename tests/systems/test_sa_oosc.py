"""SA-OOSC in small: where it starts, what its receiver may know, what its losses reach, what evaluation charges."""

import dataclasses
import functools
import json
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from semjax.app import build, config
from semjax.app.errors import ConfigError
from semjax.channels import AWGN
from semjax.data.loader import eval_batches
from semjax.data.sources import ScenesSource
from semjax.evaluators.scenario_draw import SceneScenarios
from semjax.evaluators.sweep import Origin, Sweep
from semjax.importance.base import ImportanceError
from semjax.importance.class_tables import load_tables
from semjax.systems.base import picture_keys, send
from semjax.training.checkpoint import flat

REGISTRY = build.default_registry()
GOLDEN = pathlib.Path(__file__).parent / "golden_sa_oosc_params.json"
SMALL = {"features": 24, "levels": (0, 4, 8, 16), "width": 8, "depth": 2}
TERMS = ("distortion", "distortion_ntc", "rate", "kd", "rank")
NET = {"name": "residual_conv", "modulation": "none"}


def trainable(variant: str = "student", **options):
    cfg = {
        "system": {"name": "sa_oosc", "variant": variant, **SMALL, **options},
        "encoder": {**NET, "widths": (4, 4, 4, 4), "blocks": (0, 0, 0, 0)},
        "decoder": {**NET, "widths": (4, 4, 4, 4), "blocks": (0, 0, 0, 0)},
        "phases": ({"name": "all", "weights": dict.fromkeys(TERMS, 1.0)},),
    }
    return build.build(config.resolve(cfg, REGISTRY), REGISTRY)


@functools.cache
def batch():
    source = ScenesSource(size=64, split="test", count=4, truth=True)
    (record,) = eval_batches(source, batch_size=4)
    made = jax.tree.map(jnp.asarray, build.to_batch(record))
    columns = SceneScenarios(split="test", name="drawn").columns(record["id"].tolist())
    public = dataclasses.replace(made.public, **{name: jnp.asarray(values) for name, values in columns.items()})
    return dataclasses.replace(made, public=public)


@functools.cache
def variables():
    """Of the student's system; other variants have the same without a student."""
    params, _ = jax.jit(trainable().init)(jax.random.key(0), batch())
    return {"params": params["codec"]}


@functools.cache
def sent():
    """What the student's system sends of the batch, and what arrives over a good channel."""
    signal = jax.jit(trainable().predict_fns()["transmit"])(variables(), {}, batch().image, batch().public, {})
    keys = picture_keys(jax.random.key(1), 0, batch().id)
    return signal, send(AWGN(), keys, signal, batch().public.snr_db)


@functools.cache
def receiver():
    return jax.jit(trainable().predict_fns()["receive"])


def received(arrived):
    return receiver()(variables(), {}, arrived, batch().public)


def test_parameters_have_their_names_and_shapes(request):
    tree = {name: list(leaf.shape) for name, leaf in flat(variables()["params"]).items()}
    if request.config.getoption("--update-golden"):
        GOLDEN.write_text(json.dumps(tree, indent=0) + "\n")
    assert tree == json.loads(GOLDEN.read_text())


def test_it_starts_at_the_variable_length_linear_code():
    signal, arrived = sent()
    module = trainable().module
    linear = module.restorer.code.estimate(module.bottleneck.unpack(arrived, batch().public))
    picture = module.restorer.code.picture(linear)
    assert jnp.allclose(received(arrived), picture, atol=1e-4)
    assert set(np.unique(signal.ints["rates"])) <= {0, 1, 2, 3}


def test_uses_are_those_of_the_map():
    signal, arrived = sent()
    levels = np.array(trainable().module.bottleneck.rates.levels)
    spent = levels[np.asarray(signal.ints["rates"])].sum(axis=(1, 2)) / 2
    assert np.array_equal(signal.used.sum(axis=1), spent)
    assert np.array_equal(arrived.uses["analog"], spent)
    power = np.sum(np.abs(signal.symbols) ** 2 * signal.used, axis=1) / spent
    assert power == pytest.approx(1, abs=1e-4)


def test_the_receiver_lives_on_the_decoded_map():
    _, arrived = sent()
    rates = arrived.ints["rates"]
    tampered = dataclasses.replace(arrived, ints={**arrived.ints, "rates": (rates + 1) % 4})
    assert jnp.abs(received(tampered) - received(arrived)).max() > 0.01
    without = dataclasses.replace(arrived, relaxed={}, uses={})
    assert jnp.array_equal(received(without), received(arrived))


def test_a_lost_map_shows_the_mean_picture():
    _, arrived = sent()
    lost = dataclasses.replace(arrived, ok={**arrived.ok, "rates": jnp.array([True, False, True, True])})
    shown, whole = received(lost), received(arrived)
    code = trainable().module.restorer.full
    mean = code.picture(jnp.zeros((1, 4, 4, code.features)))
    assert jnp.allclose(shown[1], mean[0], atol=1e-4)
    assert jnp.allclose(shown[0], whole[0], atol=1e-5)


def terms_of(params, variant: str = "student", **options):
    made = trainable(variant, **options)
    keys = picture_keys(jax.random.key(2), 0, batch().id)
    outputs, _ = made.forward(params, {}, {}, batch(), keys, made.PHASES[0])
    return made.terms(outputs, batch(), {})


@functools.cache
def gradients() -> dict[str, dict[str, float]]:
    """The largest gradient of each term in each part, away from the zero start, with no length at its largest."""
    params = variables()["params"]
    leaves, structure = jax.tree.flatten(params)
    keys = jax.random.split(jax.random.key(3), len(leaves))
    moved = [x + 0.05 * jax.random.normal(k, x.shape) for x, k in zip(leaves, keys, strict=True)]
    start = jax.tree.unflatten(structure, moved)

    @jax.jit
    def all_of(params):
        jacobian = jax.jacrev(lambda p: {name: jnp.sum(v) for name, v in terms_of(p, eta=0.01).items()})(params)
        largest = lambda tree: [jnp.max(jnp.abs(g)) for g in jax.tree.leaves(tree)]  # noqa: E731
        return {name: {part: largest(tree) for part, tree in parts.items()} for name, parts in jacobian.items()}

    return {n: {part: float(max(g)) for part, g in j.items()} for n, j in all_of(start).items()}


@pytest.mark.nightly
def test_each_loss_reaches_the_parts_that_are_its_own():
    found = gradients()
    assert set(found) == {"mse", "log_mse", "distortion", "distortion_ntc", "rate", "rank", "kd"}
    assert all(np.isfinite(value) for parts in found.values() for value in parts.values())
    assert found["kd"]["importance"] > 0
    assert all(value == 0 for part, value in found["kd"].items() if part != "importance")
    assert found["rate"]["importance"] == 0, "the student must not learn to make tokens cheap"
    assert found["rate"]["entropy"] > 0 < found["rate"]["analysis"]
    assert found["rank"]["importance"] > 0
    assert found["distortion"]["coder"] > 0 < found["distortion"]["restorer"]
    assert found["distortion_ntc"]["coder"] == found["distortion_ntc"]["restorer"] == 0


def test_the_oracle_reads_the_truth_and_says_so():
    with pytest.raises(ImportanceError, match="this variant is told its importance"):
        jax.eval_shape(
            trainable("oracle").predict_fns()["transmit"], variables(), {}, batch().image, batch().public, {}
        )
    assert hasattr(trainable("oracle"), "given_of")
    assert not hasattr(trainable(), "given_of")


def test_a_phase_computes_what_it_weighs():
    made, keys = trainable(), picture_keys(jax.random.key(2), 0, batch().id)

    def terms(*weighed):
        phase = dataclasses.replace(made.PHASES[0], weights=dict.fromkeys(weighed, 1.0))

        def run(params):
            outputs, _ = made.forward(params, {}, {}, batch(), keys, phase)
            return made.terms(outputs, batch(), {}), made.stats(outputs)

        return jax.eval_shape(run, variables()["params"])

    assert set(terms("kd")[0]) == {"kd"}
    assert set(terms("kd", "rank")[0]) == {"kd", "rank"}
    assert set(terms("rate")[0]) == {"kd", "rate", "distortion_ntc"}
    assert set(terms("distortion")[0]) == {"kd", "rank", "mse", "log_mse", "distortion"}
    assert terms("kd")[1] == {}
    assert set(terms("distortion")[1]) == {"uses", "papr_db"}


@pytest.mark.parametrize("variant", ["static", "static_scenario"])
def test_static_variants_read_classes(variant):
    labels = batch().labels
    told = trainable(variant).given_of(labels, batch().public)["importance"]
    tables = load_tables("scenes")
    for i in range(4):
        scenario = int(batch().public.scenario[i])
        table = tables.static if variant == "static" else tables.by_scenario[scenario]
        region = int(labels["ids"][i, 5, 7])
        assert told[i, 5, 7] == pytest.approx(table[int(labels["classes"][i, region])])
    with pytest.raises(ValueError, match="the batch has no label classes"):
        trainable(variant).given_of({"ids": labels["ids"]}, batch().public)


def test_a_budget_is_met_by_each_picture():
    made = trainable(cbr=0.008)
    signal = jax.jit(made.predict_fns()["transmit"])(variables(), {}, batch().image, batch().public, {})
    budget = 0.008 * 3 * 64 * 64
    spent = np.asarray(signal.used.sum(axis=1))
    assert (spent <= budget).all()
    assert (spent > budget - 8 / 2).all(), "less than one step of one token is left"
    with pytest.raises(ValueError, match="cannot be met: 16 tokens of 4 to 16 real dimensions spend 32 to 128 uses"):
        jax.eval_shape(trainable(cbr=0.2).predict_fns()["transmit"], variables(), {}, batch().image, batch().public, {})


@pytest.mark.parametrize("variant", ["student", "oracle"])
def test_evaluation_charges_the_map(variant):
    source = ScenesSource(size=64, split="test", count=4, truth=True)
    draw = SceneScenarios(split="test", name="drawn")
    sweep = Sweep(
        trainable=trainable(variant),
        channels={"awgn": AWGN()},
        snr_db=(10.0,),
        batches=lambda: ({**b, **draw.columns(b["id"].tolist())} for b in eval_batches(source, batch_size=4)),
        origin=Origin(system="sa_oosc", variant=variant),
        rates=(0.5, 1.0),
        metrics=("psnr", "psnr_high", "psnr_low"),
    )
    rows = {(row["metric"], row["rate"]): row for row in sweep.run(variables(), {})}
    for rate in (0.5, 1.0):
        row = rows["psnr", rate]
        assert row["cbr_side"] > 0
        assert row["cbr_total"] == pytest.approx(row["cbr_analog"] + row["cbr_side"])
        assert rows["psnr_high", rate]["mean"] > 10
    assert rows["psnr", 0.5]["cbr_analog"] <= rows["psnr", 1.0]["cbr_analog"]


def test_settings_that_cannot_be():
    cfg = {"system": {"name": "sa_oosc", "variant": "best"}, "encoder": NET, "decoder": NET}
    with pytest.raises(ConfigError, match=r"variant 'best' is not known; there are: student"):
        build.build(config.resolve(cfg, REGISTRY), REGISTRY)
    cfg["system"] = {"name": "sa_oosc", "features": 64}
    with pytest.raises(ConfigError, match="the longest token has 128 dimensions, more than the 64 features"):
        build.build(config.resolve(cfg, REGISTRY), REGISTRY)
