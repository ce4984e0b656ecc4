"""Batches of pictures: endless and shuffled for training, each picture once for evaluation.

A batch is {"image": float32[b, h, w, 3], "id": int32[b], "_mask": bool[b]}; `_mask` is False on rows that only fill up,
and in training on pictures that could not be read (`bad_records.py`). Where the source gives maps and labels, the batch
has each as "labels/NAME" [b, ...].

Training order. Epoch e is a permutation drawn from (seed, e); epochs follow each other without a gap, so a batch may
hold the end of one and the start of the next. A mixture has an order of its own, by weight (`mixture.py`). Position q
of that endless sequence has its own generator for its crop.
Global batch t is positions tB .. tB + B - 1, and process p of P is given rows pB/P .. (p + 1)B/P - 1 of it: put side by
side, the processes' batches are bitwise the batch of one process. The state of a loader is its batch counter, hence
independent of the number of processes, threads and prefetched batches.
"""

import sys
from collections.abc import Iterator, Sequence
from typing import Any

import grain
import numpy as np

from semjax.data.entries import unwrapped
from semjax.data.files import Record, Source
from semjax.data.mixture import MixtureSource
from semjax.data.transforms import FLIPS, CenterCrop, RandomCrop

Arrays = dict[str, np.ndarray]
USUAL_FLIP = "horizontal"
LABELS = "labels/"
"""What the names of labels and maps in a batch begin with."""


class _ProcessRows(grain.MapDataset):
    """The positions of an endless data set that belong to one process, batch after batch."""

    def __init__(self, parent: grain.MapDataset, *, batch_size: int, process_index: int, process_count: int):
        if batch_size < 1 or batch_size % process_count or not 0 <= process_index < process_count:
            raise ValueError(
                f"batch_size={batch_size} must be a positive multiple of process_count={process_count}, and "
                f"process_index={process_index} one of 0..{process_count - 1}"
            )
        super().__init__(parent)
        self._local = batch_size // process_count
        self._step = batch_size
        self._first = process_index * self._local

    def __len__(self) -> int:
        return sys.maxsize // self._step * self._local

    def __getitem__(self, index: Any) -> Any:
        batch, row = divmod(index, self._local)
        return self._parent[batch * self._step + self._first + row]


class TrainLoader:
    """Endless iterator over training batches; made by `train_loader`. Close it, or use it in a `with` block."""

    def __init__(self, iterator: grain.DatasetIterator, *, crop: RandomCrop, identity: dict[str, Any]):
        self._iterator = iterator
        self._crop = crop
        self._identity = identity

    def __iter__(self) -> "TrainLoader":
        return self

    def __next__(self) -> Arrays:
        return next(self._iterator)

    def __enter__(self) -> "TrainLoader":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    @property
    def padded(self) -> int:
        """How many different pictures so far were smaller than the crop and padded by reflection."""
        return len(self._crop.padded_ids)

    def get_state(self) -> dict[str, Any]:
        """What to save to go on with exactly the next batch: plain integers and text."""
        return {"next_batch": self._iterator.get_state()["next_index"], **self._identity}

    def set_state(self, state: dict[str, Any]) -> None:
        """Goes to the batch of a saved state.

        Raises:
          ValueError: the state is of a loader with another source length, batch size, crop, seed, flip or mixture.
        """
        own = self._identity
        wrong = [k for k in {**own, **state} if k != "next_batch" and state.get(k) != own.get(k)]
        if wrong:
            raise ValueError(
                "the saved data position is of another pipeline: "
                + ", ".join(f"{k} was {state.get(k)} and is {own.get(k)}" for k in wrong)
                + "; resume with the settings of the saved run, or start in a new work directory"
            )
        self._iterator.set_state({"next_index": int(state["next_batch"])})

    def close(self) -> None:
        """Ends the reading threads."""
        self._iterator.close()


