"""What lateness takes off: deadlines, extensions, and a budget of free days spent across lessons.

A day late is begun when the deadline, and then every 24 hours after it, is past by more than the
grace; then it counts whole. Free days are spent at once, on the lessons in the order of their
deadlines, so that what happens later changes no earlier grade. A team has the latest deadline that
one of its members has, and spends a free day of every member: as many as the member with the
fewest has left.
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
from grader.semester import handed_in as records
from grader.semester.course_file import Course, Extension
from grader.semester.handed_in import HandedIn, Submission
from grader.semester.roster import Student, folded
from grader.text import EMPTY, Text

DAY = 86_400.0
LATE = Text(en="Deadline", ru="Срок сдачи")
REPORT = Text(en="Taken off by a person", ru="Снято преподавателем")


@dataclass(frozen=True)
class Due:
    """When a submission was due."""

    deadline: datetime
    """With the extension."""
    extension: Extension | None = None


@dataclass(frozen=True)
class Lateness:
    """How late a submission is, and what of it is free."""

    due: Due
    hours: float
    """After the deadline; not above 0 in time."""
    days: int
    free: int
    left: int
    """Free days of the course's budget that remain afterwards."""


def deductions(
    course: Course, place: Path, spec: LessonSpec, handed_in: HandedIn
) -> dict[str, list[Deduction]]:
    """What comes off each submission, by its name, the time of handing in first.

    `place` is the folder of course.toml, which names those of other lessons from there."""
    people = {one.id: one for one in handed_in.students}
    late = lateness(course, place, spec.name, handed_in)
    formula = course.penalty(spec)
    found: dict[str, list[Deduction]] = {}
    for one in handed_in.submissions:
        lines = []
        if course.deadline(spec.name) is not None:
            lines.append(_line(course, one, late.get(one.name), formula))
        members = [people[identity] for identity in one.students]
        lines += [
            Deduction(name="report", title=REPORT, formula=repr(fault.points), why=_same(fault.why))
            for fault in course.deductions
            if fault.lesson == spec.name and _is_one_of(fault.student, members, one)
        ]
        found[one.name] = lines
    return found


def unknown(course: Course, handed_in: HandedIn) -> list[str]:
    """Names in course.toml that nobody in the class has: a slip would cost somebody points."""
    people = handed_in.students
    named = [
        *((one.student, one.lesson or handed_in.lesson) for one in course.extensions),
        *((one.student, one.lesson) for one in course.deductions),
    ]
    known = {folded(one.name) for one in handed_in.submissions}
    return [
        name
        for name in dict.fromkeys(name for name, lesson in named if lesson == handed_in.lesson)
        if not _is_one_of(name, people, None) and folded(name) not in known
    ]


def lateness(course: Course, place: Path, lesson: str, handed_in: HandedIn) -> dict[str, Lateness]:
    """How late each submission of a lesson is whose time is known."""
    spent: dict[str, int] = defaultdict(int)
    result: dict[str, Lateness] = {}
    for name, record in _until(course, place, lesson, handed_in):
        people = {one.id: one for one in record.students}
        result = {}
        for one in record.submissions:
            if one.submitted is None:
                continue
            members = [people[identity] for identity in one.students]
            due = due_of(course, name, members, one)
            if due is None:
                continue
            found = _late(course, due, one.submitted, _left(course, spent, members))
            result[one.name] = found
            for member in members:
                spent[_key(member)] += found.free
    return result


def due_of(
    course: Course, lesson: str, members: list[Student], submission: Submission | None = None
) -> Due | None:
    """The latest deadline that one of the members has; None for a lesson without."""
    deadline = course.deadline(lesson)
    if deadline is None:
        return None
    best = Due(deadline)
    for one in course.extensions:
        if one.lesson in ("", lesson) and _is_one_of(one.student, members, submission):
            until = (
                course.moment(one.until)
                if one.until is not None
                else deadline + timedelta(days=one.days or 0.0)
            )
            if until > best.deadline:
                best = Due(until, one)
    return best


