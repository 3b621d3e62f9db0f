"""Lessons: the typed `lesson.toml`, the autograder beside it, and the scoring they define."""

from __future__ import annotations

import difflib
import hashlib
import importlib.util
import math
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol, cast

import msgspec

from grader import course, formula
from grader.autograder import Autograder
from grader.errors import SpecError, UsageError
from grader.grades import Term
from grader.text import EMPTY, Text

HINTS = "hints.toml"
"""File of a lesson with the hints that students ask for; see grader/project/hints.py."""
RUBRIC = "rubric"
"""The sum of a person's points, as formulas name it."""
LATE_VALUES = frozenset({"days_late", "hours_late", "score", "max_score"})
"""What a formula for lateness may name."""


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    pass


class Intake(_Strict, frozen=True, kw_only=True):
    """What a submission must hold and how large it may be."""

    artefact: str
    """Path of the graded file inside the submission."""
    alternatives: list[str] = []
    """Other forms of the artefact, each as good; the first that is there is graded."""
    max_files: int = 2_000
    max_file_bytes: int = 64 * 2**20
    max_total_bytes: int = 256 * 2**20


class RunLimits(_Strict, frozen=True, kw_only=True):
    """What one submission may use while it is measured."""

    wall_seconds: float = 120.0
    cpu_seconds: float = 120.0
    memory_bytes: int = 2 * 2**30
    processes: int = 32
    """Threads; processes cannot be started at all."""
    open_files: int = 64
    file_bytes: int = 64 * 2**20
    """Of one file that is written."""
    disk_bytes: int = 256 * 2**20
    disk_files: int = 2_000
    """Of the private folder that code may write to."""
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
    """From the first cell to the last. Disk is what it may use beyond what is handed in."""
    libraries: tuple[str, ...] = ("numpy", "matplotlib.pyplot", "onnx", "onnxruntime", "torch")
    """Imported once for all notebooks; others that are installed can be imported too."""


class DataChoice(_Strict, frozen=True, kw_only=True):
    """Data sets that the lesson runs on; the first is the default."""

    names: list[str]


class GateSpec(_Strict, frozen=True, kw_only=True):
    """The artefact passes when metric <= factor * the baseline's on the same clips, or, where a
    `threshold` is given, when metric >= threshold."""

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
    """One question of the rubric, which a person answers with points from 0."""

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
    """`higher` or `lower`: which end of the leaderboard is the top."""


class Tradeoff(_Strict, frozen=True, kw_only=True):
    """A plot of one measurement against another, for every submission of the class."""

    x: str
    y: str


class ReportSpec(_Strict, frozen=True, kw_only=True):
    columns: list[Column]
    rank_by: str
    """Uncapped expression that orders the leaderboard, e.g. `compression * speedup`."""
    tradeoffs: list[Tradeoff] = []


class ReleaseSpec(_Strict, frozen=True, kw_only=True):
    """What of the lesson's folder students get."""

    withhold: list[str] = []
    """Files and folders that only grading needs; `*` stands for any name."""


class LessonSpec(_Strict, frozen=True, kw_only=True):
    """Everything that `lesson.toml` says."""

    schema: int
    name: str
    title: Text
    summary: Text
    next_step: Text = EMPTY
    """What `grader new` tells a student to do first."""
    order: int = 100
    """Place in the course: lessons are listed by it, then by name."""
    max_score: float
    intake: Intake
    limits: RunLimits = RunLimits()
    notebook: NotebookRules = NotebookRules()
    data: DataChoice
    gate: GateSpec | None = None
    torch_module: str | None = None
    """`file:function` of the template that builds the student's PyTorch module, so that
    `grader check` can set thop's figures beside ours on the student's own machine."""
    terms: list[TermSpec]
    rubric: list[Criterion] = []
    """What a person judges; formulas know the sum of the points as `rubric`."""
    late_penalty: str = ""
    """Points that lateness takes off, of `days_late`, `hours_late`, `score` and `max_score`; where
    it is empty, what the course says. Worked out after measuring."""
    report: ReportSpec
    release: ReleaseSpec = ReleaseSpec()
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
        """What the terms of a score come to."""
        return min(max(sum(term.points for term in terms), 0.0), self.max_score)


class Samples(Protocol):
    """The part of `samples/make.py` that the engine calls."""

    def make(self, folder: Path, lesson: Lesson) -> None:
        """Write sample submissions into the empty `folder`, one subfolder or archive each."""


@dataclass(frozen=True)
class Lesson:
    """One lesson on disk."""

    spec: LessonSpec
    folder: Path

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def template(self) -> Path:
        return course.student_template() / self.name

    @property
    def reference(self) -> Path:
        return course.reference_solutions() / self.name

    @cached_property
    def samples(self) -> Samples | None:
        """`samples/make.py`, which builds the demonstration's submissions, where there is one."""
        path = self.folder / "samples" / "make.py"
        if not path.is_file():
            return None
        return cast(Samples, _import(path, f"grader_samples_{self.name}", ("make",)))

    @cached_property
    def autograder(self) -> Autograder:
        """The lesson's `autograder.py`, imported. Raises SpecError naming what is missing."""
        path = self.folder / "autograder.py"
        functions = ("prepare", "examine")
        return cast(Autograder, _import(path, f"grader_lesson_{self.name}", functions))

    @cached_property
    def fingerprint(self) -> str:
        """sha256 over the files that decide a grade: not handouts, not samples."""
        digest = hashlib.sha256()
        for path in sorted(self.folder.rglob("*")):
            relative = path.relative_to(self.folder)
            if path.is_file() and not _decides_nothing(relative):
                digest.update(relative.as_posix().encode() + b"\0")
                digest.update(hashlib.sha256(path.read_bytes()).digest())
        return digest.hexdigest()


