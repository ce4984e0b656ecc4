"""Phases as data: which steps each one takes."""

import dataclasses
from collections.abc import Sequence

from semjax.contracts import Phase


@dataclasses.dataclass(frozen=True, kw_only=True)
class Stretch:
    """Steps `first` (included) to `last` (excluded) of a run belong to `phase`."""

    phase: Phase
    first: int
    last: int


def schedule(phases: Sequence[Phase], total_steps: int) -> list[Stretch]:
    """Cuts `total_steps` by the phases' fractions; rounding never loses a step.

    Raises:
      ValueError: if there is no phase, a fraction is not positive, or they do not sum to 1.
    """
    fractions = [phase.fraction for phase in phases]
    if not fractions or min(fractions) <= 0 or abs(sum(fractions) - 1.0) > 1e-6:
        raise ValueError(f"fractions of the phases must be positive and sum to 1, got {fractions}")
    ends = [round(sum(fractions[: i + 1]) * total_steps) for i in range(len(fractions))]
    starts = [0, *ends[:-1]]
    return [Stretch(phase=p, first=s, last=e) for p, s, e in zip(phases, starts, ends, strict=True) if e > s]


def at(stretches: Sequence[Stretch], step: int) -> Stretch:
    """The stretch that `step` belongs to.

    Raises:
      ValueError: if the step lies beyond the run.
    """
    for stretch in stretches:
        if stretch.first <= step < stretch.last:
            return stretch
    raise ValueError(f"step {step} is outside the run, which ends at {stretches[-1].last}")
