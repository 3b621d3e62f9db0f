"""Processes of a batch: started out of Ctrl-C's reach, seen, and ended with all they started."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import filelock

from grader.sandbox.isolation.launch import python

try:
    import psutil
except ImportError:  # a system without what psutil stands on: each process ends by its own pipes
    psutil = None

_SECRET = ("GRADER_HIDDEN_SEED",)
"""Not for a child: the hidden data is made before it starts."""
_PLACES = ("GRADER_COURSE", "GRADER_CACHE", "PYTHONPATH")
"""Paths that a person may give relative to the folder they are in."""


def start(
    module: Sequence[str], cwd: Path | None = None, extra: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """`python -P -m MODULE ARGUMENTS` with three pipes; in a session of its own, so that Ctrl-C
    is ours alone."""
    return subprocess.Popen(
        [*python(), "-m", *module],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment() | dict(extra or {}),
        cwd=cwd,
        start_new_session=True,
        creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
    )


def environment() -> dict[str, str]:
    """Ours without secrets and with absolute paths; one thread."""
    chosen = {name: value for name, value in os.environ.items() if name not in _SECRET}
    for name in _PLACES:
        if chosen.get(name):
            parts = chosen[name].split(os.pathsep) if name == "PYTHONPATH" else [chosen[name]]
            absolute = [str(Path(part).expanduser().absolute()) for part in parts if part]
            chosen[name] = os.pathsep.join(absolute)
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        chosen[name] = "1"
    return chosen | {"PYTHONUTF8": "1"}


def end_with_stdin() -> None:
    """In a thread of a child: when stdin closes, whoever started it is gone, and it ends."""
    while os.read(0, 4096):
        pass
    end()


def end() -> None:
    """End this process at once, and whatever it started."""
    kill_descendants(os.getpid())
    os._exit(0)


def kill_descendants(pid: int) -> None:
    """Kill whatever `pid` started and what that started."""
    if psutil is None:
        return
    with contextlib.suppress(psutil.Error):
        for child in psutil.Process(pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                child.kill()


def resident_bytes(pid: int) -> int:
    """Resident memory of `pid`; 0 when it is gone or cannot be seen."""
    if psutil is None:
        return 0
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0


# The temporary folder of one batch: held by a lock, so that what a killed one left is known.
#
# The lock ends with the process that holds it, however that ends; process numbers would be
# taken again, and mean nothing across containers that share a disk.


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
