"""Where a system's importance comes from: its variants, which differ in nothing else.

| variant            | importance of a token                                  | told at the transmitter    |
|--------------------|--------------------------------------------------------|----------------------------|
| `student`          | of a network, from latents and the scenario's number   | nothing                    |
| `student_text`     | the same, from the scenario's words                    | nothing                    |
| `student_pixels`   | of a linear student, from what a frozen network sees   | nothing                    |
| `oracle`           | the teacher's                                          | the teacher's map          |
| `static`           | mean of the region's class over all scenarios          | regions and their classes  |
| `static_scenario`  | mean of the region's class under the scenario          | regions and their classes  |
| `roi`              | 1 in the middle of the picture                         | nothing                    |
| `uniform_weighted` | the same everywhere; the loss knows what matters       | nothing                    |
| `uniform`          | the same everywhere, in the loss, too: NTSCC           | nothing                    |

Source: arXiv 2509.07436 names object-oriented coding with one importance per class as its baseline; NTSCC,
arXiv 2112.10961.
"""

import dataclasses
from collections.abc import Callable, Mapping

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array

from semjax.importance.base import ImportanceError
from semjax.importance.class_tables import ClassTables, load_tables
from semjax.importance.embedding import ScenarioTable, ScenarioText
from semjax.importance.fixed import GIVEN, FixedROI, GivenImportance, UniformImportance
from semjax.importance.maps import importance_map
from semjax.importance.objects import ImportanceStudent
from semjax.importance.picture_student import PictureStudent
from semjax.importance.tables import table_map
from semjax.scenes.words import vocabulary
from semjax.types import Public

WIDTH = 96
"""Features of the student."""
Told = dict[str, Array]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Variant:
    """What differs from the student's system.

    Attributes:
      importance: makes the source of importance for a number of scenarios.
      given: (labels, public, class tables) → the truth that it reads.
      shares: whether importance changes lengths.
      weighs: whether it weighs the loss.
      looks: whether importance is of what a frozen network sees of the picture, not of latents.
    """

    importance: Callable[[int], nn.Module]
    given: Callable[[Mapping[str, Array], Public, ClassTables], Told] | None = None
    shares: bool = True
    weighs: bool = True
    looks: bool = False

    def reading(self, tables: str) -> Callable[[Mapping[str, Array], Public], Told] | None:
        """`given` with the class tables of that name or file; None for a variant that reads no truth."""
        read = self.given
        if read is None:
            return None
        try:
            known = load_tables(tables)
        except ImportanceError as error:
            raise ValueError(f"tables: {error}") from error
        return lambda labels, public: read(labels, public, known)


def _by_table(scenarios: int) -> nn.Module:
    return ImportanceStudent(scenario=ScenarioTable(scenarios=scenarios), width=WIDTH)


def _by_text(scenarios: int) -> nn.Module:
    del scenarios
    return ImportanceStudent(scenario=ScenarioText(vocabulary=len(vocabulary())), width=WIDTH)


def _by_pixels(scenarios: int) -> nn.Module:
    return PictureStudent(scenarios=scenarios)


def _truth(labels: Mapping[str, Array], public: Public, tables: ClassTables) -> Told:
    """The teacher's map of each picture under its scenario."""
    del tables
    assert public.scenario is not None
    return {GIVEN: importance_map(labels["importance"], labels["ids"], public.scenario)}


def _of_class(labels: Mapping[str, Array], public: Public, tables: ClassTables) -> Told:
    """What the class of each region means over all scenarios."""
    return _looked_up(jnp.asarray(tables.static), labels, public)


def _under_scenario(labels: Mapping[str, Array], public: Public, tables: ClassTables) -> Told:
    """What the class of each region means under the scenario; the table's scenarios are those of the labels."""
    return _looked_up(jnp.asarray(tables.by_scenario), labels, public)


def _looked_up(table: Array, labels: Mapping[str, Array], public: Public) -> Told:
    if "classes" not in labels:
        raise ValueError("the batch has no label classes: set truth of scenes, or teachers.classes of other pictures")
    assert public.scenario is not None
    return {GIVEN: table_map(table, labels["classes"], labels["ids"], public.scenario)}


def _told(scenarios: int) -> nn.Module:
    del scenarios
    return GivenImportance()


def _middle(scenarios: int) -> nn.Module:
    del scenarios
    return FixedROI()


def _same(scenarios: int) -> nn.Module:
    del scenarios
    return UniformImportance()


VARIANTS: dict[str, Variant] = {
    "student": Variant(importance=_by_table),
    "student_text": Variant(importance=_by_text),
    "student_pixels": Variant(importance=_by_pixels, looks=True),
    "oracle": Variant(importance=_told, given=_truth),
    "static": Variant(importance=_told, given=_of_class),
    "static_scenario": Variant(importance=_told, given=_under_scenario),
    "roi": Variant(importance=_middle),
    "uniform_weighted": Variant(importance=_same, shares=False),
    "uniform": Variant(importance=_same, shares=False, weighs=False),
}


def variant_of(name: str, *, start: str = "") -> Variant:
    """The variant of that name.

    Args:
      name: of the variant.
      start: what `student_pixels` begins as (`PictureStudent`); the others begin as they do.

    Raises:
      ValueError: there is none; the message says which there are.
    """
    if name not in VARIANTS:
        raise ValueError(f"variant {name!r} is not known; there are: {', '.join(VARIANTS)}")
    found = VARIANTS[name]
    if not (found.looks and start):
        return found
    return dataclasses.replace(found, importance=lambda scenarios: PictureStudent(scenarios=scenarios, start=start))
