"""Figures of a profiler: counts relative to the exact ones by family, and time by layer."""

from __future__ import annotations

from collections.abc import Sequence

from grader.lesson.grades import Axis, Figure, Series
from grader.text import Text, untrusted

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
        title=Text(en="MACs found, by family of models", ru="Найденные MAC по семействам моделей"),
        kind="bars",
        x=Axis(Text(en="of the true count", ru="от верного числа"), "%"),
        y=Axis(Text(en="family", ru="семейство")),
        series=[
            _bars(Text(en="this profiler", ru="этот профилировщик"), "submission", own),
            _bars(Text(en="thop", ru="thop"), "reference", theirs),
        ],
        caption=Text(
            en="100% is right. Where there is no bar nothing was answered.",
            ru="100% — верно. Где столбца нет, ответа не было.",
        ),
        rows=[answer.case.family.title for answer in answers],
    )


def counts_table(answers: Sequence[Answer]) -> Figure:
    """Every count beside the exact one."""
    columns = {
        "macs": Text(en="MACs", ru="MAC"),
        "parameters": Text(en="parameters", ru="параметры"),
        "bytes": Text(en="bytes", ru="байты"),
        "activation_bytes": Text(en="activation bytes", ru="байты активаций"),
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
        title=Text(en="Counts against the truth", ru="Подсчёты и верные значения"),
        kind="table",
        x=Axis(Text(en="", ru="")),
        y=Axis(Text(en="family", ru="семейство")),
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
        title=Text(
            en="Where the time goes: a residual block, by this profiler",
            ru="Куда уходит время: остаточный блок по данным этого профилировщика",
        ),
        kind="bars",
        x=Axis(Text(en="time", ru="время"), "µs"),
        y=Axis(Text(en="layer", ru="слой")),
        series=[_bars(Text(en="own time", ru="собственное время"), "submission", points)],
        rows=[Text(en=name, ru=name) for name in names],
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
