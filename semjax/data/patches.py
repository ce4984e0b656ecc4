"""Fixed patches: a few windows of every picture, the same in every run, for validation and evaluation.

Patch j of the picture with id i has id i N + j, of N patches per picture, and lies where a generator keyed by (i, j)
puts it: it depends neither on the run's seed nor on the other pictures, the split or the batch size.
"""

import numpy as np

from semjax.data.entries import id_of, total_of
from semjax.data.files import Record, Source
from semjax.data.transforms import reflect_to, windowed

SEED = 20_011
"""CHOICE: one constant for everybody, so that figures from the same pictures are comparable."""


class PatchSource:
    """`count` windows of `size` x `size` pixels of each picture, one picture after the other.

    A picture smaller than a window is enlarged by reflection first.

    Args:
      source: the pictures.
      size: pixels of each side.
      count: windows per picture.

    Raises:
      ValueError: a size or count below one.
    """

    def __init__(self, source: Source, *, size: int, count: int):
        if size < 1 or count < 1:
            raise ValueError(f"patches need a size and a count of at least 1, got size={size}, count={count}")
        self.source, self.size, self.count = source, size, count
        self.total = total_of(source) * count
        self._last: tuple[int, Record] | None = None

    def __len__(self) -> int:
        return len(self.source) * self.count

    def __getitem__(self, index: int) -> Record:
        which, patch = divmod(range(len(self))[index], self.count)
        record = self._picture(which)
        image = reflect_to(record["image"], self.size)
        rng = np.random.default_rng([SEED, record["id"], patch])
        top, left = (int(rng.integers(0, side - self.size + 1)) for side in image.shape[:2])
        cut = windowed(record, image, lambda x: x[top : top + self.size, left : left + self.size])
        return {**cut, "id": record["id"] * self.count + patch}

    def _picture(self, which: int) -> Record:
        """The picture; the last one is kept, as its patches are read one after the other."""
        last = self._last
        if last is None or last[0] != which:
            last = self._last = (which, self.source[which])
        return last[1]

    def inside(self, index: int) -> tuple[Source, int]:
        """The picture that patch `index` is from."""
        return self.source, range(len(self))[index] // self.count

    def place(self, index: int) -> int:
        """The id of patch `index`."""
        return id_of(*self.inside(index)) * self.count + range(len(self))[index] % self.count

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_last": None}
