"""What a channel says about its gain h: the law that the conformance check holds it to.

A channel names its law in an attribute `law`; a channel without one is judged by what can be measured alone.
"""

import dataclasses
from collections.abc import Callable
from typing import Literal

import numpy as np


@dataclasses.dataclass(frozen=True, kw_only=True)
class Law:
    """Statistics of a gain with `E|h|^2 = 1`.

    Attributes:
      name: shown in reports.
      coherence: "constant" for h = 1, "block" for one h per picture, "fast" for one per symbol.
      power_cdf: distribution function of |h|^2, on numpy arrays.
      phase: "uniform" on the circle, or "any" (not constant, nothing more is said).
    """

    name: str
    coherence: Literal["constant", "block", "fast"]
    power_cdf: Callable[[np.ndarray], np.ndarray]
    phase: Literal["uniform", "any"] = "any"

    def power_spread_db(self) -> float:
        """Returns the standard deviation of `10 log10 |h|^2` (5.57 dB for Rayleigh)."""
        level_db = np.linspace(-100.0, 20.0, 24001)
        mass = np.diff(self.power_cdf(10 ** (level_db / 10)))
        centre = (level_db[1:] + level_db[:-1]) / 2
        mean = np.sum(mass * centre) / np.sum(mass)
        return float(np.sqrt(np.sum(mass * (centre - mean) ** 2) / np.sum(mass)))


def _step(power: np.ndarray) -> np.ndarray:
    return (power >= 1.0).astype(float)


NO_FADING = Law(name="h = 1", coherence="constant", power_cdf=_step)
