"""What any predictor of importance must be compared with; all fitted on train, their one free number chosen on val.

    constant                        the mean of all labels
    scenario mean                   the mean of the scenario's labels
    area and centre                 per scenario: a ridge regression on log(area) and the distance from the middle
    class table                     the mean of the class's labels over all scenarios: static importance
    class x scenario table          the mean of the class's labels under the scenario
    class x scenario table, shrunk  (sum + k mean of the scenario) / (count + k)

Both plain tables give a class that train does not have the mean of all labels. All three tables are told the true class
of every object, which a predictor from pixels has to find out. k, and the strength of the ridge, are those with
the least squared error on val. A baseline is a function from labels, of which it reads no importance, to importance.
"""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float

from semjax.benchmark.labels import Labels

Prediction = Float[np.ndarray, "n s"]
Predictor = Callable[[Labels], Prediction]
SHRINKAGES = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
RIDGES = (0.0, 1.0, 10.0, 100.0, 1000.0)
SMALLEST_AREA = 1e-4
CONSTANT, SCENARIO, AREA, CLASS, TABLE, SHRUNK = NAMES = (
    *("constant", "scenario mean", "area and centre"),
    *("class table", "class x scenario table", "class x scenario table, shrunk"),
)
SECOND = "second pass"
"""The same model asked again without seeing its first answers: the ceiling, where there is one."""


def fitted(train: Labels, val: Labels) -> dict[str, Predictor]:
    """All baselines by name.

    Args:
      train: what means and slopes are taken from.
      val: what the shrinkage and the ridge are chosen on.
    """
    everything = np.full(len(train.scenarios), train.importance.mean())
    by_scenario = train.importance.mean(axis=0)
    made = {
        CONSTANT: _rows(everything),
        SCENARIO: _rows(by_scenario),
        AREA: best([_area_and_centre(train, ridge) for ridge in RIDGES], val),
        CLASS: _class_table(train),
        TABLE: _table(train, towards=everything, shrinkage=0.0),
        SHRUNK: best([_table(train, towards=by_scenario, shrinkage=k) for k in SHRINKAGES], val),
    }
    return {name: _rounded(predict) for name, predict in made.items()}


def best(candidates: Sequence[Predictor], val: Labels) -> Predictor:
    """The candidate with the least squared error; of equal ones the first."""
    return min(candidates, key=lambda predict: float(np.mean((predict(val) - val.importance) ** 2)))


def _rounded(predict: Predictor) -> Predictor:
    """Equal means of different sums are equal again, so that they tie."""
    return lambda labels: np.round(predict(labels), 9)


def _rows(values: np.ndarray) -> Predictor:
    return lambda labels: np.tile(values, (len(labels), 1))


def _class_table(train: Labels) -> Predictor:
    mean, sums = train.importance.mean(), _sums(train)
    return lambda labels: np.array(
        [np.full(len(labels.scenarios), sums[c][0].mean() / sums[c][1] if c in sums else mean) for c in labels.category]
    ).reshape(-1, len(labels.scenarios))


def _table(train: Labels, *, towards: np.ndarray, shrinkage: float) -> Predictor:
    sums = _sums(train)

    def mean(category: str) -> np.ndarray:
        if category not in sums:
            return towards
        total, count = sums[category]
        return (total + shrinkage * towards) / (count + shrinkage)

    return lambda labels: np.array([mean(c) for c in labels.category]).reshape(-1, len(labels.scenarios))


def _sums(train: Labels) -> dict[str, tuple[np.ndarray, int]]:
    """Of each class: the sum of its labels under each scenario, and the number of its objects."""
    categories = np.array(train.category)
    return {
        str(c): (train.importance[categories == c].sum(axis=0), int((categories == c).sum()))
        for c in np.unique(categories)
    }


def _area_and_centre(train: Labels, ridge: float) -> Predictor:
    given, target = _place(train), train.importance
    mean, scale = given.mean(axis=0), np.maximum(given.std(axis=0), 1e-9)
    x = (given - mean) / scale
    slopes = np.linalg.solve(x.T @ x + (ridge + 1e-9) * np.eye(x.shape[1]), x.T @ (target - target.mean(axis=0)))
    return lambda labels: target.mean(axis=0) + (_place(labels) - mean) / scale @ slopes


def _place(labels: Labels) -> np.ndarray:
    """float[n, 2]: log of the area, and distance of the box's middle from that of the picture."""
    return np.stack(
        [np.log(np.maximum(labels.area, SMALLEST_AREA)), np.linalg.norm(labels.centre - 0.5, axis=1)], axis=1
    )
