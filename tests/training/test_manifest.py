"""Manifests find every change of a directory, and tell damage from a newer format."""

import pathlib

import pytest

from semjax.training import manifest
from semjax.training.manifest import CheckpointError


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> pathlib.Path:
    (tmp_path / "state" / "d").mkdir(parents=True)
    (tmp_path / "state" / "d" / "numbers").write_bytes(bytes(range(256)))
    (tmp_path / "nothing").write_bytes(b"")
    manifest.write(tmp_path, step=7)
    return tmp_path


def test_what_was_written_is_believed(folder: pathlib.Path) -> None:
    assert manifest.fault(folder, step=7) is None
    facts = manifest.unseal((folder / "manifest.json").read_text())
    assert facts["step"] == 7
    assert {name: size for name, (size, _) in facts["files"].items()} == {"nothing": 0, "state/d/numbers": 256}
    assert [p.name for p in folder.iterdir() if p.name.startswith(".")] == []


def test_every_bit_counts(folder: pathlib.Path) -> None:
    for path in (folder / "state" / "d" / "numbers", folder / "manifest.json"):
        good = path.read_bytes()
        for place in range(0, len(good), 5):
            path.write_bytes(good[:place] + bytes([good[place] ^ (1 << place % 8)]) + good[place + 1 :])
            assert manifest.fault(folder, step=7) is not None
        path.write_bytes(good)
    assert manifest.fault(folder, step=7) is None


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda f: (f / "nothing").unlink(), "nothing is missing"),
        (lambda f: (f / "nothing").write_bytes(b"x"), "nothing has 1 bytes, not 0"),
        (lambda f: (f / "manifest.json").write_text("[]"), "manifest.json is damaged"),
        (lambda f: (f / "manifest.json").write_bytes(b"\xff\xfe"), "manifest.json is damaged"),
        (lambda f: (f / "manifest.json").unlink(), "it has no manifest.json"),
        (lambda f: [(f / "nothing").unlink(), (f / "nothing").mkdir()], "nothing cannot be read"),
    ],
)
def test_the_reason_is_told(folder: pathlib.Path, change, reason: str) -> None:
    change(folder)
    assert reason in str(manifest.fault(folder, step=7))


def test_a_manifest_is_of_one_step(folder: pathlib.Path) -> None:
    assert manifest.fault(folder, step=8) == "manifest.json is that of step 7"


def test_no_directory_and_an_empty_one(tmp_path: pathlib.Path) -> None:
    assert manifest.fault(tmp_path, step=1) == "it is empty"
    assert "no manifest.json" in str(manifest.fault(tmp_path / "absent", step=1))


def test_a_newer_format_is_an_error_and_damage_is_not(folder: pathlib.Path) -> None:
    text = (folder / "manifest.json").read_text()
    newer = {**manifest.unseal(text), "format": manifest.FORMAT + 1}
    (folder / "manifest.json").write_text(manifest.seal(newer))
    with pytest.raises(CheckpointError, match="format 2, written by a newer version"):
        manifest.fault(folder, step=7)
    (folder / "manifest.json").write_text(text.replace('"format": 1', '"format": 2'))
    assert manifest.fault(folder, step=7) == "manifest.json is damaged"


def test_sealing() -> None:
    facts = {"b": [1, "ü"], "a": {"c": None}}
    assert manifest.unseal(manifest.seal(facts)) == facts
    with pytest.raises(ValueError, match="damaged"):
        manifest.unseal('{"a": 1}')
