"""One or more graded folders as a table with a row for each student, every cell with its reason."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from grader.batch.pages import grade_files
from grader.batch.results import grade_path, read_grade, report_path
from grader.lesson import loading
from grader.lesson.grades import Grade, Status
from grader.lesson.spec import LessonSpec
from grader.semester import handed_in
from grader.semester.course_file import Course
from grader.semester.deadlines import due_of
from grader.semester.handed_in import HandedIn, Submission
from grader.semester.roster import Student
from grader.text import Lang, Text
from grader.text.errors import UsageError
from grader.text.untrusted import one_line

# What is written into a cell of a table that a spreadsheet will open.
#
# Spreadsheets take a cell that begins with = + - @, a tab or a line end for a formula, also in a
# CSV file and behind a separator (OWASP, CSV Injection). Such text gets an apostrophe in front, as
# people type it there to mean text; numbers of ours stay numbers.


_TRIGGERS = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%", "＝", "＋", "－", "＠")
MAX_TEXT = 32_000
"""Excel holds 32,767 characters in a cell."""
Value = str | float | None


def safe(text: str) -> str:
    """`text` on one line, and nothing that a spreadsheet would calculate."""
    return guarded(one_line(text)[:MAX_TEXT])


def guarded(text: str) -> str:
    """`text` as it is, but for an apostrophe where a spreadsheet would calculate."""
    begins = text.lstrip(" \u00a0'\"")
    harmless = len(text.strip()) <= 1 or _is_number(text)  # Moodle writes - for nothing
    return f"'{text}" if begins.startswith(_TRIGGERS) and not harmless else text


def plain(text: str) -> str:
    """What `safe` was given, where that was one line."""
    inner = text[1:]
    return inner if text.startswith("'") and safe(inner) == text else text


def number(value: float) -> str:
    """Points as tables have them: at most four decimals, no zeros behind."""
    if not math.isfinite(value):
        return ""
    shown = f"{value:.4f}".rstrip("0").rstrip(".")
    return "0" if shown == "-0" else shown


def shown(value: Value) -> str:
    """A cell's text."""
    if value is None:
        return ""
    return safe(value) if isinstance(value, str) else number(value)


def to_csv(
    lines: Iterable[Sequence[Value]], *, bom: bool = False, text: Callable[[str], str] = safe
) -> bytes:
    """Lines as CSV (RFC 4180), in UTF-8; Excel knows that by a mark at the beginning."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerows(
        [text(value) if isinstance(value, str) else shown(value) for value in line]
        for line in lines
    )
    return buffer.getvalue().encode("utf-8-sig" if bom else "utf-8", "replace")


def _is_number(text: str) -> bool:
    """True for -1.5 and +3, which are what they look like."""
    body = text[1:] if text[:1] in "+-" else text
    return body.replace(".", "", 1).isascii() and body.replace(".", "", 1).isdigit()


NOT_SUBMITTED = "not_submitted"
UNREADABLE = "unreadable"


@dataclass(frozen=True)
class Cell:
    value: Value
    why: Text


@dataclass(frozen=True)
class Row:
    student: Student
    cells: list[Cell]


@dataclass(frozen=True)
class Book:
    columns: list[str]
    rows: list[Row]


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
        """None where there is no telling: a fault of ours costs no points."""
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
    record: HandedIn
    grades: dict[str, Grade]
    course: Course | None = None

    @cached_property
    def results(self) -> dict[str, Result]:
        """Of every student, by id."""
        by_student = {identity: one for one in self.record.submissions for identity in one.students}
        return {
            student.id: self._result(student, by_student.get(student.id))
            for student in self.record.students
        }

    def _result(self, student: Student, one: Submission | None) -> Result:
        return Result(student, one, self.grades.get(one.name) if one else None)

    def report(self, submission: Submission) -> Path:
        """Where the student's page lies."""
        return report_path(grade_path(self.out, submission.name))


def load(out: Path, course: Course | None = None) -> Graded:
    """The folder `out`. Raises UsageError when it holds no graded class."""
    grades = [grade for path in grade_files(out) if (grade := read_grade(path)) is not None]
    if not grades:
        raise UsageError(
            Text(
                en=f"{out} holds no grades; expected {out / 'grades'} with JSON files.",
                ru=f"В {out} нет оценок; ожидалась папка {out / 'grades'} с файлами JSON.",
            )
        )
    record = handed_in.required(out)
    spec = loading.load(grades[0].lesson).spec
    return Graded(out, spec, record, {one.submission.name: one for one in grades}, course)


