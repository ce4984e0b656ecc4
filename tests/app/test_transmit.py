"""One picture over the air: the files, the account, and bad input."""

import itertools
import json
import pathlib
import re

import numpy as np
import pytest
from PIL import Image

from semjax.app import build, config, transmit
from semjax.data import images


@pytest.fixture
def run(pictures: pathlib.Path, tmp_path: pathlib.Path) -> pathlib.Path:
    """The linear system as a shipped checkpoint."""
    folder = tmp_path / "run"
    folder.mkdir()
    array = {"source": "array", "path": str(pictures), "key": "val"}
    cfg = {"system": {"name": "linear", "cbr": 1 / 12}, "data": {"train": {**array, "crop": 16}}, "val": array}
    cfg["eval"] = {"data": array}
    resolved = config.resolve(cfg, build.default_registry())
    (folder / build.CONFIG_FILE).write_text(config.to_json(resolved))
    np.savez(folder / build.PARAMS_FILE, **{build.META_KEY: np.array(json.dumps({"step": 0}))})
    return folder


@pytest.fixture
def picture(tmp_path: pathlib.Path) -> pathlib.Path:
    """A smooth picture of 40x24, not a multiple of anything."""
    y, x = np.mgrid[0:24, 0:40] / 40
    images.save_png(tmp_path / "in.png", np.stack([x, y, 0.5 + 0 * x], -1).astype(np.float32))
    return tmp_path / "in.png"


def send(*flags: object) -> int:
    return transmit.main([str(flag) for flag in flags])


def test_files_account_and_psnr(run, picture, tmp_path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert send(picture, "--checkpoint", run, "--snr_db", 10, "--output", out) == 0
    said = capsys.readouterr().out
    uses = {kind: float(n.replace(",", "")) for kind, n in re.findall(r"^  (\S+) +([\d,.]+)$", said, re.MULTILINE)}
    assert set(uses) == {"analog", "side/scale", "total"}
    assert uses["analog"] == 3 * 2 * 64
    assert uses["total"] == pytest.approx(uses["analog"] + uses["side/scale"], abs=0.11)
    assert float(re.search(r"cbr +([\d.]+)", said)[1]) == pytest.approx(uses["total"] / (24 * 40 * 3), abs=1e-4)
    received = images.decode((out / "received.png").read_bytes(), name="received")
    original = images.decode(picture.read_bytes(), name="original")
    psnr = -10 * np.log10(np.mean((received - original) ** 2))
    assert float(re.search(r"PSNR +([\d.]+) dB", said)[1]) == pytest.approx(psnr, abs=0.01)
    assert psnr > 25
    with Image.open(out / "side_by_side.png") as sheet:
        assert sheet.width > 2 * 200
        assert sheet.height > 24 * 5


def test_side_information_over_the_coded_link(run, picture, tmp_path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ("--checkpoint", run, "--output", tmp_path / "out", "--side_link", "coded")
    assert send(picture, *flags, "--snr_db", 10) == 0
    said = capsys.readouterr().out
    assert float(re.search(r"side/scale +([\d.]+)", said)[1]) >= 24 / 6
    assert "lost" not in said
    assert send(picture, *flags, "--snr_db", -40) == 0
    assert "lost  scale: concealed by the receiver" in capsys.readouterr().out


def test_a_separation_system_keeps_its_budget(run, picture, tmp_path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its message is made to the measure of the flags' channel, SNR and link, not of the configuration's."""
    cfg = json.loads((run / build.CONFIG_FILE).read_text())
    cfg["system"] = {"name": "separation_jpeg2000", "cbr": 0.5}
    (run / build.CONFIG_FILE).write_text(json.dumps(cfg))
    flags = ("--checkpoint", run, "--snr_db", 13, "--output", tmp_path / "out")
    spent = {}
    for link, channel in itertools.product(("ideal", "coded"), ("awgn", "rayleigh")):
        assert send(picture, *flags, "--side_link", link, "--channel", channel, "--seed", 4) == 0
        spent[link, channel] = float(re.search(r"cbr +([\d.]+)", capsys.readouterr().out)[1])
    assert all(0.85 * 0.5 < cbr <= 0.5 for cbr in spent.values())
    assert len(set(spent.values())) > 1


def test_seed_and_channel_are_heeded(run, picture, tmp_path) -> None:
    def received(name: str, *flags: object) -> bytes:
        assert send(picture, "--checkpoint", run, "--snr_db", 5, "--output", tmp_path / name, *flags) == 0
        return (tmp_path / name / "received.png").read_bytes()

    first = received("a", "--seed", 0)
    assert received("b") == first
    assert received("c", "--seed", 1, "--channel", "rayleigh") != received("d", "--channel", "rayleigh") != first


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["none.png"], "none.png: the picture cannot be read (No such file or directory)"),
        (["text.png"], "text.png: not a picture"),
        (["empty.png"], "the record is empty"),
        (["in.png", "--channel", "raleigh"], "there is no such channel; there are awgn"),
        (["in.png", "--channel", "compat_batch_power"], "the capacity of BatchPower() is not known"),
        (["in.png", "--checkpoint", "nowhere"], "neither a run nor a checkpoint"),
        (["in.png", "--output", "text.png"], "cannot hold output"),
    ],
)
def test_bad_input_is_one_message_and_exit_code_2(
    flags: list[str], message: str, run, picture, tmp_path, monkeypatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    pathlib.Path("text.png").write_text("this is no picture")
    pathlib.Path("empty.png").write_bytes(b"")
    assert send("--checkpoint", run, "--snr_db", 10, *flags) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
    assert not pathlib.Path("received.png").exists()
