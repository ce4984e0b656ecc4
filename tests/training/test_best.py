"""The best states: the highest finite values win, whatever else is offered, and whatever happens between two runs."""

import errno
import math
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from semjax.training import best, shelf, writing
from semjax.training.best import Best, highest_first
from semjax.training.checkpoint import CheckpointError, Checkpoints, Reader

WANTED = {"w": jax.ShapeDtypeStruct((2_000,), np.float32)}


def offer(store: Best, step: int, value: float, *, mark: float | None = None) -> bool:
    state = {"w": jnp.full(2_000, float(step) if mark is None else mark), "unread": jnp.ones(3)}
    return store.offer(state, step=step, value=value, meta={"seed": 7})


def steps(folder: pathlib.Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.is_dir())


def held(folder: pathlib.Path) -> float:
    return float(Reader(folder, order=highest_first).restore_part(WANTED)["w"][0])


def damage(folder: pathlib.Path) -> None:
    path = max((p for p in folder.rglob("*") if p.is_file()), key=lambda p: p.stat().st_size)
    path.write_bytes(path.read_bytes()[:-1] + bytes([path.read_bytes()[-1] ^ 1]))


def test_the_highest_is_kept_with_its_facts(tmp_path) -> None:
    with Best(tmp_path / "best") as store:
        assert store.best() is None
        assert [offer(store, step, value) for step, value in ((1, 20.0), (2, 22.5), (3, 21.0))] == [True, True, False]
        assert store.best() == (2, 22.5)
        assert store.meta()["seed"] == 7
        assert store.meta()["value"] == 22.5
        assert float(store.restore_part(WANTED)["w"][0]) == 2.0
    assert steps(tmp_path / "best") == ["2"]


def test_what_is_not_finite_never_wins(tmp_path) -> None:
    with Best(tmp_path / "best") as store:
        assert not offer(store, 1, math.nan)
        assert offer(store, 2, 20.0)
        assert [offer(store, step, value) for step, value in ((3, math.nan), (4, math.inf), (5, -math.inf))] == [
            False
        ] * 3
        assert store.best() == (2, 20.0)
        assert offer(store, 6, 20.5)
    assert steps(tmp_path / "best") == ["6"]


