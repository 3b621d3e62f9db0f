"""The class page: how everybody did, in order, and what became of the rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from statistics import median

from grader import ranking
from grader.grades import Grade, Status
from grader.lesson import LessonSpec
from grader.report import boards, metrics, numbers, render, tradeoffs
from grader.report.histograms import histogram
from grader.report.outcomes import (
    GRADED,
    NOT_SUBMITTED,
    OUTCOMES,
    Entry,
    endings,
    outcome,
)
from grader.report.parts import Plot
from grader.report.questions import questions
from grader.report.words import Words

MOST_NAMED = 12
"""Submissions that are named beside one reason; the leaderboard has them all."""
MOST_REASONS = 150


def ordered(entries: Sequence[Entry], spec: LessonSpec) -> list[Entry]:
    """Past the gate first, then the other graded ones, both by the lesson's `rank_by`
    downwards; then the rest by name."""

    return sorted(entries, key=lambda entry: ranking.rank_key(entry.grade, spec))


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
        past_gate=sum(ranking.group(grade) == ranking.PASSED for grade in grades),
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
                ranking.group(entry.grade) == ranking.PASSED,
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
