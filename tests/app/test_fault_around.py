"""What fails around a run: its log, its data, its disk, its lock, its compiler's cache, or nothing moves at all."""

import itertools
import json
import pathlib
import threading
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from semjax.app import build, config, lock
from semjax.app import train as program
from semjax.app.compile_cache import compile_cache
from semjax.app.errors import RunError, guard
from semjax.app.watchdog import Watchdog
from semjax.data.files import DataError
from semjax.data.images import ImageError
from semjax.data.loader import train_loader
from semjax.data.sources import ArraySource
from semjax.training import log
from semjax.training.checkpoint import CheckpointError, Checkpoints

pytestmark = pytest.mark.usefixtures("steps_made_once")


def go(tiny, folder: pathlib.Path, registry=None) -> program.Result:
    parts = registry or tiny.registry
    return program.train(config.resolve(tiny.config, parts), workdir=folder, registry=parts)


def bits(tree) -> list[bytes]:
    return [np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(tree)]


def saved(folder: pathlib.Path) -> list[int]:
    return sorted(int(path.name) for path in (folder / "ckpt").iterdir() if path.name.isdigit())


@pytest.fixture(scope="module")
def straight(tiny_run, tmp_path_factory: pytest.TempPathFactory) -> program.Result:
    """Six steps without a break."""
    return go(tiny_run, tmp_path_factory.mktemp("straight") / "run")


# ---------------------------------------------------------------------------------------------------- the log


def test_a_log_that_takes_nothing_changes_no_parameter(straight, tiny, tmp_path, monkeypatch, capsys) -> None:
    """The disk takes no line until step 4; TensorBoard never works."""
    opened = pathlib.Path.open

    def full(path, *arguments, **options):
        lines = (tmp_path / "run" / "ckpt" / "4").exists()
        if path.name == "metrics.jsonl" and not lines:
            raise OSError(28, "No space left on device")
        return opened(path, *arguments, **options)

    class Broken:
        def __init__(self, workdir: pathlib.Path) -> None: ...

        def scalars(self, step: int, values: object) -> None:
            raise RuntimeError("events file is gone")

        def close(self) -> None:
            raise RuntimeError("events file is gone")

    monkeypatch.setattr(pathlib.Path, "open", full)
    monkeypatch.setattr(log, "TensorBoard", Broken)
    tiny.config["train"]["tensorboard"] = True
    result = go(tiny, tmp_path / "run")
    assert bits(result.state) == bits(straight.state)
    assert [line["step"] for line in log.read(tmp_path / "run")] == [1, 2, 3, 4, 5, 6]
    said = capsys.readouterr().err
    assert said.count("cannot be written to") == 1
    assert said.count("Broken failed (RuntimeError: events file is gone)") == 1


# --------------------------------------------------------------------------------------------------- the data


ERRORS = {"crash": ZeroDivisionError("0 / 0"), "end": SystemExit(0), "bad": ImageError("cut off")}


def troubled(tiny, kind: str, *ids: int):
    """A registry in which reading the pictures of these ids raises; the configuration does not say so."""

    class Trouble(ArraySource):
        def __getitem__(self, index: int):
            if index in ids:
                raise ERRORS[kind]
            return super().__getitem__(index)

    tiny.config["data"]["train"].update(source="trouble", cache_mb=0)
    return tiny.registry.with_(sources={"trouble": lambda path, key: Trouble(path, key)})


def read_first_at(step: int, tiny) -> int:
    """Id of a picture that is read at `step` and not before."""
    cfg = config.resolve(tiny.config, tiny.registry)
    source = build.source(cfg.data.train, tiny.registry, path="data.train")
    with train_loader(source, batch_size=16, crop=16, seed=cfg.seed) as loader:
        *before, last = [set(record["id"].tolist()) for record in itertools.islice(loader, step)]
    return min(last.difference(*before))


