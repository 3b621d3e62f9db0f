"""Horizontal bars in named rows: measured beside estimated, or the parts of a whole."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from grader.grades import Figure, Series
from grader.report import axes, numbers
from grader.report.drawing import Drawing
from grader.report.lettering import SIZE, ems, fitted
from grader.report.parts import Plot, Table, box_key
from grader.report.words import Words, labelled

MOST_ROWS = 40
"""Further rows are neither drawn nor listed; the plot says how many."""
_PITCH, _THICK, _GAP = 20.0, 12.0, 8.0
_NAME_EMS = 13.0


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


def bars(figure: Figure, words: Words) -> Plot:
    """The figure as a plot; every bar carries its number, so its colour says nothing alone.

    A log axis begins left of the shortest bar. Bars that are no number are left out.
    """
    rows = _rows(figure, words)
    values = [bar.value for row in rows for bar in row.bars]
    x_label, y_label = labelled(figure.x, words), labelled(figure.y, words)
    start = None if figure.x.scale == "log" else max([*values, 0.0]) or 1.0
    x = axes.axis(x_label, values, words.lang, figure.x.scale, ticks=4, most=start)
    drawing = Drawing(_frame(x, y_label, rows))
    top = drawing.frame.top + _GAP / 2
    for row in rows:
        _draw(drawing, row, top, words)
        top += row.height
    left_out = len(figure.rows) - len(rows)
    return Plot(
        title=figure.title.to(words.lang),
        svg=drawing.svg(_description(figure, rows, words), "bars"),
        legend=[
            box_key(f"amount {series.role}", series.label.to(words.lang))
            for series in figure.series
        ],
        caption=figure.caption.to(words.lang),
        note=words("other_layers", n=left_out) if left_out else "",
        table=_table(figure, rows, y_label, words),
    )


def _rows(figure: Figure, words: Words) -> list[_Row]:
    found: dict[int, list[_Bar]] = defaultdict(list)
    for series in figure.series:
        for value, row in zip(series.x, series.y, strict=False):
            if numbers.finite(value) and numbers.finite(row):
                found[round(row)].append(_Bar(series, value))
    named = enumerate(figure.rows[:MOST_ROWS])
    return [_Row(name.to(words.lang), found[index]) for index, name in named]


def _frame(x: axes.Axis, y_label: str, rows: list[_Row]) -> axes.Frame:
    """Room at the left for the longest name and at the right for the longest number."""
    amounts = [ems(numbers.number(bar.value)) for row in rows for bar in row.bars]
    names = [ems(fitted(row.name, _NAME_EMS)) for row in rows]
    margins = (
        14 + SIZE * max(names, default=1.0),
        max(16.0, 10 + SIZE * max(amounts, default=1.0)),
    )
    y = axes.Axis(y_label, "linear", 0.0, 1.0, ())
    height = axes.TOP + max(sum(row.height for row in rows), 2 * _PITCH) + axes.BOTTOM
    return axes.frame(x, y, (axes.WIDE[0], height), margins)


def _draw(drawing: Drawing, row: _Row, top: float, words: Words) -> None:
    left = drawing.frame.left
    middle = top + len(row.bars) * _PITCH / 2
    drawing.text((left - 8, middle + 4), fitted(row.name, _NAME_EMS), "row", "end")
    for index, bar in enumerate(row.bars):
        y = top + index * _PITCH
        end, _ = drawing.frame.at(bar.value, 0.0)
        shown = numbers.number(bar.value)
        title = f"{row.name}, {bar.series.label.to(words.lang)}: {shown}"
        size = (max(end - left, 0.5), _THICK)
        role = f"amount {bar.series.role}"
        drawing.box((left, y + (_PITCH - _THICK) / 2), size, role, title)
        drawing.text((end + 5, y + _PITCH / 2 + 4), shown, "amount", "start")


def _table(figure: Figure, rows: list[_Row], head: str, words: Words) -> Table | None:
    unit = f", {words.unit(figure.x.unit)}" if figure.x.unit else ""
    titles = [series.label.to(words.lang) + unit for series in figure.series]
    cells = []
    for row in rows:
        shown = [
            "; ".join(numbers.number(bar.value) for bar in row.bars if bar.series is series)
            for series in figure.series
        ]
        cells.append([row.name, *(text or numbers.NONE for text in shown)])
    return Table([head, *titles], cells) if cells else None


def _description(figure: Figure, rows: list[_Row], words: Words) -> str:
    said = []
    for row in rows:
        amounts = ", ".join(
            f"{bar.series.label.to(words.lang)} {numbers.number(bar.value)}" for bar in row.bars
        )
        said.append(f"{row.name}: {amounts}")
    return f"{figure.title.to(words.lang)}. {'; '.join(said)}"
