"""Decoys: boxes like those of objects in which there is no object.

A decoy is a square of an object's size that holds at most a tenth of what is seen of any object. Beside the true boxes
it keeps the boxes themselves from telling how many objects there are: that has to be read from the picture.
"""

import numpy as np
from jaxtyping import Bool, Float, Float32, UInt8

from semjax.scenes.world import Scene, SceneConfig

MOST_COVERED = 0.1
"""The largest share of an object's pixels that a decoy may hold."""
TRIES = 512
"""Boxes drawn per scene; where fewer of them are decoys than there are objects, there are fewer decoys."""


def decoys(scene: Scene, ids: UInt8[np.ndarray, "h w"], seed: int) -> Float32[np.ndarray, "d 4"]:
    """Draws decoys for one scene, as many as it has objects, or as many as can be found.

    Args:
      scene: unbatched.
      ids: its id map, at any size; the share of an object is counted on it.
      seed: of the boxes; the same seed gives the same ones.

    Returns:
      (top, left, bottom, right), as shares of the picture's height and width.
    """
    usual, rng = SceneConfig(), np.random.default_rng(seed)
    half = rng.uniform(usual.radius_min, usual.radius_max, TRIES) / 2
    centre = half[:, None] + rng.random((TRIES, 2)) * (1 - 2 * half[:, None])
    boxes = np.concatenate([centre - half[:, None], centre + half[:, None]], axis=1).astype(np.float32)
    present = np.asarray(scene.present)
    slots = np.flatnonzero(present) + 1
    empty = np.all([covered(boxes, ids == slot) <= MOST_COVERED for slot in slots], axis=0)
    return boxes[empty][: len(slots)]


def covered(boxes: Float[np.ndarray, "d 4"], mask: Bool[np.ndarray, "h w"]) -> Float[np.ndarray, "d"]:
    """The share of a mask's pixels that each box holds; a pixel lies where its centre does.

    Args:
      boxes: (top, left, bottom, right), as shares of height and width.
      mask: the object; one without a pixel is covered by nothing.

    Returns:
      Shares in [0, 1].
    """
    height, width = mask.shape
    sums = np.zeros((height + 1, width + 1), np.int64)
    sums[1:, 1:] = mask.cumsum(0).cumsum(1)
    # The pixels before an edge e are those with (i + 1/2) / n < e.
    edges = np.ceil(np.asarray(boxes, np.float64) * [height, width, height, width] - 0.5).astype(int)
    top, left, bottom, right = np.clip(edges, 0, [height, width, height, width]).T
    inside = sums[bottom, right] - sums[top, right] - sums[bottom, left] + sums[top, left]
    return inside / max(int(sums[-1, -1]), 1)
