"""Bar charts: horizontal bars in named rows, and histograms of a measurement over a class."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from grader.lesson.grades import Figure, Series
from grader.report import numbers
from grader.report.charts import axes
from grader.report.charts.drawing import SIZE, Drawing, Legend, Plot, Table, ems, fitted
from grader.report.labels import Labels
from grader.report.numbers import Metric
from grader.text import Lang

MOST_ROWS = 40
"""Further rows are neither drawn nor listed; a note of the plot gives their number."""
_PITCH, _THICK, _GAP = 20.0, 12.0, 8.0
_NAME_EMS = 13.0
BINS = 12
"""Columns of a histogram."""


@dataclass(frozen=True)
class _Bar:
    series: Series
    value: float


@dataclass(frozen=True)
class _Row:
    name: str
    bars: list[_Bar]

    @property
    def height(self) -> float:
        return max(len(self.bars), 1) * _PITCH + _GAP


def bars(figure: Figure, labels: Labels) -> Plot:
    """The figure as a plot with the number written at every bar.

    A log axis begins left of the shortest bar. Values that are not finite are left out.
    """
    rows = _rows(figure, labels)
    values = [bar.value for row in rows for bar in row.bars]
    x_label, y_label = labels.axis(figure.x), labels.axis(figure.y)
    start = None if figure.x.scale == "log" else max([*values, 0.0]) or 1.0
    x = axes.axis(x_label, values, labels.lang, figure.x.scale, ticks=4, most=start)
    drawing = Drawing(_frame(x, y_label, rows, labels.lang))
    top = drawing.frame.top + _GAP / 2
    for row in rows:
        _draw(drawing, row, top, labels)
        top += row.height
    left_out = len(figure.rows) - len(rows)
    return Plot(
        title=figure.title.to(labels.lang),
        svg=drawing.svg(_description(figure, rows, labels), "bars"),
        legend=[
            Legend.box(f"amount {series.role}", series.label.to(labels.lang))
            for series in figure.series
        ],
        caption=figure.caption.to(labels.lang),
        note=labels("other_layers", n=left_out) if left_out else "",
        table=_table(figure, rows, y_label, labels),
    )


def histogram(
    metric: Metric,
    values: Sequence[float],
    labels: Labels,
    *,
    baseline: float | None = None,
    most: float | None = None,
) -> Plot | None:
    """Columns over the range of `values`, with their median; None without a value.

    `baseline` is marked too; `most` is the largest possible value, where the axis ends.
    """
    values = sorted(value for value in values if numbers.finite(value))
    if not values:
        return None
    marked = [] if baseline is None or not numbers.finite(baseline) else [baseline]
    shown = [*values, *marked]
    scale: axes.Scale = axes.fitting_scale(shown) if most is None else "linear"
    x = axes.axis(metric.axis, shown, labels.lang, scale, ticks=5, most=most)
    columns = Counter(min(int(x.place(value) * BINS), BINS - 1) for value in values)
    drawing = Drawing(axes.frame(x, _count_axis(max(columns.values()), labels), axes.SMALL))
    rows = []
    for index, count in sorted(columns.items()):
        low, high = x.value(index / BINS), x.value((index + 1) / BINS)
        ends = metric.show(low), metric.show(high)
        title = labels("from_to", low=ends[0], high=ends[1], n=count)
        drawing.column(low, high, count, "class", title)
        rows.append([f"{ends[0]} … {ends[1]}", str(count)])
    middle = median(values)
    drawing.upright(middle, "median")
    legend = [Legend.line("median", f"{labels('median')}: {metric.show(middle)}")]
    for at in marked:
        drawing.upright(at, "baseline")
        legend.append(Legend.line("baseline", f"{labels('baseline')}: {metric.show(at)}"))
    description = labels(
        "distribution_described",
        metric=metric.title,
        n=len(values),
        low=metric.show(values[0]),
        high=metric.show(values[-1]),
        median=metric.show(middle),
    )
    table = Table([labels("range"), labels("count")], rows)
    return Plot(metric.title, drawing.svg(description), legend, table=table)


def _rows(figure: Figure, labels: Labels) -> list[_Row]:
    found: dict[int, list[_Bar]] = defaultdict(list)
    for series in figure.series:
        for value, row in zip(series.x, series.y, strict=False):
            if numbers.finite(value) and numbers.finite(row):
                found[round(row)].append(_Bar(series, value))
    named = enumerate(figure.rows[:MOST_ROWS])
    return [_Row(name.to(labels.lang), found[index]) for index, name in named]


def _frame(x: axes.Axis, y_label: str, rows: list[_Row], lang: Lang) -> axes.Frame:
    """Room at the left for the longest name and at the right for the longest number."""
    amounts = [ems(numbers.number(bar.value, lang)) for row in rows for bar in row.bars]
    names = [ems(fitted(row.name, _NAME_EMS)) for row in rows]
    margins = (
        14 + SIZE * max(names, default=1.0),
        max(16.0, 10 + SIZE * max(amounts, default=1.0)),
    )
    y = axes.Axis(y_label, "linear", 0.0, 1.0, ())
    height = axes.TOP + max(sum(row.height for row in rows), 2 * _PITCH) + axes.BOTTOM
    return axes.frame(x, y, (axes.WIDE[0], height), margins)


def _draw(drawing: Drawing, row: _Row, top: float, labels: Labels) -> None:
    left = drawing.frame.left
    middle = top + len(row.bars) * _PITCH / 2
    drawing.text((left - 8, middle + 4), fitted(row.name, _NAME_EMS), "row", "end")
    for index, bar in enumerate(row.bars):
        y = top + index * _PITCH
        end, _ = drawing.frame.at(bar.value, 0.0)
        shown = numbers.number(bar.value, labels.lang)
        title = f"{row.name}, {bar.series.label.to(labels.lang)}: {shown}"
        size = (max(end - left, 0.5), _THICK)
        role = f"amount {bar.series.role}"
        drawing.box((left, y + (_PITCH - _THICK) / 2), size, role, title)
        drawing.text((end + 5, y + _PITCH / 2 + 4), shown, "amount", "start")


def _table(figure: Figure, rows: list[_Row], head: str, labels: Labels) -> Table | None:
    unit = f", {labels.unit(figure.x.unit)}" if figure.x.unit else ""
    titles = [series.label.to(labels.lang) + unit for series in figure.series]
    cells = []
    for row in rows:
        shown = [
            "; ".join(
                numbers.number(bar.value, labels.lang) for bar in row.bars if bar.series is series
            )
            for series in figure.series
        ]
        cells.append([row.name, *(text or numbers.NONE for text in shown)])
    return Table([head, *titles], cells) if cells else None


def _description(figure: Figure, rows: list[_Row], labels: Labels) -> str:
    def amount(bar: _Bar) -> str:
        return f"{bar.series.label.to(labels.lang)} {numbers.number(bar.value, labels.lang)}"

    described = (f"{row.name}: {', '.join(map(amount, row.bars))}" for row in rows)
    return f"{figure.title.to(labels.lang)}. {'; '.join(described)}"


def _count_axis(highest: int, labels: Labels) -> axes.Axis:
    high = max(4, highest)
    # 1, 2 or 5 times a power of ten, at most five ticks above 0
    step = next(m * 10**e for e in range(18) for m in (1, 2, 5) if 5 * m * 10**e >= high)
    ticks = tuple((float(at), numbers.number(at, labels.lang)) for at in range(0, high + 1, step))
    return axes.Axis(labels("count"), "linear", 0.0, float(high), ticks)
