"""One student's report: what the page shows, taken from the grade alone."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC

from grader.lesson import formula, rubric
from grader.lesson.grades import Check, Deduction, Grade, Judgment, Layer, Status, Term
from grader.lesson.spec import Criterion, LessonSpec
from grader.report import gate, metrics, render
from grader.report.charts import figures, numbers, recordings, tradeoffs
from grader.report.words import Words, outcome
from grader.text import Text
from grader.text.errors import SpecError

# What a person gave for the lesson's rubric, as a student's report shows it.


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


def _line(criterion: Criterion, one: Judgment | None, words: Words, note: str = "") -> Line:
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


LAYER_ROWS = 14
LOG_CHARACTERS = 20_000
_NAME = re.compile(r"[A-Za-z_][\w.]*")


@dataclass(frozen=True)
class TermView:
    title: str
    formula: str
    worked: str
    """The formula with this grade's numbers and its result; empty when one is missing."""
    points: str
    max_points: str
    share: float
    note: str


@dataclass(frozen=True)
class DeductionView:
    title: str
    formula: str
    worked: str
    """The formula with this grade's numbers and its result; empty where nothing is worked out."""
    why: str
    points: str


@dataclass(frozen=True)
class Headline:
    title: str
    value: str
    interval: str
    baseline: str


@dataclass(frozen=True)
class LayerRow:
    name: str
    op: str
    shape: str
    macs: int
    bytes: int
    params: int
    others: bool = False


def page(
    grade: Grade,
    spec: LessonSpec,
    words: Words,
    backdrops: Sequence[tradeoffs.Backdrop],
    class_href: str | None,
) -> str:
    """The report as one HTML document."""
    kind = outcome(grade)
    layers = _layers(grade.layers, words)
    comparison = [
        plot
        for backdrop in backdrops
        if grade.status is Status.GRADED
        and (plot := tradeoffs.tradeoff(backdrop, grade, words)) is not None
    ]
    return render.page(
        "student.html.j2",
        words,
        grade=grade,
        spec=spec,
        outcome=kind,
        lesson_title=spec.title.to(words.lang),
        says=words(f"says_{kind}" + ("_open" if kind == "passed" and not grade.gate else "")),
        next_step=words(f"next_{kind}") if grade.status is not Status.GRADED else "",
        reason=grade.reason.to(words.lang),
        gate=_gate(grade, spec, words),
        terms=[_term(term, grade, spec, words) for term in grade.terms],
        deductions=[_deduction(one, grade, words) for one in grade.deductions],
        adjustment=_adjustment(grade),
        pending=words("pending", points=numbers.points(grade.pending)) if grade.pending else "",
        rubric=view(grade, spec, words),
        headlines=_headlines(grade, spec, words),
        checks=sorted(grade.checks, key=lambda check: check.passed),
        checks_passed=sum(check.passed for check in grade.checks),
        check_points=_check_points,
        figures=[figures.figure(figure, words) for figure in grade.figures],
        recordings=[recordings.view(one, words) for one in grade.recordings],
        comparison=comparison,
        layers=layers,
        layer_most={
            kind: max((getattr(row, kind) for row in layers), default=0)
            for kind in ("macs", "bytes")
        },
        layer_totals=_layer_totals(grade.layers),
        measurements=_measurements(grade, spec, words),
        has_baseline=bool(grade.baseline),
        provenance=_provenance(grade, words),
        log=_log(grade.log, words),
        class_href=class_href,
    )


def _gate(grade: Grade, spec: LessonSpec, words: Words) -> gate.GateView | None:
    if grade.gate is None:
        return None
    measured = (grade.measurements.get(grade.gate.metric),)
    return gate.view(grade.gate, metrics.metric(spec, grade.gate.metric, words, measured), words)


def _term(term: Term, grade: Grade, spec: LessonSpec, words: Words) -> TermView:
    values = {name: one.value for name, one in grade.measurements.items()}
    titles = {one.name: one.title for one in spec.terms}
    title = titles.get(term.name, Text(en=term.name, ru=term.name)).to(words.lang)
    try:
        worth = min(formula.evaluate(term.formula, values), term.max_points)
    except SpecError:
        worth = None
    note = ""
    if term.gated and grade.gate is not None and not grade.gate.passed:
        note = (
            words("term_gated_unknown")
            if worth is None
            else words("term_gated", points=numbers.points(worth))
        )
    elif grade.pending and rubric.RUBRIC in formula.names(term.formula):
        note = words("term_pending", points=numbers.points(grade.pending))
    return TermView(
        title=title,
        formula=term.formula,
        worked=""
        if worth is None
        else f"{_filled(term.formula, values)} = {numbers.points(worth)}",
        points=numbers.points(term.points),
        max_points=numbers.points(term.max_points),
        share=_share(term.points, term.max_points),
        note=note,
    )


def _filled(expression: str, values: dict[str, float]) -> str:
    """A formula with numbers for names, typeset for people."""
    filled = _NAME.sub(
        lambda found: numbers.number(values[found[0]]) if found[0] in values else found[0],
        expression,
    )
    return filled.replace("**", "^").replace("*", "×").replace("-", "−")


