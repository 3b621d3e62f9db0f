"""The class page: outcomes, checks, leaderboard and distributions of a whole class."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import msgspec

from grader.lesson import scoring
from grader.lesson.grades import Check, Grade, Status
from grader.lesson.spec import LessonSpec
from grader.report import leaderboard, numbers, render
from grader.report.charts import tradeoffs
from grader.report.charts.bars import histogram
from grader.report.charts.drawing import Plot
from grader.report.labels import GRADED, NOT_SUBMITTED, OUTCOMES, Labels, outcome
from grader.report.leaderboard import Entry
from grader.text import Text, from_json, verbatim

MOST_CHECKS = 200
"""Checks of a class that are listed; a lesson has a few dozen."""
MOST_NAMED = 12
"""Submissions that are named for one reason; the leaderboard has all of them."""
MOST_REASONS = 150
FILE = "handed_in.json"
"""The record that `grader batch` keeps of who handed in what."""


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
        """The share of those asked that failed, 0 to 1."""
        return self.failed / self.asked


@dataclass(frozen=True)
class Ending:
    """Submissions that were not graded for one and the same reason."""

    outcome: str
    reason: Text
    entries: Sequence[Entry]


class _Student(msgspec.Struct, frozen=True):
    id: str
    name: str = ""


class _HandedIn(msgspec.Struct, frozen=True):
    """The fields of FILE that are used here."""

    students: list[_Student] = []
    missing: list[str] = []
    """Ids of students."""


def page(
    entries: Sequence[Entry],
    spec: LessonSpec,
    labels: Labels,
    warnings: Sequence[str] = (),
    similar: str = "",
    absent: Sequence[str] = (),
) -> str:
    """The class page as one HTML document.

    `similar` is the address of the page of similar pairs, `absent` are the names of students
    without a submission.
    """
    entries = sorted(entries, key=lambda entry: scoring.rank_key(entry.grade, spec))
    grades = [entry.grade for entry in entries]
    graded = [grade for grade in grades if grade.status is Status.GRADED]
    scores = [grade.score for grade in graded]
    columns = numbers.columns(spec, labels)
    tally = Counter(outcome(grade) for grade in grades)
    tally[NOT_SUBMITTED] = len(absent)
    asked = questions(grades)
    places = {one.name: at for at, one in enumerate(asked)}
    board = leaderboard.leaderboard(entries, columns, places, labels, absent)
    heads = [*map(labels, ("rank", "name", "outcome", "score")), *(one.title for one in columns)]
    fronts = _fronts(entries, graded, spec, labels)
    return render.page(
        "class.html.j2",
        labels,
        spec=spec,
        lesson_title=spec.title.to(labels.lang),
        similar=similar,
        total=len(grades),
        graded=len(graded),
        past_gate=sum(scoring.group(grade) == scoring.PASSED for grade in grades),
        median_score=numbers.points(median(scores), labels.lang) if scores else numbers.NONE,
        best_score=numbers.points(max(scores), labels.lang) if scores else numbers.NONE,
        tally=[(kind, tally[kind]) for kind in OUTCOMES if tally[kind]],
        kinds=OUTCOMES,
        questions=asked,
        board=board,
        heads=heads,
        widths=leaderboard.widths(board, heads, labels) if board.cut else [],
        data=leaderboard.data(board, [front.places for front in fronts if front.crowded]),
        pareto=[front.plot for front in fronts],
        crowded=any(front.crowded for front in fronts),
        histograms=_histograms(grades, columns, spec, labels),
        endings=(found := endings(entries))[:MOST_REASONS],
        endings_left=len(found[MOST_REASONS:]),
        most_named=MOST_NAMED,
        warnings=[*warnings, *_concerns(grades, tally, labels)],
    )


def questions(grades: Iterable[Grade]) -> list[Question]:
    """The checks of all graded submissions, the most failed first."""
    found: dict[str, list[Check]] = {}
    for grade in grades:
        if grade.status is Status.GRADED:
            for check in {one.name: one for one in grade.checks}.values():
                found.setdefault(check.name, []).append(check)
    counted = [_question(checks) for checks in found.values()]
    # Sorting is stable: checks that equally many failed stay in the lesson's order.
    return sorted(counted, key=lambda one: (-one.failed, -one.share))[:MOST_CHECKS]


def endings(entries: Iterable[Entry]) -> list[Ending]:
    """Submissions that were not graded, grouped by reason; the most frequent reason first."""
    found: dict[tuple[str, Text], list[Entry]] = defaultdict(list)
    for entry in entries:
        if entry.grade.status is not Status.GRADED:
            found[entry.grade.status.value, entry.grade.reason].append(entry)
    groups = [Ending(kind, reason, group) for (kind, reason), group in found.items()]
    return sorted(groups, key=lambda group: -len(group.entries))


def absent(out: Path) -> list[str]:
    """Names of students without a submission in roster order; empty without a record in `out`."""
    try:
        found = from_json((out / FILE).read_bytes(), _HandedIn)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return []
    names = {one.id: one.name or one.id for one in found.students}
    return [names.get(one, one) for one in found.missing]


def _question(checks: Sequence[Check]) -> Question:
    first = checks[0]
    return Question(
        name=first.name,
        title=first.title or verbatim(first.name),
        hidden=first.visibility == "hidden",
        asked=len(checks),
        failed=sum(not one.passed for one in checks),
        points=sum(one.points for one in checks) / len(checks),
        max_points=max(one.max_points for one in checks),
    )


def _fronts(
    entries: Sequence[Entry], graded: Sequence[Grade], spec: LessonSpec, labels: Labels
) -> list[tradeoffs.Front]:
    found = []
    for backdrop in tradeoffs.backdrops(spec, graded, labels) if graded else ():
        dots = [
            None
            if entry.grade.status is not Status.GRADED
            or (at := tradeoffs.place(entry.grade, backdrop.x, backdrop.y)) is None
            else tradeoffs.Dot(
                at,
                entry.grade.submission.name,
                scoring.group(entry.grade) == scoring.PASSED,
                entry.href,
            )
            for entry in entries
        ]
        if any(dots):
            found.append(tradeoffs.pareto(backdrop, dots, graded[0], labels))
    return found


def _histograms(
    grades: Sequence[Grade], columns: Sequence[numbers.Metric], spec: LessonSpec, labels: Labels
) -> list[Plot]:
    graded = [grade for grade in grades if grade.status is Status.GRADED]
    score = numbers.Metric("score", labels("score"), labels.lang)
    scores = [grade.score for grade in graded]
    found = [histogram(score, scores, labels, most=spec.max_score)]
    for column in columns:
        values = [value for grade in graded if (value := grade.value(column.name)) is not None]
        bases = [one.value for grade in graded if (one := grade.baseline.get(column.name))]
        found.append(histogram(column, values, labels, baseline=bases[0] if bases else None))
    time = numbers.Metric("seconds", labels("p_seconds"), labels.lang, labels.unit("s"), "{:.3g}")
    taken = [grade.seconds for grade in grades if grade.seconds > 0]
    found.append(histogram(time, taken, labels))
    return [plot for plot in found if plot is not None]


def _concerns(grades: Sequence[Grade], tally: Counter[str], labels: Labels) -> list[str]:
    concerns = []
    if pending := sum(bool(grade.pending) for grade in grades):
        total = sum(tally[kind] for kind in GRADED)
        concerns.append(labels("w_pending", n=pending, total=total))
    origins = {grade.provenance for grade in grades if grade.status is Status.GRADED}
    if len(origins) > 1:
        concerns.append(labels("w_mixed", n=len(origins)))
    if tally["grader_fault"]:
        concerns.append(labels("w_faults", n=tally["grader_fault"]))
    return concerns
