"""One run per work directory: a living owner is respected, a dead one succeeded, and never by two."""

import json
import os
import pathlib
import subprocess
import sys
import threading
import time

import pytest

from semjax.app import lock as locks
from semjax.app import owner
from semjax.app.errors import UserError
from semjax.app.lock import LOCK_FILE, WorkdirLock

GONE = {"token": "gone", "host": "here", "machine": owner.machine(), "pid": 2**22 + 7, "started": "1", "since": "then"}
"""An owner on this machine whose process number the system never gives out."""
ELSEWHERE = {**GONE, "token": "elsewhere", "host": "node7", "machine": "node7 boot namespace", "pid": os.getpid()}


def leave(folder: pathlib.Path, facts: dict, *, age_s: float = 0.0, name: str = LOCK_FILE) -> None:
    """Puts a lock file there that was last touched `age_s` seconds ago."""
    path = folder / name
    path.write_text(json.dumps(facts))
    os.utime(path, (time.time() - age_s,) * 2)


def holder(folder: pathlib.Path) -> int:
    return json.loads((folder / LOCK_FILE).read_text())["pid"]


def quiet(folder: pathlib.Path) -> WorkdirLock:
    return WorkdirLock(folder, on_note=lambda line: None)


def names(folder: pathlib.Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_taken_and_given_back(tmp_path: pathlib.Path) -> None:
    with WorkdirLock(tmp_path) as lock:
        assert names(tmp_path) == [LOCK_FILE]
        assert holder(tmp_path) == os.getpid()
        assert not lock.lost
    assert names(tmp_path) == []
    with pytest.raises(KeyError), WorkdirLock(tmp_path):
        raise KeyError
    assert names(tmp_path) == []


def test_a_living_owner_is_named_and_left_alone(tmp_path: pathlib.Path) -> None:
    with WorkdirLock(tmp_path):
        before = (tmp_path / LOCK_FILE).read_bytes()
        with pytest.raises(UserError, match="another --workdir") as refused, WorkdirLock(tmp_path):
            pass
        for words in (str(tmp_path), f"process {os.getpid()}", json.loads(before)["host"], json.loads(before)["since"]):
            assert words in str(refused.value)
        assert (tmp_path / LOCK_FILE).read_bytes() == before
        assert names(tmp_path) == [LOCK_FILE]


def test_an_owner_that_is_gone_is_succeeded_with_one_line(tmp_path: pathlib.Path) -> None:
    leave(tmp_path, GONE)
    notes: list[str] = []
    with WorkdirLock(tmp_path, on_note=notes.append):
        assert holder(tmp_path) == os.getpid()
        assert names(tmp_path) == [LOCK_FILE]
    assert len(notes) == 1
    assert f"process {GONE['pid']} on here, since then" in notes[0]


def test_another_process_of_the_same_number_is_not_the_owner(tmp_path: pathlib.Path) -> None:
    leave(tmp_path, {**GONE, "pid": os.getpid(), "started": "1"})
    with quiet(tmp_path):
        assert json.loads((tmp_path / LOCK_FILE).read_text())["started"] not in ("", "1")


def test_an_owner_that_ended_unseen_by_its_parent_is_gone(tmp_path: pathlib.Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    try:
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # it has ended, and keeps its number until waited for
        leave(tmp_path, {**GONE, "pid": child.pid, "started": ""})
        with quiet(tmp_path):
            assert holder(tmp_path) == os.getpid()
    finally:
        child.wait()


def test_an_owner_elsewhere_goes_by_its_last_touch(tmp_path: pathlib.Path) -> None:
    leave(tmp_path, ELSEWHERE, age_s=60)
    with (
        pytest.raises(UserError, match=r"on node7.*last heard of \d\d s ago; it counts as gone after 120 s"),
        quiet(tmp_path),
    ):
        pass
    assert json.loads((tmp_path / LOCK_FILE).read_text()) == ELSEWHERE
    leave(tmp_path, ELSEWHERE, age_s=130)
    with quiet(tmp_path):
        assert holder(tmp_path) == os.getpid()


@pytest.mark.parametrize("text", ["", "{", '{"pid": 3}', "\x00\x00"])
def test_a_lock_that_says_nothing_goes_by_its_age(tmp_path: pathlib.Path, text: str) -> None:
    (tmp_path / LOCK_FILE).write_text(text)
    with pytest.raises(UserError, match="in use"), quiet(tmp_path):
        pass
    os.utime(tmp_path / LOCK_FILE, (time.time() - 200,) * 2)
    with quiet(tmp_path):
        assert holder(tmp_path) == os.getpid()


def test_a_successor_that_died_half_way_is_succeeded(tmp_path: pathlib.Path) -> None:
    leave(tmp_path, GONE)
    leave(tmp_path, {**GONE, "token": "second"}, name=f".{LOCK_FILE}.after-gone")
    with quiet(tmp_path):
        assert holder(tmp_path) == os.getpid()
        assert names(tmp_path) == [LOCK_FILE]


def test_a_successor_half_way_is_respected(tmp_path: pathlib.Path) -> None:
    leave(tmp_path, GONE)
    leave(tmp_path, {**ELSEWHERE, "token": "second"}, name=f".{LOCK_FILE}.after-gone")
    with pytest.raises(UserError, match="on node7"), quiet(tmp_path):
        pass
    assert json.loads((tmp_path / LOCK_FILE).read_text()) == GONE


def test_the_owner_touches_it(tmp_path: pathlib.Path) -> None:
    with WorkdirLock(tmp_path, beat_s=0.01) as lock:
        os.utime(tmp_path / LOCK_FILE, (0, 0))
        wait_for(lambda: (tmp_path / LOCK_FILE).stat().st_mtime > 0)
        assert not lock.lost


@pytest.mark.parametrize("then", ["taken", "removed"])
def test_a_lost_lock_is_noticed_and_not_given_back_for_another(tmp_path: pathlib.Path, then: str) -> None:
    with WorkdirLock(tmp_path, beat_s=0.01) as lock:
        if then == "taken":
            leave(tmp_path, ELSEWHERE, name="draft")
            (tmp_path / "draft").replace(tmp_path / LOCK_FILE)
        else:
            (tmp_path / LOCK_FILE).unlink()
        wait_for(lambda: lock.lost)
    assert names(tmp_path) == ([LOCK_FILE] if then == "taken" else [])


def test_only_the_first_process_takes_it(tmp_path: pathlib.Path) -> None:
    with WorkdirLock(tmp_path), WorkdirLock(tmp_path, take=False) as other:
        assert not other.lost
        assert names(tmp_path) == [LOCK_FILE]
    assert names(tmp_path) == []


@pytest.mark.parametrize("place", ["file", "absent", "/proc/sys/kernel"])
def test_a_place_that_cannot_be_written_to(tmp_path: pathlib.Path, place: str) -> None:
    (tmp_path / "file").write_text("precious")
    with pytest.raises(UserError, match=r"run.lock cannot be written"), WorkdirLock(tmp_path / place):
        pass


def test_without_hard_links(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    leave(tmp_path, GONE)
    with quiet(tmp_path), pytest.raises(UserError, match="in use"), quiet(tmp_path):
        pass
    assert names(tmp_path) == []


@pytest.mark.parametrize("stale", [0, 1, 3])
def test_of_many_at_once_exactly_one_wins(tmp_path: pathlib.Path, stale: int) -> None:
    for turn in range(10):
        folder = tmp_path / str(turn)
        folder.mkdir()
        for i in range(stale):
            name = f".{LOCK_FILE}.after-gone{i - 1}" if i else LOCK_FILE
            leave(folder, {**GONE, "token": f"gone{i}"}, name=name)
        assert sum(compete(folder, 6)) == 1
        assert names(folder) == []


def compete(folder: pathlib.Path, count: int) -> list[bool]:
    """Whether each of `count` threads got the lock; nobody gives it back before all have tried."""
    start, end, won = threading.Barrier(count), threading.Barrier(count), [False] * count

    def attempt(i: int) -> None:
        start.wait()
        try:
            with quiet(folder):
                won[i] = True
                end.wait()
        except UserError:
            end.wait()

    threads = [threading.Thread(target=attempt, args=(i,)) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return won


def overtaken(folder: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> list[WorkdirLock]:
    """Two runs find the same stale lock; the second does all it has to do while the first is about to make its file."""
    leave(folder, GONE)
    create, second = locks._create, quiet(folder)

    def late(path: pathlib.Path, draft: pathlib.Path) -> bool:
        monkeypatch.setattr(locks, "_create", create)
        second.__enter__()
        return create(path, draft)

    monkeypatch.setattr(locks, "_create", late)
    winners = [second]
    first = quiet(folder)
    try:
        first.__enter__()
        winners.append(first)
    except UserError:
        pass
    for lock in winners:
        lock.__exit__()
    return winners


def test_a_run_that_is_overtaken_gives_way(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(overtaken(tmp_path, monkeypatch)) == 1
    assert names(tmp_path) == []


def test_without_the_second_look_both_would_have_it(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(WorkdirLock, "_succeeds", lambda self, owners: True)
    assert len(overtaken(tmp_path, monkeypatch)) == 2


def wait_for(condition) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end, "it did not happen within 30 s"
        time.sleep(0.005)
