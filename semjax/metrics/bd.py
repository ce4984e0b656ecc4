"""Bjontegaard's average rate difference between two rate-quality curves.

With log rate as a function of quality, r(q), through each curve's points,

    BD-rate = 100 (exp(1 / (q1 - q0) * integral over [q0, q1] of (r_b(q) - r_a(q)) dq) - 1)   [%]

over the qualities [q0, q1] that both curves reach. The interpolation is the shape-preserving piecewise cubic (PCHIP),
which does not overshoot between the points, in place of the first proposal's one cubic polynomial.

Sources: Bjontegaard, VCEG-M33, 2001; Fritsch and Carlson, SIAM J. Numer. Anal. 17, 1980 (PCHIP).
"""

import numpy as np
from jaxtyping import Float
from scipy.interpolate import PchipInterpolator


def _log_rate_curve(name: str, rate: np.ndarray, psnr: np.ndarray) -> PchipInterpolator:
    if rate.shape != psnr.shape or rate.ndim != 1 or rate.size < 2:
        raise ValueError(
            f"curve {name} has rates of shape {rate.shape} and qualities of shape {psnr.shape}; "
            "expected one rate and one quality for each of at least two points"
        )
    if not (np.all(np.isfinite(rate)) and np.all(np.isfinite(psnr)) and np.all(rate > 0)):
        raise ValueError(f"curve {name} needs finite qualities and finite rates above 0, got {rate} and {psnr}")
    order = np.argsort(rate)
    rate, psnr = rate[order], psnr[order]
    if np.any(np.diff(rate) <= 0) or np.any(np.diff(psnr) <= 0):
        raise ValueError(
            f"curve {name} must rise: quality {psnr} over rate {rate} does not; leave out points that others dominate"
        )
    return PchipInterpolator(psnr, np.log(rate))


def bd_rate(
    rate_a: Float[np.ndarray, "..."],
    psnr_a: Float[np.ndarray, "..."],
    rate_b: Float[np.ndarray, "..."],
    psnr_b: Float[np.ndarray, "..."],
) -> float:
    """Mean difference in rate of curve b against curve a at equal quality. On the host.

    Args:
      rate_a: rates of the reference curve (cbr, bpp, ...), `[n]`, in any order.
      psnr_a: its qualities in dB (or another quality, the same for both curves), `[n]`.
      rate_b: rates of the compared curve in the same unit, `[m]`.
      psnr_b: its qualities, `[m]`.

    Returns:
      percent; negative where b needs less.

    Raises:
      ValueError: a curve has fewer than two points, does not rise, or the curves share no quality.

    Reference: Bjontegaard, VCEG-M33, 2001.

    >>> rate, quality = np.array([0.1, 0.2, 0.4]), np.array([28.0, 31.0, 34.0])
    >>> round(bd_rate(rate, quality, 0.8 * rate, quality), 6)
    -20.0
    """
    a, b = _log_rate_curve("a", rate_a, psnr_a), _log_rate_curve("b", rate_b, psnr_b)
    low, high = max(psnr_a.min(), psnr_b.min()), min(psnr_a.max(), psnr_b.max())
    if not low < high:
        raise ValueError(
            f"the curves share no quality: a spans {psnr_a.min()}..{psnr_a.max()}, b spans "
            f"{psnr_b.min()}..{psnr_b.max()}; measure points where they overlap"
        )
    mean_difference = (b.integrate(low, high) - a.integrate(low, high)) / (high - low)
    return float(100.0 * np.expm1(mean_difference))
