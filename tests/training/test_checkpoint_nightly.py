"""Checkpoints of processes that are killed while they write, or that run out of room."""

import pathlib
import random
import signal
import socket
import subprocess
import sys
import time

import pytest

pytestmark = pytest.mark.nightly

RUN = """
import pathlib, resource, sys, time
import jax.numpy as jnp
import numpy as np
from semjax.training.checkpoint import CheckpointError, Checkpoints, abstract

folder, last, room = pathlib.Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])

def state_of(step):
    return {"w": np.random.default_rng(step).normal(size=300_000).astype(np.float32)}

with Checkpoints(folder, keep=2) as store:
    step = store.latest() or 0
    if step:
        found = store.restore_latest(abstract(state_of(0)))
        step = found.meta["step"]
        assert np.array_equal(found.state["w"], state_of(step)["w"])
        assert found.data_state == {"batch": step}
    print("at", step, flush=True)
    if room:
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
    try:
        while step < last:
            step += 1
            store.save({"w": jnp.asarray(state_of(step)["w"])}, step=step, data_state={"batch": step}, meta={})
            print("saving", step, flush=True)
        store.wait()
    except CheckpointError as error:
        print("error:", error, file=sys.stderr)
        sys.exit(2)
"""

PAIR = """
import os, pathlib, sys

os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=2"
import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from semjax.training.best import Best
from semjax.training.checkpoint import Checkpoints, abstract

me, folder = int(sys.argv[1]), pathlib.Path(sys.argv[2])
jax.config.update("jax_cpu_collectives_implementation", "gloo")
jax.distributed.initialize(f"127.0.0.1:{sys.argv[3]}", 2, me)
rows = NamedSharding(Mesh(np.array(jax.devices()), ("data",)), PartitionSpec("data"))
make = jax.jit(lambda s: {"w": jnp.arange(40_000.0) * s}, out_shardings=rows, static_argnums=0)

def same(a, b):
    return all(np.array_equal(x.data, y.data) for x, y in zip(a.addressable_shards, b.addressable_shards))

notes = []
with Checkpoints(folder / "ckpt", keep=2, on_note=notes.append) as store, jax.transfer_guard("disallow"):
    for step in (1, 2, 3):
        store.save(make(step), step=step, data_state={"batch": step}, meta={})
    store.wait()
    multihost_utils.sync_global_devices("written")
    if me == 0:
        path = max((p for p in (folder / "ckpt" / "3").rglob("*") if p.is_file()), key=lambda p: p.stat().st_size)
        path.write_bytes(path.read_bytes()[:-1])
    multihost_utils.sync_global_devices("damaged")
    found = store.restore_latest(abstract(make(1), {"w": rows}))
    assert found.meta["step"] == found.data_state["batch"] == 2
    assert same(found.state["w"], make(2)["w"])
    assert len(notes) == (me == 0)
    store.save(make(3), step=3, data_state={}, meta={})
for _ in range(2):
    with Best(folder / "best") as best:
        offers = [best.offer(make(k), step=k, value=v, meta={}) for k, v in ((1, 1.0), (2, float("nan")), (3, 3.0))]
        assert best.best() == (3, 3.0)
multihost_utils.sync_global_devices("done")
print("done", offers, flush=True)
"""


def start(folder: pathlib.Path, *, last: int, room: int = 0) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", RUN, str(folder), str(last), str(room)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen[str]) -> tuple[int, int, str]:
    """Exit code, the step it went on from, stderr."""
    out, err = process.communicate(timeout=120)
    return process.returncode, int(out.split()[1]), err


def names(folder: pathlib.Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_killed_at_any_moment_it_goes_on_from_the_step_before(tmp_path: pathlib.Path) -> None:
    chance, folder, cut_short = random.Random(0), tmp_path / "ckpt", 0
    for _ in range(4):
        process = start(folder, last=10**6)
        assert process.stdout is not None
        assert process.stdout.readline().startswith("at ")
        for _ in range(chance.randint(3, 12)):
            announced = int(process.stdout.readline().split()[1])
        time.sleep(chance.uniform(0, 0.03))
        process.send_signal(signal.SIGKILL)
        _, err = process.communicate(timeout=60)
        assert err == ""
        newest = max(int(name) for name in names(folder) if name.isdigit())
        assert newest >= announced - 1
        assert not any(name.startswith("corrupt") for name in names(folder))
        cut_short += any(name.startswith(".partial") for name in names(folder))
    assert cut_short >= 1
    code, at, err = finish(start(folder, last=newest + 2))
    assert (code, err) == (0, "")
    assert at == newest
    assert names(folder) == sorted([str(newest + 1), str(newest + 2), "format.json"])


def test_out_of_room_it_says_so_and_goes_on_when_there_is_room(tmp_path: pathlib.Path) -> None:
    folder = tmp_path / "ckpt"
    assert finish(start(folder, last=2))[:2] == (0, 0)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    code, at, err = finish(start(folder, last=4, room=100_000))
    assert (code, at) == (2, 2)
    assert err.startswith("error: the checkpoint of step 3 could not be written")
    assert "a file got too large" in err
    assert "Traceback" not in err
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    assert finish(start(folder, last=4))[:2] == (0, 2)
    assert names(folder) == ["3", "4", "format.json"]


def test_two_processes_take_the_same_step(tmp_path: pathlib.Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    commands = [[sys.executable, "-c", PAIR, str(me), str(tmp_path), port] for me in (0, 1)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    pair = [subprocess.Popen(command, text=True, **pipes) for command in commands]
    try:
        for process in pair:
            out, err = process.communicate(timeout=120)
            assert process.returncode == 0, err
            assert "done [False, False, True]" in out
    finally:
        for process in pair:
            process.kill()
    assert names(tmp_path / "ckpt") == ["2", "3", "corrupt-3", "format.json"]
    assert names(tmp_path / "best") == ["3", "format.json"]
