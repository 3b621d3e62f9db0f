"""A student's project folder: the files that checks leave in it, and waiting for its changes.

None of these files is part of a submission.
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

from grader.intake.rules import CHECK_FILES, CHECK_FOLDER, ignored
from grader.lesson.grades import write_atomically

GRADE, BADGE, SUMMARY, PAGE = CHECK_FILES
"""grade.json, grade.svg, grade.md and report.html."""
EVERY = 1.0
"""Seconds between two snapshots of a watched project."""
MOST_FILES = 20_000
"""Files of a snapshot; of larger projects only the first count."""

Snapshot = dict[str, tuple[int, int]]
"""Time of the last change (ns) and size (bytes) by the path inside the project."""


def kept(project: Path, file: str) -> Path:
    """The path at which checks keep `file` between runs; it need not exist."""
    return project / CHECK_FOLDER / file


def keep(project: Path, file: str, raw: bytes) -> None:
    """Write `file` into the folder that checks keep in a project. Raises OSError."""
    folder = project / CHECK_FOLDER
    if not folder.is_dir():
        folder.mkdir()
        # As in pytest's cache folder: git ignores it without a line of the student's.
        (folder / ".gitignore").write_text("*\n", encoding="utf-8")
    write_atomically(folder / file, raw)


def wait(project: Path, known: Snapshot, besides: Path | None, every: float = EVERY) -> None:
    """Return when the project's files differ from `known` and have stopped changing, so that a
    half-written model is not measured. The file `besides` is left out."""
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
    """The project's files, without what checks write themselves, such as the page `besides`."""
    found: Snapshot = {}
    for folder, folders, files in os.walk(project):
        place = Path(folder).relative_to(project)
        folders[:] = [name for name in folders if not ignored(place / name)]
        for name in files:
            if not ignored(place / name) and not name.endswith(".tmp"):
                with contextlib.suppress(OSError):  # deleted meanwhile
                    stat = (project / place / name).stat()
                    found[str(place / name)] = stat.st_mtime_ns, stat.st_size
        if len(found) > MOST_FILES:
            break
    if besides is not None:
        with contextlib.suppress(ValueError):  # it lies elsewhere
            found.pop(str(besides.resolve().relative_to(project)), None)
    return found
