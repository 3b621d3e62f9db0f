"""How one number is spread over a class."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from grader.report import axes, numbers
from grader.report.drawing import Drawing
from grader.report.metrics import Metric
from grader.report.parts import Plot, Table, line_key
from grader.report.words import Words

BINS = 12


def histogram(
    metric: Metric,
    values: Sequence[float],
    words: Words,
    *,
    baseline: float | None = None,
    most: float | None = None,
) -> Plot | None:
    """Columns over the range of `values`, with their median; None without a value.

    `baseline` is marked too; `most` is the largest value there can be, where the axis ends.
    """
    values = sorted(value for value in values if numbers.finite(value))
    if not values:
        return None
    marked = [] if baseline is None or not numbers.finite(baseline) else [baseline]
    shown = [*values, *marked]
    scale: axes.Scale = axes.fitting_scale(shown) if most is None else "linear"
    x = axes.axis(metric.axis, shown, words.lang, scale, ticks=5, most=most)
    counts = _counts(values, x)
    drawing = Drawing(axes.frame(x, _count_axis(max(counts), words), axes.SMALL))
    rows = []
    for index, count in enumerate(counts):
        if count:
            low, high = x.value(index / BINS), x.value((index + 1) / BINS)
            ends = metric.show(low), metric.show(high)
            title = words("from_to", low=ends[0], high=ends[1], n=count)
            drawing.column(low, high, count, "class", title)
            rows.append([f"{ends[0]} … {ends[1]}", str(count)])
    middle = median(values)
    drawing.upright(middle, "median")
    legend = [line_key("median", f"{words('median')}: {metric.show(middle)}")]
    for at in marked:
        drawing.upright(at, "baseline")
        legend.append(line_key("baseline", f"{words('baseline')}: {metric.show(at)}"))
    description = words(
        "distribution_described",
        metric=metric.title,
        n=len(values),
        low=metric.show(values[0]),
        high=metric.show(values[-1]),
        median=metric.show(middle),
    )
    table = Table([words("range"), words("count")], rows)
    return Plot(metric.title, drawing.svg(description), legend, table=table)


def _counts(values: Sequence[float], x: axes.Axis) -> list[int]:
    counts = [0] * BINS
    for value in values:
        counts[min(int(x.place(value) * BINS), BINS - 1)] += 1
    return counts


def _count_axis(highest: int, words: Words) -> axes.Axis:
    high = max(4, highest)
    # 1, 2 or 5 times a power of ten, at most five ticks above 0
    step = next(m * 10**e for e in range(18) for m in (1, 2, 5) if 5 * m * 10**e >= high)
    ticks = tuple((float(at), numbers.number(at)) for at in range(0, high + 1, step))
    return axes.Axis(words("count"), "linear", 0.0, float(high), ticks)
