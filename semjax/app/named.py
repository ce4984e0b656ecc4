"""A source that says which record it was at when its reader broke."""

from semjax.app.errors import RunError
from semjax.data.entries import id_of, name_of
from semjax.data.files import DataError, Record, Source
from semjax.data.images import ImageError


class NamedSource:
    """Wraps the source of a training, outermost; its errors then name the record, from whichever thread they come.

    A picture that is not as it should be is data's own error and passes; anything else, even a reading thread that
    asks to be ended, is a reader that broke.

    Args:
      source: what to read from.
      where: its section of the configuration, for the message.
    """

    same_order = True

    def __init__(self, source: Source, *, where: str):
        self.source, self.where = source, where

    def __len__(self) -> int:
        return len(self.source)

    def inside(self, index: int) -> tuple[Source, int]:
        """Where picture `index` is from."""
        return self.source, index

    def __getitem__(self, index: int) -> Record:
        try:
            return self.source[index]
        except (DataError, ImageError):
            raise
        except BaseException as error:
            name, place = name_of(self.source, index), id_of(self.source, index)
            raise RunError(
                f"the reader of {self.where} broke at record {index} ({name}, id {place}): {type(error).__name__}: "
                f"{error}; what was done is saved: put the reader right and give the same command again"
            ) from error
