"""The leaderboard: all submissions in order, as rows of a table and as data for the page's script.

The page holds a class of any size once, as compact data. The first rows are written as HTML too,
for readers without JavaScript; a small class needs nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from grader.lesson import scoring
from grader.lesson.grades import Grade, Status
from grader.report import numbers
from grader.report.charts.drawing import ems
from grader.report.labels import NOT_SUBMITTED, OUTCOMES, Labels, outcome
from grader.text import untrusted

MOST_WRITTEN = 300
"""Rows that are written as HTML; in a larger class the script draws the visible ones."""
_WIDEST = 16.0
"""Ems of a column where all rows must have the same height; a longer name ends in dots."""
_FONT = 0.85
"""Width of the page's font relative to `ems`, which assumes a wide one."""
_PADDING = 1.4


@dataclass(frozen=True)
class Entry:
    """One submission of the class and its report's address relative to the class page."""

    grade: Grade
    href: str | None = None


@dataclass(frozen=True)
class Cell:
    """A cell of the table; the script sorts by `value`."""

    text: str
    value: float | None
    note: str = ""


@dataclass(frozen=True)
class Row:
    """One submission, or one student who handed in nothing."""

    rank: int | None
    name: str
    href: str | None
    outcome: str
    failed: tuple[int, ...]
    """Indexes of failed checks among those of the class."""
    cells: tuple[Cell, ...]
    """The score, then the lesson's columns."""


@dataclass(frozen=True)
class Leaderboard:
    """All rows in order, and the lesson's columns."""

    rows: Sequence[Row]
    columns: Sequence[numbers.Metric]

    @property
    def written(self) -> Sequence[Row]:
        return self.rows[:MOST_WRITTEN]

    @property
    def cut(self) -> bool:
        return len(self.rows) > MOST_WRITTEN


def leaderboard(
    entries: Sequence[Entry],
    columns: Sequence[numbers.Metric],
    checks: Mapping[str, int],
    labels: Labels,
    absent: Sequence[str] = (),
) -> Leaderboard:
    """Rows in the order of `entries`, then those of `absent`, the names without a submission.

    `checks` gives the index of a check by its name.
    """
    nothing = (Cell(numbers.NONE, None),) * (1 + len(columns))
    rows = [
        Row(
            rank=index + 1 if scoring.group(entry.grade) == scoring.PASSED else None,
            name=untrusted.name(entry.grade.submission.name) or labels("unnamed"),
            href=entry.href,
            outcome=outcome(entry.grade),
            failed=_failed(entry.grade, checks),
            cells=(_score(entry.grade, labels), *_cells(entry.grade, columns)),
        )
        for index, entry in enumerate(entries)
    ]
    rows += [Row(None, untrusted.name(name), None, NOT_SUBMITTED, (), nothing) for name in absent]
    return Leaderboard(rows, columns)


def data(board: Leaderboard, places: Iterable[Sequence[tuple[float, float] | None]]) -> Markup:
    """All rows as JSON for a script element, with the place of each in every trade-off.

    A row is [rank, name, address, outcome, failed checks, then text, value and note of each cell].
    """
    kinds = {kind: at for at, kind in enumerate(OUTCOMES)}
    rows: list[list[object]] = [
        [
            *(row.rank, row.name, row.href, kinds[row.outcome], row.failed),
            *(part for cell in row.cells for part in (cell.text, _short(cell.value), cell.note)),
        ]
        for row in board.rows
    ]
    plots = [
        [None if at is None else [round(at[0], 1), round(at[1], 1)] for at in one] for one in places
    ]
    raw = json.dumps(
        {"rows": rows, "plots": plots}, ensure_ascii=False, allow_nan=False, separators=(",", ":")
    )
    # No text of a submission may end the script element or open a comment in it.
    for sign in "<>&\u2028\u2029":
        raw = raw.replace(sign, f"\\u{ord(sign):04x}")
    return Markup(raw)


def widths(board: Leaderboard, titles: Sequence[str], labels: Labels) -> list[float]:
    """Fixed widths of all columns in ems, for a table whose rows the script exchanges.

    `titles` are those of all columns.
    """
    texts: list[Iterable[str]] = [
        [str(len(board.rows))],
        (row.name for row in board.rows),
        [f"✓ {labels(f'outcome_{kind}')}" for kind in {row.outcome for row in board.rows}],
        *(
            (f"{row.cells[at].text} {row.cells[at].note}" for row in board.rows)
            for at in range(1 + len(board.columns))
        ),
    ]
    return [
        min(_FONT * max([ems(f"{title} ↕"), *map(ems, column)]), _WIDEST) + _PADDING
        for title, column in zip(titles, texts, strict=True)
    ]


def _failed(grade: Grade, checks: Mapping[str, int]) -> tuple[int, ...]:
    if grade.status is not Status.GRADED:
        return ()
    failed = {one.name for one in grade.checks if not one.passed}
    return tuple(sorted(checks[name] for name in failed if name in checks))


def _score(grade: Grade, labels: Labels) -> Cell:
    """The score so far, with a note on the points that a person may still add."""
    if grade.status is Status.GRADER_FAULT:
        return Cell(numbers.NONE, None)
    note = (
        labels("pending_short", points=numbers.points(grade.pending, labels.lang))
        if grade.pending
        else ""
    )
    return Cell(numbers.points(grade.score, labels.lang), grade.score, note)


def _cells(grade: Grade, columns: Sequence[numbers.Metric]) -> Iterable[Cell]:
    for column in columns:
        value = grade.value(column.name)
        yield Cell(column.show(value), value if numbers.finite(value) else None)


def _short(value: float | None) -> float | None:
    """Nine significant digits are enough for sorting and take half the space."""
    return None if value is None else float(f"{value:.9g}")
