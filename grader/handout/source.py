"""A source on disk: the lesson's Markdown with its values put in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from grader.errors import SpecError, UsageError
from grader.handout.measured import Table, tables
from grader.handout.values import Values
from grader.lesson import Lesson
from grader.text import Lang, Text


@dataclass(frozen=True)
class Source:
    """One Markdown file in one language. Lines of `text` are those of the file."""

    lesson: Lesson
    lang: Lang
    path: Path
    text: str
    tables: Mapping[str, Table]


def exists(lesson: Lesson, lang: Lang, stem: str = "handout") -> bool:
    """Whether the lesson has this source."""
    return _path(lesson, lang, stem).is_file()


def read(lesson: Lesson, lang: Lang, stem: str = "handout") -> Source:
    """The source `STEM.LANG.md` of a lesson, values filled in.

    Raises UsageError when there is none, SpecError for a value that does not exist.
    """
    path = _path(lesson, lang, stem)
    if not path.is_file():
        raise UsageError(
            Text(
                en=f"The lesson {lesson.name} has no {path.name} yet; docs/handouts.md says what "
                "belongs into it.",
                ru=f"В занятии {lesson.name} ещё нет {path.name}; что в нём должно быть, сказано в "
                "docs/handouts.md.",
            )
        )
    try:
        raw = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise SpecError(f"{path} is not UTF-8: {error.reason} at byte {error.start}.") from error
    found = tables(raw)
    return Source(lesson, lang, path, Values(lesson, lang, found).fill(raw, path), found)


def text(lesson: Lesson, lang: Lang) -> str:
    """The handout as students read it: its Markdown with every value filled in."""
    return read(lesson, lang).text


def _path(lesson: Lesson, lang: Lang, stem: str) -> Path:
    return lesson.folder / f"{stem}.{lang}.md"
