"""Processes, signals and temporary folders of a batch, all of which end with it.

Child processes run in sessions of their own, so that Ctrl-C reaches the main process only. The
temporary folder is locked while its batch runs: the lock ends with the process that holds it,
however that ends, and marks the folders that killed batches left behind. Process ids would not do:
they are reused, and mean nothing across containers that share a disk.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from queue import Empty, SimpleQueue
from types import FrameType
from typing import IO, Any

import filelock

from grader.sandbox.isolation.launch import python

try:
    import psutil
except ImportError:  # not available on every system; children then end when their pipes close
    psutil = None

PREFIX = "grader-batch-"
YOUNG_SECONDS = 60.0
"""A temporary folder without a lock file is kept this long: it may be one that is being made."""
_SECRETS = ("GRADER_HIDDEN_SEED",)
"""Environment variables that no child process gets: hidden data is made before it starts."""
_PATHS = ("GRADER_COURSE", "GRADER_CACHE", "PYTHONPATH")
"""Environment variables with paths that may be relative to the current folder."""
_LOCK = ".lock"


# Processes ----------------------------------------------------------------------------------


def start(
    module: Sequence[str], cwd: Path | None = None, extra: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start `python -P -m MODULE ARGUMENTS` with three pipes, in a session of its own. `extra`
    adds environment variables."""
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


def read_log(stream: IO[bytes], log: bytearray, most: int) -> None:
    """Keep the last `most` bytes of a child's stderr, which says why it died if anything does."""
    while block := stream.read1(65536):  # type: ignore[attr-defined]
        log[:] = (log + block)[-most:]
    stream.close()


def environment() -> dict[str, str]:
    """This process's environment without secrets, with absolute paths and one thread for BLAS."""
    chosen = {name: value for name, value in os.environ.items() if name not in _SECRETS}
    for name in _PATHS:
        if chosen.get(name):
            parts = chosen[name].split(os.pathsep) if name == "PYTHONPATH" else [chosen[name]]
            absolute = [str(Path(part).expanduser().absolute()) for part in parts if part]
            chosen[name] = os.pathsep.join(absolute)
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    return chosen | threads | {"PYTHONUTF8": "1"}


def end_with_stdin() -> None:
    """End this process when stdin closes, which happens when its parent ends. Runs in a thread."""
    while os.read(0, 4096):
        pass
    end()


def end() -> None:
    """End this process and all its descendants at once."""
    kill_descendants(os.getpid())
    os._exit(0)


def kill_descendants(pid: int) -> None:
    """Kill all descendants of the process `pid`."""
    if psutil is None:
        return
    with contextlib.suppress(psutil.Error):
        for child in psutil.Process(pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                child.kill()


def resident_bytes(pid: int) -> int:
    """Resident memory of the process `pid`; 0 when it has ended or cannot be inspected."""
    if psutil is None:
        return 0
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0


# Signals ------------------------------------------------------------------------------------


class MainLoop:
    """Makes calls that other threads request, and handles Ctrl-C and SIGTERM; a context manager.

    The first signal sets `interrupted` and requests `on_interrupt`, the second raises
    KeyboardInterrupt, later ones are ignored so that clean-up is not interrupted. Leaving after a
    signal raises KeyboardInterrupt. Outside the main thread, which alone receives signals, signals
    are not handled.
    """

    def __init__(self, on_interrupt: Callable[[], None]) -> None:
        self._on_interrupt = on_interrupt
        self._signals = 0
        self._calls: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._before: dict[signal.Signals, Any] = {}

    @property
    def interrupted(self) -> bool:
        return self._signals > 0

    def put(self, call: Callable[[], None]) -> None:
        """Request a call. Safe in other threads and in signal handlers."""
        self._calls.put(call)

    def run_next(self) -> None:
        """Make the next requested call, if there is one within half a second. The wait is short
        because Windows delivers Ctrl-C only between waits."""
        try:
            call = self._calls.get(timeout=0.5)
        except Empty:
            return
        call()

    def __enter__(self) -> MainLoop:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if kind is None and self.interrupted:
            raise KeyboardInterrupt

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self._signals += 1
        if self._signals == 1:
            self._calls.put(self._on_interrupt)
        elif self._signals == 2:
            raise KeyboardInterrupt


@contextlib.contextmanager
def sigterm_like_ctrl_c() -> Iterator[None]:
    """Make SIGTERM raise KeyboardInterrupt. Also usable as a decorator."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


# Temporary folders --------------------------------------------------------------------------


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """An empty temporary folder, removed on leaving; first removes those of killed batches."""
    for place in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            _remove_if_stale(place)
    while True:
        place = Path(tempfile.mkdtemp(prefix=PREFIX))
        lock = filelock.FileLock(place / _LOCK)
        lock.acquire()
        if (place / _LOCK).exists():
            break
        lock.release()  # another batch removed it as stale before it was locked
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)
        lock.release()
        shutil.rmtree(place, ignore_errors=True)  # Windows keeps a lock file that is in use


@contextlib.contextmanager
def temporary_files() -> Iterator[None]:
    """Put all temporary files of this process into such a folder. Also usable as a decorator."""
    before = tempfile.tempdir
    with folder() as place:
        tempfile.tempdir = str(place)
        try:
            yield
        finally:
            tempfile.tempdir = before


def _remove_if_stale(place: Path) -> None:
    status = place.lstat()
    foreign = hasattr(os, "getuid") and status.st_uid != os.getuid()
    if not place.is_dir() or place.is_symlink() or foreign:
        return
    if not (place / _LOCK).exists() and time.time() - status.st_mtime < YOUNG_SECONDS:
        return
    with contextlib.suppress(filelock.Timeout), filelock.FileLock(place / _LOCK, timeout=0):
        shutil.rmtree(place, ignore_errors=True)
