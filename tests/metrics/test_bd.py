"""BD-rate against curves whose difference is known."""

import doctest

import numpy as np
import pytest
from scipy import integrate

from semjax.metrics import bd

RATE = np.array([0.04, 0.08, 0.17, 0.31, 0.5])
QUALITY = np.array([26.0, 28.9, 31.7, 34.0, 36.1])


@pytest.mark.parametrize("factor", [0.5, 1.0, 1.3])
def test_a_curve_against_itself_at_a_known_factor(factor: float) -> None:
    assert bd.bd_rate(RATE, QUALITY, factor * RATE, QUALITY) == pytest.approx(100 * (factor - 1), abs=1e-9)


def test_order_of_the_points_does_not_matter() -> None:
    order = np.array([3, 0, 4, 1, 2])
    assert bd.bd_rate(RATE[order], QUALITY[order], 0.9 * RATE, QUALITY) == pytest.approx(-10.0, abs=1e-9)


def test_lines_in_log_rate_have_a_closed_form() -> None:
    quality_b = np.array([28.0, 31.0, 33.0, 38.0])
    rate_a, rate_b = np.exp(0.2 * (QUALITY - 40)), np.exp(0.25 * (quality_b - 40))
    low, high = 28.0, 36.1
    mean = integrate.quad(lambda q: 0.05 * (q - 40), low, high)[0] / (high - low)
    assert bd.bd_rate(rate_a, QUALITY, rate_b, quality_b) == pytest.approx(100 * (np.exp(mean) - 1), abs=1e-6)


def test_swapping_the_curves_inverts_the_ratio() -> None:
    quality_b = QUALITY + np.array([0.3, 0.5, 0.2, 0.6, 0.4])
    there, back = bd.bd_rate(RATE, QUALITY, RATE, quality_b), bd.bd_rate(RATE, quality_b, RATE, QUALITY)
    assert there < 0 < back
    assert (1 + there / 100) * (1 + back / 100) == pytest.approx(1.0)


def test_refusals() -> None:
    with pytest.raises(ValueError, match="share no quality"):
        bd.bd_rate(RATE, QUALITY, RATE, QUALITY + 30)
    with pytest.raises(ValueError, match="curve b must rise"):
        bd.bd_rate(RATE, QUALITY, RATE, QUALITY[::-1])
    with pytest.raises(ValueError, match="curve a needs finite"):
        bd.bd_rate(-RATE, QUALITY, RATE, QUALITY)
    with pytest.raises(ValueError, match="at least two points"):
        bd.bd_rate(RATE[:1], QUALITY[:1], RATE, QUALITY)


def test_docstring_examples() -> None:
    result = doctest.testmod(bd)
    assert result.attempted >= 2
    assert result.failed == 0
