"""Hints in steps, from a direction to the line to type, each shown when a student asks for it.

A failed check carries its hints, the first of which is shown with it. Those for work that is
refused before any check are `rejected_hints` of lesson.toml.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from grader.grading.project import keep, kept
from grader.lesson.grades import Grade, Status
from grader.lesson.spec import LessonSpec
from grader.text import Text

FILE = "hints.json"
REJECTED = "rejected"
"""Name of the steps for a refused submission, which has no checks."""


@dataclass(frozen=True)
class Hints:
    """The steps for everything that failed in one grade, and how many of each are shown."""

    steps: Mapping[str, Sequence[Text]]
    shown: Mapping[str, int]

    def of(self, name: str) -> Sequence[Text]:
        """The steps of a check that have been shown."""
        return self.steps.get(name, ())[: self.shown.get(name, 0)]

    def left(self, name: str) -> int:
        """How many steps of a check have not been shown."""
        return len(self.steps.get(name, ())) - len(self.of(name))

    @property
    def next(self) -> str | None:
        """The first failed check that has a step left."""
        return next((name for name in self.steps if self.left(name)), None)


def hints(grade: Grade, spec: LessonSpec, project: Path | None) -> Hints:
    """The hints for what failed; outside a project none has been shown yet."""
    steps: dict[str, Sequence[Text]] = {}
    if grade.status is Status.GRADED:
        steps = {one.name: one.further_hints for one in grade.checks if one.further_hints}
    elif grade.status is Status.REJECTED and spec.rejected_hints:
        steps = {REJECTED: spec.rejected_hints}
    shown: dict[str, int] = {}
    if project is not None:
        with contextlib.suppress(OSError, msgspec.MsgspecError, UnicodeDecodeError):
            raw = kept(project, FILE).read_bytes()
            shown = msgspec.json.decode(raw, type=dict[str, int])
    return Hints(steps, {name: max(count, 0) for name, count in shown.items()})


def reveal(found: Hints, project: Path) -> Hints:
    """The hints with one more step shown, for the first check that has one left. Raises OSError."""
    if (name := found.next) is None:
        return found
    shown = {**found.shown, name: len(found.of(name)) + 1}
    keep(project, FILE, msgspec.json.encode(shown))
    return Hints(found.steps, shown)
