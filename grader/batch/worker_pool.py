"""Grade many submissions on this machine, in worker processes that are kept and replaced.

`Worker` is a handle on one process (grader/batch/worker.py is its program). `PersistentWorker`
replaces its process when that dies, exceeds its time, or grows. `run` uses several of them, a
thread for each, and calls back in the main thread.

A submission whose worker dies is tried once more, because a machine short of memory may end any
process. After the second time the submission has the status `crashed`.
"""

from __future__ import annotations

import contextlib
import json
import logging
import pickle
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import IO

import msgspec

from grader import grading
from grader.batch import processes
from grader.batch.processes import MainLoop
from grader.batch.results import outcome_from_json
from grader.grading import Examination, Outcome
from grader.grading.notebook import longest_grading
from grader.intake import Candidate
from grader.lesson import loading
from grader.lesson.grades import Status, SubmissionId
from grader.sandbox.isolation.process import Stopped
from grader.text import Text
from grader.text.errors import Fault
from grader.text.untrusted import log

START_SECONDS = 120.0
CLOSE_SECONDS = 5.0
STARTS = 3
"""Attempts to start a worker that ends before it is ready."""
TRIES = 2
"""Attempts to grade a submission whose worker dies."""
MAX_ANSWER_BYTES = 64 * 2**20
KILLED = -9
"""The exit code of a process that SIGKILL ended."""
LOG_BYTES = 16 * 2**10
MAX_GRADED = 500
"""Submissions after which a worker process is replaced."""
MAX_GROWTH_BYTES = 512 * 2**20
"""Growth of its resident memory after which a worker process is replaced."""

_log = logging.getLogger(__name__)


class WorkerDied(Exception):
    """The process ended without an answer; `code` is negative for a signal on POSIX."""

    def __init__(self, code: int, log: str) -> None:
        super().__init__(f"worker ended with code {code}")
        self.code = code
        self.log = log


class WorkerTimedOut(Exception):
    """The process gave no answer in time and was killed."""


class WorkerProtocolError(Exception):
    """The process gave an answer that is not an outcome and was killed."""


class WorkerKilled(Exception):
    """`PersistentWorker.kill` was called during grading; the submission has no grade."""


def run(
    examination: Examination,
    submissions: Sequence[Candidate],
    *,
    jobs: int,
    on_grade: Callable[[Outcome], None],
    on_interrupt: Callable[[], None] = lambda: None,
    hold_seconds: float | None = None,
) -> None:
    """Grade with `jobs` worker processes; `on_grade` is called in this thread for each outcome.

    On the first Ctrl-C or SIGTERM `on_interrupt` is called, no further submission is started,
    those in progress are finished and passed to `on_grade`, and KeyboardInterrupt is raised; on
    the second it is raised at once. No worker is left, whatever is raised. `hold_seconds`
    replaces the lesson's. Raises Fault when no worker starts.
    """
    if not submissions:
        return
    with processes.folder() as folder:
        file = folder / "examination"  # it may be larger than what a pipe holds
        file.write_bytes(pickle.dumps(examination))
        workers = [
            PersistentWorker(examination, file, folder, hold_seconds)
            for _ in range(min(jobs, len(submissions)))
        ]
        _Pool(submissions, workers, on_grade, on_interrupt).run()


def grade_one(examination: Examination, path: Path, name: str) -> Outcome:
    """The outcome of one submission, graded in a worker process. Raises as `run`."""
    outcomes: list[Outcome] = []
    with processes.temporary_files():
        run(examination, [Candidate(name, path)], jobs=1, on_grade=outcomes.append)
    return outcomes[0]


class _Pool:
    """A thread for each worker takes submissions from one queue."""

    def __init__(
        self,
        submissions: Sequence[Candidate],
        workers: Sequence[PersistentWorker],
        on_grade: Callable[[Outcome], None],
        on_interrupt: Callable[[], None],
    ) -> None:
        self._waiting = deque(submissions)
        self._workers = workers
        self._on_grade = on_grade
        self._loop = MainLoop(on_interrupt)
        self._running = len(workers)
        self._failure: Fault | None = None

    def run(self) -> None:
        threads = [
            threading.Thread(target=self._work, args=(worker,), daemon=True)
            for worker in self._workers
        ]
        with self._loop:
            try:
                for thread in threads:
                    thread.start()
                while self._running:
                    self._loop.run_next()
            finally:
                for worker in self._workers:
                    worker.kill()
                for thread in threads:
                    if thread.is_alive():
                        thread.join()
        if self._waiting and self._failure is not None:
            raise self._failure

    def _work(self, worker: PersistentWorker) -> None:
        """Grade until nothing waits. When a worker does not start, its thread ends and leaves the
        submissions to the others; the batch fails when no thread is left."""
        error: BaseException | None = None
        try:
            while not self._loop.interrupted:
                try:
                    candidate = self._waiting.popleft()
                except IndexError:
                    break
                try:
                    self._loop.put(partial(self._on_grade, worker.grade(candidate)))
                except Fault as failure:
                    self._waiting.appendleft(candidate)
                    self._failure = failure
                    _log.warning("%s", failure)
                    break
        except WorkerKilled:
            pass
        except BaseException as unexpected:
            error = unexpected
        finally:
            worker.close()
            self._loop.put(partial(self._thread_ended, error))

    def _thread_ended(self, error: BaseException | None) -> None:
        self._running -= 1
        if error is not None:
            raise error


