"""A worker that is always there: replaced when it dies, overruns, or wears out.

A submission whose worker dies is tried once more, since a machine short of memory ends any
process; the second time it is named.
"""

from __future__ import annotations

import signal
import threading
import time
from pathlib import Path

from grader import grading
from grader import lesson as lessons
from grader.batch.results import Outcome
from grader.batch.workers import Worker, WorkerConfused, WorkerDied, WorkerOverran
from grader.errors import Fault
from grader.executed import longest_grading
from grader.grades import Status, SubmissionId
from grader.grading import Examination
from grader.intake import Candidate
from grader.sandbox.ending import Stopped
from grader.text import Text

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
        self._spec = lessons.load(examination.lesson).spec
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
