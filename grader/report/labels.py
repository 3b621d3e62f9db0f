"""The fixed texts of the pages, read from `labels.toml` and translated by the catalogs."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import msgspec

from grader.lesson.grades import Axis, Grade, Status
from grader.text import Lang, Text, from_toml, in_context

NOT_SUBMITTED = "not_submitted"
"""The outcome of a student without a submission."""
OUTCOMES = (
    "passed",
    "checks",
    "below",
    *(status.value for status in Status if status is not Status.GRADED),
    NOT_SUBMITTED,
)
"""From best to worst; the first three are graded."""
GRADED = OUTCOMES[:3]
UNIT = "unit"
"""The context of units in the catalogs: Russian has another case for them than for titles."""


class Catalogue(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The contents of `labels.toml`."""

    page: dict[str, Text]
    units: dict[str, str]
    """How units of measurement are written in English; translated in the context UNIT."""


class Labels:
    """The texts in one language: `labels("median")`, `labels("of", n=3, total=7)`."""

    def __init__(self, lang: Lang) -> None:
        self.lang = lang

    def __call__(self, key: str, **values: object) -> str:
        """Raises KeyError for a key or a placeholder that `labels.toml` does not have."""
        return catalogue().page[key].filled(**values).to(self.lang)

    def unit(self, unit: str) -> str:
        """A unit of measurement in this language; an unknown unit is returned unchanged."""
        known = catalogue().units.get(unit)
        return unit if known is None else in_context(UNIT, known).to(self.lang)

    def axis(self, axis: Axis) -> str:
        """The label of a figure's axis: what it shows, and its unit."""
        label = axis.label.to(self.lang)
        return f"{label}, {self.unit(axis.unit)}" if axis.unit else label


@cache
def catalogue() -> Catalogue:
    """`labels.toml`, read once."""
    raw = (Path(__file__).parent / "labels.toml").read_bytes()
    return from_toml(raw, Catalogue)


def outcome(grade: Grade) -> str:
    """One of OUTCOMES: the status of a grade, or for a graded submission how well it did."""
    if grade.status is not Status.GRADED:
        return grade.status.value
    if grade.gate is not None and not grade.gate.passed:
        return "below"
    return "passed" if grade.passed else "checks"
