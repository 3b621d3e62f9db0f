"""The starter that a student gets: the template, with the lesson's numbers in its words."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from grader.handout.values import Values
from grader.lesson.loading import Lesson
from grader.text import Lang

_SKIPPED = frozenset({"__pycache__", ".pytest_cache", ".ipynb_checkpoints"})
_TIME = (2000, 1, 1, 0, 0, 0)
"""Of every file: the same template gives the same archive, byte for byte."""


def files(lesson: Lesson) -> Iterator[tuple[PurePosixPath, bytes]]:
    """Paths within the template and what the student's copy of each holds.

    Values in Markdown files are filled in; a file's language is its name's (`README.ru.md`), else
    English. Raises SpecError for a value that does not exist.
    """
    for path in sorted(lesson.template.rglob("*")):
        inside = path.relative_to(lesson.template)
        if path.is_file() and not _SKIPPED & set(inside.parts) and path.suffix != ".pyc":
            yield PurePosixPath(inside.as_posix()), _content(lesson, path)


def archive(lesson: Lesson) -> bytes:
    """A zip whose only folder is called like the lesson."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as target:
        for path, content in [*files(lesson), _marker(lesson)]:
            about = zipfile.ZipInfo(f"{lesson.name}/{path}", _TIME)
            about.compress_type = zipfile.ZIP_DEFLATED
            about.external_attr = 0o100644 << 16
            target.writestr(about, content)
    return written.getvalue()


def _marker(lesson: Lesson) -> tuple[PurePosixPath, bytes]:
    """What `grader check` knows the lesson by, as `grader new` writes it."""
    return PurePosixPath("grader.toml"), f'lesson = "{lesson.name}"\n'.encode()


def _content(lesson: Lesson, path: Path) -> bytes:
    raw = path.read_bytes()
    if path.suffix != ".md" or b"{{" not in raw:
        return raw
    lang: Lang = "ru" if path.name.endswith(".ru.md") else "en"
    return Values(lesson, lang).fill(raw.decode("utf-8"), path).encode("utf-8")
