"""A person's points: criteria of the lesson, a form in TOML, and the grade they are merged into.

A form has a section for each criterion, which a person fills in, and below it a history, which only
grows: who gave how many points for what, when and why. Only the history counts; what the sections
say is recorded in it first. A grade carries a copy of the history.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

import msgspec

from grader.lesson import scoring
from grader.lesson.grades import Grade, Judgment, Measurement, Status
from grader.lesson.spec import RUBRIC, Criterion, LessonSpec
from grader.text import Lang, Text, verbatim
from grader.text.errors import UsageError
from grader.text.untrusted import quoted

SCHEMA = 1
_HEAD = Text(
    "# A person's points. Fill in by, points and why, save, and run `grader rubric` again:\n# it "
    "checks this file and merges the points into the grade. Without points it waits.\n"
)
_BELOW = Text("# Kept by `grader rubric`, which only adds to it.\n")


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a form says about one criterion now."""

    points: float | None = None
    """None until it is judged."""
    why: str = ""


class Form(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A submission's form, as its TOML file holds it."""

    schema: int
    lesson: str
    name: str
    """Name of the submission."""
    by: str = ""
    """Who judges."""
    criteria: dict[str, Entry] = {}
    history: list[Judgment] = []


def current(history: Iterable[Judgment]) -> dict[str, Judgment]:
    """The latest judgment of each criterion, unless it was taken back."""
    return {name: one for name, one in _latest(history).items() if one.points is not None}


def measured(spec: LessonSpec, history: Iterable[Judgment]) -> dict[str, Measurement]:
    """The sum of a person's points as the measurement `rubric`; empty for a lesson without one."""
    if not spec.rubric:
        return {}
    given = _given(spec, history)
    how = Text(
        "points of a person, for {given_count} of {rubric_count} criteria so far",
        given_count=len(given),
        rubric_count=len(spec.rubric),
    )
    return {RUBRIC: Measurement(sum(given.values()), "", how)}


def pending(
    spec: LessonSpec, values: Mapping[str, float], history: Iterable[Judgment], *, gate_passed: bool
) -> float:
    """Points that the score would gain if every open criterion got all of its points."""
    given = _given(spec, history)
    open_points = sum(one.max_points for one in spec.rubric if one.name not in given)
    if not open_points:
        return 0.0
    most = dict(values) | {RUBRIC: sum(given.values()) + open_points}
    now = spec.total(spec.score(values, gate_passed=gate_passed))
    return max(spec.total(spec.score(most, gate_passed=gate_passed)) - now, 0.0)


def merged(grade: Grade, spec: LessonSpec, history: Sequence[Judgment]) -> Grade:
    """The grade with the points of `history` in it; one that was not graded stays as it is."""
    if grade.status is not Status.GRADED or not spec.rubric:
        return grade
    measurements = grade.measurements | measured(spec, history)
    values = {name: one.value for name, one in measurements.items()}
    passed = grade.gate is None or grade.gate.passed
    terms = spec.score(values, gate_passed=passed)
    judged = msgspec.structs.replace(
        grade,
        measurements=measurements,
        terms=terms,
        pending=pending(spec, values, history, gate_passed=passed),
        judgements=list(history),
    )
    return scoring.taken_off(judged, spec, grade.deductions)


def waiting(grade: Grade, spec: LessonSpec) -> list[Criterion]:
    """The criteria that nobody has judged yet."""
    given = current(grade.judgements)
    return [one for one in spec.rubric if one.name not in given]


def outdated(grade: Grade, spec: LessonSpec) -> list[Criterion]:
    """The criteria that were judged before the submission changed; their points count."""
    given = current(grade.judgements)
    now = grade.submission.fingerprint
    return [one for one in spec.rubric if one.name in given and given[one.name].submission != now]


def blank(grade: Grade) -> Form:
    """A form for a submission that nobody has judged, or whose form was lost."""
    last = current(grade.judgements)
    return Form(
        schema=SCHEMA,
        lesson=grade.lesson,
        name=grade.submission.name,
        by=max(last.values(), key=lambda one: one.when).by if last else "",
        criteria={name: Entry(one.points, one.why) for name, one in last.items()},
        history=list(grade.judgements),
    )


def read(raw: bytes, where: str, grade: Grade, spec: LessonSpec) -> Form:
    """The form in the bytes of the file `where`. Raises UsageError with a sentence when it is no
    form for this submission, or says something that cannot be counted."""
    try:
        form = msgspec.toml.decode(raw.decode("utf-8-sig"), type=Form)
    except UnicodeDecodeError as error:
        problem = Text("it is not UTF-8 text")
        raise _wrong(where, problem) from error
    except msgspec.DecodeError as error:
        raise _wrong(where, verbatim(str(error))) from error
    if (found := _problem(form, grade, spec)) is not None:
        raise _wrong(where, found)
    return form


def with_points(
    form: Form, grade: Grade, points: Mapping[str, float], why: str, by: str, when: datetime
) -> Form:
    """The form with the points of some criteria set and recorded, changed or not."""
    entries = {name: Entry(value, why) for name, value in points.items()}
    when = _after(form.history, when)
    recorded = [
        Judgment(
            criterion=name,
            points=value,
            why=why,
            by=by,
            when=when,
            submission=grade.submission.fingerprint,
        )
        for name, value in points.items()
    ]
    return msgspec.structs.replace(
        form, by=by, criteria=form.criteria | entries, history=[*form.history, *recorded]
    )


def unrecorded(form: Form, grade: Grade, when: datetime) -> list[Judgment]:
    """Judgments that are missing in the form's history: first those that only the grade has, then
    what the form's sections say and the history does not."""
    lost = [one for one in grade.judgements if one not in form.history]
    last = _latest([*lost, *form.history])
    when = _after([*lost, *form.history], when)
    found = list(lost)
    for name in [*form.criteria, *(name for name in last if name not in form.criteria)]:
        entry, before = form.criteria.get(name, Entry()), last.get(name)
        known = (None, "") if before is None else (before.points, before.why)
        if entry.points != known[0] or (entry.points is not None and entry.why != known[1]):
            found.append(
                Judgment(
                    criterion=name,
                    points=entry.points,
                    why=entry.why,
                    by=form.by.strip() or "—",
                    when=when,
                    submission=grade.submission.fingerprint,
                )
            )
    return found


def write(form: Form, spec: LessonSpec, lang: Lang) -> bytes:
    """The form as TOML, with the questions as comments."""
    parts = [
        _HEAD.to(lang),
        f"schema = {form.schema}\nlesson = {_text(form.lesson)}\nname = {_text(form.name)}\n"
        f"by = {_text(form.by)}\n",
    ]
    for one in spec.rubric:
        entry = form.criteria.get(one.name, Entry())
        title, most = one.title.to(lang), f"0…{one.max_points:g}"
        points = "# points =" if entry.points is None else f"points = {_number(entry.points)}"
        parts.append(
            f"\n# {title} ({most}). {one.asks.to(lang)}\n"
            f"[criteria.{one.name}]\n{points}\nwhy = {_text(entry.why)}\n"
        )
    return appended("".join(parts).encode(), form.history, lang)


def appended(raw: bytes, history: Sequence[Judgment], lang: Lang) -> bytes:
    """The text `raw` of a form with more history below it; what a person wrote stays byte for byte.

    That is why no TOML library writes it: tomlkit puts a new key behind the next section's comment.
    """
    lines = [] if b"[[history]]" in raw or not history else [f"\n{_BELOW.to(lang)}"]
    for one in history:
        points = "" if one.points is None else f"points = {_number(one.points)}\n"
        lines.append(
            f"\n[[history]]\ncriterion = {_text(one.criterion)}\n{points}why = {_text(one.why)}\n"
            f"by = {_text(one.by)}\nwhen = {one.when.isoformat()}\n"
            f"submission = {_text(one.submission)}\n"
        )
    end = b"" if raw.endswith(b"\n") or not lines else b"\n"
    return raw + end + "".join(lines).encode()


def _latest(history: Iterable[Judgment]) -> dict[str, Judgment]:
    return {one.criterion: one for one in sorted(history, key=lambda one: one.when)}


def _after(history: Iterable[Judgment], now: datetime) -> datetime:
    """`now`, or just after the history where a clock that was ahead wrote it."""
    return max([now, *(one.when + timedelta(microseconds=1) for one in history)])


def _given(spec: LessonSpec, history: Iterable[Judgment]) -> dict[str, float]:
    last = current(history)
    return {
        one.name: min(last[one.name].points or 0.0, one.max_points)
        for one in spec.rubric
        if one.name in last
    }


def _problem(form: Form, grade: Grade, spec: LessonSpec) -> Text | None:
    """The first thing in a form that cannot be counted."""
    if form.schema != SCHEMA:
        return Text(
            "schema is {schema}, this grader reads schema {schema2}",
            schema=form.schema,
            schema2=SCHEMA,
        )
    name, lesson = quoted(form.name), quoted(form.lesson)
    if (form.lesson, form.name) != (grade.lesson, grade.submission.name):
        ours = quoted(grade.submission.name)
        return Text(
            "it is for {name} in {lesson}, not for {ours} in {grade_lesson}",
            name=name,
            lesson=lesson,
            ours=ours,
            grade_lesson=grade.lesson,
        )
    for one in form.history:
        if one.points is not None and not 0 <= one.points < math.inf:
            name = quoted(one.criterion)
            return Text(
                "points of {name} in the history are {points:g}", name=name, points=one.points
            )
    known = {one.name: one.max_points for one in spec.rubric}
    for name, entry in form.criteria.items():
        if name not in known:
            names = ", ".join(known)
            return Text(
                "there is no criterion {name}; the criteria are {names}",
                name=quoted(name),
                names=names,
            )
        if entry.points is None:
            continue
        if not 0 <= entry.points <= known[name]:
            return Text(
                "points of {name} are {points:g}, not from 0 to {known:g}",
                name=name,
                points=entry.points,
                known=known[name],
            )
        if not entry.why.strip():
            return Text("{name} has points, but why is empty; say why in a few words", name=name)
        if not form.by.strip():
            return Text("there are points, but by is empty; write who judges")
    return None


def _wrong(where: str, why: Text) -> UsageError:
    return UsageError(
        "{where}: {why}. Correct the file and run the command again; nothing in it was merged.",
        where=where,
        why=why,
    )


def _number(points: float) -> str:
    return f"{points:g}" if points == float(f"{points:g}") else repr(points)


def _text(text: str) -> str:
    """A TOML string; several lines stay several lines."""
    if "\n" not in text:
        return _escaped(text)
    lines = [_escaped(line)[1:-1] for line in text.split("\n")]
    return '"""\n' + "\n".join(lines) + '"""'


def _escaped(line: str) -> str:
    # JSON's escapes are TOML's, but for DEL, which TOML does not take as it is.
    return json.dumps(line, ensure_ascii=False).replace("\x7f", "\\u007f")
