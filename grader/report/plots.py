"""The plots of the pages, from the figures and measurements of grades.

A plot is a picture, a legend and, where it is small, the same numbers as a table.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from grader.grades import Figure, Grade, Series
from grader.report import axes, numbers
from grader.report.drawing import Drawing, Point, symbol
from grader.report.metrics import Metric
from grader.report.words import Words

TABLE_ROWS = 60
"""Plots with more points come without a table."""
LABELLED = 12
"""Series with more points are not labelled in the plot; their tooltips are."""
_ROLES = ("threshold", "baseline", "reference", "experiment", "submission")


@dataclass(frozen=True)
class Legend:
    icon: Markup
    label: str


@dataclass(frozen=True)
class Table:
    head: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Plot:
    title: str
    svg: Markup
    legend: Sequence[Legend] = ()
    caption: str = ""
    note: str = ""
    table: Table | None = None


def figure(figure: Figure, words: Words) -> Plot:
    """A figure of a grade, as its autograder described it."""
    lang = words.lang
    series = sorted(figure.series, key=lambda one: _ROLES.index(one.role))
    points = {id(one): _finite(one) for one in series}
    every = [(index, x, y) for one in series for index, x, y in points[id(one)]]
    ends = [end for one in series for ends in (one.y_low, one.y_high) for end in ends]
    across = [one for one in series if _is_rule(one)]
    xs = [x for one in series if one not in across for _, x, _ in points[id(one)]]
    x = axes.axis(_label(figure.x.label.to(lang), figure.x.unit, words), xs, lang, figure.x.scale)
    y_values = [*(y for *_, y in every), *ends]
    y = axes.axis(
        _label(figure.y.label.to(lang), figure.y.unit, words), y_values, lang, figure.y.scale
    )
    drawing = Drawing(axes.frame(x, y))
    for one in series:
        if one in across:
            drawing.rule(points[id(one)][0][2], one.role)
        elif figure.kind == "line":
            _draw_line(drawing, one, points[id(one)])
        else:
            _draw_points(drawing, one, points[id(one)], words)
    if figure.kind == "scatter":
        for one in (one for one in reversed(series) if one not in across):
            for index, at_x, at_y in points[id(one)][:LABELLED]:
                drawing.label(at_x, at_y, _point_label(one, index, words), one.role)
    edge = (x.scale == "log" and any(value <= 0 for value in xs)) or (
        y.scale == "log" and any(value <= 0 for value in y_values)
    )
    legend = [
        Legend(
            _line_icon(one.role) if one in across or figure.kind == "line" else _icon(one.role),
            one.label.to(lang),
        )
        for one in reversed(series)
    ]
    return Plot(
        title=figure.title.to(lang),
        svg=drawing.svg(_description(figure, points, words)),
        legend=legend,
        caption=figure.caption.to(lang),
        note=words("at_edge") if edge and figure.kind == "scatter" else "",
        table=_table(figure, points, x.label, y.label, words),
    )


@dataclass(frozen=True)
class Backdrop:
    """One trade-off of a class: its axes, and every graded submission as a nameless dot."""

    x: Metric
    y: Metric
    frame: axes.Frame
    dots: tuple[Point, ...]
    at_edge: bool


def backdrop(x: Metric, y: Metric, grades: Sequence[Grade], cloud: bool, words: Words) -> Backdrop:
    """Axes that hold all grades, their baselines and thresholds; dots only with `cloud`."""
    dots = [point for grade in grades if (point := place(grade, x, y)) is not None]
    corners = [point for grade in grades if (point := baseline_place(grade, x, y)) is not None]
    thresholds = {at for grade in grades if (at := threshold(grade, y)) is not None}
    xs = [at for at, _ in [*dots, *corners]]
    ys = [*(at for _, at in [*dots, *corners]), *thresholds]
    x_axis = axes.axis(_better(x, words), xs, words.lang, _scale(xs))
    y_axis = axes.axis(_better(y, words), ys, words.lang, _scale(ys))
    edge = any(
        axis.scale == "log" and any(value <= 0 for value in values)
        for axis, values in ((x_axis, xs), (y_axis, ys))
    )
    cloud_dots = tuple(sorted(set(dots))) if cloud else ()
    return Backdrop(x, y, axes.frame(x_axis, y_axis), cloud_dots, edge)


def place(grade: Grade, x: Metric, y: Metric) -> Point | None:
    """A submission's point in a trade-off, or None when it lacks a measurement."""
    at = grade.value(x.name), grade.value(y.name)
    return at if numbers.finite(at[0]) and numbers.finite(at[1]) else None  # type: ignore[return-value]


