"""Metrics of what matters and of the rest, against a numpy twin; pictures without such a part have no value."""

import numpy as np
import pytest

from semjax.evaluators.bootstrap import Pictures
from semjax.evaluators.regions import REGION_METRICS, mattering, present, region_scores

SIDE = 16


def batch() -> dict:
    """Three pictures of three regions: a left half, a right half, and a corner without a label."""
    ids = np.zeros((3, SIDE, SIDE), np.uint8)
    ids[:, :, SIDE // 2 :] = 1
    ids[:, :4, :4] = 2
    importance = np.zeros((3, 2, 3), np.float32)
    importance[:, 0] = (0.1, 1.0, 0.9)  # under scenario 0 the right half matters
    importance[:, 1] = (0.3, 0.1, 0.9)  # under scenario 1 nothing does
    weight = np.ones((3, 2, 3), np.float32)
    weight[:, :, 2] = 0
    labels = {"labels/importance": importance, "labels/weight": weight, "labels/ids": ids}
    return {**labels, "scenario": np.array([0, 1, 0], np.int32)}


def pictures() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    target = rng.integers(0, 256, (3, SIDE, SIDE, 3)) / 255
    image = np.clip(target + 0.1 * rng.standard_normal(target.shape), 0, 1)
    return image.astype(np.float32), target.astype(np.float32)


def test_a_picture_s_scenario_says_what_matters():
    found = mattering(batch())
    assert found.importance[0, 8].tolist() == pytest.approx([0.1] * 8 + [1.0] * 8)
    assert found.importance[1, 8].tolist() == pytest.approx([0.3] * 8 + [0.1] * 8)
    assert found.weight[0, 0].tolist() == [0.0] * 4 + [1.0] * 12


def test_psnr_of_both_parts_is_that_of_their_pixels():
    image, target = pictures()
    found = region_scores(image, target, mattering(batch()), REGION_METRICS)
    assert set(found) == set(REGION_METRICS)
    error = ((np.rint(image * 255) - np.rint(target * 255)) / 255) ** 2
    right, left = error[:, :, SIDE // 2 :], error[:, :, : SIDE // 2].copy()
    corner = np.zeros((SIDE, SIDE // 2), bool)
    corner[:4, :4] = True
    for i in (0, 2):
        assert found["psnr_high"][i] == pytest.approx(-10 * np.log10(right[i].mean()), abs=1e-3)
        assert found["psnr_low"][i] == pytest.approx(-10 * np.log10(left[i][~corner].mean()), abs=1e-3)
    assert np.isnan(found["psnr_high"][1])
    assert np.isnan(found["ssim_high"][1])
    both = np.concatenate([left[1][~corner].mean(-1), right[1].reshape(-1, 3).mean(-1)])
    assert found["psnr_low"][1] == pytest.approx(-10 * np.log10(both.mean()), abs=1e-3)
    assert np.isfinite(found["iw_psnr"]).all()


def test_pictures_without_a_part_are_left_out():
    values = {
        "psnr": Pictures(ids=np.arange(3), values=np.array([1.0, np.nan, 3.0])),
        "psnr_high": Pictures(ids=np.arange(3), values=np.array([1.0, np.nan, 3.0])),
        "ssim_high": Pictures(ids=np.arange(2), values=np.array([np.nan, np.nan])),
    }
    found = present(values)
    assert found["psnr_high"].ids.tolist() == [0, 2]
    assert np.isnan(found["psnr"].values[1]), "a metric of whole pictures hides nothing"
    assert "ssim_high" not in found


@pytest.mark.parametrize("name", ["labels/importance", "scenario"])
def test_what_is_missing_is_named(name):
    short = {key: value for key, value in batch().items() if key != name}
    with pytest.raises(ValueError, match=rf"there are no {name}: set eval\.scenario, and eval\.data\.truth=True"):
        mattering(short)
