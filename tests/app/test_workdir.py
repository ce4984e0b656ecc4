"""A work directory is a run's own, of its configuration, and can be written to; else it is refused untouched."""

import errno
import json
import pathlib
import tempfile
from typing import IO

import pytest

from semjax.app import config, workdir
from semjax.app.errors import UserError
from semjax.app.lock import LOCK_FILE, WorkdirLock
from semjax.app.workdir import claim


@pytest.fixture
def cfg(tiny):
    return config.resolve(tiny.config, tiny.registry)


@pytest.fixture
def run(cfg, tmp_path: pathlib.Path) -> pathlib.Path:
    """The directory of a run of `cfg` that has written nothing but its configuration."""
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "config.json").write_text(config.to_json(cfg))
    return folder


def changed(cfg):
    other = cfg.copy_and_resolve_references()
    with other.unlocked():
        other.optim.lr = 0.5
    return other


def test_a_new_one_is_made_and_an_own_one_taken(cfg, run: pathlib.Path, tmp_path: pathlib.Path) -> None:
    assert claim(tmp_path / "a" / "b", cfg) == tmp_path / "a" / "b"
    assert claim(run, cfg) == run
    assert claim(run, changed(cfg)) == run


@pytest.mark.parametrize("left", [LOCK_FILE, f".{LOCK_FILE}.0123", ".config.json.77"])
def test_what_a_run_that_died_early_left_is_nothing_foreign(cfg, tmp_path: pathlib.Path, left: str) -> None:
    (tmp_path / left).write_text("{}")
    assert claim(tmp_path, cfg) == tmp_path


def test_claimed_then_locked_then_claimed(cfg, tmp_path: pathlib.Path) -> None:
    with WorkdirLock(claim(tmp_path / "run", cfg)):
        assert claim(tmp_path / "run", cfg)


@pytest.mark.parametrize("store", ["ckpt", "best"])
def test_states_of_another_configuration(cfg, run: pathlib.Path, store: str) -> None:
    (run / store / "corrupt-3").mkdir(parents=True)
    assert claim(run, changed(cfg)) == run
    (run / store / "4").mkdir()
    assert claim(run, cfg) == run
    with pytest.raises(UserError, match=r"optim.lr: 0.001 → 0.5"):
        claim(run, changed(cfg))


@pytest.mark.parametrize("store", ["ckpt", "best"])
def test_a_file_where_a_directory_is_to_be(cfg, run: pathlib.Path, store: str) -> None:
    (run / store).write_text("precious")
    with pytest.raises(UserError, match=f"{store} is to be a directory"):
        claim(run, cfg)
    assert (run / store).read_text() == "precious"


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES, errno.ENOSPC, errno.EDQUOT])
def test_a_directory_that_takes_nothing(cfg, run: pathlib.Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    """Read-only, unwritable, full: as the operating system would say it (the superuser is never refused)."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(code, "so it is")

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    with pytest.raises(UserError, match=r"cannot be written to \(so it is\); name another directory"):
        claim(run, cfg)


def test_a_disk_that_still_makes_files_but_has_no_room(cfg, run: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*, dir: pathlib.Path) -> IO[bytes]:
        return pathlib.Path("/dev/full").open("wb")

    monkeypatch.setattr(workdir.tempfile, "TemporaryFile", full)
    with pytest.raises(UserError, match=r"cannot be written to \(No space left on device\)"):
        claim(run, cfg)


def test_a_run_from_before_a_key_existed_is_continued(cfg, run: pathlib.Path) -> None:
    """What an older version did not write down counts as the default; another value is a difference."""
    (run / "ckpt" / "4").mkdir(parents=True)
    old = json.loads((run / "config.json").read_text())
    del old["data"]["train"]["flip"], old["compile_cache"], old["val"]["small"]
    (run / "config.json").write_text(json.dumps(old))
    assert claim(run, cfg) == run
    other = cfg.copy_and_resolve_references()
    with other.unlocked():
        other.data.train.flip = "none"
    with pytest.raises(UserError, match=r"data.train.flip: 'horizontal' → 'none'"):
        claim(run, other)
