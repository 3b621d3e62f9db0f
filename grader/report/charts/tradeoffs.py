"""Quality against cost: one student before a nameless class, and the class's Pareto front."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from grader.lesson.grades import Grade, Status
from grader.lesson.spec import LessonSpec
from grader.report import metrics
from grader.report.charts import axes, numbers
from grader.report.charts.drawing import Drawing, Point
from grader.report.charts.parts import TABLE_ROWS, Plot, Table, cloud_key, line_key, point_key
from grader.report.metrics import Metric
from grader.report.words import Words

MOST_MARKS = 400
"""Submissions with a mark, a tooltip and a link of their own; of more the front has them."""
MOST_LABELS = 12


@dataclass(frozen=True)
class Backdrop:
    """One trade-off of a class: its axes, and every graded submission as a nameless dot.

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
    """Where each submission lies in the picture, in its own units."""
    crowded: bool
    """True when only those on the front are marks of their own."""


def backdrops(spec: LessonSpec, grades: Sequence[Grade], words: Words) -> list[Backdrop]:
    """The trade-offs of the lesson's report, with axes that hold all graded submissions, their
    baselines and thresholds."""
    graded = [grade for grade in grades if grade.status is Status.GRADED]
    return [
        _backdrop(
            metrics.metric(spec, pair.x, words, metrics.measured(graded, pair.x)),
            metrics.metric(spec, pair.y, words, metrics.measured(graded, pair.y)),
            graded,
            words,
        )
        for pair in spec.report.tradeoffs
    ]


def tradeoff(backdrop: Backdrop, grade: Grade, words: Words) -> Plot | None:
    """One submission before its class; None when it lacks a measurement. No other is named."""
    x, y = backdrop.x, backdrop.y
    own, base, limit = place(grade, x, y), _baseline(grade, x, y), _threshold(grade, y)
    if own is None:
        return None
    drawing = Drawing(backdrop.frame)
    drawing.cloud(backdrop.dots, "class")
    legend = [point_key("submission", words("yours"))]
    rows = [[words("yours"), x.show(own[0]), y.show(own[1])]]
    if base is not None:
        drawing.mark(*base, "baseline", _tooltip(words("baseline"), base, x, y))
        legend.append(point_key("baseline", words("baseline")))
        rows.append([words("baseline"), x.show(base[0]), y.show(base[1])])
    if limit is not None:
        drawing.rule(limit, "threshold")
        legend.append(line_key("threshold", words("threshold")))
        rows.append([words("threshold"), numbers.NONE, y.show(limit)])
    if spread := grade.measurements[y.name].interval:
        drawing.error_bar(own[0], *spread, "submission")
    drawing.mark(*own, "submission", _tooltip(words("yours"), own, x, y))
    drawing.label(*own, words("yours"), "submission")
    if base is not None:
        drawing.label(*base, words("baseline"), "baseline")
    others = len(backdrop.dots) > 1
    if others:
        legend.append(cloud_key("class", words("others_in_class")))
    title = _title(x, y, words)
    return Plot(
        title=title,
        svg=drawing.svg(f"{title}. " + "; ".join(" ".join(row) for row in rows)),
        legend=legend,
        caption=words("comparison_caption" if others else "comparison_alone"),
        note=words("at_edge") if backdrop.at_edge else "",
        table=Table([words("point"), x.axis, y.axis], rows),
    )


