"""The class page: how everybody did, in order, and what became of the rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from grader import ranking
from grader.grades import Grade, Status
from grader.lesson import LessonSpec
from grader.report import metrics, numbers, render, tradeoffs
from grader.report.histograms import histogram
from grader.report.parts import Plot
from grader.report.student import outcome
from grader.report.words import Words

OUTCOMES = (
    "passed",
    "checks",
    "below",
    "rejected",
    "crashed",
    "timed_out",
    "out_of_memory",
    "grader_fault",
)


@dataclass(frozen=True)
class Entry:
    """One submission of the class and where its report lies, relative to the class page."""

    grade: Grade
    href: str | None = None


@dataclass(frozen=True)
class Cell:
    text: str
    sort: str
    """The value to sort by, as a number; empty when there is none."""
    note: str = ""


@dataclass(frozen=True)
class Row:
    rank: int | None
    name: str
    href: str | None
    outcome: str
    score: Cell
    cells: list[Cell]


def ordered(entries: Sequence[Entry], spec: LessonSpec) -> list[Entry]:
    """Past the gate first, then the other graded ones, both by the lesson's `rank_by`
    downwards; then the rest by name."""

    return sorted(entries, key=lambda entry: ranking.rank_key(entry.grade, spec))


def page(
    entries: Sequence[Entry], spec: LessonSpec, words: Words, warnings: Sequence[str] = ()
) -> str:
    """The class page as one HTML document."""
    entries = ordered(entries, spec)
    grades = [entry.grade for entry in entries]
    graded = [grade for grade in grades if grade.status is Status.GRADED]
    columns = metrics.columns(spec, words)
    tally = Counter(outcome(grade) for grade in grades)
    return render.page(
        "class.html.j2",
        words,
        spec=spec,
        lesson_title=spec.title.to(words.lang),
        total=len(grades),
        graded=len(graded),
        past_gate=sum(ranking.group(grade) == ranking.PASSED for grade in grades),
        median_score=numbers.points(median(grade.score for grade in graded))
        if graded
        else numbers.NONE,
        best_score=numbers.points(max(grade.score for grade in graded)) if graded else numbers.NONE,
        tally=[(kind, tally[kind]) for kind in OUTCOMES if tally[kind]],
        columns=columns,
        rows=_rows(entries, columns, words),
        pareto=_pareto(entries, graded, spec, words),
        histograms=_histograms(graded, columns, spec, words),
        ungraded=[entry for entry in entries if entry.grade.status is not Status.GRADED],
        warnings=[*warnings, *_concerns(grades, tally, words)],
    )


def _rows(entries: Sequence[Entry], columns: Sequence[metrics.Metric], words: Words) -> list[Row]:
    rows = []
    for index, entry in enumerate(entries):
        grade = entry.grade
        fault = grade.status is Status.GRADER_FAULT
        rows.append(
            Row(
                rank=index + 1 if ranking.group(grade) == ranking.PASSED else None,
                name=grade.submission.name,
                href=entry.href,
                outcome=outcome(grade),
                score=Cell(numbers.NONE, "") if fault else _score(grade, words),
                cells=[
                    _cell(grade.value(column.name), column.show(grade.value(column.name)))
                    for column in columns
                ],
            )
        )
    return rows


def _score(grade: Grade, words: Words) -> Cell:
    """The score so far, and what a person may still add to it."""
    note = ""
    if grade.pending:
        note = words("pending_short", points=numbers.points(grade.pending))
    return Cell(numbers.points(grade.score), repr(float(grade.score)), note)


def _cell(value: float | None, text: str) -> Cell:
    return Cell(text, repr(float(value)) if value is not None and numbers.finite(value) else "")


def _pareto(
    entries: Sequence[Entry], graded: Sequence[Grade], spec: LessonSpec, words: Words
) -> list[Plot]:
    if not graded:
        return []
    found = []
    for backdrop in tradeoffs.backdrops(spec, graded, words):
        dots = [
            tradeoffs.Dot(
                at,
                entry.grade.submission.name,
                ranking.group(entry.grade) == ranking.PASSED,
                entry.href,
            )
            for entry in entries
            if entry.grade.status is Status.GRADED
            and (at := tradeoffs.place(entry.grade, backdrop.x, backdrop.y)) is not None
        ]
        if dots:
            found.append(tradeoffs.pareto(backdrop, dots, graded[0], words))
    return found


def _histograms(
    graded: Sequence[Grade], columns: Sequence[metrics.Metric], spec: LessonSpec, words: Words
) -> list[Plot]:
    score = metrics.Metric("score", words("score"))
    scores = [grade.score for grade in graded]
    found = [histogram(score, scores, words, most=spec.max_score)]
    for column in columns:
        values = [value for grade in graded if (value := grade.value(column.name)) is not None]
        bases = [one.value for grade in graded if (one := grade.baseline.get(column.name))]
        found.append(histogram(column, values, words, baseline=bases[0] if bases else None))
    return [plot for plot in found if plot is not None]


def _concerns(grades: Sequence[Grade], tally: Counter[str], words: Words) -> list[str]:
    concerns = []
    pending = sum(bool(grade.pending) for grade in grades)
    if pending:
        graded = tally.total() - sum(tally[kind] for kind in OUTCOMES[3:])
        concerns.append(words("w_pending", n=pending, total=graded))
    origins = {grade.provenance for grade in grades if grade.status is Status.GRADED}
    if len(origins) > 1:
        concerns.append(words("w_mixed", n=len(origins)))
    if tally["grader_fault"]:
        concerns.append(words("w_faults", n=tally["grader_fault"]))
    return concerns
