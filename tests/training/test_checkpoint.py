"""Checkpoints come back bitwise, keep the latest few, and refuse what does not fit by naming the leaf."""

import errno
import pathlib
import threading

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from semjax.parallel.mesh import make_mesh
from semjax.training import manifest, shelf, writing
from semjax.training.checkpoint import CheckpointError, Checkpoints, Reader, abstract, flat


def make_state() -> dict:
    params = {"a": {"kernel": jnp.arange(32.0).reshape(8, 4) / 7}, "b": jnp.ones((3,), jnp.bfloat16)}
    return {"params": params, "opt": optax.adam(1e-3).init(params), "step": jnp.int32(5)}


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("run") / "ckpt"
    state = make_state()
    with Checkpoints(folder, keep=2) as store:
        for step in (1, 3, 5):
            store.save(state, step=step, data_state={"next_batch": step}, meta={"seed": 7})
    return folder, state


def same(a, b) -> bool:
    return all(
        np.asarray(x).tobytes() == np.asarray(y).tobytes() and x.dtype == y.dtype
        for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    )


def test_restores_bitwise_with_data_state_and_meta(saved) -> None:
    folder, state = saved
    with Checkpoints(folder) as store:
        found = store.restore_latest(abstract(state))
    assert jax.tree.structure(found.state) == jax.tree.structure(state)
    assert same(found.state, state)
    assert found.data_state == {"next_batch": 5}
    assert (found.meta["step"], found.meta["seed"]) == (5, 7)


def test_keeps_the_latest(saved) -> None:
    folder, _ = saved
    assert sorted(p.name for p in folder.iterdir() if p.name.isdigit()) == ["3", "5"]


def test_restores_onto_eight_devices(saved) -> None:
    folder, state = saved
    mesh = make_mesh({"fsdp": 8, "data": 1})
    place = lambda x: NamedSharding(mesh, P("fsdp") if x.shape == (8, 4) else P())  # noqa: E731
    with Checkpoints(folder) as store:
        found = store.restore_latest(abstract(state, jax.tree.map(place, state)))
    assert same(found.state, state)
    assert len(found.state["params"]["a"]["kernel"].addressable_shards) == 8


def test_reads_a_part(saved) -> None:
    folder, state = saved
    with Checkpoints(folder) as store:
        part = store.restore_part(abstract({"params": {"a": state["params"]["a"]}}))
    assert same(part, {"params": {"a": state["params"]["a"]}})


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda s: s["params"].update(b=jnp.ones((3,), jnp.float32)), "params/b was saved as bfloat16"),
        (lambda s: s["params"]["a"].update(kernel=jnp.ones((8, 5))), "params/a/kernel"),
        (lambda s: s["params"].update(c=jnp.ones(1)), "params/c"),
        (lambda s: s["params"].pop("b"), "params/b"),
    ],
)
def test_refuses_another_tree_and_names_the_leaf(saved, change, named: str) -> None:
    folder, _ = saved
    state = make_state()
    change(state)
    with Checkpoints(folder) as store, pytest.raises(CheckpointError, match=named):
        store.restore_latest(abstract(state))


def test_refuses_an_empty_directory(tmp_path) -> None:
    with Checkpoints(tmp_path / "ckpt") as store:
        assert store.latest() is None
        with pytest.raises(CheckpointError, match="no checkpoint"):
            store.restore_latest(abstract(make_state()))


def test_names_leaves_by_path() -> None:
    assert list(flat({"a": {"b": jnp.ones(1)}, "c": (jnp.ones(1),)})) == ["a/b", "c/0"]


def save(store: Checkpoints, step: int, *, state: dict | None = None) -> None:
    store.save({"w": jnp.full(50, float(step))} if state is None else state, step=step, data_state={}, meta={})


def value(folder: pathlib.Path) -> float:
    return float(Reader(folder).restore_part({"w": jax.ShapeDtypeStruct((50,), np.float32)})["w"][0])