def pareto(backdrop: Backdrop, dots: Sequence[Dot | None], sample: Grade, words: Words) -> Front:
    """Every submission by name, and the front of those that nobody beats in both measures.

    `dots` holds None for submissions that have no place; `sample` is any graded submission of
    the class: its baseline and threshold are drawn.
    """
    x, y = backdrop.x, backdrop.y
    placed = [dot for dot in dots if dot is not None]
    base, limit = _baseline(sample, x, y), _threshold(sample, y)
    best = front([dot.at for dot in placed], x, y)
    on_front = [dot for at in best for dot in placed if dot.at == at]
    legend = [
        point_key("passed", words("passed_dot")),
        point_key("below", words("below_dot")),
        line_key("front", words("front")),
    ]
    drawing = Drawing(backdrop.frame)
    if limit is not None:
        drawing.rule(limit, "threshold")
        legend.append(line_key("threshold", words("threshold")))
    crowded = len(placed) > MOST_MARKS
    if crowded:
        drawing.cloud((dot.at for dot in placed if not dot.passed), "below")
        drawing.cloud((dot.at for dot in placed if dot.passed), "passed")
    drawing.line(_stairs(best, backdrop), "front", keeps_clear=True)
    for dot in sorted(on_front if crowded else placed, key=lambda dot: dot.passed):
        role = "passed" if dot.passed else "below"
        drawing.mark(*dot.at, role, _tooltip(dot.name, dot.at, x, y), dot.href)
    if base is not None:
        drawing.mark(*base, "baseline", _tooltip(words("baseline"), base, x, y))
        drawing.label(*base, words("baseline"), "baseline")
        legend.append(point_key("baseline", words("baseline")))
    for dot in on_front[:MOST_LABELS]:
        drawing.label(*dot.at, dot.name, "front")
    title = _title(x, y, words)
    names = ", ".join(dot.name for dot in on_front[:6])
    rows = [[dot.name, x.show(dot.at[0]), y.show(dot.at[1])] for dot in on_front[:TABLE_ROWS]]
    plot = Plot(
        title=title,
        svg=drawing.svg(f"{title}. {words('on_front')}: {names}", "crowded" if crowded else ""),
        legend=legend,
        note=words("at_edge") if backdrop.at_edge else "",
        table=Table([words("on_front"), x.axis, y.axis], rows),
    )
    places = [None if dot is None else backdrop.frame.at(*dot.at) for dot in dots]
    return Front(plot, places, crowded)


def front(points: Iterable[Point], x: Metric, y: Metric) -> list[Point]:
    """The points that no other beats in one measure without losing in the other, best x first."""
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


def _backdrop(x: Metric, y: Metric, grades: Sequence[Grade], words: Words) -> Backdrop:
    dots = {point for grade in grades if (point := place(grade, x, y)) is not None}
    bases = {point for grade in grades if (point := _baseline(grade, x, y)) is not None}
    limits = {limit for grade in grades if (limit := _threshold(grade, y)) is not None}
    xs = [at for at, _ in dots | bases]
    ys = [*(at for _, at in dots | bases), *limits]
    x_axis = axes.axis(_better(x, words), xs, words.lang, axes.fitting_scale(xs))
    y_axis = axes.axis(_better(y, words), ys, words.lang, axes.fitting_scale(ys))
    edge = axes.leaves_out(x_axis, xs) or axes.leaves_out(y_axis, ys)
    return Backdrop(x, y, axes.frame(x_axis, y_axis), tuple(sorted(dots)), edge)


def _stairs(best: Sequence[Point], backdrop: Backdrop) -> list[Point]:
    """The front as a line of right angles, from edge to edge of the region it dominates."""
    if not best:
        return []
    x, y = backdrop.frame.x, backdrop.frame.y
    x_worst = x.high if backdrop.x.lower_is_better else x.low
    y_worst = y.high if backdrop.y.lower_is_better else y.low
    corners = [(best[0][0], y_worst)]
    for at, after in zip(best, [*best[1:], None], strict=True):
        corners += [at, (x_worst if after is None else after[0], at[1])]
    return corners


def _title(x: Metric, y: Metric, words: Words) -> str:
    """`AU-FA-FR against bytes`: a capital stays only where it is not just the first letter."""
    second = x.title if x.title[1:2].isupper() else x.title[:1].lower() + x.title[1:]
    return words("against", x=second, y=y.title)


def _better(metric: Metric, words: Words) -> str:
    key = "lower_is_better" if metric.lower_is_better else "higher_is_better"
    return words(key, metric=metric.axis)


def _tooltip(name: str, at: Point, x: Metric, y: Metric) -> str:
    return f"{name}: {x.show(at[0])}, {y.show(at[1])}"
