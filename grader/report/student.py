"""One student's report: the values that the page shows, taken from the grade alone."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC

from grader.lesson import formula, rubric
from grader.lesson.grades import Deduction, Grade, Judgment, Layer, Status, Term
from grader.lesson.spec import Criterion, LessonSpec
from grader.report import gate, numbers, render
from grader.report.charts import figures, recordings, tradeoffs
from grader.report.labels import Labels, outcome
from grader.text import ENGLISH, Lang, verbatim
from grader.text.errors import SpecError

LAYER_ROWS = 14
LOG_CHARACTERS = 20_000
_NAME = re.compile(r"[A-Za-z_][\w.]*")


@dataclass(frozen=True)
class TermView:
    """One term of the score, or one deduction from it."""

    title: str
    formula: str
    worked: str
    """The formula with this grade's numbers and its result; empty for a constant, and when a number
    is missing."""
    points: str
    note: str
    max_points: str = ""
    share: float = 0.0


@dataclass(frozen=True)
class JudgmentView:
    """One criterion of the rubric, or an earlier judgment of it."""

    title: str
    asks: str
    points: str
    max_points: str
    share: float
    why: str
    signed: str
    """Who judged, and when; empty before a judgment."""
    note: str = ""


@dataclass(frozen=True)
class RubricView:
    """The points that a person gave for the criteria of the lesson's rubric."""

    says: str
    lines: list[JudgmentView]
    earlier: list[JudgmentView]


def page(
    grade: Grade,
    spec: LessonSpec,
    labels: Labels,
    backdrops: Sequence[tradeoffs.Backdrop],
    class_href: str | None,
) -> str:
    """The report as one HTML document."""
    kind = outcome(grade)
    layers, rest = _layers(grade.layers)
    placed = backdrops if grade.status is Status.GRADED else ()
    compared = [tradeoffs.tradeoff(backdrop, grade, labels) for backdrop in placed]
    return render.page(
        "student.html.j2",
        labels,
        grade=grade,
        spec=spec,
        outcome=kind,
        lesson_title=spec.title.to(labels.lang),
        says=labels(f"says_{kind}" + ("_open" if kind == "passed" and not grade.gate else "")),
        next_step=labels(f"next_{kind}") if grade.status is not Status.GRADED else "",
        reason=grade.reason.to(labels.lang),
        gate=gate.gate_view(grade, spec, labels),
        terms=[_term(term, grade, spec, labels) for term in grade.terms],
        deductions=[_deduction(one, grade, labels) for one in grade.deductions],
        adjustment=_adjustment(grade, labels.lang),
        pending=labels("pending", points=numbers.points(grade.pending, labels.lang))
        if grade.pending
        else "",
        rubric=_rubric(grade, spec, labels),
        columns=[one for one in numbers.columns(spec, labels) if one.name in grade.measurements],
        checks=sorted(grade.checks, key=lambda check: check.passed),
        checks_passed=sum(check.passed for check in grade.checks),
        figures=[figures.CHARTS[one.kind](one, labels) for one in grade.figures],
        recordings=[recordings.view(one, labels) for one in grade.recordings],
        comparison=[plot for plot in compared if plot is not None],
        layers=layers,
        rest=rest,
        layer_most={
            kind: max(
                [*(getattr(one, kind) for one in layers), sum(getattr(one, kind) for one in rest)]
            )
            for kind in ("macs", "bytes")
        },
        metrics={name: numbers.metric(spec, name, labels) for name in grade.measurements},
        log=_log(grade.log, labels),
        class_href=class_href,
    )


def _term(term: Term, grade: Grade, spec: LessonSpec, labels: Labels) -> TermView:
    values = {name: one.value for name, one in grade.measurements.items()}
    titles = {one.name: one.title for one in spec.terms}
    title = titles.get(term.name, verbatim(term.name)).to(labels.lang)
    try:
        worth = min(formula.evaluate(term.formula, values), term.max_points)
    except SpecError:
        worth = None
    note = ""
    if term.gated and grade.gate is not None and not grade.gate.passed:
        note = labels("term_gated_unknown")
        if worth is not None:
            note = labels("term_gated", points=numbers.points(worth, labels.lang))
    elif grade.pending and rubric.RUBRIC in formula.names(term.formula):
        note = labels("term_pending", points=numbers.points(grade.pending, labels.lang))
    return TermView(
        title=title,
        formula=term.formula,
        worked=""
        if worth is None
        else f"{_filled(term.formula, values)} = {numbers.points(worth, ENGLISH)}",
        points=numbers.points(term.points, labels.lang),
        max_points=numbers.points(term.max_points, labels.lang),
        share=100 * min(max(term.points / term.max_points, 0.0), 1.0) if term.max_points else 0.0,
        note=note,
    )


