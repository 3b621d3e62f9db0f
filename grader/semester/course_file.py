"""`course.toml`: deadlines, extensions, the budget of free late days, and the late penalty.

```toml
schema = 1
timezone = "Europe/Moscow"

[late]
free_days = 4                    # of each student, for the whole course
free_days_per_lesson = 2
grace_minutes = 15
penalty = "0.1 * max_score * days_late"

[lessons.distillation]
deadline = 2026-03-01T23:59:00
graded = "graded/distillation"   # the OUT of grader batch: free days are spent across lessons
teams = false                    # everybody alone, although the roster names teams

[[extensions]]
student = "s17"
lesson = "distillation"
days = 3                         # or: until = 2026-03-09T23:59:00
why = "illness"

[[deductions]]
student = "s17"
lesson = "streaming_kws"
points = 0.5
why = "the report is missing"
```
"""

from __future__ import annotations

import math
import zoneinfo
from datetime import datetime, tzinfo
from pathlib import Path

import msgspec

from grader.lesson import formula
from grader.lesson.spec import LATE_VALUES, LessonSpec
from grader.text import from_toml
from grader.text.errors import SpecError, UsageError

SCHEMA = 1


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    pass


class Late(_Strict, frozen=True, kw_only=True):
    """Settings for every lesson."""

    free_days: int = 0
    """Late days that cost nothing, of each student for the whole course."""
    free_days_per_lesson: int | None = None
    grace_minutes: float = 0.0
    penalty: str = ""
    """Formula of the points taken off, in `days_late`, `hours_late`, `score` and `max_score`."""


class LessonDates(_Strict, frozen=True, kw_only=True):
    """Settings for one lesson."""

    deadline: datetime | None = None
    penalty: str = ""
    graded: str = ""
    """Folder of its grades, relative to course.toml."""
    teams: bool = True
    """False when everybody hands in alone, although the roster names teams."""


class Extension(_Strict, frozen=True, kw_only=True):
    """More time for one student, in one lesson or, without `lesson`, in all."""

    student: str
    lesson: str = ""
    days: float | None = None
    until: datetime | None = None
    why: str = ""


class ManualDeduction(_Strict, frozen=True, kw_only=True):
    """Points that a person takes off."""

    student: str
    lesson: str
    points: float
    why: str


class Course(_Strict, frozen=True, kw_only=True):
    """The contents of course.toml."""

    schema: int
    timezone: str = "UTC"
    late: Late = Late()
    lessons: dict[str, LessonDates] = {}
    extensions: list[Extension] = []
    deductions: list[ManualDeduction] = []

    @property
    def zone(self) -> tzinfo:
        return zoneinfo.ZoneInfo(self.timezone)

    def moment(self, time: datetime) -> datetime:
        """A time of the file, in the course's zone if it names none."""
        return time if time.tzinfo is not None else time.replace(tzinfo=self.zone)

    def deadline(self, lesson: str) -> datetime | None:
        due = self.lessons.get(lesson, LessonDates()).deadline
        return None if due is None else self.moment(due)

    def works_in_teams(self, lesson: str) -> bool:
        return self.lessons.get(lesson, LessonDates()).teams

    def penalty(self, spec: LessonSpec) -> str:
        """The formula for a lesson: from its section here, its lesson.toml, or [late]."""
        own = self.lessons.get(spec.name, LessonDates()).penalty
        return own or spec.late_penalty or self.late.penalty


def load(path: Path) -> Course:
    """The course at `path`. Raises UsageError that names the file and the wrong key."""
    try:
        course = from_toml(path.read_bytes(), Course)
    except OSError as error:
        raise _wrong(path, error.strerror or str(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _wrong(path, str(error)) from error
    if course.schema != SCHEMA:
        raise _wrong(path, f"schema is {course.schema}, this grader reads schema {SCHEMA}")
    try:
        zoneinfo.ZoneInfo(course.timezone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise _wrong(path, f"timezone {course.timezone!r} is not known") from error
    for one in course.extensions:
        if (one.days is None) == (one.until is None):
            raise _wrong(path, f"the extension of {one.student!r} needs either days or until")
        if one.until is not None and not one.lesson:
            raise _wrong(path, f"the extension of {one.student!r} with until needs a lesson")
        if one.days is not None and not (math.isfinite(one.days) and one.days > 0):
            raise _wrong(path, f"days of the extension of {one.student!r} are not above 0")
    for deduction in course.deductions:
        if not (math.isfinite(deduction.points) and deduction.points >= 0):
            raise _wrong(path, f"points of the deduction of {deduction.student!r} are below 0")
    if course.late.free_days < 0 or (course.late.free_days_per_lesson or 0) < 0:
        raise _wrong(path, "free days are below 0")
    for name, expression in [
        ("late", course.late.penalty),
        *((f"lessons.{name}", dates.penalty) for name, dates in course.lessons.items()),
    ]:
        if not expression:
            continue
        try:
            unknown = formula.names(expression) - LATE_VALUES
            if unknown:
                known = ", ".join(sorted(LATE_VALUES))
                raise SpecError(
                    "{unknown} is not known; there are {known}",
                    unknown=", ".join(sorted(unknown)),
                    known=known,
                )
            formula.evaluate(expression, dict.fromkeys(LATE_VALUES, 1.0))
        except SpecError as error:
            raise _wrong(path, f"{name}.penalty: {error}") from error
    return course


def _wrong(path: Path, why: str) -> UsageError:
    return UsageError(
        "{path}: {why}. Correct the file and run the command again.", path=path, why=why
    )
