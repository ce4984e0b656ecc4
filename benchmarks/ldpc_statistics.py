"""What `benchmarks/ldpc.py` makes of counted block errors, and the files it keeps them in."""

import datetime
import itertools
import json
import math
import pathlib
from typing import Any

import numpy as np
from scipy import special

from semjax.training.log import git_state

TARGET = 1e-2
"""Block error rate at which codes are compared."""
QPSK = 2
Row = dict[str, Any]


class Results:
    """Rows of one file, written at once; a row that is there is not measured again."""

    def __init__(self, path: pathlib.Path, **origin: Any) -> None:
        self.path, self.rows = path, json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
        state = git_state()
        self.origin = {
            "commit": f"{state['commit'] or ''}"[:12] + ("+" if state["dirty"] else ""),  # "+": with changes
            "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
            **origin,
        }

    def find(self, **key: Any) -> Row | None:
        """The row of a key."""
        return next((row for row in self.rows if all(row.get(name) == value for name, value in key.items())), None)

    def add(self, row: Row) -> Row:
        """Keeps a row, with its origin."""
        self.rows.append(row | self.origin)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(json.dumps(self.rows, indent=1) + "\n", encoding="utf-8")
        print(json.dumps(row), flush=True)
        return row


def two_proportions(wrong: tuple[int, int], count: tuple[int, int]) -> float:
    """Two-sided p value of equal shares (normal approximation, pooled)."""
    share = sum(wrong) / sum(count)
    spread = math.sqrt(share * (1 - share) * (1 / count[0] + 1 / count[1]))
    z = abs(wrong[0] / count[0] - wrong[1] / count[1]) / spread if spread else 0.0
    return math.erfc(z / math.sqrt(2))


def holm(p_values: list[float]) -> list[float]:
    """P values corrected for their number, in the order given (Holm 1979)."""
    order, found = np.argsort(p_values), np.empty(len(p_values))
    scaled = np.asarray(p_values)[order] * np.arange(len(p_values), 0, -1)
    found[order] = np.minimum(np.maximum.accumulate(scaled), 1.0)
    return found.tolist()


def smoothed(errors: int, blocks: int) -> float:
    """A block error rate that is neither 0 nor 1: (errors + 1/2) / (blocks + 1)."""
    return (errors + 0.5) / (blocks + 1)


def crossing(snr_db: list[float], rate: list[float]) -> float | None:
    """Where the rate falls through the target: its probit is taken to be linear between two points; None: nowhere.

    Args:
      snr_db: ascending.
      rate: block error rates, above 0 and below 1.
    """
    aim = special.ndtri(TARGET)
    for (x0, y0), (x1, y1) in itertools.pairwise(zip(snr_db, rate, strict=True)):
        if y0 >= TARGET > y1:
            high, low = special.ndtri([y0, y1])
            return float(x0 + (x1 - x0) * (high - aim) / (high - low))
    return None


def difference_interval(ours: list[Row], theirs: list[Row], draws: int = 2000) -> tuple[float, float] | None:
    """95 % interval of the difference of two crossings in dB, by drawing all error counts anew; None: none was found.

    Args:
      ours: points with ebn0_db, errors and blocks, ascending in Eb/N0.
      theirs: as `ours`.
      draws: how many.
    """
    rng = np.random.default_rng(0)

    def once(points: list[Row]) -> float | None:
        drawn = [int(rng.binomial(p["blocks"], smoothed(p["errors"], p["blocks"]))) for p in points]
        rates = [smoothed(n, p["blocks"]) for n, p in zip(drawn, points, strict=True)]
        return crossing([p["ebn0_db"] for p in points], rates)

    pairs = [(once(ours), once(theirs)) for _ in range(draws)]
    found = [a - b for a, b in pairs if a is not None and b is not None]
    if len(found) < draws / 2:
        return None
    low, high = np.quantile(found, [0.025, 0.975])
    return float(low), float(high)


def normal_approximation_db(k: int, n: int) -> float:
    """Eb/N0 at which the normal approximation for QPSK grants k bits in n / 2 uses at the target."""
    from semjax.phy.coded_capacity import Uniform, minimum_snr_db

    rate = QPSK * k / n
    snr = minimum_snr_db(rate, uses=n // QPSK, block_error=TARGET, inputs=Uniform(bits_per_symbol=QPSK))
    return snr - 10 * math.log10(rate)
