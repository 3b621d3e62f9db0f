"""A file that has to stay as it was: data that was replaced in the middle of a batch would be
graded against the labels of the old."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from grader.errors import DataError
from grader.text import Text


@dataclass(frozen=True)
class PinnedFile:
    """A path, and what the file there looked like when the labels were read."""

    path: Path
    size: int
    """Bytes."""
    mtime_ns: int

    @classmethod
    def at(cls, path: Path) -> PinnedFile:
        status = path.stat()
        return cls(path, status.st_size, status.st_mtime_ns)

    def unchanged(self) -> Path:
        """The path. Raises DataError when something else lies there now."""
        try:
            same = PinnedFile.at(self.path) == self
        except OSError:
            same = False
        if not same:
            raise DataError(
                Text(
                    en=f"{self.path} was replaced or removed while submissions were graded; run "
                    "the same command again, and let nothing else write to the data cache.",
                    ru=f"Файл {self.path} был заменён или удалён во время проверки работ; "
                    "запустите ту же команду ещё раз и не меняйте кэш данных во время проверки.",
                )
            )
        return self.path
