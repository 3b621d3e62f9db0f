"""When a project's files change: looked at every second, on every system alike."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

from grader.intake.rules import ignored

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
