"""The lock among real processes: an owner that is killed, and several that want to follow it."""

import json
import pathlib
import signal
import subprocess
import sys

import pytest

from semjax.app.lock import LOCK_FILE

pytestmark = pytest.mark.nightly

RUN = """
import pathlib, sys
from semjax.app.errors import UserError
from semjax.app.lock import WorkdirLock

print("ready", flush=True)
sys.stdin.readline()
try:
    with WorkdirLock(pathlib.Path(sys.argv[1])):
        print("won", flush=True)
        sys.stdin.readline()
except UserError as error:
    print("refused", error, flush=True)
"""


def start(folder: pathlib.Path) -> subprocess.Popen[str]:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen([sys.executable, "-c", RUN, str(folder)], text=True, bufsize=1, **pipes)


def go(*processes: subprocess.Popen[str]) -> list[str]:
    """Lets them try for the lock, all at once; what each says."""
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
    return [process.stdout.readline() for process in processes if process.stdout]


def test_of_the_followers_of_a_killed_owner_exactly_one_wins(tmp_path: pathlib.Path) -> None:
    owner = start(tmp_path)
    assert go(owner) == ["won\n"]
    owner.send_signal(signal.SIGKILL)
    owner.communicate(timeout=60)
    assert (tmp_path / LOCK_FILE).exists()
    followers = [start(tmp_path) for _ in range(4)]
    said = go(*followers)
    assert sorted(line.split()[0] for line in said) == ["refused", "refused", "refused", "won"]
    winner = followers[said.index("won\n")]
    assert json.loads((tmp_path / LOCK_FILE).read_text())["pid"] == winner.pid
    assert all(f"process {winner.pid} on" in line for line in said if line != "won\n")
    errors = [process.communicate("\n", timeout=60)[1] for process in followers]
    assert [error for error in errors if error] == [errors[followers.index(winner)]]
    assert f"took over from a run that is gone (process {owner.pid} on" in errors[followers.index(winner)]
    assert list(tmp_path.iterdir()) == []
