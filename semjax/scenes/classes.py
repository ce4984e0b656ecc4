"""Regions of scenes by class: the four backgrounds, then what an object of each shape is called.

The names are those of the regions in teacher stores of scenes.
"""

import numpy as np
from jaxtyping import Int32

from semjax.scenes.shapes import CLASS_NAMES
from semjax.scenes.world import BACKGROUNDS, Scene


def scene_classes() -> tuple[str, ...]:
    """The names of the classes, in their order.

    >>> scene_classes()[3:6]
    ('brick', 'ball', 'crate')
    """
    return (*BACKGROUNDS, *CLASS_NAMES)


def region_classes(scene: Scene) -> Int32[np.ndarray, "*b m"]:
    """The class of each region of a scene, or of a batch of scenes.

    Args:
      scene: on the host or not.

    Returns:
      int32[..., 1 + slots], indices into `scene_classes()`: the background first; their number on empty slots.
    """
    things = np.where(np.asarray(scene.present), len(BACKGROUNDS) + np.asarray(scene.shape), len(scene_classes()))
    return np.concatenate([np.asarray(scene.background)[..., None], things], axis=-1).astype(np.int32)
