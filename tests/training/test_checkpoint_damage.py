"""Damaged checkpoints: found, set aside, passed over; never read, never removed, and never in the way of the run."""

import pathlib
import shutil

import jax
import numpy as np
import pytest

from semjax.training import leaves, manifest
from semjax.training.checkpoint import CheckpointError, Checkpoints, Reader, abstract

FILES = 14
"""At least so many files are in a step directory; each is damaged in turn."""


def state_of(step: int) -> dict:
    """A state that tells its step."""
    return {"w": np.random.default_rng(step).normal(size=20_000).astype(np.float32), "step": np.int32(step)}


def put(store: Checkpoints, step: int) -> None:
    store.save(jax.device_put(state_of(step)), step=step, data_state={"batch": step}, meta={"seed": 7})


def is_state_of(found: dict, step: int) -> bool:
    return all(np.asarray(found[name]).tobytes() == leaf.tobytes() for name, leaf in state_of(step).items())


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Checkpoints of the steps 1, 2 and 3; not to be changed."""
    folder = tmp_path_factory.mktemp("template") / "ckpt"
    with Checkpoints(folder) as store:
        for step in (1, 2, 3):
            put(store, step)
    return folder


@pytest.fixture
def folder(template: pathlib.Path, tmp_path: pathlib.Path) -> pathlib.Path:
    return pathlib.Path(shutil.copytree(template, tmp_path / "ckpt"))


def restore(folder: pathlib.Path) -> tuple[dict, int, list[str]]:
    """State, step and remarks."""
    notes: list[str] = []
    with Checkpoints(folder, on_note=notes.append) as store:
        found = store.restore_latest(abstract(state_of(0)))
    return found.state, found.meta["step"], notes


def files_of(folder: pathlib.Path) -> list[pathlib.Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def largest(folder: pathlib.Path) -> pathlib.Path:
    return max(files_of(folder), key=lambda path: path.stat().st_size)


def flip(path: pathlib.Path, at: float = 0.5) -> None:
    data = bytearray(path.read_bytes())
    data[int(len(data) * at)] ^= 1
    path.write_bytes(data)


def names(folder: pathlib.Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.is_dir())


def content(folder: pathlib.Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in files_of(folder)}


def test_a_flipped_bit_in_any_file_is_found(folder: pathlib.Path) -> None:
    paths = files_of(folder / "3")
    assert len(paths) >= FILES
    for path in paths:
        good = path.read_bytes()
        for at in (0.0, 0.5, 0.99):
            flip(path, at)
            notes: list[str] = []
            found = Reader(folder, on_note=notes.append).restore(abstract(state_of(0)))
            assert found.meta["step"] == 2
            assert is_state_of(found.state, 2)
            assert len(notes) == 1
            assert str(path.relative_to(folder / "3")) in notes[0]
            path.write_bytes(good)


DAMAGE = {
    "flipped": (lambda step: flip(largest(step)), "has another checksum"),
    "truncated": (lambda step: largest(step).write_bytes(largest(step).read_bytes()[:-100]), "bytes, not"),
    "emptied": (lambda step: largest(step).write_bytes(b""), "has 0 bytes"),
    "file missing": (lambda step: (step / "state" / "_METADATA").unlink(), "state/_METADATA is missing"),
    "facts missing": (lambda step: shutil.rmtree(step / "meta"), "meta/"),
    "manifest missing": (lambda step: (step / manifest.MANIFEST_FILE).unlink(), "no manifest.json"),
    "manifest damaged": (lambda step: flip(step / manifest.MANIFEST_FILE), "manifest.json is damaged"),
    "directory empty": (lambda step: (shutil.rmtree(step), step.mkdir()), "it is empty"),
    "another step's": (lambda step: (shutil.rmtree(step), shutil.copytree(step.parent / "1", step)), "that of step 1"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_checkpoint_is_set_aside_and_the_one_before_is_taken(folder: pathlib.Path, kind: str) -> None:
    damage, reason = DAMAGE[kind]
    damage(folder / "3")
    bad = content(folder / "3")
    state, step, notes = restore(folder)
    assert step == 2
    assert is_state_of(state, 2)
    assert names(folder) == ["1", "2", "corrupt-3"]
    assert content(folder / "corrupt-3") == bad
    assert len(notes) == 1
    assert reason in notes[0]
    assert "set aside as corrupt-3" in notes[0]
    assert restore(folder)[1:] == (2, [])


def test_two_bad_ones_in_a_row_and_the_names_taken(folder: pathlib.Path) -> None:
    (folder / "corrupt-3").mkdir()
    for step in ("2", "3"):
        flip(largest(folder / step))
    _, step, notes = restore(folder)
    assert (step, len(notes)) == (1, 2)
    assert names(folder) == ["1", "corrupt-2", "corrupt-3", "corrupt-3-2"]


def test_the_run_goes_on_over_the_steps_set_aside(folder: pathlib.Path) -> None:
    flip(largest(folder / "3"))
    with Checkpoints(folder, keep=2, on_note=lambda line: None) as store:
        assert store.restore_latest(abstract(state_of(0))).meta["step"] == 2
        assert store.latest() == 2
        for step in (3, 4, 5):
            put(store, step)
        store.wait()
        assert store.latest() == 5
    assert names(folder) == ["4", "5", "corrupt-3"]
    state, step, _ = restore(folder)
    assert step == 5
    assert is_state_of(state, 5)


def test_nothing_good_is_refused_and_left_as_it_is(folder: pathlib.Path) -> None:
    flip(largest(folder / "1"))
    (folder / "2" / manifest.MANIFEST_FILE).unlink()
    shutil.rmtree(folder / "3" / "meta")
    before = content(folder)
    with pytest.raises(CheckpointError, match="nothing was changed") as refused:
        restore(folder)
    for words in ("1: state/", "another checksum", "2: it has no manifest.json", "3: meta/"):
        assert words in str(refused.value)
    assert content(folder) == before


def test_steps_without_any_manifest_are_not_a_fresh_start(folder: pathlib.Path) -> None:
    for step in ("1", "2", "3"):
        (folder / step / manifest.MANIFEST_FILE).unlink()
    with Checkpoints(folder) as store, pytest.raises(CheckpointError, match="3: it has no manifest"):
        store.latest()


def test_a_reader_beside_the_run_changes_nothing(folder: pathlib.Path) -> None:
    flip(largest(folder / "3"))
    before, notes = content(folder), []
    reader = Reader(folder, on_note=notes.append)
    assert is_state_of(reader.restore_part(abstract(state_of(0))), 2)
    assert reader.meta()["step"] == 2
    assert len(notes) == 1
    assert "skipped" in notes[0]
    assert content(folder) == before


def test_a_reader_whose_step_is_retired_meanwhile_takes_a_newer_one(folder: pathlib.Path, monkeypatch) -> None:
    """The run writes step 4 and keeps one, just when the reader has chosen step 3."""
    read = leaves.read

    def late(place: pathlib.Path, wanted: dict) -> dict:
        if place.name == "3":
            with Checkpoints(folder, keep=1) as store:
                put(store, 4)
        return read(place, wanted)

    monkeypatch.setattr(leaves, "read", late)
    assert is_state_of(Reader(folder).restore_part(abstract(state_of(0))), 4)
    assert names(folder) == ["4"]


def test_a_directory_older_than_manifests_is_used_with_a_remark(folder: pathlib.Path) -> None:
    (folder / "format.json").unlink()
    for step in ("1", "2", "3"):
        (folder / step / manifest.MANIFEST_FILE).unlink()
    shutil.rmtree(folder / "3" / "state")
    notes: list[str] = []
    with Checkpoints(folder, keep=2, on_note=notes.append) as store:
        assert store.latest() == 3
        assert is_state_of(store.restore_latest(abstract(state_of(0))).state, 2)
        assert [("not complete" in line, "not verified" in line) for line in notes] == [(True, False), (False, True)]
        put(store, 3)
    assert names(folder) == ["2", "3", "corrupt-3"]
    assert restore(folder)[1:] == (3, [])
    flip(largest(folder / "3"))
    state, step, notes = restore(folder)
    assert step == 2
    assert is_state_of(state, 2)
    assert "not verified" in notes[1]


def test_a_newer_format_is_refused_untouched(folder: pathlib.Path) -> None:
    (folder / "format.json").write_text(manifest.seal({"format": 2}))
    before = content(folder)
    for make in (Checkpoints, Reader):
        with pytest.raises(CheckpointError, match=r"format 2.*up to 1: update semjax; nothing was changed"):
            make(folder)
    assert content(folder) == before


def test_a_damaged_format_file_is_not_a_newer_format(folder: pathlib.Path) -> None:
    text = (folder / "format.json").read_text()
    (folder / "format.json").write_text(text.replace('"format": 1', '"format": 3'))
    assert restore(folder)[1:] == (3, [])


def test_without_verification_a_flipped_bit_would_come_back_as_a_number(folder: pathlib.Path, monkeypatch) -> None:
    """The fault is real: the storage layer alone reads the damaged file without a word."""
    flip(largest(folder / "3"))
    monkeypatch.setattr(manifest, "fault", lambda folder, *, step: None)
    state, step, notes = restore(folder)
    assert (step, notes) == (3, [])
    assert not is_state_of(state, 3)
    assert np.isfinite(state["w"]).all()


def test_without_the_check_of_leaves_a_dtype_would_be_cast(folder: pathlib.Path, monkeypatch) -> None:
    wanted = {**abstract(state_of(0)), "w": jax.ShapeDtypeStruct((20_000,), np.float16)}
    with Checkpoints(folder) as store, pytest.raises(CheckpointError, match="w was saved as float32"):
        store.restore_latest(wanted)
    monkeypatch.setattr(leaves, "check", lambda *_, **__: None)
    with Checkpoints(folder) as store:
        assert store.restore_latest(wanted).state["w"].dtype == np.float16