def _filled(expression: str, values: dict[str, float]) -> str:
    """A formula with numbers in place of names, typeset; a comma separates its arguments."""
    filled = _NAME.sub(
        lambda found: numbers.number(values[found[0]], ENGLISH) if found[0] in values else found[0],
        expression,
    )
    return filled.replace("**", "^").replace("*", "×").replace("-", "−")


def _deduction(one: Deduction, grade: Grade, labels: Labels) -> TermView:
    before = grade.score + sum(other.points for other in grade.deductions)
    values = one.values | {"score": before, "max_score": grade.max_score}
    plain = one.formula.replace(".", "").isdecimal()
    worked = ""
    if one.formula and not plain:
        worth = max(formula.evaluate(one.formula, values), 0.0)
        worked = f"{_filled(one.formula, values)} = {numbers.points(worth, ENGLISH)}"
    return TermView(
        title=one.title.to(labels.lang),
        formula="" if plain else one.formula,
        worked=worked,
        points=f"−{numbers.points(one.points, labels.lang)}"
        if one.points
        else numbers.points(0.0, labels.lang),
        note=one.why.to(labels.lang),
    )


def _adjustment(grade: Grade, lang: Lang) -> str:
    """The difference between the score and the sum of its terms and deductions."""
    taken_off = sum(one.points for one in grade.deductions)
    rest = grade.score + taken_off - sum(term.points for term in grade.terms)
    if not grade.terms or abs(rest) < 5e-4:
        return ""
    return numbers.points(rest, lang)


def _rubric(grade: Grade, spec: LessonSpec, labels: Labels) -> RubricView | None:
    """The rubric of a graded submission; None where the lesson has none."""
    if not spec.rubric or grade.status is not Status.GRADED:
        return None
    given, outdated = rubric.current(grade.judgements), rubric.outdated(grade, spec)
    old = {one.name: labels("rubric_outdated") for one in outdated}
    lines = [
        _judgment(one, given.get(one.name), labels, old.get(one.name, "")) for one in spec.rubric
    ]
    known = {one.name: one for one in spec.rubric}
    earlier = [
        _judgment(known[one.criterion], one, labels)
        for one in sorted(grade.judgements, key=lambda one: one.when, reverse=True)
        if one.criterion in known and one is not given.get(one.criterion)
    ]
    says = labels(
        "rubric_says",
        judged=sum(one.name in given for one in spec.rubric),
        total=len(spec.rubric),
        points=numbers.points(grade.value(rubric.RUBRIC) or 0.0, labels.lang),
        max=numbers.points(sum(one.max_points for one in spec.rubric), labels.lang),
    )
    return RubricView(says, lines, earlier)


def _judgment(
    criterion: Criterion, one: Judgment | None, labels: Labels, note: str = ""
) -> JudgmentView:
    points = None if one is None else one.points
    taken_back = one is not None and points is None
    return JudgmentView(
        title=criterion.title.to(labels.lang),
        asks=criterion.asks.to(labels.lang),
        points=numbers.NONE if points is None else numbers.points(points, labels.lang),
        max_points=numbers.points(criterion.max_points, labels.lang),
        share=100 * (points or 0.0) / criterion.max_points,
        why=labels("rubric_waits") if one is None else one.why,
        signed="" if one is None else f"{one.by}, {one.when.astimezone(UTC):%Y-%m-%d %H:%M} UTC",
        note=labels("rubric_taken_back") if taken_back else note,
    )


def _layers(layers: Sequence[Layer]) -> tuple[list[Layer], list[Layer]]:
    """The layers that cost most in MACs or bytes, and the others; both in the model's order."""
    macs = max(sum(one.macs for one in layers), 1)
    size = max(sum(one.bytes for one in layers), 1)
    shares = [max(one.macs / macs, one.bytes / size) for one in layers]
    shown = set(sorted(range(len(layers)), key=lambda index: -shares[index])[:LAYER_ROWS])
    return (
        [one for index, one in enumerate(layers) if index in shown],
        [one for index, one in enumerate(layers) if index not in shown],
    )


def _log(log: str, labels: Labels) -> str:
    """The beginning and the end of a log; the end is longer, since it holds the errors."""
    left_out = len(log) - LOG_CHARACTERS
    if left_out <= 0:
        return log
    head = LOG_CHARACTERS // 4
    return f"{log[:head]}\n… {labels('log_cut', n=left_out)} …\n{log[head + left_out :]}"
