"""Which of two grades comes first: one order for the terminal and for the class page."""

from __future__ import annotations

from grader import formula
from grader.errors import SpecError
from grader.grades import Grade, Status
from grader.lesson import LessonSpec

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
