"""Typesetting of numbers and measurements on pages: powers of ten, real × and − signs.

Signs before decimals and between thousands are those of the page's language.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass

from grader.lesson.grades import Grade, Interval, Measurement
from grader.lesson.spec import LessonSpec
from grader.report.labels import Labels
from grader.text import Lang, Text
from grader.text.numbers import powers, rewritten

NONE = "—"
_SPACE = "\u202f"
_MINUS = "\u2212"
_TIMES = re.compile(r"(?<=[\d⁰¹²³⁴⁵⁶⁷⁸⁹])\s*x$")
_POWER = re.compile(r"×10\S+$")
_THOUSANDS = (
    (1e9, Text("G")),
    (1e6, Text("M")),
    (1e3, Text("k")),
)


def number(value: float | None, lang: Lang, digits: int = 4) -> str:
    """`value` with `digits` significant digits; whole numbers in full; `—` for nothing.

    >>> number(70443, "en"), number(0.9137, "en"), number(5.13e-05, "en")
    ('70,443', '0.9137', '5.13×10⁻⁵')
    """
    if value is None or math.isnan(value):
        return NONE
    if math.isinf(value):
        return "∞" if value > 0 else f"{_MINUS}∞"
    if value == 0:
        return "0"
    magnitude = math.floor(math.log10(abs(value)))
    if magnitude < -3 or magnitude >= 15:
        return _typeset(f"{value:.{digits - 2}e}", lang)
    if value == round(value):
        return _typeset(f"{value:,.0f}", lang)
    decimals = max(0, digits - 1 - magnitude)
    text = f"{value:,.{decimals}f}"
    return _typeset(text.rstrip("0").rstrip(".") if "." in text else text, lang)


def formatted(value: float | None, pattern: str, lang: Lang) -> str:
    """`value` in a lesson's own format, e.g. `{:.2f}x` or `{:,.0f}`, typeset like the rest."""
    if value is None or not math.isfinite(value):
        return number(value, lang)
    try:
        return _typeset(pattern.format(value), lang)
    except (ValueError, IndexError, KeyError, AttributeError):
        return number(value, lang)


def interval(bounds: Interval | None, lang: Lang, digits: int = 3) -> str:
    """Both ends of an interval; a common power of ten is written once."""
    if bounds is None:
        return NONE
    low, high = (
        number(bound, lang, digits + 1 if abs(bound) < 1e-3 else digits) for bound in bounds
    )
    first, second = _POWER.search(low), _POWER.search(high)
    if first and second and first[0] == second[0]:
        return f"{low.removesuffix(first[0])} … {high}"
    return f"{low} … {high}"


def points(value: float, lang: Lang) -> str:
    """A score: at most three decimals, none when they are zero."""
    return number(round(value, 3) + 0.0, lang, digits=6)


def short(value: float, lang: Lang, *, powers: bool = False) -> str:
    """`value` for an axis: `20 k`, `10⁻⁵`, `0.2`; with `powers`, `10⁻¹` rather than `0.1`."""
    for size, name in _THOUSANDS:
        if abs(value) >= size and abs(value) < 1e12:
            return f"{number(value / size, lang)}{_SPACE}{name.to(lang)}"
    small = powers and 0 < abs(value) < 0.999
    text = _typeset(f"{value:.1e}", lang) if small else number(value, lang, digits=3)
    return re.sub(r"^1([.,]0*)?×10", "10", re.sub(r"[.,]0+×", "×", text))


def finite(value: float | None) -> bool:
    """True for a number that can be drawn."""
    return value is not None and math.isfinite(value)


def percent(part: float, whole: float, lang: Lang) -> str:
    """The share of `part` in `whole`, with one decimal below 10%."""
    share = 100 * part / whole if whole else 0.0
    if share == 0:
        return "0%"
    if 0 < share < 0.1:
        return f"<{number(0.1, lang)}%"
    return _typeset(f"{share:.1f}%" if share < 10 else f"{share:.0f}%", lang)


@dataclass(frozen=True)
class Metric:
    """How one measurement is shown: its title, unit and format, and which end is better."""

    name: str
    title: str
    lang: Lang
    unit: str = ""
    pattern: str = ""
    lower_is_better: bool = False

    def show(self, value: float | None) -> str:
        """`value` in the lesson's format, or in that of `number`."""
        return (
            formatted(value, self.pattern, self.lang) if self.pattern else number(value, self.lang)
        )

    @property
    def axis(self) -> str:
        """Title with the unit, for an axis."""
        return f"{self.title}, {self.unit}" if self.unit else self.title

    @property
    def goodness(self) -> int:
        """1 when more is better, -1 when less is."""
        return -1 if self.lower_is_better else 1


def columns(spec: LessonSpec, labels: Labels) -> list[Metric]:
    """The columns of the lesson's leaderboard."""
    return [metric(spec, column.name, labels) for column in spec.report.columns]


def metric(
    spec: LessonSpec, name: str, labels: Labels, measured: Iterable[Measurement | None] = ()
) -> Metric:
    """The measurement `name`, under the title that the lesson's leaderboard gives it.

    A measurement that is no column of the leaderboard keeps its own name, with the unit of the
    first of `measured` that exists. It is taken for a cost: lower is better.
    """
    column = next((column for column in spec.report.columns if column.name == name), None)
    if column is None:
        units = (labels.unit(one.unit) for one in measured if one is not None)
        return Metric(name, name, labels.lang, next(units, ""), lower_is_better=True)
    return Metric(
        name,
        column.title.to(labels.lang),
        labels.lang,
        pattern=column.format,
        lower_is_better=column.better == "lower",
    )


def measured(grades: Iterable[Grade], name: str) -> Iterable[Measurement | None]:
    """All values of one measurement, of submissions and of the baseline."""
    for grade in grades:
        yield grade.measurements.get(name)
        yield grade.baseline.get(name)


def _typeset(text: str, lang: Lang) -> str:
    text = _TIMES.sub("×", text)
    return rewritten(powers(text), lang).replace("-", _MINUS)
