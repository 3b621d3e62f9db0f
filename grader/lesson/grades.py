"""The grade of one submission: everything that reports know of it.

A grade is one JSON object (schema 1). Everything a page shows is in it, so a report can be
drawn again, in either language, without the submission, the data or torch.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from grader import text
from grader.text import EMPTY, Text

SCHEMA = 1

Interval = tuple[float, float]
"""Lower and upper end."""


class Status(StrEnum):
    """How grading one submission ended."""

    GRADED = "graded"
    REJECTED = "rejected"
    CRASHED = "crashed"
    TIMED_OUT = "timed_out"
    OUT_OF_MEMORY = "out_of_memory"
    GRADER_FAULT = "grader_fault"


class SubmissionId(msgspec.Struct, frozen=True):
    name: str
    """Name of the folder or archive, without its suffix."""
    fingerprint: str
    """sha256 over paths and contents of the submitted files."""


class Measurement(msgspec.Struct, frozen=True):
    """One number, with its unit and how it was taken."""

    value: float
    unit: str
    how: Text
    interval: Interval | None = None
    """95% interval, where the number is an estimate."""


class Gate(msgspec.Struct, frozen=True):
    """The quality threshold; below it compression and speed-up score 0."""

    metric: str
    value: float
    threshold: float
    interval: Interval
    passed: bool
    within_noise: bool = False
    """True when the interval of the comparison contains the threshold."""
    explanation: Text = EMPTY


class Check(msgspec.Struct, frozen=True):
    """One graded question. With `max_points` 0 it informs but does not score."""

    name: str
    title: Text
    visibility: Literal["public", "hidden"]
    points: float
    max_points: float
    passed: bool
    message: Text
    """What was expected and what was found."""
    hint: Text = EMPTY
    """What to try next; empty when passed."""
    further_hints: list[Text] = []
    """Hints that a student asks for one by one, from a direction to the line to type."""


def check(
    name: str,
    title: Text,
    passed: bool,
    message: Text,
    hints: Sequence[Text] = (),
    *,
    hidden: bool = False,
    points: float | None = None,
    max_points: float = 0.0,
) -> Check:
    """A check with its hints where it failed; without `points` it earns all or nothing.

    `hidden`: its answer depends on hidden data, so that students do not see it.
    """
    if points is None:
        points = max_points if passed else 0.0
    shown = [] if passed else list(hints)
    return Check(
        name=name,
        title=title,
        visibility="hidden" if hidden else "public",
        points=points,
        max_points=max_points,
        passed=passed,
        message=message,
        hint=shown[0] if shown else EMPTY,
        further_hints=shown[1:],
    )


class Term(msgspec.Struct, frozen=True):
    """One summand of the score."""

    name: str
    formula: str
    points: float
    max_points: float
    gated: bool
    """True when a missed gate sets this term to 0."""


class Layer(msgspec.Struct, frozen=True):
    """What one operator of the artefact costs; `name` comes from the submission: escape it."""

    name: str
    op: str
    macs: int
    bytes: int
    params: int
    output_shape: tuple[int, ...] = ()


class Series(msgspec.Struct, frozen=True):
    """Points of one line or cloud; `role` decides the color.

    A bar has the length `x` and stands in row `y`; a cell of a heat map has a column `x`, a row
    `y` and its value in `values`. A series of a table is a column, `point_labels` its cells.
    """

    label: Text
    role: Literal["submission", "baseline", "threshold", "reference", "experiment"]
    x: list[float]
    y: list[float]
    point_labels: list[str] = []
    """One per point, or empty; comes from the submission: escape it."""
    y_low: list[float] = []
    y_high: list[float] = []
    values: list[float] = []
    """Values of a heat map's cells, not negative; other cells are 0."""


class Axis(msgspec.Struct, frozen=True):
    label: Text
    unit: str = ""
    scale: Literal["linear", "log"] = "linear"


class Figure(msgspec.Struct, frozen=True):
    """A plot as data; the report draws it."""

    name: str
    title: Text
    kind: Literal["line", "scatter", "bars", "heatmap", "table"]
    x: Axis
    y: Axis
    series: list[Series]
    caption: Text = EMPTY
    rows: list[Text] = []
    """Names of the rows of bars, a heat map or a table, from the top; may come from the submission:
    escape them."""
    columns: list[Text] = []
    """Names of a heat map's columns, from the left; escape them too."""


