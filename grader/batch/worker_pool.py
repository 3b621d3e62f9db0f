"""A worker that is always there: replaced when it dies, overruns, or wears out.

A submission whose worker dies is tried once more, since a machine short of memory ends any
process; the second time it is named.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import IO

import msgspec

from grader import grading
from grader.batch.processes import kill_descendants, resident_bytes, start
from grader.batch.results import Outcome, outcome_from_json
from grader.grading import Examination
from grader.grading.notebook import longest_grading
from grader.intake import Candidate
from grader.lesson import loading
from grader.lesson.grades import Status, SubmissionId
from grader.sandbox.isolation.process import Stopped
from grader.text import Text
from grader.text.errors import Fault
from grader.text.untrusted import log

# A handle on one worker process: start it, ask it, see it die, leave nothing of it behind.


START_SECONDS = 120.0
CLOSE_SECONDS = 5.0
MAX_ANSWER_BYTES = 64 * 2**20
LOG_BYTES = 16 * 2**10


class WorkerDied(Exception):
    """The process ended without an answer; `code` is negative for a signal on POSIX."""

    def __init__(self, code: int, log: str) -> None:
        super().__init__(f"worker ended with code {code}")
        self.code = code
        self.log = log


class WorkerOverran(Exception):
    """No answer in time; the process was killed."""


class WorkerConfused(Exception):
    """What it answered is no outcome; the process was killed."""


class Worker:
    """One process that grades one submission after another.

    `examination` is a pickle that we wrote. Everything that the process puts on disk lies in a
    folder of its own below `folder`, and is removed when it is closed.
    """

    def __init__(self, lesson: str, examination: Path, folder: Path) -> None:
        self.graded = 0
        self.overran = False
        self._log = bytearray()
        self._place = Path(tempfile.mkdtemp(prefix="worker-", dir=folder))
        for name in ("work", "tmp"):
            (self._place / name).mkdir()
        try:
            self._process = start(
                ["grader.batch.worker", lesson, str(examination.absolute())],
                cwd=self._place / "work",
                extra={name: str(self._place / "tmp") for name in ("TMPDIR", "TEMP", "TMP")},
            )
        except BaseException:
            shutil.rmtree(self._place, ignore_errors=True)
            raise
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._requests: IO[bytes] = self._process.stdin
        self._answers: IO[bytes] = self._process.stdout
        self._drain = threading.Thread(
            target=self._keep_log, args=(self._process.stderr,), daemon=True
        )
        self._drain.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    @property
    def memory_bytes(self) -> int:
        """Resident memory; 0 when it is gone or cannot be seen."""
        return resident_bytes(self.pid) if self.alive else 0

    def wait_until_ready(self, seconds: float = START_SECONDS) -> None:
        """Raises WorkerDied, WorkerOverran or WorkerConfused when it does not start."""
        if self._read(seconds) != b"":
            self.kill()
            raise WorkerConfused("expected an empty first answer")

    def grade(self, candidate: Candidate, wall_seconds: float) -> Outcome:
        """Ask for one grade. Raises WorkerDied, WorkerOverran or WorkerConfused; after any of
        them the process is dead."""
        request = {"path": str(candidate.path.absolute()), "name": candidate.name}
        with contextlib.suppress(OSError):  # it died; reading says how
            self._requests.write(json.dumps(request).encode() + b"\n")
            self._requests.flush()
        raw = self._read(wall_seconds)
        try:
            outcome = outcome_from_json(raw)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            self.kill()
            raise WorkerConfused(str(error)) from error
        if outcome.grade.submission.name != candidate.name:
            self.kill()
            raise WorkerConfused(f"expected {candidate.name!r}, got {outcome.grade.submission}")
        self.graded += 1
        return outcome

    def kill(self) -> None:
        """End it at once, with what it started. Any thread may call this."""
        if self.alive:  # else its number may be another's by now
            kill_descendants(self.pid)
            self._process.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(CLOSE_SECONDS)

    def close(self) -> None:
        """Let it end, or end it; nothing of it stays on disk."""
        with contextlib.suppress(OSError):
            self._requests.close()
        try:
            self._process.wait(CLOSE_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            self._process.wait()
        self._drain.join(CLOSE_SECONDS)
        self._answers.close()
        shutil.rmtree(self._place, ignore_errors=True)

    def _read(self, seconds: float) -> bytes:
        """The next answer. A timer kills the process, which ends the reading."""
        timer = threading.Timer(seconds, self._overrun)
        timer.daemon = True
        timer.start()
        try:
            header = self._answers.read(8)
            size = int.from_bytes(header, "big")
            if len(header) == 8 and size > MAX_ANSWER_BYTES:
                self.kill()
                raise WorkerConfused(f"an answer of {size} bytes")
            raw = self._answers.read(size)
        finally:
            timer.cancel()
        if len(header) == 8 and len(raw) == size:
            return raw
        raise self._end()

    def _end(self) -> Exception:
        """Why there is no answer."""
        try:
            code = self._process.wait(CLOSE_SECONDS)
        except subprocess.TimeoutExpired:  # it closed its pipe and lives
            self.kill()
            code = self._process.wait()
        if self.overran:
            return WorkerOverran()
        self._drain.join(CLOSE_SECONDS)
        return WorkerDied(code, log(bytes(self._log)))

    def _overrun(self) -> None:
        self.overran = True
        self.kill()

    def _keep_log(self, stream: IO[bytes]) -> None:
        """The end of what it printed: the reason why it died, if it gave one."""
        while block := stream.read1(65536):  # type: ignore[attr-defined]
            self._log = (self._log + block)[-LOG_BYTES:]
        stream.close()


GRACE_SECONDS = 60.0
"""Beyond what the runs of a submission may take: intake and counting."""
STARTS = 3
"""How often a worker is started that ends before it is ready."""
TRIES = 2
"""How often a submission is given to a worker that dies of it."""
MAX_GRADED = 500
MAX_GROWTH_BYTES = 512 * 2**20


class Closed(Exception):
    """`kill` was called while a submission was being graded; it has no grade."""


class SteadyWorker:
    """Grades one submission after another, in a process that is replaced when needed.

    `file` is the pickled `examination`, `folder` where processes keep their temporary files.
    One thread uses it; `kill` may come from another.
    """

    def __init__(
        self,
        examination: Examination,
        file: Path,
        folder: Path,
        grace_seconds: float = GRACE_SECONDS,
    ) -> None:
        self._examination = examination
        self._file = file
        self._folder = folder
        self._spec = loading.load(examination.lesson).spec
        self._grace_seconds = grace_seconds
        self._lock = threading.Lock()
        self._killed = False
        self._worker: Worker | None = None
        self._memory_at_start = 0

    def grade(self, candidate: Candidate) -> Outcome:
        """The outcome, whatever becomes of the process. Raises Fault when no process starts,
        Closed after `kill`."""
        started = time.monotonic()
        seconds = longest_grading(candidate.path, self._spec) + self._grace_seconds
        for attempt in range(TRIES):
            worker = self._ready()
            try:
                return worker.grade(candidate, seconds)
            except WorkerDied as error:
                if attempt + 1 < TRIES and not self._killed:
                    continue
                ended, details = Stopped(Status.CRASHED, _died(error.code), error.log), ""
            except WorkerOverran:
                ended, details = Stopped(Status.TIMED_OUT, _overran()), ""
            except WorkerConfused as error:
                ended = Stopped(Status.GRADER_FAULT, grading.fault_sentence(error))
                details = repr(error)
            if self._killed:
                raise Closed
            return self._ungraded(candidate, ended, details, started)
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
        if self._worker is not None and self._usable(self._worker):
            return self._worker
        for attempt in range(STARTS):
            try:
                return self._started()
            except WorkerDied as error:
                if attempt + 1 == STARTS:
                    raise Fault(_not_started(_last_line(error.log) or how(error.code))) from error
            except WorkerOverran as error:
                raise Fault(_not_started("it does not answer")) from error
            except (OSError, WorkerConfused) as error:
                raise Fault(_not_started(str(error))) from error
        raise AssertionError("the last attempt returns")

    def _started(self) -> Worker:
        self.close()
        with self._lock:
            if self._killed:
                raise Closed
            self._worker = Worker(self._examination.lesson, self._file, self._folder)
        self._worker.wait_until_ready()
        self._memory_at_start = self._worker.memory_bytes
        return self._worker

    def _usable(self, worker: Worker) -> bool:
        growth = worker.memory_bytes - self._memory_at_start
        return worker.alive and worker.graded < MAX_GRADED and growth < MAX_GROWTH_BYTES

    def _ungraded(
        self, candidate: Candidate, ended: Stopped, details: str, started: float
    ) -> Outcome:
        try:
            identity = grading.identify(candidate.path, candidate.name, self._spec)
        except OSError:
            identity = SubmissionId(candidate.name, "")
        return Outcome(grading.ungraded(self._examination, identity, ended, started), details)


def how(code: int) -> str:
    """The signal or the exit code that a process ended with."""
    try:
        return signal.Signals(-code).name if code < 0 else f"exit code {code}"
    except ValueError:
        return f"signal {-code}"


def _last_line(log: str) -> str:
    return (log.strip().splitlines() or [""])[-1][:300]


def _not_started(why: str) -> Text:
    return Text(
        en=f"Worker processes do not start ({why}); what was finished is kept. Run `grader "
        "doctor`, then the same command again.",
        ru=f"Рабочие процессы не запускаются ({why}); готовые оценки сохранены. Запустите "
        "`grader doctor`, а затем ту же команду.",
    )


def _overran() -> Text:
    return Text(
        en="Reading and measuring the submission took too long and was stopped; make the model "
        "smaller or simpler.",
        ru="Чтение и измерение работы заняли слишком много времени и были остановлены; уменьшите "
        "или упростите модель.",
    )


def _died(code: int) -> Text:
    return Text(
        en=f"The process that read the submission ended twice without an answer ({how(code)}); "
        "export the model again and check it with `grader check`.",
        ru=f"Процесс, читавший работу, дважды завершился без ответа ({how(code)}); экспортируйте "
        "модель заново и проверьте её командой `grader check`.",
    )
