"""What a conformance check found: named findings and a readable table."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that was checked.

    Attributes:
      name: what was checked.
      ok: whether it holds.
      measured: what was measured, in words and numbers.
      expected: what should have been.
      explanation: why it matters and what usually breaks it.
    """

    name: str
    ok: bool
    measured: str
    expected: str
    explanation: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Report:
    """All findings about one channel or transmitter; `str` gives the table."""

    subject: str
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether every finding holds."""
        return all(finding.ok for finding in self.findings)

    @property
    def failed(self) -> tuple[str, ...]:
        """Names of the findings that do not hold."""
        return tuple(finding.name for finding in self.findings if not finding.ok)

    def __str__(self) -> str:
        """Draws the table; what failed is explained below its line."""
        width = max(len(finding.name) for finding in self.findings)
        lines = [self.subject]
        for found in self.findings:
            lines.append(f"  {'ok  ' if found.ok else 'FAIL'}  {found.name:<{width}}  {found.measured}")
            if not found.ok:
                lines.append(f"        {'':<{width}}  expected: {found.expected}")
                lines.append(f"        {'':<{width}}  {found.explanation}")
        lines.append(f"  {'conformant' if self.ok else 'NOT conformant'}: {len(self.findings)} checks")
        return "\n".join(lines)


def decibel(ratio: np.ndarray) -> np.ndarray:
    """Returns `10 log10 ratio`, and -300 dB where the ratio is zero."""
    return 10 * np.log10(np.maximum(ratio, 1e-30))


def distance(uniform: np.ndarray) -> float:
    """Returns the Kolmogorov-Smirnov distance between a sample and the uniform law on [0, 1].

    Args:
      uniform: a sample put through its supposed distribution function.
    """
    ordered = np.sort(uniform)
    steps = np.arange(ordered.size + 1) / ordered.size
    return float(max(np.max(steps[1:] - ordered), np.max(ordered - steps[:-1])))


def distance_limit(count: int) -> float:
    """Returns the distance that `count` true samples stay under in all but one of 10,000 cases (asymptotically)."""
    return float(np.sqrt(np.log(2e4) / (2 * count)))
