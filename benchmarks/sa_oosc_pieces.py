"""What both SA-OOSC benchmarks keep of their work, and how they share it out over processes."""

import concurrent.futures
import json
import multiprocessing
import os
import pathlib
import tempfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from tqdm import tqdm

FACTS = "facts"
"""In a file of arrays: what they are of, as JSON."""


def replace(path: pathlib.Path, content: bytes) -> None:
    """Writes a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as file:
        file.write(content)
    os.replace(file.name, path)


def keep(path: pathlib.Path, arrays: Mapping[str, np.ndarray], facts: Mapping[str, Any]) -> None:
    """Writes arrays and what they are of, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as file:
        whole: Any = {FACTS: np.array(json.dumps(facts)), **arrays}
        np.savez_compressed(file, **whole)
    os.replace(file.name, path)


def kept(path: pathlib.Path, facts: Mapping[str, Any] | None) -> bool:
    """Whether a file holds arrays of just that; of None there are none."""
    if facts is None or not path.is_file():
        return False
    with np.load(path) as stored:
        return json.loads(str(stored[FACTS])) == facts


def arrays_of(path: pathlib.Path) -> dict[str, np.ndarray]:
    """The arrays of a file."""
    with np.load(path) as stored:
        return {name: stored[name] for name in stored.files if name != FACTS}


def each(function: Callable[..., str], calls: Sequence[tuple[Any, ...]], *, jobs: int, unit: str) -> None:
    """Calls a function with each of the arguments and prints what it says.

    Args:
      function: of a module, so that a process can find it.
      calls: its arguments.
      jobs: processes; 1 = this one.
      unit: what a call makes.
    """
    if jobs <= 1 or len(calls) <= 1:
        for call in tqdm(calls, unit=unit):
            tqdm.write(function(*call))
        return
    with concurrent.futures.ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        running = [pool.submit(function, *call) for call in calls]
        for done in tqdm(concurrent.futures.as_completed(running), total=len(running), unit=unit):
            tqdm.write(done.result())
