"""Heat maps of counts, such as confusion matrices; cells show their share of the row."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise

from grader.lesson.grades import Figure
from grader.report import numbers
from grader.report.charts import axes
from grader.report.charts.drawing import Drawing, Legend, Plot, Table, ems, fitted, scrolling
from grader.report.labels import Labels
from grader.text import Lang

MOST = 48
"""Rows and columns that are drawn; a note of the plot gives the number of the others."""
_STEPS = (0.05, 0.2, 0.5, 0.8)
_CELL, _LETTER, _NAME_EMS = 24.0, 11.0, 8.0
_DESCRIBED = 8
_TOP = axes.TOP + 14
"""The names of the columns are written above the cells too, under the label of the rows."""


@dataclass(frozen=True)
class _Counts:
    rows: list[str]
    columns: list[str]
    at: dict[tuple[int, int], float]
    """Values by row and column; missing cells are 0."""
    totals: dict[int, float]
    """Sums of whole rows, including columns that are not drawn."""

    def share(self, row: int, column: int) -> float:
        return self.at[row, column] / self.totals[row]

    def named(self, row: int, column: int) -> str:
        return f"{self.rows[row]} → {self.columns[column]}"


def heatmap(figure: Figure, labels: Labels) -> Plot:
    """The figure as a plot. A cell holds its share of the row in percent; `<1` is less than one.

    Cells whose row and column have the same name are framed.
    """
    counts = _counts(figure, labels)
    x_label, y_label = labels.axis(figure.x), labels.axis(figure.y)
    drawing = Drawing(_frame(counts, x_label, y_label))
    _draw_names(drawing, counts, x_label, y_label)
    for row, column in counts.at:
        _draw_cell(drawing, counts, row, column, labels.lang)
    limits = ("0", *(f"{100 * limit:.0f}" for limit in _STEPS), "100")
    beyond = max(len(figure.rows), len(figure.columns)) - MOST
    picture = drawing.svg(_description(figure, counts, labels), "heat")
    title = figure.title.to(labels.lang)
    return Plot(
        title=title,
        svg=scrolling(picture, title),
        legend=[
            Legend.box(f"cell h{step}", f"{low}–{high}%")
            for step, (low, high) in enumerate(pairwise(limits), 1)
            if counts.at
        ],
        caption=figure.caption.to(labels.lang),
        note=labels("other_layers", n=beyond) if beyond > 0 else "",
        table=_table(counts, f"{y_label} → {x_label}", labels),
    )


def _counts(figure: Figure, labels: Labels) -> _Counts:
    rows = [one.to(labels.lang) for one in figure.rows[:MOST]]
    columns = [one.to(labels.lang) for one in figure.columns[:MOST]]
    at: dict[tuple[int, int], float] = defaultdict(float)
    totals: dict[int, float] = defaultdict(float)
    for series in figure.series:
        for x, y, value in zip(series.x, series.y, series.values, strict=False):
            if not all(map(numbers.finite, (x, y, value))) or value <= 0:
                continue
            row, column = round(y), round(x)
            totals[row] += value
            if 0 <= row < len(rows) and 0 <= column < len(columns):
                at[row, column] += value
    return _Counts(rows, columns, dict(sorted(at.items())), dict(totals))


def _frame(counts: _Counts, x_label: str, y_label: str) -> axes.Frame:
    """Cells from the upper left; the axes hold whole cells, as many as there are names."""
    across, down = max(len(counts.columns), 1), max(len(counts.rows), 1)
    left = 16 + _LETTER * _widest(counts.rows)
    right, bottom = left + across * _CELL, _TOP + down * _CELL
    below = 10 + _LETTER * _widest(counts.columns) if _upright(counts) else 20.0
    return axes.Frame(
        body="",
        width=max(right + 16, axes.WIDE[0]),
        height=bottom + below + 26,
        left=left,
        right=right,
        top=_TOP,
        bottom=bottom,
        x=axes.Axis(x_label, "linear", 0.0, float(across), ()),
        y=axes.Axis(y_label, "linear", 0.0, float(down), ()),
    )


def _widest(names: list[str]) -> float:
    return max((ems(fitted(one, _NAME_EMS)) for one in names), default=1.0)


def _upright(counts: _Counts) -> bool:
    """True when a column is too narrow for its name."""
    return _LETTER * _widest(counts.columns) > _CELL - 1


def _draw_names(drawing: Drawing, counts: _Counts, x_label: str, y_label: str) -> None:
    frame = drawing.frame
    drawing.text((4, 14), y_label, "label", "start")
    drawing.text((frame.right, frame.height - 6), x_label, "label", "end")
    for index, one in enumerate(counts.rows):
        top = frame.top + index * _CELL
        drawing.text((frame.left - 6, top + _CELL / 2 + 4), fitted(one, _NAME_EMS), "row", "end")
        drawing.rail((frame.left, top), (frame.right, top))
    upright = _upright(counts)
    for index, one in enumerate(counts.columns):
        middle = frame.left + (index + 0.5) * _CELL
        at = (middle + 4, frame.bottom + 6) if upright else (middle, frame.bottom + 15)
        anchor = "end" if upright else "middle"
        drawing.text(at, fitted(one, _NAME_EMS), "row", anchor, upright=upright)
        if not upright:
            drawing.text((middle, frame.top - 8), fitted(one, _NAME_EMS), "row", anchor)
        drawing.rail((middle - _CELL / 2, frame.top), (middle - _CELL / 2, frame.bottom))


def _draw_cell(drawing: Drawing, counts: _Counts, row: int, column: int, lang: Lang) -> None:
    frame, share = drawing.frame, counts.share(row, column)
    left, top = frame.left + column * _CELL, frame.top + row * _CELL
    step = 1 + sum(share >= limit for limit in _STEPS)
    same = " same" if counts.rows[row] == counts.columns[column] else ""
    title = (
        f"{counts.named(row, column)}: {numbers.number(counts.at[row, column], lang)} / "
        f"{numbers.number(counts.totals[row], lang)} ({_percent(share)}%)"
    )
    drawing.box((left + 1, top + 1), (_CELL - 2, _CELL - 2), f"cell h{step}{same}", title)
    kind = "share on" if step > 3 else "share"
    drawing.text((left + _CELL / 2, top + _CELL / 2 + 3.5), _percent(share), kind, "middle")


def _percent(share: float) -> str:
    return f"{100 * share:.0f}" if share >= 0.005 else "<1"


def _table(counts: _Counts, corner: str, labels: Labels) -> Table | None:
    if not counts.at:
        return None
    return Table(
        [corner, *counts.columns, labels("total")],
        [
            [
                name,
                *(
                    numbers.number(counts.at.get((row, c), 0.0), labels.lang)
                    for c in range(len(counts.columns))
                ),
                numbers.number(counts.totals.get(row, 0.0), labels.lang),
            ]
            for row, name in enumerate(counts.rows)
        ],
    )


def _description(figure: Figure, counts: _Counts, labels: Labels) -> str:
    """The title, and the most frequent cells off the diagonal."""
    others = [at for at in counts.at if counts.rows[at[0]] != counts.columns[at[1]]]
    most = sorted(others, key=lambda at: -counts.at[at])[:_DESCRIBED]
    described = [
        f"{counts.named(*at)}: {numbers.number(counts.at[at], labels.lang)}" for at in most
    ]
    return f"{figure.title.to(labels.lang)}. {'; '.join(described)}"
