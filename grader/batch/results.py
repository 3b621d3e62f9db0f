"""What a batch leaves on disk for one submission: its grade, and the traceback of a fault."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import msgspec

from grader import grading
from grader.grading import Examination
from grader.intake import Candidate
from grader.lesson import loading, rubric
from grader.lesson.grades import Grade, Status, from_json, to_json, write_atomically
from grader.lesson.spec import LessonSpec
from grader.similarity import evidence as evidences
from grader.similarity.evidence import Evidence
from grader.text import Lang
from grader.text.errors import UsageError

MAX_STEM_BYTES = 180
_RESERVED = frozenset('%/\\:*?"<>|')
"""Not allowed in a file name somewhere; `%` because it marks the others."""
_DEVICES = frozenset(
    {"CON", "PRN", "AUX", "NUL", *(f"{d}{n}" for d in ("COM", "LPT") for n in range(10))}
)
"""Names that Windows keeps for itself."""


@dataclass(frozen=True)
class Outcome:
    """One finished submission; `fault` is the traceback of a grader fault."""

    grade: Grade
    fault: str = ""
    notebook: bytes = b""
    """The executed copy of a notebook; whatever it holds is the submission's."""
    evidence: Evidence | None = None
    """What it is compared with others by; None where it could not be opened."""


_decoder = msgspec.json.Decoder(Outcome)


def outcome_to_json(outcome: Outcome) -> bytes:
    """For a pipe or a network. Raises ValueError for what would not come back the same."""
    raw = msgspec.json.encode(outcome)
    outcome_from_json(raw)
    return raw


def outcome_from_json(raw: bytes) -> Outcome:
    """Raises msgspec.MsgspecError, a ValueError, when `raw` is none."""
    return _decoder.decode(raw)


def save(outcome: Outcome, out: Path) -> None:
    """Write the grade, and for a fault of ours its traceback for the instructor."""
    path = grade_path(out, outcome.grade.submission.name)
    path.parent.mkdir(parents=True, exist_ok=True)
    fault = fault_path(path)
    if outcome.fault:
        fault.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(fault, outcome.fault.encode("utf-8", "backslashreplace"))
    else:
        fault.unlink(missing_ok=True)
    notebook = notebook_path(path)
    if outcome.notebook:
        notebook.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(notebook, outcome.notebook)
    else:
        notebook.unlink(missing_ok=True)
    evidence = evidence_path(path)
    if outcome.evidence is not None:
        evidence.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(evidence, evidences.to_json(outcome.evidence))
    else:
        evidence.unlink(missing_ok=True)
    # Last: where there is a grade, what goes with it is there too.
    write_atomically(path, to_json(outcome.grade))


def grade_path(out: Path, name: str) -> Path:
    """Where a submission's grade is kept; names stay readable and cannot leave the folder."""
    # `%` starts everything that is not in the name itself, and is escaped where it is: no two
    # names share a path.
    safe = "".join(
        char if char.isprintable() and char not in _RESERVED else _escaped(char) for char in name
    )
    if safe.startswith(".") or safe.partition(".")[0].upper() in _DEVICES:
        safe = f"%{safe}"
    if safe.rstrip(" .") != safe:
        safe = f"{safe}%"
    if len(safe.encode("utf-8", "surrogatepass")) > MAX_STEM_BYTES:
        digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
        safe = f"{safe[:40]}%-{digest[:32]}"
    return out / "grades" / f"{safe}.json"


def fault_path(grade: Path) -> Path:
    """Where the traceback lies that goes with the grade at `grade`."""
    return grade.parent.parent / "faults" / f"{grade.stem}.txt"


def report_path(grade: Path) -> Path:
    """Where the page lies that goes with the grade at `grade`."""
    return grade.parent.parent / "reports" / f"{grade.stem}.html"


def notebook_path(grade: Path) -> Path:
    """Where the executed copy of a notebook lies that goes with the grade at `grade`."""
    return grade.parent.parent / "notebooks" / f"{grade.stem}.ipynb"


