"""Key regions: which regions matter enough to be sent as they look, as masks of pixels and of blocks."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, UInt8

from semjax.scenes.scenarios import IMPORTANT
from semjax.scenes.world import Leaf


def key_regions(importance: Float[Leaf, "*b m"], threshold: float = IMPORTANT) -> Bool[Array, "*b m"]:
    """The regions of importance at or above a threshold; never an empty slot.

    Args:
      importance: in [0, 1], the background first, 0 on empty slots.
      threshold: above 0.

    Returns:
      True on key regions.

    Raises:
      ValueError: a threshold that empty slots would pass.
    """
    if not 0 < threshold <= 1:
        raise ValueError(f"threshold={threshold} is not in (0, 1]: at 0 empty slots would be key")
    values = jnp.asarray(importance)
    return values >= jnp.asarray(threshold, values.dtype)


def key_mask(ids: UInt8[Leaf, "h w"], key: Bool[Leaf, "m"]) -> Bool[Array, "h w"]:
    """The pixels of key regions.

    Args:
      ids: id map, 0 on the background.
      key: which regions are key.

    Returns:
      True where the pixel's region is key.
    """
    return jnp.asarray(key)[ids]


def block_mask(mask: Bool[Leaf, "h w"], block: int, *, share: float = 0.0) -> Bool[Array, "r s"]:
    """The square blocks of which at least one pixel, and at least a share of the pixels, is in a mask.

    Args:
      mask: of pixels.
      block: pixels of each side of a block; divides the picture's height and width.
      share: in [0, 1]; 0 takes a block of which any pixel is.

    Returns:
      True on key blocks, bool[h / block, w / block].

    Raises:
      ValueError: blocks that do not fill the picture, or no such share.
    """
    height, width = mask.shape
    if block < 1 or height % block or width % block:
        raise ValueError(f"blocks of {block} pixels do not fill a picture of {height} x {width}")
    if not 0 <= share <= 1:
        raise ValueError(f"share={share} is not in [0, 1]")
    blocks = jnp.asarray(mask).reshape(height // block, block, width // block, block)
    count = jnp.sum(blocks, axis=(1, 3))
    # Rounded up before the comparison, so that 0.1 of 10 pixels is 1 pixel in every arithmetic.
    needed = max(1, -int(-(share * block * block - 1e-6) // 1))
    return count >= needed
