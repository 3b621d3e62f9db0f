"""The figures of a grade, drawn as its autograder described them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from grader.lesson.grades import Figure, Series
from grader.report.charts import axes, numbers
from grader.report.charts.bars import bars
from grader.report.charts.drawing import Drawing
from grader.report.charts.heatmap import heatmap
from grader.report.charts.parts import TABLE_ROWS, Plot, Table, line_key, point_key
from grader.report.words import Words, labelled

LABELLED = 12
"""So many points of a series are labelled in the plot; the tooltips have them all."""
_ORDER = ("threshold", "baseline", "reference", "experiment", "submission")


@dataclass(frozen=True)
class _Trace:
    """A series with only its finite points, each with its place in the series."""

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
    def is_rule(self) -> bool:
        """A threshold of one height: a line from edge to edge."""
        return self.role == "threshold" and len({y for *_, y in self.points}) == 1

    @property
    def is_line(self) -> bool:
        """Thresholds are lines among points too, such as the roof of a roofline."""
        return self.role == "threshold"

    @property
    def spread(self) -> list[tuple[float, float, float]]:
        """x, low and high of the points that have an interval."""
        low, high = self.series.y_low, self.series.y_high
        have = min(len(low), len(high))
        return [(x, low[at], high[at]) for at, x, _ in self.points if at < have]

    def label(self, at: int, words: Words) -> str:
        labels = self.series.point_labels
        own = labels[at] if at < len(labels) else ""
        return own or self.series.label.to(words.lang)


def figure(figure: Figure, words: Words) -> Plot:
    """The figure as a plot of its kind."""
    match figure.kind:
        case "bars":
            return bars(figure, words)
        case "heatmap":
            return heatmap(figure, words)
        case "table":
            return _words_beside(figure, words)
        case _:
            return _points(figure, words)


def _words_beside(figure: Figure, words: Words) -> Plot:
    """Rows of words, e.g. answers beside the right ones."""
    columns = [series.point_labels for series in figure.series]
    rows = [
        [one.to(words.lang), *(cells[at] if at < len(cells) else numbers.NONE for cells in columns)]
        for at, one in enumerate(figure.rows[:TABLE_ROWS])
    ]
    left_out = len(figure.rows) - len(rows)
    head = [labelled(figure.y, words), *(one.label.to(words.lang) for one in figure.series)]
    return Plot(
        title=figure.title.to(words.lang),
        svg=Markup(""),
        caption=figure.caption.to(words.lang),
        note=words("other_layers", n=left_out) if left_out else "",
        table=Table(head, rows, words=True) if rows else None,
    )


def _points(figure: Figure, words: Words) -> Plot:
    """Points or lines; symbols and lines are told apart by the roles of their series."""
    traces = [_Trace.of(series) for series in figure.series]
    # Drawn from back to front; the submission lies on top.
    stacked = sorted(traces, key=lambda trace: _ORDER.index(trace.role))
    xs = [x for trace in traces if not trace.is_rule for _, x, _ in trace.points]
    ys = [y for trace in traces for *_, y in trace.points]
    ends = [end for trace in traces for _, *ends in trace.spread for end in ends]
    x = axes.axis(labelled(figure.x, words), xs, words.lang, figure.x.scale)
    y = axes.axis(labelled(figure.y, words), [*ys, *ends], words.lang, figure.y.scale)
    drawing = Drawing(axes.frame(x, y))
    for trace in stacked:
        if trace.is_rule:
            drawing.rule(trace.points[0][2], trace.role)
        elif figure.kind == "line" or trace.is_line:
            _draw_line(drawing, trace)
        else:
            _draw_points(drawing, trace, words)
    if figure.kind == "scatter":
        _draw_labels(drawing, stacked, words)
    edge = axes.leaves_out(x, xs) or axes.leaves_out(y, ys)
    return Plot(
        title=figure.title.to(words.lang),
        svg=drawing.svg(_description(figure, traces, words)),
        legend=[
            (line_key if trace.is_line or figure.kind == "line" else point_key)(
                trace.role, trace.series.label.to(words.lang)
            )
            for trace in reversed(stacked)
        ],
        caption=figure.caption.to(words.lang),
        note=words("at_edge") if edge and figure.kind == "scatter" else "",
        table=_table(traces, x.label, y.label, words),
    )


def _draw_line(drawing: Drawing, trace: _Trace) -> None:
    if spread := trace.spread:
        drawing.band(
            [(x, high) for x, _, high in spread], [(x, low) for x, low, _ in spread], trace.role
        )
    drawing.line([(x, y) for _, x, y in trace.points], trace.role)


def _draw_points(drawing: Drawing, trace: _Trace, words: Words) -> None:
    for x, low, high in trace.spread:
        drawing.error_bar(x, low, high, trace.role)
    for at, x, y in trace.points:
        title = f"{trace.label(at, words)}: {numbers.number(x)}, {numbers.number(y)}"
        drawing.mark(x, y, trace.role, title)


def _draw_labels(drawing: Drawing, stacked: Sequence[_Trace], words: Words) -> None:
    for trace in reversed(stacked):
        for at, x, y in [] if trace.is_line else trace.points[:LABELLED]:
            drawing.label(x, y, trace.label(at, words), trace.role)


def _table(traces: Sequence[_Trace], x: str, y: str, words: Words) -> Table | None:
    if sum(len(trace.points) for trace in traces) > TABLE_ROWS:
        return None
    rows = []
    for trace in traces:
        for at, at_x, at_y in trace.points[: 1 if trace.is_rule else None]:
            shown = numbers.NONE if trace.is_rule else numbers.number(at_x)
            rows.append([trace.label(at, words), shown, numbers.number(at_y)])
    return Table([words("point"), x, y], rows) if rows else None


def _description(figure: Figure, traces: Sequence[_Trace], words: Words) -> str:
    said = []
    for trace in traces:
        if trace.points:
            xs, ys = [x for _, x, _ in trace.points], [y for *_, y in trace.points]
            said.append(
                words(
                    "range_described",
                    label=trace.series.label.to(words.lang),
                    x0=numbers.number(min(xs)),
                    x1=numbers.number(max(xs)),
                    y0=numbers.number(min(ys)),
                    y1=numbers.number(max(ys)),
                )
            )
    return f"{figure.title.to(words.lang)}. {'; '.join(said)}"
