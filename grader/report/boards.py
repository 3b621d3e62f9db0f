"""The leaderboard: every submission in order, as rows of a table and as data for the page's script.

A class of any size is in the page once, as compact data. The first rows are written out as well:
they are what a reader without JavaScript sees, and all there is to a small class.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from grader.lesson import scoring
from grader.lesson.grades import Grade, Status
from grader.report import metrics
from grader.report.charts import numbers
from grader.report.charts.drawing import ems
from grader.report.words import NOT_SUBMITTED, OUTCOMES, Entry, Words, outcome
from grader.text import untrusted

MOST_WRITTEN = 300
"""Rows that are written out; of a larger class the script draws those in sight."""
_WIDEST = 16.0
"""Ems of a column where all rows must be equally high; a longer name ends in dots."""
_NARROWER = 0.85
"""`ems` are those of a wide font, and a cell that is too narrow only ends in dots."""
_PADDING = 1.4


@dataclass(frozen=True)
class Cell:
    text: str
    value: float | None
    """What to sort by; None when there is none."""
    note: str = ""


@dataclass(frozen=True)
class Row:
    rank: int | None
    name: str
    href: str | None
    outcome: str
    failed: tuple[int, ...]
    """Which of the class's checks it failed, by their place among them."""
    cells: tuple[Cell, ...]
    """The score, then the lesson's columns."""


@dataclass(frozen=True)
class Board:
    rows: Sequence[Row]
    columns: Sequence[metrics.Metric]

    @property
    def written(self) -> Sequence[Row]:
        return self.rows[:MOST_WRITTEN]

    @property
    def cut(self) -> bool:
        return len(self.rows) > MOST_WRITTEN


def board(
    entries: Sequence[Entry],
    columns: Sequence[metrics.Metric],
    checks: Mapping[str, int],
    words: Words,
    absent: Sequence[str] = (),
) -> Board:
    """Rows in the order of `entries`, and at the end the names of those who handed in nothing;
    `checks` gives the place of a check by its name."""
    nothing = (Cell(numbers.NONE, None),) * (1 + len(columns))
    rows = [
        Row(
            rank=index + 1 if scoring.group(entry.grade) == scoring.PASSED else None,
            name=untrusted.name(entry.grade.submission.name) or words("unnamed"),
            href=entry.href,
            outcome=outcome(entry.grade),
            failed=_failed(entry.grade, checks),
            cells=(_score(entry.grade, words), *_cells(entry.grade, columns)),
        )
        for index, entry in enumerate(entries)
    ]
    rows += [Row(None, untrusted.name(name), None, NOT_SUBMITTED, (), nothing) for name in absent]
    return Board(rows, columns)


def data(found: Board, places: Iterable[Sequence[tuple[float, float] | None]]) -> Markup:
    """All rows as JSON that can stand in a page, with the place of each in every trade-off.

    A row is [rank, name, address, outcome, failed checks, then text, value and note of each cell].
    """
    kinds = {kind: at for at, kind in enumerate(OUTCOMES)}
    rows: list[list[object]] = [
        [
            *(row.rank, row.name, row.href, kinds[row.outcome], row.failed),
            *(part for cell in row.cells for part in (cell.text, _short(cell.value), cell.note)),
        ]
        for row in found.rows
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


def widths(found: Board, titles: Sequence[str], words: Words) -> list[float]:
    """Widths of all columns in ems, where rows come and go and must not move them.

    `titles` are those of all columns.
    """
    texts: list[Iterable[str]] = [
        [str(len(found.rows))],
        (row.name for row in found.rows),
        [f"✓ {words(f'outcome_{kind}')}" for kind in {row.outcome for row in found.rows}],
        *(
            (f"{row.cells[at].text} {row.cells[at].note}" for row in found.rows)
            for at in range(1 + len(found.columns))
        ),
    ]
    return [
        min(_NARROWER * max([ems(f"{title} ↕"), *map(ems, column)]), _WIDEST) + _PADDING
        for title, column in zip(titles, texts, strict=True)
    ]


def _failed(grade: Grade, checks: Mapping[str, int]) -> tuple[int, ...]:
    if grade.status is not Status.GRADED:
        return ()
    failed = {one.name for one in grade.checks if not one.passed}
    return tuple(sorted(checks[name] for name in failed if name in checks))


def _score(grade: Grade, words: Words) -> Cell:
    """The score so far, and what a person may still add to it."""
    if grade.status is Status.GRADER_FAULT:
        return Cell(numbers.NONE, None)
    note = words("pending_short", points=numbers.points(grade.pending)) if grade.pending else ""
    return Cell(numbers.points(grade.score), grade.score, note)


def _cells(grade: Grade, columns: Sequence[metrics.Metric]) -> Iterable[Cell]:
    for column in columns:
        value = grade.value(column.name)
        yield Cell(column.show(value), value if numbers.finite(value) else None)


def _short(value: float | None) -> float | None:
    """Nine digits sort as well as all, and take half the room."""
    return None if value is None else float(f"{value:.9g}")
