"""Complex gains of flat fading: how they are distributed and how long they last.

    Rayleigh   h ~ CN(0, 1)
    Rician     h = sqrt(K / (K + 1)) + sqrt(1 / (K + 1)) g,   g ~ CN(0, 1),   K = 10^(k_factor_db / 10)

Always E|h|^2 = 1. Reference: Proakis and Salehi, Digital Communications, 5th ed. (2008), section 13.1.
"""

import dataclasses
from typing import Literal, Protocol, runtime_checkable

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex
from scipy import special

from semjax.channels import base
from semjax.channels.law import Law
from semjax.types import Keys


@runtime_checkable
class Gains(Protocol):
    """A distribution of complex gains with unit mean power."""

    def draw(self, keys: Keys, count: int) -> Complex[Array, "b n"]:
        """Draws `count` gains per picture."""
        ...

    def law(self, coherence: Literal["block", "fast"]) -> Law:
        """States the distribution."""
        ...


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rayleigh:
    """Scattering without a line of sight: h ~ CN(0, 1)."""

    def draw(self, keys: Keys, count: int) -> Complex[Array, "b n"]:
        """See `Gains`."""
        return base.complex_normal(keys, (count,))

    def law(self, coherence: Literal["block", "fast"]) -> Law:
        """See `Gains`; |h|^2 is exponential."""
        return Law(name="Rayleigh", coherence=coherence, power_cdf=lambda power: -np.expm1(-power), phase="uniform")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rician:
    """A line of sight `k_factor_db` stronger than the scattering."""

    # CHOICE: the line of sight has phase 0; a receiver that knows h does not care.
    k_factor_db: float | int = 6.0

    def draw(self, keys: Keys, count: int) -> Complex[Array, "b n"]:
        """See `Gains`."""
        k_factor = 10 ** (self.k_factor_db / 10)
        return (k_factor**0.5 + base.complex_normal(keys, (count,))) / (k_factor + 1) ** 0.5

    def law(self, coherence: Literal["block", "fast"]) -> Law:
        """See `Gains`; `2 (K + 1) |h|^2` is noncentral chi-squared with 2 degrees of freedom and noncentrality 2 K."""
        k_factor = 10 ** (self.k_factor_db / 10)

        def power_cdf(power: np.ndarray) -> np.ndarray:
            return special.chndtr(2 * (k_factor + 1) * power, 2, 2 * k_factor)

        return Law(name=f"Rician, K = {self.k_factor_db:g} dB", coherence=coherence, power_cdf=power_cdf)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fixed:
    """One known gain for everybody: for looking at a channel at a given h."""

    gain: complex

    def draw(self, keys: Keys, count: int) -> Complex[Array, "b n"]:
        """See `Gains`."""
        return jnp.full((keys.shape[0], count), self.gain, jnp.complex64)

    def law(self, coherence: Literal["block", "fast"]) -> Law:
        """See `Gains`."""
        strength = abs(self.gain) ** 2
        return Law(name=f"h = {self.gain}", coherence=coherence, power_cdf=lambda power: 1.0 * (power >= strength))


@runtime_checkable
class Coherence(Protocol):
    """How long a gain lasts."""

    @property
    def name(self) -> Literal["block", "fast"]:
        """The name of the coherence in a `Law`."""
        ...

    def spread(self, keys: Keys, gains: Gains, count: int) -> Complex[Array, "b k"]:
        """Draws the gains of `count` symbols per picture."""
        ...


@dataclasses.dataclass(frozen=True, kw_only=True)
class Block:
    """One gain per picture."""

    @property
    def name(self) -> Literal["block", "fast"]:
        """See `Coherence`."""
        return "block"

    def spread(self, keys: Keys, gains: Gains, count: int) -> Complex[Array, "b k"]:
        """See `Coherence`."""
        return jnp.broadcast_to(gains.draw(keys, 1), (keys.shape[0], count))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fast:
    """One gain per symbol."""

    @property
    def name(self) -> Literal["block", "fast"]:
        """See `Coherence`."""
        return "fast"

    def spread(self, keys: Keys, gains: Gains, count: int) -> Complex[Array, "b k"]:
        """See `Coherence`."""
        return gains.draw(keys, count)
