"""The temporary folder of one batch: held by a lock, so that what a killed one left is known.

The lock ends with the process that holds it, however that ends; process numbers would be
taken again, and mean nothing across containers that share a disk.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import filelock

PREFIX = "grader-batch-"
YOUNG_SECONDS = 60.0
"""A folder without its lock file may be one that is just being made."""
_LOCK = ".lock"


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """An empty folder that goes away with the batch; those of dead batches go away first."""
    clear_stale()
    place, lock = _make()
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)
        lock.release()
        shutil.rmtree(place, ignore_errors=True)  # Windows keeps the file of a lock that is held


@contextlib.contextmanager
def temporary_files() -> Iterator[None]:
    """All temporary files of this process go to such a folder, whatever makes them."""
    before = tempfile.tempdir
    with folder() as place:
        tempfile.tempdir = str(place)
        try:
            yield
        finally:
            tempfile.tempdir = before


def clear_stale() -> None:
    """Remove the folders of batches that were killed."""
    for place in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            _remove_if_stale(place)


def _make() -> tuple[Path, filelock.BaseFileLock]:
    while True:
        place = Path(tempfile.mkdtemp(prefix=PREFIX))
        lock = filelock.FileLock(place / _LOCK)
        lock.acquire()
        if (place / _LOCK).exists():
            return place, lock
        lock.release()  # another batch took it for a dead one's before it was locked


def _remove_if_stale(place: Path) -> None:
    status = place.lstat()
    if not place.is_dir() or place.is_symlink() or _of_another(status):
        return
    if not (place / _LOCK).exists() and time.time() - status.st_mtime < YOUNG_SECONDS:
        return
    lock = filelock.FileLock(place / _LOCK)
    try:
        lock.acquire(blocking=False)
    except filelock.Timeout:
        return
    try:
        shutil.rmtree(place, ignore_errors=True)
    finally:
        lock.release()


def _of_another(status: os.stat_result) -> bool:
    return hasattr(os, "getuid") and status.st_uid != os.getuid()