def baseline_place(grade: Grade, x: Metric, y: Metric) -> Point | None:
    """The baseline's point in a trade-off, as measured with this grade."""
    found = grade.baseline.get(x.name), grade.baseline.get(y.name)
    if found[0] is None or found[1] is None:
        return None
    at = found[0].value, found[1].value
    return at if numbers.finite(at[0]) and numbers.finite(at[1]) else None


def threshold(grade: Grade, y: Metric) -> float | None:
    """The gate's threshold where `y` is the gate's metric."""
    if grade.gate is None or grade.gate.metric != y.name:
        return None
    return grade.gate.threshold if numbers.finite(grade.gate.threshold) else None


def tradeoff(backdrop: Backdrop, grade: Grade, words: Words) -> Plot | None:
    """One submission in front of its class, which stays nameless; None when it has no point."""
    x, y = backdrop.x, backdrop.y
    own = place(grade, x, y)
    if own is None:
        return None
    drawing = Drawing(backdrop.frame)
    legend = [Legend(_icon("submission"), words("yours"))]
    rows = [[words("yours"), x.show(own[0]), y.show(own[1])]]
    drawing.cloud(backdrop.dots, "class")
    limit = threshold(grade, y)
    if limit is not None:
        drawing.rule(limit, "threshold")
    base = baseline_place(grade, x, y)
    if base is not None:
        drawing.mark(*base, "baseline", _tooltip(words("baseline"), base, x, y))
        legend.append(Legend(_icon("baseline"), words("baseline")))
        rows.append([words("baseline"), x.show(base[0]), y.show(base[1])])
    if limit is not None:
        legend.append(Legend(_line_icon("threshold"), words("threshold")))
        rows.append([words("threshold"), numbers.NONE, y.show(limit)])
    spread = grade.measurements[y.name].interval
    if spread is not None:
        drawing.error_bar(own[0], *spread, "submission")
    drawing.mark(*own, "submission", _tooltip(words("yours"), own, x, y))
    if base is not None:
        drawing.label(*base, words("baseline"), "baseline")
    drawing.label(*own, words("yours"), "submission")
    if len(backdrop.dots) > 1:
        legend.append(Legend(_cloud_icon(), words("others_in_class")))
    title = words("against", x=_inside(x.title), y=y.title)
    return Plot(
        title=title,
        svg=drawing.svg(f"{title}. " + "; ".join(" ".join(row) for row in rows)),
        legend=legend,
        caption=words("comparison_caption" if len(backdrop.dots) > 1 else "comparison_alone"),
        note=words("at_edge") if backdrop.at_edge else "",
        table=Table([words("point"), x.axis, y.axis], rows),
    )


@dataclass(frozen=True)
class Dot:
    """One named submission in the class's trade-off."""

    at: Point
    name: str
    passed: bool
    href: str | None


def pareto(backdrop: Backdrop, dots: Sequence[Dot], sample: Grade, words: Words) -> Plot:
    """Every submission by name, and the front of those that nobody beats in both measures.

    `sample` is any grade of the class: its baseline and threshold are drawn.
    """
    x, y = backdrop.x, backdrop.y
    drawing = Drawing(backdrop.frame)
    best = front([dot.at for dot in dots], x, y)
    limit, base = threshold(sample, y), baseline_place(sample, x, y)
    if limit is not None:
        drawing.rule(limit, "threshold")
    drawing.line(_stairs(best, backdrop, x), "front")
    for dot in sorted(dots, key=lambda dot: (dot.passed, dot.at in best)):
        role = "passed" if dot.passed else "below"
        drawing.mark(*dot.at, role, _tooltip(dot.name, dot.at, x, y), dot.href)
    if base is not None:
        drawing.mark(*base, "baseline", _tooltip(words("baseline"), base, x, y))
        drawing.label(*base, words("baseline"), "baseline")
    on_front = [dot for at in best for dot in dots if dot.at == at]
    for dot in on_front:
        drawing.label(*dot.at, dot.name, "front")
    legend = [
        Legend(_icon("passed"), words("passed_dot")),
        Legend(_icon("below"), words("below_dot")),
        Legend(_line_icon("front"), words("front")),
        *([Legend(_icon("baseline"), words("baseline"))] if base else []),
        *([Legend(_line_icon("threshold"), words("threshold"))] if limit is not None else []),
    ]
    title = words("against", x=_inside(x.title), y=y.title)
    names = ", ".join(dot.name for dot in on_front[:6])
    return Plot(
        title=title,
        svg=drawing.svg(f"{title}. {words('on_front')}: {names}"),
        legend=legend,
        note=words("at_edge") if backdrop.at_edge else "",
        table=Table(
            [words("on_front"), x.axis, y.axis],
            [[dot.name, x.show(dot.at[0]), y.show(dot.at[1])] for dot in on_front[:TABLE_ROWS]],
        ),
    )


