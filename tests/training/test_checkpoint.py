"""Checkpoints come back bitwise, keep the latest few, and refuse what does not fit by naming the leaf."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from semjax.parallel.mesh import make_mesh
from semjax.training.checkpoint import CheckpointError, Checkpoints, abstract, flat


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