def _deduction(one: Deduction, grade: Grade, words: Words) -> DeductionView:
    """A line of its own for what was taken off, or why nothing was."""
    before = grade.score + sum(other.points for other in grade.deductions)
    values = one.values | {"score": before, "max_score": grade.max_score}
    plain = one.formula.replace(".", "").isdecimal()
    worked = ""
    if one.formula and not plain:
        worth = max(formula.evaluate(one.formula, values), 0.0)
        worked = f"{_filled(one.formula, values)} = {numbers.points(worth)}"
    return DeductionView(
        title=one.title.to(words.lang),
        formula="" if plain else one.formula,
        worked=worked,
        why=one.why.to(words.lang),
        points=f"−{numbers.points(one.points)}" if one.points else numbers.points(0.0),
    )


def _adjustment(grade: Grade) -> str:
    """What the score holds beyond its terms and deductions."""
    taken_off = sum(one.points for one in grade.deductions)
    rest = grade.score + taken_off - sum(term.points for term in grade.terms)
    if not grade.terms or abs(rest) < 5e-4:
        return ""
    return numbers.points(rest)


def _headlines(grade: Grade, spec: LessonSpec, words: Words) -> list[Headline]:
    found = []
    for column in metrics.columns(spec, words):
        measured = grade.measurements.get(column.name)
        if measured is None:
            continue
        base = grade.baseline.get(column.name)
        found.append(
            Headline(
                title=column.title,
                value=column.show(measured.value),
                interval=numbers.interval(measured.interval) if measured.interval else "",
                baseline=""
                if base is None
                else words("baseline_value", value=column.show(base.value)),
            )
        )
    return found


def _check_points(check: Check, words: Words) -> str:
    if check.max_points == 0:
        return words("check_informs")
    return words(
        "points_of", points=numbers.points(check.points), max=numbers.points(check.max_points)
    )


def _layers(layers: Sequence[Layer], words: Words) -> list[LayerRow]:
    """The layers that cost most in MACs or bytes, in the model's order, and the rest in one row."""
    macs, size = (
        (
            max(sum(costs), 1)
            for costs in zip(*((one.macs, one.bytes) for one in layers), strict=True)
        )
        if layers
        else (1, 1)
    )
    costly = sorted(
        range(len(layers)),
        key=lambda index: (-max(layers[index].macs / macs, layers[index].bytes / size), index),
    )
    shown = set(costly[:LAYER_ROWS])
    rows = [
        LayerRow(
            name=one.name,
            op=one.op,
            shape=" × ".join(map(str, one.output_shape[:8])),
            macs=one.macs,
            bytes=one.bytes,
            params=one.params,
        )
        for index, one in enumerate(layers)
        if index in shown
    ]
    rest = [one for index, one in enumerate(layers) if index not in shown]
    if rest:
        rows.append(
            LayerRow(
                name=words("other_layers", n=len(rest)),
                op="",
                shape="",
                macs=sum(one.macs for one in rest),
                bytes=sum(one.bytes for one in rest),
                params=sum(one.params for one in rest),
                others=True,
            )
        )
    return rows


def _layer_totals(layers: Sequence[Layer]) -> dict[str, int]:
    return {
        "macs": sum(one.macs for one in layers),
        "bytes": sum(one.bytes for one in layers),
        "params": sum(one.params for one in layers),
    }


def _measurements(grade: Grade, spec: LessonSpec, words: Words) -> list[dict[str, str]]:
    rows = []
    for name, one in grade.measurements.items():
        shown = metrics.metric(spec, name, words)
        base = grade.baseline.get(name)
        value, unit = shown.show(one.value), words.unit(one.unit)
        rows.append(
            {
                "name": name,
                "value": value,
                "unit": "" if value.endswith(unit) else unit,
                "interval": numbers.interval(one.interval),
                "baseline": numbers.NONE if base is None else shown.show(base.value),
                "how": one.how.to(words.lang),
            }
        )
    return rows


def _provenance(grade: Grade, words: Words) -> list[tuple[str, str]]:
    source = grade.provenance
    versions = source.versions
    return [
        (words("p_submission"), grade.submission.fingerprint),
        (words("p_lesson"), f"{grade.lesson} {source.lesson}"),
        (words("p_data"), source.data),
        (words("p_grader"), source.grader),
        (words("p_isolation"), source.isolation),
        (
            words("p_versions"),
            f"Python {versions.python}, NumPy {versions.numpy}, ONNX {versions.onnx}, "
            f"ONNX Runtime {versions.onnxruntime}",
        ),
        (words("p_seconds"), f"{numbers.number(grade.seconds, 3)} {words.unit('s')}"),
    ]


def _log(log: str, words: Words) -> str:
    """The log's beginning and end, the end longer: that is where errors are."""
    left_out = len(log) - LOG_CHARACTERS
    if left_out <= 0:
        return log
    head = LOG_CHARACTERS // 4
    return f"{log[:head]}\n… {words('log_cut', n=left_out)} …\n{log[head + left_out :]}"


def _share(part: float, whole: float) -> float:
    return 100 * min(max(part / whole, 0.0), 1.0) if whole else 0.0
