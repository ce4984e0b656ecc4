"""What an outside multimodal model must be able to do to be asked here, and how regions are put to it.

A model that shows the probabilities of its next token is a `Scorer`; one that only writes is a `Writer`. Either is
wrapped by its user: a local server, an API, a JAX model. Nothing here knows any of them.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from jaxtyping import Float, UInt8

from semjax.store.record import Regions
from semjax.teachers.base import Json, View
from semjax.teachers.marks import Marks

MAX_RAW = 4000


class Scorer(Protocol):
    """A model that says how probable each of some continuations is."""

    @property
    def model_id(self) -> Mapping[str, Json]:
        """Name, weights digest, precision, preprocessing: all that its answers depend on."""
        ...

    def score(
        self, image: UInt8[np.ndarray, "h w 3"], prompt: str, candidates: Sequence[str]
    ) -> Float[np.ndarray, "c"]:
        """Natural logarithms of the probabilities of the candidates after the prompt; they need not sum to 1."""
        ...


class Writer(Protocol):
    """A model that writes a text."""

    @property
    def model_id(self) -> Mapping[str, Json]:
        """Name, weights digest, precision, preprocessing, generation parameters."""
        ...

    def write(self, image: UInt8[np.ndarray, "h w 3"], prompt: str, *, attempt: int) -> str:
        """What the model writes; the text depends on the arguments alone, and `attempt` is its seed."""
        ...


def regions_of(view: View) -> Regions:
    """The regions of a picture that has some.

    Raises:
      ValueError: it has none.
    """
    if view.regions is None:
        raise ValueError(f"picture {view.id} has no regions; importance is asked of regions")
    return view.regions


def asked_regions(marks: Marks, regions: Regions) -> tuple[int, ...]:
    """The regions that a model is asked about: those with a mark, and the rest if there is any."""
    return (0,) * bool((regions.ids_map == 0).any()) + marks.markable(regions)


def named(regions: Regions, region: int) -> str:
    """What a prompt calls a region."""
    return f"the region marked {region} ({regions.names[region]})" if region else "everything that has no mark"


def storable(text: object) -> str:
    """What a model said, as `Importance.raw` can hold it: at most `MAX_RAW` characters, valid Unicode, no NUL.

    >>> storable("7\\0")
    '7\\\\0'
    """
    if not isinstance(text, str):
        return repr(text)[:MAX_RAW]
    return text[:MAX_RAW].encode("utf-8", "replace").decode().replace("\0", "\\0")


def marks_fingerprint(marks: Marks) -> dict[str, Json]:
    """The settings of the marks, for a fingerprint; the number tells apart ways of drawing them."""
    return {
        "drawing": 1,
        "least_side": marks.least_side,
        "digit_px": marks.digit_px,
        "least_radius": marks.least_radius,
    }
