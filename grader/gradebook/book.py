"""The grades of one or more batches as a table: a row for each student, a reason for each cell."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from grader.batch.results import beside, first_grade, grade_files, grade_path, read_grade
from grader.lesson import loading
from grader.lesson.formula import names
from grader.lesson.grades import Grade, Status
from grader.lesson.spec import LessonSpec
from grader.semester import handed_in
from grader.semester.course_file import Course
from grader.semester.deadlines import due_of
from grader.semester.handed_in import ClassRecord, Submission
from grader.semester.roster import Directory, Student
from grader.text import EMPTY, Lang, Text, join, verbatim

Value = str | float | None
NOT_SUBMITTED = "not_submitted"
UNREADABLE = "unreadable"


@dataclass(frozen=True)
class Cell:
    value: Value
    why: Text
    """Where the value comes from."""


@dataclass(frozen=True)
class Row:
    student: Student
    cells: list[Cell]


@dataclass(frozen=True)
class Book:
    columns: list[str]
    rows: list[Row]


@dataclass(frozen=True)
class Export:
    """A file for an LMS or a person."""

    raw: bytes
    rows: int
    """Number of students with a grade in it."""
    unmatched: list[str] = field(default_factory=list)
    """Names of students of the class who are not in it."""
    strangers: list[str] = field(default_factory=list)
    """Names in the LMS's own export that are not in the class; their rows stay as they are."""


@dataclass(frozen=True)
class Result:
    """What one student has in one lesson."""

    student: Student
    submission: Submission | None = None
    grade: Grade | None = None

    @property
    def status(self) -> str:
        if self.submission is None:
            return NOT_SUBMITTED
        return self.grade.status.value if self.grade else UNREADABLE

    @property
    def score(self) -> float | None:
        """None when it is not known: a fault of the grader is not a zero."""
        if self.submission is None:
            return 0.0
        if self.grade is None or self.grade.status is Status.GRADER_FAULT:
            return None
        return self.grade.score


@dataclass(frozen=True)
class Graded:
    """A graded folder."""

    out: Path
    spec: LessonSpec
    record: ClassRecord
    grades: dict[str, Grade]
    course: Course | None = None

    @cached_property
    def results(self) -> dict[str, Result]:
        """The result of every student, by id."""
        by_student = {identity: one for one in self.record.submissions for identity in one.students}
        found = {}
        for student in self.record.students:
            one = by_student.get(student.id)
            found[student.id] = Result(student, one, self.grades.get(one.name) if one else None)
        return found

    @cached_property
    def _directory(self) -> Directory:
        return Directory(self.record.students)

    def report(self, submission: Submission) -> Path:
        """The path of the submission's page."""
        return beside(grade_path(self.out, submission.name), "reports")

    def find(self, row: Student, number: str, lms: str) -> Result | None:
        """The result of the student that a row of an LMS's export is about; None for somebody who
        is not in the class. `number` is the student's in the LMS."""
        student = self._directory.find("", number, lms)
        for word in (row.id, row.sis, row.email, row.login, row.name):
            student = student or (self._directory.find(word, "", lms) if word else None)
        return self.results[student.id] if student else None

    def scaled(self, result: Result, most: str, missing: str) -> float | None:
        """The score in a scale of which `most` is the maximum, by default the lesson's. None where
        the cell stays empty: for an unknown score, and for no submission if `missing` is blank."""
        if result.score is None or (result.submission is None and missing == "blank"):
            return None
        try:
            scale = float(most.replace(",", ".")) / self.spec.max_score
        except ValueError:
            scale = 1.0
        return result.score * scale if scale > 0 else result.score


def load(out: Path, course: Course | None = None) -> Graded:
    """The graded class in `out`. Raises UsageError when there is none."""
    lesson = first_grade(out).lesson
    grades = [grade for path in grade_files(out) if (grade := read_grade(path)) is not None]
    by_name = {one.submission.name: one for one in grades}
    return Graded(out, loading.load(lesson).spec, handed_in.required(out), by_name, course)


def everyone(classes: Sequence[Graded]) -> dict[str, Student]:
    """All students of the classes by id, as a roster describes them if one does."""
    people = [one for graded in classes for one in graded.record.students]
    return {one.id: one for one in people} | {one.id: one for one in people if one.listed}


def build(classes: Sequence[Graded], lang: Lang) -> Book:
    """The table, with the lessons of a student side by side."""
    columns = ["id", "name", "email", "section", "team"]
    several = len(classes) > 1
    for graded in classes:
        heads = [
            "status", *(term.name for term in graded.spec.terms), "taken_off", "score",
            "max_score", "waiting", "handed_in", "days_late", "submission", "why",
        ]  # fmt: skip
        columns += [f"{graded.spec.name} {head}" if several else head for head in heads]
    if several:
        columns += ["total", "total max_score"]
    ordered = sorted(
        everyone(classes).values(), key=lambda one: (not one.listed, one.section, one.name, one.id)
    )
    return Book(columns, [Row(one, _cells(one, classes, lang)) for one in ordered])


def number(value: float) -> str:
    """Points as text with at most four decimals, without trailing zeros."""
    if not math.isfinite(value):
        return ""
    shown = f"{value:.4f}".rstrip("0").rstrip(".")
    return "0" if shown == "-0" else shown


def _cells(student: Student, classes: Sequence[Graded], lang: Lang) -> list[Cell]:
    source = Text("from the roster")
    if not student.listed:
        source = Text("not in the roster; as the download says")
    unknown = Text("not known")
    cells = [
        Cell(value, source if value else unknown)
        for value in (student.id, student.name, student.email, student.section, student.team)
    ]
    scores, most = [], []
    for graded in classes:
        result = graded.results.get(student.id, Result(student))
        cells += _lesson_cells(graded, result, lang)
        scores.append((graded.spec.name, result.score))
        most.append((graded.spec.name, graded.spec.max_score))
    if len(classes) > 1:
        cells += [_sum(scores), _sum(most)]
    return cells