def build(classes: Sequence[Graded], lang: Lang) -> Book:
    """The table: a student once, with all lessons beside each other."""
    people = {one.id: one for graded in classes for one in graded.record.students}
    for graded in classes:  # the roster's word counts more than a download's
        people |= {one.id: one for one in graded.record.students if one.listed}
    columns = ["id", "name", "email", "section", "team"]
    several = len(classes) > 1
    for graded in classes:
        columns += [f"{graded.spec.name} {head}" if several else head for head in _heads(graded)]
    if several:
        columns += ["total", "total max_score"]
    ordered = sorted(
        people.values(), key=lambda one: (not one.listed, one.section, one.name, one.id)
    )
    return Book(columns, [Row(one, _cells(one, classes, lang)) for one in ordered])


# Cells --------------------------------------------------------------------------------------


def _heads(graded: Graded) -> list[str]:
    terms = [f"{term.name}" for term in graded.spec.terms]
    return ["status", *terms, "taken_off", "score", "max_score", "waiting", "handed_in",
            "days_late", "submission", "why"]  # fmt: skip


def _cells(student: Student, classes: Sequence[Graded], lang: Lang) -> list[Cell]:
    cells = [
        Cell(value, _whence(student, bool(value)))
        for value in (student.id, student.name, student.email, student.section, student.team)
    ]
    scores, most = [], []
    for graded in classes:
        result = graded.results.get(student.id, Result(student))
        cells += _of_lesson(graded, result, lang)
        scores.append((graded.spec.name, result.score))
        most.append((graded.spec.name, graded.spec.max_score))
    if len(classes) > 1:
        cells += [_sum(scores), _sum(most)]
    return cells


def _whence(student: Student, given: bool) -> Text:
    if not given:
        return Text(en="not known", ru="неизвестно")
    if student.listed:
        return Text(en="from the roster", ru="из списка курса")
    return Text(
        en="not in the roster; as the download says", ru="нет в списке курса; так в выгрузке"
    )


def _of_lesson(graded: Graded, result: Result, lang: Lang) -> list[Cell]:
    grade = result.grade
    points = {term.name: term for term in grade.terms} if grade else {}
    state = status_why(graded, result)
    cells = [Cell(result.status, state)]
    for spec in graded.spec.terms:
        term = points.get(spec.name)
        cells.append(
            Cell(None, state)
            if term is None
            else Cell(term.points, _same(f"{term.formula} ({_filled(term.formula, grade)})"))
        )
    total = score_why(graded, result)
    off = sum(one.points for one in grade.deductions) if grade else None
    maximum = Text(en="of the lesson", ru="наибольший балл занятия")
    return [
        *cells,
        Cell(off, _off_why(grade) or state),
        Cell(result.score, total),
        Cell(graded.spec.max_score, maximum),
        Cell(grade.pending if grade else None, _waiting(grade) or state),
        *_when(graded, result),
        Cell(result.submission.name if result.submission else None, _version(result)),
        Cell(total.to(lang), Text(en="how the score came about", ru="из чего сложился балл")),
    ]


def status_why(graded: Graded, result: Result) -> Text:
    """Why a student has this status."""
    if result.submission is None:
        due = due_of(graded.course, graded.spec.name, [result.student]) if graded.course else None
        when = "" if due is None else f" (due {due.deadline:%Y-%m-%d %H:%M %Z})"
        ru_when = "" if due is None else f" (срок {due.deadline:%Y-%m-%d %H:%M %Z})"
        return Text(
            en=f"nothing of this student is in the download{when}",
            ru=f"в выгрузке нет работы этого студента{ru_when}",
        )
    if result.grade is None:
        return Text(
            en="the grade's file is damaged; run grader batch again",
            ru="файл оценки повреждён; повторите grader batch",
        )
    if result.grade.status is not Status.GRADED:
        return result.grade.reason
    if result.grade.gate is not None and not result.grade.gate.passed:
        return Text(en="graded, below the gate", ru="оценено, порог не пройден")
    return Text(en="graded", ru="оценено")


