"""The procedural scenes as a tensorflow-datasets set: an example of a builder of one's own, prepared offline.

Nothing here needs TensorFlow: the features are built from the bytes of PNG files and from text, and the set is written
as array_record. `python -m semjax.data tfds-scenes DIR` prepares it; `docs/data.md` explains it line by line.

This module imports tensorflow-datasets; the rest of the package does not import this module.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from semjax.data import images
from semjax.data.sources import ScenesSource
from semjax.scenes.shapes import SHAPES
from semjax.scenes.world import BACKGROUNDS

USUAL_SPLITS = ("train", "val", "test")


@dataclasses.dataclass(eq=False)
class ScenesConfig(tfds.core.BuilderConfig):
    """A set of `count` scenes of `size` x `size` pixels per split."""

    size: int = 64
    count: int = 100
    splits: tuple[str, ...] = USUAL_SPLITS


class SemjaxScenes(tfds.core.GeneratorBasedBuilder):
    """Scenes with their number, the nearest object's shape and the background."""

    VERSION = tfds.core.Version("1.0.0")
    # There are no checksums of downloads to look for beside the code. For a builder inside a package, the search would
    # need importlib_resources, which tensorflow-datasets uses and does not install.
    code_path = None

    def _info(self) -> tfds.core.DatasetInfo:
        features = {
            "image": tfds.features.Image(shape=(None, None, 3), encoding_format="png"),
            "index": tfds.features.Scalar(dtype=np.int64),
            "nearest": tfds.features.ClassLabel(names=SHAPES),
            "background": tfds.features.ClassLabel(names=BACKGROUNDS),
        }
        # Kept in order, so that picture i of a split is scene i.
        return tfds.core.DatasetInfo(
            builder=self, features=tfds.features.FeaturesDict(features), disable_shuffling=True
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Iterator[tuple[int, dict[str, Any]]]]:
        config: Any = self.builder_config
        return {split: self._generate_examples(split) for split in config.splits}

    def _generate_examples(self, split: str) -> Iterator[tuple[int, dict[str, Any]]]:
        config: Any = self.builder_config
        source = ScenesSource(size=config.size, split=split, count=config.count)
        for index in range(len(source)):
            scene = source.scene(index)
            yield (
                index,
                {
                    "image": images.encode_png(source[index]["image"]),
                    "index": index,
                    "nearest": SHAPES[int(scene.shape[0])],
                    "background": BACKGROUNDS[int(scene.background)],
                },
            )


def prepare(data_dir: str, *, count: int, size: int, splits: Sequence[str] = USUAL_SPLITS) -> str:
    """Writes the set below `data_dir`, unless it is there already.

    Args:
      data_dir: folder of prepared sets; made if missing.
      count: scenes per split.
      size: pixels of each side.
      splits: of `semjax.scenes.world.SPLITS`.

    Returns:
      What to give as `dataset` to a `tfds` source.
    """
    config = ScenesConfig(name=f"size{size}_count{count}", size=size, count=count, splits=tuple(splits))
    tfds.disable_progress_bar()
    builder = SemjaxScenes(config=config, data_dir=data_dir, file_format="array_record")
    builder.download_and_prepare()
    return f"{builder.name}/{config.name}"
