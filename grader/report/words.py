"""The words of the pages: `words.toml` holds each in English and in Russian."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import msgspec

from grader.lesson.grades import Axis, Grade, Status
from grader.text import Lang, Text


class Catalogue(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `words.toml` holds."""

    page: dict[str, Text]
    units: dict[str, Text]
    """Units of measurements that are written differently in the two languages."""


class Words:
    """The words of one language: `words("median")`, `words("of", n=3, total=7)`."""

    def __init__(self, lang: Lang) -> None:
        self.lang = lang

    def __call__(self, key: str, **values: object) -> str:
        """Raises KeyError for a key or a placeholder that `words.toml` does not have."""
        return catalogue().page[key].to(self.lang).format(**values)

    def unit(self, unit: str) -> str:
        """A measurement's unit in this language; unknown ones as they are."""
        known = catalogue().units.get(unit)
        return unit if known is None else known.to(self.lang)


def labelled(axis: Axis, words: Words) -> str:
    """An axis as it is labelled: what it shows, and its unit."""
    label = axis.label.to(words.lang)
    return f"{label}, {words.unit(axis.unit)}" if axis.unit else label


@cache
def catalogue() -> Catalogue:
    """`words.toml`, read once."""
    raw = (Path(__file__).parent / "words.toml").read_bytes()
    return msgspec.toml.decode(raw, type=Catalogue)


# How a submission ended, in one word, and what those words are.


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
