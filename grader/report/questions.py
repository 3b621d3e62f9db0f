"""Statistics by check: which one most of a class fails, and what it costs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from grader.grades import Check, Grade, Status
from grader.text import Text

MOST = 200
"""Checks of a class; a lesson has a few dozen."""


@dataclass(frozen=True)
class Question:
    """One check over a class."""

    name: str
    title: Text
    hidden: bool
    asked: int
    """Graded submissions that have it."""
    failed: int
    points: float
    """Mean points of those that have it."""
    max_points: float

    @property
    def share(self) -> float:
        """Part of those asked that failed, 0 to 1."""
        return self.failed / self.asked


def questions(grades: Iterable[Grade]) -> list[Question]:
    """The checks of all graded submissions, the one that most failed first."""
    found: dict[str, list[Check]] = {}
    for grade in grades:
        if grade.status is Status.GRADED:
            for check in {one.name: one for one in grade.checks}.values():
                found.setdefault(check.name, []).append(check)
    counted = [_question(checks) for checks in found.values()]
    # In the lesson's order where equally many failed: sorting keeps it.
    return sorted(counted, key=lambda one: (-one.failed, -one.share))[:MOST]


def _question(checks: Sequence[Check]) -> Question:
    first = checks[0]
    return Question(
        name=first.name,
        title=first.title if first.title.en else Text(en=first.name, ru=first.name),
        hidden=first.visibility == "hidden",
        asked=len(checks),
        failed=sum(not one.passed for one in checks),
        points=sum(one.points for one in checks) / len(checks),
        max_points=max(one.max_points for one in checks),
    )