class Recording(msgspec.Struct, frozen=True):
    """A recording and a model's answers to it; the report draws and plays it.

    Only public recordings may be used: everyone who reads the grade can play them.
    """

    name: str
    title: Text
    sample_rate: int
    audio: bytes
    """Samples as unsigned bytes, 128 is silence."""
    seconds: list[float]
    """Time of each answer, in seconds from the beginning of the recording."""
    probabilities: list[float]
    threshold: float
    keywords: list[Interval]
    """Begin and end of each keyword, in seconds."""
    triggers: list[float]
    delays: list[float | None]
    """Seconds from the end of each keyword to its trigger; None where it was missed."""
    caption: Text = EMPTY


class Judgment(msgspec.Struct, frozen=True, kw_only=True):
    """One entry in the history of a rubric: a person's points for one criterion."""

    criterion: str
    points: float | None = None
    """None where an earlier judgment was taken back."""
    why: str
    by: str
    when: Annotated[datetime, msgspec.Meta(tz=True)]
    submission: str
    """Fingerprint of what was judged."""


class Deduction(msgspec.Struct, frozen=True, kw_only=True):
    """Points taken off after measuring, for lateness or for faults of a report."""

    name: str
    """`late` or `report`."""
    title: Text
    formula: str
    """May use `values`, `score` (before deductions) and `max_score`."""
    values: dict[str, float] = {}
    points: float = 0.0
    """Points that came off, between 0 and the score."""
    why: Text
    """The due date, the time of submission and extensions; or the fault of the report."""


class Versions(msgspec.Struct, frozen=True):
    """Versions of what a measurement depends on."""

    python: str
    numpy: str
    onnx: str
    onnxruntime: str
    scipy: str = ""
    # Those that only some lessons measure with; empty in the grades of the others.
    torch: str = ""
    thop: str = ""
    tokenizers: str = ""
    wasmtime: str = ""
    avr_toolchain: str = ""


class Provenance(msgspec.Struct, frozen=True):
    """What a grade depends on beside the submission; where both are equal, a rerun would give the
    same grade."""

    grader: str
    """Version of the grader, `+`, and a fingerprint of its code."""
    lesson: str
    """Fingerprint of the lesson's files (spec, autograder, baselines)."""
    data: str
    """Name, part and fingerprint of the data, e.g. `speech-synthetic/hidden:1f3a...`."""
    isolation: str
    """Isolation level the artefact ran at: A, B, C or D."""
    versions: Versions


class Grade(msgspec.Struct, frozen=True, kw_only=True):
    """Checks, measurements, score and provenance of one submission."""

    schema: int = SCHEMA
    lesson: str
    submission: SubmissionId
    status: Status
    reason: Text = EMPTY
    """Why the status is not `graded`, in a sentence the student can act on."""
    score: float = 0.0
    max_score: float
    gate: Gate | None = None
    measurements: dict[str, Measurement] = {}
    baseline: dict[str, Measurement] = {}
    """The same measurements of the lesson's baseline, where it has one."""
    terms: list[Term] = []
    checks: list[Check] = []
    layers: list[Layer] = []
    figures: list[Figure] = []
    recordings: list[Recording] = []
    judgements: list[Judgment] = []
    """The history of the rubric; the latest judgment of each criterion counts."""
    deductions: list[Deduction] = []
    """Taken off the terms; `score` is what is left."""
    pending: float = 0.0
    """Points that a person may still add to the score."""
    log: str = ""
    """Output of the submission's run, bounded and with control characters made visible."""
    provenance: Provenance
    seconds: float = 0.0

    def value(self, name: str) -> float | None:
        """The measurement called `name`, or None."""
        measurement = self.measurements.get(name)
        return None if measurement is None else measurement.value

    @property
    def passed(self) -> bool:
        """True when graded, past the gate, and without a failed check."""
        return (
            self.status is Status.GRADED
            and (self.gate is None or self.gate.passed)
            and all(check.passed for check in self.checks)
        )


def to_json(grade: Grade) -> bytes:
    """The grade as indented UTF-8 JSON."""
    return text.to_json(grade, indent=2) + b"\n"


def from_json(raw: bytes) -> Grade:
    """The grade in `raw`. Raises msgspec.DecodeError or msgspec.ValidationError."""
    return text.from_json(raw, Grade)


def write_atomically(path: Path, raw: bytes) -> None:
    """Write a file so that a killed run leaves the old contents or the new, never a part."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with temporary.open("wb") as file:
        file.write(raw)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