def test_without_the_guard_a_value_that_is_not_finite_would_win_for_good(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(best, "_counts", lambda value: True)
    for name, value in (("nan", math.nan), ("inf", math.inf)):
        with Best(tmp_path / name) as store:
            assert offer(store, 1, value)
            assert not offer(store, 2, 20.0)
        assert steps(tmp_path / name) == ["1"]


def test_among_equals_the_older_stays(tmp_path) -> None:
    with Best(tmp_path / "best") as store:
        assert [offer(store, step, 20.0) for step in (4, 5)] == [True, False]
    with Best(tmp_path / "best") as store:
        assert not offer(store, 6, 20.0)
        assert not offer(store, 2, 20.0)
        assert store.best() == (4, 20.0)


def test_several_are_kept_and_the_lowest_goes(tmp_path) -> None:
    with Best(tmp_path / "best", keep=2) as store:
        taken = [offer(store, s, v) for s, v in ((1, 3.0), (2, 1.0), (3, 2.0), (4, 1.5), (5, 9.0))]
        assert taken == [True, True, True, False, True]
        assert store.best() == (5, 9.0)
    assert steps(tmp_path / "best") == ["1", "5"]


def test_a_later_run_knows_the_values(tmp_path) -> None:
    with Best(tmp_path / "best") as store:
        offer(store, 3, 1 / 3)
    with Best(tmp_path / "best") as store:
        assert store.best() == (3, 1 / 3)
        assert not offer(store, 9, 0.3)
        assert offer(store, 10, 0.34)
    assert steps(tmp_path / "best") == ["10"]


def test_a_step_offered_again(tmp_path) -> None:
    """A run that fell back comes by a step again: with the same value, a lower one, a higher one."""
    with Best(tmp_path / "best") as store:
        offer(store, 3, 20.0, mark=0.0)
    with Best(tmp_path / "best") as store:
        assert offer(store, 3, 20.0, mark=1.0)
        assert not offer(store, 3, 19.0, mark=2.0)
        store.wait()
        assert held(tmp_path / "best") == 0.0
        assert offer(store, 3, 21.0, mark=3.0)
        assert store.best() == (3, 21.0)
    assert steps(tmp_path / "best") == ["3"]
    assert held(tmp_path / "best") == 3.0


def test_a_replacement_that_was_cut_short_leaves_the_old_one(tmp_path) -> None:
    folder = tmp_path / "best"
    with Best(folder) as store:
        offer(store, 3, 20.0)
    (folder / "3").rename(folder / ".old-3")
    (folder / ".partial-3").mkdir()
    with Best(folder) as store:
        assert store.best() == (3, 20.0)
    assert steps(folder) == ["3"]
    assert held(folder) == 3.0


@pytest.mark.parametrize("fails", ["manifest", "name"])
def test_a_write_that_fails_leaves_the_best_as_it_was(tmp_path, monkeypatch, fails: str) -> None:
    folder, rename = tmp_path / "best", pathlib.Path.rename

    def full(place: pathlib.Path, *, step: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    def no_name(self: pathlib.Path, target: pathlib.Path) -> pathlib.Path:
        if self.name.startswith(".partial"):
            raise OSError(errno.ENOSPC, "No space left on device")
        return rename(self, target)

    with Best(folder) as store:
        offer(store, 3, 20.0, mark=0.0)
        store.wait()
        with monkeypatch.context() as patch:
            if fails == "manifest":
                patch.setattr(writing, "write", full)
            else:
                patch.setattr(pathlib.Path, "rename", no_name)
            assert offer(store, 3, 21.0, mark=1.0)
            with pytest.raises(CheckpointError, match="the disk is full"):
                store.wait()
        assert store.best() == (3, 20.0)
        assert held(folder) == 0.0
        assert offer(store, 4, 20.5)
    assert steps(folder) == ["4"]


def test_damaged_entries_are_set_aside_and_the_run_goes_on(tmp_path) -> None:
    folder, notes = tmp_path / "best", []
    with Best(folder, keep=2) as store:
        for step, value in ((1, 30.0), (2, 20.0)):
            offer(store, step, value)
    damage(folder / "1")
    skipped: list[str] = []
    assert Reader(folder, order=highest_first, on_note=skipped.append).restore_part(WANTED)["w"][0] == 2.0
    assert "skipped" in skipped[0]
    with Best(folder, keep=2, on_note=notes.append) as store:
        assert store.best() == (2, 20.0)
        assert offer(store, 3, 25.0)
    assert steps(folder) == ["2", "3", "corrupt-1"]
    assert len(notes) == 1
    assert "set aside as corrupt-1" in notes[0]


def test_a_checkpoint_without_a_value_is_no_best_state(tmp_path) -> None:
    with Checkpoints(tmp_path / "best") as store:
        store.save({"w": jnp.ones(2_000)}, step=1, data_state={}, meta={})
    with Best(tmp_path / "best", on_note=lambda line: None) as store:
        assert store.best() is None
        assert offer(store, 2, -5.0)
    assert steps(tmp_path / "best") == ["2", "corrupt-1"]


def test_best_and_checkpoints_do_not_touch_each_other(tmp_path) -> None:
    with Checkpoints(tmp_path / "ckpt", keep=1) as store, Best(tmp_path / "best") as top:
        for step, value in ((1, 5.0), (2, 4.0), (3, 3.0)):
            state = {"w": jnp.full(2_000, float(step)), "unread": jnp.ones(3)}
            store.save(state, step=step, data_state={}, meta={})
            top.offer(state, step=step, value=value, meta={})
    assert (steps(tmp_path / "ckpt"), steps(tmp_path / "best")) == (["3"], ["1"])
    assert shelf.facts(tmp_path / "best" / "1")["value"] == 5.0
