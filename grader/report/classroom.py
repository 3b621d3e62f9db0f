"""The class page: how everybody did, in order, and what became of the rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import msgspec

from grader.lesson import scoring
from grader.lesson.grades import Check, Grade, Status
from grader.lesson.spec import LessonSpec
from grader.report import boards, metrics, render
from grader.report.charts import numbers, tradeoffs
from grader.report.charts.bars import histogram
from grader.report.charts.parts import Plot
from grader.report.words import GRADED, NOT_SUBMITTED, OUTCOMES, Entry, Words, endings, outcome
from grader.text import Text

# Statistics by check: which one most of a class fails, and what it costs.


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


MOST_NAMED = 12
"""Submissions that are named beside one reason; the leaderboard has them all."""
MOST_REASONS = 150


def ordered(entries: Sequence[Entry], spec: LessonSpec) -> list[Entry]:
    """Past the gate first, then the other graded ones, both by the lesson's `rank_by`
    downwards; then the rest by name."""

    return sorted(entries, key=lambda entry: scoring.rank_key(entry.grade, spec))


def page(
    entries: Sequence[Entry],
    spec: LessonSpec,
    words: Words,
    warnings: Sequence[str] = (),
    similar: str = "",
    absent: Sequence[str] = (),
) -> str:
    """The class page as one HTML document. `similar` leads to the page of similar pairs, `absent`
    are the names of those who handed in nothing."""
    entries = ordered(entries, spec)
    grades = [entry.grade for entry in entries]
    graded = [grade for grade in grades if grade.status is Status.GRADED]
    columns = metrics.columns(spec, words)
    tally = Counter(outcome(grade) for grade in grades)
    tally[NOT_SUBMITTED] = len(absent)
    asked = questions(grades)
    places = {one.name: at for at, one in enumerate(asked)}
    board = boards.board(entries, columns, places, words, absent)
    heads = [*map(words, ("rank", "name", "outcome", "score")), *(one.title for one in columns)]
    fronts = _fronts(entries, graded, spec, words)
    return render.page(
        "class.html.j2",
        words,
        spec=spec,
        lesson_title=spec.title.to(words.lang),
        similar=similar,
        total=len(grades),
        graded=len(graded),
        past_gate=sum(scoring.group(grade) == scoring.PASSED for grade in grades),
        scores=_scores(graded),
        tally=[(kind, tally[kind]) for kind in OUTCOMES if tally[kind]],
        kinds=OUTCOMES,
        questions=asked,
        board=board,
        heads=heads,
        widths=boards.widths(board, heads, words) if board.cut else [],
        data=boards.data(board, [front.places for front in fronts if front.crowded]),
        pareto=[front.plot for front in fronts],
        crowded=any(front.crowded for front in fronts),
        histograms=_histograms(grades, columns, spec, words),
        endings=(found := endings(entries))[:MOST_REASONS],
        endings_left=len(found[MOST_REASONS:]),
        most_named=MOST_NAMED,
        warnings=[*warnings, *_concerns(grades, tally, words)],
    )


def _scores(graded: Sequence[Grade]) -> tuple[str, str]:
    """Median and best score, as they are shown."""
    if not graded:
        return numbers.NONE, numbers.NONE
    scores = [grade.score for grade in graded]
    return numbers.points(median(scores)), numbers.points(max(scores))


def _fronts(
    entries: Sequence[Entry], graded: Sequence[Grade], spec: LessonSpec, words: Words
) -> list[tradeoffs.Front]:
    found = []
    for backdrop in tradeoffs.backdrops(spec, graded, words) if graded else ():
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
            found.append(tradeoffs.pareto(backdrop, dots, graded[0], words))
    return found


def _histograms(
    grades: Sequence[Grade], columns: Sequence[metrics.Metric], spec: LessonSpec, words: Words
) -> list[Plot]:
    graded = [grade for grade in grades if grade.status is Status.GRADED]
    score = metrics.Metric("score", words("score"))
    scores = [grade.score for grade in graded]
    found = [histogram(score, scores, words, most=spec.max_score)]
    for column in columns:
        values = [value for grade in graded if (value := grade.value(column.name)) is not None]
        bases = [one.value for grade in graded if (one := grade.baseline.get(column.name))]
        found.append(histogram(column, values, words, baseline=bases[0] if bases else None))
    time = metrics.Metric("seconds", words("p_seconds"), words.unit("s"), "{:.3g}")
    taken = [grade.seconds for grade in grades if grade.seconds > 0]
    found.append(histogram(time, taken, words))
    return [plot for plot in found if plot is not None]


def _concerns(grades: Sequence[Grade], tally: Counter[str], words: Words) -> list[str]:
    concerns = []
    pending = sum(bool(grade.pending) for grade in grades)
    if pending:
        graded = sum(tally[kind] for kind in GRADED)
        concerns.append(words("w_pending", n=pending, total=graded))
    origins = {grade.provenance for grade in grades if grade.status is Status.GRADED}
    if len(origins) > 1:
        concerns.append(words("w_mixed", n=len(origins)))
    if tally["grader_fault"]:
        concerns.append(words("w_faults", n=tally["grader_fault"]))
    return concerns


# Who of a class handed in nothing, from the batch's record of what was handed in.


FILE = "handed_in.json"


class _Student(msgspec.Struct, frozen=True):
    id: str
    name: str = ""


class _HandedIn(msgspec.Struct, frozen=True):
    """The part of the record that is needed here."""

    students: list[_Student] = []
    missing: list[str] = []
    """Ids of students."""


def absent(out: Path) -> list[str]:
    """Names of those without a submission, in the order of the roster; none without a record."""
    try:
        found = msgspec.json.decode((out / FILE).read_bytes(), type=_HandedIn)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return []
    names = {one.id: one.name or one.id for one in found.students}
    return [names.get(one, one) for one in found.missing]