class PersistentWorker:
    """Grades one submission after another, in a process that is replaced when needed.

    `file` is the pickled `examination`, `folder` where processes keep their temporary files.
    Used by one thread; `kill` may be called from another.
    """

    def __init__(
        self,
        examination: Examination,
        file: Path,
        folder: Path,
        hold_seconds: float | None = None,
    ) -> None:
        self._examination = examination
        self._file = file
        self._folder = folder
        self._spec = loading.load(examination.lesson).spec
        self._hold_seconds = hold_seconds
        self._lock = threading.Lock()
        self._killed = False
        self._worker: Worker | None = None
        self._memory_at_start = 0

    def grade(self, candidate: Candidate) -> Outcome:
        """The outcome for `candidate`, whatever happens to the process. Raises Fault when no
        process starts, WorkerKilled after `kill`."""
        started = time.monotonic()
        seconds = self._hold_seconds or longest_grading(candidate.path, self._spec)
        for attempt in range(TRIES):
            worker = self._ready()
            try:
                left = max(seconds - (time.monotonic() - started), 1.0)
                return worker.grade(candidate, left)
            except WorkerDied as error:
                if attempt + 1 < TRIES and not self._killed:
                    continue
                ended, details = _died(error), ""
            except WorkerTimedOut:
                reason = Text(
                    "Reading and measuring the submission took longer than {seconds:,.0f} seconds "
                    "and was stopped; make the model smaller or simpler.",
                    seconds=seconds,
                )
                ended, details = Stopped(Status.TIMED_OUT, reason), ""
            except WorkerProtocolError as error:
                ended = Stopped(Status.GRADER_FAULT, grading.fault_sentence(error))
                details = repr(error)
            if self._killed:
                raise WorkerKilled
            try:
                identity = grading.identify(candidate.path, candidate.name, self._spec)
            except OSError:
                identity = SubmissionId(candidate.name, "")
            return Outcome(grading.ungraded(self._examination, identity, ended, started), details)
        raise AssertionError("the last attempt returns")

    def close(self) -> None:
        """Let the process end."""
        if self._worker is not None:
            self._worker.close()
            self._worker = None

    def kill(self) -> None:
        """End the process at once and start no other."""
        with self._lock:
            self._killed = True
            if self._worker is not None:
                self._worker.kill()

    def _ready(self) -> Worker:
        """A worker process that is ready for the next submission."""
        worker, start = self._worker, self._memory_at_start
        if (
            worker is not None
            and worker.memory_bytes - start < MAX_GROWTH_BYTES
            and worker.alive
            and worker.graded < MAX_GRADED
        ):
            return worker
        for attempt in range(STARTS):
            try:
                self.close()
                with self._lock:
                    if self._killed:
                        raise WorkerKilled
                    self._worker = Worker(self._examination.lesson, self._file, self._folder)
                self._worker.wait_until_ready()
                self._memory_at_start = self._worker.memory_bytes
                return self._worker
            except WorkerDied as error:
                if attempt + 1 == STARTS:
                    last = (error.log.strip().splitlines() or [""])[-1][:300]
                    raise Fault(_not_started(last or ending(error.code))) from error
            except WorkerTimedOut as error:
                raise Fault(_not_started("it does not answer")) from error
            except (OSError, WorkerProtocolError) as error:
                raise Fault(_not_started(str(error))) from error
        raise AssertionError("the last attempt returns")


