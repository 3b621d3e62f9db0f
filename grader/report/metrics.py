"""Measurements as a lesson presents them: title, unit, format, and which end is better."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from grader.lesson.grades import Grade, Measurement
from grader.lesson.spec import LessonSpec
from grader.report.charts import numbers
from grader.report.words import Words


@dataclass(frozen=True)
class Metric:
    """How one measurement is shown."""

    name: str
    title: str
    unit: str = ""
    pattern: str = ""
    lower_is_better: bool = False

    def show(self, value: float | None) -> str:
        return numbers.formatted(value, self.pattern) if self.pattern else numbers.number(value)

    @property
    def axis(self) -> str:
        """Title with the unit, for an axis."""
        return f"{self.title}, {self.unit}" if self.unit else self.title

    @property
    def goodness(self) -> int:
        """1 when more is better, -1 when less is."""
        return -1 if self.lower_is_better else 1


def columns(spec: LessonSpec, words: Words) -> list[Metric]:
    """The columns of the lesson's leaderboard."""
    return [metric(spec, column.name, words) for column in spec.report.columns]


def metric(
    spec: LessonSpec, name: str, words: Words, measured: Iterable[Measurement | None] = ()
) -> Metric:
    """The measurement `name`, under the title that the lesson's leaderboard gives it.

    What is no column of the lesson keeps its own name, with the unit of the first of `measured`
    that exists, and is taken for a cost: lower is better.
    """
    column = next((column for column in spec.report.columns if column.name == name), None)
    if column is None:
        units = (words.unit(one.unit) for one in measured if one is not None)
        return Metric(name, name, next(units, ""), lower_is_better=True)
    return Metric(
        name,
        column.title.to(words.lang),
        pattern=column.format,
        lower_is_better=column.better == "lower",
    )


def measured(grades: Iterable[Grade], name: str) -> Iterable[Measurement | None]:
    """All values of one measurement, of submissions and of the baseline."""
    for grade in grades:
        yield grade.measurements.get(name)
        yield grade.baseline.get(name)
