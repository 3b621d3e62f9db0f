"""What a batch has to do, and what an earlier run already did."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from grader import grading
from grader import lesson as lessons
from grader.batch.results import grade_path, read_grade
from grader.grades import Grade, Status
from grader.grading import Examination
from grader.intake import Candidate
from grader.lesson import LessonSpec


@dataclass
class Plan:
    """Submissions to grade, and the grades of those that still hold."""

    todo: list[Candidate] = field(default_factory=list)
    done: list[Grade] = field(default_factory=list)


def plan(examination: Examination, submissions: Iterable[Candidate], out: Path) -> Plan:
    """Split submissions into those to grade and those whose grade in `out` still holds."""
    spec = lessons.load(examination.lesson).spec
    result = Plan()
    for candidate in submissions:
        old = read_grade(grade_path(out, candidate.name))
        if old is not None and _holds(old, examination, candidate, spec):
            result.done.append(old)
        else:
            result.todo.append(candidate)
    return result


def _holds(old: Grade, examination: Examination, candidate: Candidate, spec: LessonSpec) -> bool:
    if old.status is Status.GRADER_FAULT or old.provenance != examination.provenance:
        return False
    try:
        return old.submission == grading.identify(candidate.path, candidate.name, spec)
    except OSError:  # unreadable: grading it says so, and costs the others nothing
        return False
