"""The forms of a person's points in a batch's folder: OUT/rubric/NAME.toml, one a submission."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from grader import rubric
from grader.batch.results import read_grade, rubric_path
from grader.errors import UsageError
from grader.grades import Grade, Status, to_json, write_atomically
from grader.lesson import LessonSpec
from grader.text import Lang


@dataclass(frozen=True)
class Merged:
    """What became of one submission's form."""

    grade: Grade
    """With the person's points, where the form could be read."""
    form: Path
    changed: bool = False
    """True when the grade on disk is another now."""
    problem: UsageError | None = None
    """Why the form could not be read; the grade is as it was."""


def merge(path: Path, spec: LessonSpec, lang: Lang, *, create: bool = False) -> Merged | None:
    """Merge its form into the grade at `path`, and record in the form what is new.

    None where there is nothing to judge: no grade, or a submission that was not graded. A form
    that is missing is made with `create`, or when the grade already has a person's points.
    """
    grade = read_grade(path) if spec.rubric else None
    if grade is None or grade.status is not Status.GRADED:
        return None
    place = rubric_path(path)
    if not place.is_file():
        if create or grade.judgements:
            place.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(place, rubric.write(rubric.blank(grade), spec, lang))
        return Merged(grade, place)
    raw = place.read_bytes()
    try:
        form = rubric.read(raw, str(place), grade, spec)
    except UsageError as error:
        return Merged(grade, place, problem=error)
    found = rubric.news(form, grade, _now())
    if found:
        # First the form: a run that is killed between the two merges again.
        write_atomically(place, rubric.appended(raw, found, lang))
    history = sorted([*form.history, *found], key=lambda one: one.when)
    result = rubric.merged(grade, spec, history)
    if result != grade:
        write_atomically(path, to_json(result))
    return Merged(result, place, changed=result != grade)


def set_points(
    path: Path, spec: LessonSpec, lang: Lang, points: dict[str, float], why: str, by: str
) -> None:
    """Write some criteria's points into the form of the grade at `path`, which has one.

    Raises UsageError, and leaves the form as it was, when they cannot be counted.
    """
    grade, place = read_grade(path), rubric_path(path)
    assert grade is not None  # the caller has merged it already
    form = rubric.read(place.read_bytes(), str(place), grade, spec)
    form = rubric.with_points(form, grade, points, why, by, _now())
    raw = rubric.write(form, spec, lang)
    rubric.read(raw, str(place), grade, spec)
    write_atomically(place, raw)


def _now() -> datetime:
    return datetime.now(UTC)