def names() -> list[str]:
    """Names of all lessons of the course, by the alphabet."""
    return sorted(path.parent.name for path in course.assignments().glob("*/lesson.toml"))


def every() -> list[Lesson]:
    """All lessons as the course takes them. Raises SpecError for a bad spec."""
    found = [load(name) for name in names()]
    return sorted(found, key=lambda lesson: (lesson.spec.order, lesson.name))


def load(name: str) -> Lesson:
    """The lesson called `name`. Raises UsageError for an unknown name, SpecError for a bad spec."""
    known = names()
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1)
        tip = f" Did you mean {close[0]}?" if close else ""
        ru_tip = f" Может быть, {close[0]}?" if close else ""
        raise UsageError(
            Text(
                en=f"There is no lesson {name!r}. Lessons: {', '.join(known)}.{tip}",
                ru=f"Занятия {name!r} нет. Занятия: {', '.join(known)}.{ru_tip}",
            )
        )
    return load_folder(course.assignments() / name)


def load_folder(folder: Path) -> Lesson:
    """The lesson in `folder`, validated."""
    path = folder / "lesson.toml"
    try:
        spec = msgspec.toml.decode(path.read_bytes(), type=LessonSpec)
    except OSError as error:
        raise SpecError(f"{path} cannot be read: {error.strerror}.") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SpecError(f"{path}: {error}.") from error
    _validate(spec, path)
    return Lesson(spec, folder)


def _validate(spec: LessonSpec, path: Path) -> None:
    if spec.schema != 1:
        raise SpecError(f"{path}: schema is {spec.schema}, this grader reads schema 1.")
    if spec.name != path.parent.name:
        raise SpecError(f"{path}: name is {spec.name!r}, but the folder is {path.parent.name!r}.")
    if not spec.data.names:
        raise SpecError(f"{path}: data.names is empty; name at least one data set.")
    try:
        for expression in (*(term.formula for term in spec.terms), spec.report.rank_by):
            formula.names(expression)
        if spec.late_penalty:
            formula.evaluate(spec.late_penalty, dict.fromkeys(LATE_VALUES, 1.0))
    except SpecError as error:
        raise SpecError(f"{path}: {error}") from error
    total = sum(term.max_points for term in spec.terms)
    if abs(total - spec.max_score) > 1e-9:
        raise SpecError(
            f"{path}: the terms add up to {total} points, max_score is {spec.max_score}."
        )
    _validate_rubric(spec, path)


def _validate_rubric(spec: LessonSpec, path: Path) -> None:
    names = [criterion.name for criterion in spec.rubric]
    for criterion in spec.rubric:
        if not re.fullmatch(r"[a-z][a-z0-9_]*", criterion.name) or names.count(criterion.name) > 1:
            raise SpecError(
                f"{path}: the rubric's criterion {criterion.name!r} is there twice, or its name is "
                "not of small Latin letters, digits and _."
            )
        if not 0 < criterion.max_points < math.inf:
            raise SpecError(
                f"{path}: max_points of the rubric's criterion {criterion.name!r} is "
                f"{criterion.max_points}, not a number above 0."
            )
    counted = any(RUBRIC in formula.names(term.formula) for term in spec.terms)
    if counted != bool(spec.rubric):
        raise SpecError(
            f"{path}: a lesson with [[rubric]] has a term whose formula uses `{RUBRIC}`, the sum "
            "of a person's points, and no other lesson has one."
        )


def _decides_nothing(relative: Path) -> bool:
    return (
        "__pycache__" in relative.parts
        or relative.parts[0] == "samples"
        or relative.parts[0] == "figures"
        or relative.parts == (HINTS,)
        or relative.name.startswith(("handout.", "handout_", "seminar."))
    )


def _import(path: Path, module_name: str, functions: tuple[str, ...]) -> ModuleType:
    if module_name in sys.modules:
        return sys.modules[module_name]
    # With a place to search, the lesson's other modules can be imported as `from . import x`.
    spec = importlib.util.spec_from_file_location(
        module_name, path, submodule_search_locations=[str(path.parent)]
    )
    if spec is None or spec.loader is None or not path.is_file():
        raise SpecError(f"{path} is missing; docs/new-lesson.md says what a lesson needs.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[module_name]
        raise
    for function in functions:
        if not callable(getattr(module, function, None)):
            del sys.modules[module_name]
            raise SpecError(f"{path} must define {function}(); see docs/new-lesson.md.")
    return module
