"""The files that checks leave in a project; none is part of a submission."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

from grader.intake.rules import CHECK_FILES, CHECK_FOLDER, ignored
from grader.lesson.grades import write_atomically

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


# When a project's files change: looked at every second, on every system alike.


EVERY = 1.0
"""Seconds between two looks."""
MOST_FILES = 20_000

Snapshot = dict[str, tuple[int, int]]


def wait(project: Path, known: Snapshot, besides: Path | None, every: float = EVERY) -> None:
    """Returns when the project's files are no longer `known`, and nothing more changes: a model
    that is still being written is not measured. The file `besides` may change."""
    found = snapshot(project, besides)
    while found == known:
        time.sleep(every)
        found = snapshot(project, besides)
    while True:
        time.sleep(every)
        settled = snapshot(project, besides)
        if settled == found:
            return
        found = settled


def snapshot(project: Path, besides: Path | None = None) -> Snapshot:
    """Times and sizes of the project's files; not of what checks write themselves, such as the
    page `besides`."""
    found: Snapshot = {}
    for folder, folders, files in os.walk(project):
        place = Path(folder).relative_to(project)
        folders[:] = [name for name in folders if not ignored(place / name)]
        for name in files:
            if not ignored(place / name) and not name.endswith(".tmp"):
                try:
                    stat = (project / place / name).stat()
                except OSError:  # gone since
                    continue
                found[str(place / name)] = stat.st_mtime_ns, stat.st_size
        if len(found) > MOST_FILES:
            break
    if besides is not None:
        with contextlib.suppress(ValueError):  # it lies elsewhere
            found.pop(str(besides.resolve().relative_to(project)), None)
    return found
