"""Code block segmentation against the standard's numbers, and there and back."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from semjax.phy.base_graph import GRAPH_1, GRAPH_2
from semjax.phy.crc import CRC24B
from semjax.phy.segmentation import Segmentation, join, segment


@pytest.mark.parametrize(
    ("graph", "bits", "blocks", "block_bits", "lifting"),
    [
        (GRAPH_1, 8448, 1, 8448, 384),
        (GRAPH_1, 8450, 2, 4249, 208),  # (8450 + 48) / 2; 22 * 208 = 4576, 22 * 192 = 4224
        (GRAPH_1, 24 * 702, 2, 8448, 384),  # two full blocks
        (GRAPH_1, 24 * 702 + 3, 3, 5641, 288),
        (GRAPH_2, 3840, 1, 3840, 384),
        (GRAPH_2, 3842, 2, 1945, 208),
        (GRAPH_2, 20, 1, 20, 4),  # K_b = 6
        (GRAPH_2, 200, 1, 200, 26),  # K_b = 8
        (GRAPH_2, 600, 1, 600, 72),  # K_b = 9
    ],
)
def test_numbers_of_the_standard(graph, bits, blocks, block_bits, lifting):
    cut = Segmentation(graph=graph, bits=bits)
    assert (cut.blocks, cut.block_bits, cut.lifting) == (blocks, block_bits, lifting)
    crcs = CRC24B.length * blocks if blocks > 1 else 0
    assert cut.blocks * cut.block_bits == bits + crcs + cut.padding


@pytest.mark.parametrize("bits", [8449, 20_000, 50_001, 123_457])
def test_blocks_are_filled_up_with_less_than_one_bit_each(bits):
    cut = Segmentation(graph=GRAPH_1, bits=bits)
    assert 0 <= cut.padding < cut.blocks
    assert cut.block_bits <= GRAPH_1.most_bits


def test_nothing_is_refused():
    with pytest.raises(ValueError, match="bits=0; a transport block has at least 1 bit"):
        Segmentation(graph=GRAPH_1, bits=0)


@pytest.mark.parametrize("blocks", [1, 3])
def test_blocks_of_many_lengths_come_together_again(blocks):
    lengths = np.array([90, 61, 3, 77])
    bits = np.random.default_rng(0).integers(0, 2, (4, 90), dtype=np.uint8) * (np.arange(90) < lengths[:, None])
    bits = bits.astype(np.uint8)
    cut = jax.jit(segment, static_argnames=("blocks", "room"))(
        jnp.asarray(bits), jnp.asarray(lengths), blocks=blocks, room=130
    )
    assert cut.shape == (4, blocks, 130)
    for row, length in enumerate(lengths):
        payload = -(-length // blocks)
        if blocks > 1:
            assert bool(jnp.all(CRC24B.check(cut[row, :, : payload + 24])))
            assert not np.any(cut[row, :, payload + 24 :])
        np.testing.assert_array_equal(np.concatenate(cut[row, :, :payload])[:length], bits[row, :length])
    np.testing.assert_array_equal(join(cut, jnp.asarray(lengths), room=90), bits)
