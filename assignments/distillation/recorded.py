"""Checks and figures of the experiments that a student recorded in experiments.csv."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from grader.lesson.grades import Axis, Check, Figure, Measurement, Series
from grader.measure.quality.experiments import Experiment, Table
from grader.text import EMPTY, Text

QUALITY = "au_fa_fr"
COSTS = {
    "macs": Text(en="MACs", ru="MAC-операции"),
    "bytes": Text(en="bytes of weights", ru="байт весов"),
}
COLUMNS = (QUALITY, *COSTS)
"""The columns of numbers that experiments.csv must have."""
MAX_POINTS = 100


def check_recorded_enough(table: Table, least: int, *, present: bool) -> Check:
    """Whether `least` different settings are recorded; `present` says whether the file exists."""
    count = len({experiment.name for experiment in table.experiments})
    columns = ", ".join(COLUMNS)
    found = Text(en=f"found {count} with {columns}", ru=f"найдено {count} с {columns}")
    if not present:
        found = Text(en="experiments.csv is missing", ru="файла experiments.csv нет")
    elif table.problems:
        problem = table.problems[0]
        found = Text(en=f"{found.en} ({problem.en})", ru=f"{found.ru} ({problem.ru})")
    return _check(
        "experiments_recorded",
        Text(en="Settings tried are recorded", ru="Опробованные варианты записаны"),
        count >= least,
        Text(
            en=f"Expected at least {least} settings in experiments.csv, {found.en}.",
            ru=f"Ожидалось не менее {least} вариантов в experiments.csv, {found.ru}.",
        ),
        Text(
            en=f"Add a line for every model you train: name,{','.join(COLUMNS)}; the report draws "
            "them as quality against MACs and against bytes.",
            ru=f"Добавляйте строку на каждую обученную модель: name,{','.join(COLUMNS)}; отчёт "
            "покажет качество в зависимости от MAC-операций и от байт.",
        ),
    )


def check_submitted_is_recorded(table: Table, macs: int, stored: int) -> Check:
    """Whether a line has the `macs` and the `stored` bytes that were counted here."""
    passed = any(
        (experiment.values["macs"], experiment.values["bytes"]) == (macs, stored)
        for experiment in table.experiments
    )
    return _check(
        "submitted_model_is_recorded",
        Text(
            en="The submitted model is one of the recorded settings",
            ru="Сданная модель есть среди записанных вариантов",
        ),
        passed,
        Text(
            en=f"Expected a line with macs {macs} and bytes {stored}, "
            f"{'found it' if passed else 'found none'}.",
            ru=f"Ожидалась строка с macs {macs} и bytes {stored}, "
            f"{'она есть' if passed else 'её нет'}.",
        ),
        Text(
            en="Copy macs and bytes from `grader check` into experiments.csv: figures that a "
            "counter measured, not estimates.",
            ru="Перенесите macs и bytes из `grader check` в experiments.csv: это измеренные "
            "значения, а не оценки.",
        ),
    )


def figures(
    table: Table, measured: Mapping[str, Measurement], baseline: Mapping[str, Measurement]
) -> list[Figure]:
    """Quality against each cost: what was recorded, what was measured, and the baseline. Empty
    without a recorded setting that a logarithmic axis can show."""
    shown = [each for each in table.experiments if min(each.values.values()) > 0][:MAX_POINTS]
    return [_figure(cost, shown, measured, baseline) for cost in COSTS] if shown else []


def _figure(
    cost: str,
    shown: list[Experiment],
    measured: Mapping[str, Measurement],
    baseline: Mapping[str, Measurement],
) -> Figure:
    label = COSTS[cost]
    return Figure(
        name=f"experiments_{cost}",
        title=Text(
            en=f"experiments.csv: quality against {label.en}",
            ru=f"experiments.csv: качество и {label.ru}",
        ),
        kind="scatter",
        x=Axis(label, scale="log"),
        y=Axis(Text(en="AU-FA-FR", ru="AU-FA-FR"), scale="log"),
        series=[
            Series(
                Text(en="recorded by the student", ru="записано студентом"),
                "experiment",
                x=[experiment.values[cost] for experiment in shown],
                y=[experiment.values[QUALITY] for experiment in shown],
                point_labels=[experiment.name for experiment in shown],
            ),
            _point(measured, cost, Text(en="measured here", ru="измерено здесь"), "submission"),
            _point(baseline, cost, Text(en="baseline", ru="базовая модель"), "baseline"),
        ],
        caption=Text(
            en="Recorded figures are the student's own, taken on the public clips; only the "
            "measured point was taken on the graded ones.",
            ru="Записанные значения получены студентом на открытых записях; на оцениваемых "
            "записях измерена только отмеченная точка.",
        ),
    )


def _point(
    measured: Mapping[str, Measurement],
    cost: str,
    label: Text,
    role: Literal["submission", "baseline"],
) -> Series:
    quality = measured[QUALITY]
    low, high = quality.interval or (quality.value, quality.value)
    x, y = [measured[cost].value], [quality.value]
    return Series(label, role, x=x, y=y, y_low=[low], y_high=[high])


def _check(name: str, title: Text, passed: bool, message: Text, hint: Text) -> Check:
    """A check that informs and does not score."""
    return Check(
        name=name,
        title=title,
        visibility="public",
        points=0.0,
        max_points=0.0,
        passed=passed,
        message=message,
        hint=EMPTY if passed else hint,
    )