@pytest.mark.parametrize(("kind", "told"), [("crash", "ZeroDivisionError: 0 / 0"), ("end", "SystemExit: 0")])
def test_a_reader_that_breaks_is_named_after_a_checkpoint(kind, told, straight, tiny, tmp_path, capsys) -> None:
    bad = read_first_at(2, tiny)
    tiny.config["train"]["checkpoint_every"] = 6
    registry = troubled(tiny, kind, bad)
    assert guard(lambda: go(tiny, tmp_path / "run", registry).exit_code)() == 3
    said = capsys.readouterr().err
    assert f"the reader of data.train broke at record {bad}" in said
    assert f"id {bad})" in said
    assert told in said
    assert saved(tmp_path / "run") == [1]
    assert bits(go(tiny, tmp_path / "run", troubled(tiny, kind)).state) == bits(straight.state)


def test_bad_pictures_are_masked_counted_and_too_many_end_the_run(straight, tiny, tmp_path, capsys) -> None:
    registry = troubled(tiny, "bad", 3, 11)
    tiny.config["data"]["max_bad_rate"] = 0.1
    result = go(tiny, tmp_path / "run", registry)
    lines = log.read(tmp_path / "run")
    assert result.finished
    assert lines[-1]["bad_records"] == 2
    assert sum(line["skipped"] for line in lines) == 0
    listed = [json.loads(line) for line in (tmp_path / "run" / "bad_records.jsonl").read_text().splitlines()]
    assert sorted(line["id"] for line in listed) == [3, 11]
    assert bits(result.state) != bits(straight.state)

    tiny.config["data"]["max_bad_rate"] = 0.01
    tiny.config["train"]["checkpoint_every"] = 100
    assert guard(lambda: go(tiny, tmp_path / "strict", registry).exit_code)() == 2
    said = capsys.readouterr().err
    assert "data.max_bad_rate=0.01" in said
    assert len(saved(tmp_path / "strict")) == 1


def test_a_source_that_shrank_is_refused_with_both_counts(tiny, tmp_path: pathlib.Path) -> None:
    with np.load(tiny.pictures) as arrays:
        kept = dict(arrays)
    path = tmp_path / "own.npz"
    np.savez(path, **kept)
    tiny.config["data"]["train"]["path"] = str(path)
    go(tiny, tmp_path / "run")
    before = (tmp_path / "run" / "run.json").read_bytes()
    np.savez(path, **{**kept, "train": kept["train"][:-3]})
    with pytest.raises(DataError, match=r"count was 40 and is 37"):
        go(tiny, tmp_path / "run")
    np.savez(path, **{**kept, "train": kept["train"][::-1]})
    with pytest.raises(DataError, match="sha256 was"):
        go(tiny, tmp_path / "run")
    assert (tmp_path / "run" / "run.json").read_bytes() == before
    np.savez(path, **kept)
    assert go(tiny, tmp_path / "run").finished


# --------------------------------------------------------------------------------------- the disk and the lock


def test_a_checkpoint_that_cannot_be_written_is_tried_again(straight, tiny, tmp_path, monkeypatch, capsys) -> None:
    real, calls = Checkpoints.save, []

    def full(self, *arguments, **options):
        calls.append(options["step"])
        if options["step"] == 4:
            raise CheckpointError("the checkpoint of step 4 could not be written: the disk is full")
        return real(self, *arguments, **options)

    monkeypatch.setattr(Checkpoints, "save", full)
    result = go(tiny, tmp_path / "run")
    assert calls == [2, 4, 6, 6]
    assert "training goes on; the next attempt is in 2 steps" in capsys.readouterr().err
    assert bits(result.state) == bits(straight.state)
    assert saved(tmp_path / "run") == [2, 6]


def test_the_last_checkpoint_must_succeed(tiny, tmp_path, monkeypatch) -> None:
    def full(self, *arguments, **options):
        raise CheckpointError("the disk is full")

    monkeypatch.setattr(Checkpoints, "save", full)
    with pytest.raises(CheckpointError, match="the disk is full"):
        go(tiny, tmp_path / "run")


