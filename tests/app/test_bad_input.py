"""Bad input ends with exit code 2 and one clear message, without a traceback, and nothing is lost."""

import json
import pathlib
import pprint
import subprocess
import sys

import pytest

from semjax.app import train as program

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture
def command(tiny, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    """Runs the command line on the tiny configuration; returns (exit code, stderr)."""
    monkeypatch.setattr(program, "default_registry", lambda: tiny.registry)
    (tmp_path / "tiny.py").write_text(f"def get_config():\n    return {pprint.pformat(tiny.config)}\n")

    def call(*flags: str) -> tuple[int, str]:
        code = program.main([f"--config={tmp_path / 'tiny.py'}", *flags])
        return code, capsys.readouterr().err

    return call


def refused(answer: tuple[int, str], *said: str) -> None:
    code, text = answer
    assert code == 2
    assert text.startswith("error: ")
    assert text.count("error:") == 1
    assert "Traceback" not in text
    for words in said:
        assert words in text


def test_a_good_command_works(command, tmp_path: pathlib.Path) -> None:
    code, _ = command(f"--workdir={tmp_path / 'run'}")
    assert code == 0
    assert (tmp_path / "run" / "ckpt" / "6").is_dir()


def test_unknown_key(command, tmp_path: pathlib.Path) -> None:
    answer = command(f"--workdir={tmp_path / 'run'}", "--config.optim.lrr=1")
    refused(answer, "'optim.lrr'", "optim.lr")
    assert not (tmp_path / "run").exists()


def test_unknown_flag_and_no_workdir(command, tmp_path: pathlib.Path) -> None:
    refused(command("--wrokdir=x"), "--workdir")
    refused(command(), "--workdir=DIR is needed")


@pytest.mark.parametrize("made", [False, True])
def test_missing_or_empty_data_directory(command, tmp_path: pathlib.Path, made: bool) -> None:
    pictures = tmp_path / "no_pictures"
    if made:
        pictures.mkdir()
    folder = ("--config.data.train.source=folder", f"--config.data.train.root={pictures}")
    refused(command(f"--workdir={tmp_path / 'run'}", *folder, "--config.data.train.crop=16"), str(pictures))


def test_workdir_is_a_file(command, tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").write_text("precious")
    refused(command(f"--workdir={tmp_path / 'file'}"), "is a file")
    refused(command(f"--workdir={tmp_path / 'file' / 'below'}"), "cannot be written to")
    assert (tmp_path / "file").read_text() == "precious"


@pytest.mark.parametrize("place", ["/proc/semjax_run", "/proc/sys/kernel"])
def test_workdir_cannot_be_written_to(command, place: str) -> None:
    """The kernel's own file system refuses new entries even to the superuser."""
    refused(command(f"--workdir={place}"), "cannot be written to", "name another directory")


def test_workdir_holds_something_else(command, tmp_path: pathlib.Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("precious")
    refused(command(f"--workdir={tmp_path / 'thesis'}"), "not a run of this program", "chapter.txt")
    assert [p.name for p in (tmp_path / "thesis").iterdir()] == ["chapter.txt"]


def test_checkpoint_of_another_configuration(command, tmp_path: pathlib.Path) -> None:
    run = tmp_path / "run"
    assert command(f"--workdir={run}")[0] == 0
    before = {p: p.read_bytes() for p in run.rglob("*") if p.is_file()}
    answer = command(f"--workdir={run}", "--config.train.steps=8", "--config.optim.lr=0.5")
    refused(answer, "optim.lr: 0.001 → 0.5", "train.steps: 6 → 8", "another --workdir")
    assert {p: p.read_bytes() for p in run.rglob("*") if p.is_file()} == before
    assert command(f"--workdir={run}", "--config.eval.draws=7")[0] == 0
    assert json.loads((run / "config.json").read_text())["eval"]["draws"] == 7


def test_batch_does_not_divide_over_the_devices(command, tmp_path: pathlib.Path) -> None:
    answer = command(f"--workdir={tmp_path / 'run'}", "--config.data.batch_size=12")
    refused(answer, "data.batch_size", "12", "8 devices", "8 or 16")


def test_mesh_and_rules_that_do_not_fit(command, tmp_path: pathlib.Path) -> None:
    refused(command(f"--workdir={tmp_path / 'a'}", "--config.mesh.fsdp=3"), "mesh", "8 devices")
    answer = command(f"--workdir={tmp_path / 'b'}", "--config.optim.rules=(('encoder', 1.0),)")
    refused(answer, "optim.rules", "decoder/kernel")
    answer = command(f"--workdir={tmp_path / 'c'}", "--config.phases=({'name': 'a', 'fraction': 0.5},)")
    refused(answer, "phases", "sum to 1")
    answer = command(f"--workdir={tmp_path / 'd'}", "--config.phases=({'name': 'a', 'weights': {'msee': 1}},)")
    refused(answer, "msee", "mse")


def test_the_program_itself_answers_so() -> None:
    command = [sys.executable, "train.py", "--config", "configs/deepjscc.py:quik", "--workdir", "unused"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    refused((done.returncode, done.stderr), "configs/deepjscc.py:quick")
