"""One labelled picture of a benchmark, and what is wrong with a file when it cannot be read."""

import dataclasses


class BenchmarkError(ValueError):
    """Labels or predictions are not as they should be; the message says where and what to do."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class LabelledObject:
    """An object and what it was judged to be worth.

    Attributes:
      object_index: its number in the picture.
      mask_value: its value in the picture's mask.
      category: class name.
      box: (top, left, bottom, right) as shares of height and width.
      area: share of the picture that it covers.
      levels: importance, 0 to 9, under each scenario.
      second: the same by a second pass that did not see the first; None where there was none.
    """

    object_index: int
    mask_value: int
    category: str
    box: tuple[float, float, float, float]
    area: float
    levels: tuple[float, ...]
    second: tuple[float, ...] | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Picture:
    """A picture's name and its labelled objects."""

    image: str
    objects: tuple[LabelledObject, ...]