def train_loader(
    source: Source,
    *,
    batch_size: int,
    crop: int,
    seed: int,
    flip: str = USUAL_FLIP,
    process_index: int = 0,
    process_count: int = 1,
    threads: int = 4,
    prefetch: int = 4,
) -> TrainLoader:
    """Starts an endless, shuffled, resumable stream of random crops.

    Args:
      source: the pictures.
      batch_size: pictures per batch over all processes.
      crop: side of the square crop, in pixels.
      seed: of order and crops.
      flip: name in `semjax.data.transforms.FLIPS`.
      process_index: which share of each batch to yield.
      process_count: how many shares there are; divides `batch_size`.
      threads: reading threads (decoding releases Python's lock).
      prefetch: batches made ahead.

    Returns:
      A `TrainLoader`; its batches hold `batch_size / process_count` rows, `_mask` False on those a guard masked.

    Raises:
      ValueError: sizes that do not fit, or no such flip.
    """
    cropper = _cropper(source, crop, flip)
    endless, order = _endless(source, cropper, seed)
    rows = _ProcessRows(endless, batch_size=batch_size, process_index=process_index, process_count=process_count)
    batches = rows.batch(batch_size // process_count, batch_fn=_stack)
    # Threads, not worker processes: those need parsed absl flags and a __main__ guard, and change the state's format.
    options = grain.ReadOptions(num_threads=threads, prefetch_buffer_size=prefetch)
    identity = {"length": len(source), "batch_size": batch_size, "crop": crop, "seed": seed, **order}
    identity |= {} if flip == USUAL_FLIP else {"flip": flip}  # left out while usual: states without the key go on
    return TrainLoader(iter(batches.to_iter_dataset(options)), crop=cropper, identity=identity)


def _cropper(source: Source, crop: int, flip: str) -> RandomCrop:
    if len(source) == 0:
        raise ValueError("the source holds no picture")
    if flip not in FLIPS:
        raise ValueError(f"flip={flip!r} is not one of: {', '.join(FLIPS)}")
    return RandomCrop(crop, flip=FLIPS[flip])


def _endless(source: Source, crop: RandomCrop, seed: int) -> tuple[grain.MapDataset, dict[str, str]]:
    """Cropped records by position, without end, and what else the order depends on."""
    core = unwrapped(source)
    if not isinstance(core, MixtureSource):
        return grain.MapDataset.source(source).seed(seed).shuffle().repeat().random_map(crop), {}
    parts = [f"{turns} x {len(part.source)}" for turns, part in zip(core.turns, core.parts, strict=True)]
    return core.order(seed).map(source.__getitem__).random_map(crop, seed=seed), {"mixture": ", ".join(parts)}


def eval_batches(
    source: Source, *, batch_size: int, crop: int | None = None, limit: int | None = None
) -> Iterator[Arrays]:
    """Yields every picture once, in order among those of its shape.

    A batch is yielded as soon as `batch_size` pictures of one shape have come together; at the end what is left of each
    shape is filled up by repeating its last picture, with `_mask` False.

    Args:
      source: the pictures.
      batch_size: rows of every batch.
      crop: side of a square crop from the middle, in pixels; None keeps the pictures whole.
      limit: read only so many pictures.

    Yields:
      Batches of `batch_size` rows.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, got {batch_size}")
    cropper = None if crop is None else CenterCrop(crop)
    waiting: dict[tuple[int, ...], list[Record]] = {}
    for index in range(len(source) if limit is None else min(limit, len(source))):
        record = source[index] if cropper is None else cropper.map(source[index])
        if not record.get("_mask", True):  # of a guarded source: a row that never counts
            continue
        group = waiting.setdefault(record["image"].shape, [])
        group.append(record)
        if len(group) == batch_size:
            yield _stack(waiting.pop(record["image"].shape))
    for group in waiting.values():
        yield _stack(group + [group[-1]] * (batch_size - len(group)), real=len(group))


def _stack(records: Sequence[Record], real: int | None = None) -> Arrays:
    """One batch of the records, of which the first `real` count (all if None)."""
    count = len(records) if real is None else real
    known = {
        f"{LABELS}{name}": np.stack([record.get(kind, {})[name] for record in records])
        for kind in ("labels", "maps")
        for name in records[0].get(kind, {})
    }
    return {
        **known,
        "image": np.stack([record["image"] for record in records]),
        "id": np.array([record["id"] for record in records], np.int32),
        "_mask": np.array([i < count and record.get("_mask", True) for i, record in enumerate(records)]),
    }
