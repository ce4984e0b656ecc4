"""The mesh: sizes, refusals, where things lie."""

import jax
import numpy as np
import pytest
from jax.sharding import PartitionSpec as P

from semjax.parallel.mesh import check_batch, make_mesh, shard_batch, state_sharding


def test_default_takes_all_devices_for_data():
    assert dict(make_mesh().shape) == {"data": 8, "fsdp": 1, "model": 1}
    assert dict(make_mesh({"fsdp": 4}).shape) == {"data": 2, "fsdp": 4, "model": 1}


@pytest.mark.parametrize("sizes", [{"data": 3}, {"data": 16}, {"data": -1, "fsdp": -1}, {"data": 2, "fsdp": 3}])
def test_sizes_that_do_not_fit(sizes):
    with pytest.raises(ValueError, match="does not fit 8 devices"):
        make_mesh(sizes)


def test_unknown_axis():
    with pytest.raises(ValueError, match="unknown mesh axes \\['pipeline'\\]"):
        make_mesh({"pipeline": 2})


def test_batch_must_divide():
    mesh = make_mesh()
    check_batch(mesh, 16, accumulate=2)
    with pytest.raises(ValueError, match=r"batch size 12 does not divide over 8 devices x 1 .* take 8 or 16"):
        shard_batch(mesh, {"image": np.zeros((12, 2))})


def test_batch_rows_are_spread_in_order():
    array = shard_batch(make_mesh({"data": 2, "fsdp": 4}), {"id": np.arange(16)})["id"]
    assert [s.data.tolist() for s in sorted(array.addressable_shards, key=lambda s: s.device.id)] == [
        [2 * i, 2 * i + 1] for i in range(8)
    ]


def test_fsdp_splits_the_largest_dividing_axis():
    mesh = make_mesh({"data": 1, "fsdp": 8})
    tree = {
        "kernel": jax.ShapeDtypeStruct((3, 3, 64, 128), np.float32),
        "bias": jax.ShapeDtypeStruct((128,), np.float32),
    }
    where = state_sharding(mesh, tree)
    assert where["kernel"].spec == P(None, None, None, "fsdp")
    assert where["bias"].spec == P()
