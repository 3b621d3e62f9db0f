"""table.csv: the figures that a student claims for the four models, beside the measured ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from grader.measure.quality import experiments
from grader.text import Text

from .submitted import NAMES

FILE = "table.csv"
PLAIN_COLUMNS = (
    "bytes",
    "latency_ms_b1",
    "latency_ms_b32",
    "accuracy",
    "f1_macro",
    "f1_weighted",
    "params",
)
COLUMNS = (*PLAIN_COLUMNS, "compression", "speedup")
"""The ratios are to the row `teacher`; the speed-up is the geometric mean of both batch sizes."""
EXACT = 0.02
"""Relative tolerance of counted figures: bytes, parameters, compression."""
METRICS = ("accuracy", "f1_macro", "f1_weighted")
QUALITY = 0.03
"""How far accuracy and F1, taken on other posts, may lie outside the measured interval."""
FASTER = 2.0
"""Factor allowed in a speed-up: ratios differ less between machines than times, but kernels differ.
Milliseconds of another machine are shown and not checked."""


@dataclass(frozen=True)
class Claim:
    """One cell of table.csv and the measured value."""

    model: str
    column: str
    claimed: float
    measured: float
    holds: bool


@dataclass(frozen=True)
class Expected:
    """The measured value of one cell."""

    value: float
    low: float
    high: float
    """Ends of the 95% interval; both are the value itself where it is exact."""


@dataclass(frozen=True)
class Claims:
    """The comparison of all readable cells of table.csv."""

    cells: tuple[Claim, ...]
    missing: tuple[str, ...]
    """Models without a row."""
    problems: tuple[Text, ...]

    @property
    def wrong(self) -> list[Claim]:
        return [cell for cell in self.cells if not cell.holds]

    def of(self, model: str, column: str) -> Claim | None:
        for cell in self.cells:
            if (cell.model, cell.column) == (model, column):
                return cell
        return None


def compare(
    raw: bytes, measured: Mapping[tuple[str, str], Expected], easier: Mapping[str, float]
) -> Claims:
    """The claims in the bytes of table.csv (empty when there is none).

    `measured` has a value for every pair of a model's name and a column; its compression and
    speed-up are those over the student's own teacher, as the table's are. `easier` says by how much
    a metric is higher on the public posts, where students measure, than on those measured here.
    """
    table = experiments.read(raw, COLUMNS)
    rows = {row.name.lower().replace("+", "_").replace(" ", ""): row for row in table.experiments}
    cells = []
    for model in NAMES:
        if model not in rows:
            continue
        for column in COLUMNS:
            claimed = rows[model].values[column]
            if column in METRICS and claimed > 1.5:
                claimed /= 100  # written in per cent
            found = measured[model, column]
            holds = _holds(column, claimed - easier.get(column, 0.0), found)
            cells.append(Claim(model, column, claimed, found.value, holds))
    missing = tuple(name for name in NAMES if name not in rows)
    return Claims(tuple(cells), missing, tuple(table.problems))


def _holds(column: str, claimed: float, found: Expected) -> bool:
    if column in METRICS:
        return found.low - QUALITY <= claimed <= found.high + QUALITY
    if column in ("bytes", "params", "compression"):
        return abs(claimed - found.value) <= EXACT * abs(found.value)
    if column == "speedup":
        return found.value / FASTER <= claimed <= found.value * FASTER
    return claimed > 0
