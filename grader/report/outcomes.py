"""How a submission ended, in one word, and what those words are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from grader.grades import Grade, Status
from grader.text import Text

NOT_SUBMITTED = "not_submitted"
"""Of students; a submission has another outcome."""
OUTCOMES = (
    "passed",
    "checks",
    "below",
    *(status.value for status in Status if status is not Status.GRADED),
    NOT_SUBMITTED,
)
"""From best to worst; the first three are graded."""
GRADED = OUTCOMES[:3]


@dataclass(frozen=True)
class Entry:
    """One submission of the class and where its report lies, relative to the class page."""

    grade: Grade
    href: str | None = None


@dataclass(frozen=True)
class Ending:
    """Submissions that were not graded for one and the same reason."""

    outcome: str
    reason: Text
    entries: Sequence[Entry]


def outcome(grade: Grade) -> str:
    """How a submission ended: a status, or for graded ones what came of it."""
    if grade.status is not Status.GRADED:
        return grade.status.value
    if grade.gate is not None and not grade.gate.passed:
        return "below"
    return "passed" if grade.passed else "checks"


def endings(entries: Iterable[Entry]) -> list[Ending]:
    """What was not graded, by its reason; the most frequent reason first, then in the given
    order."""
    found: dict[tuple[str, Text], list[Entry]] = defaultdict(list)
    for entry in entries:
        if entry.grade.status is not Status.GRADED:
            found[entry.grade.status.value, entry.grade.reason].append(entry)
    groups = [Ending(kind, reason, group) for (kind, reason), group in found.items()]
    return sorted(groups, key=lambda group: -len(group.entries))
