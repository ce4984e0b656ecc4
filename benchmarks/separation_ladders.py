"""The pictures of the separation benchmark, compressed: in two processes, kept on a shelf.

python benchmarks/separation.py ladders --data $SEMJAX_DATA --shelf runs/shelf
"""

import concurrent.futures
import dataclasses
import functools
import multiprocessing
import os
import pathlib
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
from jaxtyping import UInt8
from tqdm import tqdm

from semjax.codecs import codec
from semjax.codecs.base import CodecError
from semjax.codecs.ladder import Ladder
from semjax.codecs.shelf import Shelf
from semjax.data.files import ArchiveSource

Picture = UInt8[np.ndarray, "h w 3"]
EVERY = 6
"""Of the settings between the coarsest and the finest that are needed, every so many is tried on all pictures."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fitted:
    """A picture at one setting: its index, the bytes of its payload, and its MSE in [0, 1] units."""

    index: int
    size: int
    mse: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Compressed:
    """One picture by one codec: what fits into each budget, and settings tried whatever the budget.

    Attributes:
      fitted: by budget in bytes; None where no setting fits, or the codec fails.
      tried: by index of the setting.
      failed: what the codec said, "" if nothing.
    """

    fitted: Mapping[int, Fitted | None]
    tried: Mapping[int, Fitted]
    failed: str = ""


def pictures(data: pathlib.Path, name: str, split: str | None, every: int = 1) -> list[Picture]:
    """Every so many pictures of an archive, 8 bits."""
    source = ArchiveSource(str(data / name), split=split)
    return [np.rint(np.asarray(source[i]["image"]) * 255).astype(np.uint8) for i in range(0, len(source), every)]


def compress(picture: Picture, *, name: str, budgets: Sequence[int], tried: Sequence[int], shelf: str) -> Compressed:
    """Finds the finest setting for each budget; one byte of a budget marks the end of the payload."""
    ladder = Ladder(codec=codec(name), image=picture, shelf=Shelf(pathlib.Path(shelf)))
    try:
        rungs = {budget: ladder.largest(budget - 1) for budget in budgets}
        fixed = {index: ladder.rung(index) for index in tried}
    except CodecError as error:
        return Compressed(fitted=dict.fromkeys(budgets), tried={}, failed=str(error))
    return Compressed(
        fitted={b: r and Fitted(index=r.index, size=len(r.payload), mse=r.mse) for b, r in rungs.items()},
        tried={i: Fitted(index=i, size=len(r.payload), mse=r.mse) for i, r in fixed.items()},
    )


def between(found: Iterable[Compressed]) -> list[int]:
    """Settings spread over those that were needed."""
    needed = [fitted.index for one in found for fitted in one.fitted.values() if fitted]
    if not needed:
        return []
    return sorted({*range(min(needed), max(needed) + 1, EVERY), max(needed)})


def compress_all(
    shown: Sequence[Picture], *, name: str, budgets: Sequence[int], tried: Sequence[int] = (), shelf: pathlib.Path
) -> list[Compressed]:
    """All pictures by one codec, with a line of progress."""
    task = functools.partial(compress, name=name, budgets=budgets, tried=tried, shelf=str(shelf))
    spawned = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(os.cpu_count(), mp_context=spawned) as pool:
        return [*tqdm(pool.map(task, shown), total=len(shown), desc=name, unit="picture")]


def failures(found: Sequence[Compressed]) -> Iterator[str]:
    """What codecs failed on, in words."""
    for number, one in enumerate(found):
        if one.failed:
            yield f"picture {number}: {one.failed}"
