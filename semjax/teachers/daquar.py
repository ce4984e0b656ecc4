"""DAQUAR questions on indoor photographs as an album: no regions, only questions with answers.

Source: M. Malinowski, M. Fritz, arXiv 1410.0210; photographs of NYU-Depth v2.
"""

import os

from semjax.teachers.archives import AlbumError, ArchiveAlbum, Pictures, by_file, data_folder, read_json
from semjax.teachers.base import Question, Scenario, View
from semjax.teachers.kinds import kind_of

FOLDER = "daquar_vqa"


class DaquarAlbum(ArchiveAlbum):
    """DAQUAR pictures of one split.

    Args:
      root: the folder that holds `daquar_vqa`.
      split: train, val or test.

    Raises:
      AlbumError: no such folder or split, or a picture without questions.
    """

    dataset = "daquar"
    scenarios: tuple[Scenario, ...] = ()

    def __init__(self, root: str | os.PathLike[str], split: str = "test"):
        folder = data_folder(root, FOLDER)
        super().__init__(Pictures(folder, split), split)
        files = [self._pictures.file(i) for i in range(len(self))]
        try:
            records = by_file(read_json(folder / "qa.json"), key="image", files=files, where=str(folder / "qa.json"))
            self._questions = [tuple(_question(qa) for qa in record["qa"]) for record in records]
        except (KeyError, TypeError) as error:
            raise AlbumError(f"{folder / 'qa.json'} is not a list of pictures with qa: {error!r}") from error

    def _facts(self, index: int) -> list[list[str | None]]:
        return [[q.text, q.kind, q.truth] for q in self._questions[index]]

    def view(self, index: int) -> View:
        """Picture `index`; `given` has its file `name`."""
        return self._view(index, image=self._pictures.image(index), questions=self._questions[index])


def _question(qa: dict[str, str]) -> Question:
    return Question(text=qa["question"], kind=kind_of(qa["question"]), truth=qa["answer"])