def score_why(graded: Graded, result: Result) -> Text:
    """What a score is made of, which version it is of, and what may still change it."""
    grade = result.grade
    state = status_why(graded, result)
    if result.submission is None:
        return Text(en=f"0: {state.en}", ru=f"0: {state.ru}")
    if grade is None or result.score is None:
        return state
    if grade.status is not Status.GRADED:
        parts = Text(
            en=f"0 of {number(grade.max_score)} ({grade.status.value}): {state.en}",
            ru=f"0 из {number(grade.max_score)} ({grade.status.value}): {state.ru}",
        )
    else:
        parts = _sum_of_parts(grade, graded.spec)
    waits, version = _waiting(grade), _version(result)
    en, ru = [parts.en], [parts.ru]
    if grade.pending and waits:
        en, ru = [*en, waits.en], [*ru, waits.ru]
    return Text(en="; ".join([*en, version.en]), ru="; ".join([*ru, version.ru]))


def _sum_of_parts(grade: Grade, spec: LessonSpec) -> Text:
    terms = " + ".join(f"{number(one.points)} ({one.name})" for one in grade.terms)
    before = grade.score + sum(one.points for one in grade.deductions)
    raw = sum(one.points for one in grade.terms)
    bounded = abs(before - raw) > 1e-9
    limit = f", bounded to 0…{number(spec.max_score)}" if bounded else ""
    ru_limit = f", в пределах 0…{number(spec.max_score)}" if bounded else ""
    off_en = "".join(f" − {number(one.points)} ({one.why.en})" for one in grade.deductions)
    off_ru = "".join(f" − {number(one.points)} ({one.why.ru})" for one in grade.deductions)
    total = number(grade.score)
    return Text(
        en=f"{terms}{limit}{off_en} = {total} of {number(grade.max_score)}",
        ru=f"{terms}{ru_limit}{off_ru} = {total} из {number(grade.max_score)}",
    )


def _off_why(grade: Grade | None) -> Text | None:
    if grade is None:
        return None
    if not grade.deductions:
        return Text(en="no deadline is set, nothing is taken off", ru="срок не задан, вычетов нет")
    return Text(
        en=" ".join(f"{one.title.en}: {one.why.en}" for one in grade.deductions),
        ru=" ".join(f"{one.title.ru}: {one.why.ru}" for one in grade.deductions),
    )


def _waiting(grade: Grade | None) -> Text | None:
    if grade is None:
        return None
    if not grade.pending:
        return Text(en="nothing waits for a person", ru="оценки преподавателя ничего не ждёт")
    return Text(
        en=f"a person may still add up to {number(grade.pending)}",
        ru=f"преподаватель может добавить до {number(grade.pending)}",
    )


def _when(graded: Graded, result: Result) -> list[Cell]:
    one, grade = result.submission, result.grade
    if one is None:
        state = status_why(graded, result)
        return [Cell(None, state), Cell(None, state)]
    late = next((x for x in grade.deductions if x.name == "late"), None) if grade else None
    days = late.values.get("days_late") if late else None
    zone = graded.course.zone if graded.course else None
    shown = one.submitted.astimezone(zone).isoformat(timespec="seconds") if one.submitted else None
    why = late.why if late else Text(en="no deadline is set", ru="срок не задан")
    return [Cell(shown, one.time), Cell(days, why)]


def _version(result: Result) -> Text:
    one = result.submission
    if one is None:
        return Text(en="nothing was handed in", ru="ничего не сдано")
    counted = next((version for version in one.versions if version.counts), None)
    if counted is None:
        return Text(en=one.name, ru=one.name)
    files = ", ".join(counted.files[:3]) + (", …" if len(counted.files) > 3 else "")
    team = f", handed in by the team {one.team}" if one.team else ""
    ru_team = f", сдала команда {one.team}" if one.team else ""
    more = len(one.versions)
    return Text(
        en=f"graded: {files} (of versions: {more}; {counted.why.en}{team})",
        ru=f"оценено: {files} (версий: {more}; {counted.why.ru}{ru_team})",
    )


def _sum(parts: Iterable[tuple[str, float | None]]) -> Cell:
    parts = list(parts)
    shown = " + ".join(
        f"{'?' if value is None else number(value)} ({name})" for name, value in parts
    )
    return Cell(sum(value or 0.0 for _, value in parts), _same(shown))


def _filled(formula: str, grade: Grade | None) -> str:
    """The measurements that a formula names."""
    from grader.lesson.formula import names

    assert grade is not None
    found = [
        f"{name} = {measured.value:.6g}"
        for name in sorted(names(formula))
        if (measured := grade.measurements.get(name)) is not None
    ]
    missed = grade.gate is not None and not grade.gate.passed
    return ", ".join(found) + (", gate missed" if missed else "")


def _same(text: str) -> Text:
    return Text(en=text, ru=text)
