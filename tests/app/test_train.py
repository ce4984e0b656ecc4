"""The loop: resuming is exact, phases follow each other, Ctrl-C saves, a system from outside is trained alike."""

import json
import os
import pathlib
import signal

import jax
import numpy as np
import pytest

from semjax.app import build, config
from semjax.app import train as program
from semjax.training import log

CLOCKS = ("wall_s", "images_per_s")


def go(tiny, folder: pathlib.Path, **options) -> program.Result:
    cfg = config.resolve(tiny.config, tiny.registry)
    return program.train(cfg, workdir=folder, registry=tiny.registry, **options)


def metrics(folder: pathlib.Path) -> list[dict]:
    return [{k: v for k, v in line.items() if k not in CLOCKS} for line in log.read(folder)]


def bits(tree) -> list[bytes]:
    return [np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(tree)]


@pytest.fixture(scope="module")
def straight(tiny_run, tmp_path_factory: pytest.TempPathFactory) -> program.Result:
    """Six steps without a break."""
    return go(tiny_run, tmp_path_factory.mktemp("straight") / "run")


def test_resumed_run_is_bitwise_the_straight_one(straight, tiny, tmp_path: pathlib.Path) -> None:
    half = go(tiny, tmp_path / "run", stop_after=3)
    assert (half.step, half.finished) == (3, False)
    whole = go(tiny, tmp_path / "run")
    assert (whole.step, whole.finished) == (6, True)
    assert bits(whole.state) == bits(straight.state)
    assert metrics(tmp_path / "run") == metrics(straight.workdir)


def test_work_lost_after_the_last_checkpoint_is_done_again_alike(straight, tiny, tmp_path, monkeypatch) -> None:
    def failing(mesh, batch, calls=[]):  # noqa: B006
        calls.append(1)
        if len(calls) == 4:
            raise RuntimeError("power cut")
        return real(mesh, batch)

    real = program.shard_batch
    monkeypatch.setattr(program, "shard_batch", failing)
    with pytest.raises(RuntimeError, match="power cut"):
        go(tiny, tmp_path / "run")
    assert [line["step"] for line in metrics(tmp_path / "run")] == [1, 2, 3]
    monkeypatch.undo()
    whole = go(tiny, tmp_path / "run")  # from the checkpoint of step 2
    assert bits(whole.state) == bits(straight.state)
    assert metrics(tmp_path / "run") == metrics(straight.workdir)


def test_interrupt_saves_and_the_next_run_goes_on(straight, tiny, tmp_path: pathlib.Path, monkeypatch) -> None:
    def interrupting(mesh, batch, calls=[]):  # noqa: B006
        calls.append(1)
        if len(calls) == 5:
            os.kill(os.getpid(), signal.SIGINT)
        return real(mesh, batch)

    real, before = program.shard_batch, signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(program, "shard_batch", interrupting)
    stopped = go(tiny, tmp_path / "run")
    assert signal.getsignal(signal.SIGINT) is before
    assert (stopped.step, stopped.finished) == (5, False)
    monkeypatch.undo()
    assert bits(go(tiny, tmp_path / "run").state) == bits(straight.state)


def test_what_a_run_leaves(straight, tiny) -> None:
    lines = metrics(straight.workdir)
    assert [line["step"] for line in lines] == [1, 2, 3, 4, 5, 6]
    assert lines[3]["lr"] < 0.6 * lines[2]["lr"]  # the second phase halves it
    assert bits(straight.state.params) != bits(straight.state.ema)
    assert float(straight.state.collections["stats"]["seen"]) >= 6
    facts = json.loads((straight.workdir / "run.json").read_text())
    assert facts["config"] == json.loads((straight.workdir / "config.json").read_text())
    assert facts["sources"]["data.train"]["count"] == 40
    assert {"date", "git", "argv", "versions", "devices", "config_hash", "seed"} <= set(facts)
    assert sorted(p.name for p in (straight.workdir / "ckpt").iterdir() if p.name.isdigit()) == ["4", "6"]

    loaded = build.load(straight.workdir, tiny.registry)
    assert loaded.meta["step"] == 6
    assert bits(loaded.variables["params"]) == bits(straight.state.ema["codec"])

    again = go(tiny, straight.workdir)
    assert again.finished
    assert bits(again.state) == bits(straight.state)
    assert metrics(straight.workdir) == lines


def test_learns_and_is_watched(tiny, tmp_path: pathlib.Path) -> None:
    tiny.config.update(phases=(), channel={"name": "rayleigh"}, optim={"lr": 1e-2, "ema_decay": 0.5})
    tiny.config["train"].update(steps=30, log_every=10, eval_every=15, checkpoint_every=30)
    result = program.run(tiny.config, workdir=tmp_path / "run", registry=tiny.registry)
    assert result.finished
    lines = metrics(tmp_path / "run")
    looks = [line["val_psnr"] for line in lines if "val_psnr" in line]
    assert len(looks) == 2
    assert looks[1] > looks[0] + 0.5
    assert lines[-2]["mse"] < 0.8 * lines[0]["mse"]


def test_a_system_without_parameters_is_saved_at_step_zero(tiny, tmp_path: pathlib.Path) -> None:
    tiny.config.update(system={"name": "linear", "cbr": 1 / 12, "prior": "natural"}, phases=())
    tiny.config["train"].update(steps=0)
    assert program.run(tiny.config, workdir=tmp_path / "run").finished
    assert build.load(tmp_path / "run", tiny.registry).meta["step"] == 0


@pytest.mark.parametrize(
    ("keys", "devices"),
    [
        ({"data.batch_size": 32}, 8),
        ({"data.batch_size": 12}, 4),
        ({"data.batch_size": 32, "optim.accumulate": 16}, 2),
        ({"data.batch_size": 32, "mesh.data": 1}, None),
    ],
)
def test_virtual_devices_never_make_a_run_impossible(
    keys: dict[str, int], devices: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a machine of many cores the micro-batch still divides, and a mesh that counts its devices is left alone."""
    registry = build.default_registry()
    cfg = config.resolve(
        {"system": {"name": "linear", "cbr": 1 / 12}}, registry, [(k, str(v)) for k, v in keys.items()]
    )
    monkeypatch.setenv("XLA_FLAGS", "")
    monkeypatch.setattr("semjax.parallel.cpu_flags.usable_cores", lambda: 64)
    monkeypatch.setattr("semjax.app.train.keep_freed_memory", lambda: True)
    program.prepare_cpu(cfg)
    wanted = f"--xla_force_host_platform_device_count={devices}" if devices else ""
    assert os.environ["XLA_FLAGS"] == wanted
