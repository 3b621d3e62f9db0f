"""What a batch leaves on disk for one submission: its grade, and the traceback of a fault."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import msgspec

from grader.grades import Grade, from_json, to_json, write_atomically
from grader.similarity import evidence as evidences
from grader.similarity.evidence import Evidence

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
