"""Hints in steps, from a direction to the line to type, each shown when a student asks for it.

A failed check carries its first hint, made from what was measured. The steps after it are in the
lesson's `hints.toml`: a table for each check, or for several with a shell pattern, and the table
`rejected` for work that is refused before any check:

    [quality_gate]
    steps = ["...", "..."]
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import msgspec

from grader.grading.project import keep, kept
from grader.lesson.grades import Grade, Status
from grader.lesson.loading import Lesson
from grader.lesson.spec import HINTS
from grader.text import Text, from_toml
from grader.text.errors import SpecError

FILE = "hints.json"
REJECTED = "rejected"
"""Name of the steps for a refused submission, which has no checks."""


class Steps(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One table of `hints.toml`."""

    steps: list[Text]


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


def load(lesson: Lesson) -> dict[str, Sequence[Text]]:
    """The lesson's steps by check or pattern. Raises SpecError for a damaged `hints.toml`."""
    path = lesson.folder / HINTS
    if not path.is_file():
        return {}
    try:
        found = from_toml(path.read_bytes(), dict[str, Steps])
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise SpecError("{path}: {error}.", path=path, error=error) from error
    return {name: tuple(one.steps) for name, one in found.items()}


def hints(grade: Grade, lesson: Lesson, project: Path | None) -> Hints:
    """The hints for what failed; outside a project none has been shown yet."""
    known = load(lesson)
    if grade.status is Status.GRADED:
        failed = [check.name for check in grade.checks if not check.passed]
    else:
        failed = [REJECTED] if grade.status is Status.REJECTED else []
    steps = {name: found for name in failed if (found := _steps(known, name))}
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


def _steps(known: Mapping[str, Sequence[Text]], name: str) -> Sequence[Text]:
    if name in known:
        return known[name]
    return next((steps for pattern, steps in known.items() if fnmatchcase(name, pattern)), ())