def _lesson_cells(graded: Graded, result: Result, lang: Lang) -> list[Cell]:
    grade = result.grade
    points = {term.name: term for term in grade.terms} if grade else {}
    state = status_why(graded, result)
    cells = [Cell(result.status, state)]
    for spec in graded.spec.terms:
        if grade is None or (term := points.get(spec.name)) is None:
            cells.append(Cell(None, state))
        else:
            shown = Text(
                "{formula} ({values})", formula=term.formula, values=_values(term.formula, grade)
            )
            cells.append(Cell(term.points, shown))
    off = waiting = Cell(None, state)
    if grade is not None:
        why = Text("no deadline is set, nothing is taken off")
        if grade.deductions:
            why = join(
                " ",
                (Text("{title}: {why}", title=one.title, why=one.why) for one in grade.deductions),
            )
        off = Cell(sum(one.points for one in grade.deductions), why)
        waiting = Cell(grade.pending, _waiting(grade))
    total = score_why(graded, result)
    return [
        *cells,
        off,
        Cell(result.score, total),
        Cell(graded.spec.max_score, Text("of the lesson")),
        waiting,
        *_times(graded, result),
        Cell(result.submission.name if result.submission else None, _version(result)),
        Cell(total.to(lang), Text("how the score came about")),
    ]


def status_why(graded: Graded, result: Result) -> Text:
    """The reason for a student's status."""
    if result.submission is None:
        due = due_of(graded.course, graded.spec.name, [result.student]) if graded.course else None
        if due is None:
            return Text("nothing of this student is in the download")
        return Text("nothing of this student is in the download (due {due})", due=due.deadline)
    if result.grade is None:
        return Text("the grade's file is damaged; run grader batch again")
    if result.grade.status is not Status.GRADED:
        return result.grade.reason
    if result.grade.gate is not None and not result.grade.gate.passed:
        return Text("graded, below the gate")
    return Text("graded")


def score_why(graded: Graded, result: Result) -> Text:
    """The parts of a score, what may still change it, and which version it is of."""
    grade = result.grade
    state = status_why(graded, result)
    if result.submission is None:
        return Text("0: {state}", state=state)
    if grade is None or result.score is None:
        return state
    if grade.status is Status.GRADED:
        parts = [_sum_of_parts(grade, graded.spec)]
    else:
        most, status = number(grade.max_score), grade.status.value
        parts = [Text("0 of {most} ({status}): {state}", most=most, status=status, state=state)]
    if grade.pending:
        parts.append(_waiting(grade))
    parts.append(_version(result))
    return join("; ", parts)


def _sum_of_parts(grade: Grade, spec: LessonSpec) -> Text:
    terms = " + ".join(f"{number(one.points)} ({one.name})" for one in grade.terms)
    before = grade.score + sum(one.points for one in grade.deductions)
    bounded = abs(before - sum(one.points for one in grade.terms)) > 1e-9
    limit = EMPTY
    if bounded:
        limit = Text(", bounded to 0…{most}", most=number(spec.max_score))
    off = [
        Text(" − {points} ({why})", points=number(one.points), why=one.why)
        for one in grade.deductions
    ]
    return Text(
        "{terms}{limit}{off} = {total} of {most}",
        terms=terms,
        limit=limit,
        off=join("", off),
        total=number(grade.score),
        most=number(grade.max_score),
    )


def _waiting(grade: Grade) -> Text:
    if not grade.pending:
        return Text("nothing waits for a person")
    return Text("a person may still add up to {number}", number=number(grade.pending))


def _times(graded: Graded, result: Result) -> list[Cell]:
    one, grade = result.submission, result.grade
    if one is None:
        return [Cell(None, status_why(graded, result))] * 2
    late = next((x for x in grade.deductions if x.name == "late"), None) if grade else None
    days = late.values.get("days_late") if late else None
    zone = graded.course.zone if graded.course else None
    shown = one.submitted.astimezone(zone).isoformat(timespec="seconds") if one.submitted else None
    why = late.why if late else Text("no deadline is set")
    return [Cell(shown, one.time), Cell(days, why)]


def _version(result: Result) -> Text:
    one = result.submission
    if one is None:
        return Text("nothing was handed in")
    counted = next((version for version in one.versions if version.counts), None)
    if counted is None:
        return verbatim(one.name)
    files = ", ".join(counted.files[:3]) + (", …" if len(counted.files) > 3 else "")
    team = Text(", handed in by the team {team}", team=one.team) if one.team else EMPTY
    return Text(
        "graded: {files} (of versions: {more}; {why}{team})",
        files=files,
        more=len(one.versions),
        why=counted.why,
        team=team,
    )


def _sum(parts: Sequence[tuple[str, float | None]]) -> Cell:
    shown = join(
        " + ",
        (
            Text("? ({name})", name=name)
            if value is None
            else Text("{value:.6g} ({name})", value=value, name=name)
            for name, value in parts
        ),
    )
    return Cell(sum(value or 0.0 for _, value in parts), shown)


def _values(formula: str, grade: Grade) -> Text:
    """The measurements in a formula with their values."""
    found = [
        Text("{name} = {value:.6g}", name=name, value=grade.measurements[name].value)
        for name in sorted(names(formula) & grade.measurements.keys())
    ]
    if grade.gate is not None and not grade.gate.passed:
        found.append(Text("gate missed"))
    return join("; ", found)
