"""A plot of a page: its inline SVG, drawn mark by mark on a frame, its legend and its table.

Marks carry the class of their role and no color; templates/charts.css gives them one for light
and one for dark. Every text goes through `escape` and `untrusted.name` here.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from markupsafe import Markup, escape

from grader.report.charts.axes import WIDE, Frame
from grader.text.untrusted import name

Point = tuple[float, float]
Box = tuple[float, float, float, float]

MOST_POINTS = 5_000
"""Points that are drawn of one line; more cannot be told apart."""
TABLE_ROWS = 60
"""Plots with more points come without a table."""
SIZE = 15.5
"""Size of the larger letters that phones get (charts.css), in units of the plot."""
_ROOMY, _PHONE = (6.4, 13.0), (8.9, 18.0)
"""Width of a letter and height of a line of labels, on wide screens and on phones. On phones a plot
is smaller, and its letters, in its own units, are larger (charts.css)."""
_BESIDE = (
    (9.0, 4.0, "start"),
    (-9.0, 4.0, "end"),
    (0.0, -10.0, "middle"),
    (0.0, 19.0, "middle"),
    (6.0, -7.0, "start"),
    (-6.0, -7.0, "end"),
    (6.0, 17.0, "start"),
    (-6.0, 17.0, "end"),
)
"""Where a label may stand beside its point, the best place first."""
_SHAPES = {
    "baseline": "m0-6l6 6-6 6-6-6z",
    "reference": "m0-6.5l6 10.5h-12z",
    "experiment": "m-4.5-4.5h9v9h-9z",
}
"""Symbols of roles around their point; those of other roles are circles."""
_KEY = Markup('<svg class="key" viewBox="0 0 22 16" aria-hidden="true">{}</svg>')


@dataclass(frozen=True)
class Legend:
    """One entry of a legend: a small picture and its meaning."""

    icon: Markup
    label: str

    @classmethod
    def point(cls, role: str, label: str) -> Legend:
        return cls(_KEY.format(symbol(role, 11, 8)), label)

    @classmethod
    def line(cls, role: str, label: str) -> Legend:
        return cls(_KEY.format(Markup('<path class="line {}" d="M0 8h22"/>').format(role)), label)

    @classmethod
    def box(cls, role: str, label: str) -> Legend:
        """A bar or a cell."""
        box = Markup('<rect class="{}" x="1" y="2" width="20" height="12"/>')
        return cls(_KEY.format(box.format(role)), label)

    @classmethod
    def cloud(cls, role: str, label: str) -> Legend:
        """Anonymous dots."""
        dots = Markup('<path class="cloud {}" d="M5 5h0M16 6h0M9 12h0"/>')
        return cls(_KEY.format(dots.format(role)), label)


@dataclass(frozen=True)
class Table:
    """The numbers behind a plot, or a table of words; the first column names the row."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: bool = False
    """True for cells of words: they are aligned to the left, and the table is shown unfolded."""


@dataclass(frozen=True)
class Plot:
    """One plot, as `plot()` in templates/parts.html.j2 shows it."""

    title: str
    svg: Markup
    legend: Sequence[Legend] = ()
    caption: str = ""
    note: str = ""
    table: Table | None = None