def _until(
    course: Course, place: Path, lesson: str, handed_in: HandedIn
) -> Iterator[tuple[str, HandedIn]]:
    """This lesson, after those with an earlier deadline whose submissions are known."""
    own = course.deadline(lesson)
    if own is None:
        return
    order = sorted((due, name) for name in course.lessons if (due := course.deadline(name)))
    for due, name in order:
        if (due, name) >= (own, lesson):
            break
        folder = course.lessons[name].graded
        record = records.read(place / folder) if folder else None
        if record is not None and record.lesson == name:
            yield name, record
    yield lesson, handed_in


def _late(course: Course, due: Due, submitted: datetime, left: int) -> Lateness:
    seconds = (submitted - due.deadline).total_seconds()
    beyond = seconds - 60 * course.late.grace_minutes
    days = math.ceil(beyond / DAY) if beyond > 0 else 0
    most = course.late.free_days_per_lesson
    free = min(days, left, days if most is None else most)
    return Lateness(due, seconds / 3600, days, free, left - free)


def _left(course: Course, spent: dict[str, int], members: list[Student]) -> int:
    return max(course.late.free_days - max((spent[_key(one)] for one in members), default=0), 0)


def _key(student: Student) -> str:
    return folded(student.id)


def _is_one_of(name: str, members: list[Student], submission: Submission | None) -> bool:
    wanted = folded(name)
    return any(
        wanted in {folded(value) for value in (one.id, one.name, one.email, one.login) if value}
        for one in members
    ) or (submission is not None and wanted == folded(submission.name))


# A line of the report -----------------------------------------------------------------------


def _line(course: Course, one: Submission, late: Lateness | None, formula: str) -> Deduction:
    if late is None:
        return Deduction(name="late", title=LATE, formula="", why=_unknown(one))
    counted = late.days - late.free
    hours = max(late.hours - 24 * late.free, 0.0) if counted else 0.0
    return Deduction(
        name="late",
        title=LATE,
        formula=formula if counted else "",
        values={"days_late": float(counted), "hours_late": round(hours, 6)},
        why=_why(course, one, late, formula),
    )


def _unknown(one: Submission) -> Text:
    if one.late:
        return Text(
            en="The LMS marked it as late, but the time of handing in is not known, so nothing is "
            "taken off; give grader batch --times.",
            ru="Система обучения пометила работу как опоздавшую, но время сдачи неизвестно, "
            "поэтому ничего не снято; укажите для grader batch --times.",
        )
    return Text(
        en="The time of handing in is not known; nothing is taken off.",
        ru="Время сдачи неизвестно; ничего не снято.",
    )


def _why(course: Course, one: Submission, late: Lateness, formula: str) -> Text:
    """When it was due and handed in, and what became of the days between."""
    assert one.submitted is not None
    zone = course.zone
    when, due = (_shown(time.astimezone(zone)) for time in (one.submitted, late.due.deadline))
    en = f"Handed in {when} ({one.time.en}), due {due}"
    ru = f"Сдано {when} ({one.time.ru}), срок {due}"
    granted = late.due.extension
    if granted is not None:
        why = f": {granted.why}" if granted.why else ""
        en, ru = f"{en} with an extension{why}", f"{ru} с продлением{why}"
    if not late.days:
        grace = late.hours > 0
        return Text(
            en=f"{en}: {'within the grace' if grace else 'in time'}.",
            ru=f"{ru}: {'в пределах допуска' if grace else 'вовремя'}.",
        )
    counted = late.days - late.free
    en, ru = f"{en}. Days late: {late.days}", f"{ru}. Дней опоздания: {late.days}"
    if course.late.free_days:
        en += f", of them free: {late.free} (left: {late.left}), counted: {counted}"
        ru += f", из них бесплатных: {late.free} (осталось: {late.left}), засчитано: {counted}"
    if counted and not formula:
        en += "; the course takes nothing off for it"
        ru += "; за это в курсе ничего не снимается"
    return Text(en=f"{en}.", ru=f"{ru}.")


def _shown(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M} {time.tzname()}"


def _same(text: str) -> Text:
    return Text(en=text, ru=text) if text else EMPTY
