"""Quality against cost: one student in an anonymous class, and the class's Pareto front."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from grader.lesson.grades import Grade, Status
from grader.lesson.spec import LessonSpec
from grader.report import numbers
from grader.report.charts import axes
from grader.report.charts.drawing import TABLE_ROWS, Drawing, Legend, Plot, Point, Table
from grader.report.labels import Labels
from grader.report.numbers import Metric

MOST_MARKS = 400
"""In a larger class only the submissions on the front have a mark, a tooltip and a link."""
MOST_LABELS = 12


@dataclass(frozen=True)
class Backdrop:
    """One trade-off of a class: its axes, and every graded submission as an anonymous dot.

    Drawn once for a class and shared by all its reports.
    """

    x: Metric
    y: Metric
    frame: axes.Frame
    dots: tuple[Point, ...]
    at_edge: bool
    """True when a value of 0 had to be put on the edge of a log axis."""


@dataclass(frozen=True)
class Dot:
    """One named submission in the class's trade-off."""

    at: Point
    name: str
    passed: bool
    href: str | None


@dataclass(frozen=True)
class Front:
    """A class's trade-off with its Pareto front."""

    plot: Plot
    places: Sequence[Point | None]
    """The place of each submission in SVG coordinates."""
    crowded: bool
    """True when only those on the front have marks of their own."""


def backdrops(spec: LessonSpec, grades: Sequence[Grade], labels: Labels) -> list[Backdrop]:
    """The trade-offs of the lesson's report, with axes that hold all graded submissions, their
    baselines and thresholds."""
    graded = [grade for grade in grades if grade.status is Status.GRADED]
    return [
        _backdrop(
            numbers.metric(spec, pair.x, labels, numbers.measured(graded, pair.x)),
            numbers.metric(spec, pair.y, labels, numbers.measured(graded, pair.y)),
            graded,
            labels,
        )
        for pair in spec.report.tradeoffs
    ]


def tradeoff(backdrop: Backdrop, grade: Grade, labels: Labels) -> Plot | None:
    """One submission among its class; None when it lacks a measurement. No other is named."""
    x, y = backdrop.x, backdrop.y
    own, base, limit = place(grade, x, y), _baseline(grade, x, y), _threshold(grade, y)
    if own is None:
        return None
    drawing = Drawing(backdrop.frame)
    drawing.cloud(backdrop.dots, "class")
    legend = [Legend.point("submission", labels("yours"))]
    rows = [[labels("yours"), x.show(own[0]), y.show(own[1])]]
    if base is not None:
        drawing.mark(*base, "baseline", _tooltip(labels("baseline"), base, x, y))
        legend.append(Legend.point("baseline", labels("baseline")))
        rows.append([labels("baseline"), x.show(base[0]), y.show(base[1])])
    if limit is not None:
        drawing.rule(limit, "threshold")
        legend.append(Legend.line("threshold", labels("threshold")))
        rows.append([labels("threshold"), numbers.NONE, y.show(limit)])
    if spread := grade.measurements[y.name].interval:
        drawing.error_bar(own[0], *spread, "submission")
    drawing.mark(*own, "submission", _tooltip(labels("yours"), own, x, y))
    drawing.label(*own, labels("yours"), "submission")
    if base is not None:
        drawing.label(*base, labels("baseline"), "baseline")
    others = len(backdrop.dots) > 1
    if others:
        legend.append(Legend.cloud("class", labels("others_in_class")))
    title = _title(x, y, labels)
    return Plot(
        title=title,
        svg=drawing.svg(f"{title}. " + "; ".join(" ".join(row) for row in rows)),
        legend=legend,
        caption=labels("comparison_caption" if others else "comparison_alone"),
        note=labels("at_edge") if backdrop.at_edge else "",
        table=Table([labels("point"), x.axis, y.axis], rows),
    )


