"""The work of the pictures benchmark in pieces, each kept in a file, so that a run that was cut off goes on.

A piece is what one checkpoint gave on all pairs of an album at one condition and target, or on scenes in budget mode.
It is made anew if the checkpoint, the token or the labels are others than when it was made.
"""

import dataclasses
import functools
import json
import pathlib
import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from sa_oosc_ends import Arrays
from sa_oosc_models import ORDER, SYSTEM, Condition, shown
from sa_oosc_pictures_albums import ALBUMS, Album, Pairs, pairs
from sa_oosc_pictures_ends import FULL, SHARES, BudgetEnds, BudgetModel, budgeted, mean_cbr, met, transmitted, tried
from sa_oosc_pieces import FACTS, arrays_of, each, keep, kept, replace

from semjax.app import build
from semjax.app.compile_cache import compile_cache

CHANNELS, SNRS_DB = ("awgn", "rayleigh"), (1.0, 7.0, 13.0)
CENTRE = Condition(channel="awgn", link="ideal", snr_db=7.0)
IDEAL = tuple(Condition(channel=channel, link="ideal", snr_db=snr) for channel in CHANNELS for snr in SNRS_DB)
CODED = tuple(Condition(channel=channel, link="coded", snr_db=CENTRE.snr_db) for channel in CHANNELS)
TARGETS = {"1/24": FULL, "1/48": FULL / 2}
"""CHOICE, made on val: cbr_total asked for, the first at every condition, the other at the SNR of `CENTRE` only."""
SCENES = "scenes"
SCENES_CHECKPOINT = f"{SYSTEM}_student_0"
VERSION = 1
"""Goes up when the same piece would hold other values."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Task:
    """One piece: a condition, and which of `TARGETS` is to be met there."""

    condition: Condition
    target: str

    def __str__(self) -> str:
        return f"{self.condition}_cbr{self.target.replace('/', 'per')}"


def tasks() -> Iterator[Task]:
    """All pieces of a checkpoint; the coded link, whose programs take longest to compile, comes last."""
    first, other = TARGETS
    yield from (Task(condition=condition, target=first) for condition in (*IDEAL, *CODED))
    yield from (Task(condition=c, target=other) for c in IDEAL if c.snr_db == CENTRE.snr_db)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Job:
    """One checkpoint, and the album that it was trained on; None: scenes."""

    model: BudgetModel
    album: Album | None


def jobs_of(
    folder: pathlib.Path, albums: Sequence[str], *, only: Sequence[str] = (), seeds: Sequence[int] = ()
) -> list[Job]:
    """The checkpoints sa_oosc_ALBUM_VARIANT_SEED in a folder, and the one of scenes; albums in the order asked for.

    Args:
      folder: of the checkpoints.
      albums: names, `SCENES` among them.
      only: variants; () = all.
      seeds: of the trainings; () = all.

    Raises:
      ValueError: an album without a checkpoint.
    """
    found: list[Job] = []
    for name in albums:
        album = next((album for album in ALBUMS if album.name == name), None)
        own = _scenes(folder) if album is None else _of_album(folder, album, only, seeds)
        if not own:
            shape = SCENES_CHECKPOINT if album is None else f"{SYSTEM}_{name}_VARIANT_SEED"
            raise ValueError(
                f"{folder} holds no checkpoint {shape} of what was chosen; see --checkpoints, --albums, --only, --seeds"
            )
        found += own
    return found


def _scenes(folder: pathlib.Path) -> list[Job]:
    path = folder / SCENES_CHECKPOINT
    if not (path / build.CONFIG_FILE).is_file():
        return []
    return [Job(model=BudgetModel(folder=path, variant="student", seed=0), album=None)]


def _of_album(folder: pathlib.Path, album: Album, only: Sequence[str], seeds: Sequence[int]) -> list[Job]:
    pattern = re.compile(rf"{SYSTEM}_{album.name}_(?P<variant>.+)_(?P<seed>\d+)")
    made = []
    for path in folder.glob(f"{SYSTEM}_{album.name}_*/{build.CONFIG_FILE}"):
        named = pattern.fullmatch(path.parent.name)
        if named and (not only or named["variant"] in only) and (not seeds or int(named["seed"]) in seeds):
            made.append(BudgetModel(folder=path.parent, variant=named["variant"], seed=int(named["seed"])))
    place = {variant: i for i, variant in enumerate(ORDER)}
    made.sort(key=lambda m: (place.get(m.variant, len(ORDER)), m.variant, m.seed))
    return [Job(model=model, album=album) for model in made]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Bench:
    """Where pieces are kept, and what they are made of.

    Attributes:
      work: folder of the pieces.
      stores: folder of the teacher stores.
      scenes: how many scenes are sent in budget mode.
    """

    work: pathlib.Path
    stores: pathlib.Path
    scenes: int = 1000

    def token(self, job: Job, task: Task) -> dict[str, Any] | None:
        """The token of a task, or "why" there is none; None before it was calibrated."""
        return self._tokens(job).get(str(task))

    def calibrate(self, job: Job, ends: BudgetEnds) -> None:
        """Finds the tokens of all tasks on val."""
        told: dict[str, Any] = {}
        for name, target in TARGETS.items():
            shown = self.pairs(job, "val")
            parts = [tried(ends, shown, token=share * target / FULL) for share in SHARES]
            for task in tasks():
                if task.target == name:
                    totals = [mean_cbr(part, task.condition, constant=ends.constant) for part in parts]
                    try:
                        token = met(target, SHARES, totals) * target / FULL
                        told[str(task)] = {"token": float(np.float32(token))}
                    except ValueError as error:
                        told[str(task)] = {"token": None, "why": f"{job.model.name}, {task}: {error}"}
        text = json.dumps({FACTS: self._facts(job), "tokens": told}, indent=1)
        replace(self._folder(job) / "tokens.json", text.encode())

    def pairs(self, job: Job, split: str) -> Pairs:
        """The pairs that a checkpoint is measured on, or calibrated on."""
        assert job.album is not None
        return pairs(job.album, split, self.stores)

    def has(self, job: Job, task: Task | str) -> bool:
        """Whether a piece was made, of this checkpoint, token and labels."""
        return kept(self._path(job, task), self._facts(job, task))

    def piece(self, job: Job, task: Task | str) -> Arrays:
        """The arrays of a piece.

        Raises:
          ValueError: it was not made yet, or of something else.
        """
        if not self.has(job, task):
            raise ValueError(f"{job.model.name} has no piece {task} in {self.work}: run the command again")
        return arrays_of(self._path(job, task))

    def keep(self, job: Job, task: Task | str, arrays: Arrays) -> None:
        """Keeps a piece."""
        keep(self._path(job, task), arrays, self._facts(job, task))

    def _tokens(self, job: Job) -> dict[str, Any]:
        path = self._folder(job) / "tokens.json"
        told = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        return told["tokens"] if told.get(FACTS) == self._facts(job) else {}

    def _facts(self, job: Job, task: Task | str = "") -> dict[str, Any]:
        about: dict[str, Any] = {"checkpoint": job.model.digest, "version": VERSION, "full": FULL}
        if job.album is None:
            return {**about, "count": self.scenes}
        about |= {split: job.album.store(self.stores, split).name for split in ("val", "test")}
        return {**about, "token": (self.token(job, task) or {}).get("token")} if isinstance(task, Task) else about

    def _folder(self, job: Job) -> pathlib.Path:
        return self.work / job.model.name

    def _path(self, job: Job, task: Task | str) -> pathlib.Path:
        return self._folder(job) / f"{task}.npz"


@functools.lru_cache(maxsize=1)
def ends_of(job: Job) -> BudgetEnds:
    """Both ends of a checkpoint.

    Raises:
      ValueError: it knows other scenarios than the labels, and would take one for another.
    """
    ends = BudgetEnds(job.model)
    names = tuple(ends.cfg.data.train.get("teachers", {}).get("scenarios", ()))
    if job.album is not None and names != job.album.scenarios:
        raise ValueError(
            f"{job.model.name} was trained with the scenarios {', '.join(names) or '(none)'}, and the labels are of "
            f"{', '.join(job.album.scenarios)}, in that order"
        )
    return ends


def on_scenes(token: float) -> str:
    """The name of the piece of scenes at a token."""
    return f"{SCENES}_token{token:g}"


def made(job: Job, bench: Bench) -> str:
    """Makes what is missing of a checkpoint; says what was done."""
    count = 0
    with compile_cache(str(bench.work / "programs")):
        if job.album is None:
            for target in TARGETS.values():
                piece = on_scenes(target / FULL)
                if not bench.has(job, piece):
                    bench.keep(job, piece, budgeted(ends_of(job), shown("test", bench.scenes), token=target / FULL))
                    count += 1
            return f"{job.model.name}: {count} pieces"
        if any(bench.token(job, task) is None for task in tasks()):
            bench.calibrate(job, ends_of(job))
        for task in tasks():
            token = (bench.token(job, task) or {})["token"]
            if token is not None and not bench.has(job, task):
                pictures = bench.pairs(job, "test")
                bench.keep(job, task, transmitted(ends_of(job), pictures, condition=task.condition, token=token))
                count += 1
    return f"{job.model.name}: {count} pieces"


def work(wanted: Sequence[Job], *, bench: Bench, processes: int) -> None:
    """Makes all that is missing, checkpoint by checkpoint.

    Args:
      wanted: the checkpoints.
      bench: where pieces are kept.
      processes: how many work at a time; 1 = this one alone.
    """
    each(made, [(job, bench) for job in wanted], jobs=processes, unit="checkpoint")
