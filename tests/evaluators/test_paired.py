"""Paired gains against a numpy twin."""

import numpy as np
import pytest

from semjax.evaluators.bootstrap import Pictures
from semjax.evaluators.paired import Measured, gains
from semjax.evaluators.results import picture_name

POINT = {"channel": "awgn", "snr_db": 10.0}


def measured(system: str, values: np.ndarray, ids: np.ndarray | None = None) -> Measured:
    rows = [{**POINT, "system": system, "metric": m, "mean": 0.0, "ci_low": 0.0, "ci_high": 0.0} for m in ("psnr", "x")]
    pictures = Pictures(ids=np.arange(len(values)) if ids is None else ids, values=values)
    return Measured(rows=rows, pictures={picture_name(**POINT, rate=1.0, metric="psnr"): pictures})


def test_gain_is_the_mean_difference_on_the_same_pictures() -> None:
    rng = np.random.default_rng(0)
    hard = rng.normal(size=50) * 5 + 28
    better = hard + 0.5 + 0.1 * rng.normal(size=50)
    order = rng.permutation(50)
    (row,) = gains(measured("deepjscc", better[order], order), measured("linear", hard))
    assert row["metric"] == "psnr_gain_over_linear"
    assert row["system"] == "deepjscc"
    assert row["mean"] == pytest.approx((better - hard).mean())
    assert 0.4 < row["ci_low"] < row["mean"] < row["ci_high"] < 0.6


def test_other_pictures_are_refused() -> None:
    with pytest.raises(ValueError, match="same pictures"):
        list(gains(measured("a", np.ones(3)), measured("b", np.ones(4))))
