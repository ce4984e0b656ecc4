"""What the receiver knows of the gain of its channel, and what that costs.

perfect   g = h
pilots    g = h + e,   e ~ CN(0, sigma^2 / p) from p pilot uses of unit power, counted in uses["pilots"]
"""

import dataclasses
from typing import Protocol, runtime_checkable

import jax.numpy as jnp
from jaxtyping import Array, Complex

from semjax.channels import base
from semjax.types import Keys, PerImage


@runtime_checkable
class Knowledge(Protocol):
    """What the receiver knows of the gain, and what that costs."""

    @property
    def uses(self) -> int:
        """Channel uses spent on it per picture."""
        ...

    def estimate(self, keys: Keys, gain: Complex[Array, "b k"], noise_var: PerImage) -> Complex[Array, "b k"]:
        """Returns the receiver's estimate of `gain`."""
        ...


@dataclasses.dataclass(frozen=True, kw_only=True)
class PerfectCSI:
    """The receiver knows h, free of charge."""

    @property
    def uses(self) -> int:
        """See `Knowledge`."""
        return 0

    def estimate(self, keys: Keys, gain: Complex[Array, "b k"], noise_var: PerImage) -> Complex[Array, "b k"]:
        """See `Knowledge`."""
        return gain


@dataclasses.dataclass(frozen=True, kw_only=True)
class PilotCSI:
    """Least squares from `pilots` unit-power pilot uses per picture: h plus an error of variance sigma^2 / pilots."""

    pilots: int

    def __post_init__(self) -> None:
        """Refuses less than one pilot."""
        if self.pilots < 1:
            raise ValueError(f"PilotCSI: pilots={self.pilots}, but an estimate needs at least 1 pilot")

    @property
    def uses(self) -> int:
        """See `Knowledge`."""
        return self.pilots

    def estimate(self, keys: Keys, gain: Complex[Array, "b k"], noise_var: PerImage) -> Complex[Array, "b k"]:
        """See `Knowledge`; pilot symbols are 1, so the estimate is the mean of what arrives."""
        noise = jnp.sqrt(noise_var)[:, None] * base.complex_normal(base.slot(keys, base.PILOT), (self.pilots,))
        return gain + jnp.mean(noise, axis=-1, keepdims=True)