def rubric_path(grade: Path) -> Path:
    """Where the form of a person's points lies that goes with the grade at `grade`."""
    return grade.parent.parent / "rubric" / f"{grade.stem}.toml"


def evidence_path(grade: Path) -> Path:
    """Where lies what the submission of the grade at `grade` is compared with others by."""
    return grade.parent.parent / "evidence" / f"{grade.stem}.json"


def read_grade(path: Path) -> Grade | None:
    """The grade at `path`, or None when there is none that can be read."""
    try:
        return from_json(path.read_bytes())
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None


def _escaped(char: str) -> str:
    return quote(char, safe="", errors="surrogatepass")


# The forms of a person's points in a batch's folder: OUT/rubric/NAME.toml, one a submission.


@dataclass(frozen=True)
class Merged:
    """What became of one submission's form."""

    grade: Grade
    """With the person's points, where the form could be read."""
    form: Path
    changed: bool = False
    """True when the grade on disk is another now."""
    problem: UsageError | None = None
    """Why the form could not be read; the grade is as it was."""


def merge(path: Path, spec: LessonSpec, lang: Lang, *, create: bool = False) -> Merged | None:
    """Merge its form into the grade at `path`, and record in the form what is new.

    None where there is nothing to judge: no grade, or a submission that was not graded. A form
    that is missing is made with `create`, or when the grade already has a person's points.
    """
    grade = read_grade(path) if spec.rubric else None
    if grade is None or grade.status is not Status.GRADED:
        return None
    place = rubric_path(path)
    if not place.is_file():
        if create or grade.judgements:
            place.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(place, rubric.write(rubric.blank(grade), spec, lang))
        return Merged(grade, place)
    raw = place.read_bytes()
    try:
        form = rubric.read(raw, str(place), grade, spec)
    except UsageError as error:
        return Merged(grade, place, problem=error)
    found = rubric.unrecorded(form, grade, _now())
    if found:
        # First the form: a run that is killed between the two merges again.
        write_atomically(place, rubric.appended(raw, found, lang))
    history = sorted([*form.history, *found], key=lambda one: one.when)
    result = rubric.merged(grade, spec, history)
    if result != grade:
        write_atomically(path, to_json(result))
    return Merged(result, place, changed=result != grade)


def set_points(
    path: Path, spec: LessonSpec, lang: Lang, points: dict[str, float], why: str, by: str
) -> None:
    """Write some criteria's points into the form of the grade at `path`, which has one.

    Raises UsageError, and leaves the form as it was, when they cannot be counted.
    """
    grade, place = read_grade(path), rubric_path(path)
    assert grade is not None  # the caller has merged it already
    form = rubric.read(place.read_bytes(), str(place), grade, spec)
    form = rubric.with_points(form, grade, points, why, by, _now())
    raw = rubric.write(form, spec, lang)
    rubric.read(raw, str(place), grade, spec)
    write_atomically(place, raw)


def _now() -> datetime:
    return datetime.now(UTC)


# What a batch has to do, and what an earlier run already did.


@dataclass
class Plan:
    """Submissions to grade, and the grades of those that still hold."""

    todo: list[Candidate] = field(default_factory=list)
    done: list[Grade] = field(default_factory=list)


def plan(examination: Examination, submissions: Iterable[Candidate], out: Path) -> Plan:
    """Split submissions into those to grade and those whose grade in `out` still holds."""
    spec = loading.load(examination.lesson).spec
    result = Plan()
    for candidate in submissions:
        old = read_grade(grade_path(out, candidate.name))
        if old is not None and _holds(old, examination, candidate, spec):
            result.done.append(old)
        else:
            result.todo.append(candidate)
    return result


def _holds(old: Grade, examination: Examination, candidate: Candidate, spec: LessonSpec) -> bool:
    if old.status is Status.GRADER_FAULT or old.provenance != examination.provenance:
        return False
    try:
        return old.submission == grading.identify(candidate.path, candidate.name, spec)
    except OSError:  # unreadable: grading it says so, and costs the others nothing
        return False
