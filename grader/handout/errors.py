"""One way to say that a handout is wrong: the file, the line, and what to do."""

from __future__ import annotations

from pathlib import Path

from grader.errors import SpecError
from grader.text import Text


def wrong(path: Path, line: int, en: str, ru: str) -> SpecError:
    """The error for line `line`, counted from 1, of a source."""
    return SpecError(Text(en=f"{path}:{line}: {en}", ru=f"{path}:{line}: {ru}"))
