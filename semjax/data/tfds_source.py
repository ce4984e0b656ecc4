"""Pictures of a set prepared by tensorflow-datasets, read without TensorFlow.

The set must lie on disk in the array_record format; its builder's code is not needed any more. The encoded bytes of a
picture (PNG, JPEG) are taken as they are stored and go through this package's own decoder, so that the same files give
bitwise the same pictures as from an archive or a folder. A feature that is stored as values, not as an encoded picture,
must be uint8[h, w, 3] or uint8[h, w, 1].
"""

import os
from typing import Any

import numpy as np

from semjax.data import images
from semjax.data.files import DataError, Entry, Record, located

PREPARE = (
    "import tensorflow_datasets as tfds; "
    "tfds.builder({name!r}, data_dir={data_dir!r}, file_format='array_record').download_and_prepare()"
)
EXAMPLE = "python -m semjax.data tfds-scenes DIR"


class TfdsSource:
    """Pictures of one split of a prepared set.

    Ids count through the set's splits in the order of their names, so that they do not depend on the chosen split.

    Args:
      dataset: NAME, NAME/CONFIG, or either with :VERSION; the newest version if not said.
      split: a split, or a stretch of one or several as tensorflow-datasets writes them: `train[:80%]`, `train+test`.
      data_dir: where it was prepared; None = `~/tensorflow_datasets`.
      image_key: name of the feature that holds the picture.

    Raises:
      DataError: not prepared, in a format that needs TensorFlow, or no such split or picture feature.
    """

    def __init__(self, dataset: str, *, split: str = "train", data_dir: str | None = None, image_key: str = "image"):
        self.dataset, self.split, self.data_dir, self.image_key = dataset, split, data_dir, image_key
        self.title = dataset
        builder = self._builder()
        features, splits = sorted(builder.info.features), builder.info.splits
        if image_key not in features:
            raise DataError(f"{dataset} has no feature {image_key!r}; set image_key to one of: {', '.join(features)}")
        self._records = self._open(builder)
        self.total = sum(splits[name].num_examples for name in splits)
        self._places = _places(split, splits)

    def _builder(self) -> Any:
        # Imported here: only users of this source need it.
        from tensorflow_datasets.core import DatasetNotFoundError, naming, read_only_builder

        name, options = naming.parse_builder_name_kwargs(self.dataset)
        where = str(located(self.data_dir or os.path.join("~", "tensorflow_datasets")))
        try:
            return read_only_builder.builder_from_files(str(name), data_dir=where, **options)
        except (DatasetNotFoundError, FileNotFoundError) as error:
            command = PREPARE.format(name=self.dataset, data_dir=where)
            raise DataError(
                f"{self.dataset} is not prepared in {where}; prepare it once, where its builder is known:\n"
                f'  python -c "{command}"\n(`{EXAMPLE}` makes one without a download), then set '
                "--config.data.train.data_dir=DIR"
            ) from error

    def _open(self, builder: Any) -> Any:
        import tensorflow_datasets as tfds

        if str(builder.info.file_format.value) != "array_record":
            raise DataError(
                f"{self.dataset} is prepared as {builder.info.file_format.value}, which only TensorFlow reads; prepare "
                "it again with file_format='array_record'"
            )
        try:
            return builder.as_data_source(self.split, decoders={self.image_key: tfds.decode.SkipDecoding()})
        except ValueError as error:
            raise DataError(f"{self.dataset}: split {self.split!r} cannot be read ({error})") from error

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, index: int) -> Record:
        stored, name = self._stored(index), self.entry(index).name
        if isinstance(stored, bytes):
            return {"image": images.decode(stored, name=name), "id": self.place(index)}
        return {"image": _from_values(np.asarray(stored), name), "id": self.place(index)}

    def place(self, index: int) -> int:
        """The id of picture `index`."""
        return int(self._places[index])

    def entry(self, index: int) -> Entry:
        """The name of picture `index`."""
        return Entry(name=f"{self.dataset}:{self.split}[{range(len(self))[index]}]")

    def read(self, index: int) -> bytes | None:
        """The bytes of the picture's file; None if the set holds values.

        Raises:
          DataError: the record cannot be read.
        """
        stored = self._stored(index)
        return stored if isinstance(stored, bytes) else None

    def _stored(self, index: int) -> Any:
        place = range(len(self))[index]
        try:
            return self._records[place][self.image_key]
        except (RuntimeError, ValueError, OSError) as error:
            name = self.entry(index).name
            raise DataError(f"{name}: the record cannot be read ({error}); prepare the set again") from error

    def __getstate__(self) -> dict[str, Any]:
        keys = ("dataset", "split", "data_dir", "image_key")
        return {key: getattr(self, key) for key in keys}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)


def _places(split: str, splits: Any) -> np.ndarray:
    """The ids of the pictures of a split expression, in its order."""
    import tensorflow_datasets as tfds

    first, starts = 0, {}
    for name in sorted(splits):
        starts[name] = first
        first += splits[name].num_examples
    stretches = [
        starts[part.splitname] + np.arange(splits[part.splitname].num_examples)[part.from_ : part.to]
        for part in tfds.core.ReadInstruction.from_spec(split).to_absolute(splits)
    ]
    return np.concatenate(stretches)


def _from_values(values: np.ndarray, name: str) -> np.ndarray:
    if values.dtype != np.uint8 or values.ndim != 3 or values.shape[-1] not in (1, 3):
        raise images.ImageError(
            f"{name}: the feature holds {values.dtype}{list(values.shape)}, expected uint8[h, w, 3] or [h, w, 1]"
        )
    return images.from_uint8(np.broadcast_to(values, (*values.shape[:2], 3)))
