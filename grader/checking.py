"""A student's own check: public data, the student's machine, the same autograder."""

from __future__ import annotations

import tomllib
from pathlib import Path

from grader import grading
from grader import lesson as lessons
from grader.autograder import Progress
from grader.errors import Fault, UsageError
from grader.grades import Check, Grade, Status
from grader.text import Text

MARKER = "grader.toml"
"""File that says which lesson a project folder is for; `grader new` writes it."""


def write_marker(folder: Path, lesson: str) -> None:
    """Remember in a project folder which lesson it is for."""
    (folder / MARKER).write_text(
        f'# Which lesson this folder is for; `grader check` reads it.\nlesson = "{lesson}"\n',
        encoding="utf-8",
    )


def lesson_of(folder: Path) -> str:
    """The lesson that `folder` is for. Raises UsageError when it does not say."""
    path = folder / MARKER
    try:
        name = tomllib.loads(path.read_text(encoding="utf-8"))["lesson"]
    except OSError as error:
        raise UsageError(
            Text(
                en=f"{folder.resolve()} is not a project: expected {MARKER} in it; go to the "
                "folder that `grader new LESSON DIR` made, or name the lesson with --lesson.",
                ru=f"{folder.resolve()} — не папка проекта: в ней нет {MARKER}; перейдите в "
                "папку, созданную `grader new LESSON DIR`, или укажите занятие через --lesson.",
            )
        ) from error
    except (tomllib.TOMLDecodeError, KeyError, UnicodeDecodeError) as error:
        raise UsageError(f'{path} must hold one line: lesson = "NAME" ({error}).') from error
    return str(name)


def check(
    folder: Path,
    *,
    lesson: str | None = None,
    data: str | None = None,
    source: Path | None = None,
    progress: Progress | None = None,
) -> Grade:
    """Grade one's own project on the public data.

    Raises UsageError, DataError; a fault of the grader is raised as Fault.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder; run `grader check` in your project's folder.")
    found = lessons.load(lesson or lesson_of(folder))
    examination = grading.prepare(found, "public", data=data, source=source, progress=progress)
    grade, fault = grading.grade(examination, folder, folder.resolve().name)
    if grade.status is Status.GRADER_FAULT:
        raise Fault(
            Text(
                en=f"{grade.reason.en} {fault.strip().splitlines()[-1]}",
                ru=f"{grade.reason.ru} {fault.strip().splitlines()[-1]}",
            )
        )
    return grade


def public_checks(folder: Path) -> list[Check]:
    """Public checks of the project in `folder`, for its pytest file; the first says whether
    the artefact could be measured at all."""
    grade = check(folder)
    measured = Check(
        name="artefact_is_measured",
        title=Text(en="The artefact can be measured", ru="Артефакт удаётся измерить"),
        visibility="public",
        points=0.0,
        max_points=0.0,
        passed=grade.status is Status.GRADED,
        message=grade.reason,
    )
    return [measured, *(check for check in grade.checks if check.visibility == "public")]
