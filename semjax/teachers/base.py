"""What a teacher and an album are.

An album shows pictures with what is known of them: regions, questions, and `given`, truth that only a teacher made of
truth may read. A teacher is shown some views at a time and answers what it can. Pictures of one album may differ in
size, so a teacher takes a sequence of views and gives one answer per view; one that computes in batches stacks them.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from jaxtyping import Float, Float32, UInt8

from semjax.store.record import Regions

Json = Any
"""None, truth values, numbers, texts, and lists and dicts of these."""

ABILITIES = ("importance", "answer", "embed_image", "embed_text", "caption")
"""The methods of a teacher, by name."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Question:
    """A question on a picture.

    Attributes:
      text: as it is asked.
      kind: what sort of question it is; a blind guess is made per kind.
      source_object: region that it is about; -1 = no single one.
      truth: the right answer, where it is known; not shown to teachers that look.
    """

    text: str
    kind: str
    source_object: int = -1
    truth: str | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class View:
    """One picture as a teacher sees it.

    Attributes:
      id, index: the picture's id, and its place in the album.
      sha: SHA-256, in hex, of its encoded bytes (of its values if it has none).
      image: 8-bit sRGB.
      regions: its regions, or None.
      questions: what to ask.
      proposals: boxes in which something may be (see `Regions.boxes`); None = those of the regions.
      given: truth; only `Oracle` and `Annotations` read it.
    """

    id: int
    index: int
    sha: str
    image: UInt8[np.ndarray, "h w 3"]
    regions: Regions | None = None
    questions: tuple[Question, ...] = ()
    proposals: Float[np.ndarray, "q 4"] | None = None
    given: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Importance:
    """Importance of the m regions of one picture under s scenarios; fields as in `ScenarioLabels`."""

    score: Float32[np.ndarray, "s m"]
    std: Float32[np.ndarray, "s m"]
    status: UInt8[np.ndarray, "s m"]
    raw: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Answers:
    """Answers to the q questions on one picture, and the logarithms of their probabilities (0 = not known)."""

    texts: tuple[str, ...]
    logp: Float32[np.ndarray, "q"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Embedding:
    """Features of one picture: pooled, of each region, and of n patches."""

    pooled: Float32[np.ndarray, "p"]
    regions: Float32[np.ndarray, "m p"] | None = None
    dense: Float32[np.ndarray, "n p"] | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Scenario:
    """A scenario by name, and the text that a teacher is given."""

    name: str
    text: str


class Teacher(Protocol):
    """Something that can be asked about pictures; it answers what `can` names."""

    @property
    def fingerprint(self) -> Mapping[str, Json]:
        """All that its answers depend on besides the pictures, the questions and the scenarios."""
        ...

    @property
    def can(self) -> frozenset[str]:
        """Which of `ABILITIES` it has."""
        ...

    def importance(self, views: Sequence[View], scenarios: Sequence[Scenario]) -> list[Importance]:
        """The importance of every region under every scenario."""
        ...

    def answer(self, views: Sequence[View], questions: Sequence[Sequence[Question]]) -> list[Answers]:
        """Answers to each view's questions."""
        ...

    def embed_image(self, views: Sequence[View], *, dense: bool = False) -> list[Embedding]:
        """Features of each picture."""
        ...

    def embed_text(self, texts: Sequence[str]) -> Float32[np.ndarray, "n p"]:
        """Features of texts, in the space of the pictures'."""
        ...

    def caption(self, views: Sequence[View], masks: "Sequence[np.ndarray] | None" = None) -> list[str]:
        """A text on each picture, or on the part of it where `masks[i]` (bool[h, w]) is True."""
        ...


class Album(Protocol):
    """Pictures of one split of a data set, with what is known of them."""

    @property
    def dataset(self) -> str:
        """Name of the data set."""
        ...

    @property
    def split(self) -> str:
        """Which part of it."""
        ...

    @property
    def scenarios(self) -> tuple[Scenario, ...]:
        """The scenarios that its pictures are judged under; may be empty."""
        ...

    @property
    def digest(self) -> str:
        """A SHA-256 that changes with the pictures, their regions or their questions."""
        ...

    def __len__(self) -> int:
        """The number of pictures."""
        ...

    def view(self, index: int) -> View:
        """Picture `index`."""
        ...


class CannotError(NotImplementedError):
    """A teacher was asked what it cannot say."""


class Silent:
    """The methods of a teacher that cannot do anything; a teacher inherits it and defines what it can.

    >>> Silent().caption([])
    Traceback (most recent call last):
    semjax.teachers.base.CannotError: Silent has no `caption`; it can: nothing
    """

    @property
    def can(self) -> frozenset[str]:
        """The methods that the class defines itself."""
        return frozenset(name for name in ABILITIES if getattr(type(self), name) is not getattr(Silent, name))

    def _cannot(self, name: str) -> CannotError:
        return CannotError(f"{type(self).__name__} has no `{name}`; it can: {', '.join(sorted(self.can)) or 'nothing'}")

    def importance(self, views: Sequence[View], scenarios: Sequence[Scenario]) -> list[Importance]:
        """Raises `CannotError`."""
        raise self._cannot("importance")

    def answer(self, views: Sequence[View], questions: Sequence[Sequence[Question]]) -> list[Answers]:
        """Raises `CannotError`."""
        raise self._cannot("answer")

    def embed_image(self, views: Sequence[View], *, dense: bool = False) -> list[Embedding]:
        """Raises `CannotError`."""
        raise self._cannot("embed_image")

    def embed_text(self, texts: Sequence[str]) -> Float32[np.ndarray, "n p"]:
        """Raises `CannotError`."""
        raise self._cannot("embed_text")

    def caption(self, views: Sequence[View], masks: "Sequence[np.ndarray] | None" = None) -> list[str]:
        """Raises `CannotError`."""
        raise self._cannot("caption")
