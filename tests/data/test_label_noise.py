"""Spoilt labels: how many, which, the same whatever the order, and refusals."""

import numpy as np
import pytest

from semjax.app import build, config
from semjax.data.files import DataError
from semjax.data.label_noise import LabelNoise
from semjax.data.sources import ScenesSource
from semjax.scenes.scenarios import LEVELS

SCENES, SCENARIOS, REGIONS = 500, 8, 6
RNG = np.random.default_rng(3)
TRUTH = RNG.choice(np.array(LEVELS, np.float32), (SCENES, SCENARIOS, REGIONS))
VALID = np.concatenate([np.ones((SCENES, 1), bool), RNG.random((SCENES, REGIONS - 1)) < 0.7], axis=1)
TRUTH *= VALID[:, None]
THERE = np.broadcast_to(VALID[:, None], TRUTH.shape)
PLACE = {"seed": 0, "split": "train"}


def spoilt(noise: LabelNoise, **place) -> tuple[np.ndarray, np.ndarray]:
    """Importance and weight of all scenes."""
    made = [noise(TRUTH[i], VALID[i], index=i, **{**PLACE, **place}) for i in range(SCENES)]
    importance, weight = (np.stack(parts) for parts in zip(*made, strict=True))
    assert importance.dtype == weight.dtype == np.float32
    return importance, weight


def share(which: np.ndarray) -> float:
    """Of the labels of regions that are there."""
    return float(which[THERE].mean())


def test_wrong_labels_say_another_level_each_alike() -> None:
    importance, weight = spoilt(LabelNoise(wrong=0.2))
    wrong = importance != TRUTH
    assert share(wrong) == pytest.approx(0.2, abs=0.015)  # five deviations of 18,000 labels
    assert not wrong[~THERE].any()
    np.testing.assert_array_equal(weight, THERE)
    levels = np.array(LEVELS, np.float32)
    for true in levels:
        said = importance[wrong & (true == TRUTH) & THERE]
        counts = np.array([(said == level).sum() for level in levels])
        assert counts.sum() == len(said)
        assert (counts[levels == true] == 0).all()
        np.testing.assert_allclose(counts[levels != true] / len(said), 0.25, atol=0.09)
    # A picture's labels are spoilt one by one: neither whole scenarios nor whole regions.
    each = wrong.reshape(SCENES, -1)[VALID.all(axis=1)]
    assert each.sum(axis=1).var() == pytest.approx(SCENARIOS * REGIONS * 0.2 * 0.8, rel=0.6)


def test_failed_labels_have_no_weight_or_say_zero() -> None:
    importance, weight = spoilt(LabelNoise(failed=0.05))
    failed = THERE & (weight == 0)
    assert share(failed) == pytest.approx(0.05, abs=0.009)
    assert not importance[failed].any()
    np.testing.assert_array_equal(importance[~failed], TRUTH[~failed])
    zero, kept = spoilt(LabelNoise(failed=0.05, failed_as_zero=True))
    np.testing.assert_array_equal(zero, importance)
    np.testing.assert_array_equal(kept, THERE)


def test_more_noise_keeps_what_less_of_it_spoilt() -> None:
    (few, _), (many, _) = spoilt(LabelNoise(wrong=0.1)), spoilt(LabelNoise(wrong=0.3))
    changed = few != TRUTH
    np.testing.assert_array_equal(many[changed], few[changed])
    both, weight = spoilt(LabelNoise(wrong=0.3, failed=0.1))
    np.testing.assert_array_equal(both[weight > 0], many[weight > 0])


def test_each_scene_of_each_source_is_spoilt_its_own_way() -> None:
    noise = LabelNoise(wrong=0.5)
    first, _ = spoilt(noise)
    np.testing.assert_array_equal(spoilt(noise)[0], first)
    for place in ({"seed": 1}, {"seed": -1}, {"split": "val"}):
        assert (spoilt(noise, **place)[0] != first).any()
    moved = [noise(TRUTH[0], VALID[0], index=i, **PLACE)[0] for i in range(2)]
    assert (moved[0] != moved[1]).any()


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"wrong": 1.5}, r"wrong=1\.5 .* between 0 and 1"),
        ({"failed": -0.1}, r"failed=-0\.1"),
        ({"failed": float("nan")}, "failed=nan"),
        ({"wrong": "some"}, "wrong='some'"),
        ({"failed_as_zero": 1}, "failed_as_zero=1 .* True or False"),
        ({"wrong": 0.2, "truth": False}, "set truth=True beside wrong"),
        ({"failed_as_zero": True, "truth": False}, "set truth=True beside failed_as_zero"),
    ],
)
def test_refusals(settings: dict, told: str) -> None:
    with pytest.raises(DataError, match=told):
        ScenesSource(**{"truth": True, **settings})


def test_a_configuration_may_ask_for_noise_in_training_alone() -> None:
    registry = build.default_registry()
    section = {"source": "scenes", "size": 16, "crop": 16, "truth": True, "wrong": 0.2}
    cfg = config.resolve({"system": {"name": "linear", "cbr": 1 / 12}, "data": {"train": section}}, registry)
    assert build.source(cfg.data.train, registry, path="data.train").source.noise == LabelNoise(wrong=0.2)
    assert "wrong" not in cfg.eval.data
