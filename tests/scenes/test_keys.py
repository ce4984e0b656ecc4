"""Key regions, as masks of pixels and of blocks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from semjax.scenes.keys import block_mask, key_mask, key_regions


def test_key_regions_are_at_or_above_the_threshold():
    values = np.array([0.1, 0.3, 0.6, 0.8, 1.0, 0.0], np.float32)
    assert key_regions(values).tolist() == [False, False, True, True, True, False]
    assert key_regions(jnp.asarray(values), 0.8).tolist() == [False, False, False, True, True, False]
    assert key_regions(values, 0.05).tolist() == [True] * 5 + [False]
    assert key_regions(values.astype(np.float16), 0.6).tolist() == [False, False, True, True, True, False]


@pytest.mark.parametrize("threshold", [0, -1, 1.5, float("nan")])
def test_a_threshold_that_empty_slots_pass_is_refused(threshold):
    with pytest.raises(ValueError, match="threshold"):
        key_regions(np.zeros(6, np.float32), float(threshold))


def test_the_pixels_of_key_regions():
    ids = jnp.asarray(np.random.default_rng(0).integers(0, 6, (16, 24)), jnp.uint8)
    key = jnp.array([False, True, False, False, True, False])
    np.testing.assert_array_equal(jax.jit(key_mask)(ids, key), np.isin(np.asarray(ids), [1, 4]))


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 1.0])
@pytest.mark.parametrize("block", [1, 2, 4, 8])
def test_blocks_against_loops(share, block):
    mask = np.random.default_rng(1).random((16, 24)) < np.linspace(0, 1.05, 24)
    found = np.asarray(block_mask(jnp.asarray(mask), block, share=share))
    for row in range(16 // block):
        for column in range(24 // block):
            part = mask[row * block : (row + 1) * block, column * block : (column + 1) * block]
            assert found[row, column] == (part.any() and part.mean() >= share - 1e-12)


def test_a_share_is_counted_in_whole_pixels():
    mask = jnp.zeros((10, 10), bool).at[0, :10].set(True)
    assert block_mask(mask, 10, share=0.1).all()
    assert not block_mask(mask, 10, share=0.11).any()


@pytest.mark.parametrize(("block", "share", "told"), [(3, 0.0, "3 pixels"), (0, 0.0, "0 pixels"), (4, 1.1, "share")])
def test_wrong_blocks_are_refused(block, share, told):
    with pytest.raises(ValueError, match=told):
        block_mask(jnp.zeros((16, 16), bool), block, share=share)