class Drawing:
    """An SVG under construction; coordinates are those of the data."""

    def __init__(self, frame: Frame) -> None:
        self.frame = frame
        self._parts: list[str] = []
        self._taken: list[Box] = []
        self._linked = False

    def line(self, points: Sequence[Point], role: str, *, keeps_clear: bool = False) -> None:
        """A line through `points`; points on the same pixel are drawn once.

        With `keeps_clear`, labels are not written across the line; its segments must be horizontal
        or vertical.
        """
        path = self._path(_thinned(points))
        if keeps_clear:
            ends = [self.frame.at(x, y) for x, y in points]
            for (x0, y0), (x1, y1) in pairwise(ends):
                box = (min(x0, x1) - 1, min(y0, y1) - 1, max(x0, x1) + 1, max(y0, y1) + 1)
                self._taken.append(box)
        if path:
            self._parts.append(f'<path class="line {role}" d="M{path}"/>')

    def band(self, upper: Sequence[Point], lower: Sequence[Point], role: str) -> None:
        """The area between two lines."""
        path = self._path([*_thinned(upper), *reversed(_thinned(lower))])
        if path:
            self._parts.append(f'<path class="band {role}" d="M{path}Z"/>')

    def rule(self, y: float, role: str) -> None:
        """A horizontal line across the plot."""
        left, right = _n(self.frame.left), _n(self.frame.right)
        at = _n(self.frame.at(self.frame.x.low, y)[1])
        self._parts.append(f'<path class="line {role}" d="M{left} {at}H{right}"/>')

    def upright(self, x: float, role: str) -> None:
        """A vertical line across the plot."""
        top, bottom = _n(self.frame.top), _n(self.frame.bottom)
        at = _n(self.frame.at(x, self.frame.y.low)[0])
        self._parts.append(f'<path class="line {role}" d="M{at} {top}V{bottom}"/>')

    def error_bar(self, x: float, low: float, high: float, role: str) -> None:
        """A vertical bar between `low` and `high`."""
        at, top = self.frame.at(x, high)
        _, bottom = self.frame.at(x, low)
        self._taken.append((at - 1, top, at + 1, bottom))
        self._parts.append(f'<path class="bar {role}" d="M{_n(at)} {_n(top)}V{_n(bottom)}"/>')

    def column(self, left: float, right: float, height: float, role: str, title: str) -> None:
        """One column of a histogram, standing on the base line."""
        x0, y0 = self.frame.at(left, height)
        x1, y1 = self.frame.at(right, self.frame.y.low)
        size = (max(x1 - x0 - 1.5, 1.0), max(y1 - y0, 0.0))
        self.box((x0 + 0.75, y0), size, f"column {role}", title)

    def box(self, at: Point, size: Point, role: str, title: str) -> None:
        """A rectangle with a tooltip, in SVG coordinates: its upper left corner and its size."""
        self._parts.append(
            f'<rect class="{escape(role)}" x="{_n(at[0])}" y="{_n(at[1])}" width="{_n(size[0])}"'
            f' height="{_n(size[1])}"><title>{escape(name(title, 120))}</title></rect>'
        )

    def rail(self, start: Point, end: Point) -> None:
        """A grid line between two points in SVG coordinates."""
        ends = (f"{_n(x)} {_n(y)}" for x, y in (start, end))
        self._parts.append(f'<path class="grid" d="M{"L".join(ends)}"/>')

    def text(self, at: Point, text: str, kind: str, anchor: str, *, upright: bool = False) -> None:
        """A text at SVG coordinates; `upright` turns it to read from bottom to top."""
        x, y = _n(at[0]), _n(at[1])
        turned = f' transform="rotate(-90 {x} {y})"' if upright else ""
        self._parts.append(
            f'<text class="{kind}" x="{x}" y="{y}" text-anchor="{anchor}"{turned}>'
            f"{escape(name(text))}</text>"
        )

    def cloud(self, points: Iterable[Point], role: str) -> None:
        """Anonymous dots as one path; dots on the same pixel are drawn once."""
        dots = sorted({tuple(map(_n, self.frame.at(x, y))) for x, y in points})
        if dots:
            path = "".join(f"M{x} {y}h0" for x, y in dots)
            self._parts.append(f'<path class="cloud {role}" d="{path}"/>')

    def mark(self, x: float, y: float, role: str, title: str, href: str | None = None) -> None:
        """One symbol, whose shape follows its role, with a tooltip and perhaps a link."""
        at = self.frame.at(x, y)
        self._taken.append((at[0] - 6, at[1] - 6, at[0] + 6, at[1] + 6))
        body = f"<title>{escape(name(title, 120))}</title>{symbol(role, *at)}"
        if href is None:
            self._parts.append(f"<g>{body}</g>")
        else:
            self._linked = True
            # The leaderboard holds the same links; one tab stop for each is enough.
            self._parts.append(f'<a href="{escape(href)}" tabindex="-1">{body}</a>')

    def label(self, x: float, y: float, text: str, role: str = "") -> bool:
        """Write `text` beside a point where it covers nothing; False when there is no room.

        A label that has room only at the letter size of wide screens is hidden on phones.
        """
        text = name(text, 26)
        at = self.frame.at(x, y)
        for letter, kind in ((_PHONE, "name"), (_ROOMY, "name roomy")):
            for dx, dy, anchor in _BESIDE:
                box = _box((at[0] + dx, at[1] + dy), letter, len(text), anchor)
                if self._free(box):
                    self._taken.append(box)
                    self._parts.append(
                        f'<text class="{" ".join([kind, *role.split()])}" x="{_n(at[0] + dx)}"'
                        f' y="{_n(at[1] + dy)}" text-anchor="{anchor}">{escape(text)}</text>'
                    )
                    return True
        return False

    def svg(self, description: str, kind: str = "") -> Markup:
        """The finished picture. `description` is its text for screen readers."""
        role = "group" if self._linked else "img"
        frame = self.frame
        wide = ["wide"] if (frame.width, frame.height) == WIDE else []
        return Markup(
            f'<svg class="{" ".join(["plot", *wide, *kind.split()])}"'
            f' viewBox="0 0 {frame.width:g} {frame.height:g}" role="{role}"'
            f' aria-label="{escape(name(description, 300))}">'
            f"{frame.body}{''.join(self._parts)}</svg>"
        )

    def _path(self, points: Iterable[Point]) -> str:
        places: list[str] = []
        for x, y in points:
            place = " ".join(map(_n, self.frame.at(x, y)))
            if not places or places[-1] != place:
                places.append(place)
        return "L".join(places)

    def _free(self, box: Box) -> bool:
        left, top, right, bottom = box
        frame = self.frame
        inside = frame.left <= left and right <= frame.right
        return (inside and frame.top <= top and bottom <= frame.bottom) and not any(
            left < other[2] and other[0] < right and top < other[3] and other[1] < bottom
            for other in self._taken
        )


