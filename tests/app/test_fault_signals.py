"""A run that is asked to stop, whenever that is, saves, says so by its exit code, and goes on bitwise afterwards."""

import dataclasses
import os
import pathlib
import pprint
import signal
from collections.abc import Iterator

import jax
import numpy as np
import pytest

from semjax.app import config, keeper, start
from semjax.app import train as program
from semjax.app.signals import stoppable
from semjax.training import checkpoint, log

pytestmark = pytest.mark.usefixtures("steps_made_once")
CLOCKS = ("wall_s", "images_per_s")


def go(tiny, folder: pathlib.Path) -> program.Result:
    return program.train(config.resolve(tiny.config, tiny.registry), workdir=folder, registry=tiny.registry)


def metrics(folder: pathlib.Path) -> list[dict]:
    return [{k: v for k, v in line.items() if k not in CLOCKS} for line in log.read(folder)]


def bits(tree) -> list[bytes]:
    return [np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(tree)]


def ask(number: int = signal.SIGTERM) -> None:
    os.kill(os.getpid(), number)


@pytest.fixture(scope="module")
def watched(tiny_run, tmp_path_factory: pytest.TempPathFactory) -> program.Result:
    """Six steps without a break, with looks at `val`."""
    cfg = {**tiny_run.config, "train": {**tiny_run.config["train"], "eval_every": 2}}
    return go(dataclasses.replace(tiny_run, config=cfg), tmp_path_factory.mktemp("watched") / "run")


def at_call(number: int, function, before=ask):
    """`function`, which calls `before` first at its call of that number."""
    calls = []

    def wrapped(*arguments, **options):
        calls.append(1)
        if len(calls) == number:
            before()
        return function(*arguments, **options)

    return wrapped


MOMENTS = {
    "while everything is made": (start, "begin", 1, 0),
    "while the first step is compiled": (program, "shard_batch", 1, 1),
    "in the middle of a step": (program, "shard_batch", 3, 3),
    "while a checkpoint is being written": (keeper.Keeper, "after", 5, 5),
    "while val is looked at": (start.Watch, "__call__", 2, 4),
    "at the very last step": (program, "shard_batch", 6, 6),
}


LONGER = ("while the first step is compiled", "at the very last step")


@pytest.mark.parametrize("moment", [pytest.param(m, marks=[pytest.mark.nightly] * (m in LONGER)) for m in MOMENTS])
def test_sigterm_saves_and_the_same_command_goes_on(moment: str, watched, tiny, tmp_path, monkeypatch) -> None:
    tiny.config["train"]["eval_every"] = 2
    place, name, call, step = MOMENTS[moment]
    handler = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(place, name, at_call(call, getattr(place, name)))
    stopped = go(tiny, tmp_path / "run")
    assert (stopped.step, stopped.finished, stopped.exit_code) == (step, step == 6, 0 if step == 6 else 42)
    assert signal.getsignal(signal.SIGTERM) is handler
    saved = [int(path.name) for path in (tmp_path / "run" / "ckpt").iterdir() if path.name.isdigit()]
    assert max(saved) == step
    monkeypatch.undo()
    whole = go(tiny, tmp_path / "run")
    assert (whole.finished, whole.exit_code) == (True, 0)
    assert bits(whole.state) == bits(watched.state)
    assert metrics(tmp_path / "run") == metrics(watched.workdir)
    kept = [[path.name for path in (folder / "best").iterdir()] for folder in (tmp_path / "run", watched.workdir)]
    assert kept[0] == kept[1]


def test_a_second_sigterm_while_saving_changes_nothing(watched, tiny, tmp_path, monkeypatch) -> None:
    tiny.config["train"]["eval_every"] = 2
    monkeypatch.setattr(program, "shard_batch", at_call(3, program.shard_batch))
    monkeypatch.setattr(checkpoint.Checkpoints, "wait", at_call(3, checkpoint.Checkpoints.wait))
    monkeypatch.setattr(keeper.Keeper, "last", at_call(1, keeper.Keeper.last))
    stopped = go(tiny, tmp_path / "run")
    assert (stopped.step, stopped.exit_code) == (3, 42)
    monkeypatch.undo()
    assert bits(go(tiny, tmp_path / "run").state) == bits(watched.state)


@pytest.fixture
def interrupts() -> Iterator[None]:
    """Ctrl-C raises, also where the tests were started in the background, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interrupts")
def test_the_first_signal_decides_the_exit_code_and_handlers_come_back() -> None:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    with stoppable() as stop:
        assert not stop.asked()
        ask(signal.SIGINT)
        ask(signal.SIGTERM)
        assert stop.asked()
        assert stop.exit_code == 130
        with pytest.raises(KeyboardInterrupt):
            ask(signal.SIGINT)
    assert {number: signal.getsignal(number) for number in before} == before


def test_the_program_answers_42(tiny, tmp_path, monkeypatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(program, "default_registry", lambda: tiny.registry)
    monkeypatch.setattr(program, "shard_batch", at_call(2, program.shard_batch))
    (tmp_path / "tiny.py").write_text(f"def get_config():\n    return {pprint.pformat(tiny.config)}\n")
    assert program.main([f"--config={tmp_path / 'tiny.py'}", f"--workdir={tmp_path / 'run'}"]) == 42
    said = capfd.readouterr()
    assert "asked to end: saving after this step" in said.err
    assert "2/6 steps done" in said.out
