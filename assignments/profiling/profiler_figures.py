"""Figures of a profiler: counts relative to the exact ones by family, and time by layer."""

from __future__ import annotations

from collections.abc import Sequence

from grader.lesson.grades import Axis, Figure, Series
from grader.text import Text, untrusted, verbatim

from .profiler_answers import Answer
from .truth import COUNTS

SHOWN = "normalised_residual"
"""Family whose time is drawn by layer."""
ROWS = 16


def macs_by_family(answers: Sequence[Answer]) -> Figure:
    """MACs found, and thop's, in percent of the exact ones."""
    own, theirs = [], []
    for row, answer in enumerate(answers):
        right = answer.case.truth.total("macs")
        if answer.profile is not None:
            own.append((float(row), 100 * answer.profile.macs / right))
        if answer.thop_macs is not None:
            theirs.append((float(row), 100 * answer.thop_macs / right))
    return Figure(
        name="macs_by_family",
        title=Text("MACs found, by family of models"),
        kind="bars",
        x=Axis(Text("of the true count"), "%"),
        y=Axis(Text("family")),
        series=[
            _bars(Text("this profiler"), "submission", own),
            _bars(verbatim("thop"), "reference", theirs),
        ],
        caption=Text("100% is right. Where there is no bar nothing was answered."),
        rows=[answer.case.family.title for answer in answers],
    )


def counts_table(answers: Sequence[Answer]) -> Figure:
    """Every count beside the exact one."""
    columns = {
        "macs": Text("MACs"),
        "parameters": Text("parameters"),
        "bytes": Text("bytes"),
        "activation_bytes": Text("activation bytes"),
    }
    series = []
    for count in COUNTS:
        cells = []
        for answer in answers:
            right = answer.case.truth.total(count)
            found = None if answer.profile is None else getattr(answer.profile, count)
            cells.append(_cell(found, right))
        series.append(Series(columns[count], "submission", x=[], y=[], point_labels=cells))
    return Figure(
        name="counts",
        title=Text("Counts against the truth"),
        kind="table",
        x=Axis(verbatim("")),
        y=Axis(Text("family")),
        series=series,
        rows=[answer.case.family.title for answer in answers],
    )


def time_by_layer(answers: Sequence[Answer]) -> Figure | None:
    """Time by layer in the student's own profile of one model."""
    shown = next((a for a in answers if a.case.name == SHOWN and a.profile is not None), None)
    if shown is None or shown.profile is None or not shown.profile.layers:
        return None
    layers = sorted(shown.profile.layers, key=lambda layer: -layer.seconds)[:ROWS]
    points = [(float(row), 1e6 * layer.seconds) for row, layer in enumerate(layers)]
    names = [untrusted.name(layer.name) or "·" for layer in layers]
    return Figure(
        name="time_by_layer",
        title=Text("Where the time goes: a residual block, by this profiler"),
        kind="bars",
        x=Axis(Text("time"), "µs"),
        y=Axis(Text("layer")),
        series=[_bars(Text("own time"), "submission", points)],
        rows=[verbatim(name) for name in names],
    )


def _bars(label: Text, role: str, points: Sequence[tuple[float, float]]) -> Series:
    return Series(
        label=label,
        role=role,  # type: ignore[arg-type]
        x=[value for _, value in points],
        y=[row for row, _ in points],
    )


def _cell(found: float | None, right: int) -> str:
    if found is None:
        return f"— / {right:,}"
    return f"{right:,} ✓" if found == right else f"{found:,.0f} / {right:,}"