def scrolling(picture: Markup, title: str) -> Markup:
    """A picture that scrolls on screens that are too narrow for it."""
    box = Markup('<div class="scroll" tabindex="0" role="group" aria-label="{}">{}</div>')
    return box.format(name(title, 120), picture)


def symbol(role: str, x: float, y: float) -> Markup:
    """The symbol of a role at SVG coordinates; shapes differ, not only colors."""
    if shape := _SHAPES.get(role):
        return Markup(f'<path class="mark {role}" d="M{_n(x)} {_n(y)}{shape}"/>')
    center = f'cx="{_n(x)}" cy="{_n(y)}"'
    if role == "submission":
        return Markup(
            f'<circle class="halo" {center} r="8.5"/><circle class="mark {role}" {center} r="6"/>'
        )
    return Markup(f'<circle class="mark {escape(role)}" {center} r="4.5"/>')


def ems(text: str) -> float:
    """Width of `text` in units of the size of its letters.

    The reader's font is unknown. The widths are those of a wide sans-serif font: a text that fits
    by them fits in other fonts too.
    """
    return sum(_em(letter) for letter in text)


def fitted(text: str, most: float, length: int = 24) -> str:
    """`text` on one line of at most `length` characters and `most` ems, shortened in the middle."""
    while True:
        shown = name(text, length)
        if length <= 1 or ems(shown) <= most:
            return shown
        length = min(length, len(shown)) - 1


def _box(start: Point, letter: tuple[float, float], length: int, anchor: str) -> Box:
    """The bounding box of a text of `length` letters written at `start`."""
    width, height = letter[0] * length, letter[1]
    left = start[0] - {"start": 0.0, "middle": width / 2, "end": width}[anchor]
    return left, start[1] - height + 3, left + width, start[1] + 3


def _thinned(points: Sequence[Point]) -> list[Point]:
    step = -(-len(points) // MOST_POINTS)
    return [*points[:: max(step, 1)], *points[-1:]]


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _em(letter: str) -> float:
    if unicodedata.east_asian_width(letter) in "WF":
        return 1.0
    if unicodedata.combining(letter):
        return 0.0
    if letter.isdecimal() or letter == "_":
        return 0.6
    if letter in "il.,:;|!' ()[]-":
        return 0.4
    if letter.isascii() and letter.islower():
        return 0.9 if letter in "mw" else 0.62
    if letter in "абвгдезийклнопрстухчьэя" or letter == "\u202f":
        return 0.65
    return 1.0
