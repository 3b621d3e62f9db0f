"""What a plot on a page consists of: a picture, a legend and, where small, a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from grader.report.charts.drawing import symbol

TABLE_ROWS = 60
"""Plots with more points come without a table."""

_KEY = Markup('<svg class="key" viewBox="0 0 22 16" aria-hidden="true">{}</svg>')


@dataclass(frozen=True)
class Legend:
    """One entry of a legend: a small picture and its meaning."""

    icon: Markup
    label: str


@dataclass(frozen=True)
class Table:
    """The numbers behind a plot, or words beside each other; the first column names the row."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: bool = False
    """True for cells of words: they read from the left, and the table is no detail."""


@dataclass(frozen=True)
class Plot:
    """One plot, ready for `plot()` in templates/parts.html.j2."""

    title: str
    svg: Markup
    legend: Sequence[Legend] = ()
    caption: str = ""
    note: str = ""
    table: Table | None = None


def point_key(role: str, label: str) -> Legend:
    """The legend of a symbol."""
    return Legend(_KEY.format(symbol(role, 11, 8)), label)


def line_key(role: str, label: str) -> Legend:
    """The legend of a line."""
    return Legend(_KEY.format(Markup('<path class="line {}" d="M0 8h22"/>').format(role)), label)


def box_key(role: str, label: str) -> Legend:
    """The legend of a bar or a cell."""
    box = Markup('<rect class="{}" x="1" y="2" width="20" height="12"/>')
    return Legend(_KEY.format(box.format(role)), label)


def cloud_key(role: str, label: str) -> Legend:
    """The legend of nameless dots."""
    dots = Markup('<path class="cloud {}" d="M5 5h0M16 6h0M9 12h0"/>')
    return Legend(_KEY.format(dots.format(role)), label)
