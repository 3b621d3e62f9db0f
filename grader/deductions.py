"""Points that come off a score after measuring.

They are worked out again, and nothing is measured, when a deadline, an extension or a person's
points change.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from grader import formula
from grader.grades import Deduction, Grade, Status
from grader.lesson import LessonSpec


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
