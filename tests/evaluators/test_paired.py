"""Paired gains against a numpy twin."""

import numpy as np
import pytest

from semjax.evaluators.bootstrap import Pictures
from semjax.evaluators.paired import Measured, gains, unequal_rates
from semjax.evaluators.results import picture_name

POINT = {"channel": "awgn", "snr_db": 10.0, "told_snr_db": 10.0, "rate": 1.0}


def measured(system: str, values: np.ndarray, ids: np.ndarray | None = None) -> Measured:
    rows = [
        {**POINT, "system": system, "variant": "default", "metric": m, "mean": 0.0, "ci_low": 0.0, "ci_high": 0.0}
        for m in ("psnr", "x")
    ]
    pictures = Pictures(ids=np.arange(len(values)) if ids is None else ids, values=values)
    return Measured(rows=rows, pictures={picture_name(**POINT, metric="psnr"): pictures})


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


def points(
    system: str, values: dict[tuple[float, float], float], *, cbr: float = 0.1, metric: str = "psnr"
) -> Measured:
    """One value for both pictures at each (rate, told SNR)."""
    rows, pictures = [], {}
    for (rate, told), value in values.items():
        where = {"channel": "awgn", "snr_db": 4.0, "told_snr_db": told, "rate": rate}
        numbers = {"mean": value, "ci_low": value, "ci_high": value, "cbr_total": cbr * rate}
        rows.append({**where, "system": system, "variant": "default", "metric": metric, **numbers})
        name = picture_name(**where, metric=metric)
        pictures[name] = Pictures(ids=np.arange(2), values=np.full(2, value))
    return Measured(rows=rows, pictures=pictures)


def test_points_are_joined_by_rate_and_told_snr() -> None:
    own = points("a", {(0.5, 4.0): 25.0, (1.0, 4.0): 28.0, (1.0, 10.0): 27.0})
    half, full = points("b", {(0.5, 4.0): 24.0}), points("b", {(1.0, 4.0): 26.0, (1.0, 10.0): 26.5})
    found = {(row["rate"], row["told_snr_db"]): row["mean"] for row in gains(own, half.joined(full))}
    assert found == {(0.5, 4.0): 1.0, (1.0, 4.0): 2.0, (1.0, 10.0): 0.5}


def test_a_signal_has_no_gain() -> None:
    both = [points(name, {(1.0, 4.0): 8.0}, metric="papr_db") for name in ("a", "b")]
    assert not list(gains(*both))


def test_points_that_did_not_spend_the_same_are_named() -> None:
    own = points("a", {(0.5, 4.0): 25.0, (1.0, 4.0): 28.0})
    assert unequal_rates(own, points("b", {(0.5, 4.0): 25.0, (1.0, 4.0): 25.0}, cbr=0.1009)) == []
    assert unequal_rates(own, points("b", {(1.0, 4.0): 25.0}, cbr=0.11)) == [
        "awgn, 4 dB, rate 1: cbr 0.10000 beside 0.11000 of b"
    ]
