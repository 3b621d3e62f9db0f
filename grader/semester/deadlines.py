"""Deductions for lateness: deadlines, extensions, and a budget of free days across lessons.

A late day begins when the deadline, and then every 24 hours after it, has passed by more than the
grace; it counts as a whole day. Free days are spent as early as possible, on the lessons in the
order of their deadlines, so that later lessons change no earlier grade. A team has the latest
deadline of its members, and spends as many free days of each member as the member with the fewest
has left.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from grader.lesson.grades import Deduction
from grader.lesson.spec import LessonSpec
from grader.semester import handed_in
from grader.semester.course_file import Course, Extension
from grader.semester.handed_in import ClassRecord, Submission
from grader.semester.roster import Student, folded
from grader.text import EMPTY, Text, join, verbatim

DAY_SECONDS = 86_400.0
LATE = Text("Deadline")
REPORT = Text("Taken off by a person")


@dataclass(frozen=True)
class Due:
    """When a submission was due."""

    deadline: datetime
    """Including the extension."""
    extension: Extension | None = None


@dataclass(frozen=True)
class Lateness:
    """How late a submission is, and how much of it free days cover."""

    due: Due
    hours: float
    """Hours after the deadline; at most 0 when in time."""
    days: int
    free: int
    left: int
    """Free days of the course's budget that remain afterwards."""


def deductions(
    course: Course, folder: Path, spec: LessonSpec, record: ClassRecord
) -> dict[str, list[Deduction]]:
    """The deductions of each submission by its name, the one for lateness first.

    `folder` is that of course.toml; paths of other lessons' grades are relative to it."""
    people = {one.id: one for one in record.students}
    late = lateness(course, folder, spec.name, record)
    formula = course.penalty(spec)
    found: dict[str, list[Deduction]] = {}
    for one in record.submissions:
        lines = []
        if course.deadline(spec.name) is not None:
            lines.append(_for_lateness(course, one, late.get(one.name), formula))
        members = [people[identity] for identity in one.students]
        lines += [
            Deduction(
                name="report",
                title=REPORT,
                formula=repr(manual.points),
                why=verbatim(manual.why) if manual.why else EMPTY,
            )
            for manual in course.deductions
            if manual.lesson == spec.name and _is_one_of(manual.student, members, one)
        ]
        found[one.name] = lines
    return found


def unknown(course: Course, record: ClassRecord) -> list[str]:
    """Names in course.toml that nobody in the class has, such as misspelled ones."""
    named = [
        *((one.student, one.lesson or record.lesson) for one in course.extensions),
        *((one.student, one.lesson) for one in course.deductions),
    ]
    known = {folded(one.name) for one in record.submissions}
    return [
        name
        for name in dict.fromkeys(name for name, lesson in named if lesson == record.lesson)
        if not _is_one_of(name, record.students, None) and folded(name) not in known
    ]


def lateness(course: Course, folder: Path, lesson: str, record: ClassRecord) -> dict[str, Lateness]:
    """The lateness of each submission of a lesson whose time is known, by its name."""
    spent: dict[str, int] = defaultdict(int)
    result: dict[str, Lateness] = {}
    for name, earlier in _records_until(course, folder, lesson, record):
        people = {one.id: one for one in earlier.students}
        result = {}
        for one in earlier.submissions:
            members = [people[identity] for identity in one.students]
            due = due_of(course, name, members, one)
            if one.submitted is None or due is None:
                continue
            keys = [folded(member.id) for member in members]
            left = max(course.late.free_days - max((spent[key] for key in keys), default=0), 0)
            seconds = (one.submitted - due.deadline).total_seconds()
            beyond = seconds - 60 * course.late.grace_minutes
            days = math.ceil(beyond / DAY_SECONDS) if beyond > 0 else 0
            most = course.late.free_days_per_lesson
            free = min(days, left, days if most is None else most)
            result[one.name] = Lateness(due, seconds / 3600, days, free, left - free)
            for key in keys:
                spent[key] += free
    return result


def due_of(
    course: Course, lesson: str, members: list[Student], submission: Submission | None = None
) -> Due | None:
    """The latest deadline of the members; None for a lesson without a deadline."""
    deadline = course.deadline(lesson)
    if deadline is None:
        return None
    best = Due(deadline)
    for one in course.extensions:
        if one.lesson in ("", lesson) and _is_one_of(one.student, members, submission):
            until = deadline + timedelta(days=one.days or 0.0)
            if one.until is not None:
                until = course.moment(one.until)
            if until > best.deadline:
                best = Due(until, one)
    return best


def _records_until(
    course: Course, folder: Path, lesson: str, record: ClassRecord
) -> Iterator[tuple[str, ClassRecord]]:
    """The records of lessons with earlier deadlines, as far as they are known, and of this one."""
    own = course.deadline(lesson)
    if own is None:
        return
    order = sorted((due, name) for name in course.lessons if (due := course.deadline(name)))
    for due, name in order:
        if (due, name) >= (own, lesson):
            break
        graded = course.lessons[name].graded
        earlier = handed_in.read(folder / graded) if graded else None
        if earlier is not None and earlier.lesson == name:
            yield name, earlier
    yield lesson, record


def _is_one_of(name: str, members: list[Student], submission: Submission | None) -> bool:
    """Whether course.toml's `name` is one of the members, or the submission."""
    wanted = folded(name)
    return any(
        wanted in {folded(value) for value in (one.id, one.name, one.email, one.login) if value}
        for one in members
    ) or (submission is not None and wanted == folded(submission.name))


def _for_lateness(
    course: Course, one: Submission, late: Lateness | None, formula: str
) -> Deduction:
    """The deduction for lateness; it has no formula when nothing is taken off."""
    if late is None:
        why = Text("The time of handing in is not known; nothing is taken off.")
        if one.late:
            why = Text(
                "The LMS marked it as late, but the time of handing in is not known, so nothing "
                "is taken off; give grader batch --times."
            )
        return Deduction(name="late", title=LATE, formula="", why=why)
    counted = late.days - late.free
    hours = max(late.hours - 24 * late.free, 0.0) if counted else 0.0
    return Deduction(
        name="late",
        title=LATE,
        formula=formula if counted else "",
        values={"days_late": float(counted), "hours_late": round(hours, 6)},
        why=_why(course, one, late, formula),
    )


def _why(course: Course, one: Submission, late: Lateness, formula: str) -> Text:
    """When the submission was due and handed in, and how many late days count."""
    assert one.submitted is not None
    when, due = (time.astimezone(course.zone) for time in (one.submitted, late.due.deadline))
    said = [Text("Handed in {when} ({time}), due {due}", when=when, time=one.time, due=due)]
    granted = late.due.extension
    if granted is not None:
        why = f": {granted.why}" if granted.why else ""
        said.append(Text(" with an extension{why}", why=why))
    if not late.days:
        said.append(Text(": within the grace.") if late.hours > 0 else Text(": in time."))
        return join("", said)
    counted = late.days - late.free
    said.append(Text(". Days late: {days}", days=late.days))
    if course.late.free_days:
        said.append(
            Text(
                ", of them free: {free} (left: {left}), counted: {counted}",
                free=late.free,
                left=late.left,
                counted=counted,
            )
        )
    if counted and not formula:
        said.append(Text("; the course takes nothing off for it"))
    return join("", [*said, "."])
