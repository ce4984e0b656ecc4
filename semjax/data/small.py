"""Leaving out pictures that are smaller than the crop.

Sizes come from the index where there is one, else from the headers; they are looked at once, when the run starts.
"""

import logging

import numpy as np

from semjax.data.entries import id_of, size_of, total_of
from semjax.data.files import DataError, Record, Source
from semjax.data.mixture import MixtureSource, Part

log = logging.getLogger(__name__)
POLICIES = ("pad", "drop")
"""What happens to a picture smaller than the crop: it is padded by reflection (`transforms.py`), or left out."""


class KeptSource:
    """Some pictures of a source, with the ids they have there.

    Args:
      source: the pictures.
      kept: indices of those that stay, in order.

    Attributes:
      dropped: how many do not stay.
    """

    def __init__(self, source: Source, kept: np.ndarray):
        self.source = source
        self.kept = kept
        self.dropped = len(source) - len(kept)

    def __len__(self) -> int:
        return len(self.kept)

    def __getitem__(self, index: int) -> Record:
        return self.source[int(self.kept[index])]

    def inside(self, index: int) -> tuple[Source, int]:
        """Where picture `index` is from."""
        return self.source, int(self.kept[index])

    def place(self, index: int) -> int:
        """The id of picture `index`."""
        return id_of(*self.inside(index))

    @property
    def total(self) -> int:
        """How many ids there is room for."""
        return total_of(self.source)


def drop_small(source: Source, size: int) -> Source:
    """The source without the pictures that have a side below `size` pixels.

    A picture whose size cannot be read stays, to be met as a bad record. Of a mixture each part drops its own, so that
    the weights hold for what is left.

    Returns:
      `source` itself where nothing is dropped.

    Raises:
      DataError: nothing would be left.
    """
    if isinstance(source, MixtureSource):
        return MixtureSource([Part(source=drop_small(part.source, size), weight=part.weight) for part in source.parts])
    sizes = [size_of(source, i) for i in range(len(source))]
    kept = np.array([i for i, found in enumerate(sizes) if found is None or min(found) >= size], np.int64)
    if len(kept) == len(source):
        return source
    if not len(kept):
        raise DataError(
            f"all {len(source)} pictures are smaller than the crop of {size}; make the crop smaller, or pad: small=pad"
        )
    log.warning(
        "%d of %d pictures are smaller than the crop of %d: left out", *(len(source) - len(kept), len(source)), size
    )
    return KeptSource(source, kept)
