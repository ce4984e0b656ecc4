"""CamVid road scenes as an album: regions by connected components of the label map.

Regions of one picture: 0 is the rest (unlabelled pixels, and instances too small to count); then one region for each
stuff class that is there, in the order of the labels; then the instances of the thing classes, largest first. An
instance is an 8-connected component of at least `MIN_SHARE` of the picture; components that touch are one instance,
and one that is cut in two by a pole is two. At most `MAX_REGIONS` in all; what is left over joins region 0.

Source: G. J. Brostow, J. Fauqueur, R. Cipolla, Pattern Recognition Letters 30(2), 2009; 11-class form of the SegNet
tutorial.
"""

import os

import numpy as np
from jaxtyping import UInt8
from scipy import ndimage

from semjax.store.record import Regions
from semjax.teachers.archives import AlbumError, ArchiveAlbum, Masks, Pictures, data_folder
from semjax.teachers.base import Scenario, View
from semjax.teachers.boxes import boxes_of

FOLDER = "camvid"
CLASSES = (
    "sky", "building", "pole", "road", "pavement", "tree", "sign", "fence", "car", "pedestrian", "bicyclist",
)  # fmt: skip
UNLABELLED = len(CLASSES)
THINGS = ("pole", "sign", "car", "pedestrian", "bicyclist")
MIN_SHARE = 0.0005
MAX_REGIONS = 40
SCENARIOS = (
    Scenario(
        name="driving",
        text="a driver-assistance system needs what affects the vehicle's path, rules and safety",
    ),
    Scenario(
        name="pedestrian_safety",
        text="a system that protects people on foot and on bicycles needs them, where they walk and what may hit them",
    ),
    Scenario(
        name="road_maintenance",
        text="a road authority inspects surfaces, kerbs, signs, poles, fences and trees that overhang the road",
    ),
)


def regions_of(labels: UInt8[np.ndarray, "h w"], name: str = "a label map") -> Regions:
    """The regions of a label map; `Regions.names` are the classes, region 0 is "rest".

    Args:
      labels: class of each pixel.
      name: what errors call the map.

    Raises:
      AlbumError: a label that is no class.
    """
    if labels.max(initial=0) > UNLABELLED:
        raise AlbumError(f"{name} has the label {labels.max()}, no class (0 to {UNLABELLED}); copy the data set again")
    ids_map = np.zeros(labels.shape, np.uint8)
    names = ["rest"]
    for label, name in enumerate(CLASSES):
        if name not in THINGS and (labels == label).any():
            ids_map[labels == label] = len(names)
            names.append(name)
    for _, label, component in _instances(labels)[: MAX_REGIONS - len(names)]:
        ids_map[component] = len(names)
        names.append(CLASSES[label])
    valid = np.ones(len(names), bool)
    return Regions(ids_map=ids_map, boxes=boxes_of(ids_map, len(names)), names=tuple(names), valid=valid)


def _instances(labels: np.ndarray) -> list[tuple[int, int, tuple[np.ndarray, ...]]]:
    """(area, label, pixels) of each instance that counts, largest first, ties by label and place."""
    least = MIN_SHARE * labels.size
    found = []
    for label in (CLASSES.index(name) for name in THINGS):
        components, count = ndimage.label(labels == label, structure=np.ones((3, 3)))  # type: ignore[misc]
        area = np.bincount(components.ravel(), minlength=count + 1)
        for component in range(1, count + 1):
            if area[component] >= least:
                found.append((int(area[component]), label, np.nonzero(components == component)))
    return sorted(found, key=lambda entry: (-entry[0], entry[1], entry[2][0][0], entry[2][1][0]))


class CamVidAlbum(ArchiveAlbum):
    """CamVid pictures of one split.

    Args:
      root: the folder that holds `camvid`.
      split: train, val or test.

    Raises:
      AlbumError: no such folder or split, or indexes that do not match.
    """

    dataset = "camvid"
    scenarios = SCENARIOS
    rule = (CLASSES, THINGS, MIN_SHARE, MAX_REGIONS)

    def __init__(self, root: str | os.PathLike[str], split: str = "test"):
        folder = data_folder(root, FOLDER)
        super().__init__(Pictures(folder, split), split)
        self._labels = Masks(folder, "labels", self._pictures)

    def _facts(self, index: int) -> list[str]:
        return [self._labels.sha(index)]

    def view(self, index: int) -> View:
        """Picture `index`; `given` has its file `name` and its `labels` map."""
        image = self._pictures.image(index)
        labels = self._labels.map(index, image.shape[:2])
        regions = regions_of(labels, f"the map of {self._pictures.file(index)}")
        return self._view(index, image=image, regions=regions, given={"labels": labels})
