"""What a lesson's `lesson.toml` may say, as typed and validated values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from grader.lesson import formula
from grader.lesson.grades import Term
from grader.text import EMPTY, Text

Library = Literal["torch", "thop", "tokenizers", "wasmtime", "avr_toolchain"]
RUBRIC = "rubric"
"""Name of the sum of a person's points in formulas."""
LATE_VALUES = frozenset({"days_late", "hours_late", "score", "max_score"})
"""Names that a formula for lateness may use."""


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of all tables: an unknown key is an error."""


class Intake(_Strict, frozen=True, kw_only=True):
    """What a submission must hold and how large it may be."""

    artefact: str
    """Path of the graded file inside the submission."""
    alternatives: list[str] = []
    """Other accepted forms of the artefact; the first one that exists is graded."""
    max_files: int = 2_000
    max_file_bytes: int = 64 * 2**20
    max_total_bytes: int = 256 * 2**20


class RunLimits(_Strict, frozen=True, kw_only=True):
    """What one submission may use while it is measured."""

    wall_seconds: float = 120.0
    cpu_seconds: float = 120.0
    memory_bytes: int = 2 * 2**30
    processes: int = 32
    """Counts threads; a submission cannot start processes at all."""
    open_files: int = 64
    file_bytes: int = 64 * 2**20
    """Limit for one file that is written."""
    disk_bytes: int = 256 * 2**20
    """Limit for the private folder that code may write to, as is `disk_files`."""
    disk_files: int = 2_000
    log_bytes: int = 64 * 2**10


class NotebookRules(_Strict, frozen=True, kw_only=True):
    """How a submission.ipynb is run, whatever the lesson then measures."""

    limits: RunLimits = RunLimits(
        wall_seconds=300.0,
        cpu_seconds=300.0,
        memory_bytes=3 * 2**30,
        processes=64,
        open_files=256,
    )
    """Limits from the first cell to the last; disk is counted beyond the submitted files."""
    libraries: tuple[str, ...] = ("numpy", "matplotlib.pyplot", "onnx", "onnxruntime", "torch")
    """Imported before the first cell; a notebook may import other installed ones too."""


class DataChoice(_Strict, frozen=True, kw_only=True):
    """Data sets that the lesson runs on; the first is the default."""

    names: list[str]


class GateSpec(_Strict, frozen=True, kw_only=True):
    """The quality gate, passed when metric <= factor * the baseline's on the same data, or, where
    a `threshold` is given, when metric >= threshold."""

    metric: str
    factor: float = 1.0
    threshold: float | None = None


class TermSpec(_Strict, frozen=True, kw_only=True):
    """One summand of the score."""

    name: str
    title: Text
    formula: str
    max_points: float
    gated: bool = True


class Criterion(_Strict, frozen=True, kw_only=True):
    """One question of the rubric, for which a person gives 0 to `max_points`."""

    name: str
    title: Text
    asks: Text
    max_points: float


class Column(_Strict, frozen=True, kw_only=True):
    """A measurement as the reports show it."""

    name: str
    title: Text
    format: str = "{:.4g}"
    better: str = "higher"
    """`higher` or `lower`: which values are better."""


class Tradeoff(_Strict, frozen=True, kw_only=True):
    """A plot of one measurement against another, for every submission of the class."""

    x: str
    y: str


class ReportSpec(_Strict, frozen=True, kw_only=True):
    """What the class page shows of the lesson's measurements."""

    columns: list[Column]
    rank_by: str
    """Uncapped expression that orders the leaderboard, e.g. `compression * speedup`."""
    tradeoffs: list[Tradeoff] = []


class ReleaseSpec(_Strict, frozen=True, kw_only=True):
    """Which files of the lesson's folder a release leaves out."""

    withhold: list[str] = []
    """Files and folders that only grading needs, as shell patterns."""


class StarterSpec(_Strict, frozen=True, kw_only=True):
    """How the starter is made from the reference solution; all lists are of shell patterns."""

    generated: list[str] = []
    """Files of the reference that students get; what is marked as solution is replaced in them."""
    own: list[str] = []
    """Files that are written for the starter itself. What is in neither list is not in it."""
    shared: dict[str, str] = {}
    """Folders of the lesson that `grader new` copies, by their folder in the student's project."""
    solved: list[str] = []
    """Further files of a solution: new modules, and files of shared folders in another form."""


class LessonSpec(_Strict, frozen=True, kw_only=True):
    """Everything that `lesson.toml` says."""

    schema: int
    name: str
    title: Text
    summary: Text
    next_step: Text = EMPTY
    """What `grader new` tells a student to do first."""
    rejected_hints: list[Text] = []
    """Further hints for work that is refused before any check; see grader/grading/hints.py."""
    order: int = 100
    """Place in the course: lessons are listed by it, then by name."""
    max_score: float
    intake: Intake
    measured_with: tuple[Library, ...] = ()
    """Libraries beside ONNX Runtime whose version may change a grade; the grade names them."""
    limits: RunLimits = RunLimits()
    hold_seconds: float = 300.0
    """Wall time in which one submission is read, run and measured as a whole, on top of what
    executing a notebook may take: how long it can hold a worker. At most 5 minutes, or five times
    what the reference takes."""
    notebook: NotebookRules = NotebookRules()
    data: DataChoice
    gate: GateSpec | None = None
    torch_module: str | None = None
    """`file:function` of the template that builds the student's PyTorch module; with it
    `grader check` shows thop's figures beside ours."""
    terms: list[TermSpec]
    rubric: list[Criterion] = []
    """What a person judges; `rubric` in formulas is the sum of the points."""
    late_penalty: str = ""
    """Formula of the points that lateness takes off, from `LATE_VALUES`, computed after measuring;
    where it is empty, course.toml decides."""
    report: ReportSpec
    release: ReleaseSpec = ReleaseSpec()
    starter: StarterSpec = StarterSpec()
    settings: dict[str, Any] = {}
    """The autograder's own constants."""

    @property
    def formula(self) -> str:
        """The whole score as one expression."""
        terms = " + ".join(term.formula for term in self.terms)
        if not self.late_penalty:
            return terms
        simple = self.late_penalty.isidentifier()
        late = self.late_penalty if simple else f"({self.late_penalty})"
        return f"{terms} - {late} - report_penalty"

    def score(self, values: Mapping[str, float], *, gate_passed: bool) -> list[Term]:
        """Terms of the score; a missed gate sets gated terms to 0."""
        return [
            Term(
                name=term.name,
                formula=term.formula,
                points=0.0
                if term.gated and not gate_passed
                else min(formula.evaluate(term.formula, values), term.max_points),
                max_points=term.max_points,
                gated=term.gated,
            )
            for term in self.terms
        ]

    def total(self, terms: Sequence[Term]) -> float:
        """The score: the sum of the terms, from 0 to `max_score`."""
        return min(max(sum(term.points for term in terms), 0.0), self.max_score)
