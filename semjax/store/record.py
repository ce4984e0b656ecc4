"""What one teacher said of one picture.

A picture has m regions. Region 0 is the background, everything that belongs to no object; region r >= 1 is object r,
seen where `ids_map == r`. Everything "per region" has the background first.
"""

import dataclasses
import enum

import numpy as np
from jaxtyping import Bool, Float, Float16, Float32, Int, UInt8


class Status(enum.IntEnum):
    """How a label came about. FAILED and MISSING labels have weight 0 in a loss; they never mean importance 0."""

    OK = 0
    """Answered as asked."""
    REPAIRED = 1
    """Answered, but only after a retry or a tolerant reading."""
    FALLBACK = 2
    """Not answered; the value comes from the stated second way of asking."""
    FAILED = 3
    """Asked and not answered."""
    MISSING = 4
    """Never asked (a region too small to be marked, an empty slot)."""


def label_weight(status: UInt8[np.ndarray, "*n"]) -> Float32[np.ndarray, "*n"]:
    """The weight in a loss of labels of that status: 1, or 0 where nothing was answered.

    >>> label_weight(np.array([0, 1, 2, 3, 4], np.uint8)).tolist()
    [1.0, 1.0, 1.0, 0.0, 0.0]
    """
    return (np.asarray(status) < Status.FAILED).astype(np.float32)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Regions:
    """The regions of one picture.

    Attributes:
      ids_map: which region each pixel belongs to.
      boxes: (top, left, bottom, right) of each region, as shares of the picture's height and width; region 0 has
        (0, 0, 1, 1), a slot without an object zeros.
      names: class name of each region ("" on an empty slot).
      valid: False on empty slots.
    """

    ids_map: UInt8[np.ndarray, "h w"]
    boxes: Float[np.ndarray, "m 4"]
    names: tuple[str, ...]
    valid: Bool[np.ndarray, "m"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class ScenarioLabels:
    """Importance of each region under each scenario.

    Attributes:
      names, texts: of the scenarios.
      importance: in [0, 1]; what stands where `status` says FAILED or MISSING means nothing.
      std: the teacher's own uncertainty, in the same units; 0 where it gives none.
      status: of `Status`.
      verified_by: who looked at these labels, in the words of the file they come from; "" = nobody.
    """

    names: tuple[str, ...]
    texts: tuple[str, ...]
    importance: Float[np.ndarray, "s m"]
    std: Float[np.ndarray, "s m"]
    status: UInt8[np.ndarray, "s m"]
    verified_by: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Features:
    """Embeddings of the picture, of its regions, and relevance maps of its questions (0 to 255)."""

    image: Float16[np.ndarray, "p"]
    regions: Float16[np.ndarray, "m p"] | None = None
    relevance: UInt8[np.ndarray, "q h w"] | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class QA:
    """Questions with answers.

    Attributes:
      questions, answers, kinds: texts of q questions.
      logp: natural logarithm of the answer's probability as the teacher sees it; 0 where it gives none.
      source_object: region that the question is about; -1 = no single one.
    """

    questions: tuple[str, ...]
    answers: tuple[str, ...]
    kinds: tuple[str, ...]
    logp: Float32[np.ndarray, "q"]
    source_object: Int[np.ndarray, "q"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Record:
    """One record of a store; None or empty = the teacher does not say.

    Attributes:
      id, index: the picture's id, and its place in the split.
      image_sha: SHA-256, in hex, of its encoded bytes (of its values if it has none).
      captions: texts.
      raw: what the teacher said before it was read.
      aug_seed: of the view of the picture that the teacher was shown; None = the picture itself.
      err: why the teacher failed on this picture; "" = it did not.
    """

    id: int
    index: int
    image_sha: str
    regions: Regions | None = None
    scenarios: ScenarioLabels | None = None
    features: Features | None = None
    qa: QA | None = None
    captions: tuple[str, ...] = ()
    raw: str = ""
    aug_seed: int | None = None
    err: str = ""
