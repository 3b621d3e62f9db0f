"""Which files of the engine and of the course go into a package.

References and samples go to nobody. What a lesson withholds (`[release]` of lesson.toml) goes
only where submissions are graded.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

import grader
from grader.lesson import course
from grader.lesson.loading import Lesson, files_of, is_junk
from grader.text.errors import SpecError

COURSE = PurePosixPath("_course")
"""The folder of the course inside the package."""
WITHHELD = tuple(PurePosixPath("data/text", f"{name}_hidden.toml") for name in ("chat", "posts"))
"""Files of the engine that students do not get: what only hidden data are made of."""
SAMPLES = "samples"
"""Demonstration submissions of a lesson; some of them are good ones."""


@dataclass(frozen=True)
class File:
    """One file and its place inside the package `grader`."""

    place: PurePosixPath
    source: Path


def engine() -> Iterator[File]:
    """The package without the course that a wheel has inside."""
    for inside, path in files_of(Path(grader.__file__).resolve().parent):
        if not inside.is_relative_to(COURSE):
            yield File(inside, path)


def for_students(lessons: Sequence[Lesson]) -> Iterator[File]:
    """What students get: the engine, and the course's specs, public checks, handouts, templates."""
    yield from (file for file in engine() if file.place not in WITHHELD)
    for lesson in lessons:
        kept_back = set(withheld(lesson))
        yield from (file for file in _lesson(lesson) if file.source not in kept_back)
    yield from _common()


def for_grading(lesson: Lesson) -> Iterator[File]:
    """The course as a platform needs it that grades one lesson."""
    yield from _lesson(lesson)
    yield from _common()


def references(lessons: Sequence[Lesson]) -> list[Path]:
    """Files of the reference solutions, which are in no package."""
    return [path for one in lessons for path in one.reference.rglob("*") if path.is_file()]


def withheld_of_engine() -> list[Path]:
    """Files of the engine that students do not get."""
    return [file.source for file in engine() if file.place in WITHHELD]


def withheld(lesson: Lesson) -> list[Path]:
    """Files of the lesson's own folder that students do not get.

    Raises SpecError when an entry of `release.withhold` names nothing: a misspelled one would
    publish what it was meant to hide.
    """
    found = [path for path in lesson.folder.rglob("*") if path.is_file()]
    inside = {path: PurePosixPath(path.relative_to(lesson.folder).as_posix()) for path in found}
    kept_back = [path for path in found if _instructors_only(inside[path])]
    for pattern in lesson.spec.release.withhold:
        matched = [path for path, place in inside.items() if matches(place, pattern)]
        if not matched:
            raise SpecError(
                "{folder}: release.withhold names {pattern!r}, but there is no such file or "
                "folder in the lesson.",
                folder=lesson.folder / "lesson.toml",
                pattern=pattern,
            )
        kept_back += matched
    return kept_back


def _instructors_only(inside: PurePosixPath) -> bool:
    """Whether a lesson's file is a sample submission or a script that measures handout tables."""
    return inside.parts[0] == SAMPLES or (inside.parts[0] == "figures" and inside.suffix == ".py")


def _lesson(lesson: Lesson) -> Iterator[File]:
    """The folder of a lesson and its template."""
    for inside, path in files_of(lesson.folder):
        if not _instructors_only(inside):
            yield File(COURSE / "assignments" / lesson.name / inside, path)
    for inside, path in files_of(lesson.template):
        yield File(COURSE / "student_template" / lesson.name / inside, path)


def _common() -> Iterator[File]:
    """Files beside the lessons (a glossary, platforms), and the pages that handouts link to."""
    for path in sorted(course.assignments().iterdir()):
        if path.is_file() and not is_junk(PurePosixPath(path.name)):
            yield File(COURSE / "assignments" / path.name, path)
    for folder, suffix in (("docs", ".md"), ("platforms", ".toml")):
        for inside, path in files_of(course.assignments().parent / folder):
            if path.suffix == suffix:
                yield File(COURSE / folder / inside, path)


def matches(place: PurePosixPath, pattern: str) -> bool:
    """Whether a shell pattern names the file, or a folder that it is in."""
    return any(fnmatchcase(str(part), pattern.rstrip("/")) for part in (place, *place.parents[:-1]))
