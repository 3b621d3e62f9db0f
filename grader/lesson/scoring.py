"""What follows from measured grades: points that come off a score, and the order of a class.

Deductions are computed again, without measuring, when a deadline, an extension or a person's
points change.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from grader.lesson import formula
from grader.lesson.grades import Deduction, Grade, Status
from grader.lesson.spec import LessonSpec
from grader.text.errors import SpecError

PASSED, BELOW, UNGRADED = 0, 1, 2
"""Groups of a leaderboard, in their order."""


def taken_off(grade: Grade, spec: LessonSpec, deductions: Iterable[Deduction]) -> Grade:
    """The grade with these deductions in place of its own.

    Each takes what its formula gives, in their order, and never more than is left. Raises
    SpecError for a formula that cannot be evaluated.
    """
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


def group(grade: Grade) -> int:
    """PASSED where the gate was passed or there is none, BELOW it, or UNGRADED."""
    if grade.status is not Status.GRADED:
        return UNGRADED
    return BELOW if grade.gate is not None and not grade.gate.passed else PASSED


def rank_value(grade: Grade, spec: LessonSpec) -> float | None:
    """The lesson's `rank_by` for one grade, or None when a measurement is missing."""
    values = {name: one.value for name, one in grade.measurements.items()}
    try:
        return formula.evaluate(spec.report.rank_by, values)
    except SpecError:
        return None


def rank_key(grade: Grade, spec: LessonSpec) -> tuple[int, float, float, str, str]:
    """Sort key of a class, on the terminal and on its page: by group, then by `rank_by` from the
    highest; grades without a score by name."""
    value, where = rank_value(grade, spec), group(grade)
    by = (-value if value is not None else float("inf")) if where < UNGRADED else 0.0
    return where, by, -grade.score, grade.submission.name, grade.submission.fingerprint
