"""Changes to saved grades that need no grading: rubric points from a person, and deadlines."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from grader.batch.results import beside, read_grade
from grader.lesson import rubric, scoring
from grader.lesson.grades import Deduction, Grade, Status, to_json, write_atomically
from grader.lesson.spec import LessonSpec
from grader.semester import course_file, deadlines
from grader.semester.handed_in import ClassRecord
from grader.text import Lang
from grader.text.errors import UsageError


@dataclass(frozen=True)
class MergedForm:
    """The result of merging one submission's rubric form into its grade."""

    grade: Grade
    """The grade with the person's points, if the form could be read."""
    form: Path
    changed: bool = False
    """True when the grade on disk was changed."""
    problem: UsageError | None = None
    """Why the form could not be read; the grade is then unchanged."""


def merge_form(
    path: Path, spec: LessonSpec, lang: Lang, *, create: bool = False
) -> MergedForm | None:
    """Merge the rubric form of the grade at `path` into it, and add the changes to the form's
    history.

    None when the lesson has no rubric, or there is no grade of a graded submission. A missing form
    is written with `create`, or when the grade already has points from a person.
    """
    grade = read_grade(path) if spec.rubric else None
    if grade is None or grade.status is not Status.GRADED:
        return None
    place = beside(path, "rubric")
    if not place.is_file():
        if create or grade.judgements:
            place.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(place, rubric.write(rubric.blank(grade), spec, lang))
        return MergedForm(grade, place)
    raw = place.read_bytes()
    try:
        form = rubric.read(raw, str(place), grade, spec)
    except UsageError as error:
        return MergedForm(grade, place, problem=error)
    found = rubric.unrecorded(form, grade, datetime.now(UTC))
    if found:
        # The form first: when the run is killed after it, the next run merges again.
        write_atomically(place, rubric.appended(raw, found, lang))
    history = sorted([*form.history, *found], key=lambda one: one.when)
    result = rubric.merged(grade, spec, history)
    if result != grade:
        write_atomically(path, to_json(result))
    return MergedForm(result, place, changed=result != grade)


def set_points(
    path: Path, spec: LessonSpec, lang: Lang, points: dict[str, float], why: str, by: str
) -> None:
    """Write points of some criteria into the rubric form of the grade at `path`. The form must
    exist already.

    Raises UsageError, and leaves the form unchanged, when the points are not valid.
    """
    grade, place = read_grade(path), beside(path, "rubric")
    assert grade is not None  # merge_form has read it
    form = rubric.read(place.read_bytes(), str(place), grade, spec)
    form = rubric.with_points(form, grade, points, why, by, datetime.now(UTC))
    raw = rubric.write(form, spec, lang)
    rubric.read(raw, str(place), grade, spec)
    write_atomically(place, raw)


class Deadlines:
    """The deductions of a class; none when it has no course.toml."""

    def __init__(self, spec: LessonSpec, record: ClassRecord | None) -> None:
        self._spec = spec
        self._known = record is not None and bool(record.given.course)
        self._lines: dict[str, list[Deduction]] = {}
        self.unknown: list[str] = []
        """Names in course.toml that nobody in the class has."""
        if record is not None and record.given.course:
            path = Path(record.given.course)
            course = course_file.load(path)
            self._lines = deadlines.deductions(course, path.parent, spec, record)
            self.unknown = deadlines.unknown(course, record)

    def apply(self, path: Path) -> Grade | None:
        """Update the grade at `path`. Returns the new grade, or None when nothing changed."""
        grade = read_grade(path)
        if grade is None or not (self._known or grade.deductions):
            return None
        lines = self._lines.get(grade.submission.name, [])
        result = scoring.taken_off(grade, self._spec, lines)
        if result == grade:
            return None
        write_atomically(path, to_json(result))
        return result
