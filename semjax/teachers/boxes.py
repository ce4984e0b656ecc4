"""Boxes of regions, from their id map."""

import numpy as np
from jaxtyping import Float32, UInt8
from scipy import ndimage


def boxes_of(ids_map: UInt8[np.ndarray, "h w"], count: int) -> Float32[np.ndarray, "m 4"]:
    """(top, left, bottom, right) of each of `count` regions, as shares of the picture; see `Regions.boxes`.

    A region without a pixel has zeros, region 0 the whole picture.

    >>> boxes_of(np.array([[0, 1], [0, 1]], np.uint8), 2).tolist()
    [[0.0, 0.0, 1.0, 1.0], [0.0, 0.5, 1.0, 1.0]]
    """
    height, width = ids_map.shape
    boxes = np.zeros((count, 4), np.float32)
    for region, found in enumerate(ndimage.find_objects(ids_map.astype(np.int32), count - 1) if count > 1 else [], 1):
        if found is not None:
            rows, columns = found
            boxes[region] = (
                rows.start / height, columns.start / width, rows.stop / height, columns.stop / width
            )  # fmt: skip
    boxes[0] = (0, 0, 1, 1)
    return boxes
