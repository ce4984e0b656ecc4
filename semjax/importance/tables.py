"""Importance from a table: one number per class, or per class and scenario; the baselines that know classes alone.

    T[c]    = sum w M / sum w   over all labels of regions of class c
    T[s, c] = the same over those under scenario s

A pair that no label tells of takes its scenario's mean, and a class or scenario without any label the mean of all. A
table is fitted on the host on labels of the training split; at the transmitter it needs the true classes of regions.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float32, Integer

from semjax.importance.base import ImportanceError
from semjax.importance.maps import region_values, scenario_rows

Labels = Float[np.ndarray, "n s m"]


def fit_table(
    importance: Labels, classes: Integer[np.ndarray, "n m"], weight: Labels, *, count: int
) -> Float32[np.ndarray, "c"]:
    """The mean importance of each class, whatever the scenario.

    Args:
      importance: labels of the regions of n pictures under each scenario.
      classes: of the regions; what stands where all weights are 0 does not matter.
      weight: of the labels, 0 where they failed or are missing.
      count: how many classes there are.

    Returns:
      float32[count].

    Raises:
      ImportanceError: shapes that do not fit together, a class that there is not, or no label at all.

    >>> fit_table(np.array([[[0.1, 0.8]]]), np.array([[0, 1]]), np.ones((1, 1, 2)), count=3)
    array([0.1 , 0.8 , 0.45], dtype=float32)
    """
    told, total = (each.sum(axis=0) for each in _sums(importance, classes, weight, count=count))
    return _means(told, total, otherwise=told.sum() / total.sum()).astype(np.float32)


def fit_scenario_table(
    importance: Labels, classes: Integer[np.ndarray, "n m"], weight: Labels, *, count: int
) -> Float32[np.ndarray, "s c"]:
    """The mean importance of each class under each scenario.

    Args:
      importance: labels of the regions of n pictures under each scenario.
      classes: of the regions; what stands where all weights are 0 does not matter.
      weight: of the labels, 0 where they failed or are missing.
      count: how many classes there are.

    Returns:
      float32[scenarios, count].

    Raises:
      ImportanceError: shapes that do not fit together, a class that there is not, or no label at all.
    """
    told, total = _sums(importance, classes, weight, count=count)
    of_scenario = _means(told.sum(axis=1), total.sum(axis=1), otherwise=told.sum() / total.sum())
    return _means(told, total, otherwise=of_scenario[:, None]).astype(np.float32)


def table_map(
    table: Float[Array, "*s c"],
    classes: Integer[Array, "b m"],
    ids: Integer[Array, "b h w"],
    scenario: Integer[Array, "b"],
) -> Float[Array, "b h w"]:
    """The importance of each pixel by the class of its region; pure, for `jit`.

    Args:
      table: per class, or per scenario and class.
      classes: of the regions.
      ids: region of each pixel.
      scenario: of each picture; a table per class does not ask it.

    Returns:
      [b, h, w]; NaN where there is no such region, class or scenario.

    Raises:
      ImportanceError: a table with other axes.
    """
    if table.ndim not in (1, 2):
        raise ImportanceError(f"a table is [classes] or [scenarios, classes], got shape {table.shape}")
    rows = jnp.broadcast_to(table, (classes.shape[0], *table.shape))
    of_class = rows if table.ndim == 1 else scenario_rows(rows, scenario)
    of_region = region_values(of_class, classes[:, None])[:, 0]
    return region_values(of_region, ids)


def _sums(importance: np.ndarray, classes: np.ndarray, weight: np.ndarray, *, count: int) -> tuple[np.ndarray, ...]:
    """Weighted sums of importance, and of weights, of each scenario and class: float64[s, c] each."""
    fits = importance.ndim == 3 and importance.shape == weight.shape and importance.shape[::2] == classes.shape
    if not fits:
        raise ImportanceError(
            f"importance {importance.shape} and weight {weight.shape} must be [pictures, scenarios, regions], and "
            f"classes {classes.shape} [pictures, regions] of the same pictures"
        )
    if not (weight > 0).any():
        raise ImportanceError("no label has a weight above 0: there is nothing to fit a table on")
    used = (weight > 0).any(axis=1)
    wrong = np.unique(classes[used & ((classes < 0) | (classes >= count))])
    if wrong.size:
        raise ImportanceError(f"class {wrong[0]} is none of 0 to {count - 1}: the table has {count} classes")
    scenarios = importance.shape[1]
    safe = np.where(used, classes, 0).astype(np.int64)
    cell = np.arange(scenarios)[:, None] * count + safe[:, None, :]
    told = np.where(weight > 0, importance, 0).astype(np.float64) * weight
    sums = (np.bincount(cell.ravel(), each.ravel(), scenarios * count) for each in (told, weight.astype(np.float64)))
    return tuple(each.reshape(scenarios, count) for each in sums)


def _means(told: np.ndarray, total: np.ndarray, *, otherwise: np.ndarray | float) -> np.ndarray:
    return np.where(total > 0, told / np.where(total > 0, total, 1), otherwise)
