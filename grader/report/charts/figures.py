"""The figures of a grade as plots: one function for each kind of figure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from grader.lesson.grades import Figure, Series
from grader.report import numbers
from grader.report.charts import axes
from grader.report.charts.bars import bars
from grader.report.charts.drawing import TABLE_ROWS, Drawing, Legend, Plot, Table
from grader.report.charts.heatmap import heatmap
from grader.report.labels import Labels

LABELLED = 12
"""Points of a series that get a label in the plot; all points have tooltips."""
_ORDER = ("threshold", "baseline", "reference", "experiment", "submission")
"""Roles of series, from back to front."""


@dataclass(frozen=True)
class _Trace:
    """A series with only its finite points, each with its index in the series."""

    series: Series
    points: list[tuple[int, float, float]]

    @classmethod
    def of(cls, series: Series) -> _Trace:
        pairs = enumerate(zip(series.x, series.y, strict=False))
        return cls(
            series,
            [(at, x, y) for at, (x, y) in pairs if numbers.finite(x) and numbers.finite(y)],
        )

    @property
    def role(self) -> str:
        return self.series.role

    @property
    def is_line(self) -> bool:
        """Thresholds are lines in a scatter plot too, such as the roof of a roofline."""
        return self.role == "threshold"

    @property
    def is_rule(self) -> bool:
        """A threshold of one height is a horizontal line from edge to edge."""
        return self.is_line and len({y for *_, y in self.points}) == 1

    @property
    def spread(self) -> list[tuple[float, float, float]]:
        """x, low and high of the points that have an interval."""
        low, high = self.series.y_low, self.series.y_high
        have = min(len(low), len(high))
        return [(x, low[at], high[at]) for at, x, _ in self.points if at < have]

    def label(self, at: int, labels: Labels) -> str:
        """The label of a point, or of the series where the point has none."""
        own = self.series.point_labels[at : at + 1]
        return (own[0] if own else "") or self.series.label.to(labels.lang)


def _text_table(figure: Figure, labels: Labels) -> Plot:
    """A table of texts, e.g. a submission's answers next to the correct ones."""
    columns = [series.point_labels for series in figure.series]
    rows = [
        [
            one.to(labels.lang),
            *(cells[at] if at < len(cells) else numbers.NONE for cells in columns),
        ]
        for at, one in enumerate(figure.rows[:TABLE_ROWS])
    ]
    left_out = len(figure.rows) - len(rows)
    head = [labels.axis(figure.y), *(one.label.to(labels.lang) for one in figure.series)]
    return Plot(
        title=figure.title.to(labels.lang),
        svg=Markup(""),
        caption=figure.caption.to(labels.lang),
        note=labels("other_layers", n=left_out) if left_out else "",
        table=Table(head, rows, words=True) if rows else None,
    )


def _points(figure: Figure, labels: Labels) -> Plot:
    """Points or lines, with a symbol or a line style for each role of a series."""
    lines = figure.kind == "line"
    traces = [_Trace.of(series) for series in figure.series]
    stacked = sorted(traces, key=lambda trace: _ORDER.index(trace.role))
    xs = [x for trace in traces if not trace.is_rule for _, x, _ in trace.points]
    ys = [y for trace in traces for *_, y in trace.points]
    ends = [end for trace in traces for _, *ends in trace.spread for end in ends]
    x = axes.axis(labels.axis(figure.x), xs, labels.lang, figure.x.scale)
    y = axes.axis(labels.axis(figure.y), [*ys, *ends], labels.lang, figure.y.scale)
    drawing = Drawing(axes.frame(x, y))
    for trace in stacked:
        if trace.is_rule:
            drawing.rule(trace.points[0][2], trace.role)
        elif lines or trace.is_line:
            if spread := trace.spread:
                upper = [(at_x, high) for at_x, _, high in spread]
                drawing.band(upper, [(at_x, low) for at_x, low, _ in spread], trace.role)
            drawing.line([(at_x, at_y) for _, at_x, at_y in trace.points], trace.role)
        else:
            _draw_points(drawing, trace, labels)
    if not lines:
        for trace in reversed(stacked):
            for at, at_x, at_y in [] if trace.is_line else trace.points[:LABELLED]:
                drawing.label(at_x, at_y, trace.label(at, labels), trace.role)
    edge = axes.leaves_out(x, xs) or axes.leaves_out(y, ys)
    return Plot(
        title=figure.title.to(labels.lang),
        svg=drawing.svg(_description(figure, traces, labels)),
        legend=[
            (Legend.line if lines or trace.is_line else Legend.point)(
                trace.role, trace.series.label.to(labels.lang)
            )
            for trace in reversed(stacked)
        ],
        caption=figure.caption.to(labels.lang),
        note=labels("at_edge") if edge and not lines else "",
        table=_table(traces, x.label, y.label, labels),
    )


def _draw_points(drawing: Drawing, trace: _Trace, labels: Labels) -> None:
    for x, low, high in trace.spread:
        drawing.error_bar(x, low, high, trace.role)
    for at, x, y in trace.points:
        place = ", ".join(numbers.number(one, labels.lang) for one in (x, y))
        title = f"{trace.label(at, labels)}: {place}"
        drawing.mark(x, y, trace.role, title)


def _table(traces: Sequence[_Trace], x: str, y: str, labels: Labels) -> Table | None:
    if sum(len(trace.points) for trace in traces) > TABLE_ROWS:
        return None
    rows = []
    for trace in traces:
        for at, at_x, at_y in trace.points[: 1 if trace.is_rule else None]:
            shown = numbers.NONE if trace.is_rule else numbers.number(at_x, labels.lang)
            rows.append([trace.label(at, labels), shown, numbers.number(at_y, labels.lang)])
    return Table([labels("point"), x, y], rows) if rows else None


def _description(figure: Figure, traces: Sequence[_Trace], labels: Labels) -> str:
    ranges = []
    for trace in traces:
        if trace.points:
            xs, ys = [x for _, x, _ in trace.points], [y for *_, y in trace.points]
            x0, x1, y0, y1 = (
                numbers.number(end, labels.lang) for end in (min(xs), max(xs), min(ys), max(ys))
            )
            label = trace.series.label.to(labels.lang)
            ranges.append(labels("range_described", label=label, x0=x0, x1=x1, y0=y0, y1=y1))
    return f"{figure.title.to(labels.lang)}. {'; '.join(ranges)}"


CHARTS: dict[str, Callable[[Figure, Labels], Plot]] = {
    "line": _points,
    "scatter": _points,
    "bars": bars,
    "heatmap": heatmap,
    "table": _text_table,
}
"""The function that draws each `kind` of `grader.lesson.grades.Figure`; a new chart goes here."""
