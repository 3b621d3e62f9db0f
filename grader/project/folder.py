"""The files that checks leave in a project; none is part of a submission."""

from __future__ import annotations

from pathlib import Path

from grader.grades import write_atomically
from grader.intake.rules import CHECK_FILES, CHECK_FOLDER

GRADE, BADGE, SUMMARY, PAGE = CHECK_FILES
"""grade.json, grade.svg, grade.md and report.html."""


def kept(project: Path, file: str) -> Path:
    """Where `file` is remembered; it need not exist."""
    return project / CHECK_FOLDER / file


def keep(project: Path, file: str, raw: bytes) -> None:
    """Write `file` of the project's memory. Raises OSError."""
    folder = project / CHECK_FOLDER
    if not folder.is_dir():
        folder.mkdir()
        # As pytest does it: no version control takes the folder for work.
        (folder / ".gitignore").write_text("*\n", encoding="utf-8")
    write_atomically(folder / file, raw)