def pareto(backdrop: Backdrop, dots: Sequence[Dot | None], sample: Grade, labels: Labels) -> Front:
    """Every submission by name, and the Pareto front.

    `dots` holds None for submissions that have no place; `sample` is any graded submission of
    the class: its baseline and threshold are drawn.
    """
    x, y = backdrop.x, backdrop.y
    placed = [dot for dot in dots if dot is not None]
    base, limit = _baseline(sample, x, y), _threshold(sample, y)
    best = front([dot.at for dot in placed], x, y)
    on_front = [dot for at in best for dot in placed if dot.at == at]
    legend = [
        Legend.point("passed", labels("passed_dot")),
        Legend.point("below", labels("below_dot")),
        Legend.line("front", labels("front")),
    ]
    drawing = Drawing(backdrop.frame)
    if limit is not None:
        drawing.rule(limit, "threshold")
        legend.append(Legend.line("threshold", labels("threshold")))
    crowded = len(placed) > MOST_MARKS
    if crowded:
        drawing.cloud((dot.at for dot in placed if not dot.passed), "below")
        drawing.cloud((dot.at for dot in placed if dot.passed), "passed")
    drawing.line(_stairs(best, backdrop), "front", keeps_clear=True)
    for dot in sorted(on_front if crowded else placed, key=lambda dot: dot.passed):
        role = "passed" if dot.passed else "below"
        drawing.mark(*dot.at, role, _tooltip(dot.name, dot.at, x, y), dot.href)
    if base is not None:
        drawing.mark(*base, "baseline", _tooltip(labels("baseline"), base, x, y))
        drawing.label(*base, labels("baseline"), "baseline")
        legend.append(Legend.point("baseline", labels("baseline")))
    for dot in on_front[:MOST_LABELS]:
        drawing.label(*dot.at, dot.name, "front")
    title = _title(x, y, labels)
    names = ", ".join(dot.name for dot in on_front[:6])
    rows = [[dot.name, x.show(dot.at[0]), y.show(dot.at[1])] for dot in on_front[:TABLE_ROWS]]
    plot = Plot(
        title=title,
        svg=drawing.svg(f"{title}. {labels('on_front')}: {names}", "crowded" if crowded else ""),
        legend=legend,
        note=labels("at_edge") if backdrop.at_edge else "",
        table=Table([labels("on_front"), x.axis, y.axis], rows),
    )
    places = [None if dot is None else backdrop.frame.at(*dot.at) for dot in dots]
    return Front(plot, places, crowded)


def front(points: Iterable[Point], x: Metric, y: Metric) -> list[Point]:
    """The Pareto front: the points that no other point dominates, best x first."""
    best: list[Point] = []
    order = sorted(set(points), key=lambda at: (-x.goodness * at[0], -y.goodness * at[1]))
    for at in order:
        if not best or y.goodness * at[1] > y.goodness * best[-1][1]:
            best.append(at)
    return best


def place(grade: Grade, x: Metric, y: Metric) -> Point | None:
    """A submission's point in a trade-off, or None when it lacks a measurement."""
    return _point(grade.value(x.name), grade.value(y.name))


def _baseline(grade: Grade, x: Metric, y: Metric) -> Point | None:
    found = (grade.baseline.get(metric.name) for metric in (x, y))
    return _point(*(None if one is None else one.value for one in found))


def _threshold(grade: Grade, y: Metric) -> float | None:
    gate = grade.gate
    if gate is None or gate.metric != y.name or not numbers.finite(gate.threshold):
        return None
    return gate.threshold


def _point(x: float | None, y: float | None) -> Point | None:
    if x is None or y is None or not (numbers.finite(x) and numbers.finite(y)):
        return None
    return x, y


def _backdrop(x: Metric, y: Metric, grades: Sequence[Grade], labels: Labels) -> Backdrop:
    dots = {point for grade in grades if (point := place(grade, x, y)) is not None}
    bases = {point for grade in grades if (point := _baseline(grade, x, y)) is not None}
    limits = {limit for grade in grades if (limit := _threshold(grade, y)) is not None}
    xs = [at for at, _ in dots | bases]
    ys = [*(at for _, at in dots | bases), *limits]
    x_axis = axes.axis(_better(x, labels), xs, labels.lang, axes.fitting_scale(xs))
    y_axis = axes.axis(_better(y, labels), ys, labels.lang, axes.fitting_scale(ys))
    edge = axes.leaves_out(x_axis, xs) or axes.leaves_out(y_axis, ys)
    return Backdrop(x, y, axes.frame(x_axis, y_axis), tuple(sorted(dots)), edge)


def _stairs(best: Sequence[Point], backdrop: Backdrop) -> list[Point]:
    """The front as a staircase, from edge to edge of the region it dominates."""
    if not best:
        return []
    x, y = backdrop.frame.x, backdrop.frame.y
    x_worst = x.high if backdrop.x.lower_is_better else x.low
    y_worst = y.high if backdrop.y.lower_is_better else y.low
    corners = [(best[0][0], y_worst)]
    for at, after in zip(best, [*best[1:], None], strict=True):
        corners += [at, (x_worst if after is None else after[0], at[1])]
    return corners


def _title(x: Metric, y: Metric, labels: Labels) -> str:
    """`AU-FA-FR against bytes`; an initial capital stays only when another follows it."""
    second = x.title if x.title[1:2].isupper() else x.title[:1].lower() + x.title[1:]
    return labels("against", x=second, y=y.title)


def _better(metric: Metric, labels: Labels) -> str:
    key = "lower_is_better" if metric.lower_is_better else "higher_is_better"
    return labels(key, metric=metric.axis)


def _tooltip(name: str, at: Point, x: Metric, y: Metric) -> str:
    return f"{name}: {x.show(at[0])}, {y.show(at[1])}"
