"""Shifted-window attention against a plain numpy twin that looks at every pair of tokens."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from semjax.nn.swin import SwinBlock, SwinStage, from_windows, relative_bias, to_windows, window_regions


def shaken(params: Any) -> Any:
    leaves, tree = jax.tree.flatten(params)
    keys = jax.random.split(jax.random.key(5), len(leaves))
    pairs = zip(leaves, keys, strict=True)
    return jax.tree.unflatten(tree, [leaf + 0.3 * jax.random.normal(key, leaf.shape) for leaf, key in pairs])


def norm(x: np.ndarray, p: Any) -> np.ndarray:
    x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-6)
    return x * np.asarray(p["scale"]) + np.asarray(p["bias"])


def dense(x: np.ndarray, p: Any) -> np.ndarray:
    return x @ np.asarray(p["kernel"], np.float64) + np.asarray(p["bias"])


def gelu(x: np.ndarray) -> np.ndarray:
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def neighbours(grid: tuple[int, int], window: int, shift: int) -> np.ndarray:
    """[n, n]: whether two tokens share a window of the grid cut at shift, shift + window, ...; written from scratch."""
    cell = []
    for y in range(grid[0]):
        for x in range(grid[1]):
            move = [0 if side <= window else shift for side in grid]
            cell.append(((y - move[0]) // window, (x - move[1]) // window))
    return np.array([[a == b for b in cell] for a in cell])


def block_twin(x: np.ndarray, params: Any, *, heads: int, window: int, shift: int) -> np.ndarray:
    h, w, d = x.shape
    places = [(i, j) for i in range(h) for j in range(w)]
    flat = x.reshape(-1, d).astype(np.float64)
    q, k, v = np.split(dense(norm(flat, params["norm_0"]), params["attention"]["qkv"]), 3, axis=-1)
    seen, table, size = np.zeros_like(flat), np.asarray(params["attention"]["bias"]), d // heads
    allowed = neighbours((h, w), window, shift)
    for head in range(heads):
        part = slice(head * size, (head + 1) * size)
        offset = np.array([[(a[0] - b[0], a[1] - b[1]) for b in places] for a in places])
        inside = np.clip(offset + window - 1, 0, 2 * window - 2)
        logits = q[:, part] @ k[:, part].T / np.sqrt(size) + table[inside[..., 0], inside[..., 1], head]
        weights = np.where(allowed, np.exp(logits - logits.max()), 0.0)
        seen[:, part] = weights / weights.sum(-1, keepdims=True) @ v[:, part]
    y = flat + dense(seen, params["attention"]["out"])
    y = y + dense(gelu(dense(norm(y, params["norm_1"]), params["mlp_0"])), params["mlp_1"])
    return y.reshape(h, w, d)


@pytest.mark.parametrize(("grid", "shift"), [((8, 8), 0), ((8, 12), 2), ((5, 10), 2), ((3, 9), 2), ((4, 4), 2)])
def test_block_equals_its_twin(grid: tuple[int, int], shift: int) -> None:
    """Whole windows, grids to be filled up, and sides no longer than a window."""
    x = np.random.default_rng(0).normal(size=(2, *grid, 6)).astype(np.float32)
    block = SwinBlock(2, 4, shift, mlp_ratio=2.0)
    params = shaken(block.init(jax.random.key(0), x))["params"]
    got = jax.jit(block.apply)({"params": params}, x)
    for i in range(2):
        twin = block_twin(x[i], params, heads=2, window=4, shift=shift)
        np.testing.assert_allclose(np.asarray(got)[i], twin, rtol=2e-4, atol=2e-4)


def test_windows_round_trip() -> None:
    x = np.arange(2 * 8 * 6 * 3).reshape(2, 8, 6, 3)
    cut = to_windows(x, (4, 3))
    assert cut.shape == (8, 12, 3)
    np.testing.assert_array_equal(cut[0], x[0, :4, :3].reshape(-1, 3))
    np.testing.assert_array_equal(from_windows(cut, window=(4, 3), grid=(8, 6)), x)


def test_bias_depends_on_the_offset_alone() -> None:
    table = np.random.default_rng(0).normal(size=(7, 7, 2)).astype(np.float32)
    bias = np.asarray(relative_bias(jnp.asarray(table), (4, 2))).reshape(2, 4, 2, 4, 2)
    for y, x, other_y, other_x in np.ndindex(4, 2, 4, 2):
        np.testing.assert_array_equal(bias[:, y, x, other_y, other_x], table[3 + y - other_y, 3 + x - other_x])


def test_regions_keep_the_edges_apart() -> None:
    regions = window_regions((8, 8), window=(4, 4), shift=(2, 2))
    assert [len(set(row)) for row in regions] == [1, 2, 2, 4]
    assert not window_regions((8, 8), window=(4, 4), shift=(0, 0)).any()


def test_scanned_and_rematerialised_stages_compute_the_same() -> None:
    x = jnp.asarray(np.random.default_rng(0).normal(size=(1, 4, 4, 4)), jnp.float32)
    plain = SwinStage(4, 1, 2)
    params = shaken(plain.init(jax.random.key(0), x))["params"]
    stacked = {"pairs": jax.tree.map(lambda *leaves: jnp.stack(leaves), params["pair_0"], params["pair_1"])}

    def value_and_slopes(stage: SwinStage, params: Any) -> Any:
        return jax.jit(jax.value_and_grad(lambda p: jnp.sum(stage.apply({"params": p}, x) ** 2)))(params)  # type: ignore[operator]

    value, slopes = value_and_slopes(plain, params)
    for stage, p in [
        (SwinStage(4, 1, 2, remat=True), params),
        (SwinStage(4, 1, 2, scan=True), stacked),
        (SwinStage(4, 1, 2, scan=True, remat=True), stacked),
    ]:
        shapes = jax.eval_shape(stage.init, jax.random.key(0), x)["params"]
        assert jax.tree.structure(shapes) == jax.tree.structure(p)
        again, grads = value_and_slopes(stage, p)
        assert float(again) == pytest.approx(float(value), rel=1e-5)
        last = jax.tree.map(lambda g: g[1], grads["pairs"]) if stage.scan else grads["pair_1"]
        for ours, theirs in zip(jax.tree.leaves(last), jax.tree.leaves(slopes["pair_1"]), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-3)


def test_it_starts_as_the_identity() -> None:
    x = jnp.asarray(np.random.default_rng(0).normal(size=(1, 8, 8, 8)), jnp.float32)
    y, _ = SwinStage(2, 2, 4).init_with_output(jax.random.key(0), x)
    np.testing.assert_allclose(y, x, atol=1e-6)


def test_odd_depths_and_heads_that_do_not_divide_are_refused() -> None:
    x = jnp.zeros((1, 4, 4, 6))
    with pytest.raises(ValueError, match="even depth; got 3"):
        SwinStage(3, 2, 4).init(jax.random.key(0), x)
    with pytest.raises(ValueError, match="4 heads do not divide width 6"):
        SwinStage(2, 4, 4).init(jax.random.key(0), x)
