"""Accuracy against flash and time: the submission and the recorded experiments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from grader import board
from grader.lesson.grades import Axis, Figure, Measurement, Series
from grader.measure.quality.experiments import Experiment
from grader.text import Text


@dataclass(frozen=True)
class Cost:
    """One cost against which accuracy is drawn."""

    name: str
    title: Text
    axis: Axis
    key: str
    scale: float = 1.0


COSTS = (
    Cost(
        "flash",
        Text("Accuracy and flash"),
        Axis(Text("flash"), "B", "log"),
        "flash_bytes",
    ),
    Cost(
        "time",
        Text("Accuracy and time"),
        Axis(Text("time a character"), "ms", "log"),
        "cycles_per_char",
        1000 / board.CLOCK_HZ,
    ),
)


def figure(
    cost: Cost,
    recorded: Sequence[Experiment],
    measurements: Mapping[str, Measurement],
    plain: Mapping[str, Measurement],
    threshold: float,
) -> Figure:
    """Accuracy against a cost, with the Pareto front of the recorded experiments."""
    accuracy = measurements["next_char_accuracy"]
    low, high = accuracy.interval or (accuracy.value, accuracy.value)
    ours = (measurements[cost.key].value * cost.scale, accuracy.value)
    unpruned = (plain[cost.key].value * cost.scale, plain["next_char_accuracy"].value)
    tried = [
        (one.values[cost.key] * cost.scale, one.values["next_char_accuracy"], one.name)
        for one in recorded
        if one.values[cost.key] > 0
    ]
    front = _front([(x, y) for x, y, _ in tried])
    best = [one for one in tried if one[:2] in front]
    others = [one for one in tried if one[:2] not in front]
    return Figure(
        name=f"accuracy_against_{cost.name}",
        title=cost.title,
        kind="scatter",
        x=cost.axis,
        y=_ACCURACY,
        series=[
            _points("submission", _SUBMITTED, [ours], [low], [high]),
            _points("baseline", _PLAIN, [unpruned]),
            _points("threshold", _THRESHOLD, [(x, threshold) for x in (1.0, 1e6)]),
            *([_named("reference", _FRONT, best)] if best else []),
            *([_named("experiment", _TRIED, others)] if others else []),
        ],
        caption=Text(
            "Rows of experiments.csv are the student's own measurements; on the front is what no "
            "other row beats in both."
        ),
    )


_ACCURACY = Axis(Text("next character"))
_SUBMITTED = Text("submitted")
_PLAIN = Text("plain runtime, unpruned")
_THRESHOLD = Text("gate")
_FRONT = Text("Pareto front")
_TRIED = Text("other experiments")


def _front(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The Pareto front: points for which no other has lower cost and at least the accuracy."""
    front: list[tuple[float, float]] = []
    for cost, reached in sorted(points, key=lambda point: (point[0], -point[1])):
        if not front or reached > front[-1][1]:
            front.append((cost, reached))
    return front


def _points(
    role: str,
    label: Text,
    points: Sequence[tuple[float, float]],
    low: Sequence[float] = (),
    high: Sequence[float] = (),
) -> Series:
    return Series(
        label=label,
        role=role,  # type: ignore[arg-type]
        x=[x for x, _ in points],
        y=[y for _, y in points],
        y_low=list(low),
        y_high=list(high),
    )


def _named(role: str, label: Text, points: Sequence[tuple[float, float, str]]) -> Series:
    return Series(
        label=label,
        role=role,  # type: ignore[arg-type]
        x=[x for x, *_ in points],
        y=[y for _, y, _ in points],
        point_labels=[name for *_, name in points],
    )