def front(points: Iterable[Point], x: Metric, y: Metric) -> list[Point]:
    """The points that no other beats in one measure without losing in the other, best x first."""
    best: list[Point] = []
    order = sorted(set(points), key=lambda at: (-x.goodness * at[0], -y.goodness * at[1]))
    for at in order:
        if not best or y.goodness * at[1] > y.goodness * best[-1][1]:
            best.append(at)
    return best


def histogram(
    metric: Metric,
    values: Sequence[float],
    words: Words,
    baseline: float | None = None,
    most: float | None = None,
) -> Plot | None:
    """How one number is spread over the class; None without a number.

    `most` is the largest value that there can be, where the axis shall end.
    """
    values = sorted(value for value in values if numbers.finite(value))
    if not values:
        return None
    shown = values if baseline is None else [*values, baseline]
    scale: axes.Scale = _scale(shown) if most is None else "linear"
    x = axes.axis(metric.axis, shown, words.lang, scale, ticks=5, most=most)
    edges = _bins(x)
    counts = [0] * (len(edges) - 1)
    for value in values:
        counts[min(int(x.place(value) * len(counts)), len(counts) - 1)] += 1
    high = max(4, max(counts))
    step = max(1, -(-high // 4))
    ticks = tuple((float(at), numbers.number(at)) for at in range(0, high + 1, step))
    y = axes.Axis(words("count"), "linear", 0.0, float(high), ticks)
    drawing = Drawing(axes.frame(x, y, axes.SMALL))
    rows = []
    for low, top, n in zip(edges, edges[1:], counts, strict=False):
        if n:
            text = words("from_to", low=metric.show(low), high=metric.show(top), n=n)
            drawing.column(low, top, n, "class", text)
            rows.append([f"{metric.show(low)} … {metric.show(top)}", str(n)])
    if baseline is not None and numbers.finite(baseline):
        drawing.upright(baseline, "baseline")
    median = (
        values[len(values) // 2]
        if len(values) % 2
        else (values[len(values) // 2 - 1] + values[len(values) // 2]) / 2
    )
    drawing.upright(median, "median")
    legend = [Legend(_line_icon("median"), f"{words('median')}: {metric.show(median)}")]
    if baseline is not None:
        legend.append(
            Legend(_line_icon("baseline"), f"{words('baseline')}: {metric.show(baseline)}")
        )
    return Plot(
        title=metric.title,
        svg=drawing.svg(
            words(
                "distribution_described",
                metric=metric.title,
                n=len(values),
                low=metric.show(values[0]),
                high=metric.show(values[-1]),
                median=metric.show(median),
            )
        ),
        legend=legend,
        table=Table([words("range"), words("count")], rows),
    )


def _is_rule(series: Series) -> bool:
    return series.role == "threshold" and len(set(series.y)) == 1


def _finite(series: Series) -> list[tuple[int, float, float]]:
    return [
        (index, x, y)
        for index, (x, y) in enumerate(zip(series.x, series.y, strict=False))
        if numbers.finite(x) and numbers.finite(y)
    ]


def _draw_line(
    drawing: Drawing, series: Series, points: Sequence[tuple[int, float, float]]
) -> None:
    lows, highs = series.y_low, series.y_high
    spread = [
        (x, lows[index], highs[index])
        for index, x, _ in points
        if index < min(len(lows), len(highs))
    ]
    if spread:
        drawing.band(
            [(x, high) for x, _, high in spread], [(x, low) for x, low, _ in spread], series.role
        )
    drawing.line([(x, y) for _, x, y in points], series.role)


def _draw_points(
    drawing: Drawing, series: Series, points: Sequence[tuple[int, float, float]], words: Words
) -> None:
    for index, x, y in points:
        if index < min(len(series.y_low), len(series.y_high)):
            drawing.error_bar(x, series.y_low[index], series.y_high[index], series.role)
        title = _point_label(series, index, words)
        drawing.mark(x, y, series.role, f"{title}: {numbers.number(x)}, {numbers.number(y)}")


def _point_label(series: Series, index: int, words: Words) -> str:
    if index < len(series.point_labels) and series.point_labels[index]:
        return series.point_labels[index]
    return series.label.to(words.lang)


def _table(
    figure: Figure,
    points: dict[int, list[tuple[int, float, float]]],
    x: str,
    y: str,
    words: Words,
) -> Table | None:
    if sum(len(found) for found in points.values()) > TABLE_ROWS:
        return None
    rows = [
        [
            _point_label(one, index, words),
            numbers.NONE if _is_rule(one) else numbers.number(at_x),
            numbers.number(at_y),
        ]
        for one in figure.series
        for index, at_x, at_y in points[id(one)][: 1 if _is_rule(one) else None]
    ]
    return Table([words("point"), x, y], rows) if rows else None


def _description(
    figure: Figure, points: dict[int, list[tuple[int, float, float]]], words: Words
) -> str:
    parts = []
    for one in figure.series:
        found = points[id(one)]
        if not found:
            continue
        xs, ys = [x for _, x, _ in found], [y for *_, y in found]
        parts.append(
            words(
                "range_described",
                label=one.label.to(words.lang),
                x0=numbers.number(min(xs)),
                x1=numbers.number(max(xs)),
                y0=numbers.number(min(ys)),
                y1=numbers.number(max(ys)),
            )
        )
    return f"{figure.title.to(words.lang)}. {'; '.join(parts)}"


def _stairs(best: Sequence[Point], backdrop: Backdrop, x: Metric) -> list[Point]:
    """The front as a line of right angles, from edge to edge of the region it dominates."""
    if not best:
        return []
    y_worst = backdrop.frame.y.high if backdrop.y.lower_is_better else backdrop.frame.y.low
    x_worst = backdrop.frame.x.high if x.lower_is_better else backdrop.frame.x.low
    corners = [(best[0][0], y_worst)]
    for at, after in zip(best, [*best[1:], None], strict=True):
        corners += [at, (x_worst if after is None else after[0], at[1])]
    return corners


def _bins(axis: axes.Axis, count: int = 12) -> list[float]:
    shares = [index / count for index in range(count + 1)]
    if axis.scale == "log":
        return [axis.low * (axis.high / axis.low) ** share for share in shares]
    return [axis.low + (axis.high - axis.low) * share for share in shares]


def _scale(values: Sequence[float]) -> axes.Scale:
    """Log where the positive values span about a decade; a few zeros do not change that."""
    positive = [value for value in values if value > 0]
    few_others = len(values) - len(positive) <= len(values) // 4
    wide = bool(positive) and max(positive) > 8 * min(positive)
    return "log" if wide and few_others and not any(value < 0 for value in values) else "linear"


def _better(metric: Metric, words: Words) -> str:
    key = "lower_is_better" if metric.lower_is_better else "higher_is_better"
    return words(key, metric=metric.axis)


def _label(label: str, unit: str, words: Words) -> str:
    return f"{label}, {words.unit(unit)}" if unit else label


def _inside(title: str) -> str:
    """A title as it is written inside a sentence: `Bytes` becomes `bytes`, `MACs` stays."""
    return title if title[1:2].isupper() else title[:1].lower() + title[1:]


def _tooltip(name: str, at: Point, x: Metric, y: Metric) -> str:
    return f"{name}: {x.show(at[0])}, {y.show(at[1])}"


def _icon(role: str) -> Markup:
    return Markup('<svg class="key" viewBox="0 0 22 16" aria-hidden="true">{}</svg>').format(
        symbol(role, 11, 8)
    )


def _line_icon(role: str) -> Markup:
    return Markup(
        '<svg class="key" viewBox="0 0 22 16" aria-hidden="true">'
        '<path class="line {}" d="M0 8h22"/></svg>'
    ).format(role)


def _cloud_icon() -> Markup:
    return Markup(
        '<svg class="key" viewBox="0 0 22 16" aria-hidden="true">'
        '<path class="cloud class" d="M5 5h0M16 6h0M9 12h0"/></svg>'
    )
