"""What a person gave for the lesson's rubric, as a student's report shows it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC

from grader import rubric
from grader.grades import Grade, Judged, Status
from grader.lesson import Criterion, LessonSpec
from grader.report import numbers
from grader.report.words import Words


@dataclass(frozen=True)
class Line:
    """One criterion, or one earlier judgement of it."""

    title: str
    asks: str
    points: str
    max_points: str
    share: float
    why: str
    signed: str
    """Who and when; empty while it waits."""
    note: str = ""


@dataclass(frozen=True)
class RubricView:
    says: str
    lines: list[Line]
    earlier: list[Line]


def view(grade: Grade, spec: LessonSpec, words: Words) -> RubricView | None:
    """The rubric of a graded submission; None where the lesson has none."""
    if not spec.rubric or grade.status is not Status.GRADED:
        return None
    given = rubric.current(grade.judgements)
    judged = [one for one in spec.rubric if one.name in given]
    points = grade.value(rubric.RUBRIC) or 0.0
    old = {one.name for one in rubric.outdated(grade, spec)}
    lines = []
    for criterion in spec.rubric:
        note = words("rubric_outdated") if criterion.name in old else ""
        lines.append(_line(criterion, given.get(criterion.name), words, note))
    known = {one.name: one for one in spec.rubric}
    earlier = [
        _line(known[one.criterion], one, words)
        for one in sorted(grade.judgements, key=lambda one: one.when, reverse=True)
        if one.criterion in known and one is not given.get(one.criterion)
    ]
    says = words(
        "rubric_says",
        judged=len(judged),
        total=len(spec.rubric),
        points=numbers.points(points),
        max=numbers.points(sum(one.max_points for one in spec.rubric)),
    )
    return RubricView(says, lines, earlier)


def _line(criterion: Criterion, one: Judged | None, words: Words, note: str = "") -> Line:
    points = None if one is None else one.points
    taken_back = one is not None and points is None
    return Line(
        title=criterion.title.to(words.lang),
        asks=criterion.asks.to(words.lang),
        points=numbers.NONE if points is None else numbers.points(points),
        max_points=numbers.points(criterion.max_points),
        share=100 * (points or 0.0) / criterion.max_points,
        why=words("rubric_waits") if one is None else one.why,
        signed="" if one is None else f"{one.by}, {one.when.astimezone(UTC):%Y-%m-%d %H:%M} UTC",
        note=words("rubric_taken_back") if taken_back else note,
    )
