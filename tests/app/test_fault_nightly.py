"""Real processes: a small soak, and a hung run that is told to give up."""

import json
import pathlib
import pprint
import subprocess
import sys

import numpy as np
import pytest

from semjax.app import soak

pytestmark = pytest.mark.nightly

NET = {"name": "residual_conv", "widths": (4, 4, 4, 4), "blocks": (0, 0, 0, 1)}


def written(folder: pathlib.Path, **changes) -> pathlib.Path:
    """A configuration file of a training of seconds."""
    np.savez(folder / "pictures.npz", images=np.random.default_rng(0).integers(0, 256, (64, 20, 20, 3), np.uint8))
    array = {"source": "array", "path": str(folder / "pictures.npz"), "key": "images"}
    cfg = {
        "system": {"name": "deepjscc", "cbr": 1 / 12},
        "encoder": NET,
        "decoder": {**NET, "widths": NET["widths"][::-1], "blocks": NET["blocks"][::-1]},
        "phases": ({"name": "all", "snr_db": (0.0, 10.0)},),
        "data": {"train": {**array, "crop": 16}, "batch_size": 8},
        "val": {**array, "limit": 8, "crop": 16, "batch_size": 8},
        **changes,
    }
    path = folder / "tiny.py"
    path.write_text(f"def get_config():\n    return {pprint.pformat(cfg)}\n")
    return path


def test_a_small_soak_ends_bitwise_equal(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    amount = ["--minutes=0.6", "--steps=150", "--checkpoints=15", "--disturbances=3", "--seed=27"]
    code = soak.main([f"--config={written(tmp_path)}", *amount, f"--workdir={tmp_path / 'soak'}"])
    told = json.loads((tmp_path / "soak" / "soak.json").read_text())
    assert told["differing"] == []
    assert told["unexpected"] == []
    assert told["log_equal"]
    assert told["restarts"] >= 3
    assert sum(told["disturbances"].values()) == told["restarts"]
    assert told["leaves"] > 20
    assert code == 0
    assert "bitwise equal" in capsys.readouterr().out


def test_a_hung_run_gives_up_when_it_is_told_to(tmp_path: pathlib.Path) -> None:
    """The data never come: the main thread waits in the loader for ever."""
    slow = (
        "import sys, threading\n"
        "from semjax.app import train\n"
        "from semjax.data.files import ArraySource\n"
        "ArraySource.__getitem__ = lambda self, index: threading.Event().wait()\n"
        "sys.exit(train.main(sys.argv[1:]))\n"
    )
    watch = {"steps": 3, "watchdog_s": 1.0, "watchdog_abort": True}
    path = written(tmp_path, train=watch, seed=1)
    command = [sys.executable, "-c", slow, f"--config={path}", f"--workdir={tmp_path / 'run'}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 3, done.stderr
    assert "warning: no step for" in done.stderr
    assert "given up" in done.stderr
    (stacks,) = (tmp_path / "run").glob("stacks-*.txt")
    assert "keeper.py" in stacks.read_text()
