"""Gradebooks: the grades of batches as files for people and LMSs.

`FORMATS` has an entry for each format. Every cell of a gradebook has a reason, `book.Cell.why`.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from grader.gradebook import canvas, files, gradescope, moodle
from grader.gradebook.book import Book, Export, Graded, build, everyone
from grader.text import Lang


@dataclass(frozen=True)
class Options:
    """What a format may need besides the grades."""

    lang: Lang
    template: Path | None = None
    """An LMS's own export, to be filled in."""
    column: str | None = None
    """The template's column for the lesson's grade."""
    missing: str = "blank"
    """What an LMS gets for students without a submission: `blank` or `zero`."""


@dataclass(frozen=True)
class Format:
    """A format of gradebooks."""

    file: str
    """Name of the file in the folder of the grades."""
    write: Callable[[Sequence[Graded], Options], Export]
    one_lesson: bool = False
    """True when a file holds one lesson only."""


def _table(encode: Callable[[Book, Lang], bytes]) -> Callable[[Sequence[Graded], Options], Export]:
    """A file that holds all students of the classes."""
    return lambda some, how: Export(encode(build(some, how.lang), how.lang), len(everyone(some)))


def _zipped(contents: dict[str, bytes], without: Sequence[str] = ()) -> Export:
    """A zip archive whose bytes depend on nothing but its contents."""
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED) as file:
        for name in sorted(contents):
            file.writestr(zipfile.ZipInfo(name), contents[name], zipfile.ZIP_DEFLATED)
    return Export(raw.getvalue(), len(contents), list(without))


def _reports(found: tuple[dict[str, Path], list[str]]) -> Export:
    reports, without = found
    return _zipped({name: path.read_bytes() for name, path in reports.items()}, without)


FORMATS: dict[str, Format] = {
    "csv": Format("gradebook.csv", _table(lambda book, _: files.as_csv(book))),
    "xlsx": Format("gradebook.xlsx", _table(files.as_excel)),
    "jsonl": Format("gradebook.jsonl", _table(files.as_json_lines)),
    "moodle": Format(
        "moodle.csv",
        lambda some, how: moodle.worksheet(some[0], how.lang, how.template, how.missing),
        one_lesson=True,
    ),
    "moodle-feedback": Format(
        "moodle-feedback.zip", lambda some, _: _reports(moodle.feedback(some[0])), one_lesson=True
    ),
    "canvas": Format(
        "canvas.csv",
        lambda some, how: canvas.gradebook(some, how.template, how.column, how.missing),
    ),
    "canvas-feedback": Format(
        "canvas-feedback.zip", lambda some, _: _reports(canvas.feedback(some[0])), one_lesson=True
    ),
    "gradescope": Format(
        "gradescope.zip",
        lambda some, how: _zipped(gradescope.result_files(some[0], how.lang)),
        one_lesson=True,
    ),
}
