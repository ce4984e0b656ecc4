"""SA-OOSC given what should not be: scenes without objects, flat importance, impossible budgets, lost maps.

Unknown scenarios are refused on the host: see tests/app/test_learned.py.
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from semjax.app import build, config
from semjax.channels import Fading
from semjax.contracts import Phase
from semjax.evaluators.base import public_of
from semjax.evaluators.scenario_draw import SceneScenarios
from semjax.evaluators.sweep import Origin, Sweep
from semjax.evaluators.tally import Heard
from semjax.importance.maps import importance_map
from semjax.link.coded import CodedLink
from semjax.link.policy import Fixed
from semjax.link.schemes import Scheme
from semjax.link.transport import Delivery
from semjax.metrics import METRICS
from semjax.phy.mcs import mcs
from semjax.scenes.scenarios import all_importance
from semjax.scenes.world import Scene
from semjax.systems.base import picture_keys, slot_keys
from semjax.types import Batch, Bits, Outputs, Public, Received, Signal

REGISTRY = build.default_registry()
B, SIZE, GRID, FEATURES, LEVELS = 4, 64, 4, 24, (0, 4, 8, 16)
SMALL = {"features": FEATURES, "levels": LEVELS, "width": 8, "depth": 0}
NET = {"name": "residual_conv", "modulation": "none", "widths": (4, 4, 4, 4), "blocks": (0, 0, 0, 0)}
SNR_DB, LOST = 3.0, (1, 3)
SEED = 5
"""Of channels on which some maps arrive and others do not."""
HEARD: list[Heard] = []
"""What the evaluations below received."""
TERMS = ("distortion", "distortion_ntc", "rate", "kd", "rank")


def configured(variant: str = "student", **options):
    phases = ({"name": "all", "weights": dict.fromkeys(TERMS, 1.0)},)
    system = {"name": "sa_oosc", "variant": variant, **SMALL, **options}
    return config.resolve({"system": system, "encoder": NET, "decoder": NET, "phases": phases}, REGISTRY)


@functools.cache
def trainable(variant: str = "student", **options):
    return build.build(configured(variant, **options), REGISTRY)


@functools.cache
def variables(variant: str = "student"):
    """Small random numbers in place of a training; only shapes are asked of the system."""
    zeros = {"image": np.zeros((B, SIZE, SIZE, 3), np.float32), "id": np.arange(B), "_mask": np.ones(B, bool)}
    shapes, _ = jax.eval_shape(trainable(variant).init, jax.random.key(0), build.to_batch(zeros))
    rng = np.random.default_rng(0)
    draw = lambda leaf: np.asarray(0.02 * rng.normal(size=leaf.shape), leaf.dtype)  # noqa: E731
    return {"params": jax.tree.map(draw, shapes["codec"])}


@functools.cache
def record():
    """Pictures with labels and drawn scenarios, as an evaluation has them; the first is grey and shows no object."""
    rng, slots = np.random.default_rng(3), (B, 5)
    present = np.ones(slots, bool) & (np.arange(B) > 0)[:, None]
    scenes = Scene(
        shape=rng.integers(0, 6, slots),
        colour=rng.integers(0, 8, slots),
        texture=rng.integers(0, 3, slots),
        centre=rng.uniform(-1, 1, (*slots, 2)).astype(np.float32),
        radius=np.full(slots, 0.3, np.float32),
        present=present,
        background=rng.integers(0, 4, B),
        seed=np.arange(B, dtype=np.uint32),
    )
    importance = np.asarray(jax.jit(jax.vmap(all_importance))(scenes))
    valid = np.concatenate([np.ones((B, 1), bool), present], axis=1)
    ids = np.repeat(np.repeat(rng.integers(0, 6, (B, GRID, GRID)), 16, axis=1), 16, axis=2) * present[:, :1, None]
    image = np.where(present[:, :1, None, None], rng.random((B, SIZE, SIZE, 3)), 0.5).astype(np.float32)
    labels = {"importance": importance, "ids": ids.astype(np.uint8)}
    labels["weight"] = np.broadcast_to(valid[:, None], importance.shape).astype(np.float32)
    found = {"image": image, "id": np.arange(B, dtype=np.int32), "_mask": np.ones(B, bool)}
    found |= {f"labels/{name}": array for name, array in labels.items()}
    return found | SceneScenarios(split="test", name="drawn").columns(range(B))


@dataclasses.dataclass(frozen=True)
class Lossy:
    """A link on which the maps of some pictures fail their CRC: those are the messages whose length is announced."""

    kind: str = "coded"
    terms: str = "LOST are lost"

    def send(self, bits: Bits, *, announce: bool, **told) -> Delivery:
        ok = ~np.isin(np.arange(B), LOST) if announce else np.ones(B, bool)
        arrived = Bits(bits=jnp.asarray(bits.bits) * ok[:, None], length=bits.length)
        return Delivery(bits=arrived, ok=ok, uses=np.full(B, 40.0))


def coded(channel) -> CodedLink:
    """One scheme, whatever the SNR, so that deep fades lose messages."""
    return CodedLink(channel=channel, policy=Fixed(scheme=Scheme(mcs=mcs("low_se", 12))))


@functools.cache
def sweep() -> Sweep:
    """An evaluation over block Rayleigh fading; its compiled chain serves all tests."""
    return Sweep(
        trainable=trainable(),
        channels={"rayleigh": Fading()},
        snr_db=(SNR_DB,),
        batches=lambda: iter([record()]),
        origin=Origin(system="sa_oosc"),
        metrics=("psnr",),
        links=lambda channel: Lossy(),
        watch=HEARD.append,
    )


@functools.cache
def public() -> Public:
    return public_of(record(), snr_db=SNR_DB, rate=1.0)


@functools.cache
def sent():
    return sweep().chain.encode(variables(), {}, image=jnp.asarray(record()["image"]), public=public())


@functools.cache
def losses():
    """labels → terms, and the slopes of their sum: one compiled function."""
    made, rng = trainable(), np.random.default_rng(1)
    seen = {
        "image": rng.random((B, SIZE, SIZE, 3)),
        "ntc": rng.random((B, SIZE, SIZE, 3)),
        "logits": rng.normal(size=(B, GRID, GRID)),
        "lengths": 16 * rng.random((B, GRID, GRID)),
        "bits": 99 * rng.random((B, GRID, GRID)),
    }
    seen = {name: jnp.asarray(array, jnp.float32) for name, array in seen.items()}
    about = {"scenario": jnp.arange(B), "gains": jnp.ones((B, GRID, GRID)), "bits_z": jnp.ones(B)}
    signal = Signal(symbols=jnp.ones((B, 1), jnp.complex64), used=jnp.ones((B, 1)))
    pictures = {"image": jnp.asarray(record()["image"]), "public": public(), "id": jnp.arange(B)}

    @jax.jit
    def terms_and_slopes(labels):
        batch = Batch(**pictures, labels=labels, mask=jnp.ones(B, bool))

        def terms(seen):
            aux = {**about, **{name: value for name, value in seen.items() if name != "image"}}
            outputs = Outputs(image=seen["image"], signal=signal, received=None, aux=aux)
            return made.terms(outputs, batch, {})

        slopes = jax.grad(lambda seen: sum(jnp.sum(value) for value in terms(seen).values()))(seen)
        return terms(seen), slopes

    return terms_and_slopes


def labels(**changed):
    made = {name.removeprefix("labels/"): array for name, array in record().items() if name.startswith("labels/")}
    return {name: jnp.asarray(array) for name, array in {**made, **changed}.items()}


def everywhere(value: float) -> np.ndarray:
    return np.full_like(record()["labels/importance"], value)


@pytest.mark.parametrize(
    "changed",
    [{}, {"weight": 0.0}, {"importance": 0.0}, {"importance": 1.0}, {"importance": np.nan, "weight": 0.0}],
    ids=["no object", "nothing told", "all 0", "all 1", "void"],
)
def test_losses_are_finite_whatever_the_labels_say(changed):
    terms, slopes = losses()(labels(**{name: everywhere(value) for name, value in changed.items()}))
    assert set(terms) == {*TERMS, "mse", "log_mse"}
    assert all(np.all(np.isfinite(value)) for value in jax.tree.leaves((terms, slopes)))
    assert np.all(terms["distortion"] > 0)
    if changed:  # where all is alike, no pixel counts more than another, and no token should be longer
        np.testing.assert_allclose(terms["distortion"], terms["mse"], rtol=1e-5)
        np.testing.assert_array_equal(terms["rank"], 0)
    if "weight" in changed:
        np.testing.assert_array_equal(terms["kd"], 0)
        assert not np.any(slopes["logits"])


@pytest.mark.parametrize("variant", ["uniform", "student", "uniform_weighted"])
def test_pictures_without_labels_train_only_what_reads_none(variant):
    pictures = Batch(
        image=jnp.asarray(record()["image"]),
        public=Public(snr_db=jnp.ones(B), rate=jnp.ones(B), height=SIZE, width=SIZE),
        id=jnp.arange(B),
        labels={},
        mask=jnp.ones(B, bool),
    )
    made, phase = trainable(variant), Phase(name="transform", weights={"distortion_ntc": 1.0, "rate": 1.0})

    def terms():
        keys = picture_keys(jax.random.key(0), 0, pictures.id)
        outputs, _ = made.forward(variables(variant)["params"], {}, {}, pictures, keys, phase)
        return made.terms(outputs, pictures, {})

    if variant == "uniform":
        found = jax.jit(terms)()
        assert float(jnp.min(found["distortion_ntc"])) > 0
        np.testing.assert_allclose(found["kd"], 0)
    else:
        with pytest.raises(ValueError, match="the batch has no labels importance, weight, ids"):
            jax.eval_shape(terms)


def test_a_scene_without_objects_is_sent():
    told = labels()
    assert not np.any(told["ids"][0])
    assert np.any(told["ids"][1])
    for scenario in range(8):
        importance = importance_map(told["importance"], told["ids"], jnp.full(B, scenario))
        assert np.all(np.isfinite(importance))
        assert len(np.unique(importance[0])) == 1, "there is only the background"
    symbols, used = np.asarray(sent().symbols[0]), np.asarray(sent().used[0])
    assert used.sum() > 0
    assert np.all(np.isfinite(symbols))
    assert np.sum(np.abs(symbols) ** 2 * used) / used.sum() == pytest.approx(1, abs=1e-4)


@functools.cache
def shares(variant: str):
    """(rate token, importance of pixels) → shares of random latents."""
    y = np.random.default_rng(2).normal(size=(B, GRID, GRID, FEATURES)) * np.geomspace(0.1, 1e3, GRID)[:, None, None]
    module, params, known, y = trainable(variant).module, variables(variant), public(), jnp.asarray(y, jnp.float32)

    @jax.jit
    def run(rate, importance):
        told = dataclasses.replace(known, rate=rate)
        return module.apply(params, y, jnp.zeros((B, SIZE, SIZE, 3)), told, {"importance": importance}, method="shares")

    return run


@pytest.mark.parametrize("level", [0.0, 1.0])
def test_importance_all_alike_is_importance_of_none(level):
    rate, flat = jnp.full(B, 0.05), jnp.full((B, SIZE, SIZE), level)
    told, uniform = shares("oracle")(rate, flat), shares("uniform")(rate, flat)
    np.testing.assert_array_equal(told.gains, 1.0)
    np.testing.assert_array_equal(told.index, uniform.index)
    assert len(np.unique(told.index)) > 2
    half = shares("oracle")(rate, flat.at[:, : SIZE // 2].set(0.5))
    assert np.any(half.index != uniform.index)


@pytest.mark.parametrize("uses", [31, 129])
def test_a_budget_out_of_reach_says_the_range(uses):
    made, image = trainable(cbr=uses / (3 * SIZE**2)), record()["image"]
    said = "cannot be met: 16 tokens of 4 to 16 real dimensions spend 32 to 128 uses; change the budget or the rate"
    with pytest.raises(ValueError, match=f"{uses} channel uses per picture {said}"):
        jax.eval_shape(made.predict_fns()["transmit"], variables(), {}, image, public(), {})


@pytest.mark.parametrize(("rate", "uses"), [(1e-9, 32), (1e9, 128)])
def test_the_range_that_is_said_is_reached(rate, uses):
    index = shares("oracle")(jnp.full(B, rate), jnp.ones((B, SIZE, SIZE))).index
    np.testing.assert_array_equal(np.asarray(LEVELS)[index].sum(axis=(1, 2)) / 2, uses)


def check_lost(evaluation: Sweep, lost: np.ndarray) -> None:
    """Lost maps are mean pictures at the price of the others, and stand in the mean."""
    HEARD.clear()
    measured = evaluation.measure(variables(), {})
    (row,), (psnr,), (heard,) = measured.rows, [found.values for found in measured.pictures.values()], HEARD
    shown = np.asarray(heard.image)
    full = trainable().module.restorer.full
    mean = full.picture(jnp.zeros((1, GRID, GRID, full.features)))
    # Of small random weights the network adds a little to it.
    assert np.abs(shown[lost] - mean).max() < 0.1
    assert np.all(np.abs(shown[~lost] - mean).max(axis=(1, 2, 3)) > 0.2)
    np.testing.assert_allclose(shown[lost], np.broadcast_to(shown[lost][:1], shown[lost].shape), atol=1e-5)
    np.testing.assert_allclose(psnr, METRICS["psnr"](heard.image, jnp.asarray(record()["image"])), rtol=1e-5)
    assert (row["n_images"], row["side_link"]) == (B, "coded")
    assert row["mean"] == pytest.approx(psnr.mean(), rel=1e-5)
    assert row["cbr_side"] > 0


def delivered(evaluation: Sweep) -> Received:
    """What the first draw of an evaluation brings."""
    told = {"channel": Fading(), "key": jax.random.key(evaluation.seed), "draw": 0, "ids": record()["id"]}
    return evaluation.chain.deliver(sent(), **told, snr_db=public().snr_db)


def test_a_lost_map_is_a_mean_picture_inside_the_mean():
    received = delivered(sweep())
    np.testing.assert_array_equal(np.flatnonzero(~np.asarray(received.ok["rates"])), LOST)
    assert not np.any(np.asarray(received.ints["rates"])[list(LOST)])
    np.testing.assert_array_equal(received.uses["side/rates"], 40.0)
    check_lost(sweep(), np.isin(np.arange(B), LOST))


@pytest.mark.nightly
def test_a_map_that_fails_its_crc_in_a_deep_fade():
    evaluation = dataclasses.replace(sweep(), links=coded, seed=SEED)
    received = delivered(evaluation)
    lost = ~np.asarray(received.ok["rates"])
    assert 0 < lost.sum() < B, "take another seed"
    slot = 1 + sorted(trainable().side_codecs).index("rates")
    keys = slot_keys(picture_keys(jax.random.key(SEED), 0, jnp.asarray(record()["id"])), slot)
    met = Fading()(keys, jnp.ones((B, 1), jnp.complex64), jnp.ones((B, 1)), public().snr_db)
    assert met.csi is not None
    gain = np.abs(np.asarray(met.csi))[:, 0]
    assert gain[lost].max() < gain[~lost].min(), "what was lost met the deepest fades"
    assert np.all(received.uses["side/rates"] > 0), "what was lost is charged all the same"
    check_lost(evaluation, lost)
