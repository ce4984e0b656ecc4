"""What is in a store, counted record by record."""

import dataclasses

import numpy as np

from semjax.data.entries import UNREADABLE
from semjax.store.record import Record, Status

BINS = 10


@dataclasses.dataclass(kw_only=True)
class Census:
    """Counts over records.

    Attributes:
      pictures, errors: records, and those with an error.
      ids: of the pictures.
      shas: index of the picture by the SHA-256 of its bytes.
      statuses: number of labels of each status.
      histograms: by scenario, labels that were told in each tenth of [0, 1].
      questions, captions, regions, features: how many there are; features counts pictures.
    """

    pictures: int = 0
    errors: int = 0
    ids: set[int] = dataclasses.field(default_factory=set)
    shas: dict[str, int] = dataclasses.field(default_factory=dict)
    statuses: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros(len(Status), int))
    histograms: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
    questions: int = 0
    captions: int = 0
    regions: int = 0
    features: int = 0

    def add(self, record: Record) -> None:
        """Counts a record."""
        self.pictures += 1
        self.errors += bool(record.err)
        self.ids.add(record.id)
        if record.image_sha != UNREADABLE:
            self.shas[record.image_sha] = record.index
        self.questions += 0 if record.qa is None else len(record.qa.questions)
        self.captions += len(record.captions)
        self.regions += 0 if record.regions is None else int(record.regions.valid.sum())
        self.features += record.features is not None
        labels = record.scenarios
        if labels is None:
            return
        self.statuses += np.bincount(labels.status.ravel(), minlength=len(Status))
        for name, values, status in zip(labels.names, labels.importance, labels.status, strict=True):
            told = values[status < Status.FAILED].astype(np.float32)
            # A level such as 0.3 is a little less as float16, and belongs to the tenth that begins with it.
            bins = np.clip(np.floor(np.nan_to_num(told) * BINS + 1e-2), 0, BINS - 1).astype(int)
            counts = self.histograms.setdefault(name, np.zeros(BINS, int))
            counts += np.bincount(bins, minlength=BINS)

    @property
    def unparsed(self) -> float:
        """Share of the asked labels that were not answered as asked."""
        asked = self.statuses.sum() - self.statuses[Status.MISSING]
        return float(self.statuses[Status.FAILED] + self.statuses[Status.FALLBACK]) / max(int(asked), 1)
