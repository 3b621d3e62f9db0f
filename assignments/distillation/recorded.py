"""Checks and figures of the experiments that a student recorded in experiments.csv."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from grader.lesson.grades import Axis, Check, Figure, Measurement, Series, check
from grader.measure.quality.experiments import Experiment, Table
from grader.text import Text, verbatim

QUALITY = "au_fa_fr"
COSTS = {
    "macs": Text("MACs"),
    "bytes": Text("bytes of weights"),
}
COLUMNS = (QUALITY, *COSTS)
"""The columns of numbers that experiments.csv must have."""
MAX_POINTS = 100


def check_recorded_enough(table: Table, least: int, *, present: bool) -> Check:
    """Whether `least` different settings are recorded; `present` says whether the file exists."""
    count = len({experiment.name for experiment in table.experiments})
    columns = ", ".join(COLUMNS)
    found = Text("found {count} with {columns}", count=count, columns=columns)
    if not present:
        found = Text("experiments.csv is missing")
    elif table.problems:
        problem = table.problems[0]
        found = Text("{found} ({problem})", found=found, problem=problem)
    return check(
        "experiments_recorded",
        Text("Settings tried are recorded"),
        count >= least,
        Text(
            "Expected at least {least} settings in experiments.csv, {found}.",
            least=least,
            found=found,
        ),
        [
            Text(
                "Add a line for every model you train: name,{columns}; the report draws them as "
                "quality against MACs and against bytes.",
                columns=",".join(COLUMNS),
            ),
            Text(
                "Every run of `python train.py --name NAME` appends one row: change one thing, "
                "give it a name, run."
            ),
            Text(
                "Three that teach a lot: the naive student; the same with soft labels; the "
                "same with half of the hidden units."
            ),
        ],
    )


def check_submitted_is_recorded(table: Table, macs: int, stored: int) -> Check:
    """Whether a line has the `macs` and the `stored` bytes that were counted here."""
    passed = any(
        (experiment.values["macs"], experiment.values["bytes"]) == (macs, stored)
        for experiment in table.experiments
    )
    return check(
        "submitted_model_is_recorded",
        Text("The submitted model is one of the recorded settings"),
        passed,
        Text(
            "Expected a line with macs {macs} and bytes {stored}, found it.",
            macs=macs,
            stored=stored,
        )
        if passed
        else Text(
            "Expected a line with macs {macs} and bytes {stored}, found none.",
            macs=macs,
            stored=stored,
        ),
        [
            Text(
                "Copy macs and bytes from `grader check` into experiments.csv: figures that a "
                "counter measured, not estimates."
            ),
            Text(
                "model.onnx was made by another run than those recorded, or changed "
                "afterwards; run train.py once more with the settings that you hand in."
            ),
        ],
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
        title=Text("experiments.csv: quality against {label}", label=label),
        kind="scatter",
        x=Axis(label, scale="log"),
        y=Axis(verbatim("AU-FA-FR"), scale="log"),
        series=[
            Series(
                Text("recorded by the student"),
                "experiment",
                x=[experiment.values[cost] for experiment in shown],
                y=[experiment.values[QUALITY] for experiment in shown],
                point_labels=[experiment.name for experiment in shown],
            ),
            _point(measured, cost, Text("measured here"), "submission"),
            _point(baseline, cost, Text("baseline"), "baseline"),
        ],
        caption=Text(
            "Recorded figures are the student's own, taken on the public clips; only the "
            "measured point was taken on the graded ones."
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
