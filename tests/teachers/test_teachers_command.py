"""The command line: one `error:` line and exit code 2 for what a user can put right; processes of itself."""

import json
import pathlib
import subprocess
import sys

import pytest
from toy_album import ToyAlbum, ToyTeacher

from semjax.store.layout import About, write_about
from semjax.teachers import __main__ as command
from semjax.teachers import choice, workers


@pytest.fixture
def toys(monkeypatch: pytest.MonkeyPatch) -> None:
    """A toy album and teacher by name."""
    monkeypatch.setattr(command, "ALBUMS", {**choice.ALBUMS, "toy": lambda flags: ToyAlbum(split=flags.split)})
    monkeypatch.setattr(command, "TEACHERS", {**choice.TEACHERS, "toy": lambda flags, album: ToyTeacher()})


TOY = ["--album", "toy"]


def run(*argv: object) -> int:
    return command.main([str(each) for each in argv])


def test_a_store_is_made_checked_looked_at_and_corrected(
    tmp_path: pathlib.Path, toys: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("run", *TOY, "--teacher", "toy", "--out", tmp_path, "--shards", 3) == 0
    assert "3 shards computed, 0 were there; 12 pictures" in capsys.readouterr().out
    assert run("run", *TOY, "--teacher", "toy", "--out", tmp_path, "--shards", 3) == 0
    assert "0 shards computed, 3 were there; 0 pictures" in capsys.readouterr().out
    folder = next(tmp_path.glob("toy/train/*"))
    assert run("validate", folder, *TOY, "--teacher", "toy") == 0
    assert "recomputed: as it should be" in capsys.readouterr().out
    assert run("review", folder, *TOY, "--out", tmp_path / "look", "--sample", 2) == 0
    sample = json.loads((tmp_path / "look" / "review.jsonl").read_text().splitlines()[0])
    line = {"id": sample["id"], "image_sha": sample["image_sha"], "scenario": "watch", "region": 1, "importance": 0.5}
    (tmp_path / "said.jsonl").write_text(json.dumps(line))
    assert run("merge-overrides", folder, tmp_path / "said.jsonl", "--reviewer", "A. Reader") == 0
    assert "1 reviewed labels" in capsys.readouterr().out
    assert run("validate", folder) == 0
    assert "| A. Reader | 1 | 1 |" in (folder / "CARD.md").read_text()


def test_lines_are_ingested(tmp_path: pathlib.Path, toys: None, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "scenarios.json").write_text(json.dumps({"watch": "watch it all"}))
    (tmp_path / "said.jsonl").write_text(json.dumps({"image": "3.png", "objects": []}) + "\n{\n")
    told = ["ingest", tmp_path / "said.jsonl", *TOY, "--out", tmp_path / "out"]
    assert run(*told) == 2
    assert "line 2: not JSON" in capsys.readouterr().err
    assert run(*told, "--max_bad", 0.5) == 0
    assert "11 pictures have no line\n1 bad lines left out:\n  line 2" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (["run", *TOY, "--teacher", "toy", "--out", "{}", "--shards", "99"], "shards=99 must be between 1 and"),
        (["run", *TOY, "--teacher", "oracle", "--noise", "7", "--out", "{}"], "noise=7.0 must be a share"),
        (["run", *TOY, "--teacher", "oracle", "--out", "{}"], "the teacher failed on 100.0% of 12 pictures"),
        (["run", *TOY, "--teacher", "mobilenet", "--out", "{}"], "--weights is missing"),
        (["run", *TOY, "--teacher", "toy", "--out", "{}/file"], "file"),
        (["run", "--album", "scenes", "--split", "trian", "--teacher", "toy", "--out", "{}"], "no split 'trian'"),
        (["run", "--album", "pictures", "--teacher", "toy", "--out", "{}"], "--pictures is missing"),
        (["run", "--album", "coco", "--root", "{}", "--teacher", "toy", "--out", "{}"], "no folder 'coco_vl'"),
        (["validate", "{}/none"], "no teacher store in"),
        (["validate", "{}/half"], "failed 1 of 6 checks: shards"),
        (["review", "{}/half", *TOY, "--out", "{}/look"], "shards of the store"),
        (["merge-overrides", "{}/half", "{}/file", "--reviewer", "A"], "line 1: Expecting value"),
        (["ingest", "{}/none.jsonl", *TOY, "--out", "{}"], "none.jsonl cannot be read"),
    ],
)
def test_mistakes_are_one_error_and_exit_code_2(
    tmp_path: pathlib.Path, toys: None, capsys: pytest.CaptureFixture[str], argv: list[str], told: str
) -> None:
    (tmp_path / "file").write_text("no folder")
    write_about(tmp_path / "half", About(fingerprint={}, scenarios=(), count=3, shards=1))
    assert run(*(each.replace("{}", str(tmp_path)) for each in argv)) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: ")
    assert err.count("error: ") == 1
    assert told in err


def test_unknown_names_and_commands_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    for argv in (["run", "--album", "cocoa", "--teacher", "oracle", "--out", "x"], ["rum"], []):
        with pytest.raises(SystemExit) as caught:
            run(*argv)
        assert caught.value.code == 2
        assert "Traceback" not in capsys.readouterr().err


def test_flags_of_processes_are_taken_out_in_both_forms() -> None:
    argv = [
        "run",
        "--processes",
        "2",
        "--out",
        "--processes=3",
        "--process_index=1",
        "--process_count",
        "4",
        "--shards",
        "2",
    ]
    assert workers._without(argv, workers.OWN_FLAGS) == ["run", "--out", "--shards", "2"]


def test_processes_are_numbered_over_hosts_and_end_together(monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[list[str]] = []

    def popen(argv: list[str]) -> subprocess.Popen:
        commands.append(argv)
        fails = argv[-3:] == ["3", "--process_count", "6"] and "--fail" in argv
        code = "raise SystemExit(2)" if fails else f"import time; time.sleep({60 if '--fail' in argv else 0})"
        return started(argv=[sys.executable, "-S", "-c", code])

    real = subprocess.Popen

    def started(argv: list[str]) -> subprocess.Popen:
        return real(argv)

    monkeypatch.setattr(workers.subprocess, "Popen", popen)
    assert workers.spawn(2, ["run", "--processes", "2"], first=1, hosts=3) == "2 processes done"
    assert [argv[-4:] for argv in commands] == [
        ["--process_index", "2", "--process_count", "6"],
        ["--process_index", "3", "--process_count", "6"],
    ]
    with pytest.raises(workers.WorkerError) as caught:
        workers.spawn(2, ["run", "--fail"], first=1, hosts=3)
    assert caught.value.code == 2
