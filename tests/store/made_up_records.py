"""Records of made-up labels."""

import pathlib
from collections.abc import Callable

import numpy as np

from semjax.store.record import QA, Features, Record, Regions, ScenarioLabels, Status

NAMES = ("watch", "clean")
MakeStore = Callable[..., pathlib.Path]


def make_record(index: int, *, regions: int = 3, names: tuple[str, ...] = NAMES, value: float | None = None) -> Record:
    """A record full of values that follow from its index; region `regions` - 1 FAILED under the last scenario."""
    rng = np.random.default_rng(index)
    importance = rng.random((len(names), regions)) if value is None else np.full((len(names), regions), value)
    status = np.zeros(importance.shape, np.uint8)
    status[-1, -1] = Status.FAILED
    return Record(
        id=100 + index,
        index=index,
        image_sha=f"{index:064x}",
        regions=Regions(
            ids_map=rng.integers(0, regions, (8, 10)).astype(np.uint8),
            boxes=rng.random((regions, 4)).astype(np.float16),
            names=tuple(f"thing {r}" for r in range(regions)),
            valid=np.ones(regions, bool),
        ),
        scenarios=ScenarioLabels(
            names=names,
            texts=tuple(f"{name} everything" for name in names),
            importance=importance.astype(np.float16),
            std=np.zeros(importance.shape, np.float16),
            status=status,
        ),
        features=Features(image=rng.random(4).astype(np.float16), regions=rng.random((regions, 4)).astype(np.float16)),
        qa=QA(
            questions=("what is it?", "wie viele? \0 七"),
            answers=("a ball", ""),
            kinds=("open", "count"),
            logp=np.array([-0.5, 0], np.float32),
            source_object=np.array([1, -1], np.int32),
        ),
        captions=("a thing",),
        raw="it said this " * 20,
    )