def names(folder: pathlib.Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(
    ("first", "then"), [({"data": 8}, {"data": 2}), ({"data": 2}, {"data": 1}), ({"data": 8}, {"fsdp": 4, "data": 2})]
)
def test_other_devices_and_another_layout_are_bitwise_the_same(tmp_path, first: dict, then: dict) -> None:
    def placed(axes: dict[str, int], tree: dict) -> dict:
        count = axes.get("data", 1) * axes.get("fsdp", 1)
        mesh = jax.make_mesh(
            tuple(axes.values()),
            tuple(axes),
            axis_types=(jax.sharding.AxisType.Auto,) * len(axes),
            devices=jax.devices()[:count],
        )
        rows = P("fsdp" if "fsdp" in axes else "data")
        return jax.tree.map(lambda x: NamedSharding(mesh, rows if x.shape == (8, 4) else P()), tree)

    state = make_state()
    with Checkpoints(tmp_path / "ckpt") as store:
        save(store, 5, state=jax.device_put(state, placed(first, state)))
    with Checkpoints(tmp_path / "ckpt") as store:
        found = store.restore_latest(abstract(state, placed(then, state)))
    assert same(found.state, state)
    kernel = found.state["params"]["a"]["kernel"]
    assert kernel.sharding == placed(then, state)["params"]["a"]["kernel"]


def test_a_state_may_be_donated_while_it_is_written(tmp_path) -> None:
    overwrite = jax.jit(lambda tree: jax.tree.map(lambda x: x * 0 - 1, tree), donate_argnums=0)
    state = {"w": jnp.arange(500_000.0)}
    with Checkpoints(tmp_path / "ckpt") as store:
        save(store, 1, state=state)
        jax.block_until_ready(overwrite(state))
        found = store.restore_latest({"w": jax.ShapeDtypeStruct((500_000,), np.float32)})
    np.testing.assert_array_equal(found.state["w"], np.arange(500_000, dtype=np.float32))


def test_a_step_has_its_name_only_with_its_manifest_and_older_ones_stay_until_then(tmp_path, monkeypatch) -> None:
    folder, go, reached = tmp_path / "ckpt", threading.Event(), threading.Event()

    def slow(place: pathlib.Path, *, step: int) -> None:
        if step == 2:
            reached.set()
            assert go.wait(60)
        manifest.write(place, step=step)

    monkeypatch.setattr(writing, "write", slow)
    with Checkpoints(folder, keep=1) as store:
        save(store, 1)
        save(store, 2)
        assert reached.wait(60)  # the storage layer is done with step 2
        assert names(folder) == [".partial-2", "1", "format.json"]
        assert (store.latest(), value(folder)) == (1, 1.0)
        go.set()
        store.wait()
        assert names(folder) == ["2", "format.json"]
        assert (store.latest(), value(folder)) == (2, 2.0)


def test_what_a_killed_run_left_half_written_is_ignored_and_removed(tmp_path) -> None:
    folder = tmp_path / "ckpt"
    with Checkpoints(folder) as store:
        save(store, 1)
    for name in (".partial-2", ".partial-2.orbax-checkpoint-tmp", ".old-0", "3.orbax-checkpoint-tmp-17"):
        (folder / name / "state").mkdir(parents=True)
    with Checkpoints(folder) as store:
        assert (store.latest(), value(folder)) == (1, 1.0)
        save(store, 2)
    assert names(folder) == ["1", "2", "format.json"]


def test_a_full_disk_is_told_by_name_and_the_earlier_checkpoint_stays(tmp_path, monkeypatch) -> None:
    def full(place: pathlib.Path, *, step: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    folder = tmp_path / "ckpt"
    with Checkpoints(folder, keep=1) as store:
        save(store, 1)
        store.wait()
        with monkeypatch.context() as patch:
            patch.setattr(writing, "write", full)
            save(store, 2)
            with pytest.raises(CheckpointError, match=r"step 2 could not be written.*the disk is full.*as they were"):
                store.wait()
            store.wait()
            assert names(folder) == ["1", "format.json"]
            save(store, 3)
            with pytest.raises(CheckpointError, match="step 3"):
                save(store, 4)
        save(store, 4)  # there is room again
    assert (names(folder), value(folder)) == (["4", "format.json"], 4.0)


def test_a_failed_write_is_told_at_the_end_but_hides_no_other_error(tmp_path, monkeypatch) -> None:
    def full(place: pathlib.Path, *, step: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(writing, "write", full)
    with pytest.raises(CheckpointError, match="disk is full"), Checkpoints(tmp_path / "a") as store:
        save(store, 1)

    def stumble(store: Checkpoints) -> None:
        with store:
            save(store, 1)
            raise KeyError

    notes: list[str] = []
    with pytest.raises(KeyError):
        stumble(Checkpoints(tmp_path / "b", on_note=notes.append))
    assert "disk is full" in notes[0]


def test_a_step_is_written_once_and_never_over_one_of_another_past(tmp_path) -> None:
    folder = tmp_path / "ckpt"
    with Checkpoints(folder) as store:
        for step in (1, 2, 2):
            save(store, step)
    with Checkpoints(folder) as store:
        store.restore_latest({"w": jax.ShapeDtypeStruct((50,), np.float32)})
        save(store, 2)
        with pytest.raises(CheckpointError, match="did not come from it"):
            save(store, 1)
    assert (names(folder), value(folder)) == (["1", "2", "format.json"], 2.0)


@pytest.mark.parametrize("place", ["file/ckpt", "/proc/semjax/ckpt"])
def test_a_place_that_cannot_be_written_to(tmp_path, place: str) -> None:
    (tmp_path / "file").write_text("precious")
    with Checkpoints(tmp_path / place) as store:
        assert store.latest() is None
        with pytest.raises(CheckpointError, match="cannot be written to"):
            save(store, 1)
    assert (tmp_path / "file").read_text() == "precious"


def test_an_old_one_that_cannot_be_removed_stops_nothing(tmp_path, monkeypatch) -> None:
    def refuse(self: shelf.Shelf, step: int) -> None:
        raise OSError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(shelf.Shelf, "retire", refuse)
    notes: list[str] = []
    with Checkpoints(tmp_path / "ckpt", keep=1, on_note=notes.append) as store:
        save(store, 1)
        save(store, 2)
    assert (store.latest(), len(notes)) == (2, 1)
    assert "could not be removed: Permission denied" in notes[0]