def test_a_run_that_lost_its_lock_ends_and_saves_nothing_more(tiny, tmp_path, monkeypatch) -> None:
    done = []
    monkeypatch.setattr(lock.WorkdirLock, "lost", property(lambda self: len(done) >= 3))
    monkeypatch.setattr(program, "shard_batch", lambda *a, real=program.shard_batch: done.append(1) or real(*a))
    with pytest.raises(RunError, match=r"taken by another run: .* ends after step 3"):
        go(tiny, tmp_path / "run")
    assert saved(tmp_path / "run") == [2]


# ------------------------------------------------------------------------------------------------ no movement


def test_a_hung_step_is_told_once_with_all_stacks(tiny, tmp_path, monkeypatch, capsys) -> None:
    real = program.shard_batch

    def hanging(mesh, batch, calls=[]):  # noqa: B006
        calls.append(1)
        if len(calls) == 3:
            a_place_to_hang(tmp_path / "run")
        return real(mesh, batch)

    monkeypatch.setattr(program, "shard_batch", hanging)
    monkeypatch.setattr("semjax.app.watchdog.PATIENCE", 1000.0)
    tiny.config["train"]["watchdog_s"] = 0.2
    assert go(tiny, tmp_path / "run").finished
    stacks = sorted((tmp_path / "run").glob("stacks-*.txt"))
    said = capsys.readouterr().err
    texts = [path.read_text() for path in stacks]
    assert len([text for text in texts if "a_place_to_hang" in text]) == 1
    assert said.count("warning: no step for") == len(stacks)
    assert "the last one finished is 2" in next(text for text in texts if "a_place_to_hang" in text)


def a_place_to_hang(folder: pathlib.Path) -> None:
    """Returns some time after the watchdog has noticed."""
    for _ in range(400):
        time.sleep(0.05)
        if any("a_place_to_hang" in path.read_text() for path in folder.glob("stacks-*.txt")):
            time.sleep(0.5)
            return


def test_the_watchdog_gives_up_only_where_it_is_told_to(tmp_path: pathlib.Path, monkeypatch, capsys) -> None:
    ended = threading.Event()
    codes: list[int] = []
    monkeypatch.setattr("os._exit", lambda code: (codes.append(code), ended.set()))
    with Watchdog(tmp_path, period_s=0.05, abort=False) as dog:
        dog.beat(7)
        time.sleep(0.4)
    assert not codes
    with Watchdog(tmp_path, period_s=0.05, abort=True) as dog:
        dog.beat(8)
        assert ended.wait(20)
    assert set(codes) == {3}
    assert "after step 8: given up" in capsys.readouterr().err
    with Watchdog(tmp_path, period_s=0.0) as dog:
        assert not dog._thread.is_alive()


# ---------------------------------------------------------------------------------------- the compiler's cache


def test_a_damaged_compile_cache_costs_a_warning(tmp_path: pathlib.Path) -> None:
    def compiled() -> float:
        with compile_cache(str(tmp_path)):
            return float(jax.jit(lambda x: jnp.sin(x) * 3.25 + jnp.sum(jnp.arange(17.0)))(0.5))

    value, before = compiled(), jax.config.jax_compilation_cache_dir
    (kept,) = [path for path in tmp_path.iterdir() if path.name.endswith("-cache")]
    good = kept.read_bytes()
    for damaged in (b"", b"garbage" * 100, good[:-50], good[:90] + bytes([good[90] ^ 4]) + good[91:]):
        kept.write_bytes(damaged)
        with pytest.warns(UserWarning, match="Error reading persistent compilation cache entry"):
            assert compiled() == value
    kept.write_bytes(good)
    assert compiled() == value
    assert jax.config.jax_compilation_cache_dir == before != str(tmp_path)
