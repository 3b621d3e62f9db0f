"""The files of one graded submission in a batch's folder, and which of them a rerun can keep."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import msgspec

from grader import grading, text
from grader.grading import Examination, Outcome
from grader.intake import Candidate
from grader.lesson import loading
from grader.lesson.grades import Grade, Status, from_json, to_json, write_atomically
from grader.lesson.spec import LessonSpec
from grader.similarity import evidence as evidences
from grader.text.errors import UsageError

FOLDERS = {
    "faults": ".txt",  # the traceback of a grader fault
    "reports": ".html",  # the student's page
    "rubric": ".toml",  # the form for points that a person gives
    "notebooks": ".ipynb",  # the executed copy of a notebook
    "evidence": ".json",  # what the submission is compared with others by
}
"""Folders beside `grades/` with files that belong to a grade, and the suffixes of the files."""
MAX_STEM_BYTES = 180
_RESERVED = frozenset('%/\\:*?"<>|')
"""Characters that some file systems forbid in names, and `%`, which starts an escape."""
_DEVICES = frozenset(
    {"CON", "PRN", "AUX", "NUL", *(f"{d}{n}" for d in ("COM", "LPT") for n in range(10))}
)
"""Names that Windows reserves."""


@dataclass
class Plan:
    """Submissions to grade, and the grades of those that are still valid."""

    todo: list[Candidate] = field(default_factory=list)
    done: list[Grade] = field(default_factory=list)


def outcome_to_json(outcome: Outcome) -> bytes:
    """JSON for a pipe or a network. Raises ValueError when it could not be decoded again."""
    raw = text.to_json(outcome)
    outcome_from_json(raw)
    return raw


def outcome_from_json(raw: bytes) -> Outcome:
    """Raises msgspec.MsgspecError, a ValueError, when `raw` is not an outcome."""
    return text.from_json(raw, Outcome)


def save(outcome: Outcome, out: Path) -> None:
    """Write the grade and the files that belong to it; remove those of an earlier grade."""
    path = grade_path(out, outcome.grade.submission.name)
    evidence = outcome.evidence
    for place, raw in (
        (beside(path, "faults"), outcome.fault.encode("utf-8", "backslashreplace")),
        (beside(path, "notebooks"), outcome.notebook),
        (beside(path, "evidence"), b"" if evidence is None else evidences.to_json(evidence)),
        (path, to_json(outcome.grade)),  # last: the files of an existing grade are complete
    ):
        if raw:
            place.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(place, raw)
        else:
            place.unlink(missing_ok=True)


def read_grade(path: Path) -> Grade | None:
    """The grade at `path`; None when it is missing or damaged."""
    try:
        return from_json(path.read_bytes())
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None


def grade_files(out: Path) -> list[Path]:
    """The paths of all grades in `out`, readable or not."""
    return sorted(path for path in (out / "grades").glob("*.json") if path.name[0] != ".")


def first_grade(out: Path) -> Grade:
    """A readable grade in `out`. Raises UsageError when there is none."""
    for path in grade_files(out):
        if (grade := read_grade(path)) is not None:
            return grade
    raise UsageError(
        "{out} holds no grades; expected {out2} with JSON files.", out=out, out2=out / "grades"
    )


def grade_path(out: Path, name: str) -> Path:
    """The path of a submission's grade. Different names have different paths; usual names stay
    readable, and none leaves the folder."""
    safe = "".join(
        char
        if char.isprintable() and char not in _RESERVED
        else quote(char, safe="", errors="surrogatepass")
        for char in name
    )
    if safe.startswith(".") or safe.partition(".")[0].upper() in _DEVICES:
        safe = f"%{safe}"
    if safe.rstrip(" .") != safe:
        safe = f"{safe}%"
    if len(safe.encode("utf-8", "surrogatepass")) > MAX_STEM_BYTES:
        digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
        safe = f"{safe[:40]}%-{digest[:32]}"
    return out / "grades" / f"{safe}.json"


def beside(grade: Path, folder: str) -> Path:
    """The path in `folder`, one of FOLDERS, of the file that belongs to the grade at `grade`."""
    return grade.parent.parent / folder / f"{grade.stem}{FOLDERS[folder]}"


def plan(examination: Examination, submissions: Iterable[Candidate], out: Path) -> Plan:
    """Split submissions into those to grade and those whose grade in `out` is still valid."""
    spec = loading.load(examination.lesson).spec
    result = Plan()
    for candidate in submissions:
        old = read_grade(grade_path(out, candidate.name))
        if old is not None and _is_valid(old, examination, candidate, spec):
            result.done.append(old)
        else:
            result.todo.append(candidate)
    return result


def _is_valid(old: Grade, examination: Examination, candidate: Candidate, spec: LessonSpec) -> bool:
    if old.status is Status.GRADER_FAULT or old.provenance != examination.provenance:
        return False
    try:
        return old.submission == grading.identify(candidate.path, candidate.name, spec)
    except OSError:  # unreadable; grading reports it
        return False
