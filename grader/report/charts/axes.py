"""Axes with limits and ticks for data, and the empty plot between two of them.

Elements of the SVG carry classes and neither ids nor colors: a page can hold many plots, and
style sheets give them colors for light and dark.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from markupsafe import escape

from grader.report import numbers
from grader.text import Lang
from grader.text.untrusted import name

Scale = Literal["linear", "log"]
Tick = tuple[float, str]

WIDE = (520.0, 350.0)
SMALL = (360.0, 220.0)
TOP, BOTTOM = 30.0, 46.0
"""Room above and below the plot area, for the labels of the axes."""


@dataclass(frozen=True)
class Axis:
    """One axis with its label, limits and ticks."""

    label: str
    scale: Scale
    low: float
    high: float
    ticks: tuple[Tick, ...]

    def place(self, value: float) -> float:
        """Where `value` lies between the limits, 0 to 1; values outside are put on the edge."""
        if math.isnan(value):
            return 0.0
        if self.scale == "log":
            first, last = math.log(self.low), math.log(self.high)
            share = (math.log(max(value, self.low)) - first) / (last - first)
        else:
            share = (value - self.low) / (self.high - self.low)
        return min(max(share, 0.0), 1.0)

    def value(self, share: float) -> float:
        """The value that lies at `share` of the way, the inverse of `place`."""
        if self.scale == "log":
            first, last = math.log(self.low), math.log(self.high)
            return math.exp(first + share * (last - first))
        return self.low + share * (self.high - self.low)


@dataclass(frozen=True)
class Frame:
    """An empty plot: its SVG elements and size, and the plot area in SVG coordinates."""

    body: str
    width: float
    height: float
    left: float
    right: float
    top: float
    bottom: float
    x: Axis
    y: Axis

    def at(self, x: float, y: float) -> tuple[float, float]:
        """SVG coordinates of a point."""
        return (
            self.left + self.x.place(x) * (self.right - self.left),
            self.bottom - self.y.place(y) * (self.bottom - self.top),
        )


def axis(
    label: str,
    values: Iterable[float],
    lang: Lang,
    scale: Scale,
    *,
    ticks: int = 6,
    most: float | None = None,
) -> Axis:
    """An axis that holds all `values` and about `ticks` ticks.

    A log axis ignores values that are not positive; without a positive value it becomes linear.
    With `most`, a linear axis goes from 0, or the lowest value, to `most`, or the highest.
    """
    finite = [value for value in values if numbers.finite(value) and abs(value) < 1e300]
    positive = [value for value in finite if value > 1e-300]
    if scale == "log" and positive:
        # A little room around the data, up to 1, 2 or 5 times a power of ten.
        low = _round_log(min(positive) / 1.25, down=True)
        high = _round_log(max(positive) * 1.25, down=False)
        places = _log_ticks(low, high, ticks)
    else:
        scale = "linear"
        ends = finite if most is None else [*finite, 0.0, most]
        low, high, places = _linear(min(ends, default=0.0), max(ends, default=1.0), ticks)
        if most is not None and most > low:
            high = max(ends)
            places = [at for at in places if at <= high]
    powers = scale == "log" and low < 1e-3
    named = tuple((at, numbers.short(at, lang, powers=powers)) for at in places)
    return Axis(label, scale, low, high, named)


def fitting_scale(values: Sequence[float]) -> Scale:
    """Log when the positive values span about a decade; a few zeros do not change that."""
    positive = [value for value in values if value > 0]
    few_others = len(values) - len(positive) <= len(values) // 4
    wide = bool(positive) and max(positive) > 8 * min(positive)
    return "log" if wide and few_others and min(values) >= 0 else "linear"


def leaves_out(axis: Axis, values: Iterable[float]) -> bool:
    """True when some of `values` have no place on the axis and are drawn at its edge."""
    return axis.scale == "log" and any(value <= 0 for value in values)


def frame(
    x: Axis,
    y: Axis,
    size: tuple[float, float] = WIDE,
    margins: tuple[float, float] | None = None,
) -> Frame:
    """The empty plot with these axes: grid lines, base line, tick labels and axis labels.

    `margins` is the room at the left and at the right; without it, the longest tick label of `y`
    decides.
    """
    width, height = size
    longest = max((len(text) for _, text in y.ticks), default=1)
    before, behind = margins or (14 + 7.2 * longest, 16.0)
    plot = Frame("", width, height, before, width - behind, TOP, height - BOTTOM, x, y)
    left, right, top, bottom = plot.left, plot.right, plot.top, plot.bottom
    parts = []
    for value, text in x.ticks:
        at, _ = plot.at(value, y.low)
        parts.append(f'<path class="grid" d="M{at:.1f} {bottom:g}V{top:g}"/>')
        parts.append(_text("tick", at, bottom + 16, "middle", text))
    for value, text in y.ticks:
        _, at = plot.at(x.low, value)
        parts.append(f'<path class="grid" d="M{left:g} {at:.1f}H{right:g}"/>')
        parts.append(_text("tick", left - 7, at + 4.5, "end", text))
    parts += [
        f'<path class="spine" d="M{left:g} {bottom:g}H{right:g}"/>',
        _text("label", right, height - 8, "end", x.label),
        _text("label", 4, 14, "start", y.label),
    ]
    return replace(plot, body="".join(parts))


def _text(kind: str, x: float, y: float, anchor: str, text: str) -> str:
    return (
        f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">'
        f"{escape(name(text, 64))}</text>"
    )


def _round_log(value: float, *, down: bool) -> float:
    power = math.floor(math.log10(value))
    steps = [float(f"{m}e{power + e}") for e, m in ((0, 1), (0, 2), (0, 5), (1, 1))]
    if down:
        return max(step for step in steps if step <= value * (1 + 1e-12))
    return min(step for step in steps if step >= value * (1 - 1e-12))


def _log_ticks(low: float, high: float, most: int) -> list[float]:
    """The densest of 1-2-5, 1-3 and whole decades that gives at most about `most` ticks."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    for steps, every in (((1, 2, 5), 1), ((1, 3), 1), *(((1,), n) for n in range(1, 400))):
        places = [
            float(f"{step}e{power}")
            for power in range(first, last + 1)
            if power % every == 0
            for step in steps
        ]
        places = [place for place in places if low * 0.999 <= place <= high * 1.001]
        if len(places) <= most:
            return places
    return [low, high]


def _linear(low: float, high: float, most: int) -> tuple[float, float, list[float]]:
    """Limits and ticks at multiples of 1, 2 or 5 times a power of ten."""
    if high - low <= 1e-12 * max(abs(high), abs(low)):
        room = abs(low) / 2 or 1.0
        low, high = low - room, high + room
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= rough * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    places = [
        round(index * step, 12 - math.floor(math.log10(step))) for index in range(first, last + 1)
    ]
    return places[0], places[-1], places
