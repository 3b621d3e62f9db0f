"""Points that come off a score after measuring.

They are worked out again, and nothing is measured, when a deadline, an extension or a person's
points change.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from grader.lesson import formula
from grader.lesson.grades import Deduction, Grade, Status
from grader.lesson.spec import LessonSpec
from grader.text.errors import SpecError


def taken_off(grade: Grade, spec: LessonSpec, deductions: Iterable[Deduction]) -> Grade:
    """The grade with these deductions in place of those that it has.

    Each takes what its formula gives, in their order, and never more than is left. Raises
    SpecError for a formula that cannot be worked out."""
    before = spec.total(grade.terms) if grade.status is Status.GRADED else 0.0
    left, done = before, []
    for one in deductions:
        values = one.values | {"score": before, "max_score": grade.max_score}
        wanted = formula.evaluate(one.formula, values) if one.formula else 0.0
        points = min(max(wanted, 0.0), left)
        left -= points
        done.append(msgspec.structs.replace(one, points=points))
    score = left if grade.status is Status.GRADED else grade.score
    return msgspec.structs.replace(grade, deductions=done, score=score)


def again(grade: Grade, spec: LessonSpec) -> Grade:
    """The grade with its own deductions worked out on its present terms."""
    return taken_off(grade, spec, grade.deductions)


# Which of two grades comes first: one order for the terminal and for the class page.


PASSED, BELOW, UNGRADED = 0, 1, 2


def group(grade: Grade) -> int:
    """PASSED the gate, graded but BELOW it, or UNGRADED."""
    if grade.status is not Status.GRADED:
        return UNGRADED
    return BELOW if grade.gate is not None and not grade.gate.passed else PASSED


def rank_value(grade: Grade, spec: LessonSpec) -> float | None:
    """`rank_by` of one grade, or None when it lacks a measurement."""
    values = {name: one.value for name, one in grade.measurements.items()}
    try:
        return formula.evaluate(spec.report.rank_by, values)
    except SpecError:
        return None


def rank_key(grade: Grade, spec: LessonSpec) -> tuple[int, float, float, str, str]:
    """Sorts past the gate first, then the other graded ones, both by the lesson's `rank_by`
    downwards; then the rest by name."""
    worth = rank_value(grade, spec)
    where = group(grade)
    by = (-worth if worth is not None else float("inf")) if where < UNGRADED else 0.0
    return where, by, -grade.score, grade.submission.name, grade.submission.fingerprint