class Worker:
    """A handle on one process that grades one submission after another.

    `examination` is the path of a pickle that this process wrote. The worker's files on disk lie
    in a folder of its own below `folder`, which is removed when the worker is closed.
    """

    def __init__(self, lesson: str, examination: Path, folder: Path) -> None:
        self.graded = 0
        self._timed_out = False
        self._log = bytearray()
        self._folder = Path(tempfile.mkdtemp(prefix="worker-", dir=folder))
        for name in ("work", "tmp"):
            (self._folder / name).mkdir()
        try:
            self._process = processes.start(
                ["grader.batch.worker", lesson, str(examination.absolute())],
                cwd=self._folder / "work",
                extra=dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(self._folder / "tmp")),
            )
        except BaseException:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._requests: IO[bytes] = self._process.stdin
        self._answers: IO[bytes] = self._process.stdout
        self._log_reader = threading.Thread(
            target=processes.read_log,
            args=(self._process.stderr, self._log, LOG_BYTES),
            daemon=True,
        )
        self._log_reader.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    @property
    def memory_bytes(self) -> int:
        """Resident memory; 0 when the process has ended or cannot be inspected."""
        return processes.resident_bytes(self.pid) if self.alive else 0

    def wait_until_ready(self, seconds: float = START_SECONDS) -> None:
        """Raises WorkerDied, WorkerTimedOut or WorkerProtocolError when it does not start."""
        if self._read(seconds) != b"":
            raise self._protocol_error("expected an empty first answer")

    def grade(self, candidate: Candidate, wall_seconds: float) -> Outcome:
        """Request one grade. Raises WorkerDied, WorkerTimedOut or WorkerProtocolError; after any
        of them the process is dead."""
        request = {"path": str(candidate.path.absolute()), "name": candidate.name}
        with contextlib.suppress(OSError):  # it has died; reading finds out how
            self._requests.write(json.dumps(request).encode() + b"\n")
            self._requests.flush()
        raw = self._read(wall_seconds)
        try:
            outcome = outcome_from_json(raw)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise self._protocol_error(str(error)) from error
        if (found := outcome.grade.submission).name != candidate.name:
            raise self._protocol_error(f"expected {candidate.name!r}, got {found}")
        self.graded += 1
        return outcome

    def kill(self) -> None:
        """End the process and its descendants at once. Any thread may call this."""
        if self.alive:  # otherwise its id may belong to another process
            processes.kill_descendants(self.pid)
            self._process.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(CLOSE_SECONDS)

    def close(self) -> None:
        """Let the process end, or end it, and remove its folder."""
        with contextlib.suppress(OSError):
            self._requests.close()
        self._wait()
        self._log_reader.join(CLOSE_SECONDS)
        self._answers.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _read(self, seconds: float) -> bytes:
        """The next answer. A timer kills the process, which ends the reading."""
        timer = threading.Timer(seconds, self._time_out)
        timer.daemon = True
        timer.start()
        try:
            header = self._answers.read(8)
            size = int.from_bytes(header, "big")
            if len(header) == 8 and size > MAX_ANSWER_BYTES:
                raise self._protocol_error(f"an answer of {size} bytes")
            raw = self._answers.read(size)
        finally:
            timer.cancel()
        if len(header) == 8 and len(raw) == size:
            return raw
        code = self._wait()
        if self._timed_out:
            raise WorkerTimedOut
        self._log_reader.join(CLOSE_SECONDS)
        raise WorkerDied(code, log(bytes(self._log)))

    def _wait(self) -> int:
        """The exit code; kills a process that closed its pipe and does not end."""
        try:
            return self._process.wait(CLOSE_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            return self._process.wait()

    def _protocol_error(self, why: str) -> WorkerProtocolError:
        self.kill()
        return WorkerProtocolError(why)

    def _time_out(self) -> None:
        self._timed_out = True
        self.kill()


def _died(error: WorkerDied) -> Stopped:
    """What a second death in a row means. A submission cannot send the worker a signal, and memory
    that reading it takes is limited; the system sends SIGKILL when memory runs short."""
    if error.code == KILLED:
        reason = Text(
            "The system ended the process that measured this work, twice, as it does when memory "
            "runs short. This costs no points: run the same command again with fewer --jobs, or "
            "with nothing else beside it."
        )
        return Stopped(Status.GRADER_FAULT, reason, error.log)
    reason = Text(
        "The process that read the submission ended twice without an answer ({how}); export the "
        "model again and check it with `grader check`.",
        how=ending(error.code),
    )
    return Stopped(Status.CRASHED, reason, error.log)


def ending(code: int) -> str:
    """The signal or the exit code that a process ended with."""
    try:
        return signal.Signals(-code).name if code < 0 else f"exit code {code}"
    except ValueError:
        return f"signal {-code}"


def _not_started(why: str) -> Text:
    return Text(
        "Worker processes do not start ({why}); what was finished is kept. Run `grader doctor`, "
        "then the same command again.",
        why=why,
    )
