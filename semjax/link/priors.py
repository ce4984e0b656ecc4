"""Priors: what a range coder believes of the next integer of a picture, given those before it.

A prior is data that both ends share. It begins a predictor per picture; before each integer the predictor states one
probability per value of the alphabet {0, ..., v - 1}, afterwards it is told the integer. Both ends run the same
predictor on the same past, so nothing about it is sent. The ideal length of a picture is

    sum over i of  -log2 p(x_i | x_1, ..., x_(i-1))      bits.

Arithmetic is addition, multiplication and division of float64, each exactly rounded by IEEE 754, in a fixed order: two
machines agree in every digit.
"""

import dataclasses
import functools
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float64, Integer

Probabilities = Float64[np.ndarray, "v"]

FLOOR = 2.0**-20
"""No value has less than this probability in a fixed table, so that every value can be coded."""


@runtime_checkable
class Predictor(Protocol):
    """The running prediction within one picture."""

    def predict(self, seen: list[int]) -> Probabilities:
        """States the probabilities of the integer that follows `seen`; the array may change at the next `learn`."""
        ...

    def learn(self, value: int) -> None:
        """Takes note of the integer that `predict` was asked about."""
        ...


@runtime_checkable
class Prior(Protocol):
    """Begins predictors."""

    def begin(self, shape: tuple[int, ...], alphabet: int) -> Predictor:
        """Begins a picture whose integers, of shape `shape`, come row by row.

        Raises:
          ValueError: if the prior is not one for this shape or alphabet.
        """
        ...


def _floored(table: Float64[np.ndarray, "rows v"], name: str) -> Float64[np.ndarray, "rows v"]:
    if table.size == 0 or not np.all(np.isfinite(table)) or np.any(table < 0) or np.any(table.sum(axis=1) <= 0):
        raise ValueError(f"{name}: probabilities must be finite, not negative, and not all zero in a row, got {table}")
    table = np.maximum(table / table.sum(axis=1, keepdims=True), FLOOR)
    return table / table.sum(axis=1, keepdims=True)


def measured(values: Integer[np.ndarray, "..."], alphabet: int) -> tuple[float, ...]:
    """Estimates the probability of each value from examples, each value counted half a time more than it occurs.

    Args:
      values: integers from 0 to alphabet - 1.
      alphabet: number of values.

    Returns:
      Probabilities for `StaticPrior`, or one row for `PositionPrior`.

    Raises:
      ValueError: for values outside the alphabet.
    """
    if values.size and (values.min() < 0 or values.max() >= alphabet):
        raise ValueError(f"measured: values are {values.min()} to {values.max()}, allowed are 0 to {alphabet - 1}")
    counts = np.bincount(values.reshape(-1).astype(np.int64), minlength=alphabet) + 0.5
    return tuple((counts / counts.sum()).tolist())


@dataclasses.dataclass(frozen=True, kw_only=True)
class PositionPrior:
    """One fixed table per position; the rows repeat, so that one row per segment serves all tokens of `[n, g]`.

    Attributes:
      tables: probability of each value, one row per position; normalised here, and none below `FLOOR`.

    Raises:
      ValueError: for rows of unequal length, negative or not finite numbers, or a row of zeros.
    """

    tables: tuple[tuple[float, ...], ...]

    def __post_init__(self) -> None:
        """Refuses what is no table of probabilities."""
        if len({len(row) for row in self.tables}) != 1:
            raise ValueError(f"PositionPrior: rows have lengths {[len(row) for row in self.tables]}, must all be equal")
        _ = self.normalised

    @functools.cached_property
    def normalised(self) -> Float64[np.ndarray, "rows v"]:
        """The tables as coded with."""
        return _floored(np.asarray(self.tables, np.float64), type(self).__name__)

    def begin(self, shape: tuple[int, ...], alphabet: int) -> Predictor:
        """See `Prior.begin`; the number of integers must be a multiple of that of rows."""
        rows, width = self.normalised.shape
        if width != alphabet:
            raise ValueError(f"{type(self).__name__}: tables of {width} values for an alphabet of {alphabet}")
        if int(np.prod(shape)) % rows:
            raise ValueError(
                f"{type(self).__name__}: {rows} rows for pictures of shape {shape}; "
                f"the number of integers must be a multiple of {rows}"
            )
        return _Fixed(self.normalised)


@dataclasses.dataclass(frozen=True, kw_only=True)
class StaticPrior:
    """One fixed table for all positions, learned or `measured` beforehand.

    Attributes:
      probabilities: of each value; normalised here, and none below `FLOOR`.

    Raises:
      ValueError: for negative or not finite numbers, or only zeros.
    """

    probabilities: tuple[float, ...]

    def __post_init__(self) -> None:
        """Refuses what is no table of probabilities."""
        _ = self.normalised

    @functools.cached_property
    def normalised(self) -> Float64[np.ndarray, "1 v"]:
        """The table as coded with."""
        return _floored(np.asarray([self.probabilities], np.float64), "StaticPrior")

    def begin(self, shape: tuple[int, ...], alphabet: int) -> Predictor:
        """See `Prior.begin`."""
        if self.normalised.shape[1] != alphabet:
            raise ValueError(f"StaticPrior: a table of {self.normalised.shape[1]} values for an alphabet of {alphabet}")
        return _Fixed(self.normalised)


class _Fixed:
    def __init__(self, tables: Float64[np.ndarray, "rows v"]) -> None:
        self._rows = list(tables)

    def predict(self, seen: list[int]) -> Probabilities:
        return self._rows[len(seen) % len(self._rows)]

    def learn(self, value: int) -> None:
        pass
