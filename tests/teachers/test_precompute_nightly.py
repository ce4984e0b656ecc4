"""The command itself, killed at some moment and run again, and as two processes: the same bytes."""

import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from semjax.store.shards import Store

COUNT, SHARDS = 1200, 12


def command(out: pathlib.Path, *extra: str) -> list[str]:
    scenes = ["--album", "scenes", "--size", "32", "--count", str(COUNT), "--split", "val"]
    told = [*scenes, "--teacher", "oracle", "--noise", "0.1", "--shards", str(SHARDS), "--out", str(out)]
    return [sys.executable, "-m", "semjax.teachers", "run", *told, *extra]


def contents(out: pathlib.Path) -> dict[str, bytes]:
    folder = next(out.glob("scenes/val/*"))
    assert Store(folder).complete
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.nightly
def test_killed_and_rerun_or_in_two_processes_gives_the_same_bytes(tmp_path: pathlib.Path) -> None:
    # 1. In one go.
    subprocess.run(command(tmp_path / "whole"), check=True, timeout=600)
    whole = contents(tmp_path / "whole")
    # 2. Killed (SIGKILL: nothing can be tidied up) once some shards are there, and run again.
    running = subprocess.Popen(command(tmp_path / "killed"))
    while len(list((tmp_path / "killed").rglob("*.manifest.json"))) < 3:
        assert running.poll() is None
        time.sleep(0.02)
    time.sleep(0.13)
    running.send_signal(signal.SIGKILL)
    running.wait()
    folder = next((tmp_path / "killed").glob("scenes/val/*"))
    finished = {path: path.stat().st_mtime_ns for path in folder.glob("*.manifest.json")}
    assert 3 <= len(finished) < SHARDS
    subprocess.run(command(tmp_path / "killed"), check=True, timeout=600)
    assert contents(tmp_path / "killed") == whole
    assert {path: path.stat().st_mtime_ns for path in finished} == finished  # those were not computed again
    # 3. Two processes.
    subprocess.run(command(tmp_path / "two", "--processes", "2"), check=True, timeout=600)
    assert contents(tmp_path / "two") == whole
    # 4. Two hosts, one after the other.
    for index in ("1", "0"):
        extra = ("--process_index", index, "--process_count", "2")
        subprocess.run(command(tmp_path / "hosts", *extra), check=True, timeout=600)
    assert contents(tmp_path / "hosts") == whole


@pytest.mark.nightly
def test_ending_the_command_ends_its_processes(tmp_path: pathlib.Path) -> None:
    running = subprocess.Popen(command(tmp_path, "--processes", "2"), start_new_session=True)
    while not list(tmp_path.rglob("*.manifest.json")):
        assert running.poll() is None
        time.sleep(0.05)
    running.terminate()
    assert running.wait(timeout=60) == 128 + signal.SIGTERM
    with pytest.raises(ProcessLookupError):  # nobody is left of its group
        os.killpg(running.pid, 0)
